//! Query contracts: how SQLite would run a statement once the plan is done, asked of a copy of the schema in memory with the file's
//! statistics laid in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::clone::Clone;
use super::index::Fault;
use super::schema::Schema;
use super::sql::Database;
use super::token::{self, Token};
use super::{Spec, schema};
use crate::error::Result;
use crate::model::{Check, Verdict, text};
use crate::provider::{Delta, Want};

/// A statement and what its plan must and must not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// One `select`, `insert`, `update` or `delete`; its parameters stay open.
    pub sql: String,
    /// Indexes that its plan must use.
    #[serde(default)]
    pub must_use: Vec<String>,
    /// What its plan must not do: `"scan users"` (or `"seq scan on users"`), `"scan"` for any table, `"sort"`, `"temp b-tree"`, `"automatic index"`.
    #[serde(default)]
    pub forbid: Vec<String>,
    /// SQLite tells no costs: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<f64>,
}

/// What a plan must not do.
enum Forbidden<'a> {
    /// Read every row of a table; `None` for any.
    Scan(Option<&'a str>),
    /// Sort for an `order by`.
    Sort,
    /// Keep rows in a temporary tree, for sorting, grouping or telling duplicates.
    TempTree,
    /// Build an index for this one statement.
    AutomaticIndex,
}

const FORBIDDEN: [&str; 5] = ["scan TABLE", "scan", "sort", "temp b-tree", "automatic index"];

impl Query {
    /// What can be said without the database.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(message) = single(&self.sql) {
            faults.push(Fault::new("sql", message));
        }
        for text in &self.forbid {
            if forbidden(text).is_none() {
                let message = format!("`{text}` is nothing that a plan of SQLite tells");
                faults.push(Fault::new("forbid", message).hint(format!("write {}", text::either(FORBIDDEN))));
            }
        }
        if self.max_cost.is_some() {
            let fault = Fault::new("max_cost", "SQLite tells no costs");
            faults.push(fault.hint("use `must_use` and `forbid` instead"));
        }
        faults
    }

    fn judge(&self, details: &[String], schema: &Schema) -> Vec<String> {
        let mut breaches = Vec::new();
        for index in &self.must_use {
            if !details.iter().any(|detail| uses(detail, index)) {
                breaches.push(format!("`{index}` is not used"));
            }
        }
        let tokens = token::split(&self.sql).unwrap_or_default();
        for term in self.forbid.iter().filter_map(|term| forbidden(term)) {
            match term {
                Forbidden::Scan(only) => {
                    let scanned = details.iter().filter_map(|detail| scanned(detail));
                    let tables = scanned.filter_map(|name| behind(name, &tokens, schema));
                    let hit = |table: &&str| only.is_none_or(|only| table.eq_ignore_ascii_case(only));
                    breaches.extend(tables.filter(hit).map(|table| format!("`{table}` is scanned in full")));
                }
                Forbidden::Sort if has(details, "TEMP B-TREE FOR", "ORDER BY") => {
                    breaches.push("the result is sorted, as no index has its order".into());
                }
                Forbidden::TempTree if has(details, "TEMP B-TREE", "") => {
                    breaches.push("a temporary b-tree is built".into());
                }
                Forbidden::AutomaticIndex if has(details, "AUTOMATIC", "INDEX") => {
                    breaches.push("an index is built for this one statement".into());
                }
                Forbidden::Sort | Forbidden::TempTree | Forbidden::AutomaticIndex => {}
            }
        }
        breaches.dedup();
        breaches
    }
}

/// Judges every contract against the schema that `deltas` lead to; `database` gives the statistics and is only read.
pub async fn judge(
    database: &mut Database,
    schema: &Schema,
    contracts: &[Want<Spec>],
    deltas: &[Delta<Spec>],
) -> Result<Vec<Check>> {
    let mut clone = Clone::of(schema).await?;
    clone.copy_all(deltas).await;
    for table in ["sqlite_stat1", "sqlite_stat4"] {
        if schema.table(table).is_some() {
            clone.copy_statistics(database, table, deltas).await?;
        }
    }
    let mut checks = Vec::new();
    for want in contracts {
        let Some(Spec::Query(query)) = &want.spec else { continue };
        let (verdict, message, hint) = match clone.explain_query(&query.sql).await {
            Err(failure) => (Verdict::Unknown, failure.message, None),
            Ok(details) => {
                let breaches = query.judge(&details, schema);
                let plan = text::tame(&details.join("; "));
                if breaches.is_empty() {
                    (Verdict::Pass, plan, None)
                } else {
                    (Verdict::Fail, breaches.join(", "), Some(format!("SQLite's plan is: {plan}")))
                }
            }
        };
        let name = want.id.to_string();
        checks.push(Check { name, verdict, message, hint, origins: vec![want.origin.clone()] });
    }
    Ok(checks)
}

/// The steps that SQLite tells of its plan.
pub fn details(rows: &[sqlx::sqlite::SqliteRow]) -> Vec<String> {
    rows.iter().map(|row| schema::text_at(row, 3)).collect()
}

fn single(sql: &str) -> Result<(), String> {
    let tokens = token::split(sql)?;
    let statement = tokens.strip_suffix(&[Token::Sign(";")]).unwrap_or(&tokens);
    if statement.contains(&Token::Sign(";")) {
        return Err("a contract is about one statement".into());
    }
    let starts = ["select", "insert", "update", "delete", "with", "values", "replace"];
    match statement.first() {
        Some(first) if starts.iter().any(|word| token::is_word(first, word)) => Ok(()),
        Some(_) => Err(format!("a contract is about a {}", text::either(&starts[..4]))),
        None => Err("a statement is needed".into()),
    }
}

fn forbidden(term: &str) -> Option<Forbidden<'_>> {
    let term = term.trim();
    let lower = term.to_ascii_lowercase();
    for prefix in ["seq scan on ", "scan "] {
        if lower.starts_with(prefix) {
            return Some(Forbidden::Scan(Some(term[prefix.len()..].trim())));
        }
    }
    match lower.as_str() {
        "scan" | "seq scan" => Some(Forbidden::Scan(None)),
        "sort" => Some(Forbidden::Sort),
        "temp b-tree" => Some(Forbidden::TempTree),
        "automatic index" => Some(Forbidden::AutomaticIndex),
        _ => None,
    }
}

/// The name that a step reads in full, without an index that gives the order or all columns.
fn scanned(detail: &str) -> Option<&str> {
    let name = detail.strip_prefix("SCAN ")?;
    (!name.contains(" USING ") && !name.contains(" VIRTUAL TABLE")).then_some(name)
}

fn uses(detail: &str, index: &str) -> bool {
    let detail = detail.to_ascii_lowercase();
    let wanted = format!(" index {}", index.to_ascii_lowercase());
    detail.split_once(&wanted).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with(" ("))
}

fn has(details: &[String], first: &str, second: &str) -> bool {
    details.iter().any(|detail| detail.contains(first) && detail.contains(second))
}

/// The table behind the name in a plan, which is its alias where the statement gives it one. `None` for subqueries.
fn behind<'a>(name: &str, tokens: &[Token], schema: &'a Schema) -> Option<&'a str> {
    let table = |name: &str| schema.table(name).map(|table| table.name.as_str());
    let named = |token: &Token| match token {
        Token::Word(name) | Token::Quoted(name) => Some(name.clone()),
        _ => None,
    };
    let aliased = tokens.iter().enumerate().skip(1).find_map(|(at, token)| {
        if !named(token)?.eq_ignore_ascii_case(name) {
            return None;
        }
        let before = if token::is_word(&tokens[at - 1], "as") { at.checked_sub(2)? } else { at - 1 };
        table(&named(&tokens[before])?)
    });
    aliased.or_else(|| table(name))
}
