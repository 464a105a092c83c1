//! Asks the server what it makes of a definition: builds it on an empty copy of the table in a transaction that is rolled back.
//!
//! A constant number of round trips for all definitions together. No lock is taken on the real tables, nothing of them is read but their columns' types.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::name::Relation;
use super::text::{self, Parts};
use super::{Index, sql};
use crate::error::{Error, Result};
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::{failure, quote};

/// A definition to ask about.
#[derive(Debug)]
pub struct Job {
    /// The table.
    pub table: Relation,
    /// The definition.
    pub spec: Index,
    /// Where names without a schema are looked for, in this order, after the server's own.
    pub path: Vec<String>,
    /// How often at most to build what was read back, until it stays the same; 1 reads it back once.
    pub rounds: u32,
}

/// More rounds than any definition has been seen to need.
pub const FIXPOINT: u32 = 5;

/// What the server says of a definition.
#[derive(Debug)]
pub enum Answer {
    /// It is fine; this is how the server writes it.
    Fine(Parts),
    /// It is refused.
    Refused(Refusal),
}

/// Why the server refuses a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub state: String,
    /// The server's message.
    pub message: String,
    /// The server's hint.
    pub hint: Option<String>,
    /// The part at fault: `columns`, `where`, or `rest`.
    pub culprit: String,
}

#[derive(Deserialize)]
struct Said {
    job: usize,
    definition: Option<String>,
    state: Option<String>,
    message: Option<String>,
    hint: Option<String>,
    culprit: Option<String>,
}

/// Asks about all of `jobs`; the answers are in their order.
///
/// # Errors
/// When the server cannot be asked at all.
pub async fn ask(session: &mut Session, jobs: &[Job]) -> Result<Vec<Answer>> {
    let asked = transact(session, &request(jobs)).await;
    let undone = sqlx::query("rollback").execute(&mut session.conn).await;
    let said = asked.map_err(failure::explain)?;
    undone.map_err(failure::explain)?;
    let said: Vec<Said> =
        serde_json::from_str(&said).map_err(|error| Error::bug(format!("the answers cannot be read: {error}")))?;
    let mut answers: BTreeMap<usize, Said> = said.into_iter().map(|one| (one.job, one)).collect();
    let answer = |(number, job): (usize, &Job)| match answers.remove(&number) {
        Some(said) => judge(said, &job.spec),
        None => Err(Error::bug("a definition was not answered")),
    };
    jobs.iter().enumerate().map(answer).collect()
}

async fn transact(session: &mut Session, request: &str) -> Result<String, sqlx::Error> {
    let conn = &mut session.conn;
    sqlx::query("begin isolation level read committed read write").execute(&mut *conn).await?;
    sqlx::query("select set_config('evenkeel.shadow', $1, true)").bind(request).execute(&mut *conn).await?;
    sqlx::query(include_str!("shadow.sql")).execute(&mut *conn).await?;
    sqlx::query_scalar("select current_setting('evenkeel.shadow')").fetch_one(&mut *conn).await
}

fn request(jobs: &[Job]) -> String {
    let mut tables: BTreeMap<&Relation, Vec<serde_json::Value>> = BTreeMap::new();
    for (number, job) in jobs.iter().enumerate() {
        let Job { table, spec, path, rounds } = job;
        let unique = if spec.unique { "unique " } else { "" };
        // Storage and predicate go in separately, so that the part at fault can be told. The tablespace plays no part.
        let bare =
            Index { predicate: None, include: Vec::new(), tablespace: None, columns: Vec::new(), ..spec.clone() };
        let tail = sql::definition(&bare);
        let tail = tail.split_once("()").map_or_else(String::new, |(_, tail)| tail.to_owned());
        let path: Vec<_> =
            std::iter::once("pg_catalog").chain(path.iter().map(String::as_str)).map(quote::ident).collect();
        tables.entry(table).or_default().push(json!({
            "job": number,
            "frame": format!("create {unique}index evenkeel_shadow on %I using {} (%s)", quote::ident(&spec.method).replace('%', "%%")),
            "columns": spec.columns.join(", "),
            "include": if spec.include.is_empty() { String::new() } else { format!(" include ({})", spec.include.join(", ")) },
            "tail": tail,
            "where": spec.predicate.as_ref().map(|predicate| format!(" where {predicate}")).unwrap_or_default(),
            "path": path.join(", "),
            "rounds": rounds,
        }));
    }
    let tables: Vec<_> = tables
        .into_iter()
        .map(|(table, jobs)| json!({ "schema": table.schema, "table": table.name, "jobs": jobs }))
        .collect();
    serde_json::Value::from(tables).to_string()
}

fn judge(said: Said, spec: &Index) -> Result<Answer> {
    let Some(definition) = said.definition else {
        return Ok(Answer::Refused(Refusal {
            state: said.state.unwrap_or_default(),
            message: said.message.unwrap_or_default(),
            hint: said.hint.filter(|hint| !hint.is_empty()),
            culprit: said.culprit.unwrap_or_default(),
        }));
    };
    let parts = text::take_apart(&definition)
        .ok_or_else(|| Error::bug(format!("the server's own definition cannot be read: {definition}")))?;
    // A text that holds a comma or a closing bracket of its own makes another index than it seems to.
    let culprit = if parts.columns.len() != spec.columns.len() {
        Some("columns")
    } else if parts.include.len() != spec.include.len() {
        Some("include")
    } else if parts.predicate.is_some() != spec.predicate.is_some() {
        Some("where")
    } else {
        None
    };
    Ok(match culprit {
        None => Answer::Fine(parts),
        Some(culprit) => Answer::Refused(Refusal {
            state: String::new(),
            message: match culprit {
                "where" => "the server finds no condition in it".to_owned(),
                _ => "each text must be one column or expression, and nothing more".to_owned(),
            },
            hint: None,
            culprit: culprit.to_owned(),
        }),
    })
}
