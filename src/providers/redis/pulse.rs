//! Progress of a pass over many keys, told now and then however quickly the pages come. Whoever shows it knows the time, and the rate.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::provider::Progress;

/// Keys between two tellings; a small part of a second at full speed.
const EVERY: u64 = 20_000;

/// Counts keys and tells.
#[derive(Debug)]
pub struct Pulse<'a> {
    progress: &'a Progress,
    phase: &'static str,
    total: u64,
    done: AtomicU64,
}

impl<'a> Pulse<'a> {
    /// Begins to count towards `total`, 0 where it is not known, from what was `done` before.
    pub fn new(progress: &'a Progress, phase: &'static str, total: u64, done: u64) -> Self {
        Self { progress, phase, total, done: AtomicU64::new(done) }
    }

    /// So many keys more.
    pub fn beat(&self, keys: u64) {
        let before = self.done.fetch_add(keys, Ordering::Relaxed);
        if before / EVERY != (before + keys) / EVERY {
            self.tell(before + keys);
        }
    }

    /// All of them.
    pub fn finish(&self) {
        self.tell(self.done());
    }

    /// How many it has been so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn tell(&self, done: u64) {
        self.progress.tell(self.phase, done, self.total.max(done));
    }
}
