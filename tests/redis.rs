//! What Redis resources do to real servers: one, a cluster, one behind a sentinel.

mod cluster;
mod fault;
mod purge;
mod rows;
mod sentinel;
mod settings;
mod tls;
mod ttl;
mod warm;

use std::time::Duration;

use crate::kit::{Folder, Redis, Run, eventually};

/// A server and a folder with a policy for it.
pub struct Cache {
    pub server: Redis,
    pub folder: Folder,
}

impl Cache {
    /// A fresh server, and a policy of these resources of `redis.cache`, whose hazards are all allowed.
    pub fn start(policy: &str) -> Self {
        Self::on(Redis::start(), policy)
    }

    /// The same on a server that is there.
    pub fn on(server: Redis, policy: &str) -> Self {
        let folder = Folder::new();
        let cache = Self { server, folder };
        cache.rewrite(policy);
        cache
    }

    /// Replaces the policy.
    pub fn rewrite(&self, policy: &str) {
        let hazards: Vec<_> = evenkeel::providers::REGISTRY
            .iter()
            .filter(|provider| provider.name == "redis")
            .flat_map(|provider| provider.hazards.iter().map(|hazard| hazard.code))
            .collect();
        let head = format!("[guards]\nallow = {hazards:?}\n\n[redis.cache]\nurl = {{ env = \"REDIS_URL\" }}\n");
        self.folder.write("policies/cache.toml", &(head + policy));
    }

    /// evenkeel with these arguments.
    pub fn run(&self, args: &[&str]) -> Run {
        Run::new(&self.folder).args(args).env("REDIS_URL", self.server.url())
    }

    /// Waits until an apply that was started is at its first step.
    #[track_caller]
    pub fn begun(&self) {
        let journal = self.folder.file("state/evenkeel/journal.jsonl");
        let begun = eventually(Duration::from_secs(30), || {
            std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"intent\""))
        });
        assert!(begun, "the run is at work");
    }

    /// Applies, and expects that nothing is left to do.
    #[track_caller]
    pub fn settle(&self) {
        self.run(&["apply", "--yes"]).code(0);
        self.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    }

    /// The facts of the plan's only change.
    #[track_caller]
    pub fn facts(&self) -> serde_json::Value {
        self.run(&["plan", "--emit", "json=plan.json"]).output();
        let plan: serde_json::Value = serde_json::from_str(&self.folder.read("plan.json")).expect("the plan is JSON");
        let changes = plan["resource_changes"].as_array().expect("a plan has changes");
        assert_eq!(changes.len(), 1, "{plan:#}");
        changes[0]["facts"].clone()
    }
}
