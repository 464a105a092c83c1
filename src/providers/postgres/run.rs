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
async fn look(_: &mut Session, expect: &Expect) -> Result<Standing> {
    match expect {
        // Each kind answers for its own expectations.
        Expect::Built(_)
        | Expect::Gone { .. }
        | Expect::Renamed { .. }
        | Expect::Attached { .. }
        | Expect::Stored { .. } => Ok(Standing::Open),
    }
}
