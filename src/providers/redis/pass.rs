//! How far a pass over all keys has come, so that one that was cut short goes on where it was instead of at the beginning.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::scan::count_keys;
use super::servers::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ResourceId;

/// The passes of a run that have begun and not ended, by what they are for.
#[derive(Debug, Default)]
pub struct Passes(Mutex<HashMap<ResourceId, Arc<Pass>>>);

/// One pass over the keys of all servers, however many tries it takes.
#[derive(Debug, Default)]
pub struct Pass {
    begun: AtomicBool,
    places: Mutex<HashMap<String, Arc<Place>>>,
}

/// Where on one server a pass is.
#[derive(Debug, Default)]
pub struct Place {
    /// The life of the server that the cursor belongs to: a server that was restarted, or another one in its place, has other cursors.
    life: String,
    /// Every page before this cursor has been seen to; none where all have.
    cursor: Mutex<Cursor>,
    /// Keys of those pages.
    seen: AtomicU64,
    /// Keys that were changed.
    pub changed: AtomicU64,
}

/// A cursor of SCAN, or the end.
#[derive(Debug)]
struct Cursor(Option<u64>);

impl Default for Cursor {
    fn default() -> Self {
        Self(Some(0))
    }
}

impl Place {
    /// The cursor to go on from; none where nothing is left.
    pub fn cursor(&self) -> Option<u64> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Every page before `cursor` has been seen to, the last one with so many keys.
    pub fn reach(&self, cursor: Option<u64>, keys: u64) {
        self.seen.fetch_add(keys, Ordering::Relaxed);
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner).0 = cursor;
    }
}

impl Passes {
    /// The pass for `id`, begun now or before.
    pub fn of(&self, id: &ResourceId) -> Arc<Pass> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone()
    }

    /// Forgets the pass for `id`: it has come to its end.
    pub fn end(&self, id: &ResourceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl Pass {
    /// Whether this is the first that is asked of the pass.
    pub fn begins(&self) -> bool {
        !self.begun.swap(true, Ordering::Relaxed)
    }

    /// Where the pass is on `node`: where an earlier try came to, if it is still the same server and has not been restarted.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn on(&self, node: &Node) -> Result<Arc<Place>> {
        let life = node.life().await?;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(node.address.clone()).or_default();
        // Without a name nobody knows whether it is the same life.
        if life.is_empty() || place.life != life {
            *place = Arc::new(Place { life, ..Place::default() });
        }
        Ok(place.clone())
    }

    /// Keys that were changed, on all servers.
    pub fn changed(&self) -> u64 {
        self.sum(|place| &place.changed)
    }

    /// Keys that were seen to, on all servers: where the progress of another try begins.
    pub fn seen(&self) -> u64 {
        self.sum(|place| &place.seen)
    }

    fn sum(&self, count: impl Fn(&Place) -> &AtomicU64) -> u64 {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.values().map(|place| count(place).load(Ordering::Relaxed)).sum()
    }

    /// The failure of a pass, with how many keys it had changed before: `…; at least 12 000 keys had been purged before that`.
    pub fn broke_off(&self, error: Error, done: &str) -> Error {
        broke_off(error, self.changed(), done)
    }
}

/// A failure after `count` keys were done, as a failure in part.
pub fn broke_off(error: Error, count: u64, done: &str) -> Error {
    if count == 0 {
        return error;
    }
    let kind = if error.kind() == ErrorKind::Failed { ErrorKind::Partly } else { error.kind() };
    let whole = Error::new(kind, format!("{error}; at least {} {done} before that", count_keys(count)));
    match error.next() {
        Some(hint) => whole.hint(hint),
        None => whole,
    }
}
