//! The statements about indexes, as they are printed and sent.

use serde_json::Value;

use super::Index;
use crate::providers::postgres::quote::{ident, qualified};

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
    format!("create {unique}index{concurrently} {} on {only}{table}{}", ident(name), definition(spec))
}

/// What follows the table: method, columns, and the rest.
pub fn definition(spec: &Index) -> String {
    let mut out = String::new();
    if spec.method != "btree" {
        out.push_str(&format!(" using {}", ident(&spec.method)));
    }
    out.push_str(&format!(" ({})", spec.columns.join(", ")));
    if !spec.include.is_empty() {
        out.push_str(&format!(" include ({})", spec.include.join(", ")));
    }
    if !spec.nulls_distinct {
        out.push_str(" nulls not distinct");
    }
    if !spec.with.is_empty() {
        let with: Vec<_> =
            spec.with.iter().map(|(key, value)| format!("{} = {}", ident(key), parameter(value))).collect();
        out.push_str(&format!(" with ({})", with.join(", ")));
    }
    if let Some(tablespace) = &spec.tablespace {
        out.push_str(&format!(" tablespace {}", ident(tablespace)));
    }
    if let Some(predicate) = &spec.predicate {
        out.push_str(&format!(" where {predicate}"));
    }
    out
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
pub fn set_parameters<'a>(schema: &str, name: &str, with: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let with: Vec<_> = with.map(|(key, value)| format!("{} = {}", ident(key), parameter(value))).collect();
    format!("alter index {} set ({})", qualified(schema, name), with.join(", "))
}

/// `alter index … reset (…)`
pub fn reset_parameters<'a>(schema: &str, name: &str, keys: impl Iterator<Item = &'a String>) -> String {
    let keys: Vec<_> = keys.map(|key| ident(key)).collect();
    format!("alter index {} reset ({})", qualified(schema, name), keys.join(", "))
}

/// A storage parameter's value as every version reads it.
fn parameter(value: &Value) -> String {
    match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => crate::providers::postgres::quote::literal(text),
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
