//! Connections and statements: the only file that opens a database or hands it text. Whoever calls it has quoted the names and checked the
//! expressions in that text (see `token`); values are bound.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Executor, SqlSafeStr, SqliteConnection, Statement};

use crate::error::{Error, ErrorKind, Result};
use crate::provider::Sink;

/// An open database.
pub struct Database {
    /// `None` only while it is being closed.
    connection: Option<SqliteConnection>,
    /// Stops the running statement once nobody waits for it any more.
    abandoned: Arc<AtomicBool>,
    /// What the file was like, where it is read on the promise that nobody changes it.
    promise: Option<Stamp>,
}

/// What tells that a file was not changed meanwhile.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    log: bool,
}

/// After how many instructions of SQLite's machine a running statement looks whether it is still wanted.
const LOOK_UP_EVERY: i32 = 20_000;

impl Database {
    /// Opens `file` for reading; nothing is written, not even beside it.
    pub async fn read_only(file: &Path, busy_timeout: Duration) -> Result<Self> {
        let stamp = Stamp::of(file)?;
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(busy_timeout);
        // Reading a database in WAL mode creates its two side files, unless SQLite is promised that nobody writes. Nobody does while
        // there is no log; should somebody begin, `undisturbed` says so.
        if in_wal_mode(file)? && !stamp.log {
            return Self::open(options.immutable(true), Some(stamp)).await;
        }
        Self::open(options, None).await
    }

    /// Opens `file` for writing; it must be there.
    pub async fn writable(file: &Path, busy_timeout: Duration) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(false).busy_timeout(busy_timeout);
        Self::open(options, None).await
    }

    /// An empty database in memory.
    pub async fn in_memory() -> Result<Self> {
        Self::open(SqliteConnectOptions::new().in_memory(true).foreign_keys(false), None).await
    }

    async fn open(options: SqliteConnectOptions, promise: Option<Stamp>) -> Result<Self> {
        let mut connection =
            options.disable_statement_logging().connect().await.map_err(|error| Failure::of(&error))?;
        let abandoned = Arc::new(AtomicBool::new(false));
        let flag = abandoned.clone();
        let wanted = move || !flag.load(Ordering::Relaxed);
        connection
            .lock_handle()
            .await
            .map_err(|error| Failure::of(&error))?
            .set_progress_handler(LOOK_UP_EVERY, wanted);
        Ok(Self { connection: Some(connection), abandoned, promise })
    }

    /// Runs `text`, whatever it returns.
    pub async fn run(&mut self, text: &str) -> Result<(), Failure> {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(self.connection())
            .await
            .map(drop)
            .map_err(|error| Failure::of(&error))
    }

    /// The rows of `text`, with `values` bound to its parameters.
    pub async fn rows(&mut self, text: &str, values: &[&str]) -> Result<Vec<SqliteRow>, Failure> {
        let mut query = sqlx::query(AssertSqlSafe(text));
        for value in values {
            query = query.bind(*value);
        }
        query.fetch_all(self.connection()).await.map_err(|error| Failure::of(&error))
    }

    /// The columns that `text` gives, without running it.
    pub async fn columns(&mut self, text: &str) -> Result<Vec<String>, Failure> {
        let prepared = self.connection().prepare(AssertSqlSafe(text).into_sql_str()).await;
        let statement = prepared.map_err(|error| Failure::of(&error))?;
        Ok(statement.columns().iter().map(|column| column.name().to_owned()).collect())
    }

    /// Puts every row of `text`, printed by `print`, into `sink` as it comes. No row may take longer than `patience`.
    pub async fn pour(
        &mut self,
        text: &str,
        patience: Duration,
        print: fn(&SqliteRow) -> Result<String>,
        sink: &mut Sink,
    ) -> Result<()> {
        let mut rows = sqlx::query(AssertSqlSafe(text)).fetch(self.connection());
        loop {
            let row = tokio::time::timeout(patience, rows.try_next()).await.map_err(|_| {
                Error::failed(format!("no row came within {patience:?}")).hint("look at the query's plan")
            })?;
            match row.map_err(|error| Failure::of(&error))? {
                Some(row) => sink.put(&print(&row)?).await?,
                None => return Ok(()),
            }
        }
    }

    /// Whether everything that was read so far is what the file holds: false where somebody began to write while it was read on the
    /// promise that nobody does.
    pub fn undisturbed(&self) -> bool {
        self.promise.as_ref().is_none_or(|stamp| Stamp::of(&stamp.file).is_ok_and(|now| now == *stamp))
    }

    /// Closes the database and waits until it is closed.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            // Nothing depends on how closing ends: what was to be kept is committed.
            let _ = connection.close().await;
        }
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a database is used only until it is closed")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Stamp {
    fn of(file: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|error| unreadable(file, error))?;
        let log = beside(file, "-wal").metadata().is_ok_and(|log| log.len() > 0);
        Ok(Self { file: file.to_owned(), length: metadata.len(), modified: metadata.modified().ok(), log })
    }
}

/// Another file of the same database: `shop.db-wal`.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether changes go to a log beside the file. Byte 18 of the header says so; SQLite itself does not while it is promised that nobody writes.
pub fn in_wal_mode(file: &Path) -> Result<bool> {
    let mut header = [0; 19];
    let read = File::open(file).and_then(|mut file| file.read(&mut header)).map_err(|error| unreadable(file, error))?;
    Ok(read == header.len() && header[18] == 2)
}

/// A file that cannot be read, with what to do about it.
pub fn unreadable(file: &Path, error: std::io::Error) -> Error {
    let message = format!("cannot read `{}`", file.display());
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorKind::Unreachable, format!("there is no file `{}`", file.display()))
                .hint("check `path`; evenkeel never creates a database")
        }
        std::io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Denied, message).because(error).hint("run as a user who may read and write the file")
        }
        _ => Error::new(ErrorKind::Unreachable, message)
            .because(error)
            .hint("check `path`: it must name a database file"),
    }
}

/// What SQLite said.
#[derive(Debug)]
pub struct Failure {
    /// SQLite's primary result code; 0 where the failure is none of its own.
    pub code: i32,
    /// SQLite's message, as it is.
    pub message: String,
}

impl Failure {
    fn of(error: &sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) => {
                let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
                Self { code: code & 0xff, message: database.message().to_owned() }
            }
            None => Self { code: 0, message: error.to_string() },
        }
    }
}

impl From<Failure> for Error {
    fn from(Failure { code, message }: Failure) -> Self {
        let (kind, hint) = match code {
            5 | 6 => (
                ErrorKind::Transient,
                Some("another connection holds the write lock; give it more time with `busy_timeout`"),
            ),
            3 | 8 | 23 => (ErrorKind::Denied, Some("run as a user who may write the file and its folder")),
            14 => (ErrorKind::Unreachable, Some("check `path` and the rights on the file and its folder")),
            11 | 26 => (ErrorKind::Unreachable, Some("check `path`: it must name an intact SQLite database")),
            _ => (ErrorKind::Failed, None),
        };
        let error = Self::new(kind, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
