//! TTL rules: what they find, what they change, and what they leave alone.

use super::Cache;

const RULE: &str = r#"
[redis.cache.ttl.sessions]
match = "session:*"
max_ttl = "1h"
jitter = "10%"
"#;

/// 500 of each sort: fine, too long, endless; and as many that the rule is not about.
fn fill(cache: &Cache) {
    cache.server.each(500, "redis.call('set', 'session:fine:' .. i, 'v', 'ex', 1800)");
    cache.server.each(500, "redis.call('set', 'session:long:' .. i, 'v', 'ex', 7200)");
    cache.server.each(500, "redis.call('set', 'session:endless:' .. i, 'v')");
    cache.server.each(500, "redis.call('set', 'other:' .. i, 'v')");
}

/// The moments at which all keys expire.
fn expiries(cache: &Cache) -> String {
    let script = "local out = {} local keys = redis.call('keys', '*') table.sort(keys) \
                  for _, key in ipairs(keys) do out[#out + 1] = key .. '=' .. redis.call('pexpiretime', key) end return out";
    cache.server.run(&["eval", script, "0"])
}

#[test]
fn a_rule_is_enforced_once_and_touches_nothing_else() {
    let cache = Cache::start(RULE);
    fill(&cache);
    let facts = cache.facts();
    assert_eq!(
        (
            facts["keys"].as_u64(),
            facts["violations"].as_u64(),
            facts["without_expiry"].as_u64(),
            facts["too_long"].as_u64()
        ),
        (Some(1_500), Some(1_000), Some(500), Some(500)),
        "{facts}"
    );
    assert_eq!(facts["expiries"], serde_json::json!({ "under 1h": 500, "under 6h": 500, "never": 500 }));
    let before = expiries(&cache);
    cache.settle();
    let after = expiries(&cache);
    let untouched = |line: &&str| line.starts_with("other:") || line.starts_with("session:fine:");
    assert_eq!(
        before.lines().filter(untouched).collect::<Vec<_>>(),
        after.lines().filter(untouched).collect::<Vec<_>>()
    );
    for line in after.lines().filter(|line| !untouched(line)) {
        assert!(!line.ends_with("=-1"), "{line}");
    }
    let moments: std::collections::BTreeSet<_> =
        after.lines().filter(|line| !untouched(line)).map(|line| line.split_once('=')).collect();
    assert!(moments.len() > 900, "spread out");
    // Everything is as the rule says: a second run sends no command that writes.
    let calls = cache.server.run(&["info", "commandstats"]);
    let pexpire = |text: &str| text.lines().find(|line| line.starts_with("cmdstat_pexpire:")).map(str::to_owned);
    cache.run(&["apply", "--yes"]).code(0).says("No changes");
    assert_eq!(pexpire(&calls), pexpire(&cache.server.run(&["info", "commandstats"])));
    assert_eq!(after, expiries(&cache));
}

#[test]
fn a_key_that_was_shortened_meanwhile_stays_shorter() {
    let cache = Cache::start(RULE);
    cache.server.each(50_000, "redis.call('set', 'session:' .. i, 'v')");
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    cache.server.each(50_000, "redis.call('pexpire', 'session:' .. i, 600000)");
    run.wait().expect(0);
    let longer = "local n = 0 for i = 0, 49999 do if redis.call('pttl', 'session:' .. i) > 600000 then n = n + 1 end end return n";
    assert_eq!(cache.server.run(&["eval", longer, "0"]), "0");
}

#[test]
fn a_rule_may_be_gentler_than_its_target() {
    let cache = Cache::start(&(RULE.to_owned() + "max_latency = \"1ms\"\n"));
    fill(&cache);
    cache.settle();
}

#[test]
fn planning_does_not_count_as_use() {
    let cache = Cache::start(RULE);
    fill(&cache);
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    cache.run(&["plan"]).code(0);
    cache.settle();
    assert!(cache.server.run(&["object", "idletime", "session:fine:7"]).parse::<u32>().is_ok_and(|idle| idle >= 2));
    assert!(cache.server.run(&["object", "idletime", "session:long:7"]).parse::<u32>().is_ok_and(|idle| idle <= 1));
}

#[test]
fn what_dies_soon_after_its_last_use_is_raised_and_what_dies_of_age_is_not() {
    let cache = Cache::start(&(RULE.to_owned() + "min_ttl = \"4s\"\n"));
    cache.server.run(&["set", "session:old", "v", "px", "60000"]);
    std::thread::sleep(std::time::Duration::from_secs(5));
    cache.server.run(&["set", "session:new", "v", "px", "2500"]);
    // Near its end, but unused for longer than the limit.
    cache.server.run(&["eval", "return redis.call('pexpiretime', 'session:old')", "0"]);
    let facts = cache.facts();
    assert_eq!((facts["too_short"].as_u64(), facts["violations"].as_u64()), (Some(1), Some(1)), "{facts}");
    cache.settle();
    let left: u64 = cache.server.run(&["pttl", "session:new"]).parse().expect("a number");
    assert!((3_500..=6_000).contains(&left), "{left}");
}

#[test]
fn a_sample_estimates_and_says_how_sure_it_is() {
    let cache = Cache::start(&format!("sample = 1000\n{RULE}"));
    cache.server.each(20_000, "redis.call('set', 'session:' .. i, 'v', 'ex', 1800)");
    cache.server.each(20_000, "redis.call('set', 'session:x' .. i, 'v')");
    let facts = cache.facts();
    let violations = facts["violations"].as_u64().expect("a number");
    assert!((16_000..24_000).contains(&violations), "{facts}");
    assert!(facts["interval"].as_str().is_some_and(|text| text.contains("95%")), "{facts}");
    cache.settle();
}

#[test]
fn a_rule_that_would_change_too_much_stops() {
    let cache = Cache::start(&(RULE.to_owned() + "max_keys = 10\n"));
    fill(&cache);
    cache.run(&["apply", "--yes"]).code(1).says("more than 10 keys break the rule");
}

#[test]
fn rules_that_undo_each_other_are_refused() {
    let cache = Cache::start(
        "[redis.cache.ttl.a]\nmatch = \"a:*\"\nmax_ttl = \"10m\"\n\n[redis.cache.ttl.b]\nmatch = \"*:b\"\nmax_ttl = \"2h\"\nmin_ttl = \"1h\"\n",
    );
    cache.run(&["check"]).code(64).says("one would undo the other");
    cache.rewrite("[redis.cache.ttl.a]\nmatch = \"a:*\"\nmax_ttl = \"10m\"\nenforced = false\n");
    cache.server.run(&["set", "a:1", "v"]);
    cache.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

/// The patterns are matched here and on the server: both must agree on every key.
#[test]
fn patterns_mean_what_they_mean_to_the_server() {
    let cache = Cache::start("");
    let keys =
        ["a", "ab", "abc", "a*b", "a[b", "a]b", "a-b", "a\\b", "a?b", "hello", "hallo", "hxllo", "x:y:z", "^a", "é"];
    for key in keys {
        cache.server.run(&["set", key, "v"]);
    }
    for pattern in [
        "*",
        "a*",
        "a?",
        "a??",
        "a\\*b",
        "a[b",
        "a\\[b",
        "h[ae]llo",
        "h[^e]llo",
        "h[a-f]llo",
        "h[f-a]llo",
        "x:*:z",
        "[^a]*",
        "*l*o",
        "a[]b",
        "a\\\\b",
        "??",
        "[a-]*",
        "*\\",
    ] {
        let theirs: std::collections::BTreeSet<String> =
            cache.server.run(&["--scan", "--pattern", pattern]).lines().map(str::to_owned).collect();
        cache.rewrite(&format!("[redis.cache.purge.p]\nmatch = [{pattern:?}, \"never\"]\ntoken = \"1\"\n"));
        assert_eq!(cache.facts()["keys"].as_u64(), Some(theirs.len() as u64), "{pattern}: {theirs:?}");
    }
}

#[test]
fn a_sample_is_marked_as_one_and_applying_looks_at_everything() {
    let cache = Cache::start("[redis.cache.ttl.sessions]\nmatch = \"session:*\"\nmax_ttl = \"1h\"\n");
    cache.server.each(40_000, "redis.call('set', 'session:' .. i, 'v', 'ex', i % 4 == 0 and 9000 or 600)");
    let args =
        ["plan", "--sample", "4000", "--out", "plan.json", "--emit", "markdown=plan.md", "--emit", "html=plan.html"];
    cache.run(&args).code(0).says("estimated from").says("with 95% confidence");
    for name in ["plan.json", "plan.md", "plan.html"] {
        assert!(cache.folder.read(name).contains("estimated from"), "{name}");
    }
    let plan: serde_json::Value = serde_json::from_str(&cache.folder.read("plan.json")).expect("JSON");
    let facts = &plan["resource_changes"][0]["facts"];
    let estimate = facts["violations"].as_u64().expect("a number");
    assert!((8_000..12_000).contains(&estimate), "{facts:#}");
    // What was approved is that the rule is enforced, and every key is looked at when it is.
    cache.run(&["apply", "--plan", "plan.json"]).code(0);
    cache.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes").hides("estimated");
    cache.run(&["drift", "--sample", "2000"]).code(0);
    cache.run(&["plan", "--sample", "10"]).code(64).says("1000");
}

#[test]
fn what_a_sample_missed_was_not_approved() {
    let cache = Cache::start("[redis.cache.ttl.rare]\nmatch = \"rare:*\"\nmax_ttl = \"1h\"\n");
    cache.server.each(100_000, "redis.call('set', 'k' .. i, 'v', 'ex', 600)");
    cache.server.run(&["set", "rare:1", "v"]);
    cache.run(&["plan", "--sample", "1000", "--out", "plan.json"]).code(0).says("estimated from");
    let plan: serde_json::Value = serde_json::from_str(&cache.folder.read("plan.json")).expect("JSON");
    if plan["resource_changes"].as_array().is_some_and(Vec::is_empty) {
        cache.run(&["apply", "--plan", "plan.json"]).code(4);
        assert_eq!(cache.server.run(&["ttl", "rare:1"]), "-1");
    }
    cache.settle();
}
