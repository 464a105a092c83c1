//! What a handler says, read from its JSON. What Caddy does where nothing is written is filled in. Does no I/O.

use super::time;
use crate::model::Value;
use crate::model::units::Duration;
use crate::providers::balancer::{Algorithm, Balance, Health, Reuse, Sticky, spec};

/// A handler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// How requests are spread; without an algorithm where it has no name in the policy.
    pub balance: Balance,
    /// Caddy's own name for it.
    pub policy: String,
    /// How nodes are watched.
    pub health: Health,
    /// How connections are kept; `None` where nodes are not spoken to over HTTP.
    pub reuse: Option<Reuse>,
    /// What binds clients to nodes; `None` where nothing does.
    pub sticky: Option<Sticky>,
    /// Its nodes, in order.
    pub upstreams: Vec<Upstream>,
    /// How a node is asked how it is.
    pub check: Check,
    /// How many idle connections are kept to all nodes together; 0: no limit.
    pub idle_total: u64,
    /// Whether nodes come from somewhere else, too.
    pub dynamic: bool,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Its `@id`.
    pub id: Option<String>,
    /// Where it is, as written.
    pub dial: String,
    /// Its weight, where weights count.
    pub weight: Option<u32>,
}

/// How a node is asked how it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// What is asked for; `None`: a connection is enough.
    pub uri: Option<String>,
    /// Another port than the node's own.
    pub port: Option<u16>,
    /// What else is said in the request; may hold secrets.
    pub headers: Vec<(String, String)>,
    /// The status that says that it is well: a whole one, or its first digit; 0: any from 200 to 399.
    pub status: u64,
    /// How long the answer may take.
    pub timeout: Duration,
}

impl Upstream {
    /// Where it is, in the form in which addresses are compared; `None` where the policy has no words for it.
    pub fn address(&self) -> Option<String> {
        let plain = !self.dial.contains(['{', '/']);
        spec::endpoint(&self.dial).filter(|_| plain).map(|(host, port)| spec::address(host, port))
    }
}

impl Pool {
    /// Reads a handler.
    pub fn read(handler: &Value) -> Self {
        let at = |pointer: &str| handler.pointer(pointer);
        let number = |pointer: &str| at(pointer).and_then(Value::as_u64);
        let count = |pointer: &str| number(pointer).and_then(|number| u32::try_from(number).ok());
        let duration = |pointer: &str, default: Duration| match at(pointer).and_then(time::read) {
            Some(duration) if duration.as_micros() > 0 => duration,
            _ => default,
        };
        let policy =
            at("/load_balancing/selection_policy/policy").and_then(Value::as_str).unwrap_or("random").to_owned();
        let algorithm = ALGORITHMS.iter().find(|(_, name)| *name == policy).map(|(algorithm, _)| *algorithm);
        let weights = at("/load_balancing/selection_policy/weights").and_then(Value::as_array);
        let weight = |at: usize| match (algorithm, weights.and_then(|weights| weights.get(at))) {
            (Some(Algorithm::Weighted), Some(weight)) => weight.as_u64().and_then(|weight| u32::try_from(weight).ok()),
            (Some(Algorithm::Weighted), None) => Some(0),
            _ => None,
        };
        let upstream = |(at, upstream): (usize, &Value)| Upstream {
            id: upstream.get("@id").and_then(Value::as_str).map(str::to_owned),
            dial: upstream.get("dial").and_then(Value::as_str).unwrap_or_default().to_owned(),
            weight: weight(at),
        };
        let cookie =
            at("/load_balancing/selection_policy/name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let sticky = (policy == COOKIE).then(|| Sticky {
            cookie: Some(cookie.unwrap_or("lb").to_owned()),
            ttl: at("/load_balancing/selection_policy/max_age").and_then(time::read).filter(|ttl| ttl.as_micros() > 0),
        });
        let uri = at("/health_checks/active/uri").or_else(|| at("/health_checks/active/path")).and_then(Value::as_str);
        let enabled =
            uri.is_some_and(|uri| !uri.is_empty()) || number("/health_checks/active/port").is_some_and(|port| port > 0);
        let (interval, timeout) = (
            duration("/health_checks/active/interval", Duration::from_secs(30)),
            duration("/health_checks/active/timeout", Duration::from_secs(5)),
        );
        let health = Health {
            enabled: Some(enabled),
            path: uri.filter(|uri| !uri.is_empty()).map(str::to_owned),
            interval: Some(interval).filter(|_| enabled),
            timeout: Some(timeout).filter(|_| enabled),
            unhealthy_threshold: count("/health_checks/active/fails"),
            healthy_threshold: count("/health_checks/active/passes"),
        };
        let http = at("/transport/protocol").and_then(Value::as_str).is_none_or(|protocol| protocol == "http");
        let reuse = http.then(|| Reuse {
            max_connections: Some(count("/transport/max_conns_per_host").unwrap_or(0)),
            idle_connections: Some(
                count("/transport/keep_alive/max_idle_conns_per_host").filter(|n| *n > 0).unwrap_or(32),
            ),
            idle_timeout: Some(duration("/transport/keep_alive/idle_timeout", Duration::from_secs(120))),
            keepalive_interval: Some(duration("/transport/keep_alive/probe_interval", Duration::from_secs(30))),
        });
        let secure = at("/transport/tls").is_some() || !http;
        let check = Check {
            // Whom a node's certificate convinces is Caddy's to know.
            uri: health.path.clone().filter(|_| !secure),
            port: number("/health_checks/active/port")
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port > 0),
            headers: headers(at("/health_checks/active/headers")),
            status: number("/health_checks/active/expect_status").unwrap_or(0),
            timeout,
        };
        let upstreams = at("/upstreams").and_then(Value::as_array);
        Self {
            balance: Balance { algorithm },
            policy,
            health,
            reuse,
            sticky,
            upstreams: upstreams.into_iter().flatten().enumerate().map(upstream).collect(),
            check,
            idle_total: number("/transport/keep_alive/max_idle_conns").unwrap_or(0),
            dynamic: at("/dynamic_upstreams").is_some(),
        }
    }
}

fn headers(value: Option<&Value>) -> Vec<(String, String)> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    let all = fields.flat_map(|(name, values)| values.as_array().into_iter().flatten().map(move |value| (name, value)));
    all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The policy that goes by a cookie.
pub const COOKIE: &str = "cookie";

/// Caddy's names of the algorithms.
pub const ALGORITHMS: &[(Algorithm, &str)] = &[
    (Algorithm::RoundRobin, "round_robin"),
    (Algorithm::LeastConnections, "least_conn"),
    (Algorithm::IpHash, "ip_hash"),
    (Algorithm::Weighted, "weighted_round_robin"),
    (Algorithm::Random, "random"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_written_is_what_caddy_does() {
        let pool = Pool::read(&json!({ "handler": "reverse_proxy", "upstreams": [{ "dial": "Web.internal:80" }] }));
        assert_eq!(pool.balance.algorithm, Some(Algorithm::Random));
        assert_eq!(pool.health, Health { enabled: Some(false), ..Health::default() });
        assert_eq!(pool.upstreams[0].address().as_deref(), Some("web.internal:80"));
        let reuse = pool.reuse.expect("nodes are spoken to over HTTP");
        assert_eq!((reuse.max_connections, reuse.idle_connections), (Some(0), Some(32)));
        assert_eq!(reuse.idle_timeout, Some(Duration::from_secs(120)));
    }

    #[test]
    fn durations_are_read_as_they_were_given() {
        let active = json!({ "uri": "/health", "interval": 5_000_000_000_u64, "timeout": "500ms", "fails": 3 });
        let pool = Pool::read(&json!({
            "load_balancing": { "selection_policy": { "policy": "weighted_round_robin", "weights": [3] } },
            "health_checks": { "active": active },
            "transport": { "protocol": "fastcgi" },
            "upstreams": [{ "dial": "unix//run/a.sock" }, { "@id": "web.n2", "dial": "10.0.0.1:80" }]
        }));
        assert_eq!(pool.health.interval, Some(Duration::from_secs(5)));
        assert_eq!(pool.health.timeout, Some(Duration::from_millis(500)));
        assert_eq!((pool.health.unhealthy_threshold, pool.health.healthy_threshold), (Some(3), None));
        assert_eq!(pool.reuse, None);
        assert_eq!(pool.upstreams[0].address(), None);
        assert_eq!(pool.upstreams.iter().map(|node| node.weight).collect::<Vec<_>>(), [Some(3), Some(0)]);
    }
}
