//! The census that a plan takes: one look over the keys for all rules and purges together, exact or of a sample. Keeps counts, a histogram
//! and a few names, however many keys there are. Reads only, and touches nothing: PTTL and SCAN leave a key's last use as it was.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use redis::Pipeline;

use super::glob::Glob;
use super::pace::Pace;
use super::pass::Place;
use super::scan::{self, Expiry, Key, count_keys};
use super::servers::{Node, Shape};
use super::spread::{hash, mix};
use super::ttl::{self, Breach, Rule};
use crate::error::Result;
use crate::model::{Facts, text};

/// Names kept as examples.
const EXAMPLES: usize = 3;
/// Bounds of the histogram in milliseconds, each with the name of what is below it.
const BUCKETS: [(u64, &str); 6] = [
    (60_000, "under 1m"),
    (600_000, "under 10m"),
    (3_600_000, "under 1h"),
    (21_600_000, "under 6h"),
    (86_400_000, "under 1d"),
    (604_800_000, "under 7d"),
];
/// What an expiry costs a server in memory, measured on Redis 7.0.
const EXPIRY_BYTES: u64 = 39;

/// What to count.
#[derive(Debug)]
pub enum Question {
    /// How many keys break a rule, and how.
    Rule(Rule),
    /// How many keys match.
    Match(Vec<String>),
}

impl Question {
    /// What a passing client may wait, where the question itself says so.
    fn latency(&self) -> Option<Duration> {
        match self {
            Self::Rule(rule) => rule.max_latency.map(crate::model::units::Duration::std),
            Self::Match(_) => None,
        }
    }
}

/// What was counted for one question.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Keys that match.
    pub matched: u64,
    /// Those that never expire.
    pub endless: u64,
    /// Those that expire too late.
    pub long: u64,
    /// Those that expire too soon after their last use.
    pub short: u64,
    histogram: [u64; BUCKETS.len() + 1],
    /// The examples with the smallest hashes: a fair choice that is the same every time.
    examples: BTreeSet<(u64, Key)>,
}

/// A census taken.
#[derive(Debug)]
pub struct Census {
    /// For every question, in order.
    pub tallies: Vec<Tally>,
    /// Keys there are.
    pub keys: u64,
    /// Keys looked at, where that is a sample.
    pub sampled: Option<u64>,
}

struct Asked<'a> {
    question: &'a Question,
    globs: Vec<Glob>,
    tally: Mutex<Tally>,
}

/// Counts, over all keys, or over about `sample` of them.
///
/// # Errors
/// The first refusal.
pub async fn take(shape: &Shape, questions: &[Question], sample: Option<u64>, latency: Duration) -> Result<Census> {
    let asked: Vec<Asked<'_>> = questions.iter().map(Asked::new).collect();
    let latency = questions.iter().filter_map(Question::latency).fold(latency, Duration::min);
    let mut sizes = Vec::new();
    for node in &shape.nodes {
        sizes.push(node.query::<u64>(redis::cmd("DBSIZE").take()).await?);
    }
    let keys: u64 = sizes.iter().sum();
    let sampled = match sample {
        Some(sample) if sample < keys => {
            let mut seen = 0;
            for (node, size) in shape.nodes.iter().zip(sizes) {
                seen += draw(node, sample * size / keys.max(1), &asked).await?;
            }
            Some(seen)
        }
        _ if asked.iter().all(|asked| asked.globs.is_empty()) => None,
        _ => {
            let passes = shape.nodes.iter().map(async |node| {
                let pace = Pace::watch(node, latency).await?;
                scan::sweep(node, sole_pattern(questions), &pace, &Place::default(), async |page| {
                    count(node, &page, &asked).await
                })
                .await
            });
            futures_util::future::try_join_all(passes).await?;
            None
        }
    };
    let tallies = asked
        .into_iter()
        .map(|asked| asked.tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
        .collect();
    Ok(Census { tallies, keys, sampled })
}

/// With a single pattern the server can leave the other keys out itself.
fn sole_pattern(questions: &[Question]) -> Option<&str> {
    match questions {
        [Question::Rule(rule)] => Some(&rule.pattern),
        [Question::Match(patterns)] => match patterns.as_slice() {
            [pattern] => Some(pattern),
            _ => None,
        },
        _ => None,
    }
}

/// Looks at about `wanted` keys in places all over the keyspace: a cursor from nowhere is some bucket of the table.
async fn draw(node: &Node, wanted: u64, asked: &[Asked<'_>]) -> Result<u64> {
    const PAGE: u64 = 10;
    const AT_ONCE: u64 = 50;
    let mut seen = 0;
    for round in 0..wanted.div_ceil(PAGE * AT_ONCE) {
        let mut ask = Pipeline::with_capacity(50);
        for turn in 0..AT_ONCE {
            let cursor = mix(round * AT_ONCE + turn) >> 16;
            ask.cmd("SCAN").arg(cursor).arg("COUNT").arg(PAGE);
        }
        let mut keys = Vec::new();
        for answer in scan::send(node, &ask).await? {
            keys.extend(scan::page(answer)?.1);
        }
        seen += keys.len() as u64;
        count(node, &keys, asked).await?;
        if seen >= wanted {
            break;
        }
    }
    Ok(seen)
}

/// Counts keys in; gives how many bytes that sent.
async fn count(node: &Node, keys: &[Key], asked: &[Asked<'_>]) -> Result<usize> {
    let mut timed: Vec<&Key> = Vec::new();
    for key in keys {
        let mut is_timed = false;
        for asked in asked.iter().filter(|asked| asked.globs.iter().any(|glob| glob.matches(key))) {
            match asked.question {
                Question::Rule(_) => is_timed = true,
                Question::Match(_) => asked.lock().add(key),
            }
        }
        if is_timed {
            timed.push(key);
        }
    }
    let expiries = scan::expiries(node, timed.iter().map(|key| key.as_slice())).await?;
    for asked in asked {
        let Question::Rule(rule) = asked.question else { continue };
        let mut short = Vec::new();
        {
            let mut tally = asked.lock();
            for (key, expiry) in timed.iter().zip(&expiries).filter(|(key, _)| asked.globs[0].matches(key)) {
                let breach = rule.breach(*expiry);
                tally.time(key, *expiry, breach);
                if let (Some(Breach::Short), Expiry::In(left)) = (breach, expiry) {
                    short.push((*key, *left));
                }
            }
        }
        if let (false, Some(min)) = (short.is_empty(), rule.min_ttl) {
            let found = ttl::short_lived(node, &short, min.as_millis()).await?;
            let mut tally = asked.lock();
            for ((key, _), _) in short.iter().zip(found).filter(|(_, is_short)| *is_short) {
                tally.short += 1;
                tally.show(key);
            }
        }
    }
    Ok(scan::weight(timed.iter().map(|key| key.as_slice())))
}

impl<'a> Asked<'a> {
    fn new(question: &'a Question) -> Self {
        let globs = match question {
            Question::Rule(rule) => vec![rule.glob()],
            Question::Match(patterns) => patterns.iter().map(|pattern| Glob::new(pattern)).collect(),
        };
        Self { question, globs, tally: Mutex::default() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Tally {
    /// Keys that break the rule.
    pub fn broken(&self) -> u64 {
        self.endless + self.long + self.short
    }

    fn add(&mut self, key: &Key) {
        self.matched += 1;
        self.show(key);
    }

    fn time(&mut self, key: &Key, expiry: Expiry, breach: Option<Breach>) {
        match expiry {
            Expiry::Gone => return,
            Expiry::Never => {}
            Expiry::In(millis) => {
                let bucket = BUCKETS.iter().position(|(bound, _)| millis < *bound).unwrap_or(BUCKETS.len());
                self.histogram[bucket] += 1;
            }
        }
        self.matched += 1;
        match breach {
            Some(Breach::Endless) => self.endless += 1,
            Some(Breach::Long) => self.long += 1,
            Some(Breach::Short) | None => return,
        }
        self.show(key);
    }

    fn show(&mut self, key: &Key) {
        let rank = hash(key);
        if self.examples.len() < EXAMPLES || self.examples.last().is_some_and(|(last, _)| rank < *last) {
            self.examples.insert((rank, key.clone()));
            if self.examples.len() > EXAMPLES {
                self.examples.pop_last();
            }
        }
    }
}

impl Census {
    /// What the census says about a rule.
    pub fn rule_facts(&self, tally: &Tally) -> Facts {
        let mut facts =
            Facts::default().with("keys", self.scaled(tally.matched)).with("violations", self.scaled(tally.broken()));
        for (name, count) in [("without_expiry", tally.endless), ("too_long", tally.long), ("too_short", tally.short)] {
            if count > 0 {
                facts = facts.with(name, self.scaled(count));
            }
        }
        if tally.endless > 0 {
            facts = facts.with("memory", format!("+{}", text::size(self.scaled(tally.endless) * EXPIRY_BYTES)));
        }
        let mut histogram = serde_json::Map::new();
        let names = BUCKETS.iter().map(|(_, name)| *name).chain(["7d and more"]);
        for (name, count) in
            names.zip(tally.histogram).chain([("never", tally.endless)]).filter(|(_, count)| *count > 0)
        {
            histogram.insert(name.into(), self.scaled(count).into());
        }
        facts = facts.with("expiries", serde_json::Value::Object(histogram));
        self.sampled_facts(tally.examples_shown(facts), tally.broken())
    }

    /// What the census says about a purge.
    pub fn match_facts(&self, tally: &Tally) -> Facts {
        let facts = Facts::default().with("keys", self.scaled(tally.matched));
        self.sampled_facts(tally.examples_shown(facts), tally.matched)
    }

    /// How many keys `count` stands for among all.
    pub fn scaled(&self, count: u64) -> u64 {
        match self.sampled {
            Some(sampled) => scale(count, self.keys, sampled),
            None => count,
        }
    }

    fn sampled_facts(&self, facts: Facts, count: u64) -> Facts {
        let Some(sampled) = self.sampled else { return facts };
        let (low, high) = interval(count, sampled, self.keys);
        facts
            .with("sampled", format!("{} of {}", text::thousands(sampled), count_keys(self.keys)))
            .with("interval", format!("{} to {} with 95% confidence", text::thousands(low), count_keys(high)))
    }
}

impl Tally {
    fn examples_shown(&self, facts: Facts) -> Facts {
        if self.examples.is_empty() {
            return facts;
        }
        let names: Vec<String> = self.examples.iter().map(|(_, key)| veil(key)).collect();
        facts.with("examples", names)
    }
}

fn scale(count: u64, keys: u64, sampled: u64) -> u64 {
    u64::try_from(u128::from(count) * u128::from(keys) / u128::from(sampled.max(1))).unwrap_or(u64::MAX)
}

/// Between which counts the truth lies with 95 % confidence (Wilson's interval).
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn interval(count: u64, sampled: u64, keys: u64) -> (u64, u64) {
    const Z: f64 = 1.96;
    let n = sampled.max(1) as f64;
    let share = count as f64 / n;
    let middle = share + Z * Z / (2.0 * n);
    let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = keys as f64 / (1.0 + Z * Z / n);
    (((middle - reach) * scale).max(0.0) as u64, ((middle + reach) * scale).ceil().min(keys as f64) as u64)
}

/// A key's name for people: what follows the last colon may be a session's secret, so only its beginning is shown.
pub fn veil(key: &[u8]) -> String {
    let name = String::from_utf8_lossy(key);
    let cut = name.rfind(':').map_or(0, |colon| colon + 1);
    let (kind, rest) = name.split_at(cut);
    let shown: String = rest.chars().take(4).collect();
    let more = if shown.len() < rest.len() { "…" } else { "" };
    text::tame(&format!("{kind}{shown}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_says_how_sure_it_is() {
        let check = |count, sampled, keys, expected| assert_eq!(interval(count, sampled, keys), expected);
        check(2_000, 10_000, 5_000_000, (961_379, 1_039_773));
        check(0, 10_000, 5_000_000, (0, 1_921));
        check(10, 10, 10, (7, 10));
    }

    #[test]
    fn a_name_shows_its_kind_and_not_its_secret() {
        let check = |key: &str, expected: &str| assert_eq!(veil(key.as_bytes()), expected);
        check("session:0f3a9b7c", "session:0f3a…");
        check("user:42", "user:42");
        check("0f3a9b7c", "0f3a…");
        check("a\u{1b}:x", "a\\u{1b}:x");
    }
}
