//! The operation: all changes of a target, in one write. `Display` is it, in the order in which it happens.

use std::fmt;
use std::path::PathBuf;

use super::edit::Edit;
use crate::model::units::Duration;

/// All changes of a handler.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Where the admin endpoint has the handler; `None` where only the file is written.
    pub url: Option<String>,
    /// The file.
    pub config: Option<PathBuf>,
    /// The addresses that must be well first.
    pub gate: Vec<String>,
    /// Within how long.
    pub within: Duration,
    /// How many of the nodes that stay must be well; less, and nothing is written.
    pub floor: usize,
    /// What changes.
    pub edits: Vec<Edit>,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = self.edits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.gate.is_empty() {
            parts.push(format!("wait until {} is healthy, {} at most", self.gate.join(", "), self.within));
        }
        match (&self.url, &self.config) {
            (Some(url), config) => {
                parts.push(format!("PATCH {url} If-Match: {edits}"));
                parts.extend(config.iter().map(|config| format!("edit {} likewise", config.display())));
            }
            (None, Some(config)) => parts.push(format!("edit {}: {edits}", config.display())),
            (None, None) => parts.push(edits),
        }
        f.write_str(&parts.join("; "))
    }
}
