//! The whole of it under load: writers at work, the worker killed, the cache restarted, and every key compared with the table.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Shop;

const ROWS: u32 = 20_000;
const WRITERS: usize = 3;
const STATEMENTS: usize = 560;

const SCHEMA: &str = "
create table users (id int primary key, tenant int not null, version int not null default 0);
insert into users select i, i % 100, 0 from generate_series(1, 20000) i;
";

const POLICY: &str = r#"
[postgres.shop.invalidation.users]
table = "users"
keys = ["user:{id}", "tenant:{tenant}:*"]
cache = "redis.cache"
"#;

/// A writer's statements: some hundred rows each, in transactions that commit in no order. Rows of the upper half and of tenants from 50 on
/// are nobody's.
fn script(writer: usize) -> String {
    let mut out = String::new();
    for n in 0..STATEMENTS {
        let pick = format!("id <= 10000 and tenant < 50 and id % 3 = {writer} and (id / 3) % 17 = {}", n % 17);
        out.push_str("begin;\n");
        out.push_str(&match n % 10 {
            3 => format!("delete from users where {pick} and id % 40 = {};\n", n % 40),
            5 => format!(
                "insert into users select {} + i, i % 50, 1 from generate_series(1, 60) i;\n",
                100_000 * (writer + 1) + n * 60
            ),
            7 => format!(
                "update users set id = id + 50000, version = version + 1 where {pick} and id % 50 = {};\n",
                n % 50
            ),
            _ => format!("update users set version = version + 1 where {pick};\n"),
        });
        out.push_str(if n % 23 == 0 { "rollback;\n" } else { "commit;\n" });
    }
    out
}

#[test]
fn a_workload_with_crashes_leaves_no_stale_key_and_takes_no_fresh_one() {
    let mut shop = Shop::start(SCHEMA, POLICY);
    // Of every user, of users that are still to come, of every tenant, and of others.
    shop.cache.each(ROWS, "redis.call('set', 'user:' .. (i + 1), 1)");
    for from in ["50000", "100000", "200000", "300000"] {
        shop.cache.each(40_000, &format!("redis.call('set', 'user:' .. string.format('%d', {from} + i), 1)"));
    }
    shop.cache
        .each(100, "redis.call('set', 'tenant:' .. i .. ':list', 1) redis.call('set', 'tenant:' .. i .. ':count', 1)");
    shop.cache.each(5_000, "redis.call('set', 'other:' .. i, 1)");
    let before: u64 = shop
        .database
        .sql("select n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables where relname = 'users'")
        .parse()
        .expect("a number");
    let filled = shop.cached();

    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let file = shop.folder.write(&format!("writer-{writer}.sql"), &script(writer));
            Command::new("psql")
                .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", &shop.database.url(), "--file"])
                .arg(file)
                .env("PGAPPNAME", "tests")
                .stdout(Stdio::null())
                .spawn()
                .expect("psql starts")
        })
        .collect();
    for round in 0..3 {
        let worker = shop.run(&["invalidate", "--follow"]).start();
        std::thread::sleep(Duration::from_millis(900));
        if round == 1 {
            shop.cache.restart_after(Duration::from_millis(700));
            std::thread::sleep(Duration::from_millis(900));
        }
        worker.signal("KILL");
        assert_eq!(worker.wait().signal, Some(9));
    }
    for mut writer in writers {
        assert!(writer.wait().expect("a writer ends").success());
    }
    let last = shop.run(&["invalidate", "--follow"]).start();
    shop.drain();
    last.signal("TERM");
    last.wait().expect(0);
    shop.drain().says("0 rows left");

    let stats = "select pg_stat_force_next_flush(); select n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables where relname = 'users'";
    let after: u64 = shop.database.sql(stats).lines().last().unwrap_or_default().parse().expect("a number");
    assert!(after - before >= 100_000, "{} row changes", after - before);

    // What must be gone: users that were changed, removed or added, and tenants of any of them.
    let ids = |sql: &str| -> BTreeSet<String> { shop.database.sql(sql).lines().map(str::to_owned).collect() };
    let untouched = ids("select 'user:' || id from users where version = 0");
    let present = ids("select 'user:' || id from users");
    let missing =
        ids("select 'user:' || i from generate_series(1, 20000) i where not exists (select from users where id = i)");
    let left = shop.cached();
    for key in &filled {
        let stays = match key.split(':').collect::<Vec<_>>().as_slice() {
            ["user", _] => untouched.contains(key) || !(present.contains(key) || missing.contains(key)),
            ["tenant", tenant, _] => tenant.parse::<u32>().expect("a number") >= 50,
            _ => true,
        };
        assert!(left.contains(key) == stays, "{key}: {}", if stays { "wrongly gone" } else { "wrongly kept" });
    }
}
