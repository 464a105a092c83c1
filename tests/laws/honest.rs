//! What is said is what is so.

use super::Subject;
use super::subject::{changed, commands};

/// Every command of the plan reached the system as it was printed, and nothing else that changes something did.
pub fn what_is_printed_is_what_the_system_logged<S: Subject>() {
    let subject = S::start();
    let earlier = subject.logged().len();
    let printed = commands(&subject.plan());
    assert_eq!(subject.logged().len(), earlier, "planning changes nothing");
    subject.apply();
    let logged = subject.logged().split_off(earlier);
    let whole = printed.join("\n");
    for statement in &logged {
        assert!(whole.contains(statement.as_str()), "sent, and not printed: {statement}\nprinted:\n{whole}");
    }
    for command in &printed {
        let sent = logged.iter().any(|statement| command.contains(statement.as_str()));
        assert!(sent, "printed, and not sent: {command}\nlogged: {logged:#?}");
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
