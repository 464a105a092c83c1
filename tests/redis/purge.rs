//! Purges: once per token, in every mode.

use super::Cache;

fn purge(more: &str) -> String {
    format!("[redis.cache.purge.deploy]\nmatch = [\"user:*\", \"list:*\"]\n{more}\n")
}

fn fill(cache: &Cache) {
    cache.server.each(3_000, "redis.call('set', 'user:' .. i, 'v')");
    cache.server.each(10, "redis.call('set', 'list:' .. i, 'v')");
    cache.server.each(10, "redis.call('set', 'other:' .. i, 'v')");
}

#[test]
fn a_token_purges_once() {
    let cache = Cache::start(&purge("token = \"41\""));
    fill(&cache);
    assert_eq!(cache.facts()["keys"], 3_010);
    cache.settle();
    assert_eq!(cache.server.run(&["dbsize"]), "11", "the others, and the mark");
    assert_eq!(cache.server.run(&["hgetall", "evenkeel:purge"]), "cache.deploy\n41");
    fill(&cache);
    cache.run(&["apply", "--yes"]).code(0).says("No changes");
    cache.rewrite(&purge("token = \"42\""));
    cache.run(&["plan"]).code(0).says("\"41\" -> \"42\"").says("3 010 keys");
    cache.settle();
    assert_eq!(cache.server.run(&["dbsize"]), "11");
}

#[test]
fn a_lazy_purge_spreads_over_its_delay() {
    let cache = Cache::start(&purge("token = \"1\"\nmode = \"lazy\"\ndelay = \"10m\""));
    fill(&cache);
    cache.server.run(&["expire", "user:1", "1"]);
    cache.settle();
    let ttls: Vec<i64> =
        (2..200).map(|n| cache.server.run(&["pttl", &format!("user:{n}")]).parse().expect("a number")).collect();
    assert!(ttls.iter().all(|ttl| (-2..=600_000).contains(ttl) && *ttl != -1), "{ttls:?}");
    assert!(ttls.iter().any(|ttl| *ttl > 400_000) && ttls.iter().any(|ttl| *ttl < 200_000), "{ttls:?}");
    assert_eq!(cache.server.run(&["pttl", "other:1"]), "-1");
}

#[test]
fn a_delayed_purge_takes_what_was_filled_in_again() {
    let cache = Cache::start(&purge("token = \"1\"\nmode = \"delayed\"\ndelay = \"2s\""));
    fill(&cache);
    let run = cache.run(&["apply", "--yes"]).start();
    cache.begun();
    cache.server.run(&["set", "user:again", "v"]);
    assert_eq!(cache.server.run(&["exists", "user:1"]), "1", "it waits");
    run.wait().expect(0);
    assert_eq!(cache.server.run(&["dbsize"]), "11", "the others, and the mark");
}

#[test]
fn named_keys_go_and_nothing_of_our_own_does() {
    let cache =
        Cache::start("[redis.cache.purge.all]\nmatch = [\"*\"]\nkeys = [\"other:1\", \"nobody\"]\ntoken = \"1\"\n");
    fill(&cache);
    cache.settle();
    assert_eq!(cache.server.run(&["keys", "*"]), "evenkeel:purge");
}
