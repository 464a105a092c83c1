//! Progress of a long operation, told while it runs.

use std::fmt;
use std::sync::Arc;

/// Where an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The phase, in the system's own words: `building index: scanning table`.
    pub phase: String,
    /// How much of the phase is done, in whatever unit.
    pub done: u64,
    /// How much there is; 0 where it is not known.
    pub total: u64,
}

/// Takes the ticks of one running step. Cheap to clone, never blocks.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(Tick) + Send + Sync>);

impl Progress {
    /// Hands every tick to `listener`.
    pub fn new(listener: impl Fn(Tick) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Says where the operation is.
    pub fn tell(&self, phase: impl Into<String>, done: u64, total: u64) {
        (self.0)(Tick { phase: phase.into(), done, total });
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
