//! Purges: keys that go once per token, and the mark on the server that says it was done.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Pipeline;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::glob::Glob;
use super::pace::Pace;
use super::pass::Pass;
use super::pulse::Pulse;
use super::scan::{self, Key};
use super::servers::{Node, Shape};
use super::spread;
use crate::error::Result;
use crate::model::{ResourceId, units, value};
use crate::provider::Progress;

/// The hash on the server with the last token of every purge.
pub const MARKS: &str = "evenkeel:purge";

/// Keys to delete, once per token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// Patterns as Redis knows them: `["user:*"]`.
    #[serde(rename = "match", default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
    /// Keys by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Whatever is new when the keys are to go again: a version, a date, a deployment. Empty: not yet.
    pub token: String,
    /// How they go.
    #[serde(default)]
    pub mode: Mode,
    /// How long to wait, or over how long to spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<units::Duration>,
}

/// How keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// At once.
    #[default]
    Immediate,
    /// At once, after `delay`: what was filled in again meanwhile goes too.
    Delayed,
    /// Each within `delay`, at a moment of its own, so that they are not all missed together.
    Lazy,
}

impl Purge {
    /// `delay`, or what it is when nobody says so.
    pub fn delay(&self) -> units::Duration {
        self.delay.unwrap_or(match self.mode {
            Mode::Immediate => units::Duration::default(),
            Mode::Delayed => units::Duration::from_secs(5),
            Mode::Lazy => units::Duration::from_secs(300),
        })
    }
}

/// The name of a purge's mark: two targets that share a server may both have a `deploy`.
pub fn field(target: &str, id: &ResourceId) -> String {
    format!("{target}.{}", id.label())
}

/// The last token of the purge that is marked as `field`.
///
/// # Errors
/// The server's refusal.
pub async fn mark(shape: &Shape, field: &str) -> Result<Option<String>> {
    let mut ask = redis::cmd("HGET");
    ask.arg(MARKS).arg(field);
    shape.owner(MARKS.as_bytes()).query(ask).await
}

/// How many of `keys` are there.
///
/// # Errors
/// The first refusal.
pub async fn count_named(shape: &Shape, keys: &[String]) -> Result<u64> {
    let mut there = 0;
    for key in keys {
        let mut ask = redis::cmd("EXISTS");
        ask.arg(key);
        there += shape.owner(key.as_bytes()).query::<u64>(ask).await?;
    }
    Ok(there)
}

/// Deletes, then marks.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What goes and how.
    pub purge: Purge,
    /// The mark's name: the purge's address.
    pub field: String,
    /// How many keys there were when it was planned, for progress.
    pub keys: u64,
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |texts: &[String]| {
            texts.iter().map(|text| value::show(&text.as_str().into())).collect::<Vec<_>>().join(", ")
        };
        let command = match self.purge.mode {
            Mode::Immediate => "unlink KEY".to_owned(),
            Mode::Delayed => format!("wait {}; unlink KEY", self.purge.delay()),
            Mode::Lazy => format!("pexpire KEY (1..{}, by the key) lt", self.purge.delay().as_millis()),
        };
        f.write_str(&command)?;
        if !self.purge.patterns.is_empty() {
            write!(f, " of scan match {}", list(&self.purge.patterns))?;
        }
        if !self.purge.keys.is_empty() {
            let and = if self.purge.patterns.is_empty() { "" } else { " and" };
            write!(f, "{and} of {}", list(&self.purge.keys))?;
        }
        write!(f, "; hset {MARKS} {} {}", self.field, value::show(&self.purge.token.as_str().into()))
    }
}

impl Sweep {
    /// Runs it. The mark comes last: it reaches a replica after every deletion, so one that takes over with the mark has them all, and
    /// what was cut short goes on where it was.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn run(&self, shape: &Shape, latency: Duration, pass: &Pass, progress: &Progress) -> Result<()> {
        if self.purge.mode == Mode::Delayed && pass.begins() {
            let delay = self.purge.delay();
            progress.tell(format!("waiting {delay}"), 0, 0);
            tokio::time::sleep(delay.std()).await;
        }
        let pulse = Pulse::new(progress, "purging", self.keys, pass.changed());
        for key in &self.purge.keys {
            self.drop_keys(shape.owner(key.as_bytes()), vec![key.clone().into_bytes()], shape, &pulse).await?;
        }
        if !self.purge.patterns.is_empty() {
            let globs: Vec<Glob> = self.purge.patterns.iter().map(|pattern| Glob::new(pattern)).collect();
            let sole = match self.purge.patterns.as_slice() {
                [pattern] => Some(pattern.as_str()),
                _ => None,
            };
            let passes = shape.nodes.iter().map(async |node| {
                let place = pass.on(node).await?;
                let pace = Pace::watch(node, latency).await?;
                let work = async |mut keys: Vec<Key>| {
                    if sole.is_none() {
                        keys.retain(|key| globs.iter().any(|glob| glob.matches(key)));
                    }
                    let count = keys.len() as u64;
                    self.drop_keys(node, keys, shape, &pulse).await?;
                    place.changed.fetch_add(count, Ordering::Relaxed);
                    Ok(0)
                };
                scan::sweep(node, sole, &pace, &place, work).await
            });
            futures_util::future::try_join_all(passes)
                .await
                .map_err(|error| pass.broke_off(error, "had been purged"))?;
        }
        let mut mark = redis::cmd("HSET");
        mark.arg(MARKS).arg(&self.field).arg(&self.purge.token);
        shape.owner(MARKS.as_bytes()).query::<()>(mark).await?;
        pulse.finish();
        Ok(())
    }

    async fn drop_keys(&self, node: &Node, keys: Vec<Key>, shape: &Shape, pulse: &Pulse<'_>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::with_capacity(keys.len());
        match self.purge.mode {
            Mode::Lazy => {
                let room = self.purge.delay().as_millis().max(1);
                for key in &keys {
                    let mut expire = scan::about("PEXPIRE", key, scan::WORDS);
                    expire.arg(1 + spread::share(key, room)).arg("LT");
                    pipeline.add_command(expire);
                }
            }
            // A cluster takes several keys in one command only where they share a slot.
            _ if shape.is_cluster() => keys.iter().for_each(|key| {
                pipeline.cmd("UNLINK").arg(key.as_slice());
            }),
            _ => {
                pipeline.cmd("UNLINK").arg(&keys);
            }
        }
        for answer in scan::send(node, &pipeline).await? {
            scan::number(&answer)?;
        }
        pulse.beat(keys.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_what_goes() {
        let check = |purge: serde_json::Value, expected: &str| {
            let purge = serde_json::from_value(purge).expect("decodes");
            assert_eq!(Sweep { purge, field: "cache.deploy".into(), keys: 0 }.to_string(), expected);
        };
        check(
            serde_json::json!({ "match": ["user:*", "users:list:*"], "token": "v 1" }),
            "unlink KEY of scan match \"user:*\", \"users:list:*\"; hset evenkeel:purge cache.deploy \"v 1\"",
        );
        check(
            serde_json::json!({ "match": ["a*"], "keys": ["b"], "token": "1", "mode": "lazy", "delay": "1m" }),
            "pexpire KEY (1..60000, by the key) lt of scan match \"a*\" and of \"b\"; hset evenkeel:purge cache.deploy \"1\"",
        );
        check(
            serde_json::json!({ "keys": ["b"], "token": "1", "mode": "delayed" }),
            "wait 5s; unlink KEY of \"b\"; hset evenkeel:purge cache.deploy \"1\"",
        );
    }
}
