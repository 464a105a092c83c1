//! Warm keys from another target's rows: typed, streamed, and true about where they end.

use super::Cache;
use crate::kit::{Folder, Output, Postgres, Run, Sqlite};

const POLICY: &str = r#"
[redis.cache.warm.products]
key = "product:{id}"
value = "{row}"
ttl = "1h"
source = { target = "postgres.shop", sql = "select * from products order by id" }

[postgres.shop]
url = { env = "DATABASE_URL" }
"#;

/// A cache beside a database.
struct Shop {
    cache: Cache,
    database: Postgres,
}

impl Shop {
    fn start(schema: &str, policy: &str) -> Self {
        let database = Postgres::start();
        database.sql(schema);
        Self { cache: Cache::start(policy), database }
    }

    fn run(&self, args: &[&str]) -> Run {
        self.cache.run(args).env("DATABASE_URL", self.database.url())
    }

    #[track_caller]
    fn settle(&self) {
        self.run(&["apply", "--yes"]).code(0);
        self.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    }
}

#[test]
fn every_type_of_a_column_has_its_form_in_json() {
    let shop = Shop::start(
        "create table products (id bigint, price numeric, at timestamptz, day date, tags json, raw bytea, note text, ok boolean, empty text);
         insert into products values (9007199254740993, 12345678901234567890.10, '2026-01-02 03:04:05.5+00', '2026-01-02', '{\"a\":\n [1]}', '\\x00ff', E'two\\nlines \"quoted\"', true, null)",
        POLICY,
    );
    shop.settle();
    assert_eq!(
        shop.cache.server.run(&["get", "product:9007199254740993"]),
        "{\"id\":9007199254740993,\"price\":12345678901234567890.10,\"at\":\"2026-01-02T03:04:05.5+00:00\",\"day\":\"2026-01-02\",\
         \"tags\":{\"a\":  [1]},\"raw\":\"\\\\x00ff\",\"note\":\"two\\nlines \\\"quoted\\\"\",\"ok\":true,\"empty\":null}"
    );
}

#[test]
fn a_query_that_fails_at_a_row_is_told_and_what_came_before_is_warm() {
    let shop = Shop::start(
        "create table products as select n as id, case n when 1501 then 0 else 1 end as by from generate_series(1, 3000) n",
        &POLICY.replace("select * from products order by id", "select id, 10 / by as share from products"),
    );
    // Planning asks for the keys alone, and those can all be computed.
    shop.run(&["plan"]).code(0).says("rows 3 000");
    let failed = shop.run(&["apply", "--yes", "--report", "report.json"]).code(7);
    failed
        .says("the source `postgres.shop` broke off: row 1501: division by zero")
        .says("at least 1 500 keys had been seen to before that");
    assert_eq!(shop.cache.server.run(&["dbsize"]), "1500");
    let report: serde_json::Value = serde_json::from_str(&shop.cache.folder.read("report.json")).expect("JSON");
    assert_eq!((&report["summary"]["partly"], &report["steps"][0]["ending"]), (&1.into(), &"partly".into()));
    shop.run(&["history"]).code(0).says("exit 7");
    shop.database.sql("update products set by = 1");
    shop.settle();
    assert_eq!(shop.cache.server.run(&["dbsize"]), "3000");
}

#[test]
fn what_the_query_does_not_give_is_a_problem_at_its_place() {
    let shop = Shop::start("create table products (id bigint, name text)", &POLICY.replace("{row}", "{nmae}"));
    shop.run(&["plan"])
        .code(64)
        .says("the query gives no column `nmae`")
        .says("did you mean `name`?")
        .says("cache.toml:9");
    shop.cache.rewrite(&POLICY.replace("from products", "from product"));
    shop.run(&["plan"]).code(64).says("relation \"product\" does not exist").says("cache.toml:11");
    shop.cache.rewrite(&POLICY.replace("select * from products order by id", "select id, name as id from products"));
    shop.run(&["plan"]).code(64).says("the query gives `id` twice");
    shop.cache.rewrite(&POLICY.replace("order by id", "where id = $1"));
    shop.run(&["plan"]).code(64).says("the query has parameters");
}

#[test]
fn a_query_cannot_write() {
    let shop = Shop::start(
        "create table products (id bigint); insert into products values (1);
         create function forget() returns bigint language sql as $$ delete from products returning id $$",
        &POLICY.replace("select * from products order by id", "select forget() as id"),
    );
    shop.run(&["plan"]).code(3).says("read-only transaction");
    for (sql, says) in [
        ("delete from products returning id", "syntax error"),
        ("select 1 as id) as q; drop table products; select (1", "cannot insert multiple commands"),
    ] {
        shop.cache.rewrite(&POLICY.replace("select * from products order by id", sql));
        shop.run(&["plan"]).code(64).says(says).says("policies/cache.toml:11");
    }
    assert_eq!(shop.database.sql("select count(*) from products"), "1");
}

#[test]
fn a_target_that_cannot_be_asked_is_found_offline() {
    let cache = Cache::start(&POLICY.replace("\"postgres.shop\"", "\"postgres.shpo\""));
    let check = |says: &str| -> Output {
        cache.run(&["check"]).env("DATABASE_URL", "postgres://localhost/x").code(64).says(says)
    };
    check("the policy has no target `postgres.shpo`").says("did you mean `postgres.shop`?").says("cache.toml:11");
    cache.rewrite(&POLICY.replace("\"postgres.shop\"", "\"redis.cache\""));
    check("`redis` cannot be asked in SQL").says("write `postgres.shop`");
}

#[test]
fn a_database_that_is_away_makes_the_plan_incomplete() {
    let cache = Cache::start(POLICY);
    let port = crate::kit::free_port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/shop");
    cache
        .run(&["plan", "--only", "redis.*"])
        .env("DATABASE_URL", &url)
        .code(3)
        .says("`postgres.shop`")
        .says("cannot be reached");
}

#[test]
fn rows_of_sqlite_are_rows_too() {
    let folder = Folder::new();
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql(
        "create table products (id integer primary key, name text, price real, raw blob);
         insert into products values (1, 'a \"b\"', 1.5, x'00ff'), (2, null, 2, null)",
    );
    let policy = POLICY
        .replace("postgres.shop", "sqlite.shop")
        .replace("url = { env = \"DATABASE_URL\" }", &format!("path = \"{}\"", database.path().display()));
    let cache = Cache::start(&policy);
    cache.settle();
    assert_eq!(
        cache.server.run(&["get", "product:1"]),
        "{\"id\":1,\"name\":\"a \\\"b\\\"\",\"price\":1.5,\"raw\":\"\\\\x00ff\"}"
    );
    assert_eq!(cache.server.run(&["get", "product:2"]), "{\"id\":2,\"name\":null,\"price\":2.0,\"raw\":null}");
    cache.rewrite(&policy.replace("select * from products", "select * from product"));
    cache.run(&["plan"]).code(64).says("no such table: product");
    cache.rewrite(&policy.replace("select * from products order by id", "select 1 as id; drop table products"));
    cache.run(&["plan"]).code(64).says("would end the statement");
}
