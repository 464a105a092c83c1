//! `evenkeel show`: a saved plan, in any format.

use std::path::Path;

use super::args::ShowArgs;
use super::emit::Emitter;
use super::exit::{Exit, Result};
use super::load;
use super::world::World;
use crate::plan::Document;
use crate::plan::digest;
use crate::policy::File;
use crate::render::Topic;

/// Runs the verb.
pub fn run(world: &World, args: &ShowArgs) -> Result {
    let document = saved(&args.plan)?;
    let next = format!("evenkeel apply --plan {}", args.plan.display());
    Emitter::new(world, Topic::Plan, Some(next), args.template.as_deref())?.print(&document, args.format)?;
    Ok(Exit::Done)
}

/// Reads a saved plan and makes sure that nobody altered it.
///
/// # Errors
/// `Usage` where it is none, `Conflict` where it was altered.
pub fn saved(file: &Path) -> Result<Document> {
    let File { name, bytes } = load::read(file)?;
    let document =
        Document::from_json(&String::from_utf8_lossy(&bytes)).map_err(|error| error.context(format!("`{name}`")))?;
    digest::verify(&document).map_err(|error| error.context(format!("`{name}`")))?;
    Ok(document)
}
