//! Redis and its kin: server settings, TTL rules, purges and warm keys, on one server, behind sentinels, or on a cluster.
//!
//! A rule over keys has no place on the server where it could be read: what is live of a TTL rule or a warm set is whether it holds
//! (`enforced`, `warmed`), found by looking at the keys. How many keys that is about is told as facts, which may move from one look to the
//! next without making an approved plan stale.

mod census;
mod config;
mod evict;
mod fault;
mod fill;
mod glob;
mod hot;
mod op;
mod pace;
mod parameter;
mod pass;
mod pulse;
mod purge;
mod reach;
mod read;
mod rows;
mod scan;
mod servers;
mod site;
mod slot;
mod spread;
mod steps;
mod template;
mod ttl;
mod warm;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::key_lock;
use crate::error::Result;
use crate::model::{Approval, Comparison, HazardKind, Kind, Many, ResourceId, TargetId};
use crate::provider::{
    Claim, Context, Delta, Depth, Draft, Evicted, Eviction, Grants, Holder, Neighbors, Pairing, Problem, Progress,
    Provider, Reading, Scope, Want,
};

pub use op::Op;
pub use reach::{Persist, Settings};
pub use site::Site;

/// The key of the target's lock.
const LOCK: &str = "evenkeel:lock";

/// A Redis target.
#[derive(Debug)]
pub struct Redis {
    settings: Settings,
    identity: String,
    target: TargetId,
    neighbors: Neighbors,
    servers: Arc<servers::Servers>,
    passes: pass::Passes,
    /// Rules and warm sets whose pass over all keys has just been completed: what it did is the best answer to the next look.
    settled: Mutex<HashSet<ResourceId>>,
}

/// What a policy may want of a Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Spec {
    /// Server settings.
    Settings(config::Parameters),
    /// A TTL rule.
    Ttl(ttl::Rule),
    /// A purge.
    Purge(purge::Purge),
    /// Warm keys.
    Warm(Box<warm::Warm>),
}

const fn whole(name: &'static str, doc: &'static str) -> Kind {
    Kind { name, doc, comparison: Comparison::Whole, many: Many::Named, replaces: &[], prunable: false }
}

const KINDS: &[Kind] = &[
    Kind {
        name: "settings",
        doc: "server settings, set at once and written to the server's own file",
        comparison: Comparison::Partial,
        many: Many::One,
        replaces: &[],
        prunable: false,
    },
    whole("ttl", "every key of a pattern expires within a range"),
    whole("purge", "keys that are deleted once per token"),
    whole("warm", "keys that are filled from a source and kept fresh"),
];

/// Keys are evicted at once.
pub const EVICTS_KEYS: HazardKind = HazardKind {
    code: "evicts-keys",
    approval: Approval::Required,
    doc: "The new memory limit is below what is in use, so the server evicts keys until it fits, starting at once and going on for \
          seconds. What is evicted is missed until it is filled again. Raise the limit, or purge what is not needed first.",
};
/// Writes fail.
pub const REFUSES_WRITES: HazardKind = HazardKind {
    code: "refuses-writes",
    approval: Approval::Required,
    doc: "The new memory limit is below what is in use and the policy is `noeviction`, so every write fails until enough keys are \
          deleted or expire. Raise the limit, or choose a policy that evicts.",
};
/// Keys that were safe can be evicted.
pub const LOOSENS_POLICY: HazardKind = HazardKind {
    code: "loosens-policy",
    approval: Approval::Required,
    doc: "The new eviction policy may take keys that the old one would never have taken. Where the server holds data that cannot be \
          filled again, that data can be lost as soon as the memory limit is reached.",
};
/// Keys that never expired will.
pub const EXPIRES_KEYS: HazardKind = HazardKind {
    code: "expires-keys",
    approval: Approval::Required,
    doc: "Keys that live until somebody deletes them get an expiry, and are gone when it comes. Look at the examples in the plan: if one \
          of them cannot be filled again, narrow the pattern first.",
};
/// Keys expire sooner.
pub const SHORTENS_TTL: HazardKind = HazardKind {
    code: "shortens-ttl",
    approval: Approval::Notice,
    doc: "Keys expire sooner than whoever wrote them said. They are missed and filled again earlier; `jitter` spreads that out.",
};
/// Old values live longer.
pub const EXTENDS_TTL: HazardKind = HazardKind {
    code: "extends-ttl",
    approval: Approval::Required,
    doc: "Keys live longer than whoever wrote them said, and so does a value that is out of date by then. If somebody gave those keys a \
          short life on purpose, to be rid of them soon, leave `min_ttl` out.",
};
/// Keys are deleted and will be missed.
pub const COOLS_CACHE: HazardKind = HazardKind {
    code: "cools-cache",
    approval: Approval::Required,
    doc: "Keys leave the cache and are missed until they are filled again, and what stands behind the cache takes the load meanwhile. \
          `mode = \"lazy\"` spreads the misses over `delay`.",
};

const HAZARDS: &[HazardKind] =
    &[EVICTS_KEYS, REFUSES_WRITES, LOOSENS_POLICY, EXPIRES_KEYS, SHORTENS_TTL, EXTENDS_TTL, COOLS_CACHE];

const GRANTS: Grants = Grants {
    plan: "acl setuser {role} on >PASSWORD resetkeys resetchannels -@all \
           +hello +client +ping +select +info +dbsize +role +scan +pttl +exists +object|idletime +object|freq \
           +config|get +hget +cluster|slots \
           ~*",
    apply: "acl setuser {role} +config|set +config|rewrite +pexpire +unlink +set +get +getdel +hset +eval +evalsha +script|load +del +wait",
};

impl Provider for Redis {
    const NAME: &'static str = "redis";
    const DOC: &'static str = "Redis and Valkey: settings, TTL rules, purges and warm keys";
    const KINDS: &'static [Kind] = KINDS;
    const HAZARDS: &'static [HazardKind] = HAZARDS;
    const GRANTS: Grants = GRANTS;

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = key_lock::Lock;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        read::check(settings, wants)
    }

    fn source(spec: &Spec) -> Option<(&'static str, &str)> {
        match spec {
            Spec::Warm(warm) => warm.source.target.as_deref().map(|target| ("source.target", target)),
            _ => None,
        }
    }

    async fn connect(mut settings: Settings, context: Context) -> Result<Self> {
        settings.sample = match context.depth {
            Depth::Exact => None,
            Depth::AsSet => settings.sample,
            Depth::Sample(keys) => Some(keys),
        };
        let servers = Arc::new(servers::Servers::new(settings.clone()));
        servers.shape().await?;
        let identity = settings.identity()?;
        Ok(Self {
            settings,
            identity,
            target: context.target,
            neighbors: context.neighbors,
            servers,
            passes: pass::Passes::default(),
            settled: Mutex::default(),
        })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        self.servers.with(async |shape| self.look(&shape, scope).await).await
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        let mut problems = site.faults.clone();
        problems.extend(pairs.iter_mut().flat_map(|pairing| read::canonical(site, pairing)));
        Ok(problems)
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        steps::draft(site, deltas)
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<key_lock::Lock>> {
        let take = async |shape: Arc<servers::Shape>| {
            let door = Door(servers::Servers::new(self.settings.clone()));
            key_lock::take(door, shape.owner(LOCK.as_bytes()).link(), LOCK, holder).await.map_err(fault::fault)
        };
        self.servers.with(take).await
    }

    async fn unlock(&self) -> Result<String> {
        let break_open = async |shape: Arc<servers::Shape>| {
            key_lock::break_open(shape.owner(LOCK.as_bytes()).link(), LOCK).await.map_err(fault::fault)
        };
        self.servers.with(break_open).await
    }

    async fn run(&self, op: &Op, progress: &Progress) -> Result<()> {
        self.execute(op, progress).await
    }

    async fn evict(&self, evictions: &[Eviction]) -> Result<Vec<Evicted>> {
        let latency = self.settings.max_latency.std();
        self.servers.with(async |shape| evict::evict(&shape, latency, evictions).await).await
    }
}

/// To the server that has the lock's key, over connections of its own.
struct Door(servers::Servers);

impl key_lock::Door for Door {
    async fn open(&self) -> Result<redis::aio::MultiplexedConnection> {
        self.0.forget().await;
        Ok(self.0.shape().await?.owner(LOCK.as_bytes()).link())
    }
}
