//! An empty copy of the schema in memory, where SQLite itself says what it makes of a statement. The file is never touched.

use super::index::{Fault, Index};
use super::schema::{Schema, Sort, number_at, optional_at, text_at};
use super::sql::{Database, Failure};
use super::{CACHE_TABLE, INDEX, Spec, query, token};
use crate::error::Result;
use crate::model::text;
use crate::provider::Delta;

/// The copy.
pub struct Clone<'a> {
    database: Database,
    schema: &'a Schema,
    /// Tables that are already copied, and how that went.
    copied: Vec<(String, Result<(), String>)>,
}

/// What SQLite made of an index: all that its text leaves open.
#[derive(Debug, PartialEq, Eq)]
struct Structure {
    /// Per key column: its number in the table, whether it goes downwards, its collation.
    keys: Vec<(i64, bool, String)>,
}

impl<'a> Clone<'a> {
    /// A copy without any table yet.
    pub async fn of(schema: &'a Schema) -> Result<Self> {
        Ok(Self { database: Database::in_memory().await?, schema, copied: Vec::new() })
    }

    /// Has SQLite accept `want` as the definition of `name`, and says whether `live` is the same index in other words.
    ///
    /// # Errors
    /// What SQLite does not accept, in its own words. The outer error is a failure of the copy itself.
    pub async fn compare(&mut self, name: &str, want: &Index, live: Option<&Index>) -> Result<Result<bool, Fault>> {
        if let Err(fault) = self.copy_table(&want.table).await {
            return Ok(Err(fault));
        }
        let made = match self.make(name, want).await {
            Ok(made) => made,
            Err(failure) => return Ok(Err(self.explain(name, want, failure).await)),
        };
        if made.keys.iter().zip(&want.columns).any(|((number, ..), column)| *number == EXPRESSION && is_name(column)) {
            let message = format!("SQLite takes `{}` for a text, not a column", want.columns.join(", "));
            return Ok(Err(Fault::new("columns", message)));
        }
        let Some(live) = live.filter(|live| live.table == want.table) else { return Ok(Ok(false)) };
        let Ok(there) = self.make(name, live).await else { return Ok(Ok(false)) };
        // What an expression is, only its text says.
        let same_expressions = made
            .keys
            .iter()
            .zip(&want.columns)
            .zip(&live.columns)
            .all(|((key, want), live)| key.0 != EXPRESSION || want == live);
        let same = made == there && same_expressions && want.filter == live.filter && want.unique == live.unique;
        Ok(Ok(same))
    }

    /// Copies everything that a statement may speak of, as `deltas` leave it. What cannot be copied is missing from the copy.
    pub async fn copy_all(&mut self, deltas: &[Delta<Spec>]) {
        let schema = self.schema;
        let changed = |kind: &str, name: &str| {
            let same = |delta: &&Delta<Spec>| delta.id.kind == kind && delta.id.label().eq_ignore_ascii_case(name);
            deltas.iter().find(same)
        };
        let mut statements = Vec::new();
        for table in schema.tables.iter().filter(|table| !table.name.starts_with("sqlite_")) {
            // A cache table that changes stays the same table.
            if changed(CACHE_TABLE, &table.name).is_none_or(|delta| delta.want.is_some()) {
                statements.push(table.sql.clone());
            }
        }
        let kept = schema.indexes.iter().filter(|index| changed(INDEX, &index.name).is_none());
        statements.extend(kept.map(|index| index.sql.clone()));
        for delta in deltas {
            match &delta.want {
                Some(Spec::Index(index)) => statements.push(index.create(delta.id.label())),
                Some(Spec::CacheTable(table)) if delta.live.is_none() => {
                    statements.extend(table.create(delta.id.label()));
                }
                _ => {}
            }
        }
        for statement in statements {
            // Whoever asks for what is missing will hear of it from SQLite.
            let _ = self.database.run(&statement).await;
        }
    }

    /// Lays the rows of a statistics table into the copy, but for indexes that are not what they were.
    pub async fn copy_statistics(&mut self, from: &mut Database, table: &str, deltas: &[Delta<Spec>]) -> Result<()> {
        let columns = if table == "sqlite_stat1" { "tbl, idx, stat" } else { "tbl, idx, neq, nlt, ndlt, sample" };
        let literals =
            columns.split(", ").map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ', ' || ");
        let rows = from.rows(&format!("select idx, {literals} from {table} limit {MOST_SAMPLES}"), &[]).await?;
        // Analyzing nothing makes the tables, and nothing else.
        self.database.run("analyze").await?;
        for row in &rows {
            let index = optional_at(row, 0).unwrap_or_default();
            let changed = |delta: &Delta<Spec>| delta.id.kind == INDEX && delta.id.label().eq_ignore_ascii_case(&index);
            if !deltas.iter().any(changed) {
                // The values are literals as SQLite itself quoted them.
                let values = text_at(row, 1);
                self.database.run(&format!("insert into {table} ({columns}) values ({values})")).await?;
            }
        }
        Ok(self.database.run("analyze sqlite_schema").await?)
    }

    /// How SQLite would run `sql` on the copy.
    pub async fn explain_query(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        let rows = self.database.rows(&format!("explain query plan {sql}"), &[]).await?;
        Ok(query::details(&rows))
    }

    async fn make(&mut self, name: &str, index: &Index) -> Result<Structure, Failure> {
        self.database.run("savepoint made").await?;
        let made = self.make_inside(name, index).await;
        self.database.run("rollback to made").await?;
        self.database.run("release made").await?;
        made
    }

    async fn make_inside(&mut self, name: &str, index: &Index) -> Result<Structure, Failure> {
        self.database.run(&index.create(name)).await?;
        let rows =
            self.database.rows("select cid, \"desc\", coll from pragma_index_xinfo(?) where key", &[name]).await?;
        let key = |row| (number_at(row, 0), number_at(row, 1) != 0, optional_at(row, 2).unwrap_or_default());
        let keys = rows.iter().map(key).map(|(number, down, collation)| (number, down, collation.to_lowercase()));
        Ok(Structure { keys: keys.collect() })
    }

    /// Which attribute SQLite's message is about.
    async fn explain(&mut self, name: &str, want: &Index, failure: Failure) -> Fault {
        let whole = Index { filter: None, ..want.clone() };
        let attribute = match want.filter {
            Some(_) if self.make(name, &whole).await.is_ok() => "where",
            _ => "columns",
        };
        let mut fault = Fault::new(attribute, failure.message);
        if fault.message.starts_with("no such function") || fault.message.starts_with("unknown function") {
            fault.hint =
                Some("evenkeel has SQLite's own functions only, not those that an application registers".into());
        }
        fault
    }

    async fn copy_table(&mut self, name: &str) -> Result<(), Fault> {
        let at = |message: String| Fault::new("table", message);
        let Some(table) = self.schema.table(name) else {
            let tables = self.schema.tables.iter().filter(|table| table.sort == Sort::Table);
            let mut fault = at(format!("no such table: {name}"));
            let near = text::nearest(name, tables.map(|table| table.name.as_str()));
            fault.hint = near.map(|near| format!("did you mean `{near}`?"));
            return Err(fault);
        };
        match table.sort {
            Sort::Table => {}
            Sort::View => return Err(at("views may not be indexed".into())),
            Sort::Virtual => return Err(at("virtual tables may not be indexed".into())),
        }
        if let Some((_, copied)) = self.copied.iter().find(|(copied, _)| *copied == table.name) {
            return copied.clone().map_err(at);
        }
        let copied = self.database.run(&table.sql).await.map_err(|failure| failure.message);
        self.copied.push((table.name.clone(), copied.clone()));
        copied.map_err(at)
    }
}

/// How many rows of a statistics table are laid in at most.
const MOST_SAMPLES: u32 = 50_000;

/// The number that stands for an expression where a column's number is expected.
const EXPRESSION: i64 = -2;

/// Whether a term in its normal form is a single name.
fn is_name(column: &str) -> bool {
    matches!(token::split(column).as_deref(), Ok([token::Token::Quoted(_) | token::Token::Word(_)]))
}
