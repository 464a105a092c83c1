//! What a law needs to know of a real system.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::kit::{Folder, Hold, Output, Run, eventually};

/// A system, running, with resources of its own and a policy that would create, replace and delete some of them.
///
/// The policy is `policies/shop.toml` in the folder, declares one target, allows every hazard, and is not applied yet.
pub trait Subject: Sized {
    /// The target, `postgres.shop`.
    const TARGET: &'static str;

    /// Whether two runs are kept apart; where they are not, the plan has to say so.
    const LOCKS: bool = true;

    /// The fewest steps that the policy takes.
    const STEPS: usize = 3;

    /// Starts it.
    fn start() -> Self;

    /// Where the program runs.
    fn folder(&self) -> &Folder;

    /// The environment in which the program reaches it.
    fn env(&self) -> Vec<(String, String)>;

    /// Everything that only reading must leave as it is, down to what a rewrite of equal content would touch.
    fn fingerprint(&self) -> String;

    /// What the policy is about, without anything that differs between two systems of the same content.
    fn shape(&self) -> String;

    /// After the policy was applied: changes one resource from outside, and says which.
    fn meddle(&self) -> &'static str;

    /// Before the policy was applied: changes from outside a resource that it would change, so that a plan made earlier is stale,
    /// and says which.
    fn spoil(&self) -> &'static str;

    /// Stops writers: a run begun now stays in its first step, or right before it, until this is dropped.
    fn hold(&self) -> Hold;

    /// Whether a run is in a step that waits for the hold.
    fn held_up(&self) -> bool;

    /// A second target of the same provider that is not there, as policy text.
    fn elsewhere(&self) -> &'static str;

    /// Another system with the same content, that nobody can take for this one.
    fn another() -> Self {
        Self::start()
    }

    /// All statements that the system logged, in order; none where it keeps no log.
    fn sent(&self) -> Vec<String> {
        Vec::new()
    }

    /// Those of them that change something and were not rolled back.
    fn changing(&self) -> Vec<String> {
        Vec::new()
    }

    /// What must not be in any output.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// evenkeel with these arguments.
    fn run(&self, args: &[&str]) -> Run {
        Run::new(self.folder()).args(args).envs(&self.env())
    }

    /// Applies the policy.
    #[track_caller]
    fn apply(&self) -> Output {
        self.run(&["apply", "--yes"]).code(0)
    }

    /// The plan as JSON.
    #[track_caller]
    fn plan(&self) -> serde_json::Value {
        self.run(&["plan", "--emit", "json=now.json"]).code(0);
        let plan = serde_json::from_str(&self.folder().read("now.json")).expect("the plan is JSON");
        std::fs::remove_file(self.folder().file("now.json")).expect("a file can be removed");
        plan
    }

    /// Expects that nothing is left to do.
    #[track_caller]
    fn settled(&self) {
        self.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    }
}

/// Which sides of a balancer a policy names.
pub trait Side {
    /// It names the running one.
    const RUNS: bool;
}

/// The running one and its file.
pub struct Both;

impl Side for Both {
    const RUNS: bool = true;
}

/// The file alone: whoever runs the balancer reloads it.
pub struct FileOnly;

impl Side for FileOnly {
    const RUNS: bool = false;
}

/// A policy's `[guards]` that allow every hazard of a provider, and every number of deletions.
pub fn allow_all(provider: &str) -> String {
    let registered = evenkeel::providers::REGISTRY.iter().find(|known| known.name == provider);
    let codes: Vec<_> = registered.iter().flat_map(|known| known.hazards).map(|hazard| hazard.code).collect();
    format!("[guards]\nallow = {codes:?}\nmin_existing = 1000\nallow_empty = true\n\n")
}

/// The addresses that a plan or a drift report says are different, sorted.
pub fn changed(plan: &serde_json::Value) -> Vec<String> {
    let changes = plan["resource_changes"].as_array().expect("a plan has `resource_changes`");
    let mut addresses: Vec<_> =
        changes.iter().map(|change| change["address"].as_str().expect("a change has an address").to_owned()).collect();
    addresses.sort();
    addresses
}

/// The commands of a plan, in order.
pub fn commands(plan: &serde_json::Value) -> Vec<String> {
    let steps = plan["steps"].as_array().expect("a plan has `steps`");
    steps.iter().map(|step| step["command"].as_str().expect("a step has a command").to_owned()).collect()
}

/// Stops every run in `folder` that has locked its target: nothing is done that is not in the journal, and the journal takes nothing.
///
/// For targets that are files: nothing makes the write of a file wait.
pub fn hold_journal(folder: &Folder) -> Hold {
    /// A full pipe. From the end of the input on it is emptied, for as long as a test can last.
    const FULL: &str = r#"mkdir -p "${1%/*}" && mkfifo "$1" && exec 3<>"$1" && head -c 65536 /dev/zero >&3 && touch "$1.full"
cat >/dev/null; timeout 60 cat <&3 >/dev/null 3>&- &"#;
    let journal = folder.file("state/evenkeel/journal.jsonl");
    let hold = Hold::open(Command::new("sh").args(["-c", FULL, "hold"]).arg(&journal), "");
    let full = eventually(Duration::from_secs(10), || journal.with_file_name("journal.jsonl.full").exists());
    assert!(full, "the journal still takes something");
    hold
}

/// Whether a run has locked this file.
pub fn locked(file: &Path) -> bool {
    let name = file.file_name().expect("a file has a name").to_string_lossy();
    let note = std::fs::read(file.with_file_name(format!(".{name}.evenkeel-lock")));
    note.is_ok_and(|note| !note.is_empty())
}
