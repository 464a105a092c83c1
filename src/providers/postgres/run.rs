//! Running one operation: look first, set the timeouts as printed, send the statement, look again.

use std::time::Duration;

use super::connect::{Endpoint, Purpose, Session};
use super::failure;
use super::op::{Expect, Op};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Progress;

/// How a target stands to what an operation is to bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is so already.
    Done,
    /// It is not so yet, and nothing is in the way.
    Open,
    /// Something else is there: the target is not as planned.
    Changed(String),
}

/// Runs one operation; one that is already done succeeds.
///
/// # Errors
/// As the seam says.
pub async fn run(endpoint: &Endpoint, op: &Op, progress: &Progress) -> Result<()> {
    let mut session = endpoint.open(Purpose::Write, "evenkeel", op.lock_timeout).await?;
    match look(&mut session, &op.after).await? {
        Standing::Done => return Ok(()),
        Standing::Changed(what) => return Err(Error::new(ErrorKind::Conflict, what)),
        Standing::Open => {}
    }
    let _ = progress;
    session.set_timeouts(op.lock_timeout, op.statement_timeout).await?;
    if let Err(error) = session.send(&op.sql).await {
        return Err(failure::explain(error));
    }
    session.set_timeouts(Duration::ZERO, Duration::from_mins(1)).await?;
    if let Expect::Reloaded(question) = &op.after {
        return reloaded(&mut session, question).await;
    }
    match look(&mut session, &op.after).await? {
        Standing::Done => Ok(()),
        Standing::Open => Err(Error::failed("the server said yes, but nothing changed")),
        Standing::Changed(what) => Err(Error::new(ErrorKind::Conflict, what)),
    }
}

/// Looks whether what is expected is so.
///
/// # Errors
/// As any statement.
async fn look(session: &mut Session, expect: &Expect) -> Result<Standing> {
    match expect {
        Expect::Holds(question) => {
            let holds = session.ask(question).await.map_err(failure::explain)?;
            Ok(if holds { Standing::Done } else { Standing::Open })
        }
        Expect::Reloaded(_) => Ok(Standing::Open),
        // Each kind answers for its own expectations.
        Expect::Built(_)
        | Expect::Gone { .. }
        | Expect::Renamed { .. }
        | Expect::Attached { .. }
        | Expect::Stored { .. } => Ok(Standing::Open),
    }
}

/// Waits until the server has read its files: it answers before it has.
async fn reloaded(session: &mut Session, question: &str) -> Result<()> {
    for _ in 0..50 {
        let is_done = session.ask(question).await.map_err(failure::explain)?;
        // Once more even then: other sessions, that of the next reading among them, are told a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if is_done {
            return Ok(());
        }
    }
    Err(Error::failed("the server was told to read its files, but the new values are not in force")
        .hint("look for errors with `select * from pg_file_settings where error is not null`, and in the server's log"))
}
