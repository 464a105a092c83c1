//! What a worker has done and what waits, as numbers: for its report, and for whoever measures it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::provider::Backlog;

/// The numbers of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Batches that were settled.
    pub batches: u64,
    /// Rows whose keys are gone.
    pub rows: u64,
    /// Keys that were removed or will expire.
    pub keys: u64,
    /// How often a row was refused.
    pub refused: u64,
    /// How often a lane failed.
    pub failures: u64,
    /// Rows that were swept from tables that expire.
    pub swept: u64,
    /// When a lane last worked, since 1970; none while none has.
    pub last_success: Option<Duration>,
    /// What waited when it was last counted.
    pub waits: Backlog,
    /// When that was, since 1970; none while nobody could count.
    pub counted: Option<Duration>,
    /// The lanes that fail now, each with why.
    pub broken: BTreeMap<String, String>,
    complaints: BTreeSet<String>,
}

/// The numbers of all sources, by their targets' names.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<String, Tally>>);

/// How many different refusals are told; a cache that words each differently does not fill a log.
const COMPLAINTS: usize = 20;

impl Ledger {
    /// All numbers as they are now.
    pub fn read(&self) -> BTreeMap<String, Tally> {
        self.lock().clone()
    }

    /// What waits in a source now.
    pub fn waits(&self, source: &str, backlog: Backlog, now: Duration) {
        let mut all = self.lock();
        let tally = all.entry(source.to_owned()).or_default();
        (tally.waits, tally.counted) = (backlog, Some(now));
    }

    pub(super) fn settled(&self, source: &str, rows: usize, keys: u64, refused: usize) {
        let mut all = self.lock();
        let tally = all.entry(source.to_owned()).or_default();
        tally.batches += 1;
        tally.rows += rows as u64;
        tally.keys += keys;
        tally.refused += refused as u64;
    }

    pub(super) fn swept(&self, source: &str, rows: u64) {
        self.lock().entry(source.to_owned()).or_default().swept += rows;
    }

    /// A lane works; says whether it was broken before.
    pub(super) fn succeeded(&self, source: &str, lane: &str, now: Duration) -> bool {
        let mut all = self.lock();
        let tally = all.entry(source.to_owned()).or_default();
        tally.last_success = Some(now);
        tally.broken.remove(lane).is_some()
    }

    /// A lane failed; says whether that is news.
    pub(super) fn failed(&self, source: &str, lane: String, why: &str) -> bool {
        let mut all = self.lock();
        let tally = all.entry(source.to_owned()).or_default();
        tally.failures += 1;
        tally.broken.insert(lane, why.to_owned()).is_none()
    }

    /// A row was refused; says whether that is news.
    pub(super) fn complained(&self, source: &str, why: &str) -> bool {
        let mut all = self.lock();
        let tally = all.entry(source.to_owned()).or_default();
        tally.complaints.len() < COMPLAINTS && tally.complaints.insert(why.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
