//! What a provider is told about the run it takes part in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Busy, Connection, Descriptor};
use crate::error::{Error, Result};
use crate::model::{Secret, TargetId, text};
use crate::policy::{Meaning, NodeValue, Policy, Sources, Target};

/// What a provider is told when it connects.
#[derive(Clone, Debug)]
pub struct Context {
    /// The target it is to reach.
    pub target: TargetId,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// When the run began: what expires is judged by it. Never part of what is compared.
    pub now: jiff::Timestamp,
    /// How many keys, rows or the like a look may be about, where looking at all of them is dear.
    pub depth: Depth,
    /// The policy's targets, for a provider that works through another one.
    pub neighbors: Neighbors,
}

/// How thoroughly a run looks at what is too much to look at for a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// At everything: what is applied is never an estimate.
    #[default]
    Exact,
    /// As the target's own settings say.
    AsSet,
    /// At about this many, and it says how sure it is.
    Sample(u64),
}

/// How the targets of a policy are reached, so that one provider can use the connection that the policy describes once, for another.
#[derive(Clone, Default)]
pub struct Neighbors(Arc<Known>);

#[derive(Default)]
struct Known {
    targets: HashMap<String, Neighbor>,
    connect_timeout: Duration,
    now: jiff::Timestamp,
    sources: Sources,
}

struct Neighbor {
    descriptor: &'static Descriptor,
    /// Without its resources: it is to be reached, not tuned.
    target: Target,
}

impl Neighbors {
    /// The targets of `policy`, each with its provider of `registry`; `now` is when the run began.
    pub fn of(
        policy: &Policy,
        registry: &'static [Descriptor],
        connect_timeout: Duration,
        now: jiff::Timestamp,
    ) -> Self {
        let neighbor = |target: &Target| {
            let descriptor = registry.iter().find(|descriptor| descriptor.name == target.id.provider)?;
            let target = Target { resources: Vec::new(), ..target.clone() };
            Some((target.id.to_string(), Neighbor { descriptor, target }))
        };
        let targets = policy.targets.iter().filter_map(neighbor).collect();
        Self(Arc::new(Known { targets, connect_timeout, now, sources: policy.sources.clone() }))
    }

    fn find(&self, target: &str) -> Result<&Neighbor> {
        self.0.targets.get(target).ok_or_else(|| {
            let error = Error::usage(format!("the policy has no target `{target}`"));
            match text::nearest(target, self.0.targets.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("add [{target}] to the policy")),
            }
        })
    }

    /// Whether `target` can be asked in SQL.
    ///
    /// # Errors
    /// `Usage` where it cannot, or the policy has no such target.
    pub fn speaks_sql(&self, target: &str) -> Result<()> {
        let neighbor = self.find(target)?;
        if neighbor.descriptor.speaks_sql {
            return Ok(());
        }
        let speakers = self.0.targets.iter().filter(|(_, other)| other.descriptor.speaks_sql);
        let mut names: Vec<_> = speakers.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let error = Error::usage(format!("`{}` cannot be asked in SQL", neighbor.descriptor.name));
        Err(if names.is_empty() { error } else { error.hint(format!("write {}", text::either(names))) })
    }

    /// Connects to `target`.
    ///
    /// # Errors
    /// Those of its provider, with the target's name in front.
    pub async fn connect(&self, target: &str) -> Result<Box<dyn Connection>> {
        let neighbor = self.find(target)?;
        let context = Context {
            target: neighbor.target.id.clone(),
            connect_timeout: self.0.connect_timeout,
            now: self.0.now,
            neighbors: self.clone(),
            depth: Depth::Exact,
        };
        let driver = (neighbor.descriptor.open)(&neighbor.target, context, &self.0.sources).map_err(|problems| {
            let words = problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ");
            Error::usage(format!("`{target}`: {words}"))
        })?;
        driver.connect().await.map_err(|error| error.context(format!("`{target}`")))
    }

    /// A text in the settings of `target`, as a secret, since it may be one: `("redis.cache", "url")`.
    ///
    /// # Errors
    /// `Usage` where the policy has no such target, or the target no such text.
    pub fn text(&self, target: &str, key: &str) -> Result<Secret> {
        let missing = || Error::usage(format!("target `{target}` has no `{key}`"));
        let settings = self.find(target)?.target.settings.table().ok_or_else(missing)?;
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
        f.debug_set().entries(self.0.targets.keys()).finish()
    }
}

/// Who holds a lock, in words that tell the next person whom to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Holder {
    /// What a lock of this holder says to somebody else.
    pub fn busy(self) -> Busy {
        let Self { who, pid, run, since } = self;
        Busy { holder: format!("{who}, pid {pid}, run {run}"), since: Some(since) }
    }
}
