//! What nginx cannot do, and from which version on it can. What is not here every maintained version has, and nginx itself refuses what it does not know.

use crate::providers::balancer::capability::{Able, On, Row, Table};
use crate::providers::balancer::{HEALTH, NODE, REUSE, STICKY, Version};

/// From here on idle connections of clients are kept open over a reload for a moment, `keepalive_min_timeout`.
pub const KEEPALIVE_MIN_TIMEOUT: Version = Version(1, 27, 4);
/// From here on connections to servers are kept without a word.
pub const KEEPALIVE_DEFAULT: Version = Version(1, 29, 7);

/// nginx looks at nobody before it sends requests; only its commercial version does.
const PASSIVE: &str = "leave it out: a node is left alone after `unhealthy_threshold` failed requests; the target's `probe` and `health_timeout` \
                       watch nodes that come";
const UPGRADE: &str = "upgrade nginx, or leave it out";

/// The limits of nginx.
pub const CAPABILITIES: Table = Table {
    balancer: "nginx",
    rows: &[
        Row {
            kind: HEALTH.name,
            on: On::Attribute("path"),
            what: "active health checks",
            able: Able::Never,
            hint: PASSIVE,
        },
        Row {
            kind: HEALTH.name,
            on: On::Attribute("interval"),
            what: "interval of health checks",
            able: Able::Never,
            hint: PASSIVE,
        },
        Row {
            kind: HEALTH.name,
            on: On::Attribute("timeout"),
            what: "timeout of health checks",
            able: Able::Never,
            hint: PASSIVE,
        },
        Row {
            kind: HEALTH.name,
            on: On::Attribute("healthy_threshold"),
            what: "threshold for coming back",
            able: Able::Never,
            hint: PASSIVE,
        },
        Row {
            kind: STICKY.name,
            on: On::Kind,
            what: "sticky cookies",
            able: Able::Since(Version(1, 29, 6)),
            hint: "upgrade nginx, or leave it out; `hash $cookie_NAME consistent`, written by hand, goes by a cookie that the application sets, \
                   and sends everybody without one to the same node",
        },
        Row {
            kind: NODE.name,
            on: On::Attribute("weight"),
            what: "weights",
            able: Able::UpTo(65_535),
            hint: "only the proportion of weights matters",
        },
        Row {
            kind: NODE.name,
            on: On::Value("state", "drain"),
            what: "drained servers",
            able: Able::Since(Version(1, 29, 6)),
            hint: "state = \"maintenance\": what it is working on is finished, too",
        },
        Row {
            kind: REUSE.name,
            on: On::Attribute("max_connections"),
            what: "limit of connections to a server",
            able: Able::Since(Version(1, 11, 5)),
            hint: UPGRADE,
        },
        Row {
            kind: REUSE.name,
            on: On::Attribute("idle_timeout"),
            what: "time limit of idle connections to servers",
            able: Able::Since(Version(1, 15, 3)),
            hint: UPGRADE,
        },
        Row {
            kind: REUSE.name,
            on: On::Attribute("keepalive_interval"),
            what: "interval of its own for probing connections",
            able: Able::Never,
            hint: "leave it out: `proxy_socket_keepalive on` has the kernel probe, every net.ipv4.tcp_keepalive_intvl seconds",
        },
    ],
};
