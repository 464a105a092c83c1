//! From differences to steps: one transaction per resource. SQLite cannot rename an index, so a new definition replaces the old one inside
//! a transaction: readers see the one or the other, never none.

use std::time::Duration;

use super::cache_table::CacheTable;
use super::index::Index;
use super::op::Op;
use super::schema::Rows;
use super::site::Site;
use super::{BUILDS_INDEX, DROPS_DATA, DROPS_INDEX, EVICTS_ROWS, REFUSES_DUPLICATES, Spec};
use crate::model::{Hazard, Impact, Stage, text};
use crate::provider::{Delta, Draft};

/// For what reads a whole table, which takes as long as it takes.
const BUILD_TIMEOUT: Duration = Duration::from_hours(2);
/// For what only changes the schema.
const SCHEMA_TIMEOUT: Duration = Duration::from_mins(5);

/// What to run for these differences.
pub fn draft(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    deltas.iter().filter_map(|delta| draft_one(site, delta)).collect()
}

fn draft_one(site: &Site, delta: &Delta<Spec>) -> Option<Draft<Op>> {
    let name = delta.id.label();
    let drop = format!("drop index {}", super::token::quote(name));
    let (stage, title, statements, hazards) = match (&delta.live, &delta.want) {
        (None, Some(Spec::Index(want))) => {
            (Stage::Expand, format!("build index {name}"), build(site, name, want), builds(site, want))
        }
        (Some(Spec::Index(live)), Some(Spec::Index(want))) => {
            let statements = [vec![drop], build(site, name, want)].concat();
            let mut hazards = builds(site, want);
            if live.unique && !(want.unique && want == &Index { unique: true, ..live.clone() }) {
                hazards.push(drops(site, name, live));
            }
            (Stage::Shift, format!("rebuild index {name}"), statements, hazards)
        }
        (Some(Spec::Index(live)), None) => {
            (Stage::Contract, format!("drop index {name}"), vec![drop], vec![drops(site, name, live)])
        }
        (None, Some(Spec::CacheTable(want))) => {
            (Stage::Expand, format!("make cache table {name}"), want.create(name), Vec::new())
        }
        (Some(Spec::CacheTable(live)), Some(Spec::CacheTable(want))) => {
            (Stage::Shift, format!("bound cache table {name}"), want.bound(name), evicts(site, name, live, want))
        }
        (Some(Spec::CacheTable(_)), None) => {
            let hazard = DROPS_DATA.with(format!("`{name}` holds {}", site.rows(name)));
            let statement = format!("drop table {}", super::token::quote(name));
            (Stage::Contract, format!("drop cache table {name}"), vec![statement], vec![hazard])
        }
        _ => return None,
    };
    let timeout = if delta.want.is_some() { BUILD_TIMEOUT } else { SCHEMA_TIMEOUT };
    Some(Draft {
        stage,
        title,
        covers: vec![delta.id.clone()],
        hazards,
        timeout,
        lock_timeout: Some(site.busy_timeout.std()),
        impact: Impact::Runtime,
        op: Op { id: delta.id.clone(), statements, before: delta.live.clone(), after: delta.want.clone() },
    })
}

/// Where the database has statistics, an index without them would be judged by a guess beside others that were measured.
fn build(site: &Site, name: &str, index: &Index) -> Vec<String> {
    let mut statements = vec![index.create(name)];
    if site.analyzed {
        statements.push(format!("analyze main.{}", super::token::quote(name)));
    }
    statements
}

fn builds(site: &Site, index: &Index) -> Vec<Hazard> {
    let (table, rows) = (&index.table, site.rows(&index.table));
    let readers = if site.readers_go_on() { "readers go on" } else { "readers wait while it is committed" };
    let mut hazards =
        vec![BUILDS_INDEX.with(format!("reads {rows} of `{table}`; writers wait until it is done, {readers}"))];
    if index.unique {
        let columns = text::list(&index.columns);
        hazards.push(
            REFUSES_DUPLICATES
                .with(format!("fails if rows of `{table}` agree in {columns}, and refuses such from then on")),
        );
    }
    hazards
}

fn evicts(site: &Site, name: &str, live: &CacheTable, want: &CacheTable) -> Vec<Hazard> {
    let grows = live.max_rows != 0 && want.max_rows >= live.max_rows;
    if grows || matches!(site.rows(name), Rows::Exact(rows) if rows <= want.max_rows.into()) {
        return Vec::new();
    }
    let most = text::thousands(want.max_rows.into());
    vec![EVICTS_ROWS.with(format!("`{name}` holds {}; the next write leaves the newest {most}", site.rows(name)))]
}

fn drops(site: &Site, name: &str, index: &Index) -> Hazard {
    let mut evidence = vec![format!("`{}` has {}", index.table, site.rows(&index.table))];
    let same = |found: &String| found.eq_ignore_ascii_case(name);
    let mut statistics = site.schema.statistics.iter().flatten();
    let statistic = statistics.find(|statistic| statistic.index.as_ref().is_some_and(same));
    if let Some(rows) = statistic.and_then(|statistic| statistic.stat.split(' ').nth(1)?.parse().ok()) {
        evidence.push(format!("it narrows them to about {}", text::thousands(rows)));
    }
    if index.unique {
        evidence.push("duplicates are accepted from then on".into());
    }
    if let Some(table) = site.schema.table(&index.table).filter(|_| index.unique) {
        let columns = index.plain_columns(table).unwrap_or_default();
        let needs = site.schema.references.iter().filter(|reference| {
            reference.to.eq_ignore_ascii_case(&table.name)
                && !columns.is_empty()
                && reference.columns.iter().eq(columns.iter())
        });
        let tables: Vec<_> = needs.map(|reference| reference.from.as_str()).collect();
        if !tables.is_empty() {
            evidence.push(format!("foreign keys of {} need it", text::list(tables)));
        }
    }
    evidence.push("SQLite does not count how often an index is used".into());
    DROPS_INDEX.with(evidence.join(", "))
}
