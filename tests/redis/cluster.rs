//! A cluster of three primaries.

use super::Cache;
use crate::kit::Redis;

const POLICY: &str = r#"
cluster = true

[redis.cache.settings]
timeout = 300

[redis.cache.ttl.sessions]
match = "session:*"
max_ttl = "1h"
jitter = "10%"

[redis.cache.purge.deploy]
match = ["user:*"]
token = "41"

[redis.cache.warm.products]
key = "product:{id}"
ttl = "1h"
source = { file = "products.jsonl" }
"#;

#[test]
fn everything_holds_on_a_cluster() {
    let [first, second, third] = Redis::cluster();
    let sum = |nodes: [&Redis; 3]| -> u64 {
        nodes.iter().map(|node| node.run(&["dbsize"]).parse::<u64>().expect("a number")).sum()
    };
    let cache = Cache::on(first, POLICY);
    let rows: String = (0..300).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    cache.folder.write("products.jsonl", &rows);
    for n in 0..60 {
        for (name, node) in [("session", &cache.server), ("session", &second), ("session", &third)] {
            // A node takes only its own; one of the three does.
            node.run(&["set", &format!("{name}:{n}"), "v"]);
            node.run(&["set", &format!("user:{n}"), "v"]);
        }
    }
    assert_eq!(sum([&cache.server, &second, &third]), 120);
    cache.run(&["plan"]).code(0).says("60 keys without an expiry get one").says("60 keys go").says("cold 300");
    cache.settle();
    assert_eq!(sum([&cache.server, &second, &third]), 361, "sessions, products and the mark");
    for node in [&cache.server, &second, &third] {
        assert_eq!(node.run(&["config", "get", "timeout"]), "timeout\n300");
    }
}
