//! The subject on Redis.

use std::process::Command;

use super::subject::{Subject, allow_all};
use crate::kit::{Folder, Hold, REDIS_PASSWORD, Redis};

/// A cache on a server of its own.
pub struct Cache {
    folder: Folder,
    server: Redis,
}

const POLICY: &str = r#"
[redis.cache]
url = { env = "REDIS_URL" }

[redis.cache.settings]
maxmemory = "64mb"
maxmemory-policy = "volatile-lru"
notify-keyspace-events = "KEA"

[redis.cache.ttl.sessions]
match = "session:*"
max_ttl = "1h"
jitter = "10%"

[redis.cache.purge.deploy]
match = ["user:*", "list:*"]
token = "deploy-41"
mode = "delayed"
delay = "3s"

[redis.cache.warm.products]
key = "product:{id}"
value = "{name}"
ttl = "1h"
refresh_before = "10m"
source = { file = "products.jsonl" }
"#;

/// Every key with its value and the moment it expires; for a shape only whether it does.
const DIGEST: &str = "
local out = {}
local keys = redis.call('keys', '*')
table.sort(keys)
for _, key in ipairs(keys) do
    local at = redis.call('pexpiretime', key)
    if ARGV[1] == 'shape' and at > 0 then at = 1 end
    local kind = redis.call('type', key).ok
    local value = kind == 'hash' and table.concat(redis.call('hgetall', key), ',') or redis.call('get', key)
    out[#out + 1] = key .. '=' .. value .. '@' .. at
end
return table.concat(out, ' ')
";

impl Subject for Cache {
    const TARGET: &'static str = "redis.cache";

    fn start() -> Self {
        let folder = Folder::with_policy(&(allow_all("redis") + POLICY));
        let rows: String = (0..50).map(|n| format!("{{\"id\": {n}, \"name\": \"p{n}\"}}\n")).collect();
        folder.write("products.jsonl", &rows);
        let server = Redis::start();
        for n in 0..20 {
            server.run(&["set", &format!("session:{n}"), "s"]);
            server.run(&["set", &format!("user:{n}"), "u", "ex", "500"]);
        }
        server.run(&["set", "other", "o"]);
        Self { folder, server }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![("REDIS_URL".into(), self.server.url())]
    }

    fn fingerprint(&self) -> String {
        let settings = self.server.run(&["config", "get", "*"]);
        let mut settings: Vec<_> = settings.lines().collect();
        settings.sort_unstable();
        format!("{}\n{settings:?}\n{}", self.server.run(&["eval", DIGEST, "0", "all"]), self.server.config())
    }

    fn shape(&self) -> String {
        let settings = ["maxmemory", "maxmemory-policy", "notify-keyspace-events"]
            .map(|name| self.server.run(&["config", "get", name]));
        format!("{}\n{settings:?}", self.server.run(&["eval", DIGEST, "0", "shape"]))
    }

    fn meddle(&self) -> &'static str {
        self.server.run(&["persist", "session:7"]);
        "redis.cache.ttl.sessions"
    }

    fn spoil(&self) -> &'static str {
        self.server.run(&["config", "set", "maxmemory", "32mb"]);
        "redis.cache.settings"
    }

    fn hold(&self) -> Hold {
        // The purge waits by itself for as long as its `delay` says.
        Hold::open(&mut Command::new("sh"), "")
    }

    fn held_up(&self) -> bool {
        let journal = self.folder.file("state/evenkeel/journal.jsonl");
        std::fs::read_to_string(journal).is_ok_and(|text| {
            text.lines().last().is_some_and(|line| line.contains("\"intent\"") && line.contains("purge.deploy"))
        })
    }

    fn elsewhere(&self) -> &'static str {
        "[redis.elsewhere]\nurl = \"redis://127.0.0.1:1\"\n\n[redis.elsewhere.ttl.a]\nmatch = \"a:*\"\nmax_ttl = \"1h\"\n"
    }

    fn secrets(&self) -> Vec<String> {
        vec![REDIS_PASSWORD.into()]
    }
}
