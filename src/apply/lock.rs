//! Locks: taken on every target that is to change, before anything is read for the last time. In order where they are waited for;
//! where nothing is waited for, no order is needed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TargetId;
use crate::provider::{Busy, Claim, Connection, Held, Holder};

/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The locks of a run, by target, released when dropped.
#[derive(Debug, Default)]
pub struct Locks(BTreeMap<TargetId, Box<dyn Held>>);

impl Locks {
    /// The lock of a target, where one is held.
    pub fn of(&self, target: &TargetId) -> Option<&dyn Held> {
        self.0.get(target).map(|lock| &**lock)
    }

    /// The locks of these targets alone, where all of them are held; the others are released. Otherwise none, and all are released.
    #[must_use]
    pub fn only<'t>(mut self, targets: impl IntoIterator<Item = &'t TargetId>) -> Option<Self> {
        let kept: Option<BTreeMap<_, _>> = targets.into_iter().map(|target| self.0.remove_entry(target)).collect();
        kept.map(Self)
    }
}

/// Takes the locks that are to be had at once, and waits for none. Whoever is not locked so is locked by [`take`] once it is known to
/// change: until then neither a holder nor a target that refuses the lock is in anybody's way.
pub async fn take_free(targets: &BTreeMap<TargetId, &dyn Connection>, holder: &Holder) -> Locks {
    let tries = targets.iter().map(|(target, connection)| async move {
        match connection.lock(holder).await {
            Ok(Claim::Ours(lock)) => Some((target.clone(), lock)),
            Ok(Claim::Busy(_)) | Err(_) => None,
        }
    });
    Locks(futures_util::future::join_all(tries).await.into_iter().flatten().collect())
}

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
                    locks.0.insert(target.clone(), lock);
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
