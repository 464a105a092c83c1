//! What came of a run: every step with how it ended, then what was and was not done, and what to type next.

use std::collections::BTreeMap;

use serde_json::json;

use super::line::{Line, Role};
use super::style::Style;
use crate::apply::{Ending, Outcome, StepOutcome};
use crate::model::{Step, StepId, TargetId, text};

/// A step takes longer than this before its time is told.
const QUICK_MS: u128 = 1_000;

/// The report as text.
pub fn render(outcome: &Outcome, steps: &[Step], style: Style) -> String {
    let mut lines: Vec<Line> = Vec::new();
    let mut target = None;
    // Lanes run side by side; each is told in one piece.
    let mut all: Vec<_> = paired(outcome, steps).collect();
    let mut targets: Vec<&TargetId> = Vec::new();
    for (_, step) in &all {
        if !targets.contains(&&step.target) {
            targets.push(&step.target);
        }
    }
    all.sort_by_key(|(_, step)| targets.iter().position(|target| **target == step.target));
    for (ended, step) in all {
        if target != Some(&step.target) {
            if target.is_some() {
                lines.push(Line::default());
            }
            lines.push(Line::new(Role::Strong, step.target.to_string()));
            target = Some(&step.target);
        }
        lines.extend(of_step(ended, step));
    }
    if !lines.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(closing(outcome));
    lines.iter().map(|line| style.line(line).trim_end().to_owned() + "\n").collect()
}

/// The report as JSON, with a final newline.
pub fn json(outcome: &Outcome, steps: &[Step]) -> String {
    let steps: Vec<_> = paired(outcome, steps)
        .map(|(ended, step)| {
            json!({
                "id": ended.id,
                "target": step.target,
                "title": step.title,
                "command": step.command,
                "covers": step.covers,
                "ending": ended.ending,
                "message": ended.message,
                "hint": ended.hint,
                "elapsed_ms": u64::try_from(ended.elapsed.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    let counts = ALL.map(|ending| (word(ending), count(outcome, ending)));
    let summary: BTreeMap<&str, usize> = counts.into_iter().collect();
    let all = json!({
        "format_version": "1.0",
        "run": outcome.run,
        "interrupted": outcome.interrupted,
        "summary": summary,
        "steps": steps,
    });
    format!("{all:#}\n")
}

const ALL: [Ending; 7] =
    [Ending::Done, Ending::Already, Ending::Partly, Ending::Failed, Ending::InDoubt, Ending::Skipped, Ending::Canceled];

fn paired<'a>(outcome: &'a Outcome, steps: &'a [Step]) -> impl Iterator<Item = (&'a StepOutcome, &'a Step)> {
    let by_id: BTreeMap<StepId, &Step> = steps.iter().map(|step| (step.id, step)).collect();
    outcome.steps.iter().filter_map(move |ended| by_id.get(&ended.id).map(|step| (ended, *step)))
}

fn of_step(ended: &StepOutcome, step: &Step) -> Vec<Line> {
    let StepOutcome { id, ending, message, hint, elapsed } = ended;
    let (mark, role) = mark(*ending);
    let mut first =
        Line::new(role, format!("  {mark} ")).with(Role::Quiet, format!("[{}] ", id.0)).with(Role::Plain, &step.title);
    match ending {
        Ending::Done | Ending::Already | Ending::Partly | Ending::Failed | Ending::InDoubt => {
            if *ending == Ending::Already {
                first = first.with(Role::Quiet, "  already done");
            }
            if elapsed.as_millis() >= QUICK_MS {
                first = first.with(Role::Quiet, format!("  {}", text::span(*elapsed)));
            }
        }
        Ending::Skipped | Ending::Canceled => {
            let why = message.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            return vec![first.with(Role::Quiet, format!("  {}{why}", word(*ending)))];
        }
    }
    let mut lines = vec![first];
    if matches!(ending, Ending::Partly | Ending::Failed | Ending::InDoubt) {
        let command = step.command.lines().map(|line| Line::new(Role::Command, format!("      {line}")));
        lines.extend(command);
    }
    let says = message.iter().flat_map(|message| message.lines());
    lines.extend(says.map(|line| Line::new(role, format!("      {line}"))));
    lines.extend(hint.as_deref().map(|hint| Line::new(Role::Quiet, format!("      hint: {hint}"))));
    lines
}

fn closing(outcome: &Outcome) -> Vec<Line> {
    let some = ALL.into_iter().map(|ending| (ending, count(outcome, ending))).filter(|(_, n)| *n > 0);
    let words: Vec<_> = some.map(|(ending, n)| format!("{} {}", text::thousands(n as u64), words_of(ending))).collect();
    let well = outcome.steps.iter().all(|step| matches!(step.ending, Ending::Done | Ending::Already));
    let first = match (words.is_empty(), well) {
        (true, _) => Line::new(Role::Good, "Applied: nothing to do."),
        (_, true) => Line::new(Role::Good, format!("Applied: {}.", words.join(", "))),
        _ => {
            let none = [Ending::Done, Ending::Already, Ending::Partly, Ending::InDoubt]
                .iter()
                .all(|ending| count(outcome, *ending) == 0);
            let lead = if none { "No step succeeded" } else { "Applied in part" };
            Line::new(Role::Danger, format!("{lead}: {}.", words.join(", ")))
        }
    };
    let mut lines = vec![first.with(Role::Quiet, format!(" Run {}.", outcome.run))];
    if outcome.interrupted {
        lines.push(Line::new(Role::Plain, "The run was called off; the step that was running was left to finish."));
    }
    if count(outcome, Ending::InDoubt) > 0 {
        lines.push(Line::new(
            Role::Plain,
            "What is in doubt was sent, and no answer came: `evenkeel plan` reads what is there now.",
        ));
    }
    if !well {
        let troubles = [Ending::Partly, Ending::Failed, Ending::InDoubt];
        let broken = troubles.into_iter().any(|ending| count(outcome, ending) > 0);
        let first = if broken { "see to what went wrong, then run" } else { "run" };
        let next = format!("Next: {first} the same `evenkeel apply` again; it goes on with what is left.");
        lines.push(Line::new(Role::Plain, next));
    }
    lines
}

fn count(outcome: &Outcome, ending: Ending) -> usize {
    outcome.steps.iter().filter(|step| step.ending == ending).count()
}

fn mark(ending: Ending) -> (&'static str, Role) {
    match ending {
        Ending::Done => ("✓", Role::Good),
        Ending::Already => ("=", Role::Quiet),
        Ending::Partly => ("!", Role::Danger),
        Ending::Failed => ("✗", Role::Danger),
        Ending::InDoubt => ("?", Role::Danger),
        Ending::Skipped | Ending::Canceled => ("-", Role::Quiet),
    }
}

/// The ending as people say it.
fn words_of(ending: Ending) -> &'static str {
    match ending {
        Ending::Already => "already done",
        Ending::Partly => "done in part",
        Ending::InDoubt => "in doubt",
        Ending::Done | Ending::Failed | Ending::Skipped | Ending::Canceled => word(ending),
    }
}

/// The ending as programs read it.
fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Already => "already",
        Ending::Partly => "partly",
        Ending::Failed => "failed",
        Ending::InDoubt => "in_doubt",
        Ending::Skipped => "skipped",
        Ending::Canceled => "canceled",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::samples::Sample;

    fn sample(endings: &[(Ending, Option<&str>)]) -> (Outcome, Vec<Step>) {
        let at = ["postgres.shop.index.a", "postgres.shop.index.b", "redis.cache.settings", "redis.cache.ttl.x"];
        let mut sample = Sample::default();
        let mut steps = Vec::new();
        for (i, (ending, message)) in endings.iter().enumerate() {
            let at = at[i * at.len() / endings.len()];
            sample = sample
                .step(&[at], &format!("alter thing {i} set x = 1"), |step| step.title = format!("change thing {i}"));
            steps.push(StepOutcome {
                id: sample.0.steps[i].id,
                ending: *ending,
                message: message.map(Into::into),
                hint: (*ending == Ending::Failed).then(|| "end the transaction of pid 4711 and try again".into()),
                elapsed: Duration::from_millis(u64::try_from(i).unwrap_or(0) * 7_400),
            });
        }
        (Outcome { run: "20261123T080000-3f2a".into(), steps, interrupted: false }, sample.0.steps)
    }

    #[test]
    fn reports_say_what_was_and_was_not_done() {
        let mut all = Vec::new();
        let mut tell = |what: &str, endings: &[(Ending, Option<&str>)], interrupted| {
            let (outcome, steps) = sample(endings);
            let text = render(&Outcome { interrupted, ..outcome }, &steps, Style::default());
            all.push(format!("== {what}\n{text}"));
        };
        tell("nothing", &[], false);
        tell("well", &[(Ending::Done, None), (Ending::Already, None), (Ending::Done, None)], false);
        let failed = "canceling statement due to lock timeout";
        let skipped = Some("because step 2 failed");
        tell(
            "in part",
            &[
                (Ending::Done, None),
                (Ending::Failed, Some(failed)),
                (Ending::Skipped, skipped),
                (Ending::Skipped, skipped),
            ],
            false,
        );
        let partly = "2 keys could not be warmed: line 11: EOF while parsing an object";
        tell("partly", &[(Ending::Partly, Some(partly)), (Ending::Done, None)], false);
        tell("called off", &[(Ending::Done, None), (Ending::Canceled, None)], true);
        tell("in doubt", &[(Ending::InDoubt, Some("connection cut after the statement was sent"))], false);
        insta::assert_snapshot!(all.join("\n"));
    }

    /// How the report of a run sums it up.
    #[track_caller]
    fn sums_up(endings: &[Ending], expected: &str) {
        let endings: Vec<_> = endings.iter().map(|ending| (*ending, None)).collect();
        let (outcome, steps) = sample(&endings);
        let text = render(&outcome, &steps, Style::default());
        let lead = text.lines().find_map(|line| line.strip_suffix(" Run 20261123T080000-3f2a."));
        assert_eq!(lead, Some(expected), "{text}");
    }

    #[test]
    fn nothing_is_applied_in_part_where_nothing_succeeded() {
        use Ending::{Already, Canceled, Done, Failed, InDoubt, Partly, Skipped};
        sums_up(&[Failed], "No step succeeded: 1 failed.");
        sums_up(&[Failed, Skipped, Skipped], "No step succeeded: 1 failed, 2 skipped.");
        sums_up(&[Canceled, Canceled], "No step succeeded: 2 canceled.");
        // Whatever did something, or may have, is more than nothing.
        sums_up(&[Partly], "Applied in part: 1 done in part.");
        sums_up(&[InDoubt, Skipped], "Applied in part: 1 in doubt, 1 skipped.");
        sums_up(&[Already, Failed], "Applied in part: 1 already done, 1 failed.");
        sums_up(&[Done, Failed], "Applied in part: 1 done, 1 failed.");
    }

    #[test]
    fn the_report_is_json_too() {
        let (outcome, steps) = sample(&[(Ending::Done, None), (Ending::Failed, Some("no"))]);
        insta::assert_snapshot!(json(&outcome, &steps));
    }
}
