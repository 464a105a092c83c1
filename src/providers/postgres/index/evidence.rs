//! What hazards of indexes are told with: sizes, usage, who would be waited for.

use std::time::Duration;

use super::name::Relation;
use super::steps::Difference;
use super::{Index, text};
use crate::model::{Facts, Hazard, text as grammar};
use crate::providers::postgres::Site;
use crate::providers::postgres::hazard::{BUILDS_INDEX, DISK_SPACE, UNIQUE_BUILD};

/// From this size on an index is worth a look at the disk.
const LARGE: u64 = 1_000_000_000;

/// What a key of an expression is taken to be wide, in bytes.
const EXPRESSION: u64 = 32;

/// The hazards of building `want` on `table`.
pub fn of_build(site: &Site, want: &Index, table: &Relation, difference: &Difference<'_>) -> Vec<Hazard> {
    let mut parts = Vec::new();
    let known = site.indexes.tables.get(table);
    let old = difference.delta.facts.int("bytes").filter(|bytes| *bytes > 0).map(i64::unsigned_abs);
    let estimate = old.or_else(|| estimate(site, want, table));
    match (estimate, known) {
        (Some(bytes), _) if want.predicate.is_some() => parts.push(format!("at most about {}", grammar::size(bytes))),
        (Some(bytes), _) => parts.push(format!("about {}", grammar::size(bytes))),
        (None, Some(known)) if known.bytes > 0 => {
            parts.push(format!("size not known, the table has {}", grammar::size(known.bytes.unsigned_abs())));
        }
        _ => parts.push("size not known".to_owned()),
    }
    parts.push("writers are not blocked, waits for older transactions".to_owned());
    parts.extend(site.blockers.iter().map(|blocker| format!("now {blocker}")));
    let mut hazards = vec![BUILDS_INDEX.with(parts.join(", "))];
    if want.unique {
        hazards.push(UNIQUE_BUILD.with("fails when two rows have the same key"));
    }
    if let Some(bytes) = estimate.filter(|bytes| *bytes >= LARGE) {
        let room = grammar::size(bytes);
        hazards.push(DISK_SPACE.with(format!("about {room} to keep, and up to {room} more while it is sorted")));
    }
    hazards
}

/// What a drop takes away.
pub fn of_drop(site: &Site, facts: &Facts) -> String {
    let mut parts = Vec::new();
    if let Some(bytes) = facts.int("bytes") {
        parts.push(grammar::size(bytes.unsigned_abs()));
    }
    let since = match site.stats_age {
        Some(seconds) => format!("since statistics were reset {} ago", ago(seconds)),
        // Never reset: they are as old as the cluster, or began anew after a crash.
        None => format!("since statistics began, the server is up for {}", ago(site.uptime)),
    };
    match facts.int("scans") {
        Some(0) => parts.push(format!("never used {since}")),
        Some(scans) => {
            let scans = grammar::count(usize::try_from(scans).unwrap_or(usize::MAX), "scan");
            let last = facts.int("last_scan_seconds_ago").map(|seconds| format!("last used {} ago, ", ago(seconds)));
            parts.push(format!("{}{scans} {since}", last.unwrap_or_default()));
        }
        None => parts.push("usage not known".to_owned()),
    }
    if site.replicas > 0 {
        let standbys = grammar::count(usize::try_from(site.replicas).unwrap_or(usize::MAX), "standby");
        parts.push(format!("{standbys} connected, which may use it and count for themselves"));
    }
    parts.join(", ")
}

/// What a lock that others queue behind means here.
pub fn of_lock(site: &Site, what: &str) -> String {
    format!("on `{what}`, waits for its lock no longer than {}", grammar::span(site.lock_timeout))
}

/// About how many bytes a b-tree of all rows takes; other methods and unknown tables have no such estimate.
fn estimate(site: &Site, want: &Index, table: &Relation) -> Option<u64> {
    let declared = Relation::parse(&want.table, &site.schema)?;
    let known = site.indexes.tables.get(table)?;
    let rows = known.rows?.unsigned_abs();
    if want.method != "btree" || *table != declared {
        return None;
    }
    let width = |column: &String| match text::plain(column) {
        Some(name) => known.columns.get(&name).map_or(EXPRESSION, |width| u64::from(width.unsigned_abs())),
        None => EXPRESSION,
    };
    let key: u64 = want.columns.iter().chain(&want.include).map(width).sum();
    // A tuple's header and line pointer, aligned; pages are filled to 90 percent.
    let tuple = 12 + key.div_ceil(8) * 8;
    Some((rows * tuple * 10).div_ceil(9).max(8192))
}

/// A second that has begun counts: `0 ms` would read like a mistake.
fn ago(seconds: i64) -> String {
    grammar::span(Duration::from_secs(seconds.unsigned_abs().max(1)))
}
