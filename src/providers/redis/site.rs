//! What a Redis says of itself.

use std::collections::HashMap;

use serde::Deserialize;

use super::servers::Shape;
use crate::error::Result;
use crate::provider::Problem;

/// What a plan has to know of the servers. Sums over all primaries, but for the version, which is the oldest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// The target's name, which marks of purges begin with.
    pub target: String,
    /// The major version.
    pub version: u32,
    /// Bytes in use.
    pub used_memory: u64,
    /// Keys there are.
    pub keys: u64,
    /// Those of them that expire.
    pub expiring: u64,
    /// The eviction policy.
    pub policy: String,
    /// Whether settings can and shall be written to the servers' files.
    pub rewrites: bool,
    /// Whether the servers are a cluster.
    pub cluster: bool,
    /// What other targets say of the queries that warm keys come from.
    #[serde(skip)]
    pub faults: Vec<Problem>,
}

impl Site {
    /// Asks.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn read(shape: &Shape, target: &str) -> Result<Self> {
        let mut site = Self {
            target: target.to_owned(),
            rewrites: true,
            version: u32::MAX,
            cluster: shape.is_cluster(),
            ..Self::default()
        };
        for node in &shape.nodes {
            let text: String = node.query(redis::cmd("INFO").take()).await?;
            let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
            let field = |name: &str| fields.get(name).copied().unwrap_or_default();
            let major = field("redis_version").split('.').next().and_then(|major| major.parse().ok());
            site.version = site.version.min(major.unwrap_or_default());
            site.used_memory += field("used_memory").parse::<u64>().unwrap_or_default();
            site.rewrites &= !field("config_file").is_empty();
            field("maxmemory_policy").clone_into(&mut site.policy);
            // db0:keys=5000000,expires=4500000,avg_ttl=1800000
            for (_, counts) in fields.iter().filter(|(name, _)| name.starts_with("db")) {
                for (name, count) in counts.split(',').filter_map(|pair| pair.split_once('=')) {
                    let count: u64 = count.parse().unwrap_or_default();
                    match name {
                        "keys" => site.keys += count,
                        "expires" => site.expiring += count,
                        _ => {}
                    }
                }
            }
        }
        Ok(site)
    }

    /// Whether the servers keep how often a key is used, and not when it was used last.
    pub fn counts_use(&self) -> bool {
        self.policy.ends_with("-lfu")
    }
}
