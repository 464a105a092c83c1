//! The command line: the only place that reads arguments, the environment and the clock, and that prints.
//!
//! One file per verb; what several verbs need is in [`args`], [`load`], [`session`], [`world`] and [`exit`].

pub mod args;
pub mod exit;
pub mod load;
pub mod session;
pub mod world;

mod adopt;
mod apply;
mod check;
mod completions;
mod demo;
mod drift;
mod emit;
mod explain;
mod export;
mod grants;
mod history;
mod init;
mod invalidate;
mod man;
mod plan;
mod schema;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod unlock;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
use exit::Exit;
use world::World;

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Clap prints help to stdout and mistakes to stderr; a closed pipe is nobody's problem.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let world = World::new(&cli.globals);
    world.start_logging(&cli.globals);
    let exit = match dispatch(&world, cli) {
        Ok(exit) => exit,
        Err(failure) => world.report(failure),
    };
    exit.into()
}

fn dispatch(world: &World, cli: Cli) -> exit::Result {
    let Cli { globals, verb } = cli;
    match verb {
        // These need no runtime and start in a blink.
        Verb::Check(args) => check::run(world, &globals, &args),
        Verb::Show(args) => show::run(world, &args),
        Verb::History(args) => history::run(world, &args),
        Verb::Explain(args) => explain::run(world, &args),
        Verb::Schema => Ok(schema::run(world)),
        Verb::Grants(args) => grants::run(world, &args),
        Verb::Completions(args) => Ok(completions::run(world, &args)),
        Verb::Man(args) => man::run(world, &args),
        Verb::Plan(args) => world.block_on(plan::run(world, &globals, &args)),
        Verb::Apply(args) => world.block_on(apply::run(world, &globals, &args)),
        Verb::Drift(args) => world.block_on(drift::run(world, &globals, &args)),
        Verb::Export(args) => world.block_on(export::run(world, &globals, &args)),
        Verb::Demo(args) => world.block_on(demo::run(world, &globals, &args)),
        Verb::Init(args) => world.block_on(init::run(world, &globals, &args)),
        Verb::Invalidate(args) => world.block_on(invalidate::run(world, &globals, &args)),
        #[cfg(feature = "serve")]
        Verb::Serve(args) => world.block_on(serve::run(world, &globals, &args)),
        Verb::Unlock(args) => world.block_on(unlock::run(world, &globals, &args)),
    }
}
