//! The published document: one JSON object with a key per kind, as `{"pool": {"max": 20, "acquire_timeout_ms": 30000}}`.
//!
//! Keys are the policy's own; durations are whole milliseconds under `<key>_ms`. What else the document holds is left alone.

use std::fmt;

use serde_json::json;

use super::spec::Spec;
use crate::error::{Error, Result};
use crate::model::units::Duration;
use crate::model::{Attributes, ResourceId, Value, value};
use crate::providers::json;

/// The durations among the attributes; everything else is published as it is written.
const DURATIONS: &[&str] = &[
    "acquire_timeout",
    "create_timeout",
    "destroy_timeout",
    "idle_timeout",
    "reap_interval",
    "create_retry_interval",
    "timeout",
    "keep_alive_interval",
    "ttl",
];

/// The attributes of each kind.
const KINDS: &[(&str, &[&str])] = &[
    (
        "pool",
        &[
            "max",
            "min",
            "acquire_timeout",
            "create_timeout",
            "destroy_timeout",
            "idle_timeout",
            "reap_interval",
            "create_retry_interval",
        ],
    ),
    (
        "http_agent",
        &["max_sockets", "max_free_sockets", "timeout", "keep_alive", "keep_alive_interval", "max_cached_sessions"],
    ),
    ("cache", &["write_policy", "read_policy", "eviction_policy"]),
    ("cache_level", &["type", "ttl", "max_size", "priority"]),
];

/// One change of the document: a path and its new value, `None`: it leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    path: Vec<String>,
    value: Option<Value>,
}

/// The resources of a document.
pub type Published = Vec<(ResourceId, Spec)>;

/// A document that has been read.
#[derive(Clone, Debug, Default)]
pub struct Document {
    text: String,
    value: Value,
}

impl Document {
    /// Reads a text; `None`: nothing is published yet.
    ///
    /// # Errors
    /// Why it is no JSON object, with the line.
    pub fn parse(bytes: Option<&[u8]>) -> std::result::Result<Self, String> {
        let text = match bytes {
            None => "{}\n".to_owned(),
            Some(bytes) => String::from_utf8(bytes.to_vec()).map_err(|_| "it is not UTF-8".to_owned())?,
        };
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("it is not JSON: {error}"))?;
        if value.is_object() { Ok(Self { text, value }) } else { Err("it is JSON, but no object".into()) }
    }

    /// The resources that are published, and remarks about values that no policy could say.
    ///
    /// # Errors
    /// None in practice; a value that passed and does not decode is a defect.
    pub fn resources(&self) -> Result<(Published, Vec<String>)> {
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        for (kind, names) in KINDS {
            let Some(Value::Object(there)) = self.value.get(*kind) else { continue };
            let each: Vec<(ResourceId, &Attributes)> = if *kind == "cache_level" {
                let levels =
                    there.iter().filter_map(|(name, level)| Some((ResourceId::named(*kind, name), level.as_object()?)));
                levels.collect()
            } else {
                vec![(ResourceId::only(*kind), there)]
            };
            for (id, there) in each {
                let mut spec = json!({ *kind: {} });
                for name in *names {
                    let Some(published) = there.get(&published_key(name)) else { continue };
                    let value = unpublish(name, published);
                    // One attribute at a time: a wrong one does not hide the others.
                    let fits = value
                        .clone()
                        .filter(|value| serde_json::from_value::<Spec>(json!({ *kind: { *name: value } })).is_ok());
                    match fits {
                        Some(value) => spec[*kind][*name] = value,
                        None => notes.push(format!(
                            "`{id}.{}` is {}, which is not valid",
                            published_key(name),
                            value::show(published)
                        )),
                    }
                }
                let spec = serde_json::from_value(spec)
                    .map_err(|error| Error::bug(format!("`{id}` does not decode")).because(error))?;
                found.push((id, spec));
            }
        }
        Ok((found, notes))
    }

    /// The text with these edits made.
    ///
    /// # Errors
    /// A defect: the text was read as an object.
    pub fn edited(&self, edits: &[Edit]) -> Result<String> {
        let mut text = self.text.clone();
        for edit in edits {
            let path: Vec<&str> = edit.path.iter().map(String::as_str).collect();
            let made = match &edit.value {
                Some(value) => json::set(&text, &path, value),
                None => json::remove(&text, &path),
            };
            text = made.ok_or_else(|| Error::bug(format!("`{edit}` cannot be made in the document")))?;
        }
        Ok(text)
    }

    /// Whether these edits are made already.
    pub fn has(&self, edits: &[Edit]) -> bool {
        edits.iter().all(|edit| {
            let there = edit.path.iter().try_fold(&self.value, |value, key| value.get(key));
            there == edit.value.as_ref()
        })
    }
}

/// Where an attribute is published.
fn published_key(name: &str) -> String {
    if DURATIONS.contains(&name) { format!("{name}_ms") } else { name.to_owned() }
}

fn unpublish(name: &str, published: &Value) -> Option<Value> {
    if DURATIONS.contains(&name) {
        return published
            .as_u64()
            .filter(|millis| *millis <= u64::MAX / 1_000)
            .map(|millis| json!(Duration::from_millis(millis)));
    }
    Some(published.clone())
}

fn publish(name: &str, value: &Value) -> Value {
    let duration = value.as_str().filter(|_| DURATIONS.contains(&name)).and_then(|text| text.parse::<Duration>().ok());
    duration.map_or_else(|| value.clone(), |duration| json!(duration.as_millis()))
}

/// The edit that gives one attribute of a resource its value.
pub fn set(id: &ResourceId, name: &str, value: &Value) -> Edit {
    let mut edit = drop(id);
    edit.path.push(published_key(name));
    Edit { value: Some(publish(name, value)), ..edit }
}

/// The edit that takes a resource out.
pub fn drop(id: &ResourceId) -> Edit {
    Edit { path: std::iter::once(&id.kind).chain(&id.name).cloned().collect(), value: None }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value}", self.path.join(".")),
            None => write!(f, "drop {}", self.path.join(".")),
        }
    }
}
