//! Looking changes nothing, and what is applied stays applied.

use super::Subject;
use super::subject::{changed, commands};

/// Planning, checking for drift and exporting leave the system as it was.
pub fn planning_writes_nothing<S: Subject>() {
    let subject = S::start();
    let before = subject.fingerprint();
    let plan = subject.plan();
    assert!(!changed(&plan).is_empty(), "the policy would change something");
    assert!(commands(&plan).len() >= S::STEPS, "the policy takes {} steps: {:#?}", S::STEPS, commands(&plan));
    subject.run(&["plan", "-o", "plan.json", "--detailed-exitcode"]).code(2);
    subject.run(&["drift"]).code(2);
    subject.run(&["export", S::TARGET, "-o", "exported.toml"]).code(0);
    assert_eq!(subject.fingerprint(), before);
}

/// Apply, then the plan is empty; apply again, then nothing is done.
pub fn applied_once_the_plan_is_empty_and_applying_does_nothing<S: Subject>() {
    let subject = S::start();
    subject.apply();
    subject.settled();
    let before = subject.fingerprint();
    subject.apply().says("No changes");
    assert_eq!(subject.fingerprint(), before);
    subject.run(&["drift"]).code(0);
}

/// What is exported is a policy, and planning it is empty; before and after the policy was applied.
pub fn exported_the_plan_is_empty<S: Subject>() {
    let subject = S::start();
    for file in ["before.toml", "after.toml"] {
        subject.run(&["export", S::TARGET, "-o", file]).code(0);
        subject.run(&["check", file]).code(0);
        subject.run(&["plan", file, "--detailed-exitcode"]).code(0).says("No changes");
        subject.apply();
    }
}

/// One edit from outside is one difference, at its address and nowhere else; applying puts it right.
pub fn an_outside_edit_drifts_at_exactly_its_address<S: Subject>() {
    let subject = S::start();
    subject.apply();
    let shape = subject.shape();
    let address = subject.meddle();
    subject
        .run(&["drift", "--emit", "json=drift.json"])
        .code(2)
        .says(address.trim_start_matches(S::TARGET).trim_start_matches('.'));
    let drift = serde_json::from_str(&subject.folder().read("drift.json")).expect("the report is JSON");
    assert_eq!(changed(&drift), [address]);
    subject.apply();
    subject.settled();
    assert_eq!(subject.shape(), shape);
}
