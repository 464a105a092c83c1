//! Reading policy files from disk: which ones, in which order, laid over with what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Globals;
use super::exit::{Failure, Result};
use super::session;
use super::world::World;
use crate::error::Error;
use crate::model::{Diagnostic, Severity};
use crate::policy::{self, File, Input, Lookup, Policy, Vocabulary, codes};
use crate::provider::Depth;
use crate::providers::REGISTRY;

/// What becomes of `{ env = … }` and `{ file = … }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum References {
    /// They are looked up; a missing one is an error.
    Resolved,
    /// They stand for an empty text.
    Offline,
}

/// The words of this build.
pub fn vocabulary() -> Vocabulary {
    REGISTRY.iter().map(|descriptor| (descriptor.name, descriptor.kinds)).collect()
}

/// Reads the policy that the arguments name; warnings go to the watcher.
///
/// # Errors
/// Every problem of every file, together.
pub fn policy(world: &World, globals: &Globals, paths: &[PathBuf], references: References) -> Result<Policy> {
    let (base, overlays) = sources(globals, paths)?;
    let file = |path: &str| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let lookup = match references {
        References::Resolved => Lookup::Live { env: &World::variable, file: &file },
        References::Offline => Lookup::Offline,
    };
    use_files(world, &base, &overlays, lookup)
}

/// Loads files that were read; warnings go to the watcher.
///
/// # Errors
/// Every problem of every file, together.
pub fn use_files(world: &World, base: &[File], overlays: &[File], lookup: Lookup<'_>) -> Result<Policy> {
    let (policy, mut diagnostics) = policy::load(Input { base, overlays, vocabulary: &vocabulary(), lookup });
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        diagnostics.extend(further(&policy));
        return Err(Failure::Policy(diagnostics, policy.sources));
    }
    world.warn(&diagnostics, &policy.sources);
    Ok(policy)
}

/// What the providers say of the part that could be read, so that all problems are told at once. What they miss, or do not
/// accept as a whole, may be in the part that could not.
fn further(policy: &Policy) -> Vec<Diagnostic> {
    match session::open(policy, Duration::ZERO, Depth::Exact) {
        Err(Failure::Policy(mut found, _)) => {
            found.retain(|diagnostic| !matches!(diagnostic.code, codes::MISSING_KEY | codes::REJECTED));
            found
        }
        _ => Vec::new(),
    }
}

fn sources(globals: &Globals, paths: &[PathBuf]) -> Result<(Vec<File>, Vec<File>)> {
    let mut files = Vec::new();
    let mut overlays = Vec::new();
    for path in paths {
        if path.is_dir() {
            for file in listing(path)? {
                files.push(read(&file)?);
            }
            if let Some(name) = &globals.env {
                let overlay = path.join("env").join(format!("{name}.toml"));
                if overlay.is_file() {
                    overlays.push(read(&overlay)?);
                }
            }
        } else {
            files.push(read(path)?);
        }
    }
    if let Some(name) = globals.env.as_ref().filter(|_| overlays.is_empty()) {
        let looked: Vec<_> = paths
            .iter()
            .filter(|path| path.is_dir())
            .map(|path| path.join("env").join(format!("{name}.toml")))
            .collect();
        let looked = looked.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        let looked = if looked.is_empty() { "no folder was given".to_owned() } else { format!("looked for {looked}") };
        return Err(Error::usage(format!("there is no environment `{name}`: {looked}"))
            .hint("name the file itself with --overlay FILE")
            .into());
    }
    for path in &globals.overlay {
        overlays.push(read(path)?);
    }
    Ok((files, overlays))
}

/// The policies of a folder, sorted by name.
fn listing(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| Error::usage(format!("`{}` cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::usage(format!("there is no policy in `{}`", folder.display()))
            .hint("a policy is a file that ends in .toml; `evenkeel init` writes a first one")
            .into());
    }
    files.sort();
    Ok(files)
}

/// Reads a file, under the name by which it was given.
///
/// # Errors
/// `Usage`, with what to do.
pub fn read(path: &Path) -> Result<File> {
    let name = path.to_string_lossy().into_owned();
    match std::fs::read(path) {
        Ok(bytes) => Ok(File::new(name, bytes)),
        Err(error) => {
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "name a policy file or folder, or write a first one with `evenkeel init`"
                }
                _ => "check the file's permissions",
            };
            Err(Error::usage(format!("`{name}` cannot be read: {error}")).hint(hint).into())
        }
    }
}
