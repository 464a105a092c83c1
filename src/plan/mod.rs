//! Plans: what would be run, in which order, what it may do to people, and what is in the way. Data, computed by [`make`].
//!
//! A plan sees no live connection and no provider type; it is made from surveys and handed to a renderer or the executor.

pub mod approval;
pub mod checks;
pub mod digest;
pub mod document;
pub mod gate;
pub mod guard;
pub mod make;
pub mod order;
#[cfg(test)]
pub(crate) mod samples;

use crate::model::change::Suppressed;
use crate::model::{Address, Change, Check, Step, TargetId};

pub use document::Document;

/// A plan over all targets of a policy.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What approves exactly this plan: a digest over addresses, actions, before and after, commands and hazards. Hex.
    pub digest: String,
    /// The digest of the policy it was made from.
    pub policy_digest: String,
    /// The targets, sorted, also those in which nothing changes.
    pub targets: Vec<TargetSummary>,
    /// What differs, sorted by target, in the policy's order, prunings last.
    pub changes: Vec<Change>,
    /// What to run, in the order of running.
    pub steps: Vec<Step>,
    /// Live resources that the policy does not declare.
    pub unmanaged: Vec<Address>,
    /// Differences that the policy says to ignore.
    pub suppressed: Vec<Suppressed>,
    /// What could not be read.
    pub incomplete: Vec<Incomplete>,
    /// Contracts and cross-target rules.
    pub checks: Vec<Check>,
    /// Limits that this plan breaks.
    pub guards: Vec<Breach>,
    /// Remarks: duplicates, leftovers, blockers.
    pub notes: Vec<Note>,
}

/// What a plan says of a target as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSummary {
    /// Which one.
    pub id: TargetId,
    /// What tells this system from every other; empty where it could not be reached.
    pub identity: String,
    /// How many declared resources were compared and found as declared.
    pub unchanged: usize,
}

/// Something that could not be read, so that the plan says nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The target, or a pattern over its resources: `postgres.shop`, `postgres.shop.role.app`.
    pub what: String,
    /// Why, a lowercase fragment.
    pub reason: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// A limit that the plan breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The limit's name, as in `[guards]`, with hyphens: `max-delete-percent`. Allowed by `--allow NAME:SUBJECT`.
    pub code: &'static str,
    /// The kind on its target, `postgres.shop.index`.
    pub subject: String,
    /// The evidence: `5 of 12 would be deleted, 41% is over 30%`.
    pub message: String,
}

/// A remark about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The target.
    pub target: TargetId,
    /// The remark, a lowercase fragment.
    pub message: String,
}
