//! Writing documents: `--as`, `--emit FORMAT=FILE`, `-o`. Files that may hold infrastructure detail are the owner's alone.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::exit::Result;
use super::world::World;
use crate::error::Error;
use crate::plan::document::Document;
use crate::render::view::Topic;
use crate::render::{Format, Options, render};

/// A format and where it goes; `-` is stdout.
#[derive(Clone, Debug)]
pub struct Emit {
    format: Format,
    file: PathBuf,
}

/// Reads every `FORMAT=FILE`, before anything is done.
///
/// # Errors
/// `Usage`, for the first that does not read.
pub fn parse(texts: &[String]) -> Result<Vec<Emit>> {
    texts.iter().map(|text| one(text)).collect()
}

fn one(text: &str) -> Result<Emit> {
    let (format, file) = text.split_once('=').filter(|(_, file)| !file.is_empty()).ok_or_else(|| {
        Error::usage(format!("`--emit {text}` names no file")).hint("write it as `--emit markdown=comment.md`")
    })?;
    Ok(Emit { format: self::format(format)?, file: file.into() })
}

/// Reads a format's name.
///
/// # Errors
/// `Usage`, with what was probably meant.
pub fn format(text: &str) -> Result<Format> {
    Ok(text.parse::<Format>()?)
}

/// Writes a document in every format that was asked for.
///
/// # Errors
/// When a file cannot be written.
pub fn emit(world: &World, emits: &[Emit], document: &Document, topic: Topic) -> Result<()> {
    for Emit { format, file } in emits {
        let options = options(world, topic, file.as_os_str() == "-");
        let text = render(document, *format, &options)?;
        if file.as_os_str() == "-" {
            world.print(text);
        } else {
            write(file, &text)?;
        }
    }
    Ok(())
}

/// Prints a document to stdout.
///
/// # Errors
/// When it cannot be rendered.
pub fn print(world: &World, document: &Document, format: Format, topic: Topic) -> Result<()> {
    world.print(render(document, format, &options(world, topic, true))?);
    Ok(())
}

fn options(world: &World, topic: Topic, terminal: bool) -> Options {
    let style = if terminal { world.style() } else { crate::render::style::Style::default() };
    Options { topic, style }
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
