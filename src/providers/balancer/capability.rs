//! Capabilities: what a balancer cannot do in which version, as data, and the words for it. Each balancer contributes its rows.

use super::spec::Spec;
use super::version::Version;
use crate::model::{ResourceId, Value, value};
use crate::provider::Problem;

/// What one balancer cannot do. What has no row it can, in every version that is maintained.
#[derive(Debug)]
pub struct Table {
    /// The balancer, as its users call it.
    pub balancer: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
}

/// One limit.
#[derive(Debug)]
pub struct Row {
    /// The kind it is about.
    pub kind: &'static str,
    /// What of the kind.
    pub on: On,
    /// What that is, for people, so that `nginx 1.22.1 has no …` can be said of it: `sticky cookies`.
    pub what: &'static str,
    /// How far it can be had.
    pub able: Able,
    /// What to type instead.
    pub hint: &'static str,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// All of the kind.
    Kind,
    /// One that is not there yet.
    New,
    /// An attribute, whatever its value.
    Attribute(&'static str),
    /// One value of an attribute, or a list that holds it, as the policy writes it.
    Value(&'static str, &'static str),
}

/// How far something can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Able {
    /// From this version on.
    Since(Version),
    /// In no version.
    Never,
    /// Only up to this number, in every version.
    UpTo(u64),
}

/// Whether a resource is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// It is.
    Known,
    /// It is not.
    New,
}

impl Table {
    /// What this balancer, in this version, cannot do of what is wanted. Without a version: what no version can, for checking offline.
    pub fn refusals(&self, version: Option<Version>, id: &ResourceId, want: &Spec, novelty: Novelty) -> Vec<Problem> {
        let attributes = value::erase(want).unwrap_or_default();
        let mut found = Vec::new();
        for row in self.rows.iter().filter(|row| row.kind == id.kind) {
            let attribute = match row.on {
                On::Kind => None,
                On::New if novelty == Novelty::New => None,
                On::Attribute(name) if attributes.contains_key(name) => Some(name),
                On::Value(name, one) if attributes.get(name).is_some_and(|value| holds(value, one)) => Some(name),
                On::New | On::Attribute(_) | On::Value(..) => continue,
            };
            let number = attribute.and_then(|name| attributes.get(name)).and_then(Value::as_u64);
            let Some(message) = self.refusal(row, version, number) else { continue };
            let problem = Problem::of(id, message).hint(row.hint);
            found.push(match attribute {
                Some(name) => problem.at(name),
                None => problem,
            });
        }
        found
    }

    fn refusal(&self, row: &Row, version: Option<Version>, number: Option<u64>) -> Option<String> {
        let Self { balancer, rows: _ } = self;
        let what = row.what;
        match (row.able, version, number) {
            (Able::Since(since), Some(now), _) if now < since => {
                Some(format!("{balancer} {now} has no {what} (from {since} on)"))
            }
            (Able::Never, Some(now), _) => Some(format!("{balancer} {now} has no {what}")),
            (Able::Never, None, _) => Some(format!("{balancer} has no {what}")),
            (Able::UpTo(most), _, Some(number)) if number > most => {
                Some(format!("{balancer}'s {what} go from 0 to {most}"))
            }
            (Able::Since(_) | Able::UpTo(_), ..) => None,
        }
    }
}

fn holds(value: &Value, one: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| holds(item, one)),
        Value::String(text) => text == one,
        Value::Bool(flag) => one == if *flag { "true" } else { "false" },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::balancer::{Algorithm, Balance, Node, Sticky};

    const TABLE: Table = Table {
        balancer: "relay",
        rows: &[
            Row {
                kind: "sticky",
                on: On::Kind,
                what: "sticky cookies",
                able: Able::Since(Version(1, 29, 6)),
                hint: "use \"ip-hash\"",
            },
            Row {
                kind: "balance",
                on: On::Value("algorithm", "random"),
                what: "random choice",
                able: Able::Never,
                hint: "use another",
            },
            Row {
                kind: "node",
                on: On::Attribute("weight"),
                what: "weights",
                able: Able::UpTo(256),
                hint: "only the proportion matters",
            },
            Row {
                kind: "node",
                on: On::New,
                what: "new nodes while it runs",
                able: Able::Since(Version(2, 0, 0)),
                hint: "upgrade",
            },
        ],
    };

    #[test]
    fn what_cannot_be_had_is_told_at_its_key() {
        let check = |version, kind: &str, spec: &Spec, novelty, expected: &[&str]| {
            let found = TABLE.refusals(version, &ResourceId::only(kind), spec, novelty);
            let show = |p: &Problem| format!("{}: {}", p.attribute.as_deref().unwrap_or("-"), p.message);
            assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected);
        };
        let sticky = Spec::Sticky(Sticky::default());
        let old = Some(Version(1, 22, 1));
        check(old, "sticky", &sticky, Novelty::Known, &["-: relay 1.22.1 has no sticky cookies (from 1.29.6 on)"]);
        check(Some(Version(1, 29, 6)), "sticky", &sticky, Novelty::Known, &[]);
        check(None, "sticky", &sticky, Novelty::New, &[]);
        let balance = |algorithm| Spec::Balance(Balance { algorithm: Some(algorithm) });
        let random = ["algorithm: relay has no random choice"];
        check(None, "balance", &balance(Algorithm::Random), Novelty::Known, &random);
        check(old, "balance", &balance(Algorithm::IpHash), Novelty::Known, &[]);
        let node = |weight| Spec::Node(Node { weight: Some(weight), ..Node::default() });
        check(None, "node", &node(300), Novelty::Known, &["weight: relay's weights go from 0 to 256"]);
        check(old, "node", &node(256), Novelty::Known, &[]);
        let new = ["-: relay 1.22.1 has no new nodes while it runs (from 2.0 on)"];
        check(old, "node", &node(1), Novelty::New, &new);
    }
}
