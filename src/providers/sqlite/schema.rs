//! The schema as the file holds it: tables, their columns, the texts of indexes and triggers, and what `analyze` found. Read in one
//! transaction, in a number of statements that does not depend on how much there is.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::index::Index;
use super::sql::{Database, Failure};
use super::token;
use crate::model::text;

/// Everything that planning needs to know of a database.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Tables and views, in the order of their creation.
    pub tables: Vec<Table>,
    /// Indexes that somebody created by name.
    pub indexes: Vec<Stored>,
    /// Triggers.
    pub triggers: Vec<Stored>,
    /// Indexes that SQLite made for a `primary key` or `unique` constraint.
    pub constraints: Vec<Constraint>,
    /// Foreign keys.
    pub references: Vec<Reference>,
    /// The rows of `sqlite_stat1`; `None` where there is no such table.
    pub statistics: Option<Vec<Statistic>>,
}

/// A table or view.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name, as it was created.
    pub name: String,
    /// The statement that made it.
    pub sql: String,
    /// What it is.
    pub sort: Sort,
    /// The columns' names, in order; also generated ones.
    pub columns: Vec<String>,
}

/// What a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Rows in the file.
    Table,
    /// Rows from a module.
    Virtual,
    /// A query.
    View,
}

/// An index or trigger, as `sqlite_schema` holds it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The statement that made it.
    pub sql: String,
}

/// An index behind a constraint.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Its name, `sqlite_autoindex_users_1`.
    pub name: String,
    /// Its table.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The table that refers.
    pub from: String,
    /// The table that is referred to.
    pub to: String,
    /// The columns that are referred to; empty for the primary key.
    pub columns: Vec<String>,
}

/// A row of `sqlite_stat1`.
#[derive(Clone, Debug)]
pub struct Statistic {
    /// The table.
    pub table: String,
    /// The index; `None` for a table without one.
    pub index: Option<String>,
    /// Rows, then rows per distinct prefix.
    pub stat: String,
}

/// How many rows a table has, as far as it was worth finding out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// Nobody looked.
    #[default]
    Unknown,
    /// Counted.
    Exact(u64),
    /// Counted up to here, and there are more.
    Over(u64),
    /// What the last `analyze` found.
    Analyzed(u64),
}

/// Up to how many rows a table without statistics is counted: some milliseconds.
const COUNT_UP_TO: u64 = 100_000;
/// How many tables are counted at most.
const COUNT_TABLES: usize = 200;

impl Schema {
    /// Reads everything.
    pub async fn read(database: &mut Database) -> Result<Self, Failure> {
        let mut schema = Self::default();
        for row in &database.rows("select type, name, tbl_name, sql from sqlite_schema order by rowid", &[]).await? {
            let (kind, name, table) = (text_at(row, 0), text_at(row, 1), text_at(row, 2));
            // An index behind a constraint has no text.
            let Some(sql) = optional_at(row, 3) else { continue };
            match kind.as_str() {
                "index" => schema.indexes.push(Stored { name, table, sql }),
                "trigger" => schema.triggers.push(Stored { name, table, sql }),
                _ => {
                    let words = token::split(&sql).unwrap_or_default();
                    let sort = match words.get(1) {
                        Some(word) if token::is_word(word, "virtual") => Sort::Virtual,
                        _ if kind == "view" => Sort::View,
                        _ => Sort::Table,
                    };
                    schema.tables.push(Table { name, sql, sort, columns: Vec::new() });
                }
            }
        }
        schema.read_columns(database).await?;
        schema.read_constraints(database).await?;
        schema.read_statistics(database).await?;
        Ok(schema)
    }

    async fn read_columns(&mut self, database: &mut Database) -> Result<(), Failure> {
        // Asking a virtual table loads its module, which may not be there.
        let columns = "select m.name, x.name from sqlite_schema m cross join pragma_table_xinfo(m.name) x \
                       where m.type = 'table' and m.sql not like 'create virtual%' order by m.rowid, x.cid";
        let mut by_table: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &database.rows(columns, &[]).await? {
            by_table.entry(text_at(row, 0)).or_default().push(text_at(row, 1));
        }
        for table in &mut self.tables {
            table.columns = by_table.remove(&table.name).unwrap_or_default();
        }
        Ok(())
    }

    async fn read_constraints(&mut self, database: &mut Database) -> Result<(), Failure> {
        let constraints = "select m.name, l.name, x.name from sqlite_schema m cross join pragma_index_list(m.name) l \
                           cross join pragma_index_xinfo(l.name) x where m.type = 'table' \
                           and m.sql not like 'create virtual%' and l.origin != 'c' and x.key \
                           order by m.rowid, l.seq, x.seqno";
        for row in &database.rows(constraints, &[]).await? {
            let (table, name, column) = (text_at(row, 0), text_at(row, 1), text_at(row, 2));
            match self.constraints.last_mut() {
                Some(last) if last.name == name => last.columns.push(column),
                _ => self.constraints.push(Constraint { name, table, columns: vec![column] }),
            }
        }
        let references = "select m.name, f.id, f.\"table\", f.\"to\" from sqlite_schema m \
                          cross join pragma_foreign_key_list(m.name) f where m.type = 'table' \
                          and m.sql not like 'create virtual%' order by m.rowid, f.id, f.seq";
        let mut last = None;
        for row in &database.rows(references, &[]).await? {
            let (from, id, to, column) = (text_at(row, 0), number_at(row, 1), text_at(row, 2), optional_at(row, 3));
            let key = Some((from.clone(), id));
            if key != last {
                self.references.push(Reference { from, to, columns: Vec::new() });
                last = key;
            }
            if let Some(reference) = self.references.last_mut() {
                reference.columns.extend(column);
            }
        }
        Ok(())
    }

    async fn read_statistics(&mut self, database: &mut Database) -> Result<(), Failure> {
        if !self.tables.iter().any(|table| table.name == "sqlite_stat1") {
            return Ok(());
        }
        let rows = database.rows("select tbl, idx, stat from sqlite_stat1", &[]).await?;
        let statistic =
            |row: &SqliteRow| Statistic { table: text_at(row, 0), index: optional_at(row, 1), stat: text_at(row, 2) };
        self.statistics = Some(rows.iter().map(statistic).collect());
        Ok(())
    }

    /// The table or view of this name, whatever its case.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// The columns of a table; none where there is no such table.
    pub fn columns(&self, table: &str) -> &[String] {
        self.table(table).map_or(&[], |table| &table.columns)
    }

    /// Whether a statistic is of a partial index, which knows only of its own rows.
    fn is_partial(&self, statistic: &Statistic) -> bool {
        let named = |stored: &&Stored| statistic.index.as_deref() == Some(&stored.name);
        let index = self.indexes.iter().find(named).and_then(|stored| Index::of(stored, self));
        index.is_some_and(|index| index.filter.is_some())
    }

    /// How many rows the tables that somebody cares about have: those with an index of their own, and `others`.
    pub async fn count_rows(
        &self,
        database: &mut Database,
        others: &[&str],
    ) -> Result<BTreeMap<String, Rows>, Failure> {
        let mut found = BTreeMap::new();
        let mut uncounted = Vec::new();
        for table in self.tables.iter().filter(|table| table.sort == Sort::Table) {
            let same = |name: &str| name.eq_ignore_ascii_case(&table.name);
            let rows = self.statistics.iter().flatten().filter(|found| same(&found.table) && !self.is_partial(found));
            let rows = rows.filter_map(|statistic| statistic.stat.split(' ').next()?.parse().ok()).max();
            match rows {
                Some(rows) => drop(found.insert(table.name.clone(), Rows::Analyzed(rows))),
                None if others.iter().any(|name| same(name)) => uncounted.insert(0, &table.name),
                None if self.indexes.iter().any(|index| same(&index.table)) => uncounted.push(&table.name),
                None => {}
            }
        }
        uncounted.truncate(COUNT_TABLES);
        for chunk in uncounted.chunks(100) {
            let count = |(at, name): (usize, &&String)| {
                let table = token::quote(name);
                format!("select {at}, (select count(*) from (select 1 from {table} limit {COUNT_UP_TO} + 1))")
            };
            let query = chunk.iter().enumerate().map(count).collect::<Vec<_>>().join(" union all ");
            for row in &database.rows(&query, &[]).await? {
                let at = usize::try_from(number_at(row, 0)).unwrap_or_default();
                let rows = u64::try_from(number_at(row, 1)).unwrap_or_default();
                let rows = if rows > COUNT_UP_TO { Rows::Over(COUNT_UP_TO) } else { Rows::Exact(rows) };
                found.insert(chunk[at].clone(), rows);
            }
        }
        Ok(found)
    }
}

impl Rows {
    /// The number alone, where there is one.
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Exact(rows) | Self::Analyzed(rows) => Some(rows),
            Self::Unknown | Self::Over(_) => None,
        }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("an unknown number of rows"),
            Self::Exact(1) => f.write_str("1 row"),
            Self::Exact(rows) => write!(f, "{} rows", text::thousands(*rows)),
            Self::Over(rows) => write!(f, "more than {} rows", text::thousands(*rows)),
            Self::Analyzed(rows) => write!(f, "about {} rows", text::thousands(*rows)),
        }
    }
}

/// A text in a row; SQLite's own tables hold no other type where this is used.
pub fn text_at(row: &SqliteRow, column: usize) -> String {
    optional_at(row, column).unwrap_or_default()
}

/// A text in a row, or `None` for a null.
pub fn optional_at(row: &SqliteRow, column: usize) -> Option<String> {
    row.try_get_unchecked(column).ok().flatten()
}

/// A whole number in a row.
pub fn number_at(row: &SqliteRow, column: usize) -> i64 {
    row.try_get_unchecked(column).unwrap_or_default()
}
