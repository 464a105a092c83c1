//! The admin console: a PostgreSQL connection that understands a few commands, and only as plain text.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row as _};
use tokio::sync::Mutex;

use super::layer::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Secret;

/// A console that has been reached.
pub struct Console {
    options: PgConnectOptions,
    /// Opened anew after it broke; a pool of them would send what the console does not understand.
    open: Mutex<Option<PgConnection>>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Console({})", self.place())
    }
}

impl Console {
    /// Connects.
    ///
    /// # Errors
    /// `Usage` for a URL that is none, `Denied` for a login that is refused, `Unreachable` otherwise.
    pub async fn connect(url: &Secret) -> Result<Self> {
        let wrong = || {
            Error::usage("`admin_url` is not the URL of an admin console").hint(
                "write it as \"postgres://user:password@host:6432/pgbouncer\", or { env = \"PGBOUNCER_ADMIN_URL\" }",
            )
        };
        // The parser's own error could quote the URL, and with it the password.
        let options = PgConnectOptions::from_str(url.expose()).map_err(|_| wrong())?;
        let local = options.get_socket().is_some()
            || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]")
            || options.get_host().starts_with('/');
        let options = match options.get_database() {
            Some("pgbouncer") | None => options.database("pgbouncer"),
            Some(_) => return Err(wrong()),
        };
        let said = url.expose().contains("sslmode") || url.expose().contains("ssl-mode");
        let options = if local || said { options } else { options.ssl_mode(PgSslMode::VerifyFull) };
        // What a session of PostgreSQL is told at its start, the console refuses.
        let options = options.extra_float_digits(None).statement_cache_capacity(0).disable_statement_logging();
        let console = Self { options, open: Mutex::new(None) };
        *console.open.lock().await = Some(console.dial().await?);
        Ok(console)
    }

    /// `host:port`, or the socket.
    pub fn place(&self) -> String {
        let port = self.options.get_port();
        match self.options.get_socket() {
            Some(socket) => format!("{}:{port}", socket.display()),
            None => format!("{}:{port}", self.options.get_host()),
        }
    }

    /// The user who asks.
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    async fn dial(&self) -> Result<PgConnection> {
        PgConnection::connect_with(&self.options).await.map_err(|error| {
            let place = self.place();
            match &error {
                sqlx::Error::Database(said) => Error::new(
                    ErrorKind::Denied,
                    format!("the admin console at {place} refuses `{}`: {}", self.user(), said.message()),
                )
                .hint(format!("add `{}` to stats_users (to plan) or admin_users (to apply) of PgBouncer", self.user())),
                sqlx::Error::Tls(_) => {
                    Error::new(ErrorKind::Unreachable, format!("no verified TLS with the admin console at {place}"))
                        .hint("give `sslrootcert`, or say `?sslmode=disable` in the URL where the network is trusted")
                        .because(error)
                }
                _ => Error::new(ErrorKind::Unreachable, format!("no admin console at {place}"))
                    .hint("check host and port of `admin_url`, and whether PgBouncer runs")
                    .because(error),
            }
        })
    }

    /// Runs one command and returns its rows, each by column name.
    ///
    /// # Errors
    /// `Denied` where this user may not, `Transient` where the connection broke, `Failed` with the console's message otherwise.
    pub async fn ask(&self, command: &str) -> Result<Vec<Row>> {
        let mut open = self.open.lock().await;
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        // Commands are made of checked names and quoted values, and there is nothing to bind with.
        let rows = sqlx::raw_sql(AssertSqlSafe(command.to_owned())).fetch_all(&mut connection).await;
        match rows {
            Ok(rows) => {
                *open = Some(connection);
                Ok(rows.iter().map(row).collect())
            }
            Err(sqlx::Error::Database(said)) => {
                *open = Some(connection);
                let denied = said.message().contains("admin access") || said.message().contains("not allowed");
                let kind = if denied { ErrorKind::Denied } else { ErrorKind::Failed };
                let error = Error::new(kind, format!("`{command}`: {}", said.message()));
                Err(if denied {
                    error.hint(format!("add `{}` to admin_users of PgBouncer to apply", self.user()))
                } else {
                    error
                })
            }
            Err(error) => {
                let what = format!("the admin console at {} broke off during `{command}`", self.place());
                Err(Error::new(ErrorKind::Transient, what).because(error))
            }
        }
    }
}

/// A row by column name. The console sends every type as text.
fn row(row: &sqlx::postgres::PgRow) -> Row {
    row.columns()
        .iter()
        .map(|column| {
            let text: Option<String> = row.try_get_unchecked(column.ordinal()).unwrap_or_default();
            (column.name().to_owned(), text.unwrap_or_default())
        })
        .collect()
}

/// A value as `SET` takes it: bare where its parser allows that.
pub fn quote(text: &str) -> String {
    let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if bare { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}
