//! One lane: claim a batch, remove its keys, and only then let go of the rows.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::batch::Batch;
use super::{Source, Until, Worker};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Ask, Evicted, Feed, Sort};

/// A lane of a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane<'a> {
    pub worker: &'a Worker<'a>,
    pub source: &'a Source<'a>,
    pub cache: &'a str,
    pub sort: Sort,
}

/// Rows of a batch: some milliseconds of a cache; and those of one pass over all its keys, which costs the same for any number of them.
const KEYS: u32 = 2_000;
const PATTERNS: u32 = 20_000;

/// How long to wait before looking again, at first and at most.
const EAGER: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_millis(500);

/// How often what failed is tried before a worker that is to end gives up.
const TRIES: usize = 4;

/// How old the numbers of what waits may be.
const FRESH: Duration = Duration::from_secs(2);

/// What one turn met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// Rows, and they are settled.
    Rows,
    /// Nothing that is due.
    Nothing,
    /// No feed, yet.
    NoFeed,
}

impl Lane<'_> {
    /// Works until there is nothing due, or until told to stop.
    pub async fn run(self, until: Until) -> Result<()> {
        let Self { worker, source, cache, .. } = self;
        let mut feed: Option<Box<dyn Feed>> = None;
        let mut delays = delays(until);
        let mut patience = EAGER;
        let mut counted = Duration::ZERO;
        while !*worker.stop.borrow() {
            match self.turn(&mut feed, &mut counted).await {
                Ok(met) => {
                    if worker.ledger.succeeded(&source.name, &self.way(), (worker.now)()) {
                        (worker.tell)(format!("{} to {cache}: works again", source.name));
                    }
                    delays = self::delays(until);
                    match met {
                        Met::Rows => patience = EAGER,
                        _ if until == Until::Drained => return Ok(()),
                        Met::Nothing => {
                            self.rest(&mut feed, patience).await;
                            patience = (patience * 2).min(IDLE);
                        }
                        Met::NoFeed => {
                            worker.pause(IDLE * 4).await;
                        }
                    }
                }
                Err(error) => {
                    // Dropped unsettled, the claim is nobody's again.
                    feed = None;
                    let error = error.context(format!("{} to {cache}", source.name));
                    if worker.ledger.failed(&source.name, self.way(), &error.to_string()) {
                        (worker.tell)(format!("{error}; its rows wait"));
                    }
                    let passes = matches!(error.kind(), ErrorKind::Transient | ErrorKind::Unreachable);
                    let delay = delays.next().filter(|_| passes || until == Until::Stopped);
                    let Some(delay) = delay else { return Err(error) };
                    worker.pause(delay).await;
                }
            }
        }
        Ok(())
    }

    /// What tells this lane from the source's others.
    fn way(&self) -> String {
        let sort = match self.sort {
            Sort::Key => "keys",
            Sort::Pattern => "patterns",
        };
        format!("{sort} {}", self.cache)
    }

    async fn turn(&self, open: &mut Option<Box<dyn Feed>>, counted: &mut Duration) -> Result<Met> {
        let worker = self.worker;
        if open.is_none() {
            *open = self.source.driver.connect().await?.feed().await?;
        }
        let Some(feed) = open else { return Ok(Met::NoFeed) };
        let now = (worker.now)();
        if self.sort == Sort::Key && now.saturating_sub(*counted) >= FRESH {
            worker.ledger.waits(&self.source.name, feed.backlog(&self.source.caches).await?, now);
            *counted = now;
        }
        let most = if self.sort == Sort::Key { KEYS } else { PATTERNS };
        let entries = feed.claim(&Ask { caches: vec![self.cache.to_owned()], sort: self.sort, most }).await?;
        if entries.is_empty() {
            return Ok(Met::Nothing);
        }
        let batch = Batch::of(&entries);
        let removed = async { worker.cache(self.cache)?.connection().await?.evict(&batch.evictions).await };
        let came = match removed.await {
            Ok(came) if came.len() == batch.evictions.len() => came,
            wrong => {
                feed.abandon().await?;
                return Err(wrong
                    .err()
                    .unwrap_or_else(|| Error::bug("a cache answered more or less than it was asked")));
            }
        };
        let refused = batch.refused(&came);
        feed.settle(&refused).await?;
        let keys = came.iter().map(|came| if let Evicted::Gone(keys) = came { *keys } else { 0 }).sum();
        worker.ledger.settled(&self.source.name, entries.len() - refused.len(), keys, refused.len());
        if let Some((at, why)) = refused.first()
            && worker.ledger.complained(&self.source.name, why)
        {
            let key = &entries[*at].eviction.key;
            (worker.tell)(format!("{}: {} refuses {key:?}: {why}", self.source.name, self.cache));
        }
        Ok(Met::Rows)
    }

    async fn rest(&self, feed: &mut Option<Box<dyn Feed>>, patience: Duration) {
        let Some(feed) = feed else { return };
        let mut stop = self.worker.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = feed.rest(patience) => {}
        }
    }
}

fn delays(until: Until) -> Box<dyn Iterator<Item = Duration> + Send> {
    let builder = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter();
    match until {
        Until::Drained => Box::new(builder.with_max_times(TRIES).build()),
        Until::Stopped => Box::new(builder.without_max_times().build()),
    }
}
