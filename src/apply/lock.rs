//! Locks: taken on every target that is to change, in order, before anything is read for the last time.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TargetId;
use crate::provider::{Busy, Claim, Connection, Holder};

/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The locks of a run, released when dropped.
#[derive(Debug, Default)]
pub struct Locks(Vec<Box<dyn Any + Send>>);

/// Takes the lock of every target, in the order of their ids so that two runs cannot wait for each other, waiting `patience` in all.
///
/// # Errors
/// `Locked` with holder, since when, and how to release it; whatever a target answers otherwise.
pub async fn take(
    targets: &BTreeMap<TargetId, &dyn Connection>,
    holder: &Holder,
    patience: Duration,
    mut tell: impl FnMut(&Event<'_>),
) -> Result<Locks> {
    let deadline = Instant::now() + patience;
    let mut locks = Locks::default();
    for (target, connection) in targets {
        let mut pause = Duration::from_millis(50);
        let mut told = false;
        loop {
            match connection.lock(holder).await.map_err(|error| error.context(target))? {
                Claim::Ours(lock) => {
                    locks.0.push(lock);
                    break;
                }
                Claim::Busy(busy) if Instant::now() >= deadline => return Err(locked(target, &busy, patience)),
                Claim::Busy(busy) => {
                    if !told {
                        tell(&Event::Waiting { target, holder: &describe(&busy) });
                        told = true;
                    }
                    tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
                    pause = (pause * 2).min(PAUSE);
                }
            }
        }
    }
    Ok(locks)
}

fn describe(busy: &Busy) -> String {
    match &busy.since {
        Some(since) => format!("{} since {since}", busy.holder),
        None => busy.holder.clone(),
    }
}

fn locked(target: &TargetId, busy: &Busy, patience: Duration) -> Error {
    Error::new(ErrorKind::Locked, format!("`{target}` is locked by {}", describe(busy))).hint(format!(
        "waited {patience:?}; wait longer with --lock-timeout, or, if that run is gone, release it with `evenkeel unlock {target}`"
    ))
}
