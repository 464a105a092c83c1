//! Query contracts are judged against the schema that a plan leads to; cache tables keep their bounds.

use serde_json::{Value, json};

use super::{place, want};
use crate::model::{Action, Facts};
use crate::provider::{Breadth, Delta, Provider, Scope};
use crate::providers::sqlite::Sqlite;

const SHOP: &str = "
create table customers (id integer primary key, email text, city text);
create table orders (id integer primary key, customer_id integer, state text, placed_at text);
create index orders_by_state on orders (state);
insert into customers (email, city) with recursive s(n) as (select 1 union all select n + 1 from s where n < 500) select 'c' || n, 'x' from s;
insert into orders (customer_id, state, placed_at)
  with recursive s(n) as (select 1 union all select n + 1 from s where n < 2000) select n % 500, 'open', n from s;
analyze;";

/// Judges a contract, with an index that is still to be made.
async fn judge(contract: Value, planned: Option<Value>) -> String {
    let place = place(SHOP).await;
    let before = super::contents(place.folder.path());
    let contracts = [want("query", "the_query", Some(contract))];
    let problems = Sqlite::check(&super::settings("shop.db"), &contracts);
    if !problems.is_empty() {
        return super::told(&problems);
    }
    let provider = place.provider().await;
    let scope = Scope { wanted: &[], breadth: Breadth::Everything };
    let reading = provider.read(&scope).await.expect("a reading");
    let delta = |spec| {
        let planned = want("index", "orders_by_customer", Some(spec));
        let (id, want) = (planned.id, planned.spec);
        Delta { id, action: Action::Create, want, live: None, changed: Vec::new(), facts: Facts::default() }
    };
    let deltas: Vec<_> = planned.into_iter().map(delta).collect();
    let checks = provider.judge(&reading.site, &contracts, &deltas).await.expect("a judgement");
    assert_eq!(super::contents(place.folder.path()), before, "judging writes nothing");
    let check = &checks[0];
    let hint = check.hint.as_ref().map(|hint| format!("\n  {hint}")).unwrap_or_default();
    format!("{:?}: {}{hint}", check.verdict, check.message)
}

#[tokio::test]
async fn a_contract_is_judged_by_the_plan_it_will_have() {
    let newest = "select id from orders where customer_id = ?1 order by placed_at desc limit 10";
    let planned = || Some(json!({ "table": "orders", "columns": ["customer_id", "placed_at desc"] }));
    let strict = || json!({ "sql": newest, "must_use": ["orders_by_customer"], "forbid": ["scan orders", "sort"] });
    insta::assert_snapshot!(judge(strict(), None).await, @r"
    Fail: `orders_by_customer` is not used, `orders` is scanned in full, the result is sorted, as no index has its order
      SQLite's plan is: SCAN orders; USE TEMP B-TREE FOR ORDER BY
    ");
    insta::assert_snapshot!(judge(strict(), planned()).await, @"Pass: SEARCH orders USING COVERING INDEX orders_by_customer (customer_id=?)");
    // An alias hides no scan, and what is no table is none.
    let aliased = "select c.email, o.id from orders as o join customers c on c.id = o.customer_id";
    insta::assert_snapshot!(judge(json!({ "sql": aliased, "forbid": ["seq scan on orders"] }), None).await, @r"
    Fail: `orders` is scanned in full
      SQLite's plan is: SCAN o; SEARCH c USING INTEGER PRIMARY KEY (rowid=?)
    ");
    insta::assert_snapshot!(judge(json!({ "sql": aliased, "forbid": ["scan customers"] }), None).await, @"Pass: SCAN o; SEARCH c USING INTEGER PRIMARY KEY (rowid=?)");
    // Statistics count: every order is open, so the index on their state is of no use.
    let open = "select * from orders where state = 'open' and customer_id = 5";
    insta::assert_snapshot!(judge(json!({ "sql": open, "must_use": ["orders_by_state"] }), planned()).await, @r"
    Fail: `orders_by_state` is not used
      SQLite's plan is: SEARCH orders USING INDEX orders_by_customer (customer_id=?)
    ");
    let grouped = "select city, count(*) from customers group by city";
    insta::assert_snapshot!(judge(json!({ "sql": grouped, "forbid": ["temp b-tree"] }), None).await, @r"
    Fail: a temporary b-tree is built
      SQLite's plan is: SCAN customers; USE TEMP B-TREE FOR GROUP BY
    ");
    let update = "update orders set state = 'sent' where customer_id = 5";
    insta::assert_snapshot!(judge(json!({ "sql": update, "must_use": ["orders_by_customer"] }), planned()).await, @"Pass: SEARCH orders USING INDEX orders_by_customer (customer_id=?)");
    insta::assert_snapshot!(judge(json!({ "sql": "select * from ordres" }), None).await, @"Unknown: no such table: ordres");
}

#[tokio::test]
async fn a_contract_that_says_nothing_is_refused() {
    insta::assert_snapshot!(judge(json!({ "sql": "drop table orders" }), None).await, @"problem at sql: a contract is about a `select`, `insert`, `update` or `delete`");
    insta::assert_snapshot!(judge(json!({ "sql": "select 1; select 2" }), None).await, @"problem at sql: a contract is about one statement");
    insta::assert_snapshot!(judge(json!({ "sql": "" }), None).await, @"problem at sql: a statement is needed");
    insta::assert_snapshot!(judge(json!({ "sql": "select 1", "max_cost": 5.0 }), None).await, @"problem at max_cost: SQLite tells no costs (use `must_use` and `forbid` instead)");
    insta::assert_snapshot!(judge(json!({ "sql": "select 1", "forbid": ["hash join"] }), None).await, @"problem at forbid: `hash join` is nothing that a plan of SQLite tells (write `scan TABLE`, `scan`, `sort`, `temp b-tree` or `automatic index`)");
}

#[tokio::test]
async fn a_cache_table_keeps_its_bounds() {
    let place = place("create table other (a integer)").await;
    let pages = |ttl: &str, rows: u32| [("cache_table", "page_cache", Some(json!({ "ttl": ttl, "max_rows": rows })))];
    let look = place.plan(&pages("1h", 3)).await;
    insta::assert_snapshot!(look.text, @r"
    Expand: make cache table page_cache
    begin immediate;
    create table page_cache (
      key text primary key not null,
      value blob,
      created_at integer not null default (cast(strftime('%s', 'now') as integer)),
      expires_at integer
    );
    create index page_cache_expires_at on page_cache (expires_at);
    create trigger page_cache_bound after insert on page_cache begin
      update page_cache set expires_at = new.created_at + 3600 where rowid = new.rowid and expires_at is null;
      delete from page_cache where rowid <= new.rowid - 3;
      delete from page_cache where rowid in (select rowid from page_cache where expires_at <= cast(strftime('%s', 'now') as integer) limit 100);
    end;
    create trigger page_cache_renew after update of value on page_cache when new.expires_at is old.expires_at begin
      update page_cache set expires_at = cast(strftime('%s', 'now') as integer) + 3600 where rowid = new.rowid;
    end;
    commit
    ");
    place.apply(&look).await.expect("a cache table");
    assert_eq!(place.plan(&pages("60m", 3)).await.text, "");
    // The oldest leave, the expired are swept, and a row lives as long as it says.
    place
        .edit(
            "insert into page_cache (key, value) values ('a', 1), ('b', 2), ('c', 3), ('d', 4);
             insert into page_cache (key, value, expires_at) values ('e', 5, 1);",
        )
        .await;
    insta::assert_snapshot!(place.ask("select group_concat(key || ' ' || (expires_at - created_at)) from page_cache").await, @"c 3600,d 3600");
    place.edit("update page_cache set expires_at = unixepoch() + 5 where key = 'd'").await;
    place.edit("insert into page_cache (key, value) values ('d', 6) on conflict (key) do update set value = excluded.value").await;
    let renewed = "select value || ' ' || (expires_at - unixepoch() > 3500) from page_cache where key = 'd'";
    assert_eq!(place.ask(renewed).await, "6 1", "writing a row renews it");
    // New bounds, and bounds that somebody took away.
    let shorter = place.plan(&pages("10m", 1)).await;
    insta::assert_snapshot!(shorter.text, @r"
    Shift: bound cache table page_cache
    begin immediate;
    drop trigger if exists page_cache_bound;
    drop trigger if exists page_cache_renew;
    create index if not exists page_cache_expires_at on page_cache (expires_at);
    create trigger page_cache_bound after insert on page_cache begin
      update page_cache set expires_at = new.created_at + 600 where rowid = new.rowid and expires_at is null;
      delete from page_cache where rowid <= new.rowid - 1;
      delete from page_cache where rowid in (select rowid from page_cache where expires_at <= cast(strftime('%s', 'now') as integer) limit 100);
    end;
    create trigger page_cache_renew after update of value on page_cache when new.expires_at is old.expires_at begin
      update page_cache set expires_at = cast(strftime('%s', 'now') as integer) + 600 where rowid = new.rowid;
    end;
    commit
    ! evicts-rows `page_cache` holds 2 rows; the next write leaves the newest 1
    ");
    place.apply(&shorter).await.expect("new bounds");
    assert_eq!(place.plan(&pages("10m", 1)).await.text, "");
    place.edit("drop trigger page_cache_bound").await;
    let repair = place.plan(&pages("10m", 1)).await;
    assert!(repair.text.contains("create trigger page_cache_bound"), "{}", repair.text);
    place.apply(&repair).await.expect("a repair");
    assert_eq!(place.plan(&pages("10m", 1)).await.text, "");
    let gone = place.plan(&[("cache_table", "page_cache", None)]).await;
    insta::assert_snapshot!(gone.text, @r"
    Contract: drop cache table page_cache
    begin immediate; drop table page_cache; commit
    ! drops-data `page_cache` holds 2 rows
    ");
    place.apply(&gone).await.expect("a drop");
    assert_eq!(place.schema().await, ["CREATE TABLE other (a integer)"]);
}

#[tokio::test]
async fn a_foreign_table_is_never_taken_for_a_cache() {
    let place = place("create table page_cache (key text primary key, value blob)").await;
    let check = async |ttl: &str, rows: u32| {
        let spec = json!({ "ttl": ttl, "max_rows": rows });
        place.plan(&[("cache_table", "page_cache", Some(spec))]).await.text
    };
    insta::assert_snapshot!(check("1h", 10).await, @"problem at -: there is already a table `page_cache`, and it is no cache table (choose another name, or rename what is there)");
    insta::assert_snapshot!(check("500ms", 0).await, @r#"
    problem at ttl: a row lives for whole seconds, and for at least one (ttl = "24h")
    problem at max_rows: a cache without rows is none (max_rows = 100000)
    "#);
}

/// A partial index knows only of its own rows, and so do its statistics.
#[tokio::test]
async fn a_table_is_not_as_small_as_its_partial_index() {
    let edits = "create index few on orders (id) where id < 5; analyze; drop index orders_by_state;";
    let place = place(&format!("{SHOP} {edits}")).await;
    let planned = json!({ "table": "orders", "columns": ["customer_id"] });
    let look = place.plan(&[("index", "orders_by_customer", Some(planned))]).await;
    assert!(look.text.contains("reads 2 000 rows of `orders`"), "{}", look.text);
}

#[tokio::test]
async fn the_reader_is_told_what_is_superfluous() {
    let place = place(
        "create table t (a, b, c, unique (c, a)); insert into t values (1, 2, 3);
         create index t_a on t (a); create index t_ab on t (a, b); create index t_ab2 on t (A, b);
         create index t_c on t (c); create index t_odd on t (\"nosuch\"); create index t_part on t (a) where b;",
    )
    .await;
    insta::assert_snapshot!(place.plan(&[]).await.notes.join("\n"), @r#"
    index `t_a` is the beginning of `t_ab`, which serves the same queries
    index `t_ab2` is the same as `t_ab`
    index `t_c` is the beginning of `sqlite_autoindex_t_1`, which serves the same queries
    index `t_odd` is on the text "nosuch", for `t` has no such column
    there are no statistics, so SQLite guesses which index is best; run `analyze` once
    "#);
}
