//! The most used keys: found by one look over the pattern, kept from expiring.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::time::Duration;

use redis::{Pipeline, Value};

use super::pace::Pace;
use super::pass::Place;
use super::scan::{self, Expiry, Key};
use super::servers::{Node, Shape};
use super::warm::Warm;
use crate::error::{Error, Result};

/// Keys chosen when nobody says how many.
pub const TOP: u32 = 100;

/// The most used keys of the pattern, each with its expiry: by how often they are used where the server counts that (an LFU policy), by
/// how lately otherwise.
///
/// # Errors
/// The first refusal.
pub async fn most_used(shape: &Shape, warm: &Warm, latency: Duration) -> Result<Vec<(Key, Expiry)>> {
    let pattern = warm.source.hot.as_deref().ok_or_else(|| Error::bug("no pattern of hot keys"))?;
    let top = warm.source.top.unwrap_or(TOP) as usize;
    let heap: Mutex<BinaryHeap<Reverse<(i64, Key)>>> = Mutex::default();
    let passes = shape.nodes.iter().map(async |node| {
        let pace = Pace::watch(node, latency).await?;
        let counts_use = counts_use(node).await?;
        let work = async |keys: Vec<Key>| {
            let ranks = ranks(node, &keys, counts_use).await?;
            let mut heap = heap.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (key, rank) in keys.into_iter().zip(ranks) {
                let Some(rank) = rank else { continue };
                if heap.len() < top {
                    heap.push(Reverse((rank, key)));
                } else if heap.peek().is_some_and(|Reverse((least, _))| *least < rank) {
                    heap.pop();
                    heap.push(Reverse((rank, key)));
                }
            }
            Ok(0)
        };
        scan::sweep(node, Some(pattern), &pace, &Place::default(), work).await
    });
    futures_util::future::try_join_all(passes).await?;
    let heap = heap.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut keys: Vec<Key> = heap.into_iter().map(|Reverse((_, key))| key).collect();
    keys.sort();
    // A key can come twice in a look over all keys.
    keys.dedup();
    let mut found = Vec::with_capacity(keys.len());
    for (index, node) in shape.nodes.iter().enumerate() {
        let here: Vec<Key> = keys.iter().filter(|key| shape.owner_index(key) == index).cloned().collect();
        let expiries = scan::expiries(node, here.iter().map(Vec::as_slice)).await?;
        found.extend(here.into_iter().zip(expiries));
    }
    Ok(found)
}

async fn counts_use(node: &Node) -> Result<bool> {
    let mut ask = redis::cmd("INFO");
    ask.arg("memory");
    let memory: String = node.query(ask).await?;
    let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
    Ok(policy.is_some_and(|policy| policy.trim_end().ends_with("-lfu")))
}

/// How much each key is used: the more the higher. `None` for a key that is gone.
async fn ranks(node: &Node, keys: &[Key], counts_use: bool) -> Result<Vec<Option<i64>>> {
    let mut ask = Pipeline::with_capacity(keys.len());
    for key in keys {
        ask.cmd("OBJECT").arg(if counts_use { "FREQ" } else { "IDLETIME" }).arg(key.as_slice());
    }
    let rank = |answer: &Value| match answer {
        Value::Nil => Ok(None),
        answer if counts_use => scan::number(answer).map(Some),
        answer => scan::number(answer).map(|idle| Some(-idle)),
    };
    scan::send(node, &ask).await?.iter().map(rank).collect()
}
