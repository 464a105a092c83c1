//! Events and outcomes: the one thing that the executor says to the world; journal, progress and reports all read these.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Step, StepId, TargetId};
use crate::provider::Tick;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It ran, and reading back shows that it took effect.
    Done,
    /// There was nothing left to do.
    Already,
    /// It failed; the target is as it was, or as the message says.
    Failed,
    /// It did what could be done, and the message says what could not; the steps after it run.
    Partly,
    /// It was not started because something before it failed.
    Skipped,
    /// It was not started because the run was called off.
    Canceled,
    /// It was sent, and nobody could find out whether it took effect.
    InDoubt,
}

/// Something that happened in a run, in the order in which it happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run waits for a lock that somebody holds.
    Waiting {
        /// Whose lock.
        target: &'a TargetId,
        /// Who holds it and since when.
        holder: &'a str,
    },
    /// A step begins.
    Started {
        /// Which one.
        step: &'a Step,
        /// How many steps the run has.
        of: usize,
    },
    /// A running step says where it is.
    Ticked {
        /// Which one.
        step: &'a Step,
        /// Where it is.
        tick: &'a Tick,
    },
    /// A step failed in a way that may pass, and will be tried again.
    Retrying {
        /// Which one.
        step: &'a Step,
        /// What went wrong.
        error: &'a str,
        /// After how long.
        delay: Duration,
    },
    /// A step ended.
    Ended {
        /// How.
        outcome: &'a StepOutcome,
        /// Which one.
        step: &'a Step,
    },
    /// Somebody called the run off; running steps finish.
    Interrupted,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepOutcome {
    /// Which one.
    pub id: StepId,
    /// How it ended.
    pub ending: Ending,
    /// Why, where it did not simply end well.
    pub message: Option<String>,
    /// What to type next.
    pub hint: Option<String>,
    /// How long it took.
    #[serde(rename = "elapsed_ms", serialize_with = "millis")]
    pub elapsed: Duration,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The run's id, as the journal records it.
    pub run: String,
    /// Every step of the plan, in its order.
    pub steps: Vec<StepOutcome>,
    /// Whether the run was called off.
    pub interrupted: bool,
}

fn millis<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
