//! TTL rules: every key of a pattern expires within a range. What breaks a rule, and the pass that mends it.

use std::fmt;
use std::sync::atomic::Ordering;

use redis::{Cmd, Pipeline, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::glob::Glob;
use super::pace::Pace;
use super::pass::{Pass, Place};
use super::pulse::Pulse;
use super::scan::{self, Expiry, Key};
use super::servers::{Node, Shape};
use super::spread;
use crate::error::{Error, Result};
use crate::model::units::{Duration, Percent};
use crate::model::value;
use crate::provider::Progress;

/// Every key that matches expires within a range. Keys that already do are never touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A pattern as Redis knows it: `session:*`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// A key that would live longer, or forever, gets this, less up to `jitter` of it.
    pub max_ttl: Duration,
    /// A key that would be gone sooner after its last use gets this, plus up to `jitter` of it. Default: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ttl: Option<Duration>,
    /// How far new expiries are spread; where a key lands depends on the key alone.
    #[serde(default)]
    pub jitter: Percent,
    /// The rule refuses to change more keys than this in one run. Default: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<u64>,
    /// What a passing client may wait while this rule looks through keys. Default: as the target says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<Duration>,
    /// `false` declares the rule without enforcing it yet; a saved live state says so where keys break it.
    #[serde(default = "yes")]
    pub enforced: bool,
}

fn yes() -> bool {
    true
}

/// How a key breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It never expires.
    Endless,
    /// It expires too late.
    Long,
    /// It may expire too soon; how soon it was used last decides.
    Short,
}

impl Rule {
    /// How a key with this expiry breaks the rule.
    pub fn breach(&self, expiry: Expiry) -> Option<Breach> {
        match expiry {
            Expiry::Never => Some(Breach::Endless),
            Expiry::In(millis) if millis > self.max_ttl.as_millis() => Some(Breach::Long),
            Expiry::In(millis) if self.min_ttl.is_some_and(|min| millis < min.as_millis()) => Some(Breach::Short),
            Expiry::Gone | Expiry::In(_) => None,
        }
    }

    /// The latest and the earliest expiry that the rule itself sets on what would live too long, in milliseconds.
    pub fn ceiling(&self) -> (u64, u64) {
        let max = self.max_ttl.as_millis();
        (max, max - max * u64::from(self.jitter.get()) / 100)
    }

    fn expiry(&self, key: &[u8], breach: Breach) -> u64 {
        let (max, low) = self.ceiling();
        match (breach, self.min_ttl) {
            (Breach::Short, Some(min)) => {
                let min = min.as_millis();
                // One second more than the limit: the server tells the last use in whole seconds.
                min + 1_000 + spread::share(key, min * u64::from(self.jitter.get()) / 100 + 1)
            }
            _ => (max - spread::share(key, max - low + 1)).max(1),
        }
    }

    /// What a passing client may wait, where the target says `target`.
    pub fn latency(&self, target: std::time::Duration) -> std::time::Duration {
        self.max_latency.map_or(target, Duration::std)
    }

    /// The pattern, compiled.
    pub fn glob(&self) -> Glob {
        Glob::new(&self.pattern)
    }
}

/// Keeps those of `keys` (with the time they have left) that would be gone sooner than `min` milliseconds after their last use. A key
/// in the last minute of a long life that nobody reads any more is not one of them.
///
/// # Errors
/// The first refusal: without a last use (under an LFU policy) nothing can be said.
pub async fn short_lived(node: &Node, keys: &[(&Key, u64)], min: u64) -> Result<Vec<bool>> {
    let mut ask = Pipeline::with_capacity(keys.len());
    for (key, _) in keys {
        ask.cmd("OBJECT").arg("IDLETIME").arg(key.as_slice());
    }
    let answers = scan::send(node, &ask).await?;
    let judge = |(answer, (_, left)): (&Value, &(&Key, u64))| match answer {
        Value::Nil => Ok(false),
        answer => Ok(scan::number(answer)?.unsigned_abs() * 1_000 + left < min),
    };
    answers.iter().zip(keys).map(judge).collect()
}

/// Mends every key that breaks a rule.
#[derive(Clone, Debug)]
pub struct Enforce {
    /// The rule.
    pub rule: Rule,
    /// How many keys there were when it was planned, for progress.
    pub keys: u64,
}

/// Commands that are to be sent with the next page.
#[derive(Debug, Default)]
struct Due {
    commands: Pipeline,
    /// How many there are, until they are known to be done: on their way they still count.
    count: u64,
}

impl fmt::Display for Enforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { pattern, max_ttl, min_ttl, jitter, max_keys, max_latency: _, enforced: _ } = &self.rule;
        let (max, low) = self.rule.ceiling();
        let range = if low == max { max.to_string() } else { format!("{low}..{max}, by the key") };
        write!(f, "scan match {}; pexpire KEY ({range}) lt", value::show(&pattern.as_str().into()))?;
        write!(f, " where its ttl is over {max_ttl} or it has none")?;
        if let Some(min) = min_ttl {
            let low = min.as_millis() + 1_000;
            let high = low + min.as_millis() * u64::from(jitter.get()) / 100;
            write!(f, "; pexpire KEY ({low}..{high}, by the key) gt where it would be gone {min} after its last use")?;
        }
        max_keys.map_or(Ok(()), |max| write!(f, "; at most {}", scan::count_keys(max)))
    }
}

impl Enforce {
    /// Passes over all keys once. Doing it again changes nothing: where a key lands depends on the key alone, and a key that was
    /// given a shorter life meanwhile keeps it (`LT`).
    ///
    /// # Errors
    /// The first refusal; every key before it stays mended.
    pub async fn run(
        &self,
        shape: &Shape,
        latency: std::time::Duration,
        pass: &Pass,
        progress: &Progress,
    ) -> Result<()> {
        let pulse = Pulse::new(progress, "enforcing", self.keys, pass.seen());
        let passes = shape.nodes.iter().map(async |node| {
            let place = pass.on(node).await?;
            let pace = Pace::watch(node, self.rule.latency(latency)).await?;
            // What a page needs is sent along with the questions about the next one: one turn of the server instead of two.
            let due = Mutex::new(Due::default());
            let work = async |keys: Vec<Key>| self.page(node, keys, &mut *due.lock().await, pass, &place, &pulse).await;
            let swept = scan::sweep(node, Some(&self.rule.pattern), &pace, &place, work).await;
            // Nobody knows how many of them were; a later try counts them again.
            place.changed.fetch_sub(due.into_inner().count, Ordering::Relaxed);
            swept
        });
        futures_util::future::try_join_all(passes).await.map_err(|error| pass.broke_off(error, "had been changed"))?;
        pulse.finish();
        Ok(())
    }

    /// Mends what was `due`, asks about `keys`, and leaves what they need as what is due.
    async fn page(
        &self,
        node: &Node,
        keys: Vec<Key>,
        due: &mut Due,
        pass: &Pass,
        place: &Place,
        pulse: &Pulse<'_>,
    ) -> Result<usize> {
        let mut both = std::mem::take(&mut due.commands);
        let mending = both.len();
        for key in &keys {
            both.add_command(scan::about("PTTL", key, 0));
        }
        let numbers = scan::send(node, &both).await?.iter().map(scan::number).collect::<Result<Vec<i64>>>()?;
        due.count = 0;
        let mut short = Vec::new();
        for (key, pttl) in keys.iter().zip(&numbers[mending..]) {
            let expiry = Expiry::of(*pttl);
            match (self.rule.breach(expiry), expiry) {
                (None, _) => {}
                (Some(Breach::Short), Expiry::In(left)) => short.push((key, left)),
                (Some(breach), _) => {
                    due.commands.add_command(self.expire(key, breach, "LT"));
                }
            }
        }
        if let (false, Some(min)) = (short.is_empty(), self.rule.min_ttl) {
            for ((key, _), is_short) in short.iter().zip(short_lived(node, &short, min.as_millis()).await?) {
                if is_short {
                    due.commands.add_command(self.expire(key, Breach::Short, "GT"));
                }
            }
        }
        // Counted before it is sent: another server's page may be on its way beside it, and together they must not be too many.
        due.count = due.commands.len() as u64;
        place.changed.fetch_add(due.count, Ordering::Relaxed);
        if let Some(max) = self.rule.max_keys
            && pass.changed() > max
        {
            return Err(Error::failed(format!("more than {} break the rule", scan::count_keys(max)))
                .hint("raise `max_keys` if that is right"));
        }
        pulse.beat(keys.len() as u64);
        let asked = scan::weight(keys.iter().map(Vec::as_slice));
        Ok(asked + mending * (asked / keys.len().max(1) + scan::WORDS))
    }

    fn expire(&self, key: &[u8], breach: Breach, condition: &str) -> Cmd {
        let mut command = scan::about("PEXPIRE", key, scan::WORDS);
        command.arg(self.rule.expiry(key, breach)).arg(condition);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: serde_json::Value) -> Rule {
        serde_json::from_value(text).expect("decodes")
    }

    #[test]
    fn a_rule_is_a_range_and_mends_into_it() {
        let rule = rule(serde_json::json!({ "match": "s:*", "max_ttl": "1h", "min_ttl": "1m", "jitter": "10%" }));
        let check = |expiry, expected| assert_eq!(rule.breach(expiry), expected, "{expiry:?}");
        check(Expiry::Never, Some(Breach::Endless));
        check(Expiry::In(3_600_001), Some(Breach::Long));
        check(Expiry::In(3_600_000), None);
        check(Expiry::In(60_000), None);
        check(Expiry::In(59_999), Some(Breach::Short));
        check(Expiry::Gone, None);
        for key in 0..1_000_u32 {
            let key = key.to_be_bytes();
            for breach in [Breach::Endless, Breach::Short] {
                let set = rule.expiry(&key, breach);
                assert_eq!(rule.breach(Expiry::In(set)), None, "{breach:?} {set}");
                assert_eq!(set, rule.expiry(&key, breach));
            }
            assert!(rule.expiry(&key, Breach::Long) >= 3_240_000);
        }
    }

    #[test]
    fn a_command_says_what_it_sets() {
        let check = |text, expected: &str| assert_eq!(Enforce { rule: rule(text), keys: 0 }.to_string(), expected);
        check(
            serde_json::json!({ "match": "s:*", "max_ttl": "1h" }),
            "scan match \"s:*\"; pexpire KEY (3600000) lt where its ttl is over 1h or it has none",
        );
        check(
            serde_json::json!({ "match": "s:*", "max_ttl": "1h", "min_ttl": "1m", "jitter": "10%", "max_keys": 5 }),
            "scan match \"s:*\"; pexpire KEY (3240000..3600000, by the key) lt where its ttl is over 1h or it has none; \
             pexpire KEY (61000..67000, by the key) gt where it would be gone 1m after its last use; at most 5 keys",
        );
    }
}
