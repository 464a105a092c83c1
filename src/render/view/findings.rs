//! What there is to know beside the changes: broken limits, checks, what was not looked at, what is ignored, remarks.

use super::{Entry, Section, Topic, Weight};
use crate::model::{Check, Verdict, text};
use crate::plan::Document;
use crate::render::allow;
use crate::render::field;
use crate::render::line::{Line, Role};

/// The sections, worst first; what is empty is left out.
pub fn lay_out(document: &Document, topic: Topic) -> Vec<Section> {
    let guards = if topic == Topic::Plan { limits(document) } else { Vec::new() };
    let (bad, unknown) = (checks(document, Verdict::Fail), checks(document, Verdict::Unknown));
    let all = [
        section("Limits broken", Weight::Bad, guards),
        section(&failing(document), Weight::Bad, bad),
        section("Not checked", Weight::Unknown, gaps(document)),
        section("Checks that could not be judged", Weight::Unknown, unknown),
        section("Ignored", Weight::Remark, ignored(document, topic)),
        section("Notes", Weight::Remark, notes(document)),
    ];
    all.into_iter().filter(|section| !section.entries.is_empty()).collect()
}

fn section(title: &str, weight: Weight, entries: Vec<Entry>) -> Section {
    Section { title: title.into(), entries, weight }
}

fn failing(document: &Document) -> String {
    match document.checks.iter().filter(|check| check.verdict == Verdict::Pass).count() {
        0 => "Checks that fail".into(),
        1 => "Checks that fail (1 more holds)".into(),
        n => format!("Checks that fail ({} more hold)", text::thousands(n as u64)),
    }
}

fn entry(subject: &str, role: Role, message: &str) -> Entry {
    let subject = text::tame(subject);
    let line = Line::new(role, &subject).with(Role::Plain, format!("  {message}"));
    Entry { subject, line, more: Vec::new() }
}

fn hint(words: &str) -> Line {
    Line::new(Role::Quiet, format!("hint: {words}"))
}

fn limits(document: &Document) -> Vec<Entry> {
    let guards = document.guards.iter();
    guards
        .map(|guard| {
            let message = format!("{}: {}", guard.code, guard.message);
            let mut entry = entry(&guard.subject, Role::Danger, &message);
            entry.more.push(hint(&format!("allow it once with {}", allow::flag(&guard.code, &guard.subject))));
            entry
        })
        .collect()
}

fn checks(document: &Document, verdict: Verdict) -> Vec<Entry> {
    let role = if verdict == Verdict::Fail { Role::Danger } else { Role::Notice };
    let found = document.checks.iter().filter(|check| check.verdict == verdict);
    found
        .map(|Check { name, verdict: _, message, hint: next, origins }| {
            let mut entry = entry(name, role, message);
            if !origins.is_empty() {
                let places: Vec<_> = origins.iter().map(ToString::to_string).collect();
                entry.more.push(Line::new(Role::Quiet, format!("at {}", places.join(", "))));
            }
            entry.more.extend(next.as_deref().map(hint));
            entry
        })
        .collect()
}

fn gaps(document: &Document) -> Vec<Entry> {
    let gaps = document.incomplete.iter();
    gaps.map(|gap| {
        let mut entry = entry(&gap.what, Role::Notice, &gap.reason);
        entry.more.extend(gap.hint.as_deref().map(hint));
        entry
    })
    .collect()
}

fn ignored(document: &Document, topic: Topic) -> Vec<Entry> {
    let suppressed = document.suppressed.iter();
    suppressed
        .map(|suppressed| {
            let mut lines = field::lines(topic, &suppressed.fields);
            let mut entry = entry(&suppressed.address, Role::Plain, "");
            if lines.len() == 1 {
                entry.line = entry.line.join(lines.remove(0));
            }
            entry.more = lines;
            entry
        })
        .collect()
}

fn notes(document: &Document) -> Vec<Entry> {
    document.notes.iter().map(|note| entry(&note.target, Role::Plain, &note.message)).collect()
}
