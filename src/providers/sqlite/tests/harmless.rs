//! Planning writes nothing, and apply does nothing but what was planned, whole or not at all.

use std::time::Duration;

use serde_json::json;

use super::{contents, place};
use crate::provider::{Claim, Holder, Progress, Provider};
use crate::providers::sqlite::sql::Database;

const ORDERS: &str = "create table orders (id integer primary key, customer_id integer, note text);
    insert into orders (customer_id, note) values (1, 'a'), (2, 'b'), (2, 'c');";

fn by_customer() -> serde_json::Value {
    json!({ "table": "orders", "columns": ["customer_id"] })
}

#[tokio::test]
async fn planning_leaves_every_byte_as_it_is() {
    for mode in ["delete", "truncate", "persist", "wal"] {
        let place = place(&format!("pragma journal_mode = {mode}; {ORDERS}")).await;
        let before = contents(place.folder.path());
        assert!(!before.iter().any(|(path, _)| path.ends_with("shop.db-wal")), "{mode}: the writer is gone");
        let query = json!({ "sql": "select * from orders where customer_id = ?", "must_use": ["by_customer"] });
        let look = place.plan(&[("index", "by_customer", Some(by_customer())), ("query", "q", Some(query))]).await;
        let readers = if mode == "wal" { "readers go on" } else { "readers wait while it is committed" };
        assert!(look.text.contains(readers), "{mode}: {}", look.text);
        assert_eq!(contents(place.folder.path()), before, "{mode}");
    }
}

#[tokio::test]
async fn a_log_that_somebody_has_open_is_read_and_left() {
    let place = place(&format!("pragma journal_mode = wal; {ORDERS}")).await;
    let mut writer = Database::writable(&place.file, Duration::from_secs(1)).await.expect("a writer");
    writer.run("create index by_customer on orders (customer_id)").await.expect("an index in the log");
    let before = contents(place.folder.path());
    assert_eq!(place.plan(&[("index", "by_customer", Some(by_customer()))]).await.text, "");
    // The shared memory file also notes who reads, so only the data and the log have to be the same.
    let data = |files: Vec<(std::path::PathBuf, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(path, _)| !path.to_string_lossy().ends_with("-shm")).collect()
    };
    assert_eq!(data(contents(place.folder.path())), data(before));
    writer.close().await;
}

#[tokio::test]
async fn what_is_no_database_is_said() {
    let place = place(ORDERS).await;
    let tell = async |what: &str| match place.try_provider().await {
        Ok(_) => format!("{what}: connected"),
        Err(error) => {
            let hint = error.next().unwrap_or("-").to_owned();
            let folder = place.folder.path().display().to_string();
            format!("{:?}: {error} ({hint})", error.kind()).replace(&folder, "DIR")
        }
    };
    std::fs::write(&place.file, "this is no database, but it is long enough to have a header; ".repeat(20))
        .expect("a file");
    insta::assert_snapshot!(tell("text").await, @"Unreachable: cannot read `DIR/shop.db`: file is not a database (check `path`: it must name an intact SQLite database)");
    std::fs::remove_file(&place.file).expect("a file");
    insta::assert_snapshot!(tell("missing").await, @"Unreachable: there is no file `DIR/shop.db` (check `path`; evenkeel never creates a database)");
    assert!(!place.file.exists(), "a missing database is not created");
    std::fs::create_dir(&place.file).expect("a folder");
    insta::assert_snapshot!(tell("folder").await, @"Unreachable: cannot read `DIR/shop.db`: Is a directory (os error 21) (check `path`: it must name a database file)");
}

#[tokio::test]
async fn what_somebody_did_since_the_plan_is_a_conflict() {
    let wants = [("index", "by_customer", Some(by_customer()))];
    let check = async |setup: &str, edit: &str| {
        let place = place(&format!("{ORDERS} {setup}")).await;
        let look = place.plan(&wants).await;
        place.edit(edit).await;
        let before = place.schema().await;
        match place.apply(&look).await {
            Ok(()) => "done".to_owned(),
            Err(error) => {
                assert_eq!(place.schema().await, before, "a conflict leaves everything");
                format!("{:?}: {error}", error.kind())
            }
        }
    };
    let made = check("", "create index by_customer on orders (note)").await;
    insta::assert_snapshot!(made, @"Conflict: `index.by_customer` was made by somebody else since the plan");
    let changed = check(
        "create index by_customer on orders (note)",
        "drop index by_customer; create index by_customer on orders (id)",
    );
    insta::assert_snapshot!(changed.await, @"Conflict: `index.by_customer` was changed by somebody else since the plan");
    insta::assert_snapshot!(check("create index by_customer on orders (note)", "drop index by_customer").await, @"Conflict: `index.by_customer` was removed by somebody else since the plan");
    // Somebody did the same: nothing is left to do.
    assert_eq!(check("", "create index by_customer on orders (customer_id)").await, "done");
    // Others may do what does not concern the plan.
    assert_eq!(check("", "create index other on orders (note); insert into orders values (9, 9, '')").await, "done");
    // The table is gone: SQLite's word.
    insta::assert_snapshot!(check("", "drop table orders").await, @"Failed: no such table: main.orders");
}

#[tokio::test]
async fn deleting_an_index_shows_what_is_known_of_it() {
    let place = place(&format!(
        "{ORDERS} create unique index by_note on orders (note); \
         create table lines (note text references orders (note)); analyze;"
    ))
    .await;
    let look = place.plan(&[("index", "by_note", None)]).await;
    insta::assert_snapshot!(look.text, @r"
    Contract: drop index by_note
    begin immediate; drop index by_note; commit
    ! drops-index `orders` has about 3 rows, it narrows them to about 1, duplicates are accepted from then on, foreign keys of `lines` need it, SQLite does not count how often an index is used
    ");
    place.apply(&look).await.expect("a drop");
    assert_eq!(place.plan(&[("index", "by_note", None)]).await.text, "");
    // Running it once more finds it done.
    place.apply(&look).await.expect("nothing left to do");
}

#[tokio::test]
async fn what_is_printed_is_what_is_run() {
    let place = place(&format!("{ORDERS} create index by_customer on orders (note); analyze;")).await;
    let look = place.plan(&[("index", "by_customer", Some(by_customer()))]).await;
    insta::assert_snapshot!(look.text, @r"
    Shift: rebuild index by_customer
    begin immediate;
    drop index by_customer;
    create index by_customer on orders (customer_id);
    analyze main.by_customer;
    commit
    ! builds-index reads about 3 rows of `orders`; writers wait until it is done, readers wait while it is committed
    ");
    let [op] = look.ops.as_slice() else { panic!("one step") };
    assert_eq!(op.to_string().replace(";\n", "; "), format!("begin immediate; {}; commit", op.statements.join("; ")));
}

#[tokio::test]
async fn a_crash_leaves_the_state_before_or_the_state_after() {
    let wants = [("index", "by_customer", Some(by_customer()))];
    for journal in ["delete", "wal"] {
        let setup = format!("pragma journal_mode = {journal}; {ORDERS} create index by_customer on orders (note);");
        let place = place(&setup).await;
        let before = place.schema().await;
        let look = place.plan(&wants).await;
        let [op] = look.ops.as_slice() else { panic!("one step") };
        for statements in 0..=op.statements.len() {
            // A process that dies in the middle of the transaction: whatever it wrote is not committed.
            let mut database = Database::writable(&place.file, Duration::from_secs(1)).await.expect("a database");
            database.run("begin immediate").await.expect("a transaction");
            for statement in &op.statements[..statements] {
                database.run(statement).await.expect("a valid statement");
            }
            drop(database);
            // Waits until the connection is gone.
            place.edit("begin immediate; rollback").await;
            assert_eq!(place.schema().await, before, "{journal}, after {statements} statements");
        }
        place.apply(&look).await.expect("a second run converges");
        assert_eq!(place.plan(&wants).await.text, "");
    }
}

#[tokio::test]
async fn a_writer_in_the_way_is_waited_for_and_then_told() {
    let place = place(ORDERS).await;
    let look = place.plan(&[("index", "by_customer", Some(by_customer()))]).await;
    let mut writer = Database::writable(&place.file, Duration::from_secs(1)).await.expect("a writer");
    writer.run("begin immediate; insert into orders values (7, 7, '')").await.expect("a write");
    let error = place.apply(&look).await.expect_err("the lock is taken");
    insta::assert_snapshot!(format!("{:?}: {error}", error.kind()), @"Transient: database is locked");
    writer.run("commit").await.expect("a commit");
    place.apply(&look).await.expect("the lock is free");
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_stops_and_leaves_nothing() {
    let place = place(
        "create table numbers (n integer); insert into numbers \
         with recursive s(n) as (select 1 union all select n + 1 from s where n < 300000) select n from s;",
    )
    .await;
    let look = place.plan(&[("index", "by_n", Some(json!({ "table": "numbers", "columns": ["n"] })))]).await;
    let provider = place.provider().await;
    let silent = Progress::silent();
    let run = provider.run(&look.ops[0], &silent);
    let gone = tokio::time::timeout(Duration::from_millis(5), run).await;
    place.edit("begin immediate; rollback").await;
    let expected = if gone.is_ok() { 2 } else { 1 };
    assert_eq!(place.schema().await.len(), expected, "an index that was called off is not there");
}

#[tokio::test]
async fn one_run_at_a_time_holds_the_lock() {
    let place = place(ORDERS).await;
    let (one, two) = (place.provider().await, place.provider().await);
    let holder = |who: &str| Holder {
        who: who.into(),
        pid: 4711,
        run: "20261123T080000-3f2a".into(),
        since: "2026-11-23T08:00:00Z".into(),
    };
    let Ok(Claim::Ours(lock)) = one.lock(&holder("ci@runner-7")).await else { panic!("a free lock") };
    let Ok(Claim::Busy(busy)) = two.lock(&holder("ops@desk")).await else { panic!("a held lock") };
    assert_eq!(busy.holder, "ci@runner-7, pid 4711, run 20261123T080000-3f2a");
    assert_eq!(busy.since.as_deref(), Some("2026-11-23T08:00:00Z"));
    let error = two.unlock().await.expect_err("the holder lives");
    insta::assert_snapshot!(format!("{:?}: {error} ({})", error.kind(), error.next().unwrap_or("-")), @"Locked: the lock is held by ci@runner-7, pid 4711 since 2026-11-23T08:00:00Z, and that process is alive (stop it with `kill 4711`; its lock ends with it)");
    drop(lock);
    let Ok(Claim::Ours(lock)) = two.lock(&holder("ops@desk")).await else { panic!("a lock that was given back") };
    drop(lock);
    assert_eq!(contents(place.folder.path()).len(), 1, "no lock file is left");
    insta::assert_snapshot!(two.unlock().await.expect("an answer"), @"nobody holds the lock");
    // What a killed run leaves behind is in nobody's way.
    let name = place.file.file_name().expect("a file has a name").to_string_lossy();
    let left = place.file.with_file_name(format!(".{name}.evenkeel-lock"));
    std::fs::write(&left, r#"{"who":"ci@runner-7","pid":4711,"run":"r","since":""}"#).expect("a file");
    insta::assert_snapshot!(two.unlock().await.expect("an answer"), @"nobody holds the lock; removed what is left of ci@runner-7, pid 4711");
}
