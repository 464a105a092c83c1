//! What is said is what is so.

use super::Subject;
use super::subject::{changed, commands};

/// Every command of the plan reached the system as it was printed, and nothing else that changes something did.
pub fn what_is_printed_is_what_the_system_logged<S: Subject>() {
    let subject = S::start();
    let printed = commands(&subject.plan());
    assert_eq!(subject.changing(), [""; 0], "planning changes nothing");
    subject.apply();
    let (sent, changing) = (subject.sent(), subject.changing());
    for statement in &changing {
        assert!(printed.contains(statement), "sent, and not printed: {statement}\nprinted: {printed:#?}");
    }
    for command in &printed {
        assert!(sent.contains(command), "printed, and not sent: {command}\nsent: {sent:#?}");
    }
}

/// A target that cannot be read is said to be unread, with exit code 3; the other one is planned as if alone, and applied.
pub fn what_cannot_be_read_makes_the_plan_incomplete<S: Subject>() {
    let subject = S::start();
    let alone = subject.plan();
    subject.folder().write("policies/elsewhere.toml", subject.elsewhere());
    subject.run(&["plan", "--emit", "json=partial.json"]).code(3).says("elsewhere");
    let partial: serde_json::Value =
        serde_json::from_str(&subject.folder().read("partial.json")).expect("the plan is JSON");
    assert_eq!(changed(&partial), changed(&alone));
    assert_eq!(commands(&partial), commands(&alone));
    let incomplete = partial["incomplete"].to_string();
    assert!(incomplete.contains("elsewhere"), "{incomplete}");
    subject.run(&["drift"]).code(3);
}
