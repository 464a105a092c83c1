//! `evenkeel demo`: a playground on embedded targets, and a walk through it. Every output in it is that of the real verb, run by this very binary.
//!
//! A chapter is one target and what happens to it; another file joins by a row in `file.rs`, anything else by a file beside it and a line in [`CHAPTERS`].

mod file;
#[cfg(feature = "sqlite")]
mod shop;
mod story;

use super::args::{DemoArgs, Globals};
use super::exit::{Exit, Result};
use super::world::World;
use crate::error::Error;
use crate::provider::Later;
use story::Story;

/// Tells one chapter.
type Chapter = for<'a, 'w> fn(&'a mut Story<'w>) -> Later<'a, Result<()>>;

const CHAPTERS: &[Chapter] = &[
    #[cfg(feature = "sqlite")]
    |story| Box::pin(shop::tell(story)),
    |story| Box::pin(std::future::ready(file::tell(story))),
];

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &DemoArgs) -> Result {
    let folder = &args.dir;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let error = Error::usage(format!("`{}` is there already", folder.display()));
        return Err(error.hint("name another folder, or remove it; nothing was written").into());
    }
    let mut story = Story::new(world, globals, folder)?;
    for chapter in CHAPTERS {
        chapter(&mut story).await?;
    }
    story.end();
    Ok(Exit::Done)
}
