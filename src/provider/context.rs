//! What a provider is told about the run it takes part in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::{Secret, TargetId, text};
use crate::policy::{Meaning, NodeValue, Policy, Table};

/// What a provider is told when it connects.
#[derive(Clone, Debug)]
pub struct Context {
    /// The target it is to reach.
    pub target: TargetId,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// When the run began: what expires is judged by it. Never part of what is compared.
    pub now: jiff::Timestamp,
    /// The policy's targets, for a provider that works through another one.
    pub neighbors: Neighbors,
}

/// How the targets of a policy are reached, so that one provider can use the connection that the policy describes once, for another.
#[derive(Clone, Default)]
pub struct Neighbors(Arc<HashMap<String, Table>>);

impl Neighbors {
    /// The targets of `policy`.
    pub fn of(policy: &Policy) -> Self {
        let settings = |target: &crate::policy::Target| target.settings.table().cloned().unwrap_or_default();
        Self(Arc::new(policy.targets.iter().map(|target| (target.id.to_string(), settings(target))).collect()))
    }

    /// A text in the settings of `target`, as a secret, since it may be one: `("redis.cache", "url")`.
    ///
    /// # Errors
    /// `Usage` where the policy has no such target, or the target no such text.
    pub fn text(&self, target: &str, key: &str) -> Result<Secret> {
        let settings = self.0.get(target).ok_or_else(|| {
            let error = Error::usage(format!("the policy has no target `{target}`"));
            match text::nearest(target, self.0.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("add [{target}] with its `{key}`")),
            }
        })?;
        let missing = || Error::usage(format!("target `{target}` has no `{key}`"));
        match settings.get(key).map(|entry| &entry.node.value) {
            Some(NodeValue::Text(text)) => Ok(Secret::new(text.clone())),
            Some(NodeValue::Reference(reference)) => match &reference.meaning {
                Meaning::Known(secret) => Ok(secret.clone()),
                Meaning::Unknown => Ok(Secret::default()),
                Meaning::Missing(problem) => Err(Error::usage(problem.message.clone())),
            },
            _ => Err(missing()),
        }
    }
}

impl fmt::Debug for Neighbors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
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
