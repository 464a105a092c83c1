//! Evictions: keys that go because somebody else changed what they were made of. Each is judged by itself, so that one that is refused
//! holds up no other.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::fault;
use super::glob::Glob;
use super::pace::Pace;
use super::pass::Place;
use super::scan::{self, Key, OWN};
use super::servers::{Node, Shape};
use super::spread;
use crate::error::{ErrorKind, Result};
use crate::provider::{Evicted, Eviction, Sort};

/// Commands that are sent at once.
const BATCH: usize = 1_000;

/// Removes keys, or has them expire within the time that was given.
///
/// # Errors
/// What may pass: then nobody knows which of them are gone, and all are to be tried again.
pub async fn evict(shape: &Shape, latency: Duration, evictions: &[Eviction]) -> Result<Vec<Evicted>> {
    let mut came: Vec<Evicted> = vec![Evicted::Gone(0); evictions.len()];
    let mut by_node: Vec<Vec<usize>> = vec![Vec::new(); shape.nodes.len()];
    let mut patterns = Vec::new();
    for (at, eviction) in evictions.iter().enumerate() {
        match eviction.sort {
            Sort::Key if eviction.key.starts_with(OWN) => {
                came[at] = Evicted::Refused(format!("keys that start with `{OWN}` are evenkeel's own"));
            }
            Sort::Key => by_node[shape.owner_index(eviction.key.as_bytes())].push(at),
            Sort::Pattern => patterns.push((at, Glob::new(&eviction.key), eviction)),
        }
    }
    for (node, at) in shape.nodes.iter().zip(&by_node).filter(|(_, at)| !at.is_empty()) {
        for at in at.chunks(BATCH) {
            let keys = at.iter().map(|at| (evictions[*at].key.as_bytes(), evictions[*at].within));
            for (at, answer) in at.iter().zip(send(node, keys).await?) {
                came[*at] = answer;
            }
        }
        node.replicated().await?;
    }
    if !patterns.is_empty() {
        let passes = shape.nodes.iter().map(|node| pass(node, latency, &patterns));
        for counts in futures_util::future::try_join_all(passes).await? {
            for (gone, (at, ..)) in counts.into_iter().zip(&patterns) {
                came[*at] = match (std::mem::replace(&mut came[*at], Evicted::Gone(0)), gone) {
                    (Evicted::Gone(before), Evicted::Gone(more)) => Evicted::Gone(before + more),
                    (refused @ Evicted::Refused(_), _) | (_, refused) => refused,
                };
            }
        }
    }
    Ok(came)
}

/// One pass over a node's keys for all patterns; a key counts for the first that it matches.
async fn pass(node: &Node, latency: Duration, patterns: &[(usize, Glob, &Eviction)]) -> Result<Vec<Evicted>> {
    let pace = Pace::watch(node, latency).await?;
    let sole = match patterns {
        [(_, _, only)] => Some(only.key.as_str()),
        _ => None,
    };
    let tally = std::sync::Mutex::new(vec![Evicted::Gone(0); patterns.len()]);
    let work = async |keys: Vec<Key>| {
        let matching: Vec<(usize, Key)> = keys
            .into_iter()
            .filter_map(|key| Some((patterns.iter().position(|(_, glob, _)| glob.matches(&key))?, key)))
            .collect();
        let answers = send(node, matching.iter().map(|(at, key)| (key.as_slice(), patterns[*at].2.within))).await?;
        let mut tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for ((at, _), answer) in matching.iter().zip(answers) {
            match (&mut tally[*at], answer) {
                (Evicted::Gone(sum), Evicted::Gone(more)) => *sum += more,
                (Evicted::Refused(_), _) => {}
                (slot, refused) => *slot = refused,
            }
        }
        Ok(0)
    };
    scan::sweep(node, sole, &pace, &Place::default(), work).await?;
    node.replicated().await?;
    Ok(tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

async fn send<'a>(node: &Node, keys: impl Iterator<Item = (&'a [u8], Option<Duration>)>) -> Result<Vec<Evicted>> {
    let mut pipeline = Pipeline::new();
    for (key, within) in keys {
        match within {
            None => pipeline.cmd("UNLINK").arg(key),
            Some(within) => {
                let room = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
                pipeline.cmd("PEXPIRE").arg(key).arg(1 + spread::share(key, room)).arg("LT")
            }
        };
    }
    scan::send(node, &pipeline).await?.iter().map(judge).collect()
}

fn judge(answer: &Value) -> Result<Evicted> {
    match scan::number(answer) {
        Ok(number) => Ok(Evicted::Gone(number.unsigned_abs())),
        // A server that loads, moved or lost its slots will have the rest of the batch too.
        Err(error) if fault::is_stale(&error) || error.kind() == ErrorKind::Bug => Err(error),
        Err(error) => Ok(Evicted::Refused(error.to_string())),
    }
}
