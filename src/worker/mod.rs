//! The worker: takes changes from feeds and removes their keys from caches, at least once each, and sweeps tables that expire.
//!
//! One lane for each feed, cache and sort of eviction, so that a cache that is down holds up no other, and a pass over all keys no single
//! key. It knows providers only through the seam, and reads no clock of its own.

mod batch;
mod lane;
mod tally;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{OnceCell, watch};

use crate::error::{Error, Result};
use crate::model::text;
use crate::provider::{Connection, Driver, Sort};

pub use tally::{Ledger, Tally};

/// When a worker is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When nothing is due any more, or something stays broken.
    Drained,
    /// When it is told to stop; what is broken is tried again, ever more seldom.
    Stopped,
}

/// Where changes come from.
#[derive(Debug)]
pub struct Source<'p> {
    /// The target, `postgres.shop`.
    pub name: String,
    /// How to reach it.
    pub driver: &'p dyn Driver,
    /// The caches that its changes go to, by their targets' names.
    pub caches: Vec<String>,
}

/// Where keys are removed.
#[derive(Debug)]
pub struct Cache<'p> {
    driver: &'p dyn Driver,
    connection: OnceCell<Box<dyn Connection>>,
}

/// A worker and all it needs of the world.
pub struct Worker<'p> {
    /// Where changes come from.
    pub sources: Vec<Source<'p>>,
    /// Where keys are removed, by the targets' names.
    pub caches: BTreeMap<String, Cache<'p>>,
    /// What was done.
    pub ledger: &'p Ledger,
    /// Turns true when it is to stop; a batch that has begun is finished.
    pub stop: watch::Receiver<bool>,
    /// The clock, as time since 1970.
    pub now: fn() -> Duration,
    /// Says something to whoever watches.
    pub tell: &'p (dyn Fn(String) + Send + Sync),
}

/// How often tables are swept.
const SWEEPS: Duration = Duration::from_mins(1);

impl<'p> Cache<'p> {
    /// A cache, not connected yet.
    pub fn new(driver: &'p dyn Driver) -> Self {
        Self { driver, connection: OnceCell::new() }
    }

    /// Connects when first needed. What lies behind the connection may come and go; finding it again is the provider's part.
    async fn connection(&self) -> Result<&dyn Connection> {
        Ok(&**self.connection.get_or_try_init(|| self.driver.connect()).await?)
    }
}

impl Worker<'_> {
    /// Works until it is done.
    ///
    /// # Errors
    /// With [`Until::Drained`], the first lane's that stays broken, after all others are done.
    pub async fn run(&self, until: Until) -> Result<()> {
        let lanes = self.sources.iter().flat_map(|source| {
            let pairs = source.caches.iter().flat_map(|cache| [(cache, Sort::Key), (cache, Sort::Pattern)]);
            pairs.map(move |(cache, sort)| lane::Lane { worker: self, source, cache, sort }.run(until))
        });
        let (worked, swept) = futures_util::future::join(
            join_all(lanes),
            join_all(self.sources.iter().map(|source| self.sweep(source, until))),
        )
        .await;
        worked.into_iter().chain(swept).collect()
    }

    async fn sweep(&self, source: &Source<'_>, until: Until) -> Result<()> {
        loop {
            let swept = async { source.driver.connect().await?.sweep().await }.await;
            match swept {
                Ok(swept) => {
                    for (id, rows) in swept.into_iter().filter(|(_, rows)| *rows > 0) {
                        self.ledger.swept(&source.name, rows);
                        let rows = text::count(usize::try_from(rows).unwrap_or(usize::MAX), "row");
                        (self.tell)(format!("{}.{id}: swept {rows}", source.name));
                    }
                }
                Err(error) if until == Until::Drained => return Err(error.context(&source.name)),
                Err(error) => (self.tell)(format!("{}: not swept: {error}", source.name)),
            }
            if until == Until::Drained || self.pause(SWEEPS).await {
                return Ok(());
            }
        }
    }

    /// Rests; says whether it is time to stop.
    async fn pause(&self, span: Duration) -> bool {
        let mut stop = self.stop.clone();
        // Whoever could say stop and is gone says it by that.
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(span) => false,
        }
    }

    fn cache(&self, name: &str) -> Result<&Cache<'_>> {
        self.caches.get(name).ok_or_else(|| Error::bug(format!("a lane to `{name}`, which is no cache")))
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("sources", &self.sources).field("caches", &self.caches).finish_non_exhaustive()
    }
}
