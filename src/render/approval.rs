//! Why a saved plan is stale, for the person who has to decide what to do about it: what was planned, and what was found.

use super::line::{Line, Role};
use super::style::Style;
use crate::model::units::Duration;
use crate::model::{Action, Attributes, text, value};
use crate::plan::approval::{Excess, Reason};
use crate::plan::document::{ResourceChange, Step};

/// The refusal: a sentence, a block per address, and what to type next.
pub fn render(excess: &[Excess], style: Style) -> String {
    let mut subjects: Vec<&str> = Vec::new();
    for Excess { subject, .. } in excess {
        if !subjects.contains(&subject.as_str()) {
            subjects.push(subject);
        }
    }
    let mut lines = vec![headline(subjects.len())];
    for subject in subjects {
        lines.push(Line::default());
        lines.push(Line::new(Role::Strong, subject));
        let reasons = excess.iter().filter(|excess| excess.subject == subject).map(|excess| &excess.reason);
        lines.extend(
            reasons.flat_map(|reason| explain(reason).lines()).map(|line| Line::new(Role::Plain, "  ").join(line)),
        );
    }
    lines.push(Line::default());
    lines.push(Line::new(Role::Plain, "Look again and have it reviewed: evenkeel plan -o plan.json"));
    lines.iter().map(|line| style.line(line).trim_end().to_owned() + "\n").collect()
}

fn headline(n: usize) -> Line {
    let rest = match n {
        1 => ": 1 thing is not as it was approved. Nothing was changed.".into(),
        n => format!(": {} are not as they were approved. Nothing was changed.", text::count(n, "thing")),
    };
    Line::new(Role::Danger, "plan is stale").with(Role::Plain, rest)
}

/// One reason: a sentence and what stands against what.
struct Explanation {
    sentence: String,
    rows: Vec<(&'static str, String)>,
}

impl Explanation {
    fn lines(self) -> Vec<Line> {
        let width = self.rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let rows = self
            .rows
            .into_iter()
            .map(|(label, text)| Line::new(Role::Quiet, format!("  {label:width$}  ")).with(Role::Plain, text));
        std::iter::once(Line::new(Role::Plain, self.sentence)).chain(rows).collect()
    }
}

fn explain(reason: &Reason) -> Explanation {
    let told = |sentence: &str, rows: Vec<(&'static str, String)>| Explanation { sentence: sentence.into(), rows };
    match reason {
        Reason::OtherSystem { planned, found } => told(
            "the plan was made for another system",
            vec![("planned for", planned.clone()), ("found", found.clone())],
        ),
        Reason::Unplanned { found } => told(
            "the approved plan does not touch it",
            vec![("found", format!("to be {}: {}", participle(found), sides(found)))],
        ),
        Reason::OtherState { planned, found } => {
            let (from, now) = against(planned.change.before.as_ref(), found.change.before.as_ref());
            let rows = if planned.change.before == found.change.before {
                vec![
                    ("planned", format!("to be {}", participle(planned))),
                    ("found", format!("to be {}", participle(found))),
                ]
            } else {
                vec![("planned from", from), ("found", now)]
            };
            told("it has changed since the plan was made", rows)
        }
        Reason::OtherGoal { planned, found } => {
            let (then, now) = against(planned.change.after.as_ref(), found.change.after.as_ref());
            told("the policy has changed since the plan was made", vec![("planned", then), ("now wanted", now)])
        }
        Reason::Unblocked { planned } => {
            told("it is no longer blocked, as it was when the plan was made", vec![("blocked by", planned.clone())])
        }
        Reason::Commands { found } => {
            let commands = found.iter().flat_map(|command| command.lines()).map(|line| ("would run", line.to_owned()));
            told("it would take commands that were not approved", commands.collect())
        }
        Reason::Limits { planned, found } => told(
            "a command would be given more than was approved",
            vec![("command", found.command.clone()), ("approved", limits(planned)), ("now", limits(found))],
        ),
        Reason::Hazards { found } => {
            let hazards = found.iter().map(|hazard| ("found", hazard.message.clone()));
            told("it has hazards that were not approved", hazards.collect())
        }
        Reason::Failing { found } => told("a check fails that did not", vec![("found", found.message.clone())]),
        Reason::Breach { found } => told(
            "it breaks a limit that the plan did not",
            vec![("found", format!("{}: {}", found.code, found.message))],
        ),
    }
}

fn participle(change: &ResourceChange) -> &'static str {
    match change.change.actions {
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
    }
}

fn sides(change: &ResourceChange) -> String {
    match (&change.change.before, &change.change.after) {
        (Some(before), Some(after)) => {
            let (before, after) = against(Some(before), Some(after));
            format!("{before} -> {after}")
        }
        (before, after) => told(before.as_ref().or(after.as_ref()), |_| true),
    }
}

/// Two states, each told by the attributes in which they differ.
fn against(planned: Option<&Attributes>, found: Option<&Attributes>) -> (String, String) {
    let (Some(before), Some(after)) = (planned, found) else {
        return (told(planned, |_| true), told(found, |_| true));
    };
    let differs = |key: &str| before.get(key) != after.get(key);
    let side = |own: &Attributes, other: &Attributes| {
        let known = other.keys().filter(|key| !own.contains_key(*key)).map(|key| format!("{key} not set"));
        let told = told(Some(own), differs);
        std::iter::once(told).filter(|told| !told.is_empty()).chain(known).collect::<Vec<_>>().join(", ")
    };
    (side(before, after), side(after, before))
}

fn told(state: Option<&Attributes>, wanted: impl Fn(&str) -> bool) -> String {
    let Some(attributes) = state else { return "not there".into() };
    let pairs = attributes.iter().filter(|(key, _)| wanted(key));
    pairs.map(|(key, value)| format!("{key} = {}", value::show(value))).collect::<Vec<_>>().join(", ")
}

fn limits(step: &Step) -> String {
    let span = |millis| Duration::from_millis(millis);
    let mut words = vec![format!("at most {}", span(step.timeout_ms))];
    words.extend(step.lock_timeout_ms.map(|millis| format!("waits {} for a lock", span(millis))));
    words.extend((step.impact != crate::model::Impact::Runtime).then(|| format!("{:?}", step.impact).to_lowercase()));
    words.join(", ")
}
