//! The vocabulary: what a pool of nodes can be told, whichever balancer it is on. An attribute that is not written is left as it is.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::model::ResourceId;
use crate::model::units::Duration;
use crate::provider::Problem;

/// A resource of a balancer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// How requests are spread.
    Balance(Balance),
    /// How nodes are watched.
    Health(Health),
    /// How connections are kept.
    Reuse(Reuse),
    /// What binds clients to nodes.
    Sticky(Sticky),
    /// How TLS is spoken with clients.
    Tls(Tls),
    /// A node.
    Node(Node),
}

/// How requests are spread over the nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// The algorithm.
    pub algorithm: Option<Algorithm>,
}

/// A way of spreading requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// One after the other.
    RoundRobin,
    /// To whoever has the fewest connections.
    LeastConnections,
    /// By the client's address; stays the same for most clients when a node comes or goes.
    IpHash,
    /// One after the other, by weight.
    Weighted,
    /// By chance.
    Random,
}

/// How nodes are checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Whether nodes are checked at all.
    pub enabled: Option<bool>,
    /// What is asked for; without it a connection is enough.
    pub path: Option<String>,
    /// How often.
    pub interval: Option<Duration>,
    /// How long an answer may take.
    pub timeout: Option<Duration>,
    /// After how many failures in a row a node is out.
    pub unhealthy_threshold: Option<u32>,
    /// After how many successes in a row it is back.
    pub healthy_threshold: Option<u32>,
}

/// How connections to the nodes are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reuse {
    /// How many connections a node gets at once; more wait in a queue.
    pub max_connections: Option<u32>,
    /// How many idle connections are kept to a node.
    pub idle_connections: Option<u32>,
    /// How long one is kept.
    pub idle_timeout: Option<Duration>,
    /// How often the kernel probes one.
    pub keepalive_interval: Option<Duration>,
}

/// What binds clients to nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sticky {
    /// The cookie's name.
    pub cookie: Option<String>,
    /// How long a client is bound to its node.
    pub ttl: Option<Duration>,
}

/// How TLS is spoken with clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The file of the certificate and its issuers, PEM.
    pub certificate: Option<Pem>,
    /// The file of its key, PEM; without it the key is in the file of the certificate.
    pub key: Option<String>,
    /// The versions that are spoken.
    pub protocols: Option<BTreeSet<Protocol>>,
    /// The ciphers, in the words of OpenSSL; those of TLS 1.3 begin with `TLS_`.
    pub ciphers: Option<String>,
}

/// A file of certificates. Equality is that of what it shows: its path, and its content where that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "String")]
#[schemars(with = "String")]
pub struct Pem {
    /// Where it is.
    pub path: String,
    /// What is in it, in words, where that matters: see `certificate::compare`.
    pub content: Option<String>,
}

impl From<String> for Pem {
    /// What stands behind the path is what was told of its content; no path that a policy may name has a space in it.
    fn from(text: String) -> Self {
        match text.strip_suffix(')').and_then(|text| text.split_once(" (")) {
            Some((path, content)) => Self { path: path.to_owned(), content: Some(content.to_owned()) },
            None => Self { path: text, content: None },
        }
    }
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Some(content) => write!(f, "{} ({content})", self.path),
            None => f.write_str(&self.path),
        }
    }
}

impl Serialize for Pem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// 1.0.
    #[serde(rename = "TLSv1.0")]
    Tls10,
    /// 1.1.
    #[serde(rename = "TLSv1.1")]
    Tls11,
    /// 1.2.
    #[serde(rename = "TLSv1.2")]
    Tls12,
    /// 1.3.
    #[serde(rename = "TLSv1.3")]
    Tls13,
}

impl Protocol {
    /// All, the oldest first.
    pub const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// As the policy writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Where it is, `192.168.1.10:3000`.
    pub address: Option<String>,
    /// Its share of the requests, beside the others' weights.
    pub weight: Option<u32>,
    /// Whether it takes requests.
    pub state: Option<NodeState>,
}

/// Whether a node takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It does.
    Ready,
    /// Only those that belong to sessions it already has.
    Drain,
    /// None.
    Maintenance,
}

impl NodeState {
    /// As the policy writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Splits `host:port`, `[::1]:80`; `None` where there is no port.
pub fn endpoint(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(inner) => inner,
        None if host.contains(':') => return None,
        None => host,
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

/// An address in its one form: `10.0.0.1:80`, `[::1]:80`; a host's name in lower case.
pub fn address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        Ok(ip) => format!("{ip}:{port}"),
        Err(_) => format!("{}:{port}", host.to_ascii_lowercase()),
    }
}

/// What is the same under two names, and addresses in one form, for balancers whose round robin always goes by weight.
pub fn settle(want: &mut Spec, live: Option<&mut Spec>) {
    if let Spec::Node(Node { address: Some(text), .. }) = want
        && let Some((host, port)) = endpoint(text)
    {
        *text = address(host, port);
    }
    if let (
        Spec::Balance(Balance { algorithm: Some(Algorithm::Weighted) }),
        Some(Spec::Balance(Balance { algorithm: live @ Some(Algorithm::RoundRobin) })),
    ) = (want, live)
    {
        *live = Some(Algorithm::Weighted);
    }
}

/// What can be said of a resource without the balancer.
pub fn faults(id: &ResourceId, spec: &Spec) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut fault = |attribute: &str, message: String, hint: &str| {
        found.push(Problem::of(id, message).at(attribute).hint(hint));
    };
    let mut millis = |attribute: &str, duration: Option<Duration>| {
        if duration.is_some_and(|d| d.as_micros() == 0 || !d.as_micros().is_multiple_of(1_000)) {
            fault(attribute, format!("`{attribute}` is whole milliseconds, and at least one"), "for example \"5s\"");
        }
    };
    match spec {
        Spec::Balance(Balance { algorithm: _ }) => {}
        Spec::Health(health) => {
            millis("interval", health.interval);
            millis("timeout", health.timeout);
            for (attribute, count) in
                [("unhealthy_threshold", health.unhealthy_threshold), ("healthy_threshold", health.healthy_threshold)]
            {
                if count == Some(0) {
                    fault(attribute, "a threshold is at least 1".into(), "for example 2");
                }
            }
            if let Some(path) = &health.path
                && (!path.starts_with('/') || path.chars().any(|c| c.is_whitespace() || c.is_control()))
            {
                fault("path", format!("`{}` is no path", path.escape_debug()), "path = \"/health\"");
            }
        }
        Spec::Reuse(reuse) => {
            millis("idle_timeout", reuse.idle_timeout);
            millis("keepalive_interval", reuse.keepalive_interval);
        }
        Spec::Sticky(Sticky { cookie, ttl }) => {
            if ttl.is_some_and(|ttl| ttl.as_micros() == 0 || !ttl.as_micros().is_multiple_of(1_000_000)) {
                fault("ttl", "`ttl` is whole seconds, and at least one".into(), "ttl = \"1h\"");
            }
            let hostile = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
            if let Some(name) = cookie.as_ref().filter(|name| name.is_empty() || name.contains(hostile)) {
                fault(
                    "cookie",
                    format!("`{}` is no name for a cookie", name.escape_debug()),
                    "cookie = \"session_id\"",
                );
            }
        }
        Spec::Tls(Tls { certificate, key, protocols, ciphers }) => {
            for (attribute, path) in [("certificate", certificate.as_ref().map(|pem| &pem.path)), ("key", key.as_ref())]
            {
                let hostile = |c: char| c.is_whitespace() || c.is_control() || "\"'\\#${};".contains(c);
                if let Some(path) = path.filter(|path| !path.starts_with('/') || path.contains(hostile)) {
                    let message = format!("`{}` is no whole path that every balancer can read", path.escape_debug());
                    fault(attribute, message, "begin with `/`, and use no spaces, quotes or any of `\\#${};`");
                }
            }
            if key.is_some() && certificate.is_none() {
                fault(
                    "key",
                    "a key goes with a `certificate`".into(),
                    "certificate = \"/etc/ssl/certs/example.com.crt\"",
                );
            }
            if let Some(spoken) = protocols {
                let holes = Protocol::ALL.iter().skip_while(|one| !spoken.contains(one)).take(spoken.len());
                if spoken.is_empty() || holes.filter(|one| spoken.contains(one)).count() < spoken.len() {
                    let message = "the versions of TLS are one or more, without a gap between them";
                    fault("protocols", message.into(), "protocols = [\"TLSv1.2\", \"TLSv1.3\"]");
                }
            }
            let hostile = |c: char| !(c.is_ascii_alphanumeric() || "-_:+!@=.".contains(c));
            if let Some(text) = ciphers.as_ref().filter(|text| text.is_empty() || text.contains(hostile)) {
                let message = format!("`{}` is no list of ciphers", text.escape_debug());
                fault(
                    "ciphers",
                    message,
                    "join OpenSSL's names with `:`, as in \"ECDHE-RSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256\"",
                );
            }
        }
        Spec::Node(node) => {
            if let Some(text) = &node.address {
                let hostile = |c: char| !(c.is_ascii_alphanumeric() || "-_.:[]".contains(c));
                if endpoint(text).is_none() || text.contains(hostile) {
                    let message = format!("`{}` is no address with a port", text.escape_debug());
                    fault("address", message, "address = \"192.168.1.10:3000\"");
                }
            }
            let name = id.label();
            if name.is_empty() || name.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_.:".contains(c))) {
                let message = format!("`{}` is no name for a node", name.escape_debug());
                found.push(Problem::of(id, message).hint("use letters, digits and any of `-_.:`"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        let check = |text: &str, expected: &str| {
            let found = endpoint(text).map_or("-".to_owned(), |(host, port)| address(host, port));
            assert_eq!(found, expected, "{text}");
        };
        check("10.0.0.1:80", "10.0.0.1:80");
        check("[::0:1]:80", "[::1]:80");
        check("Web.Internal:8080", "web.internal:8080");
        check("::1:80", "-");
        check("10.0.0.1", "-");
        check("10.0.0.1:0", "-");
        check(":80", "-");
    }

    #[test]
    fn what_makes_no_sense_is_told_at_its_attribute() {
        let check = |id: &str, spec: Spec, expected: &[&str]| {
            let found = faults(&ResourceId::named("node", id), &spec);
            let show = |p: &Problem| format!("{}: {}", p.attribute.as_deref().unwrap_or("-"), p.message);
            assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected);
        };
        let node = |address: &str| Spec::Node(Node { address: Some(address.into()), ..Node::default() });
        check("n1", node("10.0.0.1:80"), &[]);
        check("n1", node("10.0.0.1:80; del"), &["address: `10.0.0.1:80; del` is no address with a port"]);
        check("n 1", node("10.0.0.1:80"), &["-: `n 1` is no name for a node"]);
        let health = Health {
            path: Some("health".into()),
            interval: Some(Duration::from_micros(10)),
            healthy_threshold: Some(0),
            ..Health::default()
        };
        check(
            "h",
            Spec::Health(health),
            &[
                "interval: `interval` is whole milliseconds, and at least one",
                "healthy_threshold: a threshold is at least 1",
                "path: `health` is no path",
            ],
        );
        let sticky = Sticky { cookie: Some("a b".into()), ttl: Some(Duration::from_millis(1_500)) };
        check(
            "s",
            Spec::Sticky(sticky),
            &["ttl: `ttl` is whole seconds, and at least one", "cookie: `a b` is no name for a cookie"],
        );
        let tls = Tls {
            key: Some("site.key".into()),
            protocols: Some(BTreeSet::from([Protocol::Tls11, Protocol::Tls13])),
            ciphers: Some("A B".into()),
            certificate: None,
        };
        check(
            "t",
            Spec::Tls(tls),
            &[
                "key: `site.key` is no whole path that every balancer can read",
                "key: a key goes with a `certificate`",
                "protocols: the versions of TLS are one or more, without a gap between them",
                "ciphers: `A B` is no list of ciphers",
            ],
        );
    }
}
