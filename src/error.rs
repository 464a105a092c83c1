//! The one error type: reported as a sentence with a hint, branched on by a small kind.

use std::fmt;

/// What sort of failure it is: all that the program ever branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The command line, or a file it names, cannot be used.
    Usage,
    /// It may well work when tried again: a timeout, a deadlock, a connection refused or cut before anything was sent.
    Transient,
    /// The system cannot be reached.
    Unreachable,
    /// The system says this identity may not.
    Denied,
    /// What was read is no longer what is there.
    Conflict,
    /// Somebody else holds the lock.
    Locked,
    /// It was sent, and nobody knows whether it was done.
    InDoubt,
    /// All that could be done was done, and the message says what could not.
    Partly,
    /// The system refused or failed.
    Failed,
    /// evenkeel itself is wrong.
    Bug,
}

/// A failure: what, why, and what to type next. Never contains a secret.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The program's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of `kind`; `message` is a lowercase fragment without a final period.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// The system refused or failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// The command line cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// evenkeel itself is wrong.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
            .hint("this is a defect of evenkeel; please report it with the command you ran")
    }

    /// With what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the failure underneath, whose text must hold no secret.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With `context: ` in front of the message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The same failure once more, its causes folded into the message.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { kind: self.kind, message: self.to_string(), hint: self.hint.clone(), source: None }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, without the causes and the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to type next.
    pub fn next(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            // Many libraries repeat the cause in their own text; once is enough.
            if !self.message.contains(&text) {
                write!(f, ": {text}")?;
            }
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
