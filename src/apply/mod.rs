//! Applying: runs a plan's steps against their targets, tells what happens while it happens, and says what came of each.

pub mod event;

pub use event::{Ending, Event, Outcome, StepOutcome};
