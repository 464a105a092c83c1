//! What `apply` does not do without being told to: exit code 6, and nothing done.

use crate::kit::{Folder, Output, Run, Sqlite};

const POLICY: &str = r#"
[sqlite.shop]
path = "shop.db"

[sqlite.shop.index.users_by_tenant]
table = "users"
columns = ["tenant_id"]

[sqlite.shop.index.users_old]
absent = true
"#;

/// A database with an index that the policy deletes.
fn shop(policy: &str) -> (Folder, Sqlite) {
    let folder = Folder::with_policy(policy);
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql(
        "create table users (id integer primary key, tenant_id int, old int); create index users_old on users (old);",
    );
    (folder, database)
}

/// Expects that `args` are refused and that nothing is done.
#[track_caller]
fn refused(folder: &Folder, database: &Sqlite, args: &[&str]) -> Output {
    let before = std::fs::read(database.path()).expect("the database is there");
    let output = Run::new(folder).args(args).stdin("yes\n").code(6);
    assert!(std::fs::read(database.path()).expect("the database is there") == before, "something was done\n{output}");
    output
}

#[test]
fn without_a_terminal_nothing_is_applied_unconfirmed() {
    let (folder, database) = shop(POLICY);
    // A `yes` from a pipe is nobody's.
    refused(&folder, &database, &["apply", "--allow", "drops-index"]).says("--yes");
}

#[test]
fn a_hazard_is_refused_with_the_flag_that_allows_it() {
    let (folder, database) = shop(POLICY);
    let flag = "--allow drops-index:sqlite.shop.index.users_old";
    refused(&folder, &database, &["apply", "--yes"]).says(flag);
    refused(&folder, &database, &["apply", "--yes", "--allow", "drops-index:sqlite.shop.index.other_*"]).says(flag);
    Run::new(&folder).args(["apply", "--yes", "--allow", "drops-indx"]).code(64).says("drops-index");
    let mut args = vec!["apply", "--yes"];
    args.extend(flag.split(' '));
    Run::new(&folder).args(args).code(0);
    assert_eq!(database.sql("select name from sqlite_master where type = 'index'"), "users_by_tenant");
}

#[test]
fn what_is_protected_stays() {
    let protected = POLICY.replace("absent = true", "absent = true\nprotect = true");
    let (folder, database) = shop(&protected);
    refused(&folder, &database, &["apply", "--yes", "--allow", "drops-index"]).says("protect");
    let pruning = "[sqlite.shop]\npath = \"shop.db\"\nprune = [\"index\"]\n";
    let (folder, database) = shop(pruning);
    refused(&folder, &database, &["apply", "--yes", "--allow", "drops-index"]).says("allow-empty");
}

#[test]
fn a_limit_is_refused_with_the_flag_that_allows_it() {
    let limited = format!("[guards]\nmax_deletes = 0\n{POLICY}");
    let (folder, database) = shop(&limited);
    let flag = "--allow max-deletes:sqlite.shop.index";
    refused(&folder, &database, &["apply", "--yes", "--allow", "drops-index"]).says(flag);
    let mut args = vec!["apply", "--yes", "--allow", "drops-index"];
    args.extend(flag.split(' '));
    Run::new(&folder).args(args).code(0);
}
