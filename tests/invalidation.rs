//! Changes of tables and the keys they remove: the real program between a real PostgreSQL and a real Redis.

mod declared;
mod failover;
mod keys;
mod worker;
mod workload;

use std::collections::BTreeSet;

use crate::kit::{Folder, Output, Postgres, Redis, Run};

/// A database, a cache, and a folder with a policy for both.
pub struct Shop {
    pub database: Postgres,
    pub cache: Redis,
    pub folder: Folder,
}

impl Shop {
    /// Servers with this schema, and a policy of these resources of `postgres.shop`, applied.
    pub fn start(schema: &str, resources: &str) -> Self {
        let shop = Self::bare(schema);
        shop.declare(resources);
        shop.settle();
        shop
    }

    /// Servers with this schema, and no policy yet.
    pub fn bare(schema: &str) -> Self {
        let shop = Self { database: Postgres::start(), cache: Redis::with("appendonly yes"), folder: Folder::new() };
        shop.database.sql(schema);
        shop
    }

    /// Replaces the policy; all hazards are allowed.
    pub fn declare(&self, resources: &str) {
        let hazards: Vec<_> = evenkeel::providers::REGISTRY
            .iter()
            .filter(|provider| provider.name == "postgres")
            .flat_map(|provider| provider.hazards.iter().map(|hazard| hazard.code))
            .collect();
        let head = format!(
            "[guards]\nallow = {hazards:?}\n\n[redis.cache]\nurl = {{ env = \"REDIS_URL\" }}\n\n\
             [postgres.shop]\nurl = {{ env = \"DATABASE_URL\" }}\n\n"
        );
        self.folder.write("policies/shop.toml", &(head + resources));
    }

    /// evenkeel with these arguments.
    pub fn run(&self, args: &[&str]) -> Run {
        Run::new(&self.folder).args(args).env("DATABASE_URL", self.database.url()).env("REDIS_URL", self.cache.url())
    }

    /// Applies, and expects that nothing is left to do.
    #[track_caller]
    pub fn settle(&self) {
        self.run(&["apply", "--yes"]).code(0);
        self.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    }

    /// Drains the outbox, and expects that all went well.
    #[track_caller]
    pub fn drain(&self) -> Output {
        self.run(&["invalidate"]).code(0)
    }

    /// Puts these keys into the cache.
    pub fn fill(&self, keys: &[&str]) {
        for key in keys {
            assert_eq!(self.cache.run(&["set", key, "1"]), "OK");
        }
    }

    /// What is in the cache, sorted.
    pub fn cached(&self) -> BTreeSet<String> {
        let all = self.cache.run(&["eval", "return redis.call('keys', '*')", "0"]);
        all.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Fills these keys, makes this change, drains, and expects these keys to be left.
    #[track_caller]
    pub fn check(&self, filled: &[&str], change: &str, left: &[&str]) {
        self.cache.run(&["flushall"]);
        self.fill(filled);
        self.database.sql(change);
        self.drain().says("0 rows left");
        assert_eq!(self.cached(), left.iter().map(|key| (*key).to_owned()).collect(), "{change}");
    }
}
