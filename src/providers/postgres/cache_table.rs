//! The kind `cache_table`: a table that serves as the database level of a cache.
//!
//! `name (key text, value jsonb, created_at, expires_at)`, an index on `expires_at`, and the function `name_sweep(batch)`, which deletes
//! what has expired and what is too much. How it was declared is kept in the table's comment; a table without one is somebody else's.

use std::collections::{HashMap, HashSet};
use std::time::Duration as StdDuration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row};

use super::connect::{Endpoint, Purpose, Session};
use super::frame::Found;
use super::index::name::{Relation, index_of};
use super::{Expect, Op, Settings, Site, Spec, failure, hazard, quote};
use crate::error::Result;
use crate::model::units::Duration;
use crate::model::{Action, Comparison, Facts, Hazard, Impact, Kind, Many, ResourceId, Stage, text};
use crate::provider::{Breadth, Delta, Draft, Live, Pairing, Problem, Scope, Want};

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "cache_table",
    doc: "a table with expiring rows, the database level of a cache",
    comparison: Comparison::Whole,
    many: Many::Named,
    replaces: &[],
    prunable: true,
};

/// A table that serves as the database level of a cache. Its name is the resource's name, `page_cache` or `schema.page_cache`.
///
/// It has the columns `key text`, `value jsonb`, `created_at` and `expires_at`; `select name_sweep(1000)` deletes up to 1000 rows that have
/// expired, and up to 1000 of those that expire first while there are more than `max_rows`; call it until it answers 0. `evenkeel serve` and `evenkeel invalidate` do so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheTable {
    /// How long a row lives that is written without `expires_at`.
    pub ttl: Duration,
    /// How many rows the sweep leaves.
    pub max_rows: u32,
    /// Whether it is not written to the log: much faster, empty after a crash, not on standbys.
    #[serde(default = "yes")]
    pub unlogged: bool,
    /// Only read, never written: what of the table is not as it was made; none where all is well.
    #[serde(skip_deserializing, default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<Part>,
}

/// A part that can be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The default of `expires_at`.
    Default,
    /// The index on `expires_at`.
    Index,
    /// The function that sweeps.
    Sweep,
}

/// What the table's comment says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    evenkeel: String,
    ttl: Duration,
    max_rows: u32,
}

/// How long a statement may take that touches only the catalog.
const PATIENCE: StdDuration = StdDuration::from_secs(30);

/// How many rows the worker has a sweep delete at a time.
const BATCH: u64 = 1_000;

/// No more rows than this are counted for evidence.
const COUNTED: u32 = 1_000_000;

fn yes() -> bool {
    true
}

/// The name of a cache table's index.
fn index(table: &Relation) -> String {
    format!("{}_expires_at_idx", table.name)
}

/// The name of a cache table's function, as a statement writes it.
fn function(table: &Relation) -> String {
    quote::qualified(&table.schema, &format!("{}_sweep", table.name))
}

impl CacheTable {
    /// The default of `expires_at` as it is written; the server prints it as [`Self::deparsed`].
    fn default(&self) -> String {
        format!("now() + make_interval(secs => {})", seconds(self.ttl))
    }

    fn deparsed(&self) -> String {
        format!("(now() + make_interval(secs => ({})::double precision))", seconds(self.ttl))
    }

    fn mark(&self) -> String {
        let mark = Mark { evenkeel: KIND.name.into(), ttl: self.ttl, max_rows: self.max_rows };
        serde_json::to_string(&mark).expect("plain data always serialises")
    }

    /// The function's body. Rows that somebody else has locked are left for the next call.
    fn body(&self, names: &Relation) -> String {
        let (table, max) = (names.full(), self.max_rows);
        format!(
            "\n  with expired as (\n    delete from {table} where key in (\n      \
             select key from {table} where expires_at <= now() order by expires_at limit batch for update skip locked)\n    returning 1\n  ), \
             surplus as (\n    delete from {table} where key in (\n      \
             select key from {table} where expires_at > now() order by expires_at\n      \
             limit least(batch, greatest(0, (select count(*) from {table} where expires_at > now()) - {max})) for update skip locked)\n    returning 1\n  )\n  \
             select (select count(*) from expired) + (select count(*) from surplus)\n"
        )
    }

    fn sweep(&self, names: &Relation) -> String {
        format!(
            "create or replace function {}(batch bigint default 1000) returns bigint language sql as $sweep${}$sweep$",
            function(names),
            self.body(names)
        )
    }
}

fn seconds(ttl: Duration) -> u64 {
    ttl.as_secs()
}

/// What can be said of the policy without a server.
pub fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let schema = settings.schemas.first().map_or("public", String::as_str);
    let mut problems = Vec::new();
    let mut seen: HashMap<Relation, &ResourceId> = HashMap::new();
    for want in wants.iter().filter(|want| want.id.kind == KIND.name) {
        let Some(names) = Relation::parse(want.id.label(), schema) else {
            problems.push(
                Problem::of(&want.id, format!("`{}` is no table's name", want.id.label()))
                    .hint("write it as page_cache or \"schema.page_cache\""),
            );
            continue;
        };
        // The longest name made from it is the index's; the server would cut it silently.
        if index(&names).len() > 63 {
            problems.push(
                Problem::of(&want.id, format!("`{}` is too long: its index's name would exceed 63 bytes", names.name))
                    .hint("shorten it to 48 bytes"),
            );
        }
        if let Some(other) = seen.insert(names, &want.id) {
            problems.push(Problem::of(&want.id, format!("`{other}` is the same table")));
        }
        if let Some(Spec::CacheTable(table)) = &want.spec {
            if table.ttl.as_micros() % 1_000_000 != 0 || seconds(table.ttl) == 0 {
                problems.push(
                    Problem::of(&want.id, format!("`{}` is no whole number of seconds", table.ttl))
                        .at("ttl")
                        .hint("write it as \"24h\" or \"90s\""),
                );
            }
            if table.max_rows == 0 {
                problems.push(Problem::of(&want.id, "a cache of no rows holds nothing").at("max_rows"));
            }
        }
    }
    problems
}

const TABLES: &str = "select n.nspname::text as schema, c.relname::text as name, c.relkind::text as relkind, \
        obj_description(c.oid, 'pg_class') as mark, c.relpersistence = 'u' as unlogged, pg_total_relation_size(c.oid) as bytes, \
        has_table_privilege(c.oid, 'select') as readable, \
        (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum) \
            from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns, \
        (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum \
            where d.adrelid = c.oid and a.attname = 'expires_at') as expiry, \
        exists (select from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_attribute a on a.attrelid = c.oid and a.attname = 'expires_at' \
            where i.indrelid = c.oid and i.indkey::text = a.attnum::text and i.indisvalid and i.indpred is null \
            and ic.relname = c.relname || '_expires_at_idx') as indexed, \
        (select p.prosrc from pg_proc p where p.pronamespace = n.oid and p.proname = c.relname || '_sweep' \
            and p.pronargs = 1 and p.proargtypes[0] = 'int8'::regtype) as sweep \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'v', 'm', 'f') \
        and ((n.nspname, c.relname) in (select * from unnest($1::text[], $2::text[])) \
            or ($3 and n.nspname = any($4) and obj_description(c.oid, 'pg_class') like '{\"evenkeel\":\"cache_table\"%'))";

/// The columns of a cache table, as the catalog spells them.
const COLUMNS: &str = "key text, value jsonb, created_at timestamp with time zone, expires_at timestamp with time zone";

/// Reads the declared ones, and with `Breadth::Everything` all that evenkeel made in the target's schemas: one round trip, and one for counts.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    session: &mut Session,
    settings: &Settings,
    scope: &Scope<'_, Spec>,
    site: &mut Site,
    found: &mut Found,
) -> Result<()> {
    let wanted: HashMap<Relation, &ResourceId> = scope
        .wanted
        .iter()
        .filter(|want| want.id.kind == KIND.name)
        .filter_map(|want| Some((Relation::parse(want.id.label(), &site.schema)?, &want.id)))
        .collect();
    let everything = scope.breadth == Breadth::Everything;
    if wanted.is_empty() && !everything {
        return Ok(());
    }
    let (schemas, tables): (Vec<&str>, Vec<&str>) =
        wanted.keys().map(|names| (names.schema.as_str(), names.name.as_str())).unzip();
    let rows = sqlx::query(TABLES)
        .bind(schemas)
        .bind(tables)
        .bind(everything)
        .bind(&settings.schemas)
        .fetch_all(&mut session.conn)
        .await
        .map_err(failure::explain)?;
    let mut counted = Vec::new();
    let mut own_indexes = HashSet::new();
    for row in rows {
        let names = Relation {
            schema: row.try_get("schema").map_err(failure::explain)?,
            name: row.try_get("name").map_err(failure::explain)?,
        };
        let id = match wanted.get(&names) {
            Some(id) => (*id).clone(),
            None => ResourceId::named(KIND.name, names.brief(&site.schema)),
        };
        match row_to_spec(&row, &names).map_err(failure::explain)? {
            Ok(spec) => {
                own_indexes.insert(Relation::new(names.schema.clone(), index(&names)));
                if row.try_get("readable").map_err(failure::explain)? {
                    counted.push((found.live.len(), names));
                }
                let bytes: i64 = row.try_get("bytes").map_err(failure::explain)?;
                let facts = Facts::default().with("bytes", bytes);
                found.live.push(Live { id, spec: Spec::CacheTable(spec), facts });
            }
            Err(reason) if wanted.contains_key(&names) => {
                site.foreign.insert(id.label().to_owned(), reason);
            }
            Err(_) => {}
        }
    }
    count(session, &counted, found).await?;
    // A cache table's index is part of it: neither unmanaged nor to be pruned.
    if !own_indexes.is_empty() {
        let declared: HashSet<&ResourceId> = scope.wanted.iter().map(|want| &want.id).collect();
        found.live.retain(|live| match &live.spec {
            Spec::Index(spec) if !declared.contains(&live.id) => {
                !index_of(&live.id, spec, &site.schema).is_some_and(|index| own_indexes.contains(&index))
            }
            _ => true,
        });
    }
    Ok(())
}

/// The table as it is, or why it is none of ours.
fn row_to_spec(row: &sqlx::postgres::PgRow, names: &Relation) -> Result<Result<CacheTable, String>, sqlx::Error> {
    let foreign = |what: &str| Ok(Err(format!("`{}` is there already, and {what}", names.full())));
    let mark: Option<String> = row.try_get("mark")?;
    let Some(mark) = mark.and_then(|mark| serde_json::from_str::<Mark>(&mark).ok()) else {
        return foreign("was not made by evenkeel");
    };
    let (relkind, columns): (String, Option<String>) = (row.try_get("relkind")?, row.try_get("columns")?);
    if relkind != "r" || columns.as_deref() != Some(COLUMNS) {
        return foreign("has other columns than evenkeel gave it");
    }
    let mut table =
        CacheTable { ttl: mark.ttl, max_rows: mark.max_rows, unlogged: row.try_get("unlogged")?, broken: Vec::new() };
    let (expiry, sweep): (Option<String>, Option<String>) = (row.try_get("expiry")?, row.try_get("sweep")?);
    if expiry.as_deref() != Some(&table.deparsed()) {
        table.broken.push(Part::Default);
    }
    if !row.try_get::<bool, _>("indexed")? {
        table.broken.push(Part::Index);
    }
    if sweep.as_deref() != Some(&table.body(names)) {
        table.broken.push(Part::Sweep);
    }
    Ok(Ok(table))
}

/// Counts rows, for evidence: all tables in one round trip, none further than a million.
async fn count(session: &mut Session, counted: &[(usize, Relation)], found: &mut Found) -> Result<()> {
    if counted.is_empty() {
        return Ok(());
    }
    let queries: Vec<_> = counted
        .iter()
        .map(|(at, names)| {
            format!(
                "select {at}::int8 as at, count(*) as rows, count(*) filter (where expires_at <= now()) as expired \
                 from (select expires_at from {} limit {COUNTED}) t",
                names.full()
            )
        })
        .collect();
    let query = sqlx::query(AssertSqlSafe(queries.join(" union all "))).persistent(false);
    // Evidence is worth no failure: a table that somebody has locked is not counted.
    let rows = match query.fetch_all(&mut session.conn).await {
        Err(sqlx::Error::Database(_)) => Vec::new(),
        answer => answer.map_err(failure::explain)?,
    };
    for row in rows {
        let read = || -> Result<(i64, i64, i64), sqlx::Error> {
            Ok((row.try_get("at")?, row.try_get("rows")?, row.try_get("expired")?))
        };
        let (at, rows, expired) = read().map_err(failure::explain)?;
        if let Some(live) = usize::try_from(at).ok().and_then(|at| found.live.get_mut(at)) {
            live.facts = std::mem::take(&mut live.facts).with("rows", rows).with("expired", expired);
        }
    }
    Ok(())
}

/// Has every declared cache table delete what has expired and what is too much; those that are not there yet, or not ours, are left alone.
///
/// # Errors
/// As connecting and any statement.
pub async fn sweep(endpoint: &Endpoint, settings: &Settings, wants: &[Want<Spec>]) -> Result<Vec<(ResourceId, u64)>> {
    let schema = settings.schemas.first().map_or("public", String::as_str);
    let declared = wants.iter().filter(|want| matches!(want.spec, Some(Spec::CacheTable(_))));
    let mut swept = Vec::new();
    let mut session: Option<Session> = None;
    for want in declared {
        let Some(names) = Relation::parse(want.id.label(), schema) else { continue };
        let session = match &mut session {
            Some(session) => session,
            none => none.insert(endpoint.open(Purpose::Write, "evenkeel worker", settings.lock_timeout.std()).await?),
        };
        let mine = format!(
            "select coalesce(to_regprocedure({}) is not null and obj_description(to_regclass({}), 'pg_class') like '{{\"evenkeel\":\"cache_table\"%', false)",
            quote::literal(&format!("{}(bigint)", function(&names))),
            quote::literal(&names.full())
        );
        if !session.ask(&mine).await.map_err(failure::explain)? {
            continue;
        }
        let batch = format!("select {}({BATCH})", function(&names));
        let mut gone = 0;
        loop {
            let query = sqlx::query_scalar(AssertSqlSafe(batch.as_str())).persistent(false);
            let rows: i64 = query.fetch_one(&mut session.conn).await.map_err(failure::explain)?;
            gone += rows.unsigned_abs();
            // Less than a batch: what is left is locked by somebody, or has come since.
            if rows.unsigned_abs() < BATCH {
                break;
            }
        }
        swept.push((want.id.clone(), gone));
    }
    Ok(swept)
}

/// Says which names are taken by somebody else. Both sides are in one form as they are read.
pub fn canonical(site: &Site, pairs: &[Pairing<Spec>]) -> Vec<Problem> {
    let cache_tables = pairs.iter().filter(|pair| pair.id.kind == KIND.name);
    cache_tables
        .filter_map(|pair| {
            let reason = site.foreign.get(pair.id.label())?;
            let hint = "give the cache table another name; evenkeel never alters a table that it did not make";
            Some(Problem::of(&pair.id, reason.clone()).hint(hint))
        })
        .collect()
}

/// What to run for these differences.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let mut drafts = Vec::new();
    for delta in deltas.iter().filter(|delta| delta.id.kind == KIND.name) {
        let Some(names) = Relation::parse(delta.id.label(), &site.schema) else { continue };
        let work = Work { site, delta, names };
        match (delta.action, &delta.want, &delta.live) {
            (Action::Delete, _, _) => drafts.push(work.remove()),
            (_, Some(Spec::CacheTable(want)), Some(Spec::CacheTable(live))) => drafts.extend(work.change(want, live)),
            (_, Some(Spec::CacheTable(want)), _) => drafts.push(work.make(want)),
            _ => {}
        }
    }
    drafts
}

/// One delta and its names.
struct Work<'a> {
    site: &'a Site,
    delta: &'a Delta<Spec>,
    names: Relation,
}

impl Work<'_> {
    fn draft(&self, stage: Stage, title: String, sql: String, proof: String, hazards: Vec<Hazard>) -> Draft<Op> {
        let lock_timeout = self.site.lock_timeout;
        Draft {
            stage,
            title,
            covers: vec![self.delta.id.clone()],
            hazards,
            timeout: PATIENCE,
            lock_timeout: Some(lock_timeout),
            impact: Impact::Runtime,
            op: Op { sql, lock_timeout, statement_timeout: PATIENCE, after: Expect::Holds(proof) },
        }
    }

    /// All of it at once: a table without its comment would be taken for somebody else's.
    fn make(&self, want: &CacheTable) -> Draft<Op> {
        let (table, kind) = (self.names.full(), if want.unlogged { "unlogged table" } else { "table" });
        let sql = format!(
            "do $evenkeel$\nbegin\n\
             create {kind} {table} (\n  key text primary key,\n  value jsonb not null,\n  \
             created_at timestamptz not null default now(),\n  expires_at timestamptz not null default {}\n);\n\
             comment on table {table} is {};\ncreate index {} on {table} (expires_at);\n{};\nend\n$evenkeel$",
            want.default(),
            quote::literal(&want.mark()),
            quote::ident(&index(&self.names)),
            want.sweep(&self.names).replacen("create or replace", "create", 1),
        );
        self.draft(Stage::Expand, format!("create cache table {table}"), sql, self.is_marked(want), Vec::new())
    }

    fn change(&self, want: &CacheTable, live: &CacheTable) -> Vec<Draft<Op>> {
        let (table, names) = (self.names.full(), &self.names);
        let is_broken = |part| live.broken.contains(&part);
        let mut drafts = Vec::new();
        if want.unlogged != live.unlogged {
            let (word, state) = if want.unlogged { ("unlogged", "u") } else { ("logged", "p") };
            let size = self
                .delta
                .facts
                .int("bytes")
                .and_then(|bytes| u64::try_from(bytes).ok())
                .map_or("of unknown size".into(), text::size);
            drafts.push(self.draft(
                Stage::Shift,
                format!("make {table} {word}"),
                format!("alter table {table} set {word}"),
                format!("select coalesce((select relpersistence = '{state}' from pg_catalog.pg_class where oid = to_regclass({})), false)", quote::literal(&table)),
                vec![hazard::REWRITES_TABLE.with(format!("{table}, {size}, is written anew; nobody can use it meanwhile"))],
            ));
        }
        if want.ttl != live.ttl || is_broken(Part::Default) {
            let sql = format!("alter table {table} alter column expires_at set default {}", want.default());
            let hazards = if want.ttl < live.ttl {
                vec![hazard::SHORTENS_TTL.with(format!(
                    "new rows live {} instead of {}; those that are there keep their time",
                    want.ttl, live.ttl
                ))]
            } else {
                Vec::new()
            };
            drafts.push(self.draft(
                Stage::Shift,
                format!("rows of {table} expire after {}", want.ttl),
                sql,
                self.has_default(want),
                hazards,
            ));
        }
        if is_broken(Part::Index) {
            // The table is a cache, and bounded: its index is built in an instant.
            let sql = format!("create index {} on {table} (expires_at)", quote::ident(&index(names)));
            let proof = format!(
                "select to_regclass({}) is not null",
                quote::literal(&quote::qualified(&names.schema, &index(names)))
            );
            drafts.push(self.draft(Stage::Expand, format!("index {table} by expiry"), sql, proof, Vec::new()));
        }
        if want.max_rows != live.max_rows || is_broken(Part::Sweep) {
            let title = format!("sweep {table} down to {} rows", text::thousands(want.max_rows.into()));
            drafts.push(self.draft(Stage::Shift, title, want.sweep(names), self.has_sweep(want), self.evictions(want)));
        }
        if want.ttl != live.ttl || want.max_rows != live.max_rows {
            let sql = format!("comment on table {table} is {}", quote::literal(&want.mark()));
            drafts.push(self.draft(
                Stage::Shift,
                format!("note on {table} how it is declared"),
                sql,
                self.is_marked(want),
                Vec::new(),
            ));
        }
        drafts
    }

    /// What the next sweep deletes that the last one would have left.
    fn evictions(&self, want: &CacheTable) -> Vec<Hazard> {
        let facts = &self.delta.facts;
        let Some(rows) = facts.int("rows") else { return Vec::new() };
        let kept = rows - facts.int("expired").unwrap_or(0);
        let gone = kept - i64::from(want.max_rows);
        if gone <= 0 {
            return Vec::new();
        }
        let number = |n: i64| text::thousands(u64::try_from(n).unwrap_or_default());
        let more = if rows >= i64::from(COUNTED) { "at least " } else { "" };
        vec![hazard::EVICTS_ROWS.with(format!(
            "{more}{} of {} live rows go at the next sweep",
            number(gone),
            number(kept)
        ))]
    }

    fn remove(&self) -> Draft<Op> {
        let table = self.names.full();
        let facts = &self.delta.facts;
        let rows = match facts.int("rows").and_then(|rows| usize::try_from(rows).ok()) {
            Some(rows) if rows >= COUNTED as usize => format!("more than {}", text::count(rows, "row")),
            Some(rows) => text::count(rows, "row"),
            None => "an unknown number of rows".into(),
        };
        let size = facts
            .int("bytes")
            .and_then(|bytes| u64::try_from(bytes).ok())
            .map_or(String::new(), |bytes| format!(", {}", text::size(bytes)));
        let sql = format!(
            "do $evenkeel$\nbegin\ndrop function if exists {}(bigint);\ndrop table {table};\nend\n$evenkeel$",
            function(&self.names)
        );
        let proof = format!("select to_regclass({}) is null", quote::literal(&table));
        self.draft(
            Stage::Contract,
            format!("drop cache table {table}"),
            sql,
            proof,
            vec![hazard::DROPS_DATA.with(format!("{rows}{size}"))],
        )
    }

    fn is_marked(&self, want: &CacheTable) -> String {
        format!(
            "select coalesce(obj_description(to_regclass({}), 'pg_class') = {}, false)",
            quote::literal(&self.names.full()),
            quote::literal(&want.mark())
        )
    }

    fn has_default(&self, want: &CacheTable) -> String {
        format!(
            "select exists (select from pg_catalog.pg_attrdef d join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum \
             where d.adrelid = to_regclass({}) and a.attname = 'expires_at' and pg_get_expr(d.adbin, d.adrelid) = {})",
            quote::literal(&self.names.full()),
            quote::literal(&want.deparsed())
        )
    }

    fn has_sweep(&self, want: &CacheTable) -> String {
        format!(
            "select coalesce((select prosrc = {} from pg_catalog.pg_proc where oid = to_regprocedure({})), false)",
            quote::literal(&want.body(&self.names)),
            quote::literal(&format!("{}(bigint)", function(&self.names)))
        )
    }
}
