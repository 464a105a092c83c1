//! Why a saved plan is stale, for the person who has to decide what to do about it: what was planned, and what was found.

use super::line::{Line, Role};
use super::style::Style;
use crate::model::units::Duration;
use crate::model::{Action, Attributes, Impact, text, value};
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
    lines.push(Line::new(Role::Plain, "Make a new plan and have it reviewed: evenkeel plan -o plan.json"));
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
            vec![
                ("command", found.command.clone()),
                ("approved", limits(planned, found)),
                ("now", limits(found, planned)),
            ],
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

/// The limits of a step in which it differs from `other`.
fn limits(step: &Step, other: &Step) -> String {
    let span = |millis| Duration::from_millis(millis);
    let mut words = Vec::new();
    if step.timeout_ms != other.timeout_ms {
        words.push(format!("takes at most {}", span(step.timeout_ms)));
    }
    if step.lock_timeout_ms != other.lock_timeout_ms {
        words.push(match step.lock_timeout_ms {
            Some(millis) => format!("waits {} for a lock", span(millis)),
            None => "waits for a lock as long as it may take".into(),
        });
    }
    if step.impact != other.impact {
        words.push(match step.impact {
            Impact::Runtime => "takes effect at run time".into(),
            Impact::Reload => "needs a reload".into(),
            Impact::Listener => "binds a listener anew".into(),
            Impact::Restart => "needs a restart".into(),
        });
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::model::{Check, Facts, Step as Draft, Verdict};
    use crate::plan::approval::hold;
    use crate::plan::samples::{self, Sample};
    use crate::plan::{Breach, Plan};

    const INDEX: &str = "postgres.shop.index.users";
    const POOL: &str = "postgres.shop.settings";

    /// An index to be replaced in three steps, and a setting to be changed in one.
    fn plan() -> Sample {
        Sample::default()
            .target("postgres.shop", "pg-7301", 3)
            .change(samples::replace(
                INDEX,
                json!({"columns": ["a"]}),
                json!({"columns": ["a", "b"]}),
                &["columns"],
                "p.toml:3",
            ))
            .change(samples::update(POOL, json!({"work_mem": "4MiB"}), json!({"work_mem": "8MiB"}), "p.toml:9"))
            .step(&[INDEX], "create index concurrently users_new on users (a, b)", |step| {
                step.timeout = Duration::from_hours(2);
                step.lock_timeout = Some(Duration::from_secs(3));
                step.hazards = vec![samples::notice("builds-index", "1 GB")];
            })
            .step(&[POOL], "alter system set work_mem = '8MB'", |_| {})
            .step(&[INDEX], "drop index concurrently users", |step| {
                step.hazards = vec![samples::required("drops-index", "2 scans")];
            })
            .step(&[INDEX], "alter index users_new rename to users", |_| {})
    }

    fn step(plan: &mut Plan, n: usize, edit: impl FnOnce(&mut Draft)) {
        edit(&mut plan.steps[n]);
    }

    /// What a fresh plan, made from the approved one by `edit`, is told.
    fn check(edit: impl FnOnce(&mut Plan)) -> String {
        let fresh = plan().edit(edit).document();
        match hold(&plan().document(), &fresh) {
            Ok(()) => "fine".into(),
            Err(excess) => {
                let text = render(&excess, Style::default());
                let lines: Vec<_> = text.lines().collect();
                lines[2..lines.len() - 2].join("\n")
            }
        }
    }

    #[test]
    fn less_is_fine() {
        assert_eq!(check(|_| {}), "fine", "the same");
        assert_eq!(check(|p| *p = Plan { targets: p.targets.clone(), ..Plan::default() }), "fine", "all is done");
        assert_eq!(
            check(|p| {
                p.changes.remove(1);
                p.steps.remove(1);
            }),
            "fine",
            "one is done"
        );
        assert_eq!(check(|p| p.steps.truncate(2)), "fine", "fewer commands");
        assert_eq!(check(|p| step(p, 0, |s| s.lock_timeout = Some(Duration::from_secs(1)))), "fine", "less patience");
        assert_eq!(
            check(|p| {
                p.changes[0].facts = Facts::default().with("scans", 7);
                step(p, 2, |s| s.hazards[0].evidence = "9 scans".into());
                p.notes.clear();
                p.policy_digest = "other".into();
            }),
            "fine",
            "other measurements"
        );
        assert_eq!(check(|p| p.steps.swap(0, 1)), "fine", "another order");
    }

    #[test]
    fn a_replacement_cut_off_halfway_goes_on() {
        let halfway = |p: &mut Plan| {
            p.changes[0].action = Action::Create;
            p.changes[0].before = None;
            p.steps.remove(2);
        };
        assert_eq!(check(halfway), "fine");
        // Only a replacement has a first half: an update of something that is gone is not what was approved.
        let gone = check(|p| {
            p.changes[1].action = Action::Create;
            p.changes[1].before = None;
        });
        insta::assert_snapshot!(gone, @r#"
        postgres.shop.settings
          it has changed since the plan was made
            planned from  work_mem = "4MiB"
            found         not there
        "#);
    }

    #[test]
    fn more_is_told() {
        let mut all = Vec::new();
        let mut tell = |what: &str, edit: fn(&mut Plan)| all.push(format!("== {what}\n{}", check(edit)));
        tell("another system", |p| p.targets[0].identity = "pg-9999".into());
        tell("another system, nothing to do there", |p| {
            *p = Plan { targets: p.targets.clone(), ..Plan::default() };
            p.targets[0].identity = "pg-9999".into();
        });
        tell("a change more", |p| {
            p.changes.push(samples::delete("postgres.shop.index.other", json!({"columns": ["x"]}), "prune"));
        });
        tell("another state", |p| {
            p.changes[1].before = Some(json!({"work_mem": "16MiB"}).as_object().cloned().expect("a table"));
        });
        tell("it is gone", |p| {
            p.changes[1].action = Action::Create;
            p.changes[1].before = None;
        });
        tell("another goal", |p| {
            p.changes[1].after = Some(json!({"work_mem": "1GiB"}).as_object().cloned().expect("a table"));
        });
        tell("another action", |p| p.changes[1].action = Action::Replace);
        tell("another command", |p| {
            step(p, 1, |s| s.command = "alter system set work_mem = '8MB'; drop table users".into());
        });
        tell("a command twice", |p| {
            let again = p.steps[2].clone();
            p.steps.push(again);
        });
        tell("a longer lock", |p| step(p, 0, |s| s.lock_timeout = Some(Duration::from_mins(10))));
        tell("no lock timeout", |p| step(p, 0, |s| s.lock_timeout = None));
        tell("a restart", |p| step(p, 1, |s| s.impact = Impact::Restart));
        tell("another hazard", |p| {
            step(p, 1, |s| s.hazards = vec![samples::required("restarts", "40 sessions are cut")]);
        });
        tell("a step for no resource", |p| {
            let mut more = p.steps[1].clone();
            more.covers.clear();
            more.command = "select pg_reload_conf()".into();
            p.steps.push(more);
        });
        tell("a failing check", |p| {
            p.checks.push(Check {
                name: "postgres.shop.query.active".into(),
                verdict: Verdict::Fail,
                message: "cost 812 is over max_cost 500".into(),
                hint: None,
                origins: Vec::new(),
            });
        });
        tell("a broken limit", |p| {
            p.guards.push(Breach {
                code: "max-deletes",
                subject: "postgres.shop.index".into(),
                message: "3 would be deleted, at most 2 may".into(),
            });
        });
        insta::assert_snapshot!(all.join("\n\n"));
    }

    #[test]
    fn what_was_blocked_may_not_come_free() {
        let approved = plan().edit(|p| p.changes[0].blocked = Some("`protect = true` at p.toml:3".into())).document();
        let excess = hold(&approved, &plan().document()).expect_err("nobody approved that");
        insta::assert_snapshot!(render(&excess, Style::default()));
    }
}
