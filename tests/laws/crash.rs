//! A run that is killed at any point, and run again, arrives where an undisturbed one does.

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

fn killed_at_every_step<S: Subject>(moment: &str) {
    let undisturbed = S::start();
    let steps = commands(&undisturbed.plan()).len();
    assert!(steps >= S::STEPS, "{steps} steps are fewer than {}", S::STEPS);
    undisturbed.apply();
    let goal = undisturbed.shape();
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
