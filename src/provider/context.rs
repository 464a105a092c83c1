//! What a provider is told about the run it takes part in.

use std::time::Duration;

use crate::model::TargetId;

/// What a provider is told when it connects.
#[derive(Clone, Debug)]
pub struct Context {
    /// The target it is to reach.
    pub target: TargetId,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

/// Who holds a lock, in words that tell the next person whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `user@host`, or the pipeline's own name.
    pub who: String,
    /// The process, on that host.
    pub pid: u32,
    /// The run, as the journal records it.
    pub run: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}
