//! `evenkeel man`: man pages, one for the program and one for each verb.

use clap::CommandFactory;

use super::args::{Cli, ManArgs};
use super::exit::{Exit, Result};
use super::world::World;
use crate::error::Error;

/// Runs the verb.
pub fn run(world: &World, args: &ManArgs) -> Result {
    let failed = |error: std::io::Error| {
        Error::failed(format!("the man pages cannot be written to `{}`: {error}", args.dir.display()))
    };
    std::fs::create_dir_all(&args.dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(failed)?;
    world.say(format!("wrote man pages to {}; read one with `man {0}/evenkeel.1`", args.dir.display()));
    Ok(Exit::Done)
}
