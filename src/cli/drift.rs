//! `evenkeel drift`: what differs from the policy, for a schedule; with `--adopt`, the live values go into the policy.

use super::args::{DriftArgs, Globals};
use super::exit::Result;
use super::load::{self, References};
use super::world::World;
use super::{emit, plan, session};
use crate::plan::document::Document;
use crate::render::view::Topic;

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &DriftArgs) -> Result {
    let format = emit::format(&args.format)?;
    let emits = emit::parse(&args.emit)?;
    let selection = plan::selection(&args.select);
    let policy = load::policy(world, globals, &args.policy.paths, References::Resolved)?;
    let opened = session::open(&policy, globals.connect_timeout)?;
    let connections = session::connect(&opened, &selection).await;
    let planned = session::plan(&policy, &opened, &connections, &selection).await?;
    let document = Document::from(&planned.plan);
    emit::print(world, &document, format, Topic::Drift)?;
    emit::emit(world, &emits, &document, Topic::Drift)?;
    let exit = plan::exit(&document, Some(args.drift_exit_code));
    Ok(exit)
}
