//! Applying: runs a plan's steps against their targets, tells what happens while it happens, and says what came of each.

pub mod crash;
pub mod event;
pub mod executor;
pub mod journal;
pub mod lock;
pub mod readback;

pub use event::{Ending, Event, Outcome, StepOutcome};
pub use executor::{Lane, Options, Run};
pub use journal::Journal;
