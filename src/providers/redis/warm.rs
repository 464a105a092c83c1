//! Warm keys: what a policy wants to find in the cache, and whether it is there and fresh.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{self, Reach};
use super::scan::{self, Expiry, Key};
use super::servers::Shape;
use super::template::Template;
use crate::error::{Error, Result};
use crate::model::units::{Duration, Percent};
use crate::model::{Facts, ResourceId, text};
use crate::provider::Problem;

/// Keys to be filled from a source, and kept fresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warm {
    /// The key of a row: `product:{id}`, with `{column}` of the row. Needed unless the source is `hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value of a row: `{row}` for all of it as JSON, the default, or `{column}`s and text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How long a key lives.
    pub ttl: Duration,
    /// How far expiries are spread downwards; where a key lands depends on the key alone.
    #[serde(default)]
    pub jitter: Percent,
    /// What would expire sooner than this counts as cold. Default: only what is not there.
    #[serde(default)]
    pub refresh_before: Duration,
    /// Where the rows come from.
    pub source: Source,
    /// Which is filled first.
    #[serde(default)]
    pub priority: Priority,
    /// Keys of one request.
    #[serde(default = "five_hundred")]
    pub batch_size: u32,
    /// Requests on their way at the same time.
    #[serde(default = "four")]
    pub concurrency: u32,
    /// What to do about failures that may pass.
    #[serde(default)]
    pub retry: Retry,
    /// `false` declares the keys without filling them yet; a saved live state says so where keys are cold.
    #[serde(default = "yes")]
    pub warmed: bool,
}

/// Where rows come from: exactly one of `file`, `http`, `hot`, or `target` with `sql`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A file with one JSON object a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// An address that answers with one JSON object a line. It is shown in plans: no password in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// A pattern: the most used keys of it are kept from expiring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<String>,
    /// How many of them. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<u32>,
    /// Another target of the policy, to be asked `sql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// A query whose rows are the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

/// Which warm resource goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before the others.
    High,
    /// Between.
    #[default]
    Normal,
    /// After the others.
    Low,
}

/// How a failed request is tried again: after `delay`, twice that, four times that, each spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries in all.
    #[serde(default = "three")]
    pub attempts: u32,
    /// The first pause.
    #[serde(default = "fifth_of_a_second")]
    pub delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: three(), delay: fifth_of_a_second() }
    }
}

impl Source {
    /// What to call it.
    pub fn name(&self) -> String {
        let name = self.file.as_ref().or(self.http.as_ref()).or(self.target.as_ref()).or(self.hot.as_ref());
        match &self.sql {
            Some(sql) => format!("{}: {sql}", name.map_or("", String::as_str)),
            None => name.cloned().unwrap_or_default(),
        }
    }
}

fn yes() -> bool {
    true
}

fn five_hundred() -> u32 {
    500
}

fn three() -> u32 {
    3
}

fn four() -> u32 {
    4
}

fn fifth_of_a_second() -> Duration {
    Duration::from_millis(200)
}

/// What a warm resource found: rows, and how their keys are.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Rows of the source.
    pub rows: u64,
    /// Keys that are not there.
    pub missing: u64,
    /// Keys that expire before `refresh_before`.
    pub stale: u64,
    /// Rows that give no key and value, with the first complaint.
    pub broken: u64,
    /// The first complaint about one.
    pub complaint: Option<String>,
}

impl Count {
    /// Whether nothing is to be done.
    pub fn is_warm(&self) -> bool {
        self.missing + self.stale + self.broken == 0
    }

    /// For people.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default().with("rows", self.rows).with("cold", self.missing + self.stale);
        for (name, count) in [("missing", self.missing), ("expire_soon", self.stale), ("broken_rows", self.broken)] {
            if count > 0 {
                facts = facts.with(name, count);
            }
        }
        match &self.complaint {
            Some(complaint) => facts.with("first_broken_row", text::tame(complaint)),
            None => facts,
        }
    }
}

/// How a row's key and value are made.
#[derive(Clone, Debug)]
pub struct Shaper {
    /// The key.
    pub key: Template,
    /// The value.
    pub value: Template,
}

impl Warm {
    /// The expiry of a key, in milliseconds.
    pub fn expiry(&self, key: &[u8]) -> u64 {
        let ttl = self.ttl.as_millis();
        (ttl - super::spread::share(key, ttl * u64::from(self.jitter.get()) / 100 + 1)).max(1)
    }

    /// The earliest that any key expires, in milliseconds.
    pub fn earliest(&self) -> u64 {
        let ttl = self.ttl.as_millis();
        ttl - ttl * u64::from(self.jitter.get()) / 100
    }

    /// Whether a key with this expiry is cold.
    pub fn is_cold(&self, expiry: Expiry) -> bool {
        match expiry {
            Expiry::Gone => true,
            Expiry::Never => false,
            Expiry::In(millis) => millis < self.refresh_before.as_millis(),
        }
    }

    /// The templates, compiled.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn shaper(&self) -> Result<Shaper, (&'static str, String)> {
        let key = self.key.as_deref().ok_or(("key", "`key` is missing".to_owned()))?;
        let key = Template::new(key).map_err(|message| ("key", message))?;
        if key.is_constant() {
            return Err(("key", "every row would get the same key; name a column, as in `product:{id}`".into()));
        }
        let value = self.value.as_deref().unwrap_or("{row}");
        Ok(Shaper { key, value: Template::new(value).map_err(|message| ("value", message))? })
    }

    /// What is wrong with the resource, whatever the server says.
    pub fn check(&self, id: &ResourceId) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |at: &str, message: String| problems.push(Problem::of(id, message).at(at));
        let Source { file, http, hot, top, target, sql } = &self.source;
        let given = [file.is_some(), http.is_some(), hot.is_some(), target.is_some() || sql.is_some()];
        if given.into_iter().filter(|is_given| *is_given).count() != 1 {
            wrong("source", "a source is exactly one of `file`, `http`, `hot`, or `target` with `sql`".into());
        } else if target.is_some() != sql.is_some() {
            wrong("source", "`target` and `sql` belong together".into());
        }
        if http.as_deref().is_some_and(|url| url.split('/').nth(2).is_some_and(|host| host.contains('@'))) {
            wrong("source.http", "an address with a password in it would be shown in plans".into());
        }
        if http.is_some() && !rows::READS_HTTP {
            wrong("source.http", "this build has no HTTP".into());
        }
        if top.is_some() && hot.is_none() {
            wrong("source.top", "`top` belongs to `hot`".into());
        }
        if hot.is_some() {
            for (at, is_given) in [("key", self.key.is_some()), ("value", self.value.is_some())] {
                if is_given {
                    wrong(at, format!("`{at}` has no meaning for `hot`: the keys are there and keep their values"));
                }
            }
        } else if let Err((at, message)) = self.shaper() {
            wrong(at, message);
        }
        if self.ttl.as_millis() == 0 {
            wrong("ttl", "`ttl` must be longer than nothing".into());
        }
        if self.refresh_before.as_millis() >= self.earliest().max(1) {
            wrong(
                "refresh_before",
                "`refresh_before` must be less than `ttl` less `jitter`, or nothing is ever fresh".into(),
            );
        }
        for (at, number, most) in [
            ("batch_size", self.batch_size, 10_000),
            ("concurrency", self.concurrency, 64),
            ("retry.attempts", self.retry.attempts, 20),
        ] {
            if !(1..=most).contains(&number) {
                wrong(at, format!("`{at}` goes from 1 to {most}"));
            }
        }
        problems
    }

    /// Counts what is cold: every key of the source is looked for, no value is read or written.
    ///
    /// # Errors
    /// When the source or the server cannot be read.
    pub async fn count(&self, shape: &Shape, reach: &Reach) -> Result<Count> {
        let mut count = Count::default();
        if self.source.hot.is_some() {
            for (_, expiry) in super::hot::most_used(shape, self, reach.latency).await? {
                count.rows += 1;
                count.stale += u64::from(expiry != Expiry::Gone && self.is_cold(expiry));
            }
            return Ok(count);
        }
        let shaper = self.shaper().map_err(|(_, message)| Error::bug(message))?;
        let mut batches = rows::read(&self.source, shaper.key, Template::empty(), COUNTED_AT_ONCE, reach).await?;
        while let Some(batch) = batches.recv().await {
            let batch = batch?;
            count.rows += batch.pairs.len() as u64 + batch.broken.len() as u64;
            count.broken += batch.broken.len() as u64;
            if count.complaint.is_none() {
                count.complaint = batch.broken.into_iter().next();
            }
            let mut keys: Vec<Vec<Key>> = vec![Vec::new(); shape.nodes.len()];
            for (key, _) in batch.pairs {
                keys[shape.owner_index(&key)].push(key);
            }
            for (node, keys) in shape.nodes.iter().zip(&keys).filter(|(_, keys)| !keys.is_empty()) {
                for expiry in scan::expiries(node, keys.iter().map(Vec::as_slice)).await? {
                    count.missing += u64::from(expiry == Expiry::Gone);
                    count.stale += u64::from(expiry != Expiry::Gone && self.is_cold(expiry));
                }
            }
        }
        Ok(count)
    }
}

/// Keys looked for in one request while counting.
const COUNTED_AT_ONCE: usize = 1_000;
