//! The journal: one append-only file of JSON lines. What is to be done is on disk before it is done.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::event::Ending;
use crate::error::{Error, Result};

/// The file's name inside the journal's folder.
pub const FILE: &str = "journal.jsonl";

/// An open journal. Every entry is written whole and synced before [`Journal::write`] returns.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    run: String,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The run.
    pub run: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub what: Fact,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Fact {
    /// A run begins.
    Begin {
        /// `user@host`.
        who: String,
        /// The process.
        pid: u32,
        /// The plan's digest.
        plan: String,
        /// The policy's digest.
        policy: String,
        /// How many steps it has.
        steps: usize,
    },
    /// A step is about to run.
    Intent {
        /// The step's number.
        step: u32,
        /// The target.
        target: String,
        /// The resources.
        covers: Vec<String>,
        /// What is about to be run.
        command: String,
    },
    /// A step ended.
    End {
        /// The step's number.
        step: u32,
        /// How.
        ending: Ending,
        /// Why, where it did not simply end well.
        message: Option<String>,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// A run ended.
    Finish {
        /// The exit code.
        code: u8,
    },
}

impl Journal {
    /// Opens the journal in `folder`, making it if need be, both readable by their owner alone.
    ///
    /// # Errors
    /// When it cannot be written: without a journal nothing is applied.
    pub fn open(folder: &Path, run: &str) -> Result<Self> {
        let path = folder.join(FILE);
        let failed = |error: std::io::Error| unwritable(&path, &error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        Ok(Self { file, path, run: run.to_owned() })
    }

    /// Writes one line and waits until it is on disk.
    ///
    /// # Errors
    /// When it is not: the caller must not go on.
    pub fn write(&mut self, at: String, what: Fact) -> Result<()> {
        let entry = Entry { run: self.run.clone(), at, what };
        let mut line = serde_json::to_vec(&entry).map_err(|e| Error::bug(e.to_string()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| sync(&self.file));
        written.map_err(|error| unwritable(&self.path, &error))
    }
}

/// Syncs a file; a device such as a pipe that has nothing to sync is fine.
fn sync(file: &File) -> std::io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::failed(format!("the journal `{}` cannot be written: {error}", path.display()))
        .hint("free some space or choose another folder with --journal DIR; nothing is applied without a journal")
}

/// Reads the journal in `folder`, oldest entry first. A torn last line, from a crash, is passed over.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn read(folder: &Path) -> Result<Vec<Entry>> {
    let path = folder.join(FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened
            .map_err(|error| Error::failed(format!("the journal `{}` cannot be read: {error}", path.display())))?,
    };
    let lines = BufReader::new(file).split(b'\n').map_while(std::result::Result::ok);
    Ok(lines.filter_map(|line| serde_json::from_slice(&line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_written_is_read_and_a_torn_line_is_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = folder.path().join("deep");
        let mut journal = Journal::open(&inside, "r1").expect("opens");
        journal.write("2026-01-01T00:00:00Z".into(), Fact::Finish { code: 0 }).expect("writes");
        let path = inside.join(FILE);
        assert_eq!(std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
        file.write_all(b"{\"run\":\"r1\",\"at").expect("writes");
        let entries = read(&inside).expect("reads");
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].run.as_str(), &entries[0].what), ("r1", &Fact::Finish { code: 0 }));
    }

    #[test]
    fn a_full_disk_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink("/dev/full", folder.path().join(FILE)).expect("links");
        let mut journal = Journal::open(folder.path(), "r1").expect("opens");
        let error = journal.write("now".into(), Fact::Finish { code: 0 }).expect_err("is full");
        assert!(error.to_string().contains("No space left on device"), "{error}");
    }
}
