//! A saved plan is an approval: of exactly what it holds, on exactly the system it was made for.

use super::Subject;

/// Plans into `plan.json` and gives its text.
fn save<S: Subject>(subject: &S) -> String {
    subject.run(&["plan", "-o", "plan.json"]).code(0);
    subject.folder().read("plan.json")
}

/// Expects that applying `plan.json` is refused as stale or altered, saying `word`, and that nothing was done.
#[track_caller]
fn refused<S: Subject>(subject: &S, word: &str) {
    let before = subject.fingerprint();
    subject.run(&["apply", "--plan", "plan.json"]).code(4).says(word);
    assert_eq!(subject.fingerprint(), before);
}

/// What was approved is applied without another question; again, it has nothing to do.
pub fn an_approved_plan_is_applied_and_may_be_applied_again<S: Subject>() {
    let subject = S::start();
    save(&subject);
    subject.run(&["apply", "--plan", "plan.json"]).code(0);
    subject.settled();
    let before = subject.fingerprint();
    subject.run(&["apply", "--plan", "plan.json"]).code(0);
    assert_eq!(subject.fingerprint(), before);
}

/// Whatever is edited in it, the plan does not hold any more.
pub fn a_plan_edited_by_hand_is_refused<S: Subject>() {
    let subject = S::start();
    let plan: serde_json::Value = serde_json::from_str(&save(&subject)).expect("the plan is JSON");
    let edit = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut edited = plan.clone();
        edit(&mut edited);
        assert_ne!(edited, plan, "the edit changes something");
        subject.folder().write("plan.json", &serde_json::to_string_pretty(&edited).expect("JSON prints"));
        refused(&subject, "plan.json");
    };
    edit(&|plan| plan["steps"][0]["command"] = "drop table users".into());
    edit(&|plan| plan["resource_changes"][0]["change"]["after"] = serde_json::json!({}));
    edit(&|plan| plan["resource_changes"].as_array_mut().expect("a list").clear());
    edit(&|plan| plan["targets"][0]["identity"] = "somebody else".into());
    subject.folder().write("plan.json", "{ not json");
    let before = subject.fingerprint();
    let output = subject.run(&["apply", "--plan", "plan.json"]).output();
    assert!(matches!(output.code, Some(4 | 64)), "{output}");
    assert_eq!(subject.fingerprint(), before);
}

/// A plan for one system is not applied to another one, however alike.
pub fn a_plan_for_another_system_is_refused<S: Subject>() {
    let (one, other) = (S::start(), S::another());
    let plan = save(&one);
    other.folder().write("plan.json", &plan);
    refused(&other, S::TARGET);
}

/// A resource that has changed since makes the plan stale, and the message names it.
pub fn a_stale_plan_is_refused<S: Subject>() {
    let subject = S::start();
    save(&subject);
    let address = subject.spoil();
    refused(&subject, address);
}
