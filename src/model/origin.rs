//! Origins: the place in a policy that a change comes from.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A file and a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file, as it was named on the command line or found in a folder.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
