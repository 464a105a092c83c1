//! Crash points: where the tests make a run die as if by `kill -9`, or a step fail, to prove that running it again converges.
//!
//! Compiled to nothing without the feature `crash-points`.

use crate::error::{Error, Result};

/// The moments around one step at which a run can be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The intent is in the journal; nothing was sent.
    Before,
    /// The system did it; the journal does not know yet.
    After,
    /// Where the step would run, which fails instead; the run goes on as after every failure.
    Instead,
}

/// Which step, counted from 1 in the order of starting, and which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// The step's position.
    pub step: u32,
    /// The moment.
    pub moment: Moment,
}

impl std::str::FromStr for CrashPoint {
    type Err = String;

    /// Reads `3:before`, `3:after` or `3:fail`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("`{text}` is no crash point; write `3:before`, `3:after` or `3:fail`");
        let (step, moment) = text.split_once(':').ok_or_else(wrong)?;
        let moment = match moment {
            "before" => Moment::Before,
            "after" => Moment::After,
            "fail" => Moment::Instead,
            _ => return Err(wrong()),
        };
        Ok(Self { step: step.parse().map_err(|_| wrong())?, moment })
    }
}

/// Dies here if this is the point that was asked for.
pub fn reach(asked: Option<CrashPoint>, here: CrashPoint) {
    if cfg!(feature = "crash-points") && asked == Some(here) {
        std::process::abort();
    }
}

/// Fails if the step at this position was asked to.
pub fn fail(asked: Option<CrashPoint>, step: u32) -> Result<()> {
    if cfg!(feature = "crash-points") && asked == Some(CrashPoint { step, moment: Moment::Instead }) {
        return Err(Error::failed("a crash point keeps this step from running"));
    }
    Ok(())
}
