//! The server's errors as evenkeel's: the kind from the SQLSTATE, the server's own words, and what to type next.
//!
//! Nothing here may show a connection string.

use sqlx::postgres::PgDatabaseError;

use crate::error::{Error, ErrorKind};

/// What a failed statement means.
pub fn explain(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(inner) => match inner.try_downcast::<PgDatabaseError>() {
            Ok(server) => from_server(&server),
            Err(other) => Error::failed(other.message().to_owned()),
        },
        sqlx::Error::Io(cause) => {
            Error::new(ErrorKind::Transient, "the connection to the server broke").because(cause)
        }
        sqlx::Error::Tls(cause) => Error::new(ErrorKind::Unreachable, "no encrypted connection could be made")
            .because(cause)
            .hint("give the authority's certificate with `?sslrootcert=FILE`, or name a weaker mode with `?sslmode=require`"),
        sqlx::Error::Protocol(what) => Error::new(ErrorKind::Transient, format!("the server broke off: {what}")),
        // A configuration error quotes the part of the address that it could not read.
        sqlx::Error::Configuration(_) => Error::usage("`url` is no PostgreSQL address")
            .hint("write it as \"postgres://user:password@host:5432/database\""),
        other => Error::failed(other.to_string()),
    }
}

/// What a failed connection means: nothing was sent, so a broken one is an unreachable one.
pub fn unreachable(error: sqlx::Error, server: &str) -> Error {
    match error {
        // A certificate that is not accepted comes as an error of reading.
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            explain(sqlx::Error::Tls(Box::new(cause))).context(format!("connecting to `{server}`"))
        }
        sqlx::Error::Io(cause) => Error::new(ErrorKind::Unreachable, format!("`{server}` cannot be reached"))
            .because(cause)
            .hint("check that the server runs, and the host and port in `url`"),
        other => explain(other).context(format!("connecting to `{server}`")),
    }
}

/// Whether the connection is gone, so that nobody knows whether the statement was done.
pub fn broke_off(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(inner) => {
            inner.code().is_some_and(|code| matches!(&*code, "57P01" | "57P02" | "57P05") || code.starts_with("08"))
        }
        _ => false,
    }
}

/// What an SQLSTATE means to somebody who must decide what to do.
pub fn kind(code: &str) -> ErrorKind {
    match code {
        // Lock not available, deadlock, serialization, too many connections, starting up or going down, canceled.
        "55P03" | "40P01" | "40001" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" => ErrorKind::Transient,
        "42501" | "28000" | "28P01" => ErrorKind::Denied,
        "3D000" => ErrorKind::Usage,
        // Duplicate or missing object: the target is not as planned.
        "42P07" | "42704" | "42P01" | "42710" => ErrorKind::Conflict,
        code if code.starts_with("08") => ErrorKind::Transient,
        _ => ErrorKind::Failed,
    }
}

/// Whether an SQLSTATE speaks of the moment rather than of the statement.
pub fn is_passing(code: &str) -> bool {
    kind(code) == ErrorKind::Transient
        || matches!(code, "57014" | "25006" | "42501" | "53100" | "53200")
        || code.starts_with("XX")
}

fn from_server(server: &PgDatabaseError) -> Error {
    let mut message = server.message().to_owned();
    if let Some(detail) = server.detail() {
        message.push_str(": ");
        message.push_str(detail.trim_end_matches('.'));
    }
    let error = Error::new(kind(server.code()), message);
    match next(server) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn next(server: &PgDatabaseError) -> Option<String> {
    let own = match server.code() {
        "42501" => "see what the role needs with `evenkeel grants postgres`",
        "28P01" | "28000" => "check the user and password in `url`, and the server's pg_hba.conf",
        "3D000" => "check the database's name at the end of `url`",
        "53300" => "the server has no free connection; try again, or raise `max_connections`",
        "55P03" => "somebody holds a lock on the table; try again later, or give more time with `lock_timeout`",
        "57014" => "it took longer than allowed; give more time with `build_timeout`",
        "25006" => "the server is read-only, perhaps a standby; give `url` the primary",
        "53100" => "the server's disk is full; free space before you try again",
        _ => return server.hint().map(str::to_owned),
    };
    Some(own.to_owned())
}
