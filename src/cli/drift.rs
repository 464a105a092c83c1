//! `evenkeel drift`: what differs from the policy, for a schedule; with `--adopt`, the live values go into the policy.

use super::args::{DriftArgs, Globals};
use super::emit::{self, Emitter};
use super::exit::{Exit, Result};
use super::load::{self, References};
use super::world::World;
use super::{adopt, plan, session};
use crate::plan::Document;
use crate::plan::make::Purpose;
use crate::provider::Depth;
use crate::render::Topic;

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &DriftArgs) -> Result {
    let next = emit::next(globals, &args.policy.paths, &args.select);
    let emitter = Emitter::new(world, Topic::Drift, Some(next), args.template.as_deref())?.key(globals.env.as_deref());
    let selection = plan::selection(&args.select);
    let policy = load::policy(world, globals, &args.policy.paths, References::Resolved)?;
    let opened = session::open(&policy, globals.connect_timeout, args.sample.map_or(Depth::AsSet, Depth::Sample))?;
    let connections = session::connect(&opened, &selection).await;
    let planned = session::plan(&policy, &opened, &connections, &selection, Purpose::Drift).await?;
    let document = Document::from(&planned.plan);
    emitter.print(&document, args.format)?;
    emitter.emit(&document, &args.emit)?;
    let exit = plan::exit(&document, Some(args.drift_exit_code));
    if args.adopt && !planned.plan.changes.is_empty() {
        adopt::adopt(world, globals, &policy, &planned.plan).await?;
        // What was adopted is no drift any more; what could not be read still is unknown.
        return Ok(if exit == Exit::Incomplete { exit } else { Exit::Done });
    }
    Ok(exit)
}
