//! `evenkeel check`: everything that can be said of a policy without any system.

use super::args::{Globals, PathArgs};
use super::exit::{Exit, Failure, Result};
use super::load::{self, References};
use super::session;
use super::world::World;
use crate::model::{Check, Verdict, text};
use crate::plan::checks;
use crate::plan::checks::Subject;
use crate::policy::Resource;
use crate::provider::Depth;

/// Runs the verb.
pub fn run(world: &World, globals: &Globals, args: &PathArgs) -> Result {
    let policy = load::policy(world, globals, &args.paths, References::Offline)?;
    let opened = session::open(&policy, globals.connect_timeout, Depth::Exact)?;
    let origin = |resource: &Resource| policy.sources.origin(&resource.place);
    let subjects: Vec<_> = policy.targets.iter().map(|target| Subject::of_policy(target, origin)).collect();
    let failing: Vec<_> = checks::across(&subjects)
        .into_iter()
        .chain(checks::of_policy(&subjects))
        .filter(|check| check.verdict == Verdict::Fail)
        .collect();
    if !failing.is_empty() {
        return Err(Failure::Refusal(Exit::Refused, report(&failing)));
    }
    let resources = policy.targets.iter().map(|target| target.resources.len()).sum();
    let (resources, targets) = (text::count(resources, "resource"), text::count(opened.len(), "target"));
    world.say(format!("ok: {resources} on {targets} in {}", text::count(policy.sources.files().count(), "file")));
    Ok(Exit::Done)
}

/// The rules across targets that the policy breaks, as far as it says enough to know.
fn report(failing: &[Check]) -> String {
    let mut out = format!("error: the policy contradicts itself: {}\n", text::count(failing.len(), "rule"));
    for check in failing {
        out.push_str(&format!("  {}: {}\n", check.name, check.message));
        for origin in &check.origins {
            out.push_str(&format!("    at {origin}\n"));
        }
        if let Some(hint) = &check.hint {
            out.push_str(&format!("    hint: {hint}\n"));
        }
    }
    out
}
