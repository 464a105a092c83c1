//! The kind `query`: a query and what its plan must be like, judged against the state that the plan leads to.
//!
//! Nothing is executed: the query is prepared and explained in a read-only session of its own, which ends with all that was laid in.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use super::connect::{Endpoint, Purpose, Session};
use super::explain::{Forbidden, Plan, show_cost};
use super::index::name::Relation;
use super::{Settings, Site, Spec, failure, index, quote};
use crate::error::Result;
use crate::model::{Action, Check, Comparison, Kind, Many, Verdict, text};
use crate::provider::{Delta, Problem, Want};

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "query",
    doc: "a query and what its plan must be like; changes nothing",
    comparison: Comparison::Contract,
    many: Many::Named,
    replaces: &[],
    prunable: false,
};

/// A query and what its plan must be like. It is explained, never run; planning may look into an index, which the server counts as a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// One `select`, `insert`, `update`, `delete`, `merge`, `values` or `with`, its parameters as `$1`, `$2`.
    pub sql: String,
    /// The parameters' values, as texts. Where they are not written, the plan for any values is judged.
    #[serde(default)]
    pub params: Option<Vec<String>>,
    /// The most it may cost, in the planner's unit.
    #[serde(default)]
    pub max_cost: Option<f64>,
    /// Indexes that its plan must use.
    #[serde(default)]
    pub must_use: Vec<String>,
    /// What its plan must not hold: a node, or a node on a table: `sort`, `seq scan on users`.
    #[serde(default)]
    pub forbid: Vec<String>,
}

/// How long the server may think about one query.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a query that only describes data begins.
const VERBS: [&str; 8] = ["select", "insert", "update", "delete", "merge", "values", "with", "table"];

/// The prepared statement's name; the session is ours alone.
const NAME: &str = "evenkeel_contract";

/// What can be said of the policy without a server.
pub fn check(wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for want in wants.iter().filter(|want| want.id.kind == KIND.name) {
        let Some(Spec::Query(query)) = &want.spec else {
            problems.push(
                Problem::of(&want.id, "a contract is not on the server, so it cannot be absent")
                    .hint("delete its table"),
            );
            continue;
        };
        if !VERBS.contains(&verb(&query.sql).as_str()) {
            problems.push(
                Problem::of(&want.id, "a contract is about one query")
                    .at("sql")
                    .hint(format!("begin it with {}", text::either(VERBS))),
            );
        }
        if query.max_cost.is_none() && query.must_use.is_empty() && query.forbid.is_empty() {
            problems.push(
                Problem::of(&want.id, "the contract asks for nothing").hint("write `max_cost`, `must_use` or `forbid`"),
            );
        }
        if query.max_cost.is_some_and(|cost| cost.is_nan() || cost <= 0.0) {
            problems.push(Problem::of(&want.id, "no plan costs that little").at("max_cost"));
        }
        for said in &query.forbid {
            if let Err(message) = Forbidden::parse(said) {
                problems.push(
                    Problem::of(&want.id, message)
                        .at("forbid")
                        .hint("write it as `explain` does: \"seq scan on users\", \"sort\""),
                );
            }
        }
    }
    problems
}

/// The first word, behind comments and parentheses.
fn verb(sql: &str) -> String {
    let mut rest = sql.trim_start();
    loop {
        rest = if let Some(after) = rest.strip_prefix("--") {
            after.split_once('\n').map_or("", |(_, next)| next)
        } else if let Some(after) = rest.strip_prefix("/*") {
            after.split_once("*/").map_or("", |(_, next)| next)
        } else if let Some(after) = rest.strip_prefix('(') {
            after
        } else {
            break;
        }
        .trim_start();
    }
    rest.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_lowercase()
}

/// Judges contracts against the state that `deltas` lead to.
///
/// # Errors
/// When no session can be opened.
pub async fn judge(
    endpoint: &Endpoint,
    settings: &Settings,
    site: &Site,
    contracts: &[Want<Spec>],
    deltas: &[Delta<Spec>],
) -> Result<Vec<Check>> {
    let mut session = endpoint.open(Purpose::Read, "evenkeel", settings.lock_timeout.std()).await?;
    session.set_timeouts(settings.lock_timeout.std(), PATIENCE).await?;
    let path: Vec<_> = settings.schemas.iter().map(|schema| quote::ident(schema)).collect();
    set(&mut session, "search_path", &path.join(", ")).await.map_err(failure::explain)?;
    let future = Future::lay(&mut session, site, deltas).await.map_err(failure::explain)?;
    let mut checks = Vec::with_capacity(contracts.len());
    for want in contracts {
        let Some(Spec::Query(query)) = &want.spec else { continue };
        let opinion = match future.plan(&mut session, query).await {
            Ok((plan, basis)) => future.judge(&mut session, query, plan, basis).await.map_err(failure::explain)?,
            Err(error) => refused(error),
        };
        // Not there where preparing failed; the session ends in any case.
        session.send(&format!("deallocate {NAME}")).await.ok();
        checks.push(Check {
            name: want.id.to_string(),
            verdict: opinion.verdict,
            message: opinion.message,
            hint: opinion.hint,
            origins: vec![want.origin.clone()],
        });
    }
    // Nothing depends on a polite goodbye: the server forgets the session's hypothetical indexes with it.
    sqlx::Connection::close(session.conn).await.ok();
    Ok(checks)
}

async fn set(session: &mut Session, name: &str, value: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::query("select set_config($1, $2, false)").bind(name).bind(value);
    query.execute(&mut session.conn).await.map(drop)
}

/// What came of one contract.
struct Opinion {
    verdict: Verdict,
    message: String,
    hint: Option<String>,
}

fn refused(error: sqlx::Error) -> Opinion {
    let is_missing = matches!(&error, sqlx::Error::Database(inner) if inner.code().as_deref() == Some("42P01"));
    let error = failure::explain(error);
    let hint = match error.next() {
        _ if is_missing => Some("if the plan creates it, look again after applying; else check `schemas`".to_owned()),
        hint => hint.map(str::to_owned),
    };
    Opinion { verdict: Verdict::Unknown, message: format!("cannot be judged: {}", error.message()), hint }
}

/// The indexes that will be there and are not, and those that are there and will not.
#[derive(Default)]
struct Future {
    /// Whether HypoPG is there.
    has_hypopg: bool,
    /// HypoPG's name of each laid-in index, and the policy's.
    laid: HashMap<String, String>,
    /// Indexes to come that could not be laid in, by their table, each with why.
    unlaid: Vec<(Option<Relation>, String, String)>,
    /// Indexes that go and could not be hidden.
    unhidden: Vec<String>,
}

/// What HypoPG is called by, wherever it was installed.
const HYPOPG: &str = "select quote_ident(n.nspname) from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace \
    where e.extname = 'hypopg'";

impl Future {
    /// Lays in what the plan creates, and hides what it drops, as far as HypoPG can.
    async fn lay(session: &mut Session, site: &Site, deltas: &[Delta<Spec>]) -> Result<Self, sqlx::Error> {
        let mut future = Self::default();
        let indexes: Vec<_> = deltas.iter().filter(|delta| delta.id.kind == index::KIND.name).collect();
        if indexes.is_empty() {
            return Ok(future);
        }
        let hypopg: Option<String> = sqlx::query_scalar(HYPOPG).fetch_optional(&mut session.conn).await?;
        future.has_hypopg = hypopg.is_some();
        let can_hide = site.hypopg.as_deref().is_some_and(|version| at_least(version, (1, 4)));
        for delta in indexes {
            if let (true, Some(Spec::Index(live))) = (delta.action.removes(), &delta.live) {
                let name = live.name.clone().unwrap_or_else(|| delta.id.label().to_owned());
                let hidden = match (&hypopg, can_hide, Relation::parse(&live.table, &site.schema)) {
                    (Some(hypopg), true, Some(Relation { schema, .. })) => {
                        let index = quote::literal(&quote::qualified(&schema, &name));
                        ask(session, &format!("select {hypopg}.hypopg_hide_index(to_regclass({index}))")).await
                    }
                    _ => false,
                };
                if !hidden {
                    future.unhidden.push(name);
                }
            }
            if let (Action::Create | Action::Replace, Some(Spec::Index(want))) = (delta.action, &delta.want) {
                let name = want.name.clone().unwrap_or_else(|| delta.id.label().to_owned());
                let table = Relation::parse(&want.table, &site.schema);
                let reason = match (&hypopg, &table) {
                    (None, _) => "HypoPG is not installed".to_owned(),
                    (_, None) => format!("`{}` is no table", want.table),
                    (Some(hypopg), Some(table)) => {
                        let unique = if want.unique { "unique " } else { "" };
                        let sql = format!("create {unique}index on {}{}", table.full(), index::sql::definition(want));
                        match create(session, hypopg, &sql).await {
                            Ok(hypothetical) => {
                                future.laid.insert(hypothetical, name);
                                continue;
                            }
                            Err(error) => format!("HypoPG cannot lay it in: {}", failure::explain(error).message()),
                        }
                    }
                };
                future.unlaid.push((table, name, reason));
            }
        }
        Ok(future)
    }

    /// The query's plan in that state.
    async fn plan(&self, session: &mut Session, query: &Query) -> Result<(Plan, Basis), sqlx::Error> {
        let mode = if query.params.is_some() { "force_custom_plan" } else { "force_generic_plan" };
        set(session, "plan_cache_mode", mode).await?;
        // The server takes one statement here and no more, and only one of those that describe data.
        session.send(&format!("prepare {NAME} as {}", query.sql)).await?;
        let values = if let Some(params) = &query.params {
            params.iter().map(|param| quote::literal(param)).collect::<Vec<_>>()
        } else {
            let count = "select cardinality(parameter_types) from pg_catalog.pg_prepared_statements where name = $1";
            let count: i32 = sqlx::query_scalar(count).bind(NAME).fetch_one(&mut session.conn).await?;
            vec!["null".to_owned(); usize::try_from(count).unwrap_or_default()]
        };
        let basis = if query.params.is_some() || values.is_empty() { Basis::Values } else { Basis::Anything };
        let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let explain = format!("explain (format json, verbose) execute {NAME}{values}");
        let row = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_one(&mut session.conn).await?;
        let mut plan = Plan::parse(&row.try_get_unchecked::<String, _>(0)?)
            .ok_or_else(|| sqlx::Error::Protocol("`explain` answered with no plan".into()))?;
        for node in &mut plan.nodes {
            if let Some(name) = node.index.as_ref().and_then(|index| self.laid.get(index)) {
                node.index = Some(name.clone());
                node.is_hypothetical = true;
            }
        }
        Ok((plan, basis))
    }

    /// Holds a plan against its contract.
    async fn judge(
        &self,
        session: &mut Session,
        query: &Query,
        mut plan: Plan,
        basis: Basis,
    ) -> Result<Opinion, sqlx::Error> {
        let unanalyzed = look_up(session, &mut plan).await?;
        let uses = self.used(session, &plan, &query.must_use).await?;
        let mut found: Vec<String> = Vec::new();
        for said in query.forbid.iter().filter_map(|said| Forbidden::parse(said).ok()) {
            for node in plan.nodes.iter().filter(|node| said.matches(node)) {
                let words = node.words();
                if !found.contains(&words) {
                    found.push(words);
                }
            }
        }
        for (name, standing) in &uses {
            match standing {
                Use::Used => {}
                Use::Unused => found.push(format!("index `{name}` is not used")),
                Use::Missing if self.unlaid.iter().any(|(_, unlaid, _)| unlaid == name) => {}
                Use::Missing => found.push(format!("there is no index `{name}`")),
            }
        }
        let cost = show_cost(plan.cost);
        let over = query.max_cost.filter(|max| plan.cost > *max);
        if let Some(max) = over {
            found.push(format!("cost {cost} over max_cost {}", show_cost(max)));
        }
        let mut opinion = if found.is_empty() {
            let scans = plan.scans();
            let message = if scans.is_empty() { format!("cost {cost}") } else { format!("cost {cost}, {scans}") };
            Opinion { verdict: Verdict::Pass, message, hint: None }
        } else {
            if over.is_none() {
                found.push(format!("cost {cost}"));
            }
            Opinion { verdict: Verdict::Fail, message: found.join(", "), hint: Some(advise(&uses, &unanalyzed, basis)) }
        };
        if !unanalyzed.is_empty() {
            let tables = text::list(&unanalyzed);
            opinion.message = format!("{}; {tables} never analyzed, so this is a guess", opinion.message);
        }
        Ok(self.doubt(query, &plan, opinion))
    }

    /// Whether the plan uses each of these indexes, or a partition's part of it.
    async fn used(
        &self,
        session: &mut Session,
        plan: &Plan,
        names: &[String],
    ) -> Result<Vec<(String, Use)>, sqlx::Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sqlx::query(
        "select c.relname::text as name, coalesce((select array_agg(l.relname::text) from pg_partition_tree(c.oid) t \
            join pg_catalog.pg_class l on l.oid = t.relid), array[c.relname::text]) as parts \
         from pg_catalog.pg_class c where c.relkind in ('i', 'I') and c.relname = any($1)",
    )
    .bind(names)
    .fetch_all(&mut session.conn)
    .await?;
        let mut parts: HashMap<String, Vec<String>> = HashMap::new();
        for row in rows {
            parts.entry(row.try_get("name")?).or_default().extend(row.try_get::<Vec<String>, _>("parts")?);
        }
        let shows = |name: &String| plan.nodes.iter().any(|node| node.index.as_ref() == Some(name));
        Ok(names
            .iter()
            .map(|name| {
                let standing = match parts.get(name) {
                    _ if shows(name) => Use::Used,
                    Some(parts) if parts.iter().any(shows) => Use::Used,
                    Some(_) => Use::Unused,
                    None if self.laid.values().any(|laid| laid == name) => Use::Unused,
                    None => Use::Missing,
                };
                (name.clone(), standing)
            })
            .collect())
    }

    /// What could not be considered, where it could have made a difference.
    fn doubt(&self, query: &Query, plan: &Plan, opinion: Opinion) -> Opinion {
        let unknown = |message: String, hint: &str| Opinion {
            verdict: Verdict::Unknown,
            message: format!("{message}; as it is now: {}", opinion.message),
            hint: Some(hint.to_owned()),
        };
        let leaves = plan.nodes.iter().filter(|node| !node.is_hypothetical).filter_map(|node| node.index.as_ref());
        if let Some(name) = leaves.into_iter().find(|index| self.unhidden.contains(index)) {
            let message = format!("its plan uses `{name}`, which is to go, and HypoPG before 1.4 cannot hide it");
            return unknown(message, "judge again after applying");
        }
        let reads = |table: &Relation| {
            plan.nodes.iter().any(|node| node.table.as_ref() == Some(table) || node.root.as_ref() == Some(table))
        };
        let matters = self
            .unlaid
            .iter()
            .find(|(table, name, _)| query.must_use.contains(name) || table.as_ref().is_some_and(reads));
        // One index more never makes the planner's choice dearer.
        let is_settled = opinion.verdict == Verdict::Pass && query.must_use.is_empty() && query.forbid.is_empty();
        match matters {
            Some((_, name, reason)) if !is_settled => {
                let hint = if self.has_hypopg {
                    "judge again after applying"
                } else {
                    "create extension hypopg, or judge again after applying"
                };
                unknown(format!("`{name}` is still to be created and could not be considered: {reason}"), hint)
            }
            _ => opinion,
        }
    }
}

fn advise(uses: &[(String, Use)], unanalyzed: &[String], basis: Basis) -> String {
    if let Some(table) = unanalyzed.first() {
        return format!("analyze {table}");
    }
    if uses.iter().any(|(_, standing)| matches!(standing, Use::Missing)) {
        return "declare the index, or name another in `must_use`".into();
    }
    match basis {
        Basis::Anything => "planned for any parameters; give `params` to judge the plan for real ones".into(),
        Basis::Values => {
            "see the whole plan with `explain`; declare an index that serves it, or relax the contract".into()
        }
    }
}

/// What a plan was made for.
#[derive(Clone, Copy)]
enum Basis {
    /// For these values.
    Values,
    /// For whatever the parameters may be.
    Anything,
}

fn at_least(version: &str, least: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= least
}

async fn ask(session: &mut Session, question: &str) -> bool {
    session.ask(question).await.unwrap_or(false)
}

async fn create(session: &mut Session, hypopg: &str, sql: &str) -> Result<String, sqlx::Error> {
    let call = format!("select indexname from {hypopg}.hypopg_create_index($1)");
    sqlx::query_scalar(AssertSqlSafe(call)).bind(sql).persistent(false).fetch_one(&mut session.conn).await
}

/// Fills in the partitioned tables that the plan's tables belong to, and names those without statistics.
async fn look_up(session: &mut Session, plan: &mut Plan) -> Result<Vec<String>, sqlx::Error> {
    let (schemas, names): (Vec<String>, Vec<String>) =
        plan.nodes.iter().filter_map(|node| node.table.clone()).map(|table| (table.schema, table.name)).unzip();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select n.nspname::text as schema, c.relname::text as name, rn.nspname::text as root_schema, r.relname::text as root, \
            c.relkind in ('r', 'm') and (c.reltuples < 0 or c.relpages = 0 and c.reltuples = 0 and pg_relation_size(c.oid) > 0) as unanalyzed \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         left join pg_catalog.pg_class r on r.oid = pg_partition_root(c.oid) left join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace \
         where (n.nspname, c.relname) in (select * from unnest($1::text[], $2::text[]))",
    )
    .bind(schemas)
    .bind(names)
    .fetch_all(&mut session.conn)
    .await?;
    let mut unanalyzed = Vec::new();
    for row in rows {
        let table = Relation { schema: row.try_get("schema")?, name: row.try_get("name")? };
        let root: (Option<String>, Option<String>) = (row.try_get("root_schema")?, row.try_get("root")?);
        for node in plan.nodes.iter_mut().filter(|node| node.table.as_ref() == Some(&table)) {
            node.root = root.0.clone().zip(root.1.clone()).map(|(schema, name)| Relation { schema, name });
        }
        if row.try_get("unanalyzed")? {
            unanalyzed.push(table.full());
        }
    }
    unanalyzed.sort();
    Ok(unanalyzed)
}

/// How a plan stands to an index that it must use.
enum Use {
    Used,
    Unused,
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_found() {
        let check = |sql: &str, expected: &str| assert_eq!(verb(sql), expected);
        check("select 1", "select");
        check("-- a\n /* b */ ((SELECT 1))", "select");
        check("drop table users", "drop");
        check("", "");
        check("/* open", "");
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(at_least("1.4.0", (1, 4)) && at_least("1.10", (1, 4)) && !at_least("1.3.1", (1, 4)));
    }
}
