//! Which keys a change removes, and which it must not.

use super::Shop;

const USERS: &str = "
create table users (id int primary key, tenant text, name text);
insert into users values (1, 'a', 'ada'), (2, 'a', 'bob'), (3, 'b', 'cid'), (4, null, 'dan');
";

const POLICY: &str = r#"
[postgres.shop.invalidation.users]
table = "users"
keys = ["user:{id}", "tenant:{tenant}:*", "users:count"]
cache = "redis.cache"
"#;

#[test]
fn every_sort_of_change_removes_its_keys_and_no_other() {
    let shop = Shop::start(USERS, POLICY);
    let all = ["user:1", "user:2", "user:3", "user:9", "tenant:a:x", "tenant:b:x", "users:count", "other"];
    shop.check(
        &all,
        "insert into users values (9, 'c', 'new')",
        &["user:1", "user:2", "user:3", "tenant:a:x", "tenant:b:x", "other"],
    );
    shop.check(
        &all,
        "update users set name = 'x' where id = 1",
        &["user:2", "user:3", "user:9", "tenant:b:x", "other"],
    );
    // The old and the new key, and the old and the new tenant.
    shop.check(
        &all,
        "update users set id = 11, tenant = 'b' where id = 2; delete from users where id = 9",
        &["user:1", "user:3", "other"],
    );
    shop.check(&all, "delete from users where id = 3", &["user:1", "user:2", "user:9", "tenant:a:x", "other"]);
    // Nothing changes, nothing goes; a null names no key.
    shop.check(&all, "update users set name = 'x' where id = 77", &all);
    shop.check(&["tenant::x", "user:4", "users:count"], "update users set name = 'x' where id = 4", &["tenant::x"]);
    // What is rolled back never was.
    shop.check(&all, "begin; delete from users; rollback", &all);
    shop.check(
        &all,
        "merge into users u using (values (1, 'm'), (50, 'n')) v (id, name) on u.id = v.id \
        when matched then update set name = v.name when not matched then insert values (v.id, 'b', v.name)",
        &["user:2", "user:3", "user:9", "other"],
    );
    shop.check(
        &all,
        "insert into users values (1, 'a', 'y') on conflict (id) do update set name = 'z'",
        &["user:2", "user:3", "user:9", "tenant:b:x", "other"],
    );
    shop.check(
        &all,
        "copy users from program 'printf \"9\\tc\\tcopied\\n\"'",
        &["user:1", "user:2", "user:3", "tenant:a:x", "tenant:b:x", "other"],
    );
    // A replica's session fires no triggers: what it writes has fired them where it came from.
    shop.check(&all, "set session_replication_role = replica; delete from users where id = 9", &all);
    shop.check(&all, "truncate users", &["other"]);
}

#[test]
fn quotes_wildcards_and_newlines_in_names_and_values_stay_what_they_are() {
    let shop = Shop::start(
        "create schema \"Odd one\"; create table \"Odd one\".\"we\"\"ird $keys$\" (\"Key's\" text, \"tag\" text);",
        r#"
[postgres.shop.invalidation."it's $evenkeel$ \"odd\""]
table = '"Odd one"."we""ird $keys$"'
keys = ["o'dd:{Key's}", "list:{tag}:*", '\*:{tag}', "{{{tag}}}"]
cache = "redis.cache"
"#,
    );
    let insert = |key: &str, tag: &str| format!("insert into \"Odd one\".\"we\"\"ird $keys$\" values ({key}, {tag})");
    shop.check(&["o'dd:*", "o'dd:a", "o'dd:b"], &insert("'*'", "null"), &["o'dd:a", "o'dd:b"]);
    shop.check(&["o'dd:it's \"x\"; drop", "o'dd:x"], &insert("'it''s \"x\"; drop'", "null"), &["o'dd:x"]);
    shop.check(&["list:a:1", "list:*:1", "list:[a]:1"], &insert("null", "'*'"), &["list:a:1", "list:[a]:1"]);
    shop.check(&["list:a:1", "list:*:1", "list:[a]:1"], &insert("null", "'[a]'"), &["list:a:1", "list:*:1"]);
    shop.check(&["list:a\\b:1", "list:ab:1"], &insert("null", r"'a\b'"), &["list:ab:1"]);
    shop.check(&["*:a", "x:a", "{a}", "{b}"], &insert("null", "'a'"), &["x:a", "{b}"]);
    // Line by line a newline would look like two keys; so ask for the very key.
    shop.fill(&["o'dd:a\nb", "o'dd:a"]);
    shop.database.sql(&insert("E'a\\nb'", "null"));
    shop.drain();
    assert_eq!(shop.cache.run(&["exists", "o'dd:a\nb"]), "0");
    assert_eq!(shop.cache.run(&["exists", "o'dd:a"]), "1");
    shop.declare("[postgres.shop.invalidation.\"it's $evenkeel$ \\\"odd\\\"\"]\nabsent = true\n");
    shop.settle();
}

#[test]
fn values_read_the_same_whoever_writes() {
    let shop = Shop::start(
        "create type mood as enum ('fine'); create table t (at timestamptz, day date, raw bytea, u uuid, ok bool, m mood, n numeric, f float8, s interval);",
        "[postgres.shop.invalidation.t]\ntable = \"t\"\nkeys = [\"{at}|{day}|{raw}|{u}|{ok}|{m}|{n}|{f}|{s}\"]\ncache = \"redis.cache\"\n",
    );
    let key = "2026-01-02 03:04:05+00|2026-01-02|\\x01|00000000-0000-0000-0000-000000000001|true|fine|1.50|0.30000000000000004|1 day 02:00:00";
    shop.check(
        &[key],
        "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set bytea_output = 'escape'; \
         set intervalstyle = 'iso_8601'; set extra_float_digits = -5; \
         insert into t values ('2026-01-02 03:04:05+00', '2026-01-02'::date, '\\x01', '00000000-0000-0000-0000-000000000001', true, 'fine', 1.50, 0.1::float8 + 0.2::float8, '1 day 2 hours')",
        &[],
    );
}

#[test]
fn only_keys_that_need_it_pay_for_settings_and_a_changed_type_is_seen() {
    let shop = Shop::start(
        "create type mood as enum ('fine'); create table t (i int8, v varchar(9), c char(3), u uuid, ok bool, m mood, n numeric(9, 2), at timestamp);",
        "[postgres.shop.invalidation.t]\ntable = \"t\"\nkeys = [\"{i}|{v}|{c}|{u}|{ok}|{m}|{n}\"]\ncache = \"redis.cache\"\n",
    );
    let pins = "select cardinality(proconfig) from pg_proc where oid = 'evenkeel.t()'::regprocedure";
    assert_eq!(shop.database.sql(pins), "1");
    let odd = "set datestyle = 'German'; set bytea_output = 'escape'; set intervalstyle = 'iso_8601'; set extra_float_digits = -5; \
        set lc_numeric = 'C'; set timezone = 'Asia/Tokyo'; ";
    let row =
        "insert into t values (-7, 'v', 'c', '00000000-0000-0000-0000-00000000000A', false, 'fine', 1.5, '2026-01-02')";
    let key = "-7|v|c|00000000-0000-0000-0000-00000000000a|false|fine|1.50";
    shop.check(&[key], &format!("{odd}{row}"), &[]);
    shop.check(&[key], row, &[]);
    shop.database.sql("alter table t alter column v type timestamp using '2026-01-02'");
    shop.run(&["drift"]).code(2).says("function");
    shop.settle();
    assert_eq!(shop.database.sql(pins), "6");
    shop.check(
        &["-7|2026-01-02 00:00:00|c|00000000-0000-0000-0000-00000000000a|false|fine|1.50"],
        &format!("{odd}delete from t where ok is false"),
        &[],
    );
}

#[test]
fn partitions_are_watched_however_they_are_written() {
    let shop = Shop::start(
        "create table events (id int, day int) partition by range (day);
         create table events_1 partition of events for values from (0) to (10);
         create table events_2 partition of events for values from (10) to (20) partition by range (day);
         create table events_2a partition of events_2 for values from (10) to (20);",
        "[postgres.shop.invalidation.events]\ntable = \"events\"\nkeys = [\"event:{id}\"]\ncache = \"redis.cache\"\n",
    );
    let all = ["event:1", "event:2", "event:3"];
    shop.check(&all, "insert into events values (1, 1), (2, 11)", &["event:3"]);
    shop.check(&all, "insert into events_2a values (3, 12)", &["event:1", "event:2"]);
    shop.check(&all, "update events set day = 13 where id = 1", &["event:2", "event:3"]);
    shop.check(&all, "delete from events_2 where id = 2", &["event:1", "event:3"]);
    shop.check(&[all[0], "other"], "truncate events_2", &["other"]);
    // One that comes later is seen to be missing, and gets its triggers.
    shop.database.sql("create table events_3 partition of events for values from (20) to (30)");
    shop.run(&["drift"]).code(2).says("triggers");
    shop.settle();
    shop.check(&all, "insert into events_3 values (1, 20)", &["event:2", "event:3"]);
}

#[test]
fn delayed_keys_wait_and_lazy_ones_expire() {
    let shop = Shop::start(
        USERS,
        r#"
[postgres.shop.invalidation.later]
table = "users"
keys = ["later:{id}"]
cache = "redis.cache"
mode = "delayed"
delay = "4s"

[postgres.shop.invalidation.lazy]
table = "users"
keys = ["lazy:{id}", "lazy:list:*"]
cache = "redis.cache"
mode = "lazy"
delay = "100s"
"#,
    );
    shop.fill(&["later:1", "lazy:1", "lazy:list:a"]);
    shop.cache.run(&["set", "lazy:2", "1", "px", "900"]);
    shop.database.sql("update users set name = 'x' where id < 3");
    shop.drain().says("2 rows left").hides("due");
    assert_eq!(shop.cache.run(&["exists", "later:1"]), "1", "not before its time");
    for key in ["lazy:1", "lazy:list:a"] {
        let left: i64 = shop.cache.run(&["pttl", key]).parse().expect("a number");
        assert!((1..=100_000).contains(&left), "{key} lives for {left} ms");
    }
    // What would be gone sooner stays so.
    let left: i64 = shop.cache.run(&["pttl", "lazy:2"]).parse().expect("a number");
    assert!(left <= 900, "{left}");
    std::thread::sleep(std::time::Duration::from_millis(4_100));
    shop.drain().says("0 rows left");
    assert_eq!(shop.cache.run(&["exists", "later:1"]), "0");
}
