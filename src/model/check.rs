//! Checks: contracts and cross-target rules, judged against the state the plan leads to.

use serde::{Deserialize, Serialize};

use super::Origin;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be judged.
    Unknown,
}

/// One check and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked: a contract's address, or the name of a rule. A provider gives the resource's id; the plan adds the target.
    pub name: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, a lowercase fragment: `cost 812 is over max_cost 500`.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The places of the policy that it speaks of.
    pub origins: Vec<Origin>,
}
