//! What planning knows of a target: the running handler, the one in the file, and how the nodes are.

use serde::Deserialize;

use super::admin::About;
use super::edit::Key;
use super::place::Spot;
use super::pool::{Pool, Upstream};
use super::probe::Found;
use super::release::Release;
use super::settings::Settings;
use crate::providers::balancer::capacity::{Capacity, Serving};

/// A target as it was read. A saved state holds nothing of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// The version, as far as it is told.
    pub version: String,
    /// The target's name, `web`.
    #[serde(skip)]
    pub target: String,
    /// How it is reached.
    #[serde(skip)]
    pub settings: Option<Settings>,
    /// Which Caddy it is.
    #[serde(skip)]
    pub release: Release,
    /// What the process says of itself.
    #[serde(skip)]
    pub about: About,
    /// What runs.
    #[serde(skip)]
    pub running: Option<Pool>,
    /// What the file says.
    #[serde(skip)]
    pub file: Option<Pool>,
    /// Where the handler is among the running apps.
    #[serde(skip)]
    pub spot: Option<Spot>,
    /// How TLS is spoken with clients.
    #[serde(skip)]
    pub tls: super::tls::Serving,
    /// How the nodes are.
    #[serde(skip)]
    pub found: Found,
    /// `net.ipv4.tcp_migrate_req`, where Caddy runs on this machine.
    #[serde(skip)]
    pub migrate: Option<bool>,
}

impl Site {
    /// What runs, or else what is in the file.
    pub fn pool(&self) -> Pool {
        self.running.clone().or_else(|| self.file.clone()).unwrap_or_default()
    }

    /// Whether a node is well.
    pub fn serving(&self, address: Option<&String>) -> Serving {
        match address.and_then(|address| self.found.get(address)) {
            Some(None) => Serving::Yes,
            _ => Serving::No,
        }
    }

    /// The pool as it is now.
    pub fn capacity(&self) -> Capacity {
        let nodes = self.pool().upstreams;
        let well = |node: &&Upstream| self.serving(node.address().as_ref()) == Serving::Yes;
        Capacity { nodes: nodes.len(), serving: nodes.iter().filter(well).count() }
    }

    /// A node's name in the policy: by its `@id`, or by the address that a declared one has, or its own address.
    pub fn name(&self, node: &Upstream, declared: &[Key]) -> Option<String> {
        if let Some(key) = declared.iter().find(|key| key.opens(node)) {
            return Some(key.name.clone());
        }
        match &node.id {
            Some(id) => Some(id.strip_prefix(&format!("{}.", self.target)).unwrap_or(id).to_owned()),
            None => node.address(),
        }
    }
}
