//! Policies that cannot be used: every problem at its place, exit code 64.

use crate::kit::{Folder, Output, Run};

/// Checks one policy that is wrong, and expects all of these words.
#[track_caller]
fn check(policy: &str, words: &[&str]) -> Output {
    let folder = Folder::with_policy(policy);
    let output = Run::new(&folder).args(["check"]).code(64).says("policies/shop.toml:");
    words.iter().fold(output, |output, word| output.says(word))
}

const TARGET: &str = "[sqlite.shop]\npath = \"shop.db\"\n";

#[test]
fn a_wrong_policy_is_told_at_its_place() {
    let with = |rest: &str| format!("{TARGET}{rest}");
    check(&with("[sqlite.shop.index.a]\ntable = \"t\"\ncolums = [\"a\"]\n"), &["shop.toml:5", "`colums`", "`columns`"]);
    check(&with("[sqlite.shop.indx.a]\ntable = \"t\"\n"), &["shop.toml:3", "`indx`", "`index`"]);
    check("[sqlit.shop]\npath = \"shop.db\"\n", &["shop.toml:1", "`sqlit`", "`sqlite`"]);
    check(&with("pth = \"x\"\n"), &["shop.toml:3", "`pth`", "`path`"]);
    check(&with("[sqlite.shop.index.a]\ntable = \"t\"\ncolumns = \"a\"\n"), &["shop.toml:5"]);
    check(
        &with("[sqlite.shop.index.a]\ntable = \"t\"\ncolumns = [\"a\"]\nunique = \"yes\"\n"),
        &["shop.toml:6", "unique"],
    );
    check(&with("[sqlite.shop.index.a]\ncolumns = [\"a\"]\n"), &["shop.toml:3", "`table`"]);
    check(&with("[sqlite.shop.cache_table.c]\nttl = \"10 parsecs\"\nmax_rows = 5\n"), &["shop.toml:4", "10 parsecs"]);
    check(
        &with("[sqlite.shop.index.a]\ntable = \"t\"\ntable = \"u\"\ncolumns = [\"a\"]\n"),
        &["shop.toml:5", "duplicate"],
    );
    check(&with("[sqlite.shop.index.a\n"), &["shop.toml:3"]);
    check(&with("[guards]\nmax_deletes_percent = 3\n"), &["shop.toml:4", "`max_delete_percent`"]);
}

#[test]
fn every_problem_is_told_at_once() {
    let policy = format!(
        "{TARGET}[sqlite.shop.index.a]\ntable = \"t\"\ncolums = [\"a\"]\n\n[sqlite.shop.indx.b]\n\n\
            [sqlite.shop.index.c]\ntable = 7\ncolumns = [\"a\"]\n"
    );
    let folder = Folder::with_policy(&policy);
    folder.write("policies/other.toml", "[nonsense.shop]\n");
    let output = Run::new(&folder).args(["check"]).code(64);
    for word in ["other.toml:1", "shop.toml:5", "shop.toml:7", "shop.toml:10", "`colums`", "`indx`", "`nonsense`"] {
        assert!(output.both().contains(word), "expected to read {word:?}\n{output}");
    }
}

#[test]
fn a_resource_in_two_files_names_both() {
    let resource = "[sqlite.shop.index.a]\ntable = \"t\"\ncolumns = [\"a\"]\n";
    let folder = Folder::with_policy(&format!("{TARGET}{resource}"));
    folder.write("policies/again.toml", resource);
    Run::new(&folder).args(["check"]).code(64).says("shop.toml:3").says("again.toml:1").says("sqlite.shop.index.a");
}

#[test]
fn a_missing_variable_or_file_is_named() {
    let folder = Folder::with_policy("[sqlite.shop]\npath = { env = \"SHOP_DATABASE\" }\n");
    Run::new(&folder).args(["plan"]).code(64).says("`SHOP_DATABASE`").says("shop.toml:2");
    Run::new(&folder).args(["apply", "--yes"]).code(64).says("`SHOP_DATABASE`");
    folder.write("policies/shop.toml", "[sqlite.shop]\npath = { file = \"secrets/path\" }\n");
    Run::new(&folder).args(["plan"]).code(64).says("secrets/path").says("shop.toml:2");
}

#[test]
fn a_wrong_command_line_is_64() {
    let folder = Folder::with_policy(TARGET);
    let check = |args: &[&str], word: &str| {
        Run::new(&folder).args(args).code(64).says(word);
    };
    check(&["plam"], "plam");
    check(&["plan", "--detailed-exitcodes"], "--detailed-exitcode");
    check(&["plan", "nowhere/"], "nowhere");
    check(&["plan", "--env", "production"], "production");
    check(&["plan", "--overlay", "nowhere.toml"], "nowhere.toml");
    check(&["apply", "--plan", "nowhere.json"], "nowhere.json");
    check(&["show", "nowhere.json"], "nowhere.json");
    check(&["plan", "--emit", "jsn=plan.json"], "json");
    check(&["explain", "drops-indx"], "drops-index");
    check(&["export", "sqlite.shp"], "sqlite.shop");
    let empty = Folder::new();
    Run::new(&empty).args(["plan"]).code(64).says("evenkeel init");
}
