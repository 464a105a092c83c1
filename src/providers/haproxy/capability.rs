//! What HAProxy cannot do, and from which version on it can. What is not here every maintained version has.

use crate::providers::balancer::capability::{Able, On, Row, Table};
use crate::providers::balancer::{NODE, REUSE, STICKY, TLS, Version};

/// The limits of HAProxy.
pub const CAPABILITIES: Table = Table {
    balancer: "haproxy",
    rows: &[
        Row {
            kind: NODE.name,
            on: On::New,
            what: "new servers while it runs",
            able: Able::Since(Version(2, 5, 0)),
            hint: "upgrade haproxy, or write the server into the file and reload",
        },
        Row {
            kind: NODE.name,
            on: On::Attribute("weight"),
            what: "weights",
            able: Able::UpTo(256),
            hint: "only the proportion of weights matters",
        },
        Row {
            kind: REUSE.name,
            on: On::Attribute("idle_connections"),
            what: "limit of idle connections to a server",
            able: Able::Since(Version(1, 9, 0)),
            hint: UPGRADE,
        },
        Row {
            kind: REUSE.name,
            on: On::Attribute("idle_timeout"),
            what: "time limit of idle connections to a server",
            able: Able::Since(Version(1, 9, 0)),
            hint: UPGRADE,
        },
        Row {
            kind: REUSE.name,
            on: On::Attribute("keepalive_interval"),
            what: "interval of probes on idle connections",
            able: Able::Since(Version(2, 4, 0)),
            hint: UPGRADE,
        },
        Row {
            kind: STICKY.name,
            on: On::Attribute("cookie"),
            what: "cookies for servers that come while it runs",
            able: Able::Since(Version(1, 8, 0)),
            hint: UPGRADE,
        },
        Row {
            kind: TLS.name,
            on: On::Attribute("certificate"),
            what: "change of certificates while it runs",
            able: Able::Since(Version(2, 2, 0)),
            hint: UPGRADE,
        },
        Row {
            kind: TLS.name,
            on: On::Attribute("protocols"),
            what: "`ssl-min-ver` and `ssl-max-ver`",
            able: Able::Since(Version(1, 8, 0)),
            hint: UPGRADE,
        },
    ],
};

const UPGRADE: &str = "upgrade haproxy, or leave it out";
