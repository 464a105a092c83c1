//! How to reach a pool of Caddy.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::units::Duration;
use crate::providers::balancer::capacity::Demand;

/// One `reverse_proxy` handler of one Caddy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The admin endpoint: `http://localhost:2019`, or a socket as in Caddy's own notation, `unix//run/caddy/admin.sock`.
    /// Without it the file alone is compared and changed.
    pub admin: Option<String>,
    /// The handler: its `@id`, or its path in the configuration, `apps/http/servers/web/routes/0/handle/0`.
    pub handler: String,
    /// The JSON configuration that Caddy starts with; it is changed as the running Caddy is, so that a restart keeps the changes.
    pub config: Option<PathBuf>,
    /// Caddy's version, where it does not tell by itself: packages of distributions often do not.
    pub version: Option<String>,
    /// How long a connection to the admin endpoint may take.
    #[serde(default = "five_seconds")]
    pub connect_timeout: Duration,
    /// How long its answer may take. It answers once the new configuration serves.
    #[serde(default = "half_a_minute")]
    pub response_timeout: Duration,
    /// Within how long a node that comes must be seen healthy; nothing is written otherwise.
    #[serde(default = "half_a_minute")]
    pub health_timeout: Duration,
    /// So many nodes are always to be healthy.
    #[serde(default = "one")]
    pub min_healthy: u32,
    /// At most so many nodes may be unhealthy.
    pub max_unavailable: Option<u32>,
}

impl Settings {
    /// What the pool must keep up.
    pub fn demand(&self) -> Demand {
        Demand { min_healthy: self.min_healthy, max_unavailable: self.max_unavailable }
    }
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn one() -> u32 {
    1
}
