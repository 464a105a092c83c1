//! What a database says of itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::schema::{Rows, Schema};
use crate::model::units::Duration;

/// A database, as planning needs to know it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// The version of SQLite that evenkeel brings: the application may use another one.
    pub version: String,
    /// The size of a page in bytes.
    pub page_size: u64,
    /// The size of the file in bytes.
    pub size: u64,
    /// How changes reach the file: `wal`, `delete`, `truncate`, `persist`, `memory`, `off`.
    pub journal: String,
    /// Whether `analyze` was ever run: `sqlite_stat1` is there.
    pub analyzed: bool,
    /// How long a step waits for the write lock.
    pub busy_timeout: Duration,
    /// How many rows the tables have that somebody cares about.
    pub rows: BTreeMap<String, Rows>,
    /// The whole schema; a saved state has none.
    #[serde(skip)]
    pub schema: Schema,
}

impl Site {
    /// How many rows a table has.
    pub fn rows(&self, table: &str) -> Rows {
        let same = |name: &&String| name.eq_ignore_ascii_case(table);
        self.rows.keys().find(same).and_then(|name| self.rows.get(name)).copied().unwrap_or_default()
    }

    /// Whether readers go on while somebody commits.
    pub fn readers_go_on(&self) -> bool {
        self.journal == "wal"
    }
}
