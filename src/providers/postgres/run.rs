//! Running one operation: look first, set the timeouts as printed, send the statement, look again.

use std::time::Duration;

use super::connect::{Endpoint, Purpose, Session};
use super::index::{look, sql};
use super::op::{Expect, Op};
use super::{failure, watch};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Progress;

/// How a target stands to what an operation is to bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is so already.
    Done,
    /// It is not so yet, and nothing is in the way.
    Open,
    /// A failed build of it is in the way.
    Leftover(String),
    /// Somebody is at it.
    Busy(String),
    /// Something else is there: the target is not as planned.
    Changed(String),
}

/// When a look is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the statement is sent.
    Before,
    /// After it was sent.
    After,
}

/// How long cleaning up after a failed build may take before it is left to the next plan.
const CLEANING: Duration = Duration::from_secs(10);

/// How often a server that broke off is tried again to see what became of the statement, a second apart.
const LOOKS: u32 = 5;

/// Runs one operation; one that is already done succeeds.
///
/// # Errors
/// As the seam says.
pub async fn run(endpoint: &Endpoint, op: &Op, progress: &Progress) -> Result<()> {
    let mut session = endpoint.open(Purpose::Write, "evenkeel", op.lock_timeout).await?;
    match look(&mut session, &op.after, Moment::Before).await? {
        Standing::Done => return Ok(()),
        Standing::Open => {}
        Standing::Leftover(what) | Standing::Changed(what) => {
            return Err(Error::new(ErrorKind::Conflict, what).hint("plan again, to see what it takes now"));
        }
        Standing::Busy(what) => return Err(Error::new(ErrorKind::Conflict, what).hint("plan again when it is done")),
    }
    session.set_timeouts(op.lock_timeout, op.statement_timeout).await?;
    let pid = session.pid().await?;
    let sent = tokio::select! {
        sent = session.send(&op.sql) => sent,
        never = watch::watch(endpoint, pid, progress) => match never {},
    };
    match sent {
        Ok(()) => verify(&mut session, op).await,
        Err(error) if failure::broke_off(&error) => find_out(endpoint, op, failure::explain(error)).await,
        Err(error) => {
            let left = clean_up(&mut session, op).await;
            Err(with_remark(failure::explain(error), left))
        }
    }
}

/// Reads back that the statement took effect: an answer alone is no proof.
async fn verify(session: &mut Session, op: &Op) -> Result<()> {
    session.set_timeouts(Duration::ZERO, CLEANING).await?;
    match look(session, &op.after, Moment::After).await? {
        Standing::Done => Ok(()),
        Standing::Open => Err(Error::failed("the server reported success, but nothing changed")),
        Standing::Leftover(what) | Standing::Busy(what) | Standing::Changed(what) => {
            Err(Error::new(ErrorKind::Conflict, what).context("the server reported success, but"))
        }
    }
}

/// The connection is gone and nobody said how it ended: asks on a new one.
async fn find_out(endpoint: &Endpoint, op: &Op, error: Error) -> Result<()> {
    let mut last = error;
    for _ in 0..LOOKS {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut session = match endpoint.open(Purpose::Write, "evenkeel", op.lock_timeout).await {
            Ok(session) => session,
            Err(error) => {
                last = error;
                continue;
            }
        };
        match look(&mut session, &op.after, Moment::After).await {
            Ok(Standing::Done) => return Ok(()),
            Ok(Standing::Open) => {
                return Err(
                    Error::new(ErrorKind::Transient, "the connection broke, and nothing was changed").because(last)
                );
            }
            Ok(Standing::Leftover(_)) => {
                let left = clean_up(&mut session, op).await;
                let error = Error::new(ErrorKind::Transient, "the connection broke during the build").because(last);
                return Err(with_remark(error, left));
            }
            Ok(Standing::Busy(what)) => {
                let error = Error::new(ErrorKind::InDoubt, format!("the connection broke, but {what}"));
                return Err(error.hint("plan again when it is done").because(last));
            }
            Ok(Standing::Changed(what)) => return Err(Error::new(ErrorKind::Conflict, what).because(last)),
            Err(error) => last = error,
        }
    }
    Err(Error::new(
        ErrorKind::InDoubt,
        "the connection broke, and the server cannot be asked what became of the statement",
    )
    .hint("plan again once it answers: it shows what is there")
    .because(last))
}

/// Removes what our own failed build left, if that goes quickly; says what is left. There was nothing of that name before.
async fn clean_up(session: &mut Session, op: &Op) -> Option<String> {
    let Expect::Built(built) = &op.after else { return None };
    let name = built.index.full();
    let kept = || Some(format!("`{name}` may be left there, not valid; the next plan removes it first"));
    if session.set_timeouts(Duration::ZERO, CLEANING).await.is_err() {
        return kept();
    }
    match look(session, &op.after, Moment::After).await {
        Ok(Standing::Open) => None,
        Ok(Standing::Leftover(_)) => {
            let removed = session.send(&sql::drop_concurrently(&built.index.schema, &built.index.name)).await;
            match removed {
                Ok(()) => Some("what the failed build left was removed again".to_owned()),
                Err(_) => Some(format!("`{name}` is left there, not valid; the next plan removes it first")),
            }
        }
        _ => kept(),
    }
}

fn with_remark(error: Error, remark: Option<String>) -> Error {
    let Some(remark) = remark else { return error };
    let whole = Error::new(error.kind(), format!("{error}; {remark}"));
    match error.next() {
        Some(hint) => whole.hint(hint),
        None => whole,
    }
}

/// Looks how the target stands to what is expected; each kind answers for its own.
async fn look(session: &mut Session, expect: &Expect, moment: Moment) -> Result<Standing> {
    match expect {
        Expect::Built(built) => look::built(session, built, moment).await,
        Expect::Begun(built) => look::begun(session, built, moment).await,
        Expect::Gone { schema, name } => look::gone(session, schema, name).await,
        Expect::Renamed { schema, from, to } => look::renamed(session, schema, from, to).await,
        Expect::Attached { child_schema, child, .. } => look::attached(session, child_schema, child).await,
        Expect::Stored { schema, name, set, reset } => look::stored(session, schema, name, set, reset).await,
        Expect::Holds(question) => answer(session, question).await,
        Expect::Reloaded(_) if moment == Moment::Before => Ok(Standing::Open),
        Expect::Reloaded(question) => reloaded(session, question).await,
    }
}

async fn answer(session: &mut Session, question: &str) -> Result<Standing> {
    let holds = session.ask(question).await.map_err(failure::explain)?;
    Ok(if holds { Standing::Done } else { Standing::Open })
}

/// Waits until the server has read its files: it answers before it has.
async fn reloaded(session: &mut Session, question: &str) -> Result<Standing> {
    for _ in 0..50 {
        let standing = answer(session, question).await?;
        // Once more even then: other sessions, that of the next reading among them, are told a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if standing == Standing::Done {
            return Ok(Standing::Done);
        }
    }
    let what = "the new values are not in force; `select * from pg_file_settings where error is not null` says why";
    Ok(Standing::Changed(what.to_owned()))
}
