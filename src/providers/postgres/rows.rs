//! Rows for other targets: a query read as it runs, in a read-only session of its own. The server stops while nobody takes rows, so neither
//! side holds many of them, and what came before a failure has come.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr, Statement};

use super::connect::{Endpoint, Purpose, Session};
use super::{Settings, failure, quote};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Sink;

/// How long the server may work until the next row comes. How long rows take to be used is not its fault, and does not count.
const PATIENCE: Duration = Duration::from_mins(2);
/// A server that knows how looks now and then whether anybody still waits for its rows.
const LOOK_UP: &str =
    "select set_config(name, '5s', false) from pg_settings where name = 'client_connection_check_interval'";

/// The columns of a query's result; the query is prepared, not run.
///
/// # Errors
/// `Usage` where the server does not take it.
pub async fn columns(endpoint: &Endpoint, settings: &Settings, sql: &str) -> Result<Vec<String>> {
    let mut session = open(endpoint, settings).await?;
    let text = format!("select * from {}", source(sql));
    let statement = session.conn.prepare(AssertSqlSafe(text).into_sql_str()).await.map_err(refused)?;
    if statement.parameters().is_some_and(|given| given.left().map_or(0, <[_]>::len) + given.right().unwrap_or(0) > 0) {
        return Err(Error::usage("the query has parameters, and nothing fills them"));
    }
    Ok(statement.columns().iter().map(|column| sqlx::Column::name(column).to_owned()).collect())
}

/// Runs a query and hands over its rows.
///
/// # Errors
/// The server's, and the sink's.
pub async fn read(
    endpoint: &Endpoint,
    settings: &Settings,
    sql: &str,
    columns: &[String],
    sink: &mut Sink,
) -> Result<()> {
    let mut session = open(endpoint, settings).await?;
    // Whoever is slow to take the rows must not run out of the server's patience: ours is measured from row to row.
    session.set_timeouts(settings.lock_timeout.std(), Duration::ZERO).await?;
    session.send(LOOK_UP).await.map_err(failure::explain)?;
    // The session is read-only, and stays so: the query is no statement of its own that could say otherwise.
    let text = select(sql, columns);
    let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(text)).persistent(false).fetch(&mut session.conn);
    loop {
        let row = tokio::time::timeout(PATIENCE, rows.try_next())
            .await
            .map_err(|_| Error::failed(format!("no row came within {PATIENCE:?}")).hint("look at the query's plan"))?;
        match row.map_err(failure::explain)? {
            Some(row) => sink.put(&row).await?,
            None => return Ok(()),
        }
    }
}

async fn open(endpoint: &Endpoint, settings: &Settings) -> Result<Session> {
    let mut session = endpoint.open(Purpose::Read, "evenkeel rows", settings.lock_timeout.std()).await?;
    session.set_timeouts(settings.lock_timeout.std(), PATIENCE).await?;
    let path: Vec<_> = settings.schemas.iter().map(|schema| quote::ident(schema)).collect();
    let set = sqlx::query("select set_config('search_path', $1, false)").bind(path.join(", "));
    set.execute(&mut session.conn).await.map_err(failure::explain)?;
    Ok(session)
}

/// The server itself makes JSON of a row: nobody knows its types better. A line feed can only stand between values there.
fn select(sql: &str, columns: &[String]) -> String {
    let names: Vec<_> = columns.iter().map(|column| quote::ident(column)).collect();
    let rows = match names.as_slice() {
        [] => source(sql),
        names => format!("(select {} from {}) as r", names.join(", "), source(sql)),
    };
    let alias = if names.is_empty() { "q" } else { "r" };
    format!("select pg_catalog.translate(pg_catalog.row_to_json({alias})::text, e'\\n\\r', '  ') from {rows}")
}

/// A query as a source of rows; its last line may be a comment.
fn source(sql: &str) -> String {
    format!("(\n{}\n) as q", sql.trim_end().trim_end_matches(';'))
}

fn refused(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|inner| inner.code().map(std::borrow::Cow::into_owned));
    let error = failure::explain(error);
    match code {
        Some(code) if !failure::is_passing(&code) => {
            let refused = Error::new(ErrorKind::Usage, error.message());
            match error.next() {
                Some(hint) => refused.hint(hint),
                None => refused,
            }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_a_source_and_no_statement() {
        let check = |sql: &str, columns: &[&str], expected: &str| {
            let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
            let text = select(sql, &columns);
            assert_eq!(text.split_once(" from ").map(|(_, source)| source), Some(expected));
        };
        check("select 1 as id;\n", &[], "(\nselect 1 as id\n) as q");
        check(
            "select * from p -- all",
            &["id", "a \"b\""],
            "(select id, \"a \"\"b\"\"\" from (\nselect * from p -- all\n) as q) as r",
        );
    }
}
