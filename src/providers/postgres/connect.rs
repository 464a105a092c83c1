//! Connections: how a server is reached, and the settings every session is pinned to, so that it always says the same thing the same way.
//!
//! The only module that sends statements that are not constants; it does so one at a time, with the server refusing a second one.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::failure;
use crate::error::{Error, Result};
use crate::model::Secret;

/// Where a server is and how to get in.
#[derive(Clone)]
pub struct Endpoint {
    options: PgConnectOptions,
    /// The file with the authority's certificate, as the address names it.
    authority: Option<String>,
    /// What the plan's reader should know about the connection itself.
    pub notes: Vec<String>,
}

/// What a session is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Looking: the session is read-only unless a transaction says otherwise.
    Read,
    /// Running a step.
    Write,
    /// Holding the lock.
    Lock,
}

/// One session, pinned.
#[derive(Debug)]
pub struct Session {
    /// The connection itself, for constant statements.
    pub conn: PgConnection,
}

/// What makes two sessions print and read a definition alike; and no compiling of queries, which takes longer than any catalog query does.
const PIN: &str = "select set_config('search_path', 'pg_catalog', false), set_config('timezone', 'UTC', false), \
    set_config('datestyle', 'ISO, MDY', false), set_config('intervalstyle', 'postgres', false), \
    set_config('extra_float_digits', '1', false), set_config('quote_all_identifiers', 'off', false), \
    set_config('standard_conforming_strings', 'on', false), set_config('bytea_output', 'hex', false), \
    set_config('xmlbinary', 'base64', false), set_config('client_min_messages', 'warning', false), \
    set_config('idle_in_transaction_session_timeout', '0', false), set_config('default_transaction_isolation', 'read committed', false), \
    set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false), \
    set_config('default_transaction_read_only', $3, false), set_config('jit', 'off', false)";

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    /// `Usage` for a text that is none; the text itself is never shown.
    pub fn new(url: &Secret) -> Result<Self> {
        let text = url.expose();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(failure::explain(sqlx::Error::Configuration("scheme".into())));
        }
        let options: PgConnectOptions = text.parse().map_err(failure::explain)?;
        let query = text.split_once('?').map_or("", |(_, query)| query);
        let names_mode = query.split('&').any(|pair| pair.starts_with("sslmode=") || pair.starts_with("ssl-mode="));
        let authority = query.split('&').find_map(|pair| pair.strip_prefix("sslrootcert=")).map(str::to_owned);
        let mut notes = Vec::new();
        let options = match (is_local(&options), names_mode) {
            (false, false) => options.ssl_mode(PgSslMode::VerifyFull),
            (false, true) => {
                let mode = options.get_ssl_mode();
                if !matches!(mode, PgSslMode::VerifyFull) {
                    notes.push(format!(
                        "the connection to `{}` does not verify who answers: `url` says sslmode={}",
                        options.get_host(),
                        spell(mode)
                    ));
                }
                options
            }
            (true, _) => options,
        };
        Ok(Self { options: options.application_name("evenkeel").disable_statement_logging(), authority, notes })
    }

    /// The server as people name it: `db.example.com:5432`, or the socket's folder.
    pub fn server(&self) -> String {
        match self.options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }

    /// Why there is no connection. The driver does not say which file it misses.
    fn unreachable(&self, error: sqlx::Error) -> Error {
        match (&error, &self.authority) {
            (sqlx::Error::Io(cause), Some(file)) if std::fs::metadata(file).is_err() => {
                Error::usage(format!("the certificate `{file}` cannot be read: {cause}"))
                    .hint("check `sslrootcert` in `url`")
            }
            _ => failure::unreachable(error, &self.server()),
        }
    }

    /// Opens a session that shows `name` as its `application_name`.
    ///
    /// # Errors
    /// `Unreachable`, `Denied` or `Transient`, with the server's own words.
    pub async fn open(&self, purpose: Purpose, name: &str, lock_timeout: Duration) -> Result<Session> {
        let options = self.options.clone().application_name(name);
        let connecting = PgConnection::connect_with(&options).await;
        let mut conn = connecting.map_err(|error| self.unreachable(error))?;
        let (patience, read_only) = match purpose {
            Purpose::Read => (Duration::from_mins(2), "on"),
            Purpose::Write => (Duration::from_mins(2), "off"),
            Purpose::Lock => (Duration::ZERO, "off"),
        };
        let pinning =
            sqlx::query(PIN).bind(millis(lock_timeout)).bind(millis(patience)).bind(read_only).execute(&mut conn).await;
        pinning.map_err(failure::explain)?;
        Ok(Session { conn })
    }

    /// Opens a session that listens for notifications.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn listen(&self, name: &str) -> Result<PgListener> {
        let pool =
            PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone().application_name(name));
        PgListener::connect_with(&pool).await.map_err(|error| failure::unreachable(error, &self.server()))
    }
}

impl Session {
    /// The server's version as a number: `150018`.
    pub fn version(&self) -> i32 {
        self.conn.server_version_num().and_then(|number| i32::try_from(number).ok()).unwrap_or(0)
    }

    /// Sets the two timeouts of what follows, exactly as printed; zero means none.
    ///
    /// # Errors
    /// As any statement.
    pub async fn set_timeouts(&mut self, lock: Duration, statement: Duration) -> Result<()> {
        sqlx::query("select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)")
            .bind(millis(lock))
            .bind(millis(statement))
            .execute(&mut self.conn)
            .await
            .map(drop)
            .map_err(failure::explain)
    }

    /// Sends one statement, alone and as it is; the server refuses a text that holds two.
    ///
    /// # Errors
    /// The driver's own, so that the caller can tell a refusal from a broken connection.
    pub async fn send(&mut self, statement: &str) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(&mut self.conn).await.map(drop)
    }

    /// Asks one yes-or-no question, alone and as it is.
    ///
    /// # Errors
    /// The driver's own.
    pub async fn ask(&mut self, question: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(AssertSqlSafe(question)).persistent(false).fetch_one(&mut self.conn).await
    }

    /// The server's number for this session.
    ///
    /// # Errors
    /// As any statement.
    pub async fn pid(&mut self) -> Result<i32> {
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut self.conn).await.map_err(failure::explain)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.server())
    }
}

/// A timeout as the server reads it. A part of a millisecond counts as one: zero would mean no timeout at all.
fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_micros().div_ceil(1000))
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn spell(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// Whether `url` can be read at all, for checking offline, where an empty one is a reference that is not looked up.
///
/// # Errors
/// As [`Endpoint::new`].
pub fn check(url: &Secret) -> Result<(), Error> {
    if url.expose().is_empty() { Ok(()) } else { Endpoint::new(url).map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_is_verified_unless_the_address_says_otherwise() {
        let check = |url: &str, mode: &str, notes: usize| {
            let endpoint = Endpoint::new(&Secret::new(url)).expect("an address");
            assert_eq!((spell(endpoint.options.get_ssl_mode()), endpoint.notes.len()), (mode, notes), "{url}");
        };
        check("postgres://joe:x@db.example.com/shop", "verify-full", 0);
        check("postgres://db.example.com/shop?sslmode=verify-full", "verify-full", 0);
        check("postgres://db.example.com/shop?sslmode=require", "require", 1);
        check("postgres://db.example.com/shop?application_name=x&sslmode=disable", "disable", 1);
        check("postgres://localhost/shop", "prefer", 0);
        check("postgres://[::1]:5433/shop", "prefer", 0);
        check("postgres://127.0.0.1/shop?sslmode=disable", "disable", 0);
        check("postgres://x/shop?host=/run/postgresql", "prefer", 0);
    }

    #[test]
    fn a_timeout_never_rounds_to_none() {
        assert_eq!(millis(Duration::from_micros(1)), "1ms");
        assert_eq!(millis(Duration::ZERO), "0ms");
        assert_eq!(millis(Duration::from_secs(3)), "3000ms");
    }
}
