//! `evenkeel history`: what was applied, from the journal.

use std::collections::{BTreeMap, BTreeSet};

use super::args::HistoryArgs;
use super::exit::{Exit, Result};
use super::world::World;
use crate::apply::Ending;
use crate::apply::journal::{self, Entry, Fact};
use crate::error::Error;
use crate::model::text;

/// Runs the verb.
pub fn run(world: &World, args: &HistoryArgs) -> Result {
    let folder = world.journal(args.journal.as_deref())?;
    let entries = journal::read(&folder)?;
    match &args.run {
        None if entries.is_empty() => world.say(format!("nothing was applied yet, says {}", folder.display())),
        None => world.print(list(&entries)),
        Some(run) => {
            let mut chosen = entries.iter().filter(|entry| entry.run == *run).peekable();
            if chosen.peek().is_none() {
                let error = Error::usage(format!("there is no run `{run}` in `{}`", folder.display()));
                return Err(error.hint("`evenkeel history` lists the runs").into());
            }
            world.print(one(chosen));
        }
    }
    Ok(Exit::Done)
}

/// One line a run, oldest first, with the targets on which it began a step.
fn list(entries: &[Entry]) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut runs: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        let run = runs.entry(&entry.run).or_default();
        if run.is_empty() {
            order.push(&entry.run);
        }
        run.push(entry);
    }
    order.iter().map(|run| format!("{}\n", summary(run, &runs[run]))).collect()
}

fn summary(run: &str, entries: &[&Entry]) -> String {
    let mut who = "";
    let mut at = "";
    let mut targets: BTreeSet<&str> = BTreeSet::new();
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut open = 0;
    let mut finished = None;
    for entry in entries {
        match &entry.what {
            Fact::Begin { who: by, .. } => (who, at) = (by, &entry.at),
            Fact::Intent { target, .. } => {
                targets.insert(target);
                open += 1;
            }
            Fact::End { ending, .. } => {
                open -= i32::from(!matches!(ending, Ending::Skipped | Ending::Canceled));
                *tally.entry(word(*ending)).or_default() += 1;
            }
            Fact::Finish { code } => finished = Some(*code),
        }
    }
    let mut parts: Vec<_> = tally.iter().map(|(word, n)| format!("{n} {word}")).collect();
    if open > 0 {
        parts.push(format!("{open} in doubt: the run died; `evenkeel plan` shows what is there now"));
    }
    let end = finished.map_or("not finished".to_owned(), |code| format!("exit {code}"));
    let targets = targets.into_iter().collect::<Vec<_>>().join(", ");
    let told = [run, at, who, &targets, &end, &parts.join(", ")];
    told.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Already => "already done",
        Ending::Failed => "failed",
        Ending::Partly => "done in part",
        Ending::Skipped => "skipped",
        Ending::Canceled => "canceled",
        Ending::InDoubt => "in doubt",
    }
}

/// Everything of one run, step by step.
fn one<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut out = String::new();
    for entry in entries {
        let line = match &entry.what {
            Fact::Begin { who, pid, plan, policy, steps } => format!(
                "begin   {who}, pid {pid}, {}\n        plan {plan}\n        policy {policy}",
                text::count(*steps, "step")
            ),
            Fact::Intent { step, target, covers, command } => {
                format!("step {step:<2} {target}: {}\n        {}", covers.join(", "), text::tame(command))
            }
            Fact::End { step, ending, message, elapsed_ms } => {
                let why = message.as_ref().map(|message| format!(": {}", text::tame(message))).unwrap_or_default();
                format!("     {step:<2} {} after {elapsed_ms} ms{why}", word(*ending))
            }
            Fact::Finish { code } => format!("finish  exit {code}"),
        };
        out.push_str(&format!("{}  {line}\n", entry.at));
    }
    out
}
