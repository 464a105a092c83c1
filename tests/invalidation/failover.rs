//! The worker on a cluster, behind a sentinel whose primary dies, and with a database that goes and comes back.

use std::time::Duration;

use super::Shop;
use super::worker::is_empty;
use crate::kit::{Folder, Postgres, REDIS_PASSWORD, Redis, eventually};

const USERS: &str = "create table users (id int primary key, name text); insert into users select i, 'x' from generate_series(0, 299) i;";

const POLICY: &str = r#"
[postgres.shop.invalidation.users]
table = "users"
keys = ["user:{id}", "{{u{id}}}:profile", "seen:{id}:*"]
cache = "redis.cache"
"#;

/// Servers, the cache among them, and the policy, applied.
fn shop(cache: Redis, policy: &str) -> Shop {
    let shop = Shop { database: Postgres::start(), cache, folder: Folder::new() };
    shop.database.sql(USERS);
    shop.declare(policy);
    shop
}

/// Three keys for each of 300 users. A node of a cluster takes only its own.
const FILL: &str = "redis.pcall('set', 'user:' .. i, 1) redis.pcall('set', '{u' .. i .. '}:profile', 1) redis.pcall('set', 'seen:' .. i .. ':a', 1)";

#[test]
fn keys_and_patterns_go_from_every_node_of_a_cluster() {
    let [first, second, third] = Redis::cluster();
    let shop = shop(first, POLICY);
    let policy = shop.folder.read("policies/shop.toml").replace("REDIS_URL\" }\n", "REDIS_URL\" }\ncluster = true\n");
    shop.folder.write("policies/shop.toml", &policy);
    shop.settle();
    let nodes = [&shop.cache, &second, &third];
    let sizes = || nodes.map(|node| node.run(&["dbsize"]).parse::<u64>().expect("a number"));
    for node in nodes {
        node.each(300, FILL);
    }
    assert_eq!(sizes().iter().sum::<u64>(), 900);
    assert!(sizes().iter().all(|keys| *keys > 200), "{:?}", sizes());
    let worker = shop.run(&["invalidate", "--follow"]).start();
    shop.database.sql("update users set name = 'a' where id < 200");
    assert!(eventually(Duration::from_secs(20), || is_empty(&shop)), "drained");
    worker.signal("TERM");
    worker.wait().expect(0).says("600 keys removed for 600 rows").says("0 rows left");
    assert_eq!(sizes().iter().sum::<u64>(), 300);
    for node in nodes {
        node.each(200, "for _, key in ipairs({'user:' .. i, '{u' .. i .. '}:profile', 'seen:' .. i .. ':a'}) do assert(redis.pcall('exists', key) ~= 1) end");
    }
}

#[test]
fn nothing_is_lost_when_the_primary_behind_a_sentinel_dies() {
    let (primary, replica, sentinel) = Redis::watched();
    let shop = shop(primary, POLICY);
    let policy = shop.folder.read("policies/shop.toml");
    let password = "REDIS_URL\" }\nsentinel_password = { env = \"SENTINEL_PASSWORD\" }\n";
    shop.folder.write("policies/shop.toml", &policy.replace("REDIS_URL\" }\n", password));
    let url = format!("redis+sentinel://:{REDIS_PASSWORD}@127.0.0.1:{}/main", sentinel.port());
    let run = |args: &[&str]| shop.run(args).env("REDIS_URL", &url).env("SENTINEL_PASSWORD", REDIS_PASSWORD);
    run(&["apply", "--yes"]).code(0);
    let there = |keys: &str| eventually(Duration::from_secs(20), || replica.run(&["dbsize"]) == keys);
    shop.cache.each(300, FILL);
    assert!(there("900"), "the replica follows");
    let worker = run(&["invalidate", "--follow"]).start();
    shop.database.sql("update users set name = 'a' where id < 50");
    assert!(there("750"), "what the primary lost, its replica lost");
    shop.cache.signal("KILL");
    for id in (50..200).step_by(10) {
        shop.database.sql(&format!("update users set name = 'b' where id between {id} and {id} + 9"));
    }
    assert!(eventually(Duration::from_mins(1), || replica.run(&["role"]).starts_with("master")), "it takes over");
    assert!(eventually(Duration::from_secs(40), || is_empty(&shop)), "drained");
    shop.database.sql("update users set name = 'c' where id = 200");
    assert!(eventually(Duration::from_secs(20), || is_empty(&shop)), "and goes on");
    worker.signal("TERM");
    worker.wait().expect(0).says("its rows wait").says("works again").says("0 rows left");
    assert_eq!(replica.run(&["dbsize"]), "297", "the keys of 201 to 299");
}

#[cfg(feature = "serve")]
#[test]
fn a_database_that_goes_away_is_told_and_found_again() {
    use super::worker::get;

    let mut shop = shop(Redis::start(), POLICY);
    shop.settle();
    shop.cache.each(300, FILL);
    let port = crate::kit::free_port();
    let service = shop.run(&["serve", "--listen", &format!("127.0.0.1:{port}")]).start();
    let answers = |path: &str, what: &str| {
        eventually(Duration::from_secs(40), || get(port, path).is_some_and(|text| text.contains(what)))
    };
    let number = |name: &str| -> f64 {
        let text = get(port, "/metrics").expect("it answers");
        let line =
            text.lines().find_map(|line| line.strip_prefix(&format!("evenkeel_{name}{{source=\"postgres.shop\"}} ")));
        line.unwrap_or_else(|| panic!("{name}\n{text}")).parse().expect("a number")
    };
    assert!(answers("/healthz", "HTTP/1.1 200"), "healthy");
    shop.database.sql("update users set name = 'a' where id < 100");
    assert!(answers("/metrics", "evenkeel_keys_removed_total{source=\"postgres.shop\"} 300\n"), "it works");
    shop.database.stop();
    assert!(answers("/healthz", "HTTP/1.1 503"), "sick");
    assert!(answers("/metrics", "evenkeel_broken_lanes{source=\"postgres.shop\"} 2\n"), "both ways fail");
    let (counted, failures) = (number("counted_timestamp_seconds"), number("failures_total"));
    let said = get(port, "/healthz").expect("it answers");
    assert!(said.contains("postgres.shop: keys redis.cache: "), "{said}");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(number("counted_timestamp_seconds").to_bits(), counted.to_bits(), "nobody could count meanwhile");
    assert!(number("failures_total") > failures, "it tries again");
    shop.database.restart();
    shop.database.sql("update users set name = 'b' where id between 100 and 199");
    assert!(answers("/healthz", "HTTP/1.1 200"), "healthy again");
    assert!(answers("/metrics", "evenkeel_keys_removed_total{source=\"postgres.shop\"} 600\n"), "it goes on");
    assert!(eventually(Duration::from_secs(10), || number("counted_timestamp_seconds") > counted), "and counts");
    service.signal("TERM");
    service.wait().expect(0).says("its rows wait").says("works again").says("0 rows left");
    assert_eq!(shop.cache.run(&["dbsize"]), "300");
}

#[test]
fn what_no_replica_has_confirmed_is_not_taken_for_done() {
    let shop = shop(Redis::start(), POLICY);
    let replica = Redis::with(&format!("replicaof 127.0.0.1 {}\nmasterauth {REDIS_PASSWORD}", shop.cache.port()));
    let synced =
        eventually(Duration::from_secs(20), || shop.cache.run(&["info", "replication"]).contains("state=online"));
    assert!(synced, "the replica follows");
    shop.settle();
    shop.cache.each(300, FILL);
    let worker = shop.run(&["invalidate", "--follow"]).start();
    replica.signal("STOP");
    shop.database.sql("update users set name = 'a' where id < 50");
    assert!(eventually(Duration::from_secs(20), || shop.cache.run(&["dbsize"]) == "750"), "the primary lost them");
    // Longer than the worker waits for a word of the replica.
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!is_empty(&shop), "the rows wait");
    replica.signal("CONT");
    assert!(eventually(Duration::from_secs(40), || is_empty(&shop)), "drained");
    assert_eq!(replica.run(&["dbsize"]), "750");
    worker.signal("TERM");
    worker.wait().expect(0).says("no replica of").says("its rows wait").says("0 rows left");
}
