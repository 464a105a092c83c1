//! The catalog's rows about indexes, read with one statement for all of them, however many there are.

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::name::Relation;
use super::text::{self, Parts};
use super::{Index, sql};
use crate::error::Result;
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::{failure, quote};

/// Everything the catalog says of one index.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The index.
    pub index: Relation,
    /// Its table, in the same schema.
    pub table: String,
    /// What it is; the table as `brief` in the target's first schema.
    pub spec: Index,
    /// Whether it belongs to a partitioned table.
    pub partitioned: bool,
    /// Whether it is a partition's part of its parent's index.
    pub part: bool,
    /// Why it must not be dropped or replaced, a lowercase fragment: ``backs the constraint `users_pkey` ``.
    pub pinned: Option<String>,
    /// The session that is building it, as far as can be told.
    pub builder: Option<i32>,
    /// About how many bytes it takes, as of its last vacuum, analyze or build.
    pub bytes: i64,
    /// How many rows it holds, as of the same.
    pub rows: i64,
    /// How often it was scanned since the statistics began.
    pub scans: i64,
    /// How many seconds ago it was last scanned, where the server keeps that.
    pub last_scan: Option<i64>,
}

/// Which indexes are read, in a statement that names them `c` and their schema `n`.
macro_rules! picked {
    () => {
        "c.relpersistence <> 't' and (n.nspname = any($1) and not c.relispartition or c.relname::text in (select unnest($2)) \
        or c.relname ~ '^evenkeel_[0-9a-f]{8}_[0-9a-f]{8}$') "
    };
}

/// What most indexes are, b-trees of plain columns, is put together from the catalog's tables at once. Only of the rest the server is asked
/// for a definition, which costs it about five times as much each. The keys are laid out before they meet their columns, so that
/// those are found with one join instead of one search for each index.
///
/// Versions differ in two columns: whether nulls are distinct (15), and when an index was last scanned (16).
macro_rules! entries {
    ($nulls_distinct:literal, $last_scan:literal) => {
        concat!(
            "with keys as materialized (select x.indexrelid, x.indrelid, x.indnkeyatts, k.attnum, k.class, k.coll, k.option, k.n ",
            "from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace ",
            "join pg_am a on a.oid = c.relam cross join lateral unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[], ",
            "x.indoption::int2[]) with ordinality k(attnum, class, coll, option, n) ",
            "where x.indexprs is null and x.indpred is null and a.amname = 'btree' and ",
            picked!(),
            "), ",
            "plain as (select k.indexrelid, array_agg(a.attname::text order by k.n) as names, ",
            "array_agg(coalesce(k.option, 0::int2) order by k.n) as options ",
            "from keys k join pg_attribute a on a.attrelid = k.indrelid and a.attnum = k.attnum left join pg_opclass o on o.oid = k.class ",
            "group by k.indexrelid having bool_and(k.n > k.indnkeyatts or k.coll = a.attcollation and o.opcdefault ",
            "and (o.opcintype = a.atttypid or o.opcintype = 'text'::regtype and a.atttypid = 'varchar'::regtype))) ",
            "select n.nspname::text as schema, c.relname::text as name, t.relname::text as \"table\", a.amname::text as method, ",
            "s.names, s.options, x.indnkeyatts as key_count, case when s.names is null then pg_get_indexdef(x.indexrelid, 0, true) end as definition, ",
            "x.indisunique as is_unique, ",
            $nulls_distinct,
            " as nulls_distinct, c.reloptions as with, x.indisvalid and x.indisready as valid, c.relkind = 'I' as partitioned, ",
            "c.relispartition as part, (select p.spcname::text from pg_tablespace p where p.oid = c.reltablespace) as tablespace, ",
            "x.indisreplident and t.relreplident = 'i' as replica_identity, x.indisclustered as clustered, k.owner, k.referrer, ",
            "x.indrelid in (select objid from pg_depend where classid = 'pg_class'::regclass and deptype = 'e') as extension, ",
            "c.relpages::int8 * current_setting('block_size')::int8 as bytes, greatest(c.reltuples, 0)::int8 as rows, ",
            "coalesce(pg_stat_get_numscans(x.indexrelid), 0) as scans, ",
            $last_scan,
            " as last_scan, case when not x.indisvalid then (select l.pid from pg_locks l where l.locktype = 'relation' ",
            "and l.relation = x.indrelid and l.mode = 'ShareUpdateExclusiveLock' and l.granted and l.pid <> pg_backend_pid() ",
            "and l.database = (select oid from pg_database where datname = current_database()) limit 1) end as builder ",
            "from pg_index x join pg_class c on c.oid = x.indexrelid join pg_class t on t.oid = x.indrelid ",
            "join pg_namespace n on n.oid = c.relnamespace join pg_am a on a.oid = c.relam left join plain s on s.indexrelid = x.indexrelid ",
            "left join (select conindid, min(conname::text) filter (where contype <> 'f') as owner, ",
            "min(conname::text) filter (where contype = 'f') as referrer from pg_constraint where conindid <> 0 group by conindid) k ",
            "on k.conindid = x.indexrelid where ",
            picked!()
        )
    };
}

const ENTRIES_14: &str = entries!("true", "null::int8");
const ENTRIES_15: &str = entries!("not x.indnullsnotdistinct", "null::int8");
const ENTRIES_16: &str =
    entries!("not x.indnullsnotdistinct", "extract(epoch from now() - pg_stat_get_lastscan(x.indexrelid))::int8");

/// Reads the indexes of `schemas`, those named in `names` wherever they are, and what replacements left behind; sorted by name.
///
/// # Errors
/// As any statement.
pub async fn read(
    session: &mut Session,
    version: i32,
    schemas: &[String],
    names: &[String],
    home: &str,
) -> Result<Vec<Entry>> {
    let sql = match version {
        160_000.. => ENTRIES_16,
        150_000.. => ENTRIES_15,
        _ => ENTRIES_14,
    };
    let mut rows = sqlx::query(sql).bind(schemas).bind(names).fetch(&mut session.conn);
    let mut entries = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(failure::explain)? {
        entries.push(entry(&row, home).map_err(failure::explain)?);
    }
    // Here rather than by the server, so that rows are taken apart while it still makes more.
    entries.sort_unstable_by(|a, b| a.index.cmp(&b.index));
    Ok(entries)
}

fn entry(row: &PgRow, home: &str) -> Result<Entry, sqlx::Error> {
    let parts = parts(row)?;
    let (schema, table): (String, String) = (row.try_get("schema")?, row.try_get("table")?);
    let with: Option<Vec<String>> = row.try_get("with")?;
    let mut include = parts.include;
    include.sort();
    let with = with.unwrap_or_default();
    let mut with: Vec<_> = with.iter().filter_map(|option| option.split_once('=')).collect();
    with.sort_unstable();
    let spec = Index {
        name: None,
        table: Relation::new(schema.as_str(), table.as_str()).brief(home),
        columns: parts.columns,
        predicate: parts.predicate,
        include,
        unique: row.try_get("is_unique")?,
        method: row.try_get("method")?,
        with: with.into_iter().map(|(key, value)| (key.to_owned(), sql::parse_parameter(value))).collect(),
        nulls_distinct: row.try_get("nulls_distinct")?,
        tablespace: row.try_get("tablespace")?,
        rename_from: None,
        valid: row.try_get("valid")?,
    };
    Ok(Entry {
        index: Relation::new(schema, row.try_get::<String, _>("name")?),
        table,
        spec,
        partitioned: row.try_get("partitioned")?,
        part: row.try_get("part")?,
        pinned: pin(row)?,
        builder: row.try_get("builder")?,
        bytes: row.try_get("bytes")?,
        rows: row.try_get("rows")?,
        scans: row.try_get("scans")?,
        last_scan: row.try_get("last_scan")?,
    })
}

/// The columns and the predicate: from the catalog's tables where they tell all, else from the server's definition.
fn parts(row: &PgRow) -> Result<Parts, sqlx::Error> {
    if let Some(definition) = row.try_get::<Option<&str>, _>("definition")? {
        let unreadable = || format!("the server's own definition cannot be read: {definition}");
        return text::take_apart(definition).ok_or_else(|| sqlx::Error::Decode(unreadable().into()));
    }
    let (names, options): (Vec<String>, Vec<i16>) = (row.try_get("names")?, row.try_get("options")?);
    let mut columns: Vec<String> = names.iter().map(|name| quote::ident(name)).collect();
    let include = columns.split_off(usize::try_from(row.try_get::<i16, _>("key_count")?).unwrap_or_default());
    for (column, option) in columns.iter_mut().zip(options) {
        column.push_str(match option {
            1 => " desc nulls last",
            2 => " nulls first",
            3 => " desc",
            _ => "",
        });
    }
    Ok(Parts { columns, include, predicate: None })
}

fn pin(row: &PgRow) -> Result<Option<String>, sqlx::Error> {
    if let Some(owner) = row.try_get::<Option<&str>, _>("owner")? {
        return Ok(Some(format!("backs the constraint `{owner}`")));
    }
    if let Some(referrer) = row.try_get::<Option<&str>, _>("referrer")? {
        return Ok(Some(format!("is what the foreign key `{referrer}` refers to")));
    }
    Ok(if row.try_get("replica_identity")? {
        Some("is its table's replica identity".to_owned())
    } else if row.try_get("clustered")? {
        Some("is what its table is clustered on".to_owned())
    } else if row.try_get("extension")? {
        Some("belongs to an extension".to_owned())
    } else if row.try_get("part")? {
        Some("is a partition's part of its parent's index".to_owned())
    } else {
        None
    })
}
