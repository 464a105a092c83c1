//! A cluster of three primaries.

use std::time::Duration;

use super::Cache;
use crate::kit::{Redis, eventually};

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

fn cluster() -> [Redis; 3] {
    let nodes = [0, 1, 2].map(|_| Redis::with("cluster-enabled yes\ncluster-node-timeout 2000"));
    for (node, slots) in nodes.iter().zip([(0, 5_460), (5_461, 10_922), (10_923, 16_383)]) {
        assert_eq!(node.run(&["cluster", "addslotsrange", &slots.0.to_string(), &slots.1.to_string()]), "OK");
    }
    for (epoch, node) in nodes.iter().enumerate() {
        node.run(&["cluster", "set-config-epoch", &(epoch + 1).to_string()]);
        nodes[0].run(&["cluster", "meet", "127.0.0.1", &node.port().to_string()]);
    }
    let up = eventually(Duration::from_secs(30), || {
        nodes.iter().all(|node| {
            let state = node.run(&["cluster", "info"]);
            state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")
        })
    });
    assert!(up, "the cluster forms");
    nodes
}

#[test]
fn everything_holds_on_a_cluster() {
    let [first, second, third] = cluster();
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
