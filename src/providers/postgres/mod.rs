//! `PostgreSQL`: indexes, server settings, limits of roles and databases, query contracts, cache tables, invalidations.
//!
//! This file is the frame: settings, the kinds, and the provider that hands each kind its part. What a kind knows is in its own file.

pub mod cache_table;
pub mod catalog;
pub mod connect;
pub mod database;
pub mod explain;
pub mod failure;
pub mod frame;
pub mod hazard;
pub mod index;
pub mod invalidation;
pub mod limits;
pub mod lock;
pub mod op;
pub mod parameter;
pub mod quantity;
pub mod query;
pub mod quote;
pub mod role;
pub mod rows;
pub mod run;
pub mod setting;
pub mod settings;
pub mod site;
mod watch;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Secret;
use crate::model::units::Duration;

pub use op::{Expect, Op};
pub use site::Site;

/// A connected database.
#[derive(Debug)]
pub struct Postgres {
    endpoint: connect::Endpoint,
    settings: Settings,
    session: tokio::sync::Mutex<connect::Session>,
}

/// How to reach a database, and how patient to be with it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address: `postgres://user:password@host:5432/database`. It must lead to the server itself, not to a transaction pooler.
    pub url: Secret,
    /// The schemas that `prune`, `export` and the list of unmanaged resources look at. In the first, names need no schema.
    #[serde(default = "default_schemas")]
    pub schemas: Vec<String>,
    /// How long a statement may wait for a lock that would make others wait behind it.
    #[serde(default = "default_lock_timeout")]
    pub lock_timeout: Duration,
    /// How long a concurrent build or drop may take.
    #[serde(default = "default_build_timeout")]
    pub build_timeout: Duration,
}

/// What a resource is to be, or is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// An index.
    Index(index::Index),
    /// The server's settings.
    Settings(settings::ServerSettings),
    /// A role's limits.
    Role(role::Role),
    /// A database's limits.
    Database(database::Database),
    /// A query contract.
    Query(query::Query),
    /// A cache table.
    CacheTable(cache_table::CacheTable),
    /// Cache keys that go when a table changes.
    Invalidation(invalidation::Invalidation),
}

fn default_schemas() -> Vec<String> {
    vec!["public".to_owned()]
}

pub(crate) fn default_lock_timeout() -> Duration {
    Duration::from_secs(3)
}

pub(crate) fn default_build_timeout() -> Duration {
    Duration::from_secs(7200)
}
