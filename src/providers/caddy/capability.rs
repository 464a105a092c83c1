//! What Caddy cannot do, and from which version on it can. What is not here every maintained version has.

use crate::providers::balancer::capability::{Able, On, Row, Table};
use crate::providers::balancer::{BALANCE, HEALTH, NODE, STICKY, TLS, Version};

/// The limits of Caddy.
pub const CAPABILITIES: Table = Table {
    balancer: "caddy",
    rows: &[
        since(BALANCE.name, On::Value("algorithm", "weighted"), "weights", Version(2, 7, 0)),
        since(NODE.name, On::Attribute("weight"), "weights", Version(2, 7, 0)),
        since(HEALTH.name, On::Attribute("unhealthy_threshold"), "thresholds of checks", Version(2, 8, 0)),
        since(HEALTH.name, On::Attribute("healthy_threshold"), "thresholds of checks", Version(2, 8, 0)),
        since(STICKY.name, On::Attribute("ttl"), "age of cookies", Version(2, 10, 0)),
        never(NODE.name, On::Value("state", "drain"), "drained nodes", ABSENT),
        never(NODE.name, On::Value("state", "maintenance"), "nodes in maintenance", ABSENT),
        never(TLS.name, On::Value("protocols", "TLSv1.0"), "TLS 1.0", MODERN),
        never(TLS.name, On::Value("protocols", "TLSv1.1"), "TLS 1.1", MODERN),
    ],
};

const fn since(kind: &'static str, on: On, what: &'static str, version: Version) -> Row {
    let hint =
        "upgrade caddy, or leave it out; where yours can and does not tell its version, set `version` in the target";
    Row { kind, on, what, able: Able::Since(version), hint }
}

const fn never(kind: &'static str, on: On, what: &'static str, hint: &'static str) -> Row {
    Row { kind, on, what, able: Able::Never, hint }
}

const ABSENT: &str = "`absent = true` takes a node out; what it is working on is finished";
const MODERN: &str = "protocols = [\"TLSv1.2\", \"TLSv1.3\"]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceId;
    use crate::providers::balancer::capability::Novelty;
    use crate::providers::balancer::{Health, Node, NodeState, Protocol, Spec, Tls};

    #[test]
    fn each_version_refuses_what_it_has_not() {
        let check = |version: Option<Version>, kind: &str, spec: &Spec, expected: &[&str]| {
            let found = CAPABILITIES.refusals(version, &ResourceId::named(kind, "x"), spec, Novelty::Known);
            let show =
                |p: &crate::provider::Problem| format!("{}: {}", p.attribute.as_deref().unwrap_or("-"), p.message);
            assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected, "{version:?}");
        };
        let weight = Spec::Node(Node { weight: Some(2), ..Node::default() });
        check(Some(Version(2, 6, 2)), "node", &weight, &["weight: caddy 2.6.2 has no weights (from 2.7 on)"]);
        check(Some(Version(2, 7, 0)), "node", &weight, &[]);
        let health = Spec::Health(Health { unhealthy_threshold: Some(3), ..Health::default() });
        let refused = ["unhealthy_threshold: caddy 2.7.6 has no thresholds of checks (from 2.8 on)"];
        check(Some(Version(2, 7, 6)), "health", &health, &refused);
        check(Some(Version(2, 10, 0)), "health", &health, &[]);
        let drain = Spec::Node(Node { state: Some(NodeState::Drain), ..Node::default() });
        check(None, "node", &drain, &["state: caddy has no drained nodes"]);
        let tls = |protocols: &[Protocol]| {
            Spec::Tls(Tls { protocols: Some(protocols.iter().copied().collect()), ..Tls::default() })
        };
        check(None, "tls", &tls(&[Protocol::Tls11, Protocol::Tls12]), &["protocols: caddy has no TLS 1.1"]);
        check(None, "tls", &tls(&[Protocol::Tls12, Protocol::Tls13]), &[]);
    }
}
