//! A run that is killed or fails at any point, and is run again, arrives where an undisturbed one does.

use std::cmp::Ordering;

use super::Subject;
use super::subject::commands;

/// SIGABRT, with which a crash point ends the program.
const ABORTED: i32 = 6;

/// Killed before each step was sent.
pub fn killed_before_any_step_it_converges<S: Subject>() {
    killed_at_every_step::<S>("before");
}

/// Killed after each step was done and before anybody wrote that down.
pub fn killed_after_any_step_it_converges<S: Subject>() {
    killed_at_every_step::<S>("after");
}

/// Failed at each step: the report and the journal tell what was done, what failed and what was not begun.
pub fn failed_at_any_step_it_converges<S: Subject>() {
    let (steps, goal) = undisturbed::<S>();
    for step in 1..=steps {
        let subject = S::start();
        let failed = subject.run(&["apply", "--yes", "--report", "report.json"]);
        let failed = failed.env("EVENKEEL_CRASH_AT", format!("{step}:fail")).output();
        let failed = failed.expect(if step == 1 { 1 } else { 7 }).says("a crash point keeps this step from running");

        let report: serde_json::Value =
            serde_json::from_str(&subject.folder().read("report.json")).expect("the report is JSON");
        let told: Vec<_> = report["steps"].as_array().expect("a report has `steps`").iter().collect();
        let told: Vec<_> = told.iter().map(|step| step["ending"].as_str().expect("a step has an ending")).collect();
        let ending = |at: usize| match at.cmp(&step) {
            Ordering::Less => "done",
            Ordering::Equal => "failed",
            Ordering::Greater => "skipped",
        };
        assert_eq!(told, (1..=steps).map(ending).collect::<Vec<_>>(), "{failed}");

        let run = report["run"].as_str().expect("a report names its run");
        let history = subject.run(&["history", "--run", run]).code(0);
        assert_eq!(journaled(&history.stdout), (1..=step).map(ending).collect::<Vec<_>>(), "{history}");
        history.says(&format!("finish  exit {}", if step == 1 { 1 } else { 7 }));

        subject.apply();
        subject.settled();
        assert_eq!(subject.shape(), goal, "{step}:fail");
    }
}

/// How the steps of a run ended, in order, as `history --run` tells it; a step that never began is not in it.
fn journaled(history: &str) -> Vec<&'static str> {
    let endings = ["done", "failed", "skipped"];
    let ended = history.lines().filter(|line| line.contains(" after ") && line.contains(" ms"));
    ended.filter_map(|line| endings.into_iter().find(|ending| line.contains(&format!(" {ending} after ")))).collect()
}

/// How many steps an undisturbed run takes, and where it arrives.
fn undisturbed<S: Subject>() -> (usize, String) {
    let subject = S::start();
    let steps = commands(&subject.plan()).len();
    assert!(steps >= S::STEPS, "{steps} steps are fewer than {}", S::STEPS);
    subject.apply();
    (steps, subject.shape())
}

fn killed_at_every_step<S: Subject>(moment: &str) {
    let (steps, goal) = undisturbed::<S>();
    for step in 1..=steps {
        let subject = S::start();
        let point = format!("{step}:{moment}");
        let killed = subject.run(&["apply", "--yes"]).env("EVENKEEL_CRASH_AT", &point).output();
        assert_eq!(killed.signal, Some(ABORTED), "{point}\n{killed}");
        subject.apply();
        subject.settled();
        assert_eq!(subject.shape(), goal, "{point}");
        // The journal tells the torn run, too.
        subject.run(&["history"]).code(0);
    }
}
