//! Finds indexes that are declared under one name and there under another, so that they can be renamed rather than built.

use std::collections::BTreeSet;

use super::catalog::Entry;
use super::name::Relation;
use super::shadow::{self, Answer, Job};
use super::{Index, canonical};
use crate::error::Result;
use crate::model::ResourceId;
use crate::provider::Want;
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::frame::Found;
use crate::providers::postgres::{Site, Spec};

/// Brings what could be a declared index under another name to the server's own form, and says which ones are.
///
/// # Errors
/// When the server cannot be asked.
pub async fn find(
    session: &mut Session,
    wanted: &[Want<Spec>],
    entries: &mut [Entry],
    site: &Site,
    found: &Found,
) -> Result<Vec<String>> {
    let there: BTreeSet<&ResourceId> = found.live.iter().map(|live| &live.id).collect();
    let taken: BTreeSet<&str> = there.iter().map(|id| id.label()).collect();
    let mut missing = Vec::new();
    let mut candidates = BTreeSet::new();
    for want in wanted.iter().filter(|want| !there.contains(&want.id)) {
        let Some(Spec::Index(spec)) = &want.spec else { continue };
        let spec = Index { name: None, rename_from: None, ..canonical::normal(spec, &want.id, &site.schema) };
        let alike = |entry: &Entry| similar(&entry.spec, &spec) && !taken.contains(entry.index.name.as_str());
        let alike: Vec<_> = (0..entries.len())
            .filter(|number| alike(&entries[*number]) && entries[*number].pinned.is_none() && !entries[*number].part)
            .collect();
        if !alike.is_empty() {
            candidates.extend(alike.iter().copied());
            missing.push((&want.id, spec, alike));
        }
    }

    let mut jobs = Vec::new();
    let home = &site.schema;
    if site.can_shadow() {
        let job = |spec: &Index, path| {
            let table = Relation::parse(&spec.table, home)?;
            Some(Job { table, spec: spec.clone(), path, rounds: shadow::FIXPOINT })
        };
        let ours = |(number, (_, spec, _)): (usize, &(_, Index, _))| {
            (!canonical::is_plain(spec, None))
                .then(|| job(spec, canonical::path(spec, site)).map(|job| (number, true, job)))?
        };
        jobs.extend(missing.iter().enumerate().filter_map(ours));
        let theirs = |number: &usize| {
            let spec = &entries[*number].spec;
            (!canonical::is_plain(spec, None)).then(|| job(spec, Vec::new()).map(|job| (*number, false, job)))?
        };
        jobs.extend(candidates.iter().filter_map(theirs));
    }
    if !jobs.is_empty() {
        let (places, jobs): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|(number, ours, job)| ((number, ours), job)).unzip();
        for ((number, ours), answer) in places.into_iter().zip(shadow::ask(session, &jobs).await?) {
            // A refusal is told where the wanted ones are judged.
            let Answer::Fine(parts) = answer else { continue };
            let spec = if ours { &mut missing[number].1 } else { &mut entries[number].spec };
            canonical::settle(spec, parts);
        }
    }

    let mut notes = Vec::new();
    for (id, spec, alike) in &missing {
        let same = alike.iter().map(|number| &entries[*number]);
        if let Some(entry) = same.into_iter().find(|entry| entry.spec == *spec) {
            notes.push(format!(
                "`{}` already is what `{id}` is to be; adopt it without a build: rename_from = \"{}\"",
                entry.index.full(),
                entry.index.name
            ));
        }
    }
    Ok(notes)
}

/// Whether two definitions could be one, before anybody has read their expressions.
fn similar(one: &Index, other: &Index) -> bool {
    let shape = |spec: &Index| {
        let blank = vec![String::new(); spec.columns.len()];
        let predicate = spec.predicate.as_ref().map(|_| String::new());
        Index { name: None, columns: blank, predicate, ..spec.clone() }
    };
    shape(one) == shape(other)
}
