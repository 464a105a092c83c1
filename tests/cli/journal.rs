//! The journal: without it nothing is applied, and it tells what was.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::kit::{Folder, Run, Sqlite};

const POLICY: &str = "[sqlite.shop]\npath = \"shop.db\"\n\n[sqlite.shop.index.users_by_tenant]\ntable = \"users\"\ncolumns = [\"tenant_id\"]\n";

fn shop() -> (Folder, Sqlite) {
    let folder = Folder::with_policy(POLICY);
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql("create table users (id integer primary key, tenant_id int);");
    (folder, database)
}

#[test]
fn on_a_full_disk_nothing_is_applied() {
    let (folder, database) = shop();
    std::fs::create_dir_all(folder.file("full")).expect("a folder can be made");
    symlink("/dev/full", folder.file("full/journal.jsonl")).expect("a link can be made");
    let before = std::fs::read(database.path()).expect("the database is there");
    let output = Run::new(&folder).args(["apply", "--yes", "--journal", "full"]).code(1);
    output.says("No space left on device").says("--journal");
    assert!(std::fs::read(database.path()).expect("the database is there") == before, "nothing was done");
    Run::new(&folder).args(["apply", "--yes"]).code(0);
}

#[test]
fn where_no_journal_can_be_nothing_is_applied() {
    let (folder, database) = shop();
    folder.write("file", "");
    Run::new(&folder).args(["apply", "--yes", "--journal", "file/below"]).code(1).says("file/below");
    assert_eq!(database.sql("select count(*) from sqlite_master where type = 'index'"), "0");
}

#[test]
fn history_tells_what_was_applied() {
    let (folder, _database) = shop();
    Run::new(&folder).args(["history"]).code(0);
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    let journal = folder.file("state/evenkeel/journal.jsonl");
    let mode = std::fs::metadata(&journal).expect("the journal is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = folder.read("state/evenkeel/journal.jsonl");
    let entries: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of the journal is JSON")).collect();
    let events: Vec<_> = entries.iter().filter_map(|entry| entry["event"].as_str()).collect();
    assert_eq!(events, ["begin", "intent", "end", "finish"]);
    let run = entries[0]["run"].as_str().expect("an entry names its run");
    Run::new(&folder).args(["history", "--run", run]).code(0).says("sqlite.shop").says("create index").says("done");
    // A line that a crash tore is passed over.
    folder.write("state/evenkeel/journal.jsonl", &format!("{text}{{\"run\":"));
    Run::new(&folder).args(["history"]).code(0).says(run).says("  sqlite.shop  exit 0  1 done");
}
