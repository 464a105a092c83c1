//! Crash points: where the tests make a run die as if by `kill -9`, to prove that running it again converges.
//!
//! Compiled to nothing without the feature `crash-points`.

/// The moments around one step at which a run can be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The intent is in the journal; nothing was sent.
    Before,
    /// The system did it; the journal does not know yet.
    After,
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

    /// Reads `3:after`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no crash point; write `3:before` or `3:after`");
        let (step, moment) = text.split_once(':').ok_or_else(wrong)?;
        let moment = match moment {
            "before" => Moment::Before,
            "after" => Moment::After,
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
