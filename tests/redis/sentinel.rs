//! A primary behind a sentinel: found, and found again once another has taken over.

use std::time::Duration;

use super::Cache;
use crate::kit::{REDIS_PASSWORD, Redis, Run, eventually};

const RULE: &str = "[redis.cache.ttl.sessions]\nmatch = \"session:*\"\nmax_ttl = \"1h\"\n";

/// A primary with a policy for it, its replica, and the sentinel that watches both.
struct Pair {
    cache: Cache,
    replica: Redis,
    sentinel: Redis,
}

impl Pair {
    fn start() -> Self {
        let (primary, replica, sentinel) = Redis::watched();
        let policy = format!("sentinel_password = {{ env = \"SENTINEL_PASSWORD\" }}\n{RULE}");
        Self { cache: Cache::on(primary, &policy), replica, sentinel }
    }

    fn run(&self, args: &[&str]) -> Run {
        let url = format!("redis+sentinel://:{REDIS_PASSWORD}@127.0.0.1:{}/main", self.sentinel.port());
        self.cache.run(args).env("REDIS_URL", &url).env("SENTINEL_PASSWORD", REDIS_PASSWORD)
    }

    /// Waits until the replica is what everybody takes for the primary.
    fn taken_over(&self) {
        let taken = eventually(Duration::from_mins(1), || {
            self.sentinel
                .run(&["sentinel", "get-master-addr-by-name", "main"])
                .contains(&self.replica.port().to_string())
                && self.replica.run(&["role"]).starts_with("master")
        });
        assert!(taken, "the replica takes over");
    }
}

#[test]
fn a_primary_is_found_through_its_sentinel() {
    let pair = Pair::start();
    pair.cache.server.each(100, "redis.call('set', 'session:' .. i, 'v')");
    pair.run(&["apply", "--yes"]).code(0);
    pair.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    // The replica takes over; the next run goes there.
    assert_eq!(pair.sentinel.run(&["sentinel", "failover", "main"]), "OK");
    pair.taken_over();
    pair.replica.run(&["set", "session:new", "v"]);
    pair.run(&["apply", "--yes"]).code(0);
    assert_ne!(pair.replica.run(&["ttl", "session:new"]), "-1");
}

#[test]
fn a_primary_that_dies_in_the_middle_is_told_and_its_successor_gets_the_rest() {
    let pair = Pair::start();
    // Bit by bit: a primary that is busy for as long as all of them take is a dead one to its sentinel.
    for part in 0..20 {
        pair.cache.server.each(10_000, &format!("redis.call('set', 'session:{part}:' .. i, 'v')"));
    }
    let arrived = eventually(Duration::from_secs(30), || pair.replica.run(&["dbsize"]) == "200000");
    assert!(arrived, "the replica has the keys");
    let run = pair.run(&["apply", "--yes"]).start();
    pair.cache.begun();
    pair.cache.server.signal("KILL");
    let output = run.wait();
    // Where the successor is there in time, the run finishes on it; where it is not, the run says what it did not do.
    match output.code {
        Some(0) => {}
        _ => drop(output.expect(1).says("enforce ttl sessions").says("failed")),
    }
    pair.taken_over();
    // The lock of a run that could not let go of it ends by itself.
    pair.run(&["apply", "--yes", "--lock-timeout", "30s"]).code(0);
    pair.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    // The first run's lock was replicated too, and ends by itself.
    pair.replica.run(&["del", "evenkeel:lock"]);
    assert!(pair.replica.run(&["info", "keyspace"]).contains("keys=200000,expires=200000"));
}
