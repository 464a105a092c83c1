//! What a step runs on a `PgBouncer`. `Display` is the command.

use std::fmt;
use std::path::PathBuf;

use super::console;
use super::layer::Layer;
use super::tree::Edit;
use crate::model::Value;
use crate::provider::file::Fingerprint;

/// One operation.
#[derive(Clone, Debug)]
pub enum Op {
    /// Replaces one file.
    Edit {
        /// The file, as the configuration names it.
        file: PathBuf,
        /// As it was read; `None` where it was not.
        expected: Option<Fingerprint>,
        /// What becomes of it.
        edits: Vec<Edit>,
    },
    /// Changes one setting of the running server.
    Set {
        /// The key.
        key: String,
        /// The value as the console takes it.
        text: String,
        /// The value as it is compared.
        value: Value,
    },
    /// Has the running server read its file.
    Reload {
        /// The settings that it must have afterwards.
        settings: Layer,
        /// The entries that it must have afterwards, with some of their attributes; `None`: it must not have it.
        pools: Vec<(String, Option<Layer>)>,
    },
    /// Cannot be had on this target.
    Impossible {
        /// What was wanted.
        what: String,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit { file, edits, .. } => {
                let edits: Vec<String> = edits.iter().map(ToString::to_string).collect();
                write!(f, "edit {}: {}", file.display(), edits.join("; "))
            }
            Self::Set { key, text, .. } => write!(f, "set {key} = {}", console::quote(text)),
            Self::Reload { .. } => f.write_str("reload"),
            Self::Impossible { what } => write!(f, "{what}: needs the file"),
        }
    }
}
