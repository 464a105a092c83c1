//! The kind `invalidation`: changes of a table become cache keys to be removed.
//!
//! A function and statement-level triggers write the keys into one outbox per database, in the writer's own transaction; [`feed`] hands
//! them on. How it was declared is kept in the function's comment; a function without one is somebody else's.

mod check;
pub mod feed;
mod read;
mod sql;
mod steps;
mod template;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::units::Duration;
use crate::model::{Comparison, Kind, Many};

pub use check::{canonical, check};
pub use read::{Known, read};
pub use steps::steps;

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "invalidation",
    doc: "cache keys that go when a table changes, through triggers and an outbox",
    comparison: Comparison::Whole,
    many: Many::Named,
    replaces: &[],
    prunable: true,
};

/// Cache keys that go when a table changes. Triggers write them into the table `evenkeel.outbox`, in the transaction of the change itself;
/// `evenkeel invalidate` or `evenkeel serve` removes them from the cache, at least once, and only after the commit.
///
/// The triggers are those of whole statements: they fire for `copy`, `merge` and cascades too, but not where
/// `session_replication_role` is `replica`. An update removes the keys of the old and of the new row. Partitions get triggers of
/// their own; one that is attached later shows as `broken = ["triggers"]` until the next apply, and detaching one removes no key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invalidation {
    /// The table or partitioned table: `users`, `sales.orders`, `"Weird Name"`.
    pub table: String,
    /// Which changes count; truncating counts as deleting.
    #[serde(default = "every_event")]
    pub on: Vec<Event>,
    /// Keys with the values of columns, `user:{id}`, and patterns, `users:list:*`. `{{` and `}}` stand for braces, and `\` before a `*`, `?`
    /// or `[` for the character itself. A value is never taken for a pattern, and a row in which it is null has no such key. After a
    /// `truncate` nobody knows the values, and each stands for `*`.
    pub keys: Vec<String>,
    /// The cache, a target of the policy: `redis.cache`.
    pub cache: String,
    /// When the keys go.
    #[serde(default)]
    pub mode: Mode,
    /// How long after the change they go, in `mode = "delayed"` (5s where it is not written), or within how long each expires, in
    /// `mode = "lazy"` (5m). `delayed` counts from the statement, and no key goes before the commit: make it longer than the longest
    /// transaction and the lag of the standbys together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// Whether every statement also wakes the worker at once. Without it the worker looks by itself several times a second; with it,
    /// transactions that change the table commit one after the other, which writers at high rates notice.
    #[serde(default)]
    pub notify: bool,
    /// Only read, never written: what is not as it was made; none where all is well.
    #[serde(skip_deserializing, default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<Part>,
}

/// A sort of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Rows are added.
    Insert,
    /// Rows are changed.
    Update,
    /// Rows are removed, one by one or all at once.
    Delete,
}

/// When keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As soon as the change is committed.
    #[default]
    Immediate,
    /// `delay` after the change: what a reader filled in again from a standby that lagged goes too.
    Delayed,
    /// Each expires within `delay`, at a moment of its own, so that they are not all missed together.
    Lazy,
}

/// A part that can be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The function that writes into the outbox.
    Function,
    /// The triggers that call it, on the table and its partitions.
    Triggers,
    /// The outbox.
    Outbox,
}

/// The schema of evenkeel's own.
pub const SCHEMA: &str = "evenkeel";

fn every_event() -> Vec<Event> {
    vec![Event::Insert, Event::Update, Event::Delete]
}

impl Invalidation {
    /// In the one form in which `==` is equality: `table` as it is written in `schema`, sets sorted, the delay said.
    fn settled(mut self, schema: &str) -> Self {
        if let Some(table) = super::index::name::Relation::parse(&self.table, schema) {
            self.table = table.brief(schema);
        }
        self.on.sort();
        self.on.dedup();
        self.keys.sort();
        self.keys.dedup();
        self.delay = match self.mode {
            Mode::Immediate => None,
            Mode::Delayed => self.delay.or(Some(Duration::from_secs(5))),
            Mode::Lazy => self.delay.or(Some(Duration::from_secs(300))),
        };
        self
    }
}
