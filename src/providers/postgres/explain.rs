//! A query's plan, from `explain (format json)`: its nodes in words, and what a contract finds in them. Does no I/O.

use serde_json::Value;

use super::index::name::Relation;
use crate::model::text;

/// The nodes that `explain` can show, in words as people write them.
const NODES: [&str; 43] = [
    "append",
    "aggregate",
    "bitmap heap scan",
    "bitmap index scan",
    "bitmapand",
    "bitmapor",
    "cte scan",
    "custom scan",
    "foreign scan",
    "function scan",
    "gather",
    "gather merge",
    "group",
    "groupaggregate",
    "hash",
    "hash join",
    "hashaggregate",
    "hashsetop",
    "incremental sort",
    "index only scan",
    "index scan",
    "limit",
    "lockrows",
    "materialize",
    "memoize",
    "merge append",
    "merge join",
    "mixedaggregate",
    "modifytable",
    "named tuplestore scan",
    "nested loop",
    "projectset",
    "recursive union",
    "result",
    "sample scan",
    "seq scan",
    "setop",
    "sort",
    "subquery scan",
    "table function scan",
    "tid range scan",
    "tid scan",
    "unique",
];

/// A plan: its total cost and its nodes, from the top down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The planner's estimate for the whole, in its own unit.
    pub cost: f64,
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// What it is, in words: `seq scan`.
    pub kind: String,
    /// The table.
    pub table: Option<Relation>,
    /// The partitioned table that the table belongs to.
    pub root: Option<Relation>,
    /// The index, under the name that the policy gives it.
    pub index: Option<String>,
    /// Whether the index is still to be created.
    pub is_hypothetical: bool,
}

/// What a contract forbids: `seq scan on users`, `sort`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    kind: String,
    on: Option<String>,
}

impl Forbidden {
    /// Reads it.
    ///
    /// # Errors
    /// Why it can never be found in a plan.
    pub fn parse(said: &str) -> Result<Self, String> {
        let folded = said.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let (kind, on) = match folded.split_once(" on ") {
            Some((kind, on)) => (kind.to_owned(), Some(on.replace('"', ""))),
            None => (folded, None),
        };
        if NODES.contains(&kind.as_str()) {
            return Ok(Self { kind, on });
        }
        Err(match text::nearest(&kind, NODES) {
            Some(near) => format!("no plan has a `{kind}`; did you mean `{near}`"),
            None => format!("no plan has a `{kind}`"),
        })
    }

    /// Whether a node is one of these.
    pub fn matches(&self, node: &Node) -> bool {
        let is_on = |relation: &Option<Relation>, on: &str| {
            relation.as_ref().is_some_and(|Relation { schema, name }| {
                let (schema, name) = (schema.to_lowercase(), name.to_lowercase());
                on == name || on == format!("{schema}.{name}")
            })
        };
        self.kind == node.kind
            && self.on.as_deref().is_none_or(|on| {
                let on_index = node.index.as_ref().is_some_and(|index| index.to_lowercase() == on);
                is_on(&node.table, on) || is_on(&node.root, on) || on_index
            })
    }
}

impl Node {
    /// The node for people: `index scan on public.users using users_by_tenant (still to be created)`.
    pub fn words(&self) -> String {
        let mut out = self.kind.clone();
        if let Some(table) = &self.table {
            out = format!("{out} on {}", table.full());
        }
        if let Some(index) = &self.index {
            out = format!("{out} using {index}");
        }
        if self.is_hypothetical {
            out.push_str(" (still to be created)");
        }
        text::tame(&out)
    }

    /// Whether it reads a table or an index.
    pub fn is_scan(&self) -> bool {
        self.table.is_some() && self.kind.ends_with("scan") || self.kind == "bitmap index scan"
    }
}

impl Plan {
    /// Reads what `explain (format json, verbose)` answers. `None` where it is no plan.
    pub fn parse(said: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(said).ok()?;
        let top = value.get(0)?.get("Plan")?;
        let mut plan = Self { cost: top.get("Total Cost")?.as_f64()?, nodes: Vec::new() };
        plan.walk(top);
        Some(plan)
    }

    fn walk(&mut self, node: &Value) {
        let text = |key: &str| node.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("Node Type").unwrap_or_default().to_lowercase();
        let kind = match (kind.as_str(), text("Strategy").as_deref()) {
            ("aggregate", Some("Hashed")) => "hashaggregate".to_owned(),
            ("aggregate", Some("Sorted")) => "groupaggregate".to_owned(),
            ("aggregate", Some("Mixed")) => "mixedaggregate".to_owned(),
            ("setop", Some("Hashed")) => "hashsetop".to_owned(),
            _ => kind,
        };
        let table = text("Relation Name").map(|name| Relation::new(text("Schema").unwrap_or_default(), name));
        self.nodes.push(Node { kind, table, index: text("Index Name"), ..Node::default() });
        for child in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            self.walk(child);
        }
    }

    /// How tables are read, for people, each way once.
    pub fn scans(&self) -> String {
        let mut scans: Vec<String> = Vec::new();
        for words in self.nodes.iter().filter(|node| node.is_scan()).map(Node::words) {
            if !scans.contains(&words) {
                scans.push(words);
            }
        }
        scans.join(", ")
    }
}

/// A cost as the planner prints it.
pub fn show_cost(cost: f64) -> String {
    if cost.fract() == 0.0 { format!("{cost:.0}") } else { format!("{cost:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"[{"Plan": {"Node Type": "Aggregate", "Strategy": "Hashed", "Total Cost": 812.25, "Plans": [
        {"Node Type": "Seq Scan", "Relation Name": "users", "Schema": "public", "Alias": "u", "Total Cost": 800.0},
        {"Node Type": "Index Scan", "Relation Name": "orders", "Schema": "shop", "Index Name": "orders_pkey", "Total Cost": 8.0}]}}]"#;

    #[test]
    fn a_plan_is_read_from_json() {
        let plan = Plan::parse(PLAN).unwrap();
        assert_eq!(show_cost(plan.cost), "812.25");
        assert_eq!(plan.scans(), "seq scan on public.users, index scan on shop.orders using orders_pkey");
        assert_eq!(Plan::parse("[]"), None);
    }

    #[test]
    fn what_is_forbidden_is_found_or_refused() {
        let plan = Plan::parse(PLAN).unwrap();
        let check = |said: &str, expected: &str| {
            let found = match Forbidden::parse(said) {
                Ok(forbidden) => {
                    plan.nodes.iter().filter(|n| forbidden.matches(n)).map(Node::words).collect::<Vec<_>>().join(", ")
                }
                Err(problem) => problem,
            };
            assert_eq!(found, expected, "{said}");
        };
        check("seq scan on users", "seq scan on public.users");
        check("Seq  Scan ON public.users", "seq scan on public.users");
        check("seq scan on other.users", "");
        check("seq scan", "seq scan on public.users");
        check("index scan on orders_pkey", "index scan on shop.orders using orders_pkey");
        check("hashaggregate", "hashaggregate");
        check("sort", "");
        check("seq scn on users", "no plan has a `seq scn`; did you mean `seq scan`");
        check("full table scan", "no plan has a `full table scan`");
    }
}
