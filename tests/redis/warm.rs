//! Warm keys: filled once, refreshed in time, and told one by one where they cannot be.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::Cache;

const WARM: &str = r#"
[redis.cache.warm.products]
key = "product:{id}"
value = "{name}"
ttl = "1h"
refresh_before = "10m"
source = { file = "products.jsonl" }
"#;

fn rows(n: u32) -> String {
    (0..n).map(|id| format!("{{\"id\": {id}, \"name\": \"p{id}\"}}\n")).collect()
}

#[test]
fn what_is_warm_and_fresh_is_not_written_again() {
    let cache = Cache::start(WARM);
    cache.folder.write("products.jsonl", &rows(2_000));
    cache.server.run(&["set", "product:1", "fresher", "ex", "3000"]);
    cache.server.run(&["set", "product:2", "old", "ex", "100"]);
    cache.server.run(&["set", "product:3", "forever"]);
    let facts = cache.facts();
    assert_eq!(
        (facts["rows"].as_u64(), facts["missing"].as_u64(), facts["expire_soon"].as_u64()),
        (Some(2_000), Some(1_997), Some(1))
    );
    cache.settle();
    let value = |key: &str| cache.server.run(&["get", key]);
    assert_eq!(
        [value("product:1"), value("product:2"), value("product:3"), value("product:1999")],
        ["fresher", "p2", "forever", "p1999"]
    );
    cache.server.run(&["del", "product:7"]);
    cache.run(&["plan"]).code(0).says("cold 1");
    cache.settle();
}

#[test]
fn rows_that_give_nothing_are_told_and_the_rest_is_warm() {
    let cache = Cache::start(WARM);
    cache.folder.write("products.jsonl", &(rows(10) + "{\"id\": 10\n\n{\"name\": \"nameless\"}\n" + &rows(20)));
    cache.run(&["plan"]).code(0).says("line 11: EOF while parsing");
    cache
        .run(&["apply", "--yes"])
        .code(7)
        .says("2 keys could not be warmed")
        .says("line 11: EOF while parsing an object")
        .says("line 13: the row has no `id`");
    assert_eq!(cache.server.run(&["get", "product:19"]), "p19");
    cache.folder.write("products.jsonl", &rows(20));
    cache.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

#[test]
fn a_source_that_is_not_there_makes_the_plan_incomplete() {
    let cache = Cache::start(WARM);
    cache.run(&["plan"]).code(3).says("products.jsonl").says("No such file");
}

#[test]
fn a_full_server_is_said_to_be_full() {
    let cache = Cache::start(&(WARM.to_owned() + "batch_size = 100\nconcurrency = 1\n"));
    cache.server.run(&["config", "set", "maxmemory", "3mb"]);
    let wide: String = (0..30_000).map(|id| format!("{{\"id\": {id}, \"name\": \"{id:0200}\"}}\n")).collect();
    cache.folder.write("products.jsonl", &wide);
    cache.run(&["apply", "--yes"]).code(7).says("OOM command not allowed").says("raise `maxmemory`");
    cache.server.run(&["config", "set", "maxmemory", "0"]);
    cache.settle();
    assert_eq!(cache.server.run(&["dbsize"]), "30000");
}

#[test]
fn priority_decides_who_goes_first() {
    let block = |name: &str, priority: &str| {
        format!(
            "[redis.cache.warm.{name}]\nkey = \"{name}:{{id}}\"\nttl = \"1h\"\npriority = \"{priority}\"\nsource = {{ file = \"products.jsonl\" }}\n\n"
        )
    };
    let cache = Cache::start(&(block("a", "low") + &block("b", "normal") + &block("c", "high")));
    cache.folder.write("products.jsonl", &rows(3));
    cache.run(&["plan", "--emit", "json=plan.json"]).code(0);
    let plan: serde_json::Value = serde_json::from_str(&cache.folder.read("plan.json")).expect("the plan is JSON");
    let steps = plan["steps"].as_array().expect("steps").iter().map(|step| step["title"].as_str().expect("a title"));
    assert_eq!(steps.collect::<Vec<_>>(), ["warm 3 keys of c", "warm 3 keys of b", "warm 3 keys of a"]);
    let output = cache.run(&["apply", "--yes"]).code(0).both();
    let at = |name: &str| output.rfind(&format!("warm 3 keys of {name}")).expect("it is told");
    assert!(at("c") < at("b") && at("b") < at("a"), "{output}");
}

#[test]
fn the_most_used_keys_are_kept() {
    let cache = Cache::start(
        "[redis.cache.warm.hot]\nttl = \"1h\"\nrefresh_before = \"10m\"\nsource = { hot = \"product:*\", top = 3 }\n",
    );
    cache.server.run(&["config", "set", "maxmemory-policy", "allkeys-lfu"]);
    cache.server.each(500, "redis.call('set', 'product:' .. i, 'v', 'ex', 60)");
    for key in [3, 33, 333] {
        cache.server.each(5_000, &format!("redis.call('get', 'product:{key}')"));
    }
    cache.settle();
    let ttl = |key: &str| cache.server.run(&["ttl", key]).parse::<i64>().expect("a number");
    assert!(["product:3", "product:33", "product:333"].into_iter().all(|key| ttl(key) > 3_000));
    assert!(ttl("product:4") <= 60);
}

#[test]
fn rows_come_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        // The apply asks once it has the lock, and to fill; the plan after it asks once more.
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).expect("a request");
            let body = rows(100);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).expect("an answer");
        }
    });
    let cache =
        Cache::start(&WARM.replace("file = \"products.jsonl\"", &format!("http = \"http://{address}/export.jsonl\"")));
    cache.settle();
    assert_eq!(cache.server.run(&["get", "product:99"]), "p99");
    server.join().expect("three requests");
    cache.run(&["plan"]).code(3).says("cannot be read");
}
