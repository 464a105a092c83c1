//! Files as targets: read with a fingerprint, replaced atomically if they are still as they were read, locked while a run lasts.
//!
//! Links are followed: the file behind them is replaced, the link stays. Owner and mode are kept. Knows nothing of what a file holds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Busy, Claim, Held, Holder};
use crate::error::{Error, ErrorKind, Result};
use crate::model::hex;

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The file itself, behind all links.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// What tells this content from every other.
    pub print: Fingerprint,
}

/// A digest of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

/// Holds the lock beside a file until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// The lock is the kernel's, on this open file: it goes with the process, however that ends.
    _open: File,
}

impl Held for Lock {}

impl Fingerprint {
    /// The fingerprint of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex(&Sha256::digest(bytes)))
    }
}

/// Reads a file; `None` where there is none.
///
/// # Errors
/// `Denied` or `Failed`, naming the file.
pub async fn read(path: &Path) -> Result<Option<Snapshot>> {
    let path = path.to_owned();
    blocking(move || snapshot(&path)).await
}

/// Why [`replace`] would refuse to write to this file, as far as can be seen without trying; a lowercase fragment.
pub async fn obstacle(path: &Path) -> Option<String> {
    let path = path.to_owned();
    blocking(move || Ok(refusal(&resolve(&path)?))).await.ok().flatten()
}

/// Replaces a file's content, if it still is `expected` (`None`: there is no file). All or nothing: the new content is written beside
/// the file, brought to the disk and moved into its place. Does nothing where the content is as wanted already.
///
/// # Errors
/// `Conflict` where somebody else has changed the file; `Denied` where it is read-only, or its owner could not be kept.
/// The file is untouched then.
pub async fn replace(path: &Path, expected: Option<&Fingerprint>, bytes: Vec<u8>) -> Result<()> {
    let (path, expected) = (path.to_owned(), expected.cloned());
    blocking(move || exchange(&path, expected.as_ref(), &bytes)).await
}

/// Takes the lock beside a file, without waiting.
///
/// # Errors
/// `Denied` or `Failed` where the lock file cannot be made.
pub async fn lock(path: &Path, holder: &Holder) -> Result<Claim<Lock>> {
    let holder = holder.clone();
    let path = path.to_owned();
    blocking(move || claim(&path, &holder)).await
}

/// [`lock`], where there is a file. Without one there is nothing on the target that could hold a lock, which its plan says.
///
/// # Errors
/// As [`lock`].
pub async fn lock_if(path: Option<&Path>, holder: &Holder) -> Result<Claim<Option<Lock>>> {
    let Some(path) = path else { return Ok(Claim::Ours(None)) };
    Ok(match lock(path, holder).await? {
        Claim::Ours(lock) => Claim::Ours(Some(lock)),
        Claim::Busy(busy) => Claim::Busy(busy),
    })
}

/// Says that nobody holds the lock beside a file, and clears away what a killed run left. A lock that is held is not released: it goes
/// with the process that holds it.
///
/// # Errors
/// `Locked`, with the process to end, where somebody does hold it.
pub async fn unlock(path: &Path) -> Result<String> {
    let path = path.to_owned();
    blocking(move || release(&beside(&resolve(&path)?, "lock"))).await
}

/// [`unlock`], where there is a file.
///
/// # Errors
/// As [`unlock`]; `Usage` without a file.
pub async fn unlock_if(path: Option<&Path>) -> Result<String> {
    match path {
        None => Err(Error::usage("this target has no `config`, and so no lock to release")),
        Some(path) => unlock(path).await,
    }
}

fn release(beside: &Path) -> Result<String> {
    let open = match File::open(beside) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok("nobody holds the lock".into()),
        Err(error) => return Err(failure(error, "read the lock", beside)),
    };
    let note = fs::read(beside).ok().and_then(|text| serde_json::from_slice::<Holder>(&text).ok());
    let left =
        note.as_ref().map_or("somebody who has not said who".into(), |note| format!("{}, pid {}", note.who, note.pid));
    if open.try_lock().is_ok() {
        // Whoever waits for this very file finds that it is no longer at its path, and tries again.
        fs::remove_file(beside).map_err(|error| failure(error, "remove the lock", beside))?;
        return Ok(format!("nobody holds the lock; removed what is left of {left}"));
    }
    let since = note.as_ref().map(|note| format!(" since {}", note.since)).unwrap_or_default();
    let message = format!("the lock is held by {left}{since}, and that process is alive");
    let stop = note.map_or("end that process".into(), |note| format!("stop it with `kill {}`", note.pid));
    Err(Error::new(ErrorKind::Locked, message).hint(format!("{stop}; its lock ends with it")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::bug("a file operation panicked").because(error)))
}

fn failure(error: io::Error, doing: &str, path: &Path) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        _ => ErrorKind::Failed,
    };
    Error::new(kind, format!("cannot {doing} `{}`", path.display())).because(error)
}

/// The file behind all links. A file that is not there yet stands in the folder behind all links.
fn resolve(path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            let name = path.file_name().ok_or_else(|| Error::failed(format!("`{}` names no file", path.display())))?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let folder = fs::canonicalize(folder).map_err(|error| failure(error, "open the folder", folder))?;
            Ok(folder.join(name))
        }
        Err(error) => Err(failure(error, "follow the link", path)),
    }
}

fn snapshot(path: &Path) -> Result<Option<Snapshot>> {
    let path = resolve(path)?;
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Snapshot { print: Fingerprint::of(&bytes), path, bytes })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(error, "read", &path)),
    }
}

fn refusal(path: &Path) -> Option<String> {
    let Ok(there) = fs::metadata(path) else { return None };
    // An administrator may write to every file, but a file that nobody may write to is meant to stay as it is.
    if there.mode() & 0o222 == 0 {
        return Some(format!("`{}` is read-only", path.display()));
    }
    OpenOptions::new()
        .write(true)
        .open(path)
        .err()
        .map(|error| format!("`{}` cannot be written: {error}", path.display()))
}

fn exchange(path: &Path, expected: Option<&Fingerprint>, bytes: &[u8]) -> Result<()> {
    let there = snapshot(path)?;
    if there.as_ref().is_some_and(|there| there.bytes == bytes) {
        return Ok(());
    }
    let changed = |there: Option<&Snapshot>| there.map(|there| &there.print) != expected;
    let conflict = || {
        let what = format!("`{}` was changed by somebody else since it was read; nothing was written", path.display());
        Error::new(ErrorKind::Conflict, what).hint("plan again to see what it holds now")
    };
    if changed(there.as_ref()) {
        return Err(conflict());
    }
    let target = resolve(path)?;
    if let Some(refusal) = refusal(&target) {
        return Err(Error::new(ErrorKind::Denied, format!("{refusal}; nothing was written"))
            .hint(format!("chmod u+w {}, if it is evenkeel's to change", target.display())));
    }
    let draft = beside(&target, "new");
    let written = draft_file(&draft, &target, bytes).and_then(|()| {
        // As late as can be: whoever wrote in the meantime is not to lose it.
        if changed(snapshot(path)?.as_ref()) {
            return Err(conflict());
        }
        fs::rename(&draft, &target).map_err(|error| {
            failure(error, "replace", &target)
                .hint("a file that is mounted by itself cannot be replaced; mount its folder instead")
        })
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written?;
    if let Some(folder) = target.parent() {
        File::open(folder).and_then(|open| open.sync_all()).map_err(|error| failure(error, "sync", folder))?;
    }
    match snapshot(path)? {
        Some(now) if now.bytes == bytes => Ok(()),
        _ => Err(conflict()),
    }
}

/// Writes `bytes` to `draft`, with the owner and the mode that `target` has, and brings them to the disk.
fn draft_file(draft: &Path, target: &Path, bytes: &[u8]) -> Result<()> {
    // What a killed run left behind; the lock beside the file keeps a living one away.
    let _ = fs::remove_file(draft);
    let mut open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .map_err(|error| failure(error, "write beside", target))?;
    if let Ok(there) = fs::metadata(target) {
        let own = open.metadata().map_err(|error| failure(error, "read", draft))?;
        if (own.uid(), own.gid()) != (there.uid(), there.gid()) {
            std::os::unix::fs::fchown(&open, Some(there.uid()), Some(there.gid())).map_err(|error| {
                failure(error, "keep the owner of", target)
                    .hint("run as the file's owner, who is also a member of its group")
            })?;
        }
        // After the owner: changing it clears bits of the mode.
        open.set_permissions(there.permissions()).map_err(|error| failure(error, "keep the mode of", target))?;
    } else {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        open.set_permissions(mode).map_err(|error| failure(error, "set the mode of", draft))?;
    }
    open.write_all(bytes).and_then(|()| open.sync_all()).map_err(|error| failure(error, "write", draft))
}

/// `.name.evenkeel-what` beside `path`: the dot and the ending keep it out of every `conf.d/*.conf`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.evenkeel-{what}"))
}

fn claim(path: &Path, holder: &Holder) -> Result<Claim<Lock>> {
    let beside = beside(&resolve(path)?, "lock");
    loop {
        let mut open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&beside)
            .map_err(|error| failure(error, "lock", &beside))?;
        match open.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Let go between the two looks: try again.
                let Some(busy) = held(&beside)? else { continue };
                return Ok(Claim::Busy(busy));
            }
            Err(TryLockError::Error(error)) => return Err(failure(error, "lock", &beside)),
        }
        // Whoever held it before removes the file: a lock on a removed file is none.
        let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        let ours = open.metadata().map_err(|error| failure(error, "lock", &beside))?;
        if fs::metadata(&beside).is_ok_and(|there| same(&there, &ours)) {
            let text = serde_json::to_vec(holder).map_err(|error| Error::bug("a lock note").because(error))?;
            open.set_len(0).and_then(|()| open.write_all(&text)).map_err(|error| failure(error, "lock", &beside))?;
            return Ok(Claim::Ours(Lock { path: beside, _open: open }));
        }
    }
}

/// Who holds the lock file, if anybody does.
fn held(beside: &Path) -> Result<Option<Busy>> {
    let mut open = match File::open(beside) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(error, "read the lock", beside)),
    };
    if open.try_lock_shared().is_ok() {
        return Ok(None);
    }
    let mut text = String::new();
    let _ = open.read_to_string(&mut text);
    Ok(Some(match serde_json::from_str::<Holder>(&text) {
        Ok(holder) => holder.busy(),
        Err(_) => Busy { holder: "somebody who has not said who".into(), since: None },
    }))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked, so that nobody else's file is removed.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_is_replaced_with_its_mode_and_behind_its_link() {
        let folder = folder();
        let (real, link) = (folder.path().join("real.ini"), folder.path().join("link.ini"));
        fs::write(&real, "a").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).unwrap();
        symlink("real.ini", &link).unwrap();
        let read = read(&link).await.unwrap().unwrap();
        replace(&link, Some(&read.print), b"b".to_vec()).await.unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"b");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o604);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["link.ini", "real.ini"]);
        replace(&link, Some(&read.print), b"b".to_vec()).await.expect("what is done already succeeds");
    }

    #[tokio::test]
    async fn nothing_is_lost_when_it_cannot_be_replaced() {
        let folder = folder();
        let path = folder.path().join("a.ini");
        let check = async |expected: Option<&[u8]>, error: &str| {
            let before = fs::read(&path).ok();
            let print = expected.map(Fingerprint::of);
            let failed = replace(&path, print.as_ref(), b"new".to_vec()).await.unwrap_err();
            let text = failed.to_string().replace(&folder.path().display().to_string(), "");
            assert_eq!(format!("{:?}: {text}", failed.kind()), error);
            assert_eq!(fs::read(&path).ok(), before);
        };
        check(Some(b"old"), "Conflict: `/a.ini` was changed by somebody else since it was read; nothing was written")
            .await;
        fs::write(&path, "theirs").unwrap();
        check(Some(b"old"), "Conflict: `/a.ini` was changed by somebody else since it was read; nothing was written")
            .await;
        check(None, "Conflict: `/a.ini` was changed by somebody else since it was read; nothing was written").await;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        check(Some(b"theirs"), "Denied: `/a.ini` is read-only; nothing was written").await;
        assert!(obstacle(&path).await.is_some());
        assert_eq!(names(folder.path()), ["a.ini"]);
    }

    #[tokio::test]
    async fn a_lock_names_its_holder_and_goes_with_it() {
        let folder = folder();
        let path = folder.path().join("a.ini");
        fs::write(&path, "").unwrap();
        let holder = Holder { who: "ci@runner".into(), pid: 7, run: "r1".into(), since: "2026-01-01T00:00:00Z".into() };
        let Claim::Ours(ours) = lock(&path, &holder).await.unwrap() else { panic!("it is free") };
        let Claim::Busy(busy) = lock(&path, &holder).await.unwrap() else { panic!("it is held") };
        assert_eq!(busy.holder, "ci@runner, pid 7, run r1");
        assert_eq!(unlock(&path).await.unwrap_err().kind(), ErrorKind::Locked);
        drop(ours);
        assert_eq!(names(folder.path()), ["a.ini"]);
        assert!(matches!(lock(&path, &holder).await.unwrap(), Claim::Ours(_)));
    }
}
