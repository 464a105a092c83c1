//! Remarks about indexes for the plan's reader: duplicates, leftovers, what stands in the way. Nothing here is compared.

use std::collections::BTreeMap;

use super::catalog::Entry;
use super::name::{self, Relation};
use super::{Index, sql};
use crate::model::{ResourceId, text};
use crate::providers::postgres::Site;
use crate::providers::postgres::frame::Found;

/// How many remarks of one sort are told before the rest is only counted.
const MOST: usize = 10;

/// Indexes that another one makes needless.
pub fn duplicates(entries: &[Entry]) -> Vec<String> {
    let mut by_table: BTreeMap<(&str, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.spec.valid && !entry.part) {
        by_table.entry((&entry.index.schema, &entry.table)).or_default().push(entry);
    }
    let mut notes = Vec::new();
    for entries in by_table.values() {
        for (i, one) in entries.iter().enumerate() {
            // A duplicate is told once, of the one that could go.
            let better = entries.iter().enumerate().find(|(j, other)| {
                i != *j
                    && covers(&other.spec, &one.spec)
                    && (!covers(&one.spec, &other.spec)
                        || keep(other) > keep(one)
                        || (keep(other) == keep(one) && *j < i))
            });
            let Some((_, other)) = better.filter(|_| one.pinned.is_none()) else { continue };
            let (size, name, other_name) = (text::size(one.bytes.unsigned_abs()), one.index.full(), other.index.full());
            notes.push(if covers(&one.spec, &other.spec) {
                format!("`{name}` ({size}) has the same definition as `{other_name}`")
            } else {
                format!("`{name}` ({size}) is the beginning of `{other_name}`, which can serve its queries")
            });
        }
    }
    shorten(notes, "index that another one could replace")
}

/// Which of two equal ones is the one to keep.
fn keep(entry: &Entry) -> (bool, bool) {
    (entry.pinned.is_some(), entry.spec.unique)
}

/// Whether every query that `one` serves could be served by `other`.
fn covers(other: &Index, one: &Index) -> bool {
    let alike = other.method == one.method && other.predicate == one.predicate;
    // A unique index does more than serve queries, unless the other one is unique in the same columns.
    let unique =
        !one.unique || (other.unique && other.columns == one.columns && other.nulls_distinct == one.nulls_distinct);
    let columns =
        if one.method == "btree" { other.columns.starts_with(&one.columns) } else { other.columns == one.columns };
    alike
        && unique
        && columns
        && one.include.iter().all(|column| other.include.contains(column) || other.columns.contains(column))
}

/// What interrupted rebuilds left behind.
pub fn leftovers(entries: &[Entry]) -> Vec<String> {
    let is_leftover = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        stem.ends_with("_ccnew") || stem.ends_with("_ccold")
    };
    let notes = entries
        .iter()
        .filter(|entry| !entry.spec.valid && entry.builder.is_none() && is_leftover(&entry.index.name))
        .map(|entry| {
            format!(
                "`{}` is what an interrupted `reindex concurrently` left behind; remove it with: {}",
                entry.index.full(),
                sql::drop_concurrently(&entry.index.schema, &entry.index.name)
            )
        });
    shorten(notes.collect(), "leftover of a rebuild")
}

/// What interrupted replacements left behind and no declared index can use any more.
pub fn stale(site: &Site, declared: &BTreeMap<ResourceId, Relation>, found: &Found) -> Vec<String> {
    let belongs = |entry: &Entry, index: &Relation| {
        entry.index.schema == index.schema && entry.index.name.starts_with(&name::temporary_prefix(index))
    };
    let notes = site.indexes.temporaries.values().filter_map(|entry| {
        let owner = declared.iter().find(|(_, index)| belongs(entry, index)).map(|(id, _)| id);
        // A replacement that is still wanted goes on from here by itself.
        let pending = owner.is_some_and(|id| {
            let gap = found.incomplete.iter().any(|gap| gap.covers(id));
            let table = Relation::new(entry.index.schema.as_str(), entry.table.as_str());
            gap || site.indexes.tables.contains_key(&table) || !found.live.iter().any(|live| live.id == *id)
        });
        (!pending && entry.builder.is_none()).then(|| {
            format!(
                "`{}` is what an interrupted replacement left behind; remove it with: {}",
                entry.index.full(),
                sql::drop_concurrently(&entry.index.schema, &entry.index.name)
            )
        })
    });
    shorten(notes.collect(), "leftover of a replacement")
}

/// Tables whose owner the role is not, so that applying will be refused.
pub fn owners(site: &Site) -> Vec<String> {
    let notes = site.indexes.tables.iter().filter_map(|(relation, table)| {
        let owner = table.foreign_owner.as_ref()?;
        Some(format!(
            "`{}` belongs to `{owner}`, and `{}` is no member: applying will be refused until: grant {owner} to {}",
            relation.full(),
            site.role,
            site.role
        ))
    });
    shorten(notes.collect(), "table that belongs to another role")
}

/// The first few remarks, and how many more there are.
pub fn shorten(mut notes: Vec<String>, noun: &str) -> Vec<String> {
    if notes.len() > MOST {
        let more = notes.split_off(MOST).len();
        notes.push(format!("and {more} more of the sort: {noun}"));
    }
    notes
}
