//! The kind `index`: what a policy says of an index. Read in this order: what can be checked offline, what is there, what is equal, what to run.

mod canonical;
mod catalog;
mod check;
mod evidence;
pub mod look;
mod lookalike;
pub mod name;
mod partition;
mod read;
mod remark;
mod shadow;
pub mod sql;
mod steps;
mod table;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Comparison, Kind, Many};

pub use canonical::canonical;
pub use check::check;
pub use read::{Known, read};
pub use steps::steps;

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "index",
    doc: "an index of a table, partitioned table or materialized view",
    comparison: Comparison::Whole,
    many: Many::Named,
    replaces: &["table", "columns", "where", "include", "unique", "method", "nulls_distinct", "tablespace", "valid"],
    prunable: true,
};

/// What an index is. Its name is the resource's name, where `name` gives no other; its schema is its table's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The index's name on the server, where it is not the resource's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The table, partitioned table or materialized view: `users`, `sales.orders`, `"Weird Name"`.
    pub table: String,
    /// The key columns in order, each as in `create index`: `tenant_id`, `created_at desc`, `lower(email) text_pattern_ops`.
    pub columns: Vec<String>,
    /// Which rows are indexed; all where it is not written.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// Columns that are stored but not searched.
    #[serde(default)]
    pub include: Vec<String>,
    /// Whether two rows may not have the same key.
    #[serde(default)]
    pub unique: bool,
    /// The access method: `btree`, `gin`, `brin`, or any other that the server has.
    #[serde(default = "btree")]
    pub method: String,
    /// Storage parameters: `{ fillfactor = 90 }`.
    #[serde(default)]
    pub with: Map<String, Value>,
    /// Whether two nulls are different to a unique index.
    #[serde(default = "yes")]
    pub nulls_distinct: bool,
    /// The tablespace; the database's default where it is not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<String>,
    /// The name it has until now: it is renamed rather than built.
    #[serde(default, skip_serializing)]
    pub rename_from: Option<String>,
    /// Only read, never written: `false` for what a failed build left behind.
    #[serde(default = "yes")]
    pub valid: bool,
}

/// An index that a statement builds.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The index.
    pub index: name::Relation,
    /// Its table: a partition's part has another one than `spec` says.
    pub table: name::Relation,
    /// What it is to be.
    pub spec: Index,
}

fn btree() -> String {
    "btree".to_owned()
}

fn yes() -> bool {
    true
}
