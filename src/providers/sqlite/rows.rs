//! Rows for other targets: a query read from the file as it is, row by row.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row, TypeInfo, ValueRef};

use super::sql::Database;
use super::token;
use crate::error::{Error, ErrorKind, Result};
use crate::model::hex;
use crate::provider::Sink;

/// How long the database may work on one row.
const PATIENCE: Duration = Duration::from_mins(2);

/// The columns of a query's result; the query is prepared, not run.
///
/// # Errors
/// `Usage` where SQLite does not take it.
pub async fn columns(file: &Path, busy_timeout: Duration, sql: &str) -> Result<Vec<String>> {
    let text = query(sql, &[]).map_err(Error::usage)?;
    let mut database = Database::read_only(file, busy_timeout).await?;
    let columns = database.columns(&text).await;
    database.close().await;
    columns.map_err(|failure| match failure.code {
        // What SQLite calls an error is one of the text; all else is of the moment.
        1 => Error::usage(failure.message),
        _ => failure.into(),
    })
}

/// Runs a query and hands over its rows.
///
/// # Errors
/// SQLite's, and the sink's.
pub async fn read(file: &Path, busy_timeout: Duration, sql: &str, columns: &[String], sink: &mut Sink) -> Result<()> {
    let text = query(sql, columns).map_err(Error::usage)?;
    let mut database = Database::read_only(file, busy_timeout).await?;
    let result = database.pour(&text, PATIENCE, line, sink).await;
    let undisturbed = database.undisturbed();
    database.close().await;
    match result {
        Ok(()) if !undisturbed => {
            Err(Error::new(ErrorKind::Transient, "somebody began to write the database while it was read"))
        }
        result => result,
    }
}

/// The query with the named columns alone. It must be one, and nothing beside it.
fn query(sql: &str, columns: &[String]) -> Result<String, String> {
    let sql = sql.trim_end().trim_end_matches(';');
    token::contained(&token::split(sql)?)?;
    let names: Vec<_> = columns.iter().map(|column| token::quote(column)).collect();
    let names = if names.is_empty() { "*".to_owned() } else { names.join(", ") };
    Ok(format!("select {names} from (\n{sql}\n)"))
}

/// A row as JSON.
fn line(row: &SqliteRow) -> Result<String> {
    let mut out = String::from("{");
    for column in row.columns() {
        let name = serde_json::Value::from(column.name());
        let separator = if out.len() > 1 { "," } else { "" };
        // Writing to a text cannot fail.
        let _ = write!(out, "{separator}{name}:{}", value(row, column.ordinal())?);
    }
    out.push('}');
    Ok(out)
}

fn value(row: &SqliteRow, ordinal: usize) -> Result<serde_json::Value> {
    let failed = |error: sqlx::Error| Error::failed(format!("a value cannot be read: {error}"));
    let raw = row.try_get_raw(ordinal).map_err(failed)?;
    let sort = raw.type_info().name().to_owned();
    Ok(match sort.as_str() {
        _ if raw.is_null() => serde_json::Value::Null,
        "INTEGER" => row.try_get_unchecked::<i64, _>(ordinal).map_err(failed)?.into(),
        "REAL" => {
            let number = row.try_get_unchecked::<f64, _>(ordinal).map_err(failed)?;
            // JSON has no word for what lies beyond all numbers.
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Into::into)
        }
        "BLOB" => {
            let bytes = row.try_get_unchecked::<Vec<u8>, _>(ordinal).map_err(failed)?;
            format!("\\x{}", hex(&bytes)).into()
        }
        _ => row.try_get_unchecked::<String, _>(ordinal).map_err(failed)?.into(),
    })
}
