//! Feeds and evictions: how a change in one system reaches the cache of another, while neither provider knows the other.

use std::fmt;
use std::time::Duration;

use super::driver::Later;
use crate::error::Result;

/// A key, or the keys of a pattern, to be removed from a cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Eviction {
    /// The key, byte for byte, or the pattern.
    pub key: String,
    /// Which of the two it is.
    pub sort: Sort,
    /// At once where there is none; else each key expires within this, unless it would sooner anyway.
    pub within: Option<Duration>,
}

/// What an eviction's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    /// One key, whatever characters it has.
    Key,
    /// A pattern as the cache knows it: looking for its keys takes a pass over all of them.
    Pattern,
}

/// What came of one eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// So many keys were removed, or will expire soon; 0 where there were none.
    Gone(u64),
    /// The cache refused this one, and may well take others.
    Refused(String),
}

/// One row of a feed: what is to go, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The cache, `redis.cache`.
    pub cache: String,
    /// What is to go.
    pub eviction: Eviction,
}

/// Which rows to claim.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Only those for these caches.
    pub caches: Vec<String>,
    /// Only those of this sort, so that keys need not wait for a pass over all keys.
    pub sort: Sort,
    /// At most so many.
    pub most: u32,
}

/// What waits in a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// All rows; more than a million count as that.
    pub rows: u64,
    /// Those of them that are due.
    pub due: u64,
    /// How long the oldest due row has been due, or was when it was refused first.
    pub lag: Duration,
    /// Those that a cache has refused and that are tried again later.
    pub refused: u64,
    /// Those for caches that nobody asked for.
    pub stranded: u64,
}

/// Changes that wait to be told to caches. Several workers may have the same feed open: none gets a row that another has claimed.
pub trait Feed: Send + fmt::Debug {
    /// Claims rows that are due. They are ours until they are settled; when the feed is dropped or its connection breaks before, they wait
    /// again as if nobody had had them.
    fn claim<'a>(&'a mut self, ask: &'a Ask) -> Later<'a, Result<Vec<Entry>>>;
    /// Ends the claim: the rows are done, but for those at these positions, which were refused for these reasons and are tried again later.
    fn settle<'a>(&'a mut self, refused: &'a [(usize, String)]) -> Later<'a, Result<()>>;
    /// Ends the claim as if it had not been made.
    fn abandon(&mut self) -> Later<'_, Result<()>>;
    /// What waits, for these caches and for others.
    fn backlog<'a>(&'a mut self, caches: &'a [String]) -> Later<'a, Result<Backlog>>;
    /// Rests until somebody hints that there may be something to claim, or for `patience`; hints may be missed.
    fn rest(&mut self, patience: Duration) -> Later<'_, Result<()>>;
}
