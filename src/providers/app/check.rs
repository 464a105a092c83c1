//! The rules of an application's settings: first for what the policy says alone, then for what it leads to together with what is published.

use std::collections::BTreeMap;

use super::spec::{CacheLevel, HttpAgent, Pool, Publish, Settings, Spec};
use crate::model::ResourceId;
use crate::model::units::Duration;
use crate::provider::{Pairing, Problem, Want};

/// The most connections of one instance's pool.
const MOST: i64 = 100;
const ACQUIRE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);

/// Checks without the published document.
pub fn offline(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = publish(&settings.publish);
    if settings.instances == Some(0) {
        problems.push(of_target("instances", "there is at least one instance"));
    }
    let mut levels = BTreeMap::new();
    for Want { id, spec, .. } in wants {
        match spec {
            None if id.name.is_none() => {
                problems.push(Problem::of(id, format!("`{id}` cannot be absent")).hint("leave the table out instead"));
            }
            None => {}
            Some(spec) => {
                problems.extend(alone(id, spec));
                if let Spec::CacheLevel(level) = spec {
                    levels.insert(id, level);
                }
            }
        }
    }
    problems.extend(order(&levels, |_| true));
    problems
}

/// Checks what the wants lead to together with what is published: `live` holds all of its cache levels.
pub fn online(pairs: &[Pairing<Spec>], live: &[(ResourceId, Spec)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut levels: BTreeMap<ResourceId, CacheLevel> = BTreeMap::new();
    for (id, spec) in live {
        if let Spec::CacheLevel(level) = spec {
            levels.insert(id.clone(), level.clone());
        }
    }
    for Pairing { id, want, live } in pairs {
        match (want, live) {
            (Spec::Pool(want), Some(Spec::Pool(live))) => {
                let merged = Pool { max: want.max.or(live.max), min: want.min.or(live.min), ..want.clone() };
                if want.max.is_none() || want.min.is_none() {
                    problems.extend(least_and_most(id, merged.min, merged.max, want.min.is_some()));
                }
            }
            (Spec::CacheLevel(want), live) => {
                let merged = match live {
                    Some(Spec::CacheLevel(live)) => CacheLevel {
                        ttl: want.ttl.or(live.ttl),
                        priority: want.priority.or(live.priority),
                        ..want.clone()
                    },
                    _ => want.clone(),
                };
                levels.insert(id.clone(), merged);
            }
            _ => {}
        }
    }
    let wanted = |id: &ResourceId| pairs.iter().any(|pair| pair.id == *id);
    problems.extend(order(&levels.iter().collect(), wanted));
    problems
}

fn of_target(attribute: &str, message: &str) -> Problem {
    Problem { id: None, attribute: Some(attribute.into()), message: message.into(), hint: None }
}

fn publish(publish: &Publish) -> Vec<Problem> {
    let example =
        "write publish = { file = \"/etc/shop/runtime.json\" }, or { redis = \"redis.cache\", key = \"config:api\" }";
    let wrong = |message: &str| vec![of_target("publish", message).hint(example)];
    match publish {
        Publish { file: Some(_), redis: None, key: None, channel: None } => Vec::new(),
        Publish { file: None, redis: Some(_), key: Some(_), .. } if cfg!(feature = "redis") => Vec::new(),
        Publish { file: None, redis: Some(_), key: Some(_), .. } => wrong("this build of evenkeel has no Redis"),
        Publish { file: Some(_), redis: Some(_), .. } => wrong("it is either a file or a key of Redis"),
        Publish { file: Some(_), .. } => wrong("`key` and `channel` belong to Redis"),
        Publish { redis: Some(_), key: None, .. } => wrong("`redis` needs a `key`"),
        Publish { file: None, redis: None, .. } => wrong("it names neither a file nor a key of Redis"),
    }
}

fn alone(id: &ResourceId, spec: &Spec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut at_least = |name: &str, value: Option<i64>, least: i64| {
        if let Some(value) = value.filter(|value| *value < least) {
            problems.push(Problem::of(id, format!("{name} {value} is under {least}")).at(name));
        }
    };
    let mut times: Vec<(&str, Option<Duration>, Duration)> = Vec::new();
    let short = Duration::from_millis(1);
    match spec {
        Spec::Pool(pool) => {
            at_least("min", pool.min, 1);
            at_least("max", pool.max, 1);
            times.extend([
                ("acquire_timeout", pool.acquire_timeout, ACQUIRE),
                ("idle_timeout", pool.idle_timeout, IDLE),
                ("create_timeout", pool.create_timeout, short),
                ("destroy_timeout", pool.destroy_timeout, short),
                ("reap_interval", pool.reap_interval, short),
                ("create_retry_interval", pool.create_retry_interval, short),
            ]);
        }
        Spec::HttpAgent(agent) => {
            at_least("max_sockets", agent.max_sockets, 1);
            at_least("max_free_sockets", agent.max_free_sockets, 0);
            at_least("max_cached_sessions", agent.max_cached_sessions, 0);
            times
                .extend([("timeout", agent.timeout, short), ("keep_alive_interval", agent.keep_alive_interval, short)]);
        }
        Spec::Cache(_) => {}
        Spec::CacheLevel(level) => {
            at_least("max_size", level.max_size, 1);
            at_least("priority", level.priority, 1);
            times.push(("ttl", level.ttl, short));
        }
    }
    for (name, value, least) in times {
        let Some(value) = value else { continue };
        if value < least {
            problems.push(Problem::of(id, format!("{name} {value} is under {least}")).at(name));
        } else if !value.as_micros().is_multiple_of(1_000) {
            problems.push(Problem::of(id, format!("{name} {value} is no whole number of milliseconds")).at(name));
        }
    }
    match spec {
        Spec::Pool(pool) => {
            if let Some(max) = pool.max.filter(|max| *max > MOST) {
                problems.push(
                    Problem::of(id, format!("max {max} is over {MOST}"))
                        .at("max")
                        .hint("many connections make a database slower; put PgBouncer in between instead"),
                );
            }
            problems.extend(least_and_most(id, pool.min, pool.max, true));
        }
        Spec::HttpAgent(HttpAgent { max_sockets: Some(most), max_free_sockets: Some(free), .. }) if free > most => {
            problems.push(
                Problem::of(id, format!("max_free_sockets {free} is over max_sockets {most}")).at("max_free_sockets"),
            );
        }
        _ => {}
    }
    problems
}

fn least_and_most(id: &ResourceId, min: Option<i64>, max: Option<i64>, min_is_written: bool) -> Option<Problem> {
    let (min, max) = (min?, max?);
    let attribute = if min_is_written { "min" } else { "max" };
    (min > max).then(|| Problem::of(id, format!("min {min} is over max {max}")).at(attribute))
}

/// Levels have distinct priorities, and what is asked later keeps its entries at least as long.
fn order(levels: &BTreeMap<&ResourceId, &CacheLevel>, wanted: impl Fn(&ResourceId) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut sorted: Vec<(&ResourceId, i64, Option<Duration>)> =
        levels.iter().filter_map(|(id, level)| Some((*id, level.priority?, level.ttl))).collect();
    sorted.sort_by_key(|(id, priority, _)| (*priority, id.name.clone()));
    for pair in sorted.windows(2) {
        let [(above, first, above_ttl), (below, second, below_ttl)] = pair else { continue };
        // At whichever of the two the policy writes.
        let at = if wanted(below) { below } else { above };
        if !wanted(at) {
            continue;
        }
        if first == second {
            let message = format!("`{}` and `{}` both have priority {first}", above.label(), below.label());
            problems.push(Problem::of(at, message).at("priority"));
        }
        if let (Some(above_ttl), Some(below_ttl)) = (above_ttl, below_ttl)
            && below_ttl < above_ttl
        {
            let message = format!(
                "`{}` keeps entries for {below_ttl}, shorter than `{}` above it with {above_ttl}",
                below.label(),
                above.label()
            );
            problems.push(Problem::of(at, message).at("ttl").hint("give lower levels the same or a longer ttl"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Origin;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn check(publish: serde_json::Value, wants: serde_json::Value) -> String {
        let settings: Settings = serde_json::from_value(json!({ "publish": publish })).unwrap();
        let wants: Vec<Want<Spec>> = wants
            .as_object()
            .unwrap()
            .iter()
            .map(|(path, spec)| {
                let id = match path.split_once('.') {
                    Some((kind, name)) => ResourceId::named(kind, name),
                    None => ResourceId::only(path),
                };
                let spec = Some(serde_json::from_value(json!({ id.kind.clone(): spec })).unwrap());
                Want { id, spec, origin: Origin { file: "p.toml".into(), line: 1 } }
            })
            .collect();
        let problems = offline(&settings, &wants).into_iter().map(|problem| {
            let id = problem.id.map_or("target".into(), |id| id.to_string());
            format!("{id} at {}: {}", problem.attribute.unwrap_or_default(), problem.message)
        });
        problems.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_broken_rule_is_told_at_its_key() {
        let file = json!({"file": "/a.json"});
        insta::assert_snapshot!(check(file.clone(), json!({
            "pool": {"max": 101, "min": 0, "acquire_timeout": "999ms", "idle_timeout": "4s", "reap_interval": "1500us"},
            "http_agent": {"max_sockets": 5, "max_free_sockets": 6, "timeout": "0s"},
            "cache_level.l1": {"priority": 1, "ttl": "5m"},
            "cache_level.l2": {"priority": 1, "ttl": "1m"},
            "cache_level.l3": {"priority": 3, "ttl": "30s", "max_size": 0}
        })), @r"
        pool at min: min 0 is under 1
        pool at acquire_timeout: acquire_timeout 999ms is under 1s
        pool at idle_timeout: idle_timeout 4s is under 5s
        pool at reap_interval: reap_interval 1ms500us is no whole number of milliseconds
        pool at max: max 101 is over 100
        http_agent at timeout: timeout 0s is under 1ms
        http_agent at max_free_sockets: max_free_sockets 6 is over max_sockets 5
        cache_level.l3 at max_size: max_size 0 is under 1
        cache_level.l2 at priority: `l1` and `l2` both have priority 1
        cache_level.l2 at ttl: `l2` keeps entries for 1m, shorter than `l1` above it with 5m
        cache_level.l3 at ttl: `l3` keeps entries for 30s, shorter than `l2` above it with 1m
        ");
        insta::assert_snapshot!(check(file.clone(), json!({"pool": {"max": 5, "min": 6}})), @"pool at min: min 6 is over max 5");
        assert_eq!(
            check(
                file,
                json!({
                    "pool": {"max": 100, "min": 1, "acquire_timeout": "1s", "idle_timeout": "5s"},
                    "cache_level.l1": {"priority": 1, "ttl": "5m"},
                    "cache_level.l2": {"priority": 2, "ttl": "5m"}
                })
            ),
            ""
        );
    }

    #[test]
    fn settings_are_published_in_exactly_one_place() {
        let check = |publish, expected: &str| assert_eq!(check(publish, json!({})), expected);
        check(json!({"file": "/a"}), "");
        check(json!({"redis": "redis.cache", "key": "k", "channel": "c"}), "");
        check(json!({}), "target at publish: it names neither a file nor a key of Redis");
        check(json!({"redis": "redis.cache"}), "target at publish: `redis` needs a `key`");
        check(json!({"file": "/a", "key": "k"}), "target at publish: `key` and `channel` belong to Redis");
        check(
            json!({"file": "/a", "redis": "x", "key": "k"}),
            "target at publish: it is either a file or a key of Redis",
        );
    }
}
