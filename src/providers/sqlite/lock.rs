//! The lock: a file beside the database, locked by the operating system, so that it ends with the process that holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sql::beside;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Busy, Claim, Holder};

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Locked as long as it is open.
    _file: File,
}

/// What the file says of its holder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    holder: String,
    since: String,
    pid: u32,
}

/// Tries for the lock of `database`.
pub fn take(database: &Path, holder: &Holder) -> Result<Claim<Lock>> {
    let path = beside(database, ".evenkeel-lock");
    let failed = |error| {
        Error::new(ErrorKind::Denied, format!("cannot write the lock file `{}`", path.display()))
            .because(error)
            .hint("run as a user who may write the database's folder")
    };
    // Whoever held it may remove it between our opening and our locking; then the lock is on a file that nobody else will see.
    for _ in 0..10 {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => {
                let Holder { who, pid, run, since } = holder;
                let note = Note { holder: format!("{who}, pid {pid}, run {run}"), since: since.clone(), pid: *pid };
                let text = serde_json::to_string(&note).unwrap_or_default();
                file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
                writeln!(file, "{text}").and_then(|()| file.sync_data()).map_err(failed)?;
                return Ok(Claim::Ours(Lock { path, _file: file }));
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let note = read(&path);
                let holder = if note.holder.is_empty() { "a run that is just beginning".into() } else { note.holder };
                let since = Some(note.since).filter(|since| !since.is_empty());
                return Ok(Claim::Busy(Busy { holder, since }));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(Error::new(ErrorKind::Transient, format!("the lock file `{}` comes and goes", path.display())))
}

/// Says who holds the lock, and clears away what a killed run left.
pub fn release(database: &Path) -> Result<String> {
    let path = beside(database, ".evenkeel-lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok("nobody holds the lock".into()),
        Err(error) => {
            let message = format!("cannot read the lock file `{}`", path.display());
            return Err(Error::new(ErrorKind::Denied, message).because(error));
        }
    };
    let note = read(&path);
    match file.try_lock() {
        Ok(()) => {
            if is_at(&file, &path) {
                std::fs::remove_file(&path).map_err(|error| {
                    Error::new(ErrorKind::Denied, format!("cannot remove the lock file `{}`", path.display()))
                        .because(error)
                })?;
            }
            Ok(format!("nobody holds the lock; removed what is left of {}", note.holder))
        }
        Err(_) => {
            let message =
                format!("the lock is held by {} since {}, and that process is alive", note.holder, note.since);
            Err(Error::new(ErrorKind::Locked, message)
                .hint(format!("stop it with `kill {}`; its lock ends with it", note.pid)))
        }
    }
}

fn read(path: &Path) -> Note {
    let mut text = String::new();
    let read = File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Whether `file` is still what `path` names.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |a: std::fs::Metadata, b: std::fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
    file.metadata().is_ok_and(|ours| path.metadata().is_ok_and(|named| same(ours, named)))
}

/// Where a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is still locked: whoever opened it meanwhile finds that it is no longer at its path, and tries again.
        // A file that stays behind does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}
