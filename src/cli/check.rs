//! `evenkeel check`: everything that can be said of a policy without any system.

use super::args::{Globals, PathArgs};
use super::exit::{Exit, Result};
use super::load::{self, References};
use super::session;
use super::world::World;
use crate::model::text;

/// Runs the verb.
pub fn run(world: &World, globals: &Globals, args: &PathArgs) -> Result {
    let policy = load::policy(world, globals, &args.paths, References::Offline)?;
    let opened = session::open(&policy, globals.connect_timeout)?;
    let resources = policy.targets.iter().map(|target| target.resources.len()).sum();
    let (resources, targets) = (text::count(resources, "resource"), text::count(opened.len(), "target"));
    world.say(format!("ok: {resources} on {targets} in {}", text::count(policy.sources.files().count(), "file")));
    Ok(Exit::Done)
}
