//! Edits of a handler: each says what it makes of a text, and prints as that. Nothing else of the text changes.
//! Nodes are found anew in every text, for in the file they may stand elsewhere than in the running Caddy.

use std::fmt;

use serde_json::json;

use super::front::{self, Files};
use super::place::{self, Spot};
use super::pool::{self, Pool, Upstream};
use crate::model::Value;
use crate::providers::balancer::Algorithm;
use crate::providers::json;

/// Which node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The policy's name for it.
    pub name: String,
    /// The `@id` that evenkeel gives it.
    pub id: String,
    /// Its address, by which it is known as long as it has no `@id`.
    pub address: Option<String>,
}

impl Key {
    /// The key of a node of a target, `web`.
    pub fn of(target: &str, name: &str, address: Option<String>) -> Self {
        // Against a saved state nobody knows the target.
        let id = if target.is_empty() { name.to_owned() } else { format!("{target}.{name}") };
        Self { name: name.to_owned(), id, address }
    }

    /// Whether it is this node.
    pub fn opens(&self, upstream: &Upstream) -> bool {
        match &upstream.id {
            Some(id) => *id == self.id || *id == self.name,
            None => self.address.is_some() && upstream.address() == self.address,
        }
    }
}

/// One edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A value gets set.
    Set(Vec<&'static str>, Value),
    /// A value goes.
    Unset(Vec<&'static str>),
    /// A cookie binds clients. The secret that its values are made with stays, where there is one.
    Stick(String),
    /// A node comes.
    Add(Key, String),
    /// A node goes to another address.
    Move(Key, String),
    /// A node leaves.
    Remove(Key),
    /// A node gets a weight.
    Weigh(Key, u32),
    /// A value gets set in every policy of the server.
    Speak(&'static str, Value),
    /// Another certificate is served.
    Serve(Files),
}

impl Edit {
    fn order(&self) -> u8 {
        match self {
            Self::Stick(_) => 0,
            Self::Set(..) | Self::Unset(_) | Self::Speak(..) | Self::Serve(_) => 1,
            Self::Add(..) => 2,
            Self::Move(..) => 3,
            Self::Remove(_) => 4,
            Self::Weigh(..) => 5,
        }
    }
}

/// The text with these edits made to what is at `spot`; `None` where it is not there. Made once more, they change nothing.
pub fn apply(text: &str, spot: &Spot, edits: &[Edit]) -> Option<String> {
    let path = &spot.handler;
    let handler = |text: &str| {
        let value: Value = serde_json::from_str(text).ok()?;
        place::step(&value, path).map(Pool::read)
    };
    let before = handler(text)?;
    let mut text = text.to_owned();
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| edit.order());
    // The weights stand beside the nodes: what comes and goes moves them.
    let mut weights: Vec<u32> = before.upstreams.iter().map(|node| node.weight.unwrap_or(1)).collect();
    for edit in edits {
        let nodes = handler(&text)?.upstreams;
        let found = |key: &Key| nodes.iter().position(|node| key.opens(node));
        let full = |rest: &[&str]| -> Vec<String> {
            path.iter().cloned().chain(rest.iter().map(|&key| key.to_owned())).collect()
        };
        match edit {
            Edit::Set(rest, value) => {
                let there: Value = serde_json::from_str(&text).ok()?;
                if place::step(&there, &full(rest)) != Some(value) {
                    text = json::set(&text, &words(&full(rest)), value)?;
                }
            }
            Edit::Unset(rest) => text = json::remove(&text, &words(&full(rest)))?,
            Edit::Stick(name) => {
                let policy = full(&["load_balancing", "selection_policy"]);
                let sticky = handler(&text)?.sticky.and_then(|sticky| sticky.cookie);
                if sticky.is_none() {
                    text = json::set(&text, &words(&policy), &json!({ "policy": pool::COOKIE, "name": name }))?;
                } else if sticky.as_ref() != Some(name) {
                    text = json::set(&text, &words(&[policy, vec!["name".into()]].concat()), &json!(name))?;
                }
            }
            Edit::Add(key, address) => {
                if found(key).is_none() {
                    text =
                        json::push(&text, &words(&full(&["upstreams"])), &json!({ "@id": key.id, "dial": address }))?;
                    weights.push(1);
                }
            }
            Edit::Move(key, address) => {
                let moved = Key { address: Some(address.clone()), ..key.clone() };
                let at = found(key).or_else(|| found(&moved))?;
                let at_text = at.to_string();
                if nodes[at].address().as_ref() != Some(address) {
                    text = json::set(&text, &words(&full(&["upstreams", &at_text, "dial"])), &json!(address))?;
                }
                if nodes[at].id.is_none() {
                    // It was known by its address, which it has no longer.
                    text = json::set(&text, &words(&full(&["upstreams", &at_text, "@id"])), &json!(key.id))?;
                }
            }
            Edit::Remove(key) => {
                while let Some(at) = handler(&text)?.upstreams.iter().position(|node| key.opens(node)) {
                    text = json::remove(&text, &words(&full(&["upstreams", &at.to_string()])))?;
                    if at < weights.len() {
                        weights.remove(at);
                    }
                }
            }
            Edit::Speak(key, value) => text = front::speak(&text, spot, key, value)?,
            Edit::Serve(files) => text = front::serve(&text, spot, files)?,
            Edit::Weigh(key, weight) => {
                if let Some(slot) = found(key).and_then(|at| weights.get_mut(at)) {
                    *slot = *weight;
                }
            }
        }
    }
    let after = handler(&text)?;
    let now: Vec<u32> = after.upstreams.iter().map(|node| node.weight.unwrap_or(0)).collect();
    if after.balance.algorithm == Some(Algorithm::Weighted) && now != weights {
        let rest = ["load_balancing", "selection_policy", "weights"].map(str::to_owned);
        let at: Vec<String> = path.iter().cloned().chain(rest).collect();
        text = json::set(&text, &words(&at), &json!(weights))?;
    }
    Some(text)
}

fn words(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(path, value) => write!(f, "{} = {value}", path.join(".")),
            Self::Unset(path) => write!(f, "drop {}", path.join(".")),
            Self::Stick(name) => {
                write!(f, "load_balancing.selection_policy: {}", json!({ "policy": pool::COOKIE, "name": name }))
            }
            Self::Add(key, address) => write!(f, "upstreams + {}", json!({ "@id": key.id, "dial": address })),
            Self::Move(key, address) => {
                let from = key.address.as_deref().unwrap_or(&key.name);
                write!(f, "upstreams: {} from {from} to {address}", key.name)
            }
            Self::Remove(key) => write!(f, "upstreams - {}", key.address.as_deref().unwrap_or(&key.name)),
            Self::Weigh(key, weight) => write!(f, "weight of {} = {weight}", key.name),
            Self::Speak(key, value) => write!(f, "tls_connection_policies.*.{key} = {value}"),
            Self::Serve(Files { certificate, key, tag: _ }) => {
                write!(f, "tls.certificates.load_files: {certificate} with {key}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "apps": [
    {"handler": "reverse_proxy", "x": 12345678901234567890123, "upstreams": [
      {"dial": "127.0.0.1:1", "max_requests": 5},
      {"@id": "web.n2", "dial": "127.0.0.1:2"}
    ]}
  ]
}
"#;

    #[test]
    fn only_what_is_meant_changes_and_only_once() {
        let spot = Spot { handler: vec!["apps".to_owned(), "0".to_owned()], ..Spot::default() };
        let check = |edits: &[Edit], from: &[&str], to: &[&str]| {
            let mut expected = TEXT.to_owned();
            for (from, to) in from.iter().zip(to) {
                assert!(expected.contains(from), "{from}");
                expected = expected.replace(from, to);
            }
            let made = apply(TEXT, &spot, edits).expect("a handler is there");
            assert_eq!(made, expected);
            assert_eq!(apply(&made, &spot, edits).as_deref(), Some(made.as_str()), "once more");
        };
        let one = Key::of("web", "n1", Some("127.0.0.1:1".into()));
        let two = Key::of("web", "n2", Some("127.0.0.1:2".into()));
        let three = Key::of("web", "n3", Some("127.0.0.1:3".into()));
        check(
            &[Edit::Add(three, "127.0.0.1:3".into())],
            &["\"dial\": \"127.0.0.1:2\"}"],
            &["\"dial\": \"127.0.0.1:2\"},\n      {\"@id\":\"web.n3\",\"dial\":\"127.0.0.1:3\"}"],
        );
        check(&[Edit::Remove(one.clone())], &["{\"dial\": \"127.0.0.1:1\", \"max_requests\": 5},\n      "], &[""]);
        check(&[Edit::Move(two, "127.0.0.1:9".into())], &["127.0.0.1:2"], &["127.0.0.1:9"]);
        check(
            &[Edit::Move(one, "127.0.0.1:9".into())],
            &["127.0.0.1:1\", \"max_requests\": 5"],
            &["127.0.0.1:9\", \"max_requests\": 5, \"@id\": \"web.n1\""],
        );
        check(&[Edit::Set(vec!["x"], json!(7))], &["12345678901234567890123"], &["7"]);
    }

    #[test]
    fn a_cookie_keeps_its_secret() {
        let check = |text: &str, expected: &str| {
            let made = apply(text, &Spot::default(), &[Edit::Stick("id".into())]).expect("a handler is there");
            assert_eq!(made, expected);
            let again = apply(&made, &Spot::default(), &[Edit::Stick("id".into())]);
            assert_eq!(again.as_deref(), Some(expected), "once more");
        };
        let with = |policy: &str| format!(r#"{{"load_balancing":{{"selection_policy":{policy}}}}}"#);
        check(
            &with(r#"{"policy":"cookie","secret":"s","name":"old"}"#),
            &with(r#"{"policy":"cookie","secret":"s","name":"id"}"#),
        );
        check(&with(r#"{"policy":"first"}"#), &with(r#"{"policy":"cookie","name":"id"}"#));
    }

    #[test]
    fn weights_stay_with_their_nodes() {
        let text = r#"{"load_balancing":{"selection_policy":{"policy":"weighted_round_robin","weights":[3,2]}},"upstreams":[{"dial":"h:1"},{"dial":"h:2"}]}"#;
        let check = |edits: &[Edit], expected: &str| {
            let made = apply(text, &Spot::default(), edits).expect("a handler is there");
            assert!(made.contains(&format!("\"weights\":{expected}")), "{made}");
            assert_eq!(apply(&made, &Spot::default(), edits).as_deref(), Some(made.as_str()), "once more");
        };
        let key = |n: u32| Key::of("web", &format!("n{n}"), Some(format!("h:{n}")));
        check(&[Edit::Remove(key(1))], "[2]");
        check(&[Edit::Add(key(3), "h:3".into()), Edit::Weigh(key(3), 9), Edit::Remove(key(1))], "[2,9]");
        check(&[Edit::Weigh(key(2), 5)], "[3,5]");
    }
}
