//! The target's lock: an advisory lock on a session of its own, taken without waiting.
//!
//! Never by waiting: a session that waits in `pg_advisory_lock` holds a snapshot, and a concurrent build waits for that in turn.

use std::time::Duration;

use sqlx::{Connection, Row};
use tokio::sync::Mutex;

use super::connect::{Endpoint, Purpose, Session};
use super::{failure, quote};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Busy, Claim, Held, Holder, Later};

/// The lock, held as long as its session lives.
#[derive(Debug)]
pub struct Lock {
    session: Mutex<Session>,
    /// Asks whether the session is there, and says whose it is, as its last statement tells that to others.
    question: String,
}

impl Held for Lock {
    fn check(&self) -> Later<'_, Result<()>> {
        Box::pin(async {
            let there = self.session.lock().await.ask(&self.question).await;
            there.map(drop).map_err(|error| {
                Error::new(ErrorKind::Locked, "the session that held the lock has ended, another run may have it")
                    .because(failure::explain(error))
                    .hint("run it again")
            })
        })
    }
}

/// `evenkeel` in two numbers; the server keeps advisory locks per database.
const KEY: &str = "1702257003, 1701538156";

const HOLDER: &str = "select l.pid, coalesce(a.application_name, '') as name, coalesce(a.query, '') as query, \
        to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') as since \
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid \
    where l.locktype = 'advisory' and l.classid = 1702257003 and l.objid = 1701538156 and l.objsubid = 2 and l.granted \
        and l.database = (select oid from pg_database where datname = current_database())";

/// What a session's last statement says of its holder, in the order of the words.
const MARK: &str = "/* evenkeel holder: ";

/// Takes the lock, or says who has it.
///
/// # Errors
/// When no session can be opened; on a standby, before anything is tried.
pub async fn take(endpoint: &Endpoint, holder: &Holder) -> Result<Claim<Lock>> {
    let mut session = endpoint.open(Purpose::Lock, &name(holder), Duration::ZERO).await?;
    // Another session's statement is shown to those who may see it; the name, which is short, to everybody.
    let mark = format!("{MARK}{} */", words(holder));
    let sql = format!("select pg_try_advisory_lock({KEY}) {mark}");
    if session.ask(&sql).await.map_err(failure::explain)? {
        if session.ask("select pg_is_in_recovery()").await.map_err(failure::explain)? {
            return Err(Error::failed("the server is a standby, on which nothing can be changed")
                .hint("give `url` the primary; on a standby, `plan` and `drift` work"));
        }
        return Ok(Claim::Ours(Lock { session: Mutex::new(session), question: format!("select true {mark}") }));
    }
    let row = sqlx::query(HOLDER).fetch_optional(&mut session.conn).await.map_err(failure::explain)?;
    let busy = match row {
        None => Busy { holder: "somebody who has just let go".to_owned(), since: None },
        Some(row) => describe(&row).map_err(failure::explain)?,
    };
    // Nothing depends on a polite goodbye.
    session.conn.close().await.ok();
    Ok(Claim::Busy(busy))
}

/// Ends the session that holds the lock, and says so.
///
/// # Errors
/// `Denied` where the role may not end that session.
pub async fn release(session: &mut Session) -> Result<String> {
    // Twice, for who lets go at this very moment is no holder any more.
    for _ in 0..2 {
        let row = sqlx::query(HOLDER).fetch_optional(&mut session.conn).await.map_err(failure::explain)?;
        let Some(row) = row else { return Ok("nobody holds the lock".to_owned()) };
        let pid: i32 = row.try_get("pid").map_err(failure::explain)?;
        let busy = describe(&row).map_err(failure::explain)?;
        let ended: bool = sqlx::query_scalar("select pg_terminate_backend($1, 5000)")
            .bind(pid)
            .fetch_one(&mut session.conn)
            .await
            .map_err(|error| failure::explain(error).context(format!("ending session {pid} of {}", busy.holder)))?;
        if ended {
            return Ok(format!("ended session {pid}, which held the lock: {}", busy.holder));
        }
    }
    Err(Error::failed("the session that holds the lock does not end")
        .hint("see it with: select * from pg_stat_activity"))
}

fn describe(row: &sqlx::postgres::PgRow) -> Result<Busy, sqlx::Error> {
    let (query, name): (String, String) = (row.try_get("query")?, row.try_get("name")?);
    let said = query.split_once(MARK).and_then(|(_, rest)| rest.strip_suffix(" */"));
    let holder = match said {
        Some(words) => words.to_owned(),
        None if name.is_empty() => format!("session {}", row.try_get::<i32, _>("pid")?),
        None => name.strip_prefix("evenkeel ").map(str::to_owned).unwrap_or(name),
    };
    Ok(Busy { holder, since: row.try_get("since")? })
}

fn words(holder: &Holder) -> String {
    // Since when is told by the session itself.
    let Holder { who, pid, run, since: _ } = holder;
    // Nothing that somebody calls himself may end the comment.
    quote::comment(&format!("{who}, pid {pid}, run {run}"))
}

/// A session's name: 63 bytes, of which the server keeps ASCII only.
fn name(holder: &Holder) -> String {
    let mut text: String = format!("evenkeel {}, pid {}, run {}", holder.who, holder.pid, holder.run)
        .chars()
        .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
        .collect();
    text.truncate(63);
    text
}
