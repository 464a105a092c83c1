//! Invalidations as resources: planned, made, changed, mended and removed.

use insta::assert_snapshot;

use super::Shop;

const USERS: &str =
    "create table users (id int primary key, tenant text, name text); create view seen as select 1 as id;";

const POLICY: &str = r#"
[postgres.shop.invalidation.users]
table = "users"
keys = ["user:{id}", "users:list:*"]
cache = "redis.cache"
"#;

const GONE: &str = "[postgres.shop.invalidation.users]\nabsent = true\n";

/// The plan without what differs between two runs.
fn plan(shop: &Shop) -> String {
    let plan = shop.run(&["plan"]).code(0).stdout;
    let kept = plan.lines().filter(|line| !line.starts_with("Plan:"));
    kept.map(|line| line.split(" were written ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_database_alone_may_name_a_cache_of_another_policy() {
    let shop = Shop::bare(USERS);
    shop.folder.write("policies/shop.toml", &format!("[postgres.shop]\nurl = {{ env = \"DATABASE_URL\" }}\n{POLICY}"));
    shop.run(&["check"]).code(0);
    shop.run(&["apply", "--yes"]).code(0);
    shop.run(&["invalidate"]).code(64).says("the policy has no target `redis.cache`");
}

#[test]
fn an_invalidation_comes_changes_and_goes_with_its_outbox() {
    let shop = Shop::bare(USERS);
    shop.declare(POLICY);
    assert_snapshot!("made", plan(&shop));
    shop.settle();
    shop.declare(
        &POLICY.replace("cache =", "on = [\"update\"]\nmode = \"lazy\"\ncache =").replace("\"user:{id}\", ", ""),
    );
    assert_snapshot!("changed", plan(&shop));
    shop.settle();
    // What waits is not lost with the invalidation; the outbox stays for it.
    shop.database.sql("insert into users values (1, 'a', 'x'); update users set name = 'y'");
    shop.declare(GONE);
    assert_snapshot!("removed", plan(&shop));
    shop.run(&["apply", "--yes"]).code(0);
    assert_eq!(shop.database.sql("select count(*) from evenkeel.outbox"), "1");
    assert_eq!(shop.database.sql("select count(*) from pg_trigger where not tgisinternal"), "0");
    shop.database.sql("truncate evenkeel.outbox");
    shop.declare(POLICY);
    shop.settle();
    shop.declare(GONE);
    shop.settle();
    assert_eq!(shop.database.sql("select to_regnamespace('evenkeel') is null"), "t");
}

#[test]
fn every_part_that_is_changed_outside_is_seen_and_mended() {
    let shop = Shop::start(USERS, POLICY);
    let edits = [
        ("drop trigger evenkeel_users_update on users", "triggers"),
        ("alter table users disable trigger evenkeel_users_delete", "triggers"),
        ("create trigger theirs after insert on users for each row execute function evenkeel.users()", "triggers"),
        (
            "create or replace function evenkeel.users() returns trigger language plpgsql security definer as 'begin return null; end'",
            "function",
        ),
        ("alter function evenkeel.users() set search_path = public", "function"),
        ("alter function evenkeel.users() security invoker", "function"),
        ("grant execute on function evenkeel.users() to public", "function"),
        ("drop table evenkeel.outbox", "outbox"),
    ];
    for (edit, part) in edits {
        shop.database.sql(edit);
        let drift = shop.run(&["drift"]).code(2).says(part).says("invalidation.users");
        assert!(drift.stdout.contains("broken"), "{edit}\n{drift}");
        shop.settle();
    }
    shop.check(&["user:1", "user:2", "users:list:a"], "insert into users values (1, 'a', 'x')", &["user:2"]);
}

#[test]
fn what_is_exported_plans_empty() {
    let shop = Shop::start(
        USERS,
        &format!(
            "{POLICY}\n[postgres.shop.invalidation.later]\ntable = \"users\"\non = [\"delete\"]\nkeys = [\"a:{{id}}\"]\ncache = \"redis.cache\"\nmode = \"delayed\"\nnotify = true\n"
        ),
    );
    let exported = shop.run(&["export", "postgres.shop"]).code(0).stdout;
    let own = exported.split("\n\n").filter(|part| part.contains("postgres.shop.invalidation."));
    assert_snapshot!(own.collect::<Vec<_>>().join("\n\n"));
    shop.folder.write("exported.toml", &(exported + "\n[redis.cache]\nurl = { env = \"REDIS_URL\" }\n"));
    shop.run(&["plan", "exported.toml", "--detailed-exitcode"]).code(0).says("No changes");
    shop.declare("");
    shop.run(&["plan", "--detailed-exitcode"]).code(0).says("2 unmanaged");
}

#[test]
fn what_cannot_be_is_said_at_its_place() {
    let shop = Shop::bare(USERS);
    shop.declare(
        "[postgres.shop.invalidation.a]\ntable = \"users\"\nkeys = [\"u:{id}\",\n\"u:{idd}\"]\ncache = \"redis.cache\"\n\
         [postgres.shop.invalidation.b]\ntable = \"seen\"\nkeys = [\"u:{id}\"]\ncache = \"redis.cache\"\n\
         [postgres.shop.invalidation.c]\ntable = \"nowhere\"\nkeys = [\"u\"]\ncache = \"redis.cache\"\n",
    );
    let told = shop.run(&["plan"]).code(64);
    for text in
        ["no column `idd`", "did you mean `{id}`?", "is a view", "shop.toml:13:1", "there is no table `public.nowhere`"]
    {
        assert!(told.stderr.contains(text), "{text}\n{told}");
    }
    shop.declare(
        "[postgres.shop.invalidation.a]\ntable = \"users\"\non = []\nkeys = [\"u:{id\", \"\"]\ncache = \"cache\"\ndelay = \"5s\"\n",
    );
    let told = shop.run(&["check"]).code(64);
    for text in
        ["no change would remove a key", "lone `{`", "a key is empty", "`cache` is no target", "`delay` belongs to"]
    {
        assert!(told.stderr.contains(text), "{text}\n{told}");
    }
    shop.declare(&POLICY.replace("redis.cache", "redis.cahce"));
    for verb in ["check", "plan"] {
        shop.run(&[verb]).output().says("redis.cahce").says("did you mean `redis.cache`?");
    }
    shop.run(&["check"]).code(6);
    shop.declare(&POLICY.replace("redis.cache", "postgres.shop"));
    shop.run(&["check"]).code(6).says("is no cache");
}

#[test]
fn writers_need_no_right_on_the_outbox_and_nobody_may_use_the_function() {
    let shop = Shop::start(USERS, POLICY);
    shop.database.sql("grant insert on users to reader; grant create on schema public to reader");
    shop.database.sql_as_reader("insert into users values (1, 'a', 'x')").expect("a writer may write");
    shop.database.sql_as_reader("select * from evenkeel.outbox").expect_err("the outbox is not theirs");
    shop.database
        .sql_as_reader(
            "create table mine (id int); create trigger t after insert on mine execute function evenkeel.users()",
        )
        .expect_err("the function is not theirs");
    // The worker's least privileges, as `grants` prints them.
    shop.run(&["grants", "postgres"]).code(0).says("grant select, insert, update, delete on evenkeel.outbox");
    shop.database.sql(
        "grant usage on schema evenkeel to reader; grant select, insert, update, delete on evenkeel.outbox to reader",
    );
    shop.fill(&["user:1"]);
    shop.run(&["invalidate"]).env("DATABASE_URL", shop.database.reader_url()).code(0).says("0 rows left");
    assert_eq!(shop.cache.run(&["exists", "user:1"]), "0");
}

#[test]
fn somebody_elses_function_and_table_are_never_touched() {
    let shop = Shop::bare(&format!(
        "{USERS} create schema evenkeel; create table evenkeel.outbox (mine int); \
        create function evenkeel.users() returns trigger language plpgsql as 'begin return null; end';"
    ));
    shop.declare(POLICY);
    shop.run(&["plan"]).code(64).says("was not made by evenkeel");
    shop.database.sql("drop function evenkeel.users()");
    shop.run(&["plan"]).code(64).says("has other columns");
    shop.run(&["invalidate"]).output();
    assert_eq!(shop.database.sql("select count(*) from evenkeel.outbox"), "0");
}
