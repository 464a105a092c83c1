//! Writing documents: `--as`, `--emit FORMAT=FILE`, `-o`. Files that may hold infrastructure detail are the owner's alone.

use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::args::{Globals, SelectArgs};
use super::exit::Result;
use super::world::World;
use crate::error::Error;
use crate::model::text;
use crate::plan::Document;
use crate::render::{Comment, Emit, Format, Options, Style, Topic, render};

/// How a verb's documents are rendered.
#[derive(Debug)]
pub struct Emitter<'a> {
    world: &'a World,
    options: Options,
}

impl<'a> Emitter<'a> {
    /// For documents about `topic`. `next` is the command that would apply the plan.
    ///
    /// # Errors
    /// When the template cannot be read.
    pub fn new(world: &'a World, topic: Topic, next: Option<String>, template: Option<&Path>) -> Result<Self> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Error::usage(format!("the template `{}` cannot be read: {error}", path.display()))
        };
        let template =
            template.map(|path| std::fs::read_to_string(path).map_err(|e| unreadable(path, e))).transpose()?;
        let commit = ["GITHUB_SHA", "CI_COMMIT_SHA"].iter().find_map(|name| World::variable(name));
        let comment = Comment { commit, ..Comment::default() };
        Ok(Self { world, options: Options { topic, next, comment, template, ..Options::default() } })
    }

    /// With the name that tells the pull-request comment of this plan from those of others.
    #[must_use]
    pub fn key(mut self, key: Option<&str>) -> Self {
        if let Some(key) = key {
            key.clone_into(&mut self.options.comment.key);
        }
        self
    }

    /// Prints a document to stdout.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn print(&self, document: &Document, format: Format) -> Result<()> {
        let options = Options { style: self.world.style(), ..self.options.clone() };
        self.world.print(render(document, format, &options)?);
        Ok(())
    }

    /// Writes a document in every format that was asked for; `-` is stdout.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn emit(&self, document: &Document, emits: &[Emit]) -> Result<()> {
        for Emit { format, path } in emits {
            if path.as_os_str() == "-" {
                self.print(document, *format)?;
            } else {
                let options = Options { style: Style::default(), ..self.options.clone() };
                write(path, &render(document, *format, &options)?)?;
            }
        }
        Ok(())
    }
}

/// The command that would apply what these arguments plan.
pub fn next(globals: &Globals, paths: &[PathBuf], select: &SelectArgs) -> String {
    let mut command = String::from("evenkeel apply");
    if let Some(env) = &globals.env {
        let _ = write!(command, " --env {env}");
    }
    for overlay in &globals.overlay {
        let _ = write!(command, " --overlay {}", overlay.display());
    }
    for path in paths.iter().filter(|path| path.as_os_str() != "policies") {
        let _ = write!(command, " {}", path.display());
    }
    for (flag, globs) in [("only", &select.only), ("exclude", &select.exclude)] {
        for glob in globs {
            let _ = write!(command, " --{flag} {}", text::shell_word(glob));
        }
    }
    command
}

/// Writes a file whole or not at all, readable by its owner alone.
///
/// # Errors
/// When it cannot be written; what was there before still is.
pub fn write(file: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| Error::failed(format!("`{}` cannot be written: {error}", file.display()));
    let kind = std::fs::metadata(file).map(|metadata| metadata.file_type());
    if kind.is_ok_and(|kind| !kind.is_file()) {
        // A pipe or a device, such as /dev/stdout: there is nothing to replace.
        return Ok(std::fs::write(file, text).map_err(failed)?);
    }
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = file.with_file_name(name);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut handle| handle.write_all(text.as_bytes()).and_then(|()| handle.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, file));
    if let Err(error) = written {
        // What is left of the temporary file is of no use to anybody; the first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
        return Err(failed(error).into());
    }
    Ok(())
}
