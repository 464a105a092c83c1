//! What planning knows of a target: the file, the running nginx, how its nodes answer, and what they are held against.

use serde::Deserialize;

use super::edit::Text;
use super::layout::{Layout, Server};
use super::master::Master;
use super::names::Declared;
use super::settings::Settings;
use super::tls;
use crate::providers::balancer::capacity::Serving;
use crate::providers::balancer::marker::Marker;
use crate::providers::balancer::reuse::Unit;
use crate::providers::balancer::{Capacity, NodeState, Version};

/// A target as it was read. A saved state holds nothing of it but the version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// nginx's version, as it says it.
    pub version: String,
    /// How it is reached.
    #[serde(skip)]
    pub settings: Option<Settings>,
    /// The file.
    #[serde(skip)]
    pub text: Text,
    /// What the file says of the upstream.
    #[serde(skip)]
    pub layout: Layout,
    /// The name of every server.
    #[serde(skip)]
    pub names: Vec<String>,
    /// How every server answers; `None` where nobody asked.
    #[serde(skip)]
    pub answers: Vec<Option<Answer>>,
    /// What runs, where the target has a running nginx.
    #[serde(skip)]
    pub master: Option<Master>,
    /// How many workers there are, as far as it is known.
    #[serde(skip)]
    pub workers: Option<u32>,
    /// What a run before left unfinished.
    #[serde(skip)]
    pub marker: Marker,
    /// How TLS is spoken with clients.
    #[serde(skip)]
    pub tls: tls::Serving,
    /// What the policy says, also where a look covers only a part of it.
    #[serde(skip)]
    pub declared: Policy,
}

/// What the policy says of nodes and of idle connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The nodes.
    pub nodes: Vec<Declared>,
    /// How many idle connections each gets.
    pub idle: Option<u32>,
}

/// What came of asking a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is well.
    Well,
    /// It is not, and why.
    Sick(String),
}

impl Site {
    /// The version, where it is known.
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.version)
    }

    /// How idle connections are counted, with this many nodes; `None` where nobody knows how many workers there are.
    pub fn unit(&self, nodes: usize) -> Option<Unit> {
        let workers = u64::from(self.workers?);
        Some(Unit::Worker { nodes: nodes as u64, workers })
    }

    /// The place of the server that has this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Whether a server takes requests, as far as it is known.
    pub fn serving(&self, place: usize) -> Serving {
        let ready = |server: &Server| server.state == NodeState::Ready && !server.backup;
        let well = !matches!(self.answers.get(place), Some(Some(Answer::Sick(_))));
        if well && self.layout.servers.get(place).is_some_and(ready) { Serving::Yes } else { Serving::No }
    }

    /// The pool as it is.
    pub fn capacity(&self) -> Capacity {
        let nodes = self.layout.servers.iter().filter(|server| !server.backup).count();
        let serving = (0..self.layout.servers.len()).filter(|at| self.serving(*at) == Serving::Yes).count();
        Capacity { nodes, serving }
    }
}
