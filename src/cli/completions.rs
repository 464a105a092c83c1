//! `evenkeel completions`: what a shell needs to complete the command line.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::exit::Exit;
use super::world::World;

/// Runs the verb.
pub fn run(world: &World, args: &CompletionsArgs) -> Exit {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "evenkeel", &mut out);
    world.print(String::from_utf8_lossy(&out));
    Exit::Done
}
