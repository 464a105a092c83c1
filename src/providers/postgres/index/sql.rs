//! The statements about indexes, as they are printed and sent.

use serde_json::{Map, Value};

use super::Index;
use crate::providers::postgres::quote::{ident, literal, qualified};

/// How an index is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// While readers and writers go on.
    Concurrently,
    /// For a partitioned table alone, without its partitions: only the catalog changes.
    ParentOnly,
}

/// `create index …` of `spec` on `table`, which is qualified already.
pub fn create(build: Build, name: &str, table: &str, spec: &Index) -> String {
    let unique = if spec.unique { "unique " } else { "" };
    let (concurrently, only) = match build {
        Build::Concurrently => (" concurrently", ""),
        Build::ParentOnly => ("", "only "),
    };
    format!("create {unique}index{concurrently} {} on {only}{table} {}", ident(name), definition(spec))
}

/// What follows the table: method, columns, and the rest.
pub fn definition(spec: &Index) -> String {
    let mut parts = Vec::new();
    if spec.method != "btree" {
        parts.push(format!("using {}", ident(&spec.method)));
    }
    parts.push(format!("({})", spec.columns.join(", ")));
    if !spec.include.is_empty() {
        parts.push(format!("include ({})", spec.include.join(", ")));
    }
    if !spec.nulls_distinct {
        parts.push("nulls not distinct".to_owned());
    }
    if !spec.with.is_empty() {
        parts.push(format!("with ({})", parameters(&spec.with)));
    }
    parts.extend(spec.tablespace.as_ref().map(|tablespace| format!("tablespace {}", ident(tablespace))));
    parts.extend(spec.predicate.as_ref().map(|predicate| format!("where {predicate}")));
    parts.join(" ")
}

/// `drop index concurrently …`
pub fn drop_concurrently(schema: &str, name: &str) -> String {
    format!("drop index concurrently {}", qualified(schema, name))
}

/// `drop index …`, for a partitioned table's, which knows no other way.
pub fn drop_blocking(schema: &str, name: &str) -> String {
    format!("drop index {}", qualified(schema, name))
}

/// `alter index … rename to …`
pub fn rename(schema: &str, from: &str, to: &str) -> String {
    format!("alter index {} rename to {}", qualified(schema, from), ident(to))
}

/// `alter index … attach partition …`
pub fn attach(parent_schema: &str, parent: &str, child_schema: &str, child: &str) -> String {
    format!("alter index {} attach partition {}", qualified(parent_schema, parent), qualified(child_schema, child))
}

/// `alter index … set (…)`
pub fn set_parameters(schema: &str, name: &str, with: &Map<String, Value>) -> String {
    format!("alter index {} set ({})", qualified(schema, name), parameters(with))
}

/// `alter index … reset (…)`
pub fn reset_parameters(schema: &str, name: &str, keys: &[String]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| ident(key)).collect();
    format!("alter index {} reset ({})", qualified(schema, name), keys.join(", "))
}

fn parameters(with: &Map<String, Value>) -> String {
    let parts: Vec<_> = with.iter().map(|(key, value)| format!("{} = {}", ident(key), parameter(value))).collect();
    parts.join(", ")
}

/// A storage parameter's value as every version reads it.
fn parameter(value: &Value) -> String {
    match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => literal(text),
        other => other.to_string(),
    }
}

/// A storage parameter as the catalog holds it, in the policy's types.
pub fn parse_parameter(text: &str) -> Value {
    match text {
        "on" | "true" | "yes" => Value::Bool(true),
        "off" | "false" | "no" => Value::Bool(false),
        _ => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .unwrap_or_else(|_| Value::from(text)),
    }
}
