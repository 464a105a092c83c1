//! Operations: one statement, the timeouts it runs under, and how to see afterwards that it took effect.
//!
//! What is printed is `sql`; what is sent is `sql`.

use std::fmt;
use std::time::Duration;

use super::index::Built;

/// One statement, sent alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The statement, as it is printed and as it is sent.
    pub sql: String,
    /// How long it may wait for a lock; zero means as long as it takes.
    pub lock_timeout: Duration,
    /// How long it may take; zero means as long as it takes.
    pub statement_timeout: Duration,
    /// How to see that it took effect.
    pub after: Expect,
}

/// What is there once a statement took effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// This index, valid and ready.
    Built(Box<Built>),
    /// This index of a partitioned table, be its parts there or not.
    Begun(Box<Built>),
    /// No index of this name.
    Gone {
        /// The schema.
        schema: String,
        /// The index.
        name: String,
    },
    /// An index under its new name.
    Renamed {
        /// The schema.
        schema: String,
        /// The name it had.
        from: String,
        /// The name it has.
        to: String,
    },
    /// A partition's index that belongs to its parent's.
    Attached {
        /// The parent index's schema.
        parent_schema: String,
        /// The parent index.
        parent: String,
        /// The partition's index's schema.
        child_schema: String,
        /// The partition's index.
        child: String,
    },
    /// This question, answered with true.
    Holds(String),
    /// This question, answered with true within a few seconds: the server does it in the background. Never already done.
    Reloaded(String),
    /// An index with these storage parameters.
    Stored {
        /// The schema.
        schema: String,
        /// The index.
        name: String,
        /// The parameters that are set.
        set: serde_json::Map<String, serde_json::Value>,
        /// The parameters that are not.
        reset: Vec<String>,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}
