//! Filling the cache: rows become keys, batch by batch, several on their way at a time. What is there and fresh is not written again.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use backon::{ExponentialBuilder, Retryable};
use futures_util::stream::{StreamExt, TryStreamExt, unfold};
use redis::{Pipeline, Value};

use super::census::veil;
use super::fault::reply;
use super::hot;
use super::pass::broke_off;
use super::pulse::Pulse;
use super::rows::{self, Batch, Reach};
use super::scan::{self, Expiry, Key, count_keys};
use super::servers::{Node, Servers};
use super::warm::Warm;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{text, value};
use crate::provider::Progress;

/// Complaints that are told in full.
const TOLD: usize = 3;

/// Fills what is cold.
#[derive(Clone, Debug)]
pub struct Fill {
    /// What and from where.
    pub warm: Warm,
    /// How many rows there were when it was planned, for progress.
    pub rows: u64,
}

/// What went wrong, as far as the rest could go on.
#[derive(Debug, Default)]
struct Failures {
    count: u64,
    first: Vec<String>,
    /// Why the source ended before its end.
    broken_off: Option<Error>,
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |text: &str| value::show(&text.into());
        let Warm { ttl, refresh_before, source, .. } = &self.warm;
        let (high, low) = (ttl.as_millis(), self.warm.earliest());
        let range = if low == high { high.to_string() } else { format!("({low}..{high}, by the key)") };
        if let Some(pattern) = &source.hot {
            let top = source.top.unwrap_or(hot::TOP);
            return write!(
                f,
                "pexpire KEY {range} gt, of the {top} most used keys of scan match {}, where their ttl is under {refresh_before}",
                show(pattern)
            );
        }
        let key = show(self.warm.key.as_deref().unwrap_or_default());
        let value = show(self.warm.value.as_deref().unwrap_or("{row}"));
        write!(f, "set {key} {value} px {range}, for each row of {}, where there is no such key", source.name())?;
        if refresh_before.as_millis() > 0 {
            write!(f, " or its ttl is under {refresh_before}")?;
        }
        Ok(())
    }
}

impl Fill {
    /// Runs it; a row that cannot be written is told, and the rest goes on.
    ///
    /// # Errors
    /// `Partly` with a count and the first complaints; `Transient` where tries did not help.
    pub async fn run(&self, servers: &Servers, reach: &Reach, progress: &Progress) -> Result<()> {
        if self.warm.source.hot.is_some() {
            return servers.with(async |shape| self.refresh_hot(&shape, reach).await).await;
        }
        let lives = servers.lives().await?;
        let pulse = Pulse::new(progress, "warming", self.rows, 0);
        let failures = Mutex::new(Failures::default());
        // A cold cache takes one command a key: what is there refuses it. A warm one is asked first, as even a refused SET counts as a use.
        let is_cold = AtomicBool::new(true);
        let shaper = self.warm.shaper().map_err(|(_, message)| Error::bug(message))?;
        let batches =
            rows::read(&self.warm.source, shaper.key, shaper.value, self.warm.batch_size as usize, reach).await?;
        let ended = unfold(batches, async |mut batches| batches.recv().await.map(|batch| (batch, batches)))
            .map(|batch| self.batch(servers, batch, &is_cold, &failures, &pulse))
            .buffer_unordered(self.warm.concurrency as usize)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await;
        pulse.finish();
        let failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match ended.err().or(failures.broken_off) {
            // What was warm before a restart, or before another server took over, may be gone.
            None if failures.count == 0 && servers.lives().await? != lives => {
                Err(Error::new(ErrorKind::Transient, "a server was restarted or replaced while it was being warmed"))
            }
            None if failures.count == 0 => Ok(()),
            None => {
                let untold = failures.count - failures.first.len() as u64;
                let more = if untold == 0 { String::new() } else { format!("; and {} more", text::thousands(untold)) };
                let (count, first) = (count_keys(failures.count), failures.first.join("; "));
                Err(Error::new(ErrorKind::Partly, format!("{count} could not be warmed: {first}{more}"))
                    .hint("the others are warm; mend these rows and run it again"))
            }
            Some(error) => Err(broke_off(error, pulse.done(), "had been seen to")),
        }
    }

    async fn batch(
        &self,
        servers: &Servers,
        batch: Result<Batch>,
        is_cold: &AtomicBool,
        failures: &Mutex<Failures>,
        pulse: &Pulse<'_>,
    ) -> Result<()> {
        let Batch { pairs, broken } = match batch {
            Ok(batch) => batch,
            // The last that comes: what came before it is still on its way, and shall arrive.
            Err(error) => {
                failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).broken_off = Some(error);
                return Ok(());
            }
        };
        let rows = (pairs.len() + broken.len()) as u64;
        let retry = self.warm.retry;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(retry.delay.std())
            .with_max_times(retry.attempts.saturating_sub(1) as usize)
            .with_jitter();
        let refused = (|| async {
            let write = async |shape: std::sync::Arc<super::servers::Shape>| {
                let mut shares: Vec<Vec<&(Key, Vec<u8>)>> = vec![Vec::new(); shape.nodes.len()];
                for pair in &pairs {
                    shares[shape.owner_index(&pair.0)].push(pair);
                }
                let mut refused = Vec::new();
                for (node, share) in shape.nodes.iter().zip(shares).filter(|(_, share)| !share.is_empty()) {
                    self.write(node, &share, is_cold, &mut refused).await?;
                }
                Ok(refused)
            };
            servers.with(write).await
        })
        .retry(pauses)
        .when(|error: &Error| matches!(error.kind(), ErrorKind::Transient | ErrorKind::Unreachable))
        .await?;
        let mut failures = failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for complaint in broken.into_iter().chain(refused) {
            failures.count += 1;
            if failures.first.len() < TOLD {
                failures.first.push(text::tame(&complaint));
            }
        }
        pulse.beat(rows);
        Ok(())
    }

    /// Writes those that are cold, and complains about those that were refused one by one.
    async fn write(
        &self,
        node: &Node,
        pairs: &[&(Key, Vec<u8>)],
        is_cold: &AtomicBool,
        refused: &mut Vec<String>,
    ) -> Result<()> {
        let there = if is_cold.load(Ordering::Relaxed) {
            let there = self.set(node, pairs, &["NX"], refused).await?;
            if there.len() * 10 > pairs.len() {
                is_cold.store(false, Ordering::Relaxed);
            }
            if there.is_empty() {
                return Ok(());
            }
            there
        } else {
            pairs.to_vec()
        };
        let (mut missing, mut stale) = (Vec::new(), Vec::new());
        let expiries = scan::expiries(node, there.iter().map(|(key, _)| key.as_slice())).await?;
        for (expiry, pair) in expiries.into_iter().zip(&there) {
            match expiry {
                Expiry::Gone => missing.push(*pair),
                expiry if self.warm.is_cold(expiry) => stale.push(*pair),
                _ => {}
            }
        }
        if missing.len() * 10 > pairs.len() * 9 {
            is_cold.store(true, Ordering::Relaxed);
        }
        self.set(node, &missing, &["NX"], refused).await?;
        self.set(node, &stale, &[], refused).await?;
        Ok(())
    }

    /// Sets keys; returns those that a condition kept from being set.
    async fn set<'a>(
        &self,
        node: &Node,
        pairs: &[&'a (Key, Vec<u8>)],
        condition: &[&str],
        refused: &mut Vec<String>,
    ) -> Result<Vec<&'a (Key, Vec<u8>)>> {
        let mut set = Pipeline::with_capacity(pairs.len());
        for (key, value) in pairs {
            let mut command = scan::about("SET", key, value.len() + scan::WORDS);
            command.arg(value.as_slice()).arg("PX").arg(self.warm.expiry(key)).arg(condition);
            set.add_command(command);
        }
        let mut kept = Vec::new();
        for (answer, pair) in scan::send(node, &set).await?.into_iter().zip(pairs) {
            match answer {
                Value::ServerError(error) => {
                    let error = reply(&error);
                    // What may pass is tried again as a whole; a full server refuses the rest as well.
                    if error.kind() == ErrorKind::Transient || error.message().starts_with("OOM") {
                        return Err(error.context(format!("`{}`", veil(&pair.0))));
                    }
                    refused.push(format!("`{}`: {error}", veil(&pair.0)));
                }
                Value::Nil => kept.push(*pair),
                _ => {}
            }
        }
        Ok(kept)
    }

    async fn refresh_hot(&self, shape: &super::servers::Shape, reach: &Reach) -> Result<()> {
        for (key, expiry) in hot::most_used(shape, &self.warm, reach.latency).await? {
            if expiry == Expiry::Gone || !self.warm.is_cold(expiry) {
                continue;
            }
            let mut raise = redis::cmd("PEXPIRE");
            raise.arg(&key).arg(self.warm.expiry(&key)).arg("GT");
            shape.owner(&key).query::<i64>(raise).await?;
        }
        Ok(())
    }
}
