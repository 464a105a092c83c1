//! What is known of the tables on which something is to be built: whether they are there, their columns, partitions and sizes.

use std::collections::BTreeMap;

use sqlx::Row;

use super::name::Relation;
use crate::error::Result;
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::failure;

/// A table, partitioned table or materialized view.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its columns with the average width of a value in bytes, as of the last analyze, or as the type says.
    pub columns: BTreeMap<String, i32>,
    /// Its rows, as of the last analyze; `None` if it was never analyzed.
    pub rows: Option<i64>,
    /// Its bytes, without indexes; for a partitioned table, of all partitions.
    pub bytes: i64,
    /// The owner, where the session's role is no member of it.
    pub foreign_owner: Option<String>,
    /// Whether it is partitioned.
    pub partitioned: bool,
    /// Its partitions at every depth, parents before children.
    pub partitions: Vec<Partition>,
}

/// A partition of a partitioned table, at any depth.
#[derive(Clone, Debug)]
pub struct Partition {
    /// The partition.
    pub table: Relation,
    /// What it is a partition of.
    pub parent: Relation,
    /// Whether it is partitioned itself.
    pub partitioned: bool,
    /// Its indexes.
    pub indexes: Vec<Part>,
}

/// An index of a partition.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name, in its table's schema.
    pub name: String,
    /// Whether it is valid and ready.
    pub valid: bool,
    /// Whether it belongs to a parent's index.
    pub attached: bool,
}

const TABLES: &str = "select n.nspname::text as schema, c.relname::text as name, c.relkind = 'p' as partitioned, \
    case when not pg_has_role(c.relowner, 'USAGE') then pg_get_userbyid(c.relowner)::text end as foreign_owner, \
    case when c.reltuples >= 0 then c.reltuples::int8 end as rows, c.relpages::int8 * current_setting('block_size')::int8 as bytes, \
    array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns, \
    array(select coalesce(s.avg_width, case when a.attlen > 0 then a.attlen else 32 end)::int4 from pg_attribute a \
        left join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname and not s.inherited \
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as widths \
    from unnest($1::text[], $2::text[]) w(schema, name) join pg_namespace n on n.nspname = w.schema \
    join pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'm', 'p')";

const PARTITIONS: &str = "with recursive tree as ( \
        select c.oid as root, c.oid as oid, c.oid as parent, 0 as depth from unnest($1::text[], $2::text[]) w(schema, name) \
            join pg_namespace n on n.nspname = w.schema join pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind = 'p' \
        union all select t.root, i.inhrelid, i.inhparent, t.depth + 1 from tree t join pg_inherits i on i.inhparent = t.oid) \
    select rn.nspname::text as root_schema, r.relname::text as root, n.nspname::text as schema, c.relname::text as name, \
        pn.nspname::text as parent_schema, p.relname::text as parent, c.relkind = 'p' as partitioned, \
        greatest(c.reltuples, 0)::int8 as rows, c.relpages::int8 * current_setting('block_size')::int8 as bytes, \
        array(select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid order by i.oid) as indexes, \
        array(select x.indisvalid and x.indisready from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid order by i.oid) as valid, \
        array(select i.relispartition from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid order by i.oid) as attached \
    from tree t join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace \
    join pg_class p on p.oid = t.parent join pg_namespace pn on pn.oid = p.relnamespace \
    join pg_class r on r.oid = t.root join pg_namespace rn on rn.oid = r.relnamespace \
    where t.depth > 0 and c.relkind in ('r', 'p') order by t.depth, c.relname";

const NAMES: &str = "select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where n.nspname = any($1) and c.relkind in ('r', 'm', 'p') order by 1, 2 limit 5000";

/// Reads what there is of `wanted`: two statements, however many they are.
///
/// # Errors
/// As any statement.
pub async fn read(session: &mut Session, wanted: &[Relation]) -> Result<BTreeMap<Relation, Table>> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let schemas: Vec<_> = wanted.iter().map(|table| table.schema.as_str()).collect();
    let names: Vec<_> = wanted.iter().map(|table| table.name.as_str()).collect();
    let rows = sqlx::query(TABLES).bind(&schemas).bind(&names).fetch_all(&mut session.conn).await;
    let mut tables = BTreeMap::new();
    for row in rows.map_err(failure::explain)? {
        let (relation, table) = table(&row).map_err(failure::explain)?;
        tables.insert(relation, table);
    }
    if tables.values().any(|table| table.partitioned) {
        let rows = sqlx::query(PARTITIONS).bind(&schemas).bind(&names).fetch_all(&mut session.conn).await;
        for row in rows.map_err(failure::explain)? {
            let (root, partition, rows, bytes) = partition(&row).map_err(failure::explain)?;
            if let Some(table) = tables.get_mut(&root) {
                table.bytes += bytes;
                table.rows = Some(table.rows.unwrap_or(0) + if partition.partitioned { 0 } else { rows });
                table.partitions.push(partition);
            }
        }
    }
    Ok(tables)
}

/// The names of the tables in `schemas`, for "did you mean".
///
/// # Errors
/// As any statement.
pub async fn names(session: &mut Session, schemas: &[String]) -> Result<Vec<Relation>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as(NAMES).bind(schemas).fetch_all(&mut session.conn).await.map_err(failure::explain)?;
    Ok(rows.into_iter().map(|(schema, name)| Relation { schema, name }).collect())
}

fn table(row: &sqlx::postgres::PgRow) -> Result<(Relation, Table), sqlx::Error> {
    let columns: Vec<String> = row.try_get("columns")?;
    let widths: Vec<i32> = row.try_get("widths")?;
    let partitioned = row.try_get("partitioned")?;
    let table = Table {
        columns: columns.into_iter().zip(widths).collect(),
        // A partitioned table's own count is of all its partitions, once somebody analyzed it; they are added up instead.
        rows: if partitioned { None } else { row.try_get("rows")? },
        bytes: if partitioned { 0 } else { row.try_get("bytes")? },
        foreign_owner: row.try_get("foreign_owner")?,
        partitioned,
        partitions: Vec::new(),
    };
    Ok((Relation { schema: row.try_get("schema")?, name: row.try_get("name")? }, table))
}

fn partition(row: &sqlx::postgres::PgRow) -> Result<(Relation, Partition, i64, i64), sqlx::Error> {
    let names: Vec<String> = row.try_get("indexes")?;
    let (valid, attached): (Vec<bool>, Vec<bool>) = (row.try_get("valid")?, row.try_get("attached")?);
    let indexes = names
        .into_iter()
        .zip(valid)
        .zip(attached)
        .map(|((name, valid), attached)| Part { name, valid, attached })
        .collect();
    let partition = Partition {
        table: Relation { schema: row.try_get("schema")?, name: row.try_get("name")? },
        parent: Relation { schema: row.try_get("parent_schema")?, name: row.try_get("parent")? },
        partitioned: row.try_get("partitioned")?,
        indexes,
    };
    let root = Relation { schema: row.try_get("root_schema")?, name: row.try_get("root")? };
    Ok((root, partition, row.try_get("rows")?, row.try_get("bytes")?))
}
