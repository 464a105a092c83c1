//! Exit codes: one table for every verb and every format.

use std::process::ExitCode;

use crate::error::{Error, ErrorKind};
use crate::model::{Diagnostic, Sources};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error.
    Error,
    /// Changes or drift. The code can be set with `--drift-exit-code`.
    Changes(u8),
    /// Something could not be read.
    Incomplete,
    /// A stale or altered plan; nothing was done.
    Stale,
    /// Locked by someone else.
    Locked,
    /// A hazard that is not allowed, a guard, a protection, or no confirmation.
    Refused,
    /// Partly applied.
    Partial,
    /// A usage error or an invalid policy.
    Usage,
}

/// What a verb returns.
pub type Result<T = Exit> = std::result::Result<T, Failure>;

/// Why a verb could not go on, already sorted by exit code.
#[derive(Debug)]
pub enum Failure {
    /// An error, with the exit code its kind has.
    Error(Error),
    /// Problems in policy files.
    Policy(Vec<Diagnostic>, Sources),
    /// A refusal, already in words, with the exit code it has.
    Refusal(Exit, String),
}

/// The code of changes or drift, unless the user sets another.
pub const CHANGES: u8 = 2;

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes(code) => code,
            Self::Incomplete => 3,
            Self::Stale => 4,
            Self::Locked => 5,
            Self::Refused => 6,
            Self::Partial => 7,
            Self::Usage => 64,
        }
    }

    /// The code that an error's kind has.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Locked => Self::Locked,
            ErrorKind::Conflict => Self::Stale,
            ErrorKind::Partly => Self::Partial,
            ErrorKind::Transient
            | ErrorKind::Unreachable
            | ErrorKind::Denied
            | ErrorKind::InDoubt
            | ErrorKind::Failed
            | ErrorKind::Bug => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
