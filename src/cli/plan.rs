//! `evenkeel plan`: what apply would do.

use super::args::{Globals, PlanArgs, SelectArgs};
use super::emit::{self, Emitter};
use super::exit::{CHANGES, Exit, Result};
use super::load::{self, References};
use super::session;
use super::world::World;
use crate::model::{Pattern, Verdict};
use crate::plan::Document;
use crate::plan::make::{Purpose, Selection};
use crate::policy::Lookup;
use crate::provider::Depth;
use crate::render::Topic;

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &PlanArgs) -> Result {
    let next = match &args.out {
        Some(file) => format!("{} --plan {}", emit::next(globals, &args.policy.paths, &args.select), file.display()),
        None => emit::next(globals, &args.policy.paths, &args.select),
    };
    let emitter = Emitter::new(world, Topic::Plan, Some(next), args.template.as_deref())?.key(globals.env.as_deref());
    let selection = selection(&args.select);
    let references = if args.live.is_some() { References::Offline } else { References::Resolved };
    let policy = load::policy(world, globals, &args.policy.paths, references)?;
    let opened = session::open(&policy, globals.connect_timeout, args.sample.map_or(Depth::AsSet, Depth::Sample))?;
    let planned = match &args.live {
        Some(file) => {
            let saved = load::use_files(world, &[load::read(file)?], &[], Lookup::Offline)?;
            session::replay(&policy, &opened, &saved, &selection).await?
        }
        None => {
            let connections = session::connect(&opened, &selection).await;
            session::plan(&policy, &opened, &connections, &selection, Purpose::Apply).await?
        }
    };
    let document = Document::from(&planned.plan);
    emitter.print(&document, args.format)?;
    emitter.emit(&document, &args.emit)?;
    if let Some(file) = &args.out {
        emit::write(file, &document.to_json())?;
        world.say(format!("Saved the plan to {}: `apply --plan {0}` does this and no more.", file.display()));
    }
    Ok(exit(&document, args.detailed_exitcode.then_some(CHANGES)))
}

/// The resources that the arguments select.
pub fn selection(args: &SelectArgs) -> Selection {
    let patterns = |texts: &[String]| texts.iter().map(Pattern::new).collect();
    Selection { only: patterns(&args.only), exclude: patterns(&args.exclude) }
}

/// The exit code of something that was only looked at: incomplete beats changes, because nobody knows what is missing.
pub fn exit(document: &Document, changes: Option<u8>) -> Exit {
    let failing = document.checks.iter().any(|check| check.verdict == Verdict::Fail);
    match changes {
        _ if !document.incomplete.is_empty() => Exit::Incomplete,
        Some(code) if failing || !document.resource_changes.is_empty() => Exit::Changes(code),
        _ => Exit::Done,
    }
}
