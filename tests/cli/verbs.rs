//! The verbs around the loop, and the options that narrow or shape it, driven through the program.

use crate::kit::{Folder, Run, Sqlite};

const POLICY: &str = r#"# The shop's policy.
[sqlite.shop]
path = "shop.db"

[sqlite.shop.index.by_email] # found by address
table = "users"
columns = ["email"]

[sqlite.shop.index.by_name]
table = "users"
columns = ["name"]
"#;

fn shop() -> (Folder, Sqlite) {
    let folder = Folder::new();
    folder.write("policies/shop.toml", POLICY);
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql("create table users (id integer primary key, email text, name text)");
    (folder, database)
}

#[test]
fn init_writes_a_policy_that_checks_and_a_pipeline() {
    let folder = Folder::new();
    Run::new(&folder).args(["init", "new"]).code(0);
    Run::new(&folder).args(["check", "new/policies"]).code(0);
    assert!(folder.read("new/.github/workflows/evenkeel.yml").contains("evenkeel plan policies"));
    // What is there is not written over.
    Run::new(&folder).args(["init", "new"]).code(64).says("is there already");
}

#[test]
fn init_fills_a_policy_from_a_live_system() {
    let (folder, database) = shop();
    database.sql("create index by_email on users (lower(email))");
    let from = ["init", "new", "--from", "sqlite.shop", "--set", "path=shop.db"];
    Run::new(&folder).args(from).code(0);
    assert!(folder.read("new/policies/shop.toml").contains("columns = [\"lower(email)\"]"));
    Run::new(&folder).args(["plan", "new/policies", "--detailed-exitcode"]).code(0);
}

#[test]
fn adopting_writes_the_live_values_and_keeps_every_other_byte() {
    let (folder, database) = shop();
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    database.sql("drop index by_email; create index by_email on users (email desc); drop index by_name");
    Run::new(&folder).args(["drift"]).code(2);
    Run::new(&folder).args(["drift", "--adopt"]).code(0);
    let expected = POLICY.replace("columns = [\"email\"]", "columns = [\"email desc\"]");
    let expected = expected.split("\n[sqlite.shop.index.by_name]").next().expect("a first part");
    assert_eq!(folder.read("policies/shop.toml").trim_end(), expected.trim_end());
    Run::new(&folder).args(["drift"]).code(0);
}

#[test]
fn only_and_exclude_narrow_plan_and_apply() {
    let (folder, _database) = shop();
    let only = ["--only", "*.by_name"];
    Run::new(&folder).args(["plan"]).args(only).code(0).says("Plan: 1 to create").says("--only '*.by_name'");
    Run::new(&folder).args(["apply", "--yes"]).args(only).code(0).says("Applied: 1 done");
    let rest = ["plan", "--detailed-exitcode", "--exclude", "sqlite.shop.index.by_email"];
    Run::new(&folder).args(rest).code(0).says("No changes");
}

#[test]
fn an_expected_digest_is_held_to() {
    let (folder, _database) = shop();
    Run::new(&folder).args(["apply", "--expect", "0000"]).code(4).says("not the expected 0000");
    Run::new(&folder).args(["plan", "-o", "plan.json"]).code(0);
    let plan: serde_json::Value = serde_json::from_str(&folder.read("plan.json")).expect("JSON");
    let digest = plan["plan_id"].as_str().expect("a digest");
    Run::new(&folder).args(["apply", "--fail-fast", "--expect", digest]).code(0).says("Applied: 2 done");
}

#[test]
fn drift_has_the_exit_code_and_the_template_that_were_asked_for() {
    let (folder, _database) = shop();
    folder.write("mine.html", "<p>{{ short_id }}mine</p>\n");
    let args = ["drift", "--drift-exit-code", "0", "--emit", "html=drift.html", "--template", "mine.html"];
    Run::new(&folder).args(args).code(0).says("index.by_email");
    assert!(folder.read("drift.html").contains("mine</p>"));
}

#[test]
fn the_schema_knows_every_provider_and_is_strict() {
    let folder = Folder::new();
    let printed = Run::new(&folder).args(["schema"]).code(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    let columns = &schema["$defs"]["sqlite.index"]["properties"]["columns"];
    assert!(columns["description"].is_string(), "{columns}");
}

#[test]
fn shells_manuals_and_grants_are_printed() {
    let folder = Folder::new();
    Run::new(&folder).args(["completions", "bash"]).code(0).says("_evenkeel");
    Run::new(&folder).args(["man", "pages"]).code(0);
    assert!(folder.read("pages/evenkeel-apply.1").contains("lock"));
    Run::new(&folder).args(["grants", "sqlite", "--for", "plan"]).code(0).says("chmod o+r shop.db");
    Run::new(&folder).args(["grants", "sqlit"]).code(64).says("did you mean `sqlite`?");
}

#[test]
fn whatever_is_printed_can_be_explained() {
    let folder = Folder::new();
    let list = Run::new(&folder).args(["explain"]).code(0).stdout;
    let names: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    assert!(names.len() > 30, "{list}");
    for name in
        ["drops-index", "unknown-key", "max-delete-percent", "fails-check", "sqlite.index", "sqlite.index.columns"]
    {
        Run::new(&folder).args(["explain", name]).code(0).says(name.rsplit('.').next().expect("a part"));
    }
    Run::new(&folder).args(["explain", "drops-indx"]).code(64).says("did you mean `drops-index`?");
}
