//! Server settings: their forms, their hazards, and servers that do not let everybody set them.

use super::Cache;
use crate::kit::REDIS_PASSWORD;

fn settings(lines: &str) -> String {
    format!("[redis.cache.settings]\n{lines}\n")
}

#[test]
fn settings_are_set_and_written_to_the_file() {
    let cache = Cache::start(&settings(
        "maxmemory = \"100MB\"\nmaxmemory-policy = \"allkeys-lfu\"\ntimeout = 300\nactivedefrag = false\nsave = [\"3600 1\", \"300 100\"]\n\
         notify-keyspace-events = \"Ex\"\nclient-output-buffer-limit = \"pubsub 64mb 16mb 90\"",
    ));
    cache.settle();
    assert_eq!(cache.server.run(&["config", "get", "maxmemory"]), "maxmemory\n104857600");
    assert!(cache.server.config().contains("maxmemory 100mb"), "{}", cache.server.config());
    assert!(cache.server.config().contains("\nsave 300 100\n"), "{}", cache.server.config());
}

#[test]
fn settings_that_the_server_would_not_take_are_problems_of_the_policy() {
    let cache = Cache::start("");
    for (lines, expected) in [
        ("maxmemori = 1", "did you mean `maxmemory`?"),
        ("io-threads = 4", "only a start of the server can change it"),
        ("maxmemory-policy = \"lru\"", "is no eviction policy"),
        ("timeout = \"soon\"", "it is a whole number"),
        ("requirepass = \"x\"", "is a secret"),
    ] {
        cache.rewrite(&settings(lines));
        cache.run(&["plan"]).code(64).says(expected);
    }
}

#[test]
fn a_limit_below_what_is_used_says_what_goes() {
    let cache = Cache::start(&settings("maxmemory = \"2mb\"\nmaxmemory-policy = \"allkeys-lru\""));
    cache.server.each(20_000, "redis.call('set', 'k' .. i, string.rep('x', 100))");
    cache.run(&["plan"]).code(0).says("evicts-keys").says("would be evicted at once").says("loosens-policy");
    cache.rewrite(&settings("maxmemory = \"2mb\""));
    cache.run(&["plan"]).code(0).says("refuses-writes");
}

#[test]
fn how_many_keys_a_limit_evicts_is_foretold() {
    let cache = Cache::start(&settings("maxmemory = \"12mb\"\nmaxmemory-policy = \"allkeys-lru\""));
    cache.server.each(100_000, "redis.call('set', 'k' .. i, string.rep('x', 100))");
    let output = cache.run(&["apply", "--yes", "--allow", "evicts-keys", "--allow", "loosens-policy"]).code(0).both();
    let foretold = output.split_once("allowed: about ").and_then(|(_, rest)| rest.split_once(" keys would be evicted"));
    let foretold: i64 = foretold.expect(&output).0.replace(' ', "").parse().expect("a number");
    let left: i64 = cache.server.run(&["dbsize"]).parse().expect("a number");
    let evicted = 100_000 - left;
    assert!((foretold - evicted).abs() < evicted / 4, "{foretold} foretold, {evicted} evicted");
}

#[test]
fn a_server_that_forbids_config_makes_the_plan_incomplete() {
    let cache = Cache::start(&(settings("timeout = 1") + "[redis.cache.ttl.a]\nmatch = \"a:*\"\nmax_ttl = \"1h\"\n"));
    cache.server.run(&["set", "a:1", "v"]);
    cache.server.run(&["acl", "setuser", "app", "on", ">pw", "+@all", "-config", "~*"]);
    let url = cache.server.url().replace(&format!(":{REDIS_PASSWORD}"), "app:pw");
    let plan = |args: &[&str]| cache.run(args).env("REDIS_URL", &url);
    plan(&["plan"]).code(3).says("ttl.a").says("redis.cache.settings").says("has no permissions");
}

#[test]
fn a_server_without_config_makes_the_plan_incomplete() {
    let cache = Cache::on(
        crate::kit::Redis::with("rename-command CONFIG \"\""),
        &(settings("timeout = 1") + "[redis.cache.ttl.a]\nmatch = \"a:*\"\nmax_ttl = \"1h\"\n"),
    );
    cache.server.run(&["set", "a:1", "v"]);
    cache.run(&["plan"]).code(3).says("ttl.a").says("redis.cache.settings").says("the server does not allow CONFIG");
}

#[test]
fn the_least_privileges_are_enough() {
    let cache = Cache::start(
        &(settings("timeout = 300\nmaxmemory = \"100mb\"")
            + "[redis.cache.ttl.a]\nmatch = \"a:*\"\nmax_ttl = \"1h\"\nmin_ttl = \"1m\"\n\n[redis.cache.purge.p]\nmatch = [\"b:*\"]\ntoken = \"1\"\n\n\
               [redis.cache.warm.w]\nkey = \"w:{id}\"\nttl = \"1h\"\nsource = { file = \"rows.jsonl\" }\n\n\
               [redis.cache.warm.h]\nttl = \"1h\"\nrefresh_before = \"10m\"\nsource = { hot = \"c:*\" }\n"),
    );
    cache.folder.write("rows.jsonl", "{\"id\": 1}\n");
    for key in ["a:1", "b:1"] {
        cache.server.run(&["set", key, "v"]);
    }
    cache.server.run(&["set", "a:2", "v", "ex", "20"]);
    cache.server.run(&["set", "c:1", "v", "ex", "100"]);
    let grants = cache.run(&["grants", "redis"]).code(0).stdout;
    let (plan, apply) = grants.trim().split_once("\n\n").expect("two parts");
    let grant = |line: &str| {
        let line = line.replace("PASSWORD", "pw");
        assert_eq!(cache.server.run(&line.split_whitespace().collect::<Vec<_>>()), "OK", "{line}");
    };
    grant(plan);
    let url = cache.server.url().replace(&format!(":{REDIS_PASSWORD}"), "evenkeel:pw");
    let run = |args: &[&str]| cache.run(args).env("REDIS_URL", &url);
    run(&["plan", "--detailed-exitcode"]).code(2);
    run(&["apply", "--yes"]).code(1).says("has no permissions");
    grant(apply);
    run(&["apply", "--yes"]).code(0);
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}
