//! How to reach a pool of HAProxy.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Secret;
use crate::model::units::Duration;
use crate::providers::balancer::capacity::{self, Demand};

/// One backend of one HAProxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The runtime socket, at level `admin` for applying, `operator` for planning: `/run/haproxy/admin.sock` or `tcp://127.0.0.1:9999`.
    /// Without it the file alone is read and written, and no running HAProxy is told.
    pub socket: Option<String>,
    /// The master's socket; needed for what only a reload can change.
    pub master_socket: Option<String>,
    /// The configuration file.
    pub config: PathBuf,
    /// The backend, or the `listen` section.
    pub backend: String,
    /// The program that checks a configuration; in the PATH, or with its path.
    #[serde(default = "haproxy")]
    pub binary: String,
    /// What cookies are computed from, beside the node's address, where the file has no `dynamic-cookie-key` yet. It is written into the
    /// file and shown nowhere; a key that the file has stays.
    pub cookie_key: Option<Secret>,
    /// Within how long a node that comes must be seen healthy; it is taken out again otherwise.
    #[serde(default = "capacity::health_timeout")]
    pub health_timeout: Duration,
    /// How long a node that leaves may finish what it is working on.
    #[serde(default = "capacity::drain_timeout")]
    pub drain_timeout: Duration,
    /// So many nodes are always to be healthy and ready.
    #[serde(default = "capacity::min_healthy")]
    pub min_healthy: u32,
    /// At most so many nodes may be out of service.
    pub max_unavailable: Option<u32>,
}

impl Settings {
    /// What the pool must keep up.
    pub fn demand(&self) -> Demand {
        Demand { min_healthy: self.min_healthy, max_unavailable: self.max_unavailable }
    }
}

fn haproxy() -> String {
    "haproxy".into()
}
