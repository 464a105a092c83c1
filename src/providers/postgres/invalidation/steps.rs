//! What to run for differences of invalidations.

use std::time::Duration;

use super::sql::{self, Plan};
use super::{Invalidation, KIND, read};
use crate::model::{Action, Hazard, Impact, Stage, text};
use crate::provider::{Delta, Draft};
use crate::providers::postgres::index::name::Relation;
use crate::providers::postgres::{Expect, Op, Site, Spec, hazard};

/// How long a statement may take that touches only the catalog.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to run for these differences.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let own: Vec<_> = deltas.iter().filter(|delta| delta.id.kind == KIND.name).collect();
    let mut drafts = Vec::new();
    // A saved live state says only what is declared there: then all of that stands, and so does its outbox.
    let is_saved = site.invalidation.rules.is_empty();
    let mut has_outbox = site.invalidation.has_outbox || (is_saved && own.iter().any(|delta| delta.live.is_some()));
    for delta in &own {
        if let (Action::Create | Action::Update | Action::Replace, Some(Spec::Invalidation(want))) =
            (delta.action, &delta.want)
        {
            drafts.push(make(site, delta, want, has_outbox));
            has_outbox = true;
        }
    }
    let gone: Vec<_> = own.iter().filter(|delta| delta.action == Action::Delete).collect();
    let stays = drafts.len()
        + site.invalidation.rules.keys().filter(|rule| !gone.iter().any(|d| d.id.label() == *rule)).count();
    for (at, delta) in gone.iter().enumerate() {
        let is_last = at + 1 == gone.len() && stays == 0 && has_outbox;
        drafts.push(remove(site, delta, is_last));
    }
    drafts
}

fn draft(
    site: &Site,
    delta: &Delta<Spec>,
    stage: Stage,
    title: String,
    sql: String,
    proof: String,
    hazards: Vec<Hazard>,
) -> Draft<Op> {
    let lock_timeout = site.lock_timeout;
    Draft {
        stage,
        title,
        covers: vec![delta.id.clone()],
        hazards,
        timeout: PATIENCE,
        lock_timeout: Some(lock_timeout),
        impact: Impact::Runtime,
        op: Op { sql, lock_timeout, statement_timeout: PATIENCE, after: Expect::Holds(proof) },
    }
}

fn make(site: &Site, delta: &Delta<Spec>, want: &Invalidation, has_outbox: bool) -> Draft<Op> {
    let name = delta.id.label();
    let own = Relation::parse(&want.table, &site.schema).unwrap_or_else(|| Relation::new(&site.schema, &want.table));
    let known = site.invalidation.tables.get(&own).cloned().unwrap_or_default();
    let plan = Plan {
        name,
        spec: want,
        mark: read::mark(want, &site.schema),
        tables: known.stands_on(&own).collect(),
        steady: &known.steady,
    };
    let there = site.invalidation.rules.get(name).map_or(&[][..], Vec::as_slice);
    let outbox = if has_outbox { "" } else { sql::MAKE_OUTBOX };
    let sql = sql::block(&format!("{outbox}{}", plan.make(there)));
    let mut hazards = Vec::new();
    if delta.live.is_none() {
        hazards.push(hazard::ADDS_TRIGGER.with(format!(
            "{}; every statement adds {}",
            traffic(site, &own, known.writes),
            cost(want)
        )));
    }
    let partitions = match plan.tables.len() {
        0 | 1 => String::new(),
        n => format!(" and {}", text::count(n - 1, "partition")),
    };
    hazards.push(
        hazard::LOCKS_BRIEFLY.with(format!("writers of `{}`{partitions} wait until the triggers stand", own.full())),
    );
    if let Some(Spec::Invalidation(live)) = &delta.live
        && let Some(lost) = lost(live, want)
    {
        hazards.push(hazard::DROPS_TRIGGER.with(lost));
    }
    let title = match &delta.live {
        None => format!("put changes of {} into the outbox", own.full()),
        Some(_) => format!("change what changes of {} put into the outbox", own.full()),
    };
    draft(site, delta, Stage::Expand, title, sql, plan.proof(), hazards)
}

/// What statements pay, in words.
fn cost(want: &Invalidation) -> String {
    let rows = text::count(want.keys.len(), "outbox row");
    let columns = want.keys.iter().any(|key| key.contains('{'));
    if columns { format!("{rows} for each row it changes, at most") } else { rows }
}

fn traffic(site: &Site, table: &Relation, writes: i64) -> String {
    let rows = text::thousands(writes.unsigned_abs());
    match site.stats_age {
        Some(age) if age > 0 => format!(
            "{rows} rows of `{}` were written in the last {}",
            table.full(),
            text::span(Duration::from_secs(age.unsigned_abs()))
        ),
        _ => format!("{rows} rows of `{}` were written since statistics began", table.full()),
    }
}

/// What is no longer removed from the cache, in words.
fn lost(live: &Invalidation, want: &Invalidation) -> Option<String> {
    let mut lost = Vec::new();
    if live.table != want.table {
        lost.push(format!("`{}` is not watched any more", live.table));
    }
    if live.cache != want.cache {
        lost.push(format!("keys in `{}` stay", live.cache));
    }
    let keys: Vec<_> = live.keys.iter().filter(|key| !want.keys.contains(key)).collect();
    if !keys.is_empty() {
        lost.push(format!("{} stays whatever changes", text::list(keys)));
    }
    let events: Vec<_> = live.on.iter().filter(|event| !want.on.contains(event)).collect();
    if !events.is_empty() {
        lost.push(format!(
            "{} removes no key",
            text::either(events.iter().map(|event| format!("{event:?}").to_lowercase()))
        ));
    }
    (!lost.is_empty()).then(|| format!("{} from now on", lost.join("; ")))
}

fn remove(site: &Site, delta: &Delta<Spec>, is_last: bool) -> Draft<Op> {
    let name = delta.id.label();
    let function = sql::function(name);
    let mut statements = String::new();
    for trigger in site.invalidation.rules.get(name).into_iter().flatten() {
        statements.push_str(&format!(
            "drop trigger {} on {};\n",
            crate::providers::postgres::quote::ident(&trigger.name),
            trigger.table.full()
        ));
    }
    statements.push_str(&format!("drop function {function}();\n"));
    if is_last {
        statements.push_str(sql::DROP_OUTBOX);
    }
    let keys = match &delta.live {
        Some(Spec::Invalidation(live)) => format!(
            "{} in `{}` stay whatever changes in `{}`, from now on",
            text::list(&live.keys),
            live.cache,
            live.table
        ),
        _ => "keys go stale from now on".to_owned(),
    };
    let waiting = match delta.facts.int("waiting") {
        Some(0) => "; nothing waits in the outbox".to_owned(),
        Some(rows) => format!(
            "; {} in the outbox stay for the worker",
            text::count(usize::try_from(rows).unwrap_or_default(), "row")
        ),
        None => String::new(),
    };
    let proof = format!(
        "select to_regprocedure({}) is null",
        crate::providers::postgres::quote::literal(&format!("{function}()"))
    );
    let hazards = vec![hazard::DROPS_TRIGGER.with(keys + &waiting)];
    draft(
        site,
        delta,
        Stage::Contract,
        format!("remove the invalidation {name}"),
        sql::block(&statements),
        proof,
        hazards,
    )
}
