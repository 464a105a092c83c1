//! Steps: what will be run, as plain data. The runnable operation stays with its provider.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Address, Hazard, TargetId};

/// The stages of a run, in order: what is added comes before what is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Adds something.
    Expand,
    /// Changes something that stays.
    Shift,
    /// Removes something.
    Contract,
    /// Fills something.
    Warm,
}

/// How far a step reaches, from nobody notices to somebody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Takes effect in the running system; no client notices.
    #[default]
    Runtime,
    /// The system re-reads its configuration.
    Reload,
    /// A listener is bound anew.
    Listener,
    /// Takes effect only after a restart, which evenkeel does not do.
    Restart,
}

/// The number of a step in its plan, from 1, in the order of running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId(pub u32);

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The step's number.
    pub id: StepId,
    /// The target it runs on.
    pub target: TargetId,
    /// When it runs: all steps of a wave before those of the next (see `after`).
    pub wave: u32,
    /// When it runs inside its wave.
    pub stage: Stage,
    /// What it does, in words: `build index users_by_tenant`.
    pub title: String,
    /// What it runs, exactly; secrets masked.
    pub command: String,
    /// The resources it covers.
    pub covers: Vec<Address>,
    /// What it may do to others.
    pub hazards: Vec<Hazard>,
    /// How long it may take before it is called off.
    pub timeout: Duration,
    /// How long it may wait for a lock, where the target knows such a thing.
    pub lock_timeout: Option<Duration>,
    /// How far it reaches.
    pub impact: Impact,
    /// The position of its operation with its target's surveyor; opaque to everybody else.
    pub op: usize,
}
