//! Servers that fail in the middle: a true report, and a second run that finishes.

use std::time::Duration;

use super::Cache;
use crate::kit::{Redis, eventually};

const RULE: &str = "[redis.cache.ttl.all]\nmatch = \"k*\"\nmax_ttl = \"1h\"\njitter = \"10%\"\n";

#[test]
fn a_server_that_dies_in_the_middle_is_told_and_the_next_run_finishes() {
    let cache = Cache::start(RULE);
    cache.server.each(200_000, "redis.call('set', 'k' .. i, 'v')");
    let mut run = cache.run(&["apply", "--yes"]).start();
    let journal = cache.folder.file("state/evenkeel/journal.jsonl");
    let begun = eventually(Duration::from_secs(30), || {
        std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"intent\""))
    });
    assert!(begun && !run.ended(), "the run is at work");
    cache.server.signal("KILL");
    run.wait().expect(1).says("redis.cache").says("enforce ttl all");
    let cache = Cache { server: Redis::start(), folder: cache.folder };
    cache.server.each(1_000, "redis.call('set', 'k' .. i, 'v')");
    cache.settle();
}

#[test]
fn a_server_that_stops_for_a_while_is_waited_for() {
    let cache = Cache::start(RULE);
    cache.server.each(100_000, "redis.call('set', 'k' .. i, 'v')");
    let run = cache.run(&["apply", "--yes"]).start();
    std::thread::sleep(Duration::from_millis(300));
    cache.server.signal("STOP");
    std::thread::sleep(Duration::from_secs(2));
    cache.server.signal("CONT");
    run.wait().expect(0);
    cache.run(&["plan", "--detailed-exitcode"]).code(0);
}

#[test]
fn a_replica_refuses_and_is_told_to_be_one() {
    let primary = Redis::start();
    let replica =
        Redis::with(&format!("replicaof 127.0.0.1 {}\nmasterauth {}", primary.port(), crate::kit::REDIS_PASSWORD));
    let synced =
        eventually(Duration::from_secs(20), || replica.run(&["info", "replication"]).contains("master_link_status:up"));
    assert!(synced, "the replica follows");
    primary.each(10, "redis.call('set', 'k' .. i, 'v')");
    let arrived = eventually(Duration::from_secs(10), || replica.run(&["dbsize"]) == "10");
    assert!(arrived, "the replica has the keys");
    let cache = Cache::on(replica, RULE);
    cache.run(&["plan", "--detailed-exitcode"]).code(2);
    cache.run(&["apply", "--yes"]).code(1).says("READONLY").says("this server is a replica");
}

#[test]
fn a_lock_that_nobody_holds_any_more_is_named_and_released() {
    let cache = Cache::start(RULE);
    cache.server.run(&["set", "k1", "v"]);
    let note = r#"{"who":"ci@runner-7","pid":4711,"run":"r1","since":"2026-01-01T00:00:00Z"}"#;
    cache.server.run(&["set", "evenkeel:lock", note, "px", "60000"]);
    cache
        .run(&["apply", "--yes", "--lock-timeout", "300ms"])
        .code(5)
        .says("ci@runner-7, pid 4711, run r1 since 2026-01-01T00:00:00Z");
    cache.run(&["unlock", "redis.cache", "--yes"]).code(0).says("released the lock of ci@runner-7");
    cache.settle();
    assert_eq!(cache.server.run(&["exists", "evenkeel:lock"]), "0");
}

#[test]
fn a_lock_of_somebody_else_is_in_nobodys_way_who_changes_nothing_there() {
    let cache = Cache::start(RULE);
    cache.server.run(&["set", "k1", "v"]);
    cache.settle();
    let note = r#"{"who":"ci@runner-7","pid":4711,"run":"r1","since":"2026-01-01T00:00:00Z"}"#;
    cache.server.run(&["set", "evenkeel:lock", note, "px", "60000"]);
    let apply = ["apply", "--yes", "--lock-timeout", "300ms"];
    cache.run(&apply).code(0).says("No changes");
    // Something to do elsewhere is done, with one look at everything.
    let elsewhere = "[app.api]\npublish = { file = \"run.json\" }\n[app.api.pool]\nmax = 10\n";
    cache.folder.write("policies/elsewhere.toml", elsewhere);
    cache.run(&apply).code(0).says("Applied: 1 done");
    assert_eq!(cache.server.run(&["get", "evenkeel:lock"]), note);
}
