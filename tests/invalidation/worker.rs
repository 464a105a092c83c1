//! The worker: when things go wrong, when there are several, and as a service.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Shop;
use crate::kit::{eventually, free_port};

const USERS: &str = "create table users (id int primary key, name text); insert into users select i, 'x' from generate_series(1, 5000) i;";

const POLICY: &str = r#"
[postgres.shop.invalidation.users]
table = "users"
keys = ["user:{id}", "users:list:*"]
cache = "redis.cache"
"#;

pub fn is_empty(shop: &Shop) -> bool {
    shop.database.sql("select count(*) from evenkeel.outbox") == "0"
}

#[test]
fn rows_wait_while_the_cache_is_down_and_go_when_it_is_back() {
    let mut shop = Shop::start(USERS, POLICY);
    shop.cache.each(6000, "redis.call('set', 'user:' .. i, 1)");
    let worker = shop.run(&["invalidate", "--follow"]).start();
    shop.database.sql("update users set name = 'a' where id <= 10");
    assert!(eventually(Duration::from_secs(10), || is_empty(&shop)), "drained");
    shop.cache.signal("STOP");
    shop.cache.signal("CONT");
    let url = shop.database.url();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        let sql = "update users set name = 'b' where id > 10 and id <= 3000";
        let done = std::process::Command::new("psql")
            .args(["--dbname", &url, "--command", sql])
            .output()
            .expect("psql starts");
        assert!(done.status.success());
    });
    shop.cache.restart_after(Duration::from_millis(1500));
    writer.join().expect("the writer ends");
    assert!(eventually(Duration::from_secs(20), || is_empty(&shop)), "drained again");
    worker.signal("TERM");
    worker.wait().expect(0).says("its rows wait").says("works again").says("0 rows left");
    assert_eq!(shop.cache.run(&["dbsize"]), "3000", "0, 3001 to 5999, all that nobody changed");
    // With nobody there, a worker that is to end says so, and nothing is lost.
    shop.database.sql("update users set name = 'c' where id = 3001");
    shop.run(&["invalidate"])
        .env("REDIS_URL", "redis://127.0.0.1:1")
        .code(1)
        .says("2 rows left")
        .says("cannot be reached");
    shop.drain().says("0 rows left");
    assert_eq!(shop.cache.run(&["exists", "user:3001"]), "0");
}

#[test]
fn a_row_that_is_refused_holds_up_no_other_and_is_told() {
    let shop = Shop::start(USERS, POLICY);
    shop.cache.each(10, "redis.call('set', 'user:' .. i, 1)");
    shop.cache.run(&["acl", "setuser", "worker", "on", ">pw", "+@all", "~user:1*", "~users:*"]);
    let url = format!("redis://worker:pw@127.0.0.1:{}", shop.cache.port());
    shop.database.sql("update users set name = 'a' where id in (1, 2, 3)");
    let told = shop.run(&["invalidate"]).env("REDIS_URL", &url).code(7);
    told.says("refuses \"user:2\"").says("2 refused and tried again later").says("2 rows left");
    assert_eq!(shop.cache.run(&["exists", "user:1"]), "0");
    assert_eq!(
        shop.database
            .sql("select count(*) from evenkeel.outbox where fault like 'NOPERM%' and tries = 1 and due > now()"),
        "2"
    );
    shop.database.sql("update evenkeel.outbox set due = now()");
    shop.drain().says("2 keys removed for 2 rows").says("0 rows left");
    // A key that starts with evenkeel's own name is never touched.
    shop.database.sql("insert into evenkeel.outbox (rule, cache, key, pattern) values ('users', 'redis.cache', 'evenkeel:lock', false), ('users', 'redis.gone', 'x', false)");
    shop.run(&["invalidate"]).code(7).says("evenkeel's own").says("1 for caches that the policy does not name");
}

#[test]
fn two_workers_share_the_rows() {
    let shop = Shop::start(USERS, POLICY);
    shop.cache.each(5001, "redis.call('set', 'user:' .. i, 1)");
    for id in 0..20 {
        shop.database.sql(&format!("update users set name = 'a' where id % 20 = {id}"));
    }
    let workers: Vec<_> = (0..2).map(|_| shop.run(&["invalidate"]).start()).collect();
    let mut rows = 0;
    for worker in workers {
        let output = worker.wait().expect(0);
        let words: Vec<&str> = output.stdout.split(" removed for ").nth(1).expect("a report").split(" in ").collect();
        rows += words[0].replace(" rows", "").replace(" row", "").replace(' ', "").parse::<u32>().expect("a number");
    }
    shop.drain().says("0 rows left");
    assert_eq!(rows, 5020, "no row was anybody's twice, and none nobody's");
    assert_eq!(shop.cache.run(&["dbsize"]), "1", "user:0 is nobody's");
}

#[test]
fn a_statement_can_wake_the_worker() {
    let shop = Shop::start(USERS, &(POLICY.to_owned() + "notify = true\n"));
    shop.fill(&["user:1"]);
    let worker = shop.run(&["invalidate", "--follow"]).start();
    let listening = "select count(*) from pg_stat_activity where query ilike 'listen %'";
    assert!(eventually(Duration::from_secs(10), || shop.database.sql(listening) != "0"), "it listens");
    shop.database.sql("update users set name = 'a' where id = 1");
    assert!(eventually(Duration::from_secs(5), || shop.cache.run(&["exists", "user:1"]) == "0"), "it hears");
    worker.signal("INT");
    worker.wait().expect(0);
}

pub fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[cfg(feature = "serve")]
#[test]
fn a_service_tells_its_numbers_and_its_health_and_sweeps() {
    let mut shop =
        Shop::start(USERS, &(POLICY.to_owned() + "\n[postgres.shop.cache_table.pages]\nttl = \"1h\"\nmax_rows = 10\n"));
    shop.database.sql("insert into pages (key, value) select 'k' || i, '1' from generate_series(1, 2500) i");
    shop.database
        .sql("insert into pages (key, value, expires_at) select 'o' || i, '1', now() from generate_series(1, 1500) i");
    let port = free_port();
    let service = shop.run(&["serve", "--listen", &format!("127.0.0.1:{port}")]).start();
    assert!(
        eventually(Duration::from_secs(10), || get(port, "/healthz")
            .is_some_and(|health| health.starts_with("HTTP/1.1 200"))),
        "healthy"
    );
    assert!(
        eventually(Duration::from_secs(10), || shop.database.sql("select count(*) from pages") == "10"),
        "swept down to its bound"
    );
    shop.fill(&["user:1", "user:2", "users:list:1"]);
    shop.database.sql("update users set name = 'a' where id <= 2");
    let source = "{source=\"postgres.shop\"}";
    let line = format!("evenkeel_keys_removed_total{source} 3\n");
    assert!(
        eventually(Duration::from_secs(10), || get(port, "/metrics").is_some_and(|text| text.contains(&line))),
        "{:?}",
        get(port, "/metrics")
    );
    let text = get(port, "/metrics").expect("it answers");
    for name in [
        "rows_total",
        "batches_total",
        "failures_total",
        "lag_seconds",
        "pending_rows",
        "last_success_timestamp_seconds",
    ] {
        assert!(text.contains(&format!("evenkeel_{name}{source} ")), "{name}\n{text}");
    }
    assert!(text.contains(&format!("evenkeel_swept_rows_total{source} 3990\n")), "{text}");
    // The cache goes away: the numbers say what waits and for how long, and that somebody should look.
    let database = shop.database.url();
    let watch = std::thread::spawn(move || {
        let sql = "update users set name = 'b' where id <= 500";
        let done = std::process::Command::new("psql")
            .args(["--dbname", &database, "--command", sql])
            .output()
            .expect("psql starts");
        assert!(done.status.success());
        let sick = eventually(Duration::from_secs(10), || {
            get(port, "/healthz").is_some_and(|health| health.starts_with("HTTP/1.1 503"))
        });
        let counted = eventually(Duration::from_secs(10), || {
            get(port, "/metrics").is_some_and(|text| text.contains(&format!("evenkeel_due_rows{source} 501\n")))
        });
        (sick, counted)
    });
    shop.cache.signal("STOP");
    shop.cache.signal("CONT");
    shop.cache.restart_after(Duration::from_secs(5));
    assert_eq!(watch.join().expect("it ends"), (true, true));
    assert!(
        eventually(Duration::from_secs(30), || get(port, "/healthz")
            .is_some_and(|health| health.starts_with("HTTP/1.1 200"))),
        "healthy again"
    );
    assert!(eventually(Duration::from_secs(10), || is_empty(&shop)), "drained");
    service.signal("TERM");
    service.wait().expect(0).says("0 rows left").says("3 990 rows swept");
    let taken = format!("127.0.0.1:{}", shop.database.port());
    shop.run(&["serve", "--listen", &taken]).code(64).says("cannot be listened on");
    shop.declare("");
    shop.run(&["invalidate"]).code(64).says("declares no `invalidation`");
}
