//! What a step runs: shown and run from one value.

use std::fmt;

use super::Redis;
use super::config::Configure;
use super::fill::Fill;
use super::purge::Sweep;
use super::ttl::Enforce;
use crate::error::{Error, ErrorKind, Result};
use crate::model::ResourceId;
use crate::provider::Progress;

/// One operation on the target. All can be repeated.
#[derive(Clone, Debug)]
pub enum Op {
    /// Sets parameters.
    Configure(Configure),
    /// Mends what breaks a TTL rule.
    Enforce(ResourceId, Enforce),
    /// Purges.
    Sweep(ResourceId, Sweep),
    /// Warms.
    Fill(ResourceId, Fill),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configure(configure) => configure.fmt(f),
            Self::Enforce(_, enforce) => enforce.fmt(f),
            Self::Sweep(_, sweep) => sweep.fmt(f),
            Self::Fill(_, fill) => fill.fmt(f),
        }
    }
}

impl Redis {
    /// Runs it. A server that was there a moment ago and is away now may be back, or have a successor, a little later: whoever runs the
    /// step tries it again.
    pub(super) async fn execute(&self, op: &Op, progress: &Progress) -> Result<()> {
        self.attempt(op, progress).await.map_err(|error| match error.kind() {
            ErrorKind::Unreachable => Error::new(ErrorKind::Transient, error.to_string()),
            _ => error,
        })
    }

    async fn attempt(&self, op: &Op, progress: &Progress) -> Result<()> {
        let latency = self.settings.max_latency.std();
        match op {
            Op::Configure(configure) => self.servers.with(async |shape| configure.run(&shape).await).await,
            Op::Enforce(id, enforce) => {
                let pass = self.passes.of(id);
                self.servers.with(async |shape| enforce.run(&shape, latency, &pass, progress).await).await?;
                self.passes.end(id);
                self.settle(id);
                Ok(())
            }
            Op::Sweep(id, sweep) => {
                let pass = self.passes.of(id);
                self.servers.with(async |shape| sweep.run(&shape, latency, &pass, progress).await).await?;
                self.passes.end(id);
                Ok(())
            }
            Op::Fill(id, fill) => {
                fill.run(&self.servers, &self.reach(), progress).await?;
                self.settle(id);
                Ok(())
            }
        }
    }

    fn settle(&self, id: &ResourceId) {
        self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.clone());
    }
}
