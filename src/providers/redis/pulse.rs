//! Progress of a pass over many keys: how many, how fast, told a few times a second however quickly the pages come.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::model::text;
use crate::provider::Progress;

const EVERY: Duration = Duration::from_millis(250);

/// Counts keys and tells.
#[derive(Debug)]
pub struct Pulse<'a> {
    progress: &'a Progress,
    verb: &'static str,
    total: u64,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    done: u64,
    told: Instant,
}

impl<'a> Pulse<'a> {
    /// Begins to count towards `total`, 0 where it is not known.
    pub fn new(progress: &'a Progress, verb: &'static str, total: u64) -> Self {
        let begun = Instant::now();
        Self { progress, verb, total, begun, state: Mutex::new(State { done: 0, told: begun }) }
    }

    /// So many keys more.
    pub fn beat(&self, keys: u64) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.done += keys;
        if state.told.elapsed() >= EVERY {
            state.told = Instant::now();
            self.tell(state.done);
        }
    }

    /// All of them.
    pub fn finish(&self) {
        let done = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).done;
        self.tell(done);
    }

    fn tell(&self, done: u64) {
        let millis = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = done.saturating_mul(1_000) / millis;
        self.progress.tell(format!("{}, {} keys/s", self.verb, text::thousands(rate)), done, self.total.max(done));
    }
}
