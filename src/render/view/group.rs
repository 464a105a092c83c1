//! The changes of one target: what differs, then what is run for it and what that may do, then what was measured.

use std::collections::{BTreeSet, HashMap};

use super::{Counts, Detail, Group, Item, Matter, Shared, Topic};
use crate::model::units::Duration;
use crate::model::{Action, Approval, Facts, Impact, Value, text};
use crate::plan::Document;
use crate::plan::document::{Hazard, ResourceChange, Step};
use crate::render::field;
use crate::render::line::{Line, Role};

/// A single change of an attribute that is no longer than this stands beside the name.
const BESIDE: usize = 48;

/// A step that may take longer than this says so.
const PATIENCE_MS: u64 = 60_000;

/// The group of `target`.
pub fn lay_out(document: &Document, topic: Topic, target: &str) -> Group {
    let changes: Vec<_> = document.resource_changes.iter().filter(|change| change.target == target).collect();
    let mut own: HashMap<&str, Vec<&Step>> = HashMap::new();
    let mut shared: Vec<&Step> = Vec::new();
    for step in document.steps.iter().filter(|step| step.target == target && topic == Topic::Plan) {
        match &step.covers[..] {
            [only] => own.entry(only).or_default().push(step),
            _ => shared.push(step),
        }
    }
    let items =
        changes.iter().map(|change| item(topic, change, own.get(change.address.as_str()).map_or(&[], |steps| steps)));
    Group {
        target: text::tame(target),
        counts: changes.iter().map(|change| count(change)).fold(Counts::default(), Counts::plus),
        items: items.collect(),
        shared: together(&changes, &shared),
    }
}

fn count(change: &ResourceChange) -> Counts {
    match change.blocked {
        Some(_) => Counts { blocked: 1, ..Counts::default() },
        None => Counts::one(change.change.actions),
    }
}

fn item(topic: Topic, change: &ResourceChange, steps: &[&Step]) -> Item {
    let action = change.change.actions;
    let name = short(change);
    let mut head = Line::new(Role::Strong, &name);
    let mut body = Vec::new();
    let mut tell = |line| body.push(Detail { topic: Matter::Field, line });
    match (action, topic) {
        (Action::Update | Action::Replace, _) => {
            let beside = match &change.fields[..] {
                [only] if !only.replaces => field::short(topic, only).filter(|line| line.width() <= BESIDE),
                _ => None,
            };
            match beside {
                Some(line) => head = head.with(Role::Plain, "  ").join(line),
                None => field::lines(topic, &change.fields).into_iter().for_each(&mut tell),
            }
        }
        // Where the change has its own command, that says it all.
        (Action::Create, Topic::Plan) if steps.iter().any(|step| !step.command.is_empty()) => {}
        (Action::Create, _) => field::assignments(&change.fields).into_iter().for_each(&mut tell),
        (Action::Delete, _) => {}
    }
    if topic == Topic::Drift {
        match action {
            Action::Create => head = head.with(Role::Quiet, "  missing"),
            Action::Delete => head = head.with(Role::Quiet, "  should not be there"),
            Action::Update | Action::Replace => {}
        }
    }
    body.extend(run(steps));
    body.extend(facts(&change.facts).map(|line| Detail { topic: Matter::Fact, line }));
    Item {
        address: text::tame(&change.address),
        name: text::tame(&name),
        action,
        mark: action.mark(),
        head,
        aside: aside(change),
        body,
        blocked: change.blocked.as_deref().map(text::tame),
    }
}

/// The address inside its target.
fn short(change: &ResourceChange) -> String {
    let rest = change.address.strip_prefix(&change.target).and_then(|rest| rest.strip_prefix('.'));
    rest.unwrap_or(&change.address).to_owned()
}

fn aside(change: &ResourceChange) -> Option<String> {
    let origin = change.origin.as_ref().map(ToString::to_string);
    let parts: Vec<_> = change.reason.iter().cloned().chain(origin).map(|part| text::tame(&part)).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Commands in the order of running, each followed by what it may do.
fn run(steps: &[&Step]) -> Vec<Detail> {
    let mut details = Vec::new();
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    for step in steps {
        let mut lines: Vec<_> = step.command.lines().map(|line| Line::new(Role::Command, line)).collect();
        if let Some(last) = lines.pop() {
            lines.push(last.with(Role::Quiet, limits(step)));
        }
        details.extend(lines.into_iter().map(|line| Detail { topic: Matter::Command, line }));
        let fresh = step.hazards.iter().filter(|hazard| told.insert((&hazard.code, &hazard.evidence)));
        details.extend(fresh.map(hazard));
    }
    details
}

/// How long a step may take and wait, and how far it reaches, where that is worth a word.
fn limits(step: &Step) -> String {
    let mut words: Vec<String> = Vec::new();
    match step.impact {
        Impact::Runtime => {}
        Impact::Reload => words.push("reload".into()),
        Impact::Listener => words.push("binds its listener anew".into()),
        Impact::Restart => words.push("takes effect after a restart".into()),
    }
    let span = |millis| Duration::from_millis(millis);
    words.extend(step.lock_timeout_ms.map(|millis| format!("lock {}", span(millis))));
    if step.timeout_ms > PATIENCE_MS {
        words.push(format!("at most {}", span(step.timeout_ms)));
    }
    if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) }
}

fn hazard(hazard: &Hazard) -> Detail {
    let (role, topic) = match hazard.approval {
        Approval::Notice => (Role::Notice, Matter::Notice),
        Approval::Required => (Role::Danger, Matter::Danger),
    };
    let line = Line::new(role, format!("! {}", hazard.code)).with(Role::Plain, format!("  {}", hazard.evidence));
    let line = match hazard.approval {
        Approval::Notice => line,
        Approval::Required => line.with(Role::Quiet, format!("  (needs --allow {})", hazard.code)),
    };
    Detail { topic, line }
}

fn facts(facts: &Facts) -> Option<Line> {
    let told: Vec<_> = facts.iter().map(|(name, value)| fact(name, value)).collect();
    (!told.is_empty()).then(|| Line::new(Role::Quiet, told.join(", ")))
}

fn fact(name: &str, value: &Value) -> String {
    let words = |name: &str| name.replace('_', " ");
    match (value, value.as_u64(), name.strip_suffix("_bytes")) {
        (Value::Bool(true), ..) => words(name),
        (Value::Bool(false), ..) => format!("not {}", words(name)),
        (_, Some(bytes), Some(stem)) => format!("{} {}", words(stem), text::size(bytes)),
        (_, Some(number), None) => format!("{} {}", words(name), text::thousands(number)),
        (Value::String(value), ..) => format!("{} {value}", words(name)),
        // A histogram, or a few examples: their own words, without the marks of a file format.
        (Value::Object(parts), ..) => {
            let parts: Vec<_> = parts.iter().map(|(name, value)| fact(name, value)).collect();
            format!("{} ({})", words(name), parts.join(", "))
        }
        (Value::Array(parts), ..) if parts.iter().all(Value::is_string) => {
            let parts: Vec<_> = parts.iter().filter_map(Value::as_str).map(text::tame).collect();
            format!("{} ({})", words(name), parts.join(", "))
        }
        (value, ..) => format!("{} {}", words(name), crate::model::value::show(value)),
    }
}

/// Steps that serve several changes, those for the same changes together.
fn together(changes: &[&ResourceChange], steps: &[&Step]) -> Vec<Shared> {
    let covers: Vec<BTreeSet<&str>> =
        steps.iter().map(|step| step.covers.iter().map(String::as_str).collect()).collect();
    let mut shared = Vec::new();
    let mut start = 0;
    while start < steps.len() {
        let end = (start..steps.len()).find(|i| covers[*i] != covers[start]).unwrap_or(steps.len());
        shared.push(Shared { head: served(changes, &covers[start]), body: run(&steps[start..end]) });
        start = end;
    }
    shared
}

fn served(changes: &[&ResourceChange], covers: &BTreeSet<&str>) -> Line {
    let names: Vec<_> =
        changes.iter().filter(|change| covers.contains(change.address.as_str())).map(|change| short(change)).collect();
    let words = match names.len() {
        0 => "for the target as a whole".into(),
        n if n == changes.len() => {
            format!("once for {}", if n == 2 { "both".into() } else { format!("all {n} changes") })
        }
        n @ 5.. => format!("once for {n} of these changes"),
        _ => format!("once for {}", names.join(", ")),
    };
    Line::new(Role::Quiet, words + ":")
}
