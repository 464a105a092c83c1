//! SQLite: indexes, query contracts and cache tables of one database file. Planning opens the file for reading and writes nothing;
//! everything else it has to try out, it tries on an empty copy in memory.

mod cache_table;
mod clone;
mod equality;
mod index;
mod live;
mod notes;
mod op;
mod query;
mod rows;
mod schema;
mod site;
mod sql;
mod steps;
mod token;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Approval, Check, Comparison, HazardKind, Kind, Many, units};
use crate::provider::file;
use crate::provider::{
    Claim, Context, Delta, Draft, Grants, Holder, Pairing, Problem, Progress, Provider, Reading, Scope, Sink, Want,
};
use schema::{Schema, number_at, text_at};

pub use cache_table::CacheTable;
pub use index::Index;
pub use op::Op;
pub use query::Query;
pub use site::Site;
pub use sql::{Database, Failure};

/// One database file.
#[derive(Debug)]
pub struct Sqlite {
    /// The absolute path without links.
    file: PathBuf,
    busy_timeout: units::Duration,
}

/// How to reach a database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The database file. It must be there: evenkeel never creates one.
    pub path: String,
    /// How long a step waits while another connection holds the write lock.
    #[serde(default = "five_seconds")]
    pub busy_timeout: units::Duration,
}

fn five_seconds() -> units::Duration {
    units::Duration::from_secs(5)
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// An index.
    Index(Index),
    /// A query contract.
    Query(Query),
    /// A cache table.
    CacheTable(CacheTable),
}

const INDEX: &str = "index";
const QUERY: &str = "query";
const CACHE_TABLE: &str = "cache_table";

const BUILDS_INDEX: HazardKind = HazardKind {
    code: "builds-index",
    approval: Approval::Notice,
    doc: "Building an index reads the whole table and holds the database's write lock until it is committed. Readers go on in WAL mode; \
          in the other modes they wait while it is committed. Where writers cannot wait longer than their own busy timeout, apply when few write.",
};
const DROPS_INDEX: HazardKind = HazardKind {
    code: "drops-index",
    approval: Approval::Required,
    doc: "Queries that searched through this index will use another one or scan the table. SQLite does not count how often an index is \
          used: look at the queries of the application with `explain query plan`, or declare them as `query` contracts first. A unique index also \
          keeps duplicates out, and may be what foreign keys rely on.",
};
const DROPS_DATA: HazardKind = HazardKind {
    code: "drops-data",
    approval: Approval::Required,
    doc: "The table and every row in it are gone. For a cache this means that everything is computed again; whether the sources bear \
          that is the question to ask first.",
};
const EVICTS_ROWS: HazardKind = HazardKind {
    code: "evicts-rows",
    approval: Approval::Notice,
    doc: "The table may hold more rows than its new bound allows. The oldest of them are deleted with the next write, all at once.",
};
const REFUSES_DUPLICATES: HazardKind = HazardKind {
    code: "refuses-duplicates",
    approval: Approval::Notice,
    doc: "A unique index cannot be built while there are duplicates, and from then on a write that would make one fails. Look for \
          duplicates first: select the columns, group by them, having count(*) > 1.",
};

/// Opening SQLite's own tables for reading is all that planning needs; there are no roles in SQLite.
const GRANTS: Grants = Grants {
    plan: "# SQLite has no roles: the operating system decides.\nchmod o+r shop.db      # read the file",
    apply: "chmod o+rw shop.db     # write the file\nchmod o+wx .           # and its folder, for the journal and the lock file",
};

impl Provider for Sqlite {
    const NAME: &'static str = "sqlite";
    const DOC: &'static str = "indexes, query contracts and cache tables of an SQLite database";
    const KINDS: &'static [Kind] = &[
        Kind {
            name: INDEX,
            doc: "an index, also unique, partial or on expressions",
            comparison: Comparison::Whole,
            many: Many::Named,
            replaces: &["table", "columns", "where", "unique"],
            prunable: true,
        },
        Kind {
            name: QUERY,
            doc: "a contract on how a statement is run, judged with `explain query plan`",
            comparison: Comparison::Contract,
            many: Many::Named,
            replaces: &[],
            prunable: false,
        },
        Kind {
            name: CACHE_TABLE,
            doc: "a table for a cache, bounded in age and size by its triggers",
            comparison: Comparison::Whole,
            many: Many::Named,
            replaces: &[],
            prunable: true,
        },
    ];
    const HAZARDS: &'static [HazardKind] = &[BUILDS_INDEX, DROPS_INDEX, REFUSES_DUPLICATES, DROPS_DATA, EVICTS_ROWS];
    const GRANTS: Grants = GRANTS;
    const SPEAKS_SQL: bool = true;

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = file::Lock;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        let mut problems = Vec::new();
        if settings.path.is_empty() || settings.path.contains('\0') {
            let message = "a path is needed".to_owned();
            let hint = Some("path = \"shop.db\"".to_owned());
            problems.push(Problem { id: None, attribute: Some("path".into()), message, hint });
        }
        for (at, want) in wants.iter().enumerate() {
            let name = want.id.label();
            if name.is_empty() || name.contains('\0') {
                problems.push(Problem::of(&want.id, "a name is needed"));
            }
            if name.to_ascii_lowercase().starts_with("sqlite_") {
                let hint = "indexes of that name belong to constraints; choose another name";
                problems.push(Problem::of(&want.id, "names that begin with `sqlite_` are SQLite's own").hint(hint));
            }
            let same =
                |other: &&Want<Spec>| other.id.kind == want.id.kind && other.id.label().eq_ignore_ascii_case(name);
            if let Some(other) = wants[..at].iter().find(same) {
                let message = format!("SQLite does not tell `{name}` from `{}`, {}", other.id.label(), other.origin);
                problems.push(Problem::of(&want.id, message));
            }
            let faults = match &want.spec {
                Some(Spec::Index(index)) => index.faults(),
                Some(Spec::Query(query)) => query.faults(),
                Some(Spec::CacheTable(table)) => table.faults(),
                None => Vec::new(),
            };
            problems.extend(faults.into_iter().map(|fault| equality::problem(&want.id, fault)));
        }
        problems
    }

    async fn connect(settings: Settings, _: Context) -> Result<Self> {
        let path = PathBuf::from(settings.path);
        let file = path.canonicalize().map_err(|error| sql::unreadable(&path, error))?;
        let found = Self { file, busy_timeout: settings.busy_timeout };
        let mut database = Database::read_only(&found.file, found.busy_timeout.std()).await?;
        database.rows("select count(*) from sqlite_schema", &[]).await.map_err(|failure| found.explain(failure))?;
        database.close().await;
        Ok(found)
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        // What was read while somebody began to write is read again.
        for _ in 0..3 {
            let mut database = Database::read_only(&self.file, self.busy_timeout.std()).await?;
            let survey = self.survey(&mut database, scope).await;
            let undisturbed = database.undisturbed();
            database.close().await;
            if undisturbed {
                let (site, identity) = survey?;
                let live = live::all(&site.schema, &site, scope);
                let notes = notes::all(&site);
                return Ok(Reading { site, identity, live, incomplete: Vec::new(), notes });
            }
        }
        Err(Error::new(ErrorKind::Transient, "the database kept changing while it was read"))
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        equality::settle(&site.schema, pairs).await
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        steps::draft(site, deltas)
    }

    async fn judge(&self, site: &Site, contracts: &[Want<Spec>], deltas: &[Delta<Spec>]) -> Result<Vec<Check>> {
        let mut database = Database::read_only(&self.file, self.busy_timeout.std()).await?;
        let checks = query::judge(&mut database, &site.schema, contracts, deltas).await;
        database.close().await;
        checks
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<file::Lock>> {
        file::lock(&self.file, holder).await
    }

    async fn unlock(&self) -> Result<String> {
        file::unlock(&self.file).await
    }

    async fn run(&self, op: &Op, progress: &Progress) -> Result<()> {
        op.run(&self.file, self.busy_timeout.std(), progress).await
    }

    async fn columns(&self, sql: &str) -> Result<Vec<String>> {
        rows::columns(&self.file, self.busy_timeout.std(), sql).await
    }

    async fn rows(&self, sql: &str, columns: &[String], sink: &mut Sink) -> Result<()> {
        rows::read(&self.file, self.busy_timeout.std(), sql, columns, sink).await
    }
}

impl Sqlite {
    /// Reads everything in one transaction, so that it is of one moment.
    async fn survey(&self, database: &mut Database, scope: &Scope<'_, Spec>) -> Result<(Site, String)> {
        database.run("begin").await?;
        let schema = Schema::read(database).await?;
        let wanted = scope.wanted.iter().filter_map(|want| match &want.spec {
            Some(Spec::Index(index)) => Some(index.table.as_str()),
            Some(Spec::CacheTable(_)) => want.id.name.as_deref(),
            Some(Spec::Query(_)) | None => None,
        });
        let rows = schema.count_rows(database, &wanted.collect::<Vec<_>>()).await?;
        let facts = "select sqlite_version(), (select page_size from pragma_page_size), (select page_count from pragma_page_count), \
                     (select journal_mode from pragma_journal_mode), (select application_id from pragma_application_id)";
        let found = database.rows(facts, &[]).await?;
        let row = found.first().ok_or_else(|| Error::bug("a query without a table gave no row"))?;
        let number = |column| u64::try_from(number_at(row, column)).unwrap_or_default();
        // A file has no identity of its own that copies do not share: where it is, is what tells it apart.
        let mut identity = self.file.display().to_string();
        if number(4) != 0 {
            identity = format!("{identity} (application {:#x})", number(4));
        }
        let site = Site {
            version: text_at(row, 0),
            page_size: number(1),
            size: number(1) * number(2),
            journal: if sql::in_wal_mode(&self.file)? { "wal".into() } else { text_at(row, 3) },
            analyzed: schema.statistics.is_some(),
            busy_timeout: self.busy_timeout,
            rows,
            schema,
        };
        database.run("commit").await?;
        Ok((site, identity))
    }

    fn explain(&self, failure: sql::Failure) -> Error {
        Error::from(failure).context(format!("cannot read `{}`", self.file.display()))
    }
}
