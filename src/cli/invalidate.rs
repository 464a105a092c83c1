//! `evenkeel invalidate`: removes from caches what has changed in databases, once or until stopped.

use super::args::{Globals, InvalidateArgs};
use super::exit::{Exit, Result};
use super::load::{self, References};
use super::world::World;
use super::{session, worker};
use crate::provider::Depth;
use crate::worker::{Ledger, Until};

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &InvalidateArgs) -> Result {
    let policy = load::policy(world, globals, &args.policy.paths, References::Resolved)?;
    let opened = session::open(&policy, globals.connect_timeout, Depth::Exact)?;
    let ledger = Ledger::default();
    let until = if args.follow { Until::Stopped } else { Until::Drained };
    let worked = worker::work(world, &opened, &ledger, worker::signals(), until).await;
    world.print(worker::report(&ledger));
    worked?;
    Ok(if worker::is_partial(&ledger) { Exit::Partial } else { Exit::Done })
}
