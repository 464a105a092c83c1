//! Reading invalidations: one round trip for what is there, one for the tables they stand on, one for what waits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::sql::{self, Plan, Trigger};
use super::{Invalidation, KIND, Part, SCHEMA};
use crate::error::Result;
use crate::model::{Facts, ResourceId};
use crate::provider::{Breadth, Live, Scope};
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::frame::Found;
use crate::providers::postgres::index::name::Relation;
use crate::providers::postgres::{Settings, Site, Spec, failure};

/// What is known beyond what is compared.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The tables that invalidations stand on or are to stand on.
    pub tables: BTreeMap<Relation, Table>,
    /// Every invalidation of the database, declared or not, with the triggers that call its function.
    pub rules: BTreeMap<String, Vec<Trigger>>,
    /// Functions that stand where one of ours should, each with why it is none.
    pub foreign: BTreeMap<String, String>,
    /// Whether the outbox is there.
    pub has_outbox: bool,
    /// Why there can be no outbox.
    pub obstacle: Option<String>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its columns.
    pub columns: Vec<String>,
    /// Those whose text no setting of a session changes.
    pub steady: BTreeSet<String>,
    /// Its partitions at every depth.
    pub partitions: Vec<Relation>,
    /// Why no trigger of ours can stand on it.
    pub unfit: Option<String>,
    /// Rows written since the statistics began, partitions counted.
    pub writes: i64,
}

/// What a function's comment says.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    evenkeel: String,
    declared: Invalidation,
}

/// The comment of the function of `spec`, whose table is written as in `schema`.
pub fn mark(spec: &Invalidation, schema: &str) -> String {
    let mut declared = spec.clone();
    declared.broken.clear();
    if let Some(table) = Relation::parse(&declared.table, schema) {
        declared.table = table.full();
    }
    let mark = Mark { evenkeel: KIND.name.into(), declared };
    serde_json::to_string(&mark).expect("plain data always serialises")
}

const OUTBOX: &str = "select (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum) \
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns, \
    has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'evenkeel' and c.relname = 'outbox'";

/// `STEADY` stands for the types.
const TABLES: &str = "with recursive picked as (select c.oid, c.oid as root from pg_class c join pg_namespace n on n.oid = c.relnamespace \
        where (n.nspname, c.relname) in (select * from unnest($1::text[], $2::text[])) \
        union all select i.inhrelid, p.root from picked p join pg_class r on r.oid = p.oid and r.relkind = 'p' join pg_inherits i on i.inhparent = p.oid) \
    select n.nspname::text as schema, c.relname::text as name, c.relkind::text as relkind, c.relpersistence::text as persistence, \
        array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns, \
        array(select a.attname::text from pg_attribute a join pg_type t on t.oid = a.atttypid \
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
            and (t.typtype = 'e' or t.typnamespace = 'pg_catalog'::regnamespace and t.typname in (STEADY))) as steady, \
        pn.nspname::text as part_schema, pc.relname::text as part, pc.relkind::text as part_kind, \
        coalesce((select n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables s where s.relid = pc.oid), 0)::int8 as writes \
    from picked p join pg_class c on c.oid = p.root join pg_namespace n on n.oid = c.relnamespace \
        join pg_class pc on pc.oid = p.oid join pg_namespace pn on pn.oid = pc.relnamespace order by 1, 2, 6, 7";

const WAITING: &str =
    "select rule, count(*) as rows from (select rule from evenkeel.outbox limit 1000000) w group by rule";

/// Reads them.
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
    let wanted: HashMap<&str, &ResourceId> =
        scope.wanted.iter().filter(|want| want.id.kind == KIND.name).map(|want| (want.id.label(), &want.id)).collect();
    if wanted.is_empty() && scope.breadth == Breadth::Declared {
        return Ok(());
    }
    gather(session, settings, scope, &wanted, site, found).await.map_err(failure::explain)
}

async fn gather(
    session: &mut Session,
    settings: &Settings,
    scope: &Scope<'_, Spec>,
    wanted: &HashMap<&str, &ResourceId>,
    site: &mut Site,
    found: &mut Found,
) -> Result<(), sqlx::Error> {
    let mut known = Known::default();
    let mut readable = false;
    if let Some(row) = sqlx::query(OUTBOX).fetch_optional(&mut session.conn).await? {
        readable = row.try_get("readable")?;
        known.has_outbox = row.try_get::<Option<&str>, _>("columns")? == Some(sql::COLUMNS);
        if !known.has_outbox {
            known.obstacle =
                Some(format!("`{}` is there already, and has other columns than evenkeel gave it", sql::OUTBOX));
        }
    }
    let functions = format!(
        "select p.proname::text as name, p.prosrc as body, coalesce(p.proconfig, '{{}}') as pins, obj_description(p.oid, 'pg_proc') as mark, \
         {} as sound, {} as triggers from pg_proc p where p.pronamespace = to_regnamespace('{SCHEMA}') and p.pronargs = 0 order by 1",
        sql::SOUND,
        sql::TRIGGERS
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(functions)).fetch_all(&mut session.conn).await?;
    let marks: Vec<Option<Mark>> = rows.iter().map(mark_of).collect::<Result<_, _>>()?;
    let declared = scope.wanted.iter().filter_map(|want| match &want.spec {
        Some(Spec::Invalidation(spec)) => Relation::parse(&spec.table, &site.schema),
        _ => None,
    });
    let standing = marks.iter().flatten().filter_map(|mark| Relation::parse(&mark.declared.table, &site.schema));
    let (schemas, names): (Vec<String>, Vec<String>) =
        declared.chain(standing).map(|table| (table.schema, table.name)).unzip();
    let tables = TABLES.replace("STEADY", sql::STEADY);
    for row in sqlx::query(sqlx::AssertSqlSafe(tables)).bind(schemas).bind(names).fetch_all(&mut session.conn).await? {
        add_table(&row, &mut known.tables)?;
    }
    let mut waiting: BTreeMap<String, i64> = BTreeMap::new();
    if known.has_outbox && readable {
        // Evidence is worth no failure: an outbox that somebody has locked is not counted.
        match sqlx::query_as(WAITING).fetch_all(&mut session.conn).await {
            Err(sqlx::Error::Database(_)) => {}
            counted => waiting = counted?.into_iter().collect(),
        }
    }
    for (row, mark) in rows.iter().zip(marks) {
        let name: String = row.try_get("name")?;
        let Some(mark) = mark else {
            if wanted.contains_key(name.as_str()) {
                let reason = format!("`{}()` is there already, and was not made by evenkeel", sql::function(&name));
                known.foreign.insert(name, reason);
            }
            continue;
        };
        let lines: &str = row.try_get("triggers")?;
        known.rules.insert(name.clone(), lines.lines().filter_map(trigger).collect());
        let Some(table) = Relation::parse(&mark.declared.table, &site.schema) else { continue };
        let id = match wanted.get(name.as_str()) {
            Some(id) => (*id).clone(),
            None if scope.breadth == Breadth::Everything && settings.schemas.contains(&table.schema) => {
                ResourceId::named(KIND.name, name.as_str())
            }
            None => continue,
        };
        let mut spec = mark.declared.settled(&site.schema);
        let there = known.tables.get(&table);
        let unknown = BTreeSet::new();
        let plan = Plan {
            name: &name,
            spec: &spec,
            mark: String::new(),
            tables: there.iter().flat_map(|there| there.stands_on(&table)).collect(),
            steady: there.map_or(&unknown, |there| &there.steady),
        };
        let pins: Vec<String> = row.try_get("pins")?;
        let pinned = pins.iter().map(|pin| pin.to_lowercase()).eq(plan.pins().iter().map(|pin| pin.to_lowercase()));
        let intact = row.try_get::<bool, _>("sound")? && pinned;
        let mut broken = Vec::new();
        if !intact || row.try_get::<&str, _>("body")? != plan.body() {
            broken.push(Part::Function);
        }
        if lines != plan.triggers() {
            broken.push(Part::Triggers);
        }
        if !known.has_outbox {
            broken.push(Part::Outbox);
        }
        spec.broken = broken;
        let mut facts = Facts::default().with("writes", there.map_or(0, |there| there.writes));
        if readable {
            facts = facts.with("waiting", waiting.get(&name).copied().unwrap_or(0));
        }
        found.live.push(Live { id, spec: Spec::Invalidation(spec), facts });
    }
    site.invalidation = known;
    Ok(())
}

fn mark_of(row: &PgRow) -> Result<Option<Mark>, sqlx::Error> {
    let mark: Option<&str> = row.try_get("mark")?;
    Ok(mark.and_then(|mark| serde_json::from_str::<Mark>(mark).ok()).filter(|mark| mark.evenkeel == KIND.name))
}

/// A trigger as [`sql::TRIGGERS`] tells it.
fn trigger(line: &str) -> Option<Trigger> {
    let mut parts = line.split('|');
    let (schema, table, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Trigger { table: Relation::new(schema, table), name: name.to_owned(), line: line.to_owned() })
}

fn add_table(row: &PgRow, tables: &mut BTreeMap<Relation, Table>) -> Result<(), sqlx::Error> {
    let own = Relation::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
    let part = Relation::new(row.try_get::<String, _>("part_schema")?, row.try_get::<String, _>("part")?);
    let table = tables.entry(own.clone()).or_default();
    table.columns = row.try_get("columns")?;
    table.steady = row.try_get::<Vec<String>, _>("steady")?.into_iter().collect();
    table.writes += row.try_get::<i64, _>("writes")?;
    table.unfit = match (row.try_get::<&str, _>("relkind")?, row.try_get::<&str, _>("persistence")?) {
        ("r" | "p", "p" | "u") => None,
        ("r" | "p", _) => Some("is a temporary table".to_owned()),
        ("v" | "m", _) => Some("is a view".to_owned()),
        ("f", _) => Some("is a foreign table, whose changes happen elsewhere".to_owned()),
        _ => Some("is no table".to_owned()),
    };
    // Foreign tables show no changed rows to a trigger.
    if part != own && row.try_get::<&str, _>("part_kind")? != "f" {
        table.partitions.push(part);
    }
    Ok(())
}

impl Table {
    /// The table `own` and its partitions: a statement fires the triggers of the one table that it names.
    pub fn stands_on<'a>(&'a self, own: &'a Relation) -> impl Iterator<Item = &'a Relation> {
        std::iter::once(own).chain(&self.partitions)
    }
}
