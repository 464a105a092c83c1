//! `evenkeel apply`: plan, hold it against what was approved, and run it under the locks of what it changes.
//!
//! Where nobody is asked, the locks that are free are taken first, and one look is enough. Whatever was planned without its lock is
//! locked and planned once more: somebody took his time to answer, or somebody else held the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::args::{ApplyArgs, Globals};
use super::emit::{self, Emitter};
use super::exit::{Exit, Failure, Result};
use super::load::{self, References};
use super::session::{self, Connections, Opened};
use super::world::World;
use super::{plan, show};
use crate::apply::executor::OnFailure;
use crate::apply::journal::Fact;
use crate::apply::lock::{self, Locks};
use crate::apply::{Ending, Event, Journal, Lane, Options, Outcome, Run};
use crate::error::Error;
use crate::model::{Pattern, TargetId, text};
use crate::plan::approval;
use crate::plan::gate::{self, Allow};
use crate::plan::make::{Planned, Purpose, Selection};
use crate::plan::{Document, Plan};
use crate::policy::Policy;
use crate::provider::Depth;
use crate::provider::{Connection, Holder};
use crate::render::{self, Format, Topic};

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &ApplyArgs) -> Result {
    let emitter = Emitter::new(world, Topic::Plan, None, None)?.key(globals.env.as_deref());
    let allowed = allowances(args.allow.iter().map(String::as_str))?;
    let approved = args.plan.as_deref().map(show::saved).transpose()?;
    let selection = plan::selection(&args.select);
    let policy = load::policy(world, globals, &args.policy.paths, References::Resolved)?;
    let by_target = by_target(&policy)?;
    let opened = session::open(&policy, globals.connect_timeout, Depth::Exact)?;
    let connections = session::connect(&opened, &selection).await;
    let holder = world.holder();
    let early = match asking(args) {
        Asking::Nobody => lock::take_free(&reached(&connections, |_| true), &holder).await,
        Asking::Somebody => Locks::default(),
    };
    let mut planned = session::plan(&policy, &opened, &connections, &selection, Purpose::Apply).await?;
    gate::grant(&mut planned.plan.steps, &allowed);
    let document = Document::from(&planned.plan);

    emitter.print(&document, Format::Text)?;
    emitter.emit(&document, &args.emit)?;
    if let Some(approved) = &approved {
        hold(world, approved, &document)?;
    }
    if let Some(expected) = &args.expect {
        expect(expected, &document)?;
    }
    if planned.plan.changes.is_empty() {
        return Ok(plan::exit(&document, None));
    }
    refuse(&planned, &allowed, &by_target)?;
    confirm(world, args)?;

    let mut journal = Journal::open(&world.journal(args.journal.as_deref())?, &holder.run)?;
    let changing: BTreeSet<_> = planned.plan.steps.iter().map(|step| step.target.clone()).collect();
    let targets = reached(&connections, |target| changing.contains(target));
    let (locks, mut fresh, now) = match early.only(targets.keys()) {
        Some(locks) => (locks, planned, document.clone()),
        None => {
            let mut listener = world.listener();
            let locks = lock::take(&targets, &holder, args.lock_timeout, |event| listener.on(event)).await?;
            // Under the locks everything is read once more: what runs is what is there now, and no more than what was shown.
            let narrowed = narrowed(&selection, &planned, &changing);
            let fresh = session::plan(&policy, &opened, &connections, &narrowed, Purpose::Apply).await?;
            let now = Document::from(&fresh.plan);
            hold(world, &document, &now)?;
            (locks, fresh, now)
        }
    };
    journal.write(World::now(), begin(&holder, &now))?;
    let lanes = lanes(&mut fresh, &opened, &connections, &locks);
    let outcome = execute(world, args, &fresh.plan, lanes, journal, &holder).await;
    drop(locks);

    world.say("");
    world.print(render::outcome::render(&outcome, &fresh.plan.steps, world.style()));
    if let Some(file) = &args.report {
        emit::write(file, &render::outcome::json(&outcome, &fresh.plan.steps))?;
    }
    let exit = exit(&outcome, unread(&document, &now, targets.keys()));
    finish(world, args, &holder, exit)?;
    Ok(exit)
}

fn allowances<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Allow>> {
    let known: BTreeSet<&str> = gate::codes(crate::providers::REGISTRY.iter().flat_map(|d| d.hazards)).collect();
    let mut allowed = Vec::new();
    for text in texts {
        let allow: Allow = text.parse().map_err(Error::usage)?;
        if !known.contains(allow.code()) {
            let error = Error::usage(format!("there is no hazard `{}` to allow", allow.code()));
            return Err(match text::nearest(allow.code(), known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`evenkeel explain` lists them"),
            }
            .into());
        }
        allowed.push(allow);
    }
    Ok(allowed)
}

fn by_target(policy: &Policy) -> Result<BTreeMap<TargetId, Vec<Allow>>> {
    let mut by_target = BTreeMap::new();
    for target in &policy.targets {
        by_target.insert(target.id.clone(), allowances(target.guards.allow.iter().map(String::as_str))?);
    }
    Ok(by_target)
}

fn hold(world: &World, approved: &Document, fresh: &Document) -> Result<()> {
    approval::hold(approved, fresh)
        .map_err(|excess| Failure::Refusal(Exit::Stale, render::approval::render(&excess, world.error_style())))
}

fn expect(expected: &str, document: &Document) -> Result<()> {
    if document.resource_changes.is_empty() || document.plan_id == expected {
        return Ok(());
    }
    let text = format!(
        "error: the plan's digest is {}, not the expected {expected}\nhint: nothing was done; look at the plan above, then expect its digest",
        document.plan_id
    );
    Err(Failure::Refusal(Exit::Stale, text))
}

fn refuse(planned: &Planned, allowed: &[Allow], by_target: &BTreeMap<TargetId, Vec<Allow>>) -> Result<()> {
    let refusals = gate::refusals(&planned.plan, allowed, by_target);
    if refusals.is_empty() {
        return Ok(());
    }
    let mut out = format!("error: refused, nothing was done: {}\n", text::count(refusals.len(), "objection"));
    for refusal in &refusals {
        let _ = writeln!(out, "  {}", text::tame(&refusal.message));
    }
    let flags: Vec<_> =
        refusals.iter().filter_map(|r| r.flag.as_ref()).map(|flag| format!("--allow {}", quote(flag))).collect();
    if !flags.is_empty() {
        let _ = writeln!(out, "hint: if that is meant, add {}", flags.join(" "));
    }
    if refusals.iter().any(|refusal| refusal.flag.is_none()) {
        let _ = writeln!(
            out,
            "hint: what is protected can be left out with --exclude ADDRESS, or unprotected in the policy"
        );
    }
    Err(Failure::Refusal(Exit::Refused, out))
}

/// The flag's value as a shell takes it.
fn quote(flag: &str) -> String {
    let plain = flag.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/".contains(c));
    if plain { flag.to_owned() } else { format!("'{}'", flag.replace('\'', r"'\''")) }
}

/// Who decides whether the plan is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asking {
    /// Somebody at the terminal, who takes his time.
    Somebody,
    /// It is decided already.
    Nobody,
}

fn asking(args: &ApplyArgs) -> Asking {
    if args.yes || args.plan.is_some() || args.expect.is_some() { Asking::Nobody } else { Asking::Somebody }
}

fn confirm(world: &World, args: &ApplyArgs) -> Result<()> {
    if asking(args) == Asking::Nobody {
        return Ok(());
    }
    let refusal = |text: &str| Err(Failure::Refusal(Exit::Refused, text.to_owned()));
    match world.confirm("Do you want to perform these actions?") {
        Some(true) => Ok(()),
        Some(false) => refusal("not confirmed, nothing was done"),
        None => refusal(
            "error: not confirmed and no terminal to ask on, nothing was done\nhint: add --yes, or approve a saved plan with --plan FILE",
        ),
    }
}

/// The connections that there are, of the targets that `wanted` takes.
fn reached(connections: &Connections, wanted: impl Fn(&TargetId) -> bool) -> BTreeMap<TargetId, &dyn Connection> {
    connections
        .iter()
        .filter(|(target, _)| wanted(target))
        .filter_map(|(target, connection)| Some((target.clone(), connection.as_ref().ok()?.as_ref())))
        .collect()
}

/// The selection, narrowed to the targets that are locked.
fn narrowed(selection: &Selection, planned: &Planned, locked: &BTreeSet<TargetId>) -> Selection {
    let mut narrowed = selection.clone();
    let untouched = planned.plan.targets.iter().filter(|target| !locked.contains(&target.id));
    narrowed.exclude.extend(untouched.map(|target| Pattern::new(target.id.to_string())));
    narrowed
}

fn begin(holder: &Holder, document: &Document) -> Fact {
    Fact::Begin {
        who: holder.who.clone(),
        pid: holder.pid,
        plan: document.plan_id.clone(),
        policy: document.policy_digest.clone(),
        steps: document.steps.len(),
    }
}

/// What runs the steps, by target.
fn lanes<'a>(
    planned: &mut Planned,
    opened: &'a [Opened<'_>],
    connections: &'a Connections,
    locks: &'a Locks,
) -> BTreeMap<TargetId, Lane<'a>> {
    let surveyors = std::mem::take(&mut planned.lanes);
    surveyors
        .into_iter()
        .filter_map(|(id, surveyor)| {
            let one = opened.iter().find(|one| one.target.id == id)?;
            let connection = connections.get(&id)?.as_ref().ok()?.as_ref();
            let lock = locks.of(&id);
            Some((id, Lane { target: one.target, kinds: one.kinds, connection, surveyor, lock }))
        })
        .collect()
}

async fn execute(
    world: &World,
    args: &ApplyArgs,
    plan: &Plan,
    lanes: BTreeMap<TargetId, Lane<'_>>,
    journal: Journal,
    holder: &Holder,
) -> Outcome {
    let options = Options {
        on_failure: if args.fail_fast { OnFailure::StopAll } else { OnFailure::FinishStage },
        crash_at: World::variable("EVENKEEL_CRASH_AT").and_then(|text| text.parse().ok()),
        cancel: on_interrupt(world),
        now: World::now,
    };
    let mut listener = world.listener();
    let run = Run::new(plan, lanes, journal, move |event| listener.on(event), options);
    run.run(&holder.run).await
}

/// Turns true at the first Ctrl-C or SIGTERM; the second one ends the program at once.
fn on_interrupt(world: &World) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    let mut listener = world.listener();
    // Listening begins here, not when the task first runs: a signal in between would end the program.
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return receiver;
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if sender.send_replace(true) {
                std::process::exit(130);
            }
            listener.on(&Event::Interrupted);
        }
    });
    receiver
}

/// Whether something was not read in the end: of the targets that were locked, what the second look missed; of the others, the first.
fn unread<'t>(first: &Document, second: &Document, locked: impl Iterator<Item = &'t TargetId>) -> Coverage {
    let locked: Vec<_> = locked.map(|target| Pattern::new(target.to_string())).collect();
    let elsewhere = |what: &str| !locked.iter().any(|target| target.matches(what));
    if second.incomplete.is_empty() && !first.incomplete.iter().any(|gap| elsewhere(&gap.what)) {
        Coverage::Whole
    } else {
        Coverage::Partial
    }
}

/// Whether everything that was asked for could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coverage {
    Whole,
    Partial,
}

/// The exit code of a run.
fn exit(outcome: &Outcome, coverage: Coverage) -> Exit {
    let ended = |wanted: &[Ending]| outcome.steps.iter().any(|step| wanted.contains(&step.ending));
    let whole = outcome.steps.iter().all(|step| matches!(step.ending, Ending::Done | Ending::Already));
    match () {
        () if whole && coverage == Coverage::Partial => Exit::Incomplete,
        () if whole => Exit::Done,
        () if ended(&[Ending::Done, Ending::InDoubt, Ending::Partly]) => Exit::Partial,
        () => Exit::Error,
    }
}

fn finish(world: &World, args: &ApplyArgs, holder: &Holder, exit: Exit) -> Result<()> {
    let folder = world.journal(args.journal.as_deref())?;
    // The run is over and its report is out; a journal that cannot take the last line is worth a word, not another exit code.
    let written = Journal::open(&folder, &holder.run)
        .and_then(|mut journal| journal.write(World::now(), Fact::Finish { code: exit.code() }));
    if let Err(error) = written {
        world.say(format!("warning: {error}"));
    }
    Ok(())
}
