//! Two runs at once, and a run that is called off.

use std::time::Duration;

use super::Subject;
use super::subject::changed;
use crate::kit::{Running, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

/// A run that hangs in its first step.
#[track_caller]
fn stuck<S: Subject>(subject: &S) -> Running {
    let mut run = subject.run(&["apply", "--yes"]).start();
    let there = eventually(PATIENCE, || run.ended() || subject.held_up());
    if !run.ended() {
        assert!(there, "the run does not come to its first step");
        return run;
    }
    panic!("the run did not wait\n{}", run.wait());
}

/// While one run works, a second one gives up naming the first, and a third one waits and then has nothing to do.
pub fn two_concurrent_runs_one_waits_or_names_the_holder<S: Subject>() {
    let subject = S::start();
    let hold = subject.hold();
    let first = stuck(&subject);
    let second = subject.run(&["apply", "--yes", "--lock-timeout", "1s"]).code(5);
    second.says(&format!("pid {}", first.pid())).says("evenkeel unlock").says(S::TARGET);
    let third = subject.run(&["apply", "--yes", "--lock-timeout", "60s"]).start();
    std::thread::sleep(Duration::from_millis(500));
    drop(hold);
    first.wait().expect(0);
    third.wait().expect(0).says("nothing to do").says("waiting");
    subject.settled();
}

/// Where nothing on the target can hold a lock, every plan says that runs are not kept apart, and `unlock` that there is no lock.
pub fn without_a_lock_the_plan_says_so<S: Subject>() {
    const { assert!(!S::LOCKS, "two runs are kept apart here; that is another law") };
    let subject = S::start();
    subject.run(&["plan"]).code(0).says("two runs at once are not kept apart");
    subject.run(&["unlock", S::TARGET, "--yes"]).code(64).says("no lock");
    // Both say what is so when they end, whoever was first.
    let runs = [(); 2].map(|()| subject.run(&["apply", "--yes"]).start());
    for run in runs {
        let output = run.wait();
        assert!(matches!(output.code, Some(0 | 4)), "{output}");
    }
    subject.settled();
}

/// Called off, a run finishes the step it is in and says what it did not do; running it again does that.
pub fn an_interrupted_run_finishes_its_step_and_says_the_rest<S: Subject>() {
    let subject = S::start();
    let total = changed(&subject.plan()).len();
    let hold = subject.hold();
    let run = stuck(&subject);
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(500));
    drop(hold);
    run.wait().expect(7).says("canceled");
    let left = changed(&subject.plan()).len();
    assert!(0 < left && left < total, "{left} of {total} changes are left");
    subject.apply();
    subject.settled();
}
