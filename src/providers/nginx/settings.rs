//! How to reach a pool of nginx.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::units::Duration;
use crate::providers::balancer::capacity::{self, Demand};

/// One upstream of one nginx.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file that holds the upstream: the main configuration, or one that it includes.
    pub config: PathBuf,
    /// The upstream.
    pub upstream: String,
    /// The file with the master's process id, `/run/nginx.pid`. Without it the file alone is read and written, and no running nginx is told.
    pub pid: Option<PathBuf>,
    /// The main configuration; without it, the one that the running nginx was started with.
    pub main: Option<PathBuf>,
    /// What relative paths of nginx start from; without it, what the running nginx was started with.
    pub prefix: Option<PathBuf>,
    /// The program that checks a configuration; in the PATH, or with its path.
    #[serde(default = "nginx")]
    pub binary: String,
    /// How many workers there are, where no running nginx can be asked.
    pub workers: Option<u32>,
    /// What evenkeel asks a node for, to see whether it is well, since nginx itself does not look: `/health`. Without it, a connection is enough.
    pub probe: Option<String>,
    /// Within how long a node that comes must answer; nothing is written otherwise.
    #[serde(default = "capacity::health_timeout")]
    pub health_timeout: Duration,
    /// How long the workers that leave may finish what they are working on, before the line of a node that leaves is removed.
    #[serde(default = "capacity::drain_timeout")]
    pub drain_timeout: Duration,
    /// So many nodes are always to answer and to be ready.
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

fn nginx() -> String {
    "nginx".into()
}
