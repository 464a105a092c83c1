//! What can be said of declared invalidations: without a server, and by what is there.

use std::collections::BTreeSet;

use super::template::Template;
use super::{Invalidation, KIND, Mode, read, sql};
use crate::model::{ResourceId, text};
use crate::provider::{Pairing, Problem, Want};
use crate::providers::postgres::index::name::Relation;
use crate::providers::postgres::{Settings, Site, Spec};

/// What can be said of the policy without a server.
pub fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let schema = settings.schemas.first().map_or("public", String::as_str);
    let mut problems = Vec::new();
    for want in wants.iter().filter(|want| want.id.kind == KIND.name) {
        let name = want.id.label();
        if name.is_empty() || name.len() > sql::LONGEST || name.contains('\0') {
            problems.push(
                Problem::of(&want.id, format!("`{name}` is no name for triggers"))
                    .hint(format!("give it 1 to {} bytes: its triggers are named after it", sql::LONGEST)),
            );
        }
        if let Some(Spec::Invalidation(spec)) = &want.spec {
            one(&want.id, spec, schema, &mut problems);
        }
    }
    problems
}

fn one(id: &ResourceId, spec: &Invalidation, schema: &str, problems: &mut Vec<Problem>) {
    let Invalidation { table, on, keys, cache, mode, delay, notify: _, broken: _ } = spec;
    let mut tell = |attribute: &str, message: String, hint: &str| {
        let problem = Problem::of(id, message).at(attribute);
        problems.push(if hint.is_empty() { problem } else { problem.hint(hint) });
    };
    if Relation::parse(table, schema).is_none() {
        tell(
            "table",
            format!("`{table}` is no table's name"),
            "write it as \"users\", \"sales.orders\" or '\"Weird Name\"'",
        );
    }
    if on.is_empty() {
        tell("on", "no change would remove a key".to_owned(), "on = [\"insert\", \"update\", \"delete\"]");
    }
    if keys.is_empty() {
        tell("keys", "no key would be removed".to_owned(), "keys = [\"user:{id}\"]");
    }
    for (at, key) in keys.iter().enumerate() {
        if let Err(message) = Template::new(key) {
            tell(&format!("keys.{at}"), message, "");
        }
    }
    if !cache.split_once('.').is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty()) {
        tell("cache", format!("`{cache}` is no target"), "write it as \"redis.cache\"");
    }
    match (mode, delay) {
        (Mode::Immediate, Some(_)) => {
            tell("delay", "`delay` belongs to `mode = \"delayed\"` or `\"lazy\"`".to_owned(), "");
        }
        (_, Some(delay)) if delay.as_millis() == 0 => {
            tell("delay", format!("`{delay}` is less than a millisecond"), "delay = \"5s\"");
        }
        _ => {}
    }
}

/// Brings both sides to one form, and says what the server does not have.
pub fn canonical(site: &Site, pairs: &mut [Pairing<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for pair in pairs.iter_mut().filter(|pair| pair.id.kind == KIND.name) {
        let Spec::Invalidation(want) = &mut pair.want else { continue };
        // Sorted, keys are no longer where they were written.
        let written = std::mem::replace(want, want.clone().settled(&site.schema)).keys;
        let known = &site.invalidation;
        if let Some(reason) = known.foreign.get(pair.id.label()).or(known.obstacle.as_ref()) {
            problems.push(
                Problem::of(&pair.id, reason.clone()).hint("evenkeel never alters what it did not make; move it away"),
            );
        }
        let Some(table) = Relation::parse(&want.table, &site.schema) else { continue };
        match known.tables.get(&table) {
            None => problems.push(Problem::of(&pair.id, format!("there is no table `{}`", table.full())).at("table")),
            Some(read::Table { unfit: Some(what), .. }) => problems.push(
                Problem::of(&pair.id, format!("`{}` {what}", table.full()))
                    .at("table")
                    .hint("name a table or a partitioned table"),
            ),
            Some(there) => problems.extend(strangers(&pair.id, &written, &table, there)),
        }
    }
    problems
}

/// The columns that a table does not have.
fn strangers(id: &ResourceId, keys: &[String], table: &Relation, there: &read::Table) -> Vec<Problem> {
    let templates = keys.iter().enumerate().filter_map(|(at, key)| Some((at, Template::new(key).ok()?)));
    let named: BTreeSet<(usize, String)> =
        templates.flat_map(|(at, key)| key.columns().map(|name| (at, name.to_owned())).collect::<Vec<_>>()).collect();
    let missing = named.into_iter().filter(|(_, name)| !there.columns.contains(name));
    missing
        .map(|(at, name)| {
            let message = format!("`{}` has no column `{name}`", table.full());
            let problem = Problem::of(id, message).at(format!("keys.{at}"));
            match text::nearest(&name, there.columns.iter().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `{{{near}}}`?")),
                None => problem.hint(format!("it has {}", text::list(&there.columns))),
            }
        })
        .collect()
}
