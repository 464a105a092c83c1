//! What a policy says of an application: its connection pool, its HTTP agent, its cache and the levels of that.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Secret;
use crate::model::units::Duration;

/// Where an application reads its settings, and what it stands on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where its settings are published.
    pub publish: Publish,
    /// The target behind its pool, `pgbouncer.main` or `postgres.shop`, for the checks across targets.
    pub upstream: Option<String>,
    /// How many instances of it run, each with a pool of its own, for the checks across targets.
    #[schemars(range(min = 1))]
    pub instances: Option<u32>,
    /// How many connections one instance accepts, for the checks across targets.
    #[schemars(range(min = 1))]
    pub capacity: Option<u32>,
}

/// Where an application's settings are published: a file, or a key of Redis.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// A JSON file.
    pub file: Option<PathBuf>,
    /// The policy's target, `redis.cache`, or a URL.
    pub redis: Option<Secret>,
    /// The key of Redis, which holds the JSON.
    pub key: Option<String>,
    /// The channel on which the key's name is published after a change.
    pub channel: Option<String>,
}

/// A resource of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// The connection pool of one instance.
    Pool(Pool),
    /// Outgoing HTTP connections of one instance.
    HttpAgent(HttpAgent),
    /// How the cache is read and written.
    Cache(Cache),
    /// One level of the cache.
    CacheLevel(CacheLevel),
}

/// The connection pool of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The most connections.
    #[schemars(range(min = 1, max = 100))]
    pub max: Option<i64>,
    /// The connections that are kept open.
    #[schemars(range(min = 1, max = 100))]
    pub min: Option<i64>,
    /// How long a request may wait for a connection; at least 1 s.
    pub acquire_timeout: Option<Duration>,
    /// How long opening one may take.
    pub create_timeout: Option<Duration>,
    /// How long closing one may take.
    pub destroy_timeout: Option<Duration>,
    /// After how long an unused one is closed; at least 5 s.
    pub idle_timeout: Option<Duration>,
    /// How often unused ones are looked for.
    pub reap_interval: Option<Duration>,
    /// How long to wait before opening one is tried again.
    pub create_retry_interval: Option<Duration>,
}

/// Outgoing HTTP connections of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpAgent {
    /// The most connections to one host.
    #[schemars(range(min = 1))]
    pub max_sockets: Option<i64>,
    /// The unused ones that are kept open.
    #[schemars(range(min = 0))]
    pub max_free_sockets: Option<i64>,
    /// After how long without traffic a connection is given up.
    pub timeout: Option<Duration>,
    /// Whether connections are used again.
    pub keep_alive: Option<bool>,
    /// How often an unused connection is probed.
    pub keep_alive_interval: Option<Duration>,
    /// How many TLS sessions are remembered.
    #[schemars(range(min = 0))]
    pub max_cached_sessions: Option<i64>,
}

/// How the cache is read and written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// What a write does.
    pub write_policy: Option<WritePolicy>,
    /// What a read does.
    pub read_policy: Option<ReadPolicy>,
    /// What leaves when a level is full.
    pub eviction_policy: Option<EvictionPolicy>,
}

/// One level of the cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheLevel {
    /// Where it is kept.
    #[serde(rename = "type")]
    pub store: Option<Store>,
    /// How long an entry is kept.
    pub ttl: Option<Duration>,
    /// How many entries are kept.
    #[schemars(range(min = 1))]
    pub max_size: Option<i64>,
    /// Its place in the order in which the levels are asked, from 1.
    #[schemars(range(min = 1))]
    pub priority: Option<i64>,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$word_doc])* $word),* }
    )*};
}
words! {
    /// What a write does.
    #[expect(clippy::enum_variant_names, reason = "these are the names they go by")]
    WritePolicy {
        /// Writes to the source and to every level.
        WriteThrough,
        /// Writes to the cache, and to the source later.
        WriteBehind,
        /// Writes to the source alone.
        WriteAround
    }
    /// What a read does.
    ReadPolicy {
        /// Asks the cache, then the source.
        CacheFirst,
        /// The application fills the cache itself.
        CacheAside,
        /// The cache asks the source.
        ReadThrough
    }
    /// What leaves when a level is full.
    EvictionPolicy {
        /// What was not used for the longest time.
        Lru,
        /// What was used the least.
        Lfu,
        /// What came first.
        Fifo,
        /// What expires first.
        Ttl
    }
    /// Where a level is kept.
    Store {
        /// In the process.
        Memory,
        /// In Redis.
        Redis,
        /// In the database.
        Database
    }
}
