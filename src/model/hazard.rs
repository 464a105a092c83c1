//! Hazards: what a step may do to people who depend on the system, with the evidence found.

use serde::{Deserialize, Serialize};

/// Whether `apply` needs a hazard to be allowed by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Worth knowing; apply goes on.
    Notice,
    /// Apply refuses until `--allow CODE` or `[guards] allow` names it.
    Required,
}

/// A hazard a provider knows, as `evenkeel explain` tells it. Declared as a constant, listed in `Provider::HAZARDS`.
#[derive(Debug, PartialEq, Eq)]
pub struct HazardKind {
    /// The code: lowercase words joined by hyphens, verb first, `drops-index`.
    pub code: &'static str,
    /// Whether it must be allowed.
    pub approval: Approval,
    /// Two or three sentences: what can happen, how to judge it, what to do instead.
    pub doc: &'static str,
}

/// A hazard of one step, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hazard {
    /// The hazard's code.
    pub code: &'static str,
    /// Whether it must be allowed.
    pub approval: Approval,
    /// The evidence, a lowercase fragment: `last used 2 h ago, 1.2 M scans`.
    pub evidence: String,
}

impl HazardKind {
    /// This hazard with the evidence found for one step.
    pub fn with(&self, evidence: impl Into<String>) -> Hazard {
        Hazard { code: self.code, approval: self.approval, evidence: evidence.into() }
    }
}
