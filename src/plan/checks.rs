//! Checks across targets: what no single target can see, such as pools that together want more connections than the database has.
//!
//! Plain data in, findings out. A rule finds nothing where one of its sides is absent or not known; it never guesses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::units::Duration;
use crate::model::{Attributes, Check, Comparison, Kind, Origin, ResourceId, TargetId, Value, Verdict, text};
use crate::policy::{Node, NodeValue, Target};
use crate::provider::{Pair, Wanted};

/// What PostgreSQL keeps for superusers where nobody says otherwise.
const SUPERUSER_RESERVED: i64 = 3;

/// The settings of a target that rules read; no other one is taken along, since it could be a secret.
const LINKS: [&str; 3] = ["upstream", "instances", "capacity"];

/// A resource, and where the policy speaks of it.
pub type Placed = (ResourceId, Arc<Attributes>, Option<Origin>);

/// A target as it will be: what is wanted laid over what is there.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Which one.
    pub id: TargetId,
    /// `upstream`, `instances` and `capacity`, as far as they are written.
    pub links: Attributes,
    /// Its resources, with where the policy speaks of them.
    pub resources: Vec<Placed>,
}

impl Subject {
    /// A target as the policy alone knows it, without looking.
    pub fn of_policy(target: &Target, origin: impl Fn(&crate::policy::Resource) -> Origin) -> Self {
        let declared = target.resources.iter().filter(|resource| !resource.absent);
        let resources = declared.map(|resource| {
            let attributes = match plain(&resource.node) {
                Some(Value::Object(attributes)) => attributes,
                _ => Attributes::new(),
            };
            (resource.id.clone(), Arc::new(attributes), Some(origin(resource)))
        });
        Self { id: target.id.clone(), links: links(target), resources: resources.collect() }
    }

    /// A target after a look at it.
    pub fn of_survey(target: &Target, kinds: &[Kind], pairs: &[Pair]) -> Self {
        let after = |pair: &Pair| {
            let whole = kinds.iter().any(|kind| kind.name == pair.id.kind && kind.comparison == Comparison::Whole);
            let attributes = match (&pair.want, &pair.live) {
                (Wanted::Absent, _) | (Wanted::Undeclared, None) => return None,
                (Wanted::Undeclared, Some(live)) => live.clone(),
                (Wanted::Here(want), Some(live)) if !whole && want != live => Arc::new(laid_over(want, live)),
                (Wanted::Here(want), _) => want.clone(),
            };
            Some((pair.id.clone(), attributes, pair.origin.clone()))
        };
        Self { id: target.id.clone(), links: links(target), resources: pairs.iter().filter_map(after).collect() }
    }

    fn link(&self, name: &str) -> Option<&str> {
        self.links.get(name)?.as_str()
    }

    fn count(&self, name: &str) -> Option<i64> {
        self.links.get(name)?.as_i64()
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Placed> {
        self.resources.iter().filter(move |(id, ..)| id.kind == kind)
    }

    fn only(&self, kind: &str) -> Option<&Placed> {
        self.resources.iter().find(|(id, ..)| id.kind == kind)
    }

    /// A whole number of a singleton.
    fn number(&self, kind: &str, name: &str) -> Option<i64> {
        self.only(kind)?.1.get(name)?.as_i64()
    }

    /// The places of the policy that speak of these kinds.
    fn places(&self, kinds: &[&str]) -> impl Iterator<Item = Origin> {
        let places = self.resources.iter().filter(|(id, ..)| kinds.contains(&id.kind.as_str()));
        places.filter_map(|(.., origin)| origin.clone()).collect::<Vec<_>>().into_iter()
    }
}

fn links(target: &Target) -> Attributes {
    let settings = target.settings.table();
    let link = |name: &str| Some((name.to_owned(), plain(&settings?.get(name)?.node)?));
    LINKS.into_iter().filter_map(link).collect()
}

/// A node as a plain value; what is looked up elsewhere is left out.
fn plain(node: &Node) -> Option<Value> {
    Some(match &node.value {
        NodeValue::Bool(value) => Value::from(*value),
        NodeValue::Int(value) => Value::from(*value),
        NodeValue::Float(value) => Value::from(*value),
        NodeValue::Text(value) => Value::from(value.clone()),
        NodeValue::Reference(_) => return None,
        NodeValue::List(items) => items.iter().filter_map(plain).collect(),
        NodeValue::Table(table) => {
            let entries = table.iter().filter_map(|(key, entry)| Some((key.clone(), plain(&entry.node)?)));
            Value::Object(entries.collect())
        }
    })
}

fn laid_over(want: &Attributes, live: &Attributes) -> Attributes {
    let mut out = live.clone();
    for (key, wanted) in want {
        let value = match (wanted, live.get(key)) {
            (Value::Object(want), Some(Value::Object(live))) => Value::Object(laid_over(want, live)),
            _ => wanted.clone(),
        };
        out.insert(key.clone(), value);
    }
    out
}

/// Judges every rule.
pub fn across(targets: &[Subject]) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(targets.iter().filter_map(|database| server_connections(database, targets)));
    checks.extend(targets.iter().flat_map(|database| pooled_limits(database, targets)));
    checks.extend(targets.iter().filter_map(|upstream| client_connections(upstream, targets)));
    checks.extend(targets.iter().filter_map(|app| cache_order(app, targets)));
    checks.extend(targets.iter().filter_map(edge_ttl));
    checks.extend(targets.iter().filter_map(|balancer| node_connections(balancer, targets)));
    checks
}

/// Judges what can be said of the policy alone, whichever targets are looked at: invalidations go to a cache that is there.
pub fn of_policy(targets: &[Subject]) -> Vec<Check> {
    let rules = targets.iter().flat_map(|target| target.of_kind("invalidation").map(move |rule| (target, rule)));
    let judge = |(target, (id, rule, origin)): (&Subject, &Placed)| {
        let cache = rule.get("cache")?.as_str()?;
        let what = target.id.resource(id.clone());
        let known = targets.iter().any(|target| target.id.to_string() == cache);
        let (message, hint) = match cache.split_once('.') {
            Some(("redis", _)) if known => (format!("`{what}` goes to `{cache}`"), String::new()),
            _ if known => (format!("`{what}` goes to `{cache}`, which is no cache"), "name a Redis target".to_owned()),
            _ => {
                let caches: Vec<_> = targets.iter().filter(|target| target.id.provider == "redis").collect();
                if caches.is_empty() {
                    return None;
                }
                let names: Vec<String> = caches.iter().map(|cache| cache.id.to_string()).collect();
                let hint = match text::nearest(cache, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add [{cache}] with its `url`"),
                };
                (format!("`{what}` goes to `{cache}`, and the policy has no such target"), hint)
            }
        };
        Some(check("invalidation-cache", hint.is_empty(), message, &hint, origin.clone()))
    };
    rules.filter_map(judge).collect()
}

fn check(name: &str, holds: bool, message: String, hint: &str, origins: impl IntoIterator<Item = Origin>) -> Check {
    let verdict = if holds { Verdict::Pass } else { Verdict::Fail };
    // Many resources of one table are one place to look at.
    let mut seen = BTreeSet::new();
    let origins = origins.into_iter().filter(|origin| seen.insert((origin.file.clone(), origin.line))).collect();
    Check { name: name.into(), verdict, message, hint: (!holds).then(|| hint.to_owned()), origins }
}

fn n(count: i64) -> String {
    text::thousands(count.unsigned_abs())
}

fn names<'a>(targets: impl Iterator<Item = &'a Subject>) -> String {
    text::list(targets.map(|target| target.id.to_string()))
}

/// The targets of a provider that lead to `upstream`.
fn leading_to<'a>(targets: &'a [Subject], provider: &str, upstream: &Subject) -> Vec<&'a Subject> {
    let upstream = upstream.id.to_string();
    targets
        .iter()
        .filter(|target| target.id.provider == provider && target.link("upstream") == Some(&upstream))
        .collect()
}

/// The server connections that one entry of a pooler may open for each user, and the database and user it opens them as.
struct Entry {
    most: i64,
    database: String,
    user: Option<String>,
}

/// The entries of a pooler; `None` where the size of one is not known.
fn entries(pooler: &Subject) -> Option<Vec<Entry>> {
    let default = |name: &str| pooler.number("settings", name);
    let entry = |(id, pool, _): &Placed| {
        let own = |name: &str| pool.get(name).and_then(Value::as_i64);
        let text = |name: &str| pool.get("connection").and_then(|c| c.get(name)).and_then(Value::as_str);
        let size = own("pool_size").or_else(|| default("default_pool_size"))?;
        let reserve = own("reserve_pool_size").or_else(|| default("reserve_pool_size")).unwrap_or_default();
        let cap = own("max_db_connections").or_else(|| default("max_db_connections")).filter(|cap| *cap > 0);
        Some(Entry {
            most: cap.map_or(size + reserve, |cap| cap.min(size + reserve)),
            database: text("dbname").unwrap_or(id.label()).to_owned(),
            user: text("user").map(str::to_owned),
        })
    };
    pooler.of_kind("pool").map(entry).collect()
}

/// What a database has for everybody but superusers.
fn capacity(database: &Subject) -> Option<i64> {
    let of = |name: &str| database.number("settings", name);
    let superusers = of("superuser_reserved_connections").unwrap_or(SUPERUSER_RESERVED);
    Some(of("max_connections")? - superusers - of("reserved_connections").unwrap_or_default())
}

/// All poolers of a database together fit into it, beside those who come directly.
fn server_connections(database: &Subject, targets: &[Subject]) -> Option<Check> {
    let mut room = capacity(database)?;
    let poolers = leading_to(targets, "pgbouncer", database);
    let pools: Vec<Entry> =
        poolers.iter().map(|pooler| entries(pooler)).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    if pools.is_empty() {
        return None;
    }
    let most: i64 = pools.iter().map(|pool| pool.most).sum();
    // Who comes directly is known only where every pool says whom it comes as.
    let users: Option<BTreeSet<&str>> = pools.iter().map(|pool| pool.user.as_deref()).collect();
    let limit = |role: &Attributes| role.get("connection_limit").and_then(Value::as_i64).filter(|limit| *limit > 0);
    let direct: i64 = users.map_or(0, |users| {
        let others = database.of_kind("role").filter(|(id, ..)| !users.contains(id.label()));
        others.filter_map(|(_, role, _)| limit(role)).sum()
    });
    room -= direct;
    let beside = if direct > 0 { format!(" beside {} of roles that come directly", n(direct)) } else { String::new() };
    // The size of a pool is for each user that comes.
    let each = if pools.iter().all(|pool| pool.user.is_some()) { "" } else { " for each user" };
    let message = format!(
        "pools of {} may open {} connections{each}; `{}` has room for {}{beside}",
        names(poolers.iter().copied()),
        n(most),
        database.id,
        n(room.max(0)),
    );
    let kinds: &[&str] = &["settings", "pool"];
    let origins = database.places(&["settings"]).chain(poolers.iter().flat_map(|pooler| pooler.places(kinds)));
    Some(check(
        "server-connections",
        most <= room,
        message,
        "make the pools smaller, or raise max_connections",
        origins,
    ))
}

/// The pools of one user or one database stay within its own limit.
fn pooled_limits(database: &Subject, targets: &[Subject]) -> Vec<Check> {
    let poolers = leading_to(targets, "pgbouncer", database);
    let Some(pools) = poolers.iter().map(|pooler| entries(pooler)).collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let mut sums: BTreeMap<(&str, String), i64> = BTreeMap::new();
    for pool in pools.into_iter().flatten() {
        *sums.entry(("database", pool.database)).or_default() += pool.most;
        if let Some(user) = pool.user {
            *sums.entry(("role", user)).or_default() += pool.most;
        }
    }
    let judge = |(id, limited, origin): &Placed| {
        let limit = limited.get("connection_limit").and_then(Value::as_i64).filter(|limit| *limit >= 0)?;
        let most = *sums.get(&(id.kind.as_str(), id.label().to_owned()))?;
        let message = format!(
            "pools of {} may open {} connections; `{}` allows {}",
            names(poolers.iter().copied()),
            n(most),
            database.id.resource(id.clone()),
            n(limit)
        );
        let origins = origin.clone().into_iter().chain(poolers.iter().flat_map(|pooler| pooler.places(&["pool"])));
        Some(check(
            "connection-limit",
            most <= limit,
            message,
            "make the pools smaller, or raise connection_limit",
            origins,
        ))
    };
    database.of_kind("role").chain(database.of_kind("database")).filter_map(judge).collect()
}

/// All instances of all applications fit into what they connect to.
fn client_connections(upstream: &Subject, targets: &[Subject]) -> Option<Check> {
    let (room, raise) = match upstream.id.provider.as_str() {
        "pgbouncer" => (upstream.number("settings", "max_client_conn")?, "max_client_conn"),
        "postgres" => (capacity(upstream)?, "max_connections"),
        _ => return None,
    };
    let apps = leading_to(targets, "app", upstream);
    let most = apps.iter().map(|app| Some(app.number("pool", "max")? * app.count("instances").unwrap_or(1)));
    let most: i64 = most.collect::<Option<Vec<_>>>()?.into_iter().sum();
    if apps.is_empty() {
        return None;
    }
    let message = format!(
        "all instances of {} may open {} connections; `{}` takes {}",
        names(apps.iter().copied()),
        n(most),
        upstream.id,
        n(room.max(0))
    );
    let origins = upstream.places(&["settings"]).chain(apps.iter().flat_map(|app| app.places(&["pool"])));
    Some(check("client-connections", most <= room, message, &format!("lower pool.max, or raise {raise}"), origins))
}

fn duration(attributes: &Attributes, name: &str) -> Option<Duration> {
    attributes.get(name)?.as_str()?.parse().ok()
}

/// A level of a cache keeps its entries at least as long as the level above; the lowest may be a table of the database behind.
fn cache_order(app: &Subject, targets: &[Subject]) -> Option<Check> {
    let mut levels: Vec<(i64, String, Duration)> = app
        .of_kind("cache_level")
        .filter_map(|(id, level, _)| {
            Some((level.get("priority")?.as_i64()?, app.id.resource(id.clone()).to_string(), duration(level, "ttl")?))
        })
        .collect();
    levels.sort();
    let database = behind(app, targets).filter(|target| target.id.provider == "postgres");
    let tables: Vec<_> = database.iter().flat_map(|target| target.of_kind("cache_table")).collect();
    // One table can only be the lowest level; of several, nobody says which.
    if let (Some(database), [(id, table, _)]) = (database, tables.as_slice())
        && let Some(ttl) = duration(table, "ttl")
    {
        levels.push((i64::MAX, database.id.resource(id.clone()).to_string(), ttl));
    }
    if levels.len() < 2 {
        return None;
    }
    let broken = levels.windows(2).find(|pair| pair[1].2 < pair[0].2);
    let message = match broken {
        Some(pair) => format!(
            "`{}` keeps entries for {}, shorter than `{}` above it with {}",
            pair[1].1, pair[1].2, pair[0].1, pair[0].2
        ),
        None => {
            let order: Vec<String> = levels.iter().map(|(_, _, ttl)| ttl.to_string()).collect();
            format!("the levels of `{}` keep entries for {}", app.id, order.join(", "))
        }
    };
    let tables = database.iter().flat_map(|target| target.places(&["cache_table"]));
    let origins = app.places(&["cache_level"]).chain(tables);
    Some(check("cache-order", broken.is_none(), message, "give lower levels the same or a longer ttl", origins))
}

/// The last target of the chain of `upstream`s.
fn behind<'a>(target: &Subject, targets: &'a [Subject]) -> Option<&'a Subject> {
    let mut found = None;
    let mut next = target.link("upstream");
    // As many steps as there are targets: a ring of them ends, too.
    for _ in targets {
        let Some(there) = next.and_then(|id| targets.iter().find(|target| target.id.to_string() == id)) else { break };
        found = Some(there);
        next = there.link("upstream");
    }
    found
}

/// The edge of a CDN keeps what it serves at least as long as browsers do: else it asks the origin for what browsers still have.
fn edge_ttl(cdn: &Subject) -> Option<Check> {
    let rules: Vec<_> = cdn
        .of_kind("rule")
        .filter_map(|(id, rule, origin)| {
            Some((id, duration(rule, "edge_ttl")?, duration(rule, "browser_ttl")?, origin))
        })
        .collect();
    let broken: Vec<_> = rules.iter().filter(|(_, edge, browser, _)| edge < browser).collect();
    let message = match broken.first() {
        Some((id, edge, browser, _)) => {
            let more = broken.len() - 1;
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!(
                "`{}` keeps for {edge} at the edge and for {browser} in browsers{more}",
                cdn.id.resource((*id).clone())
            )
        }
        None if rules.is_empty() => return None,
        None => format!("the rules of `{}` keep at the edge at least as long as in browsers", cdn.id),
    };
    let origins = broken.iter().filter_map(|(.., origin)| (*origin).clone());
    Some(check("edge-ttl", broken.is_empty(), message, "raise edge_ttl, or lower browser_ttl", origins))
}

/// A balancer opens no more connections to a node than the application behind accepts.
fn node_connections(balancer: &Subject, targets: &[Subject]) -> Option<Check> {
    let most = balancer.number("reuse", "max_connections")?;
    let app = targets.iter().find(|target| balancer.link("upstream") == Some(&target.id.to_string()))?;
    let room = app.count("capacity")?;
    let message = format!(
        "`{}` opens up to {} connections to a node; an instance of `{}` accepts {}",
        balancer.id,
        n(most),
        app.id,
        n(room)
    );
    let origins = balancer.places(&["reuse"]).chain(app.places(&["http_agent", "pool"]));
    Some(check("node-connections", most <= room, message, "lower reuse.max_connections", origins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Targets as `{"provider.name": {"@upstream": …, "kind.name": {…}}}`.
    fn judged(targets: &Value) -> String {
        let mut line = 0;
        let subjects: Vec<Subject> = targets
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, body)| {
                let (provider, name) = id.split_once('.').unwrap();
                let mut subject =
                    Subject { id: TargetId::new(provider, name), links: Attributes::new(), resources: Vec::new() };
                for (key, value) in body.as_object().unwrap() {
                    if let Some(link) = key.strip_prefix('@') {
                        subject.links.insert(link.to_owned(), value.clone());
                        continue;
                    }
                    line += 1;
                    let id = match key.split_once('.') {
                        Some((kind, name)) => ResourceId::named(kind, name),
                        None => ResourceId::only(key),
                    };
                    let origin = Origin { file: "p.toml".into(), line };
                    subject.resources.push((id, value.as_object().unwrap().clone().into(), Some(origin)));
                }
                subject
            })
            .collect();
        let show = |check: Check| {
            let places: Vec<String> = check.origins.iter().map(|origin| origin.line.to_string()).collect();
            format!("{:?} {}: {} [{}]", check.verdict, check.name, check.message, places.join(" "))
        };
        across(&subjects).into_iter().map(show).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn pools_fit_into_their_database() {
        let shop = |most: i64, pool: i64| {
            json!({
                "postgres.shop": {"settings": {"max_connections": most}, "role.batch": {"connection_limit": 10}, "database.shop": {"connection_limit": 50}},
                "pgbouncer.a": {"@upstream": "postgres.shop", "settings": {"default_pool_size": 20, "reserve_pool_size": 5},
                    "pool.shop": {"pool_size": pool, "connection": {"user": "app"}}},
                "pgbouncer.b": {"@upstream": "postgres.shop", "settings": {"default_pool_size": 20},
                    "pool.x": {"connection": {"user": "app", "dbname": "shop"}, "max_db_connections": 15}}
            })
        };
        insta::assert_snapshot!(judged(&shop(100, 30)), @r"
        Pass server-connections: pools of `pgbouncer.a` and `pgbouncer.b` may open 50 connections; `postgres.shop` has room for 87 beside 10 of roles that come directly [1 4 5 6 7]
        Pass connection-limit: pools of `pgbouncer.a` and `pgbouncer.b` may open 50 connections; `postgres.shop.database.shop` allows 50 [3 5 7]
        ");
        insta::assert_snapshot!(judged(&shop(60, 40)), @r"
        Fail server-connections: pools of `pgbouncer.a` and `pgbouncer.b` may open 60 connections; `postgres.shop` has room for 47 beside 10 of roles that come directly [1 4 5 6 7]
        Fail connection-limit: pools of `pgbouncer.a` and `pgbouncer.b` may open 60 connections; `postgres.shop.database.shop` allows 50 [3 5 7]
        ");
        assert_eq!(
            judged(&json!({
                "postgres.shop": {"settings": {"max_connections": 10}},
                "pgbouncer.a": {"@upstream": "postgres.other", "pool.shop": {"pool_size": 100}},
                "pgbouncer.b": {"@upstream": "postgres.shop", "pool.shop": {}}
            })),
            ""
        );
    }

    #[test]
    fn applications_fit_into_what_they_connect_to() {
        insta::assert_snapshot!(judged(&json!({
            "pgbouncer.main": {"settings": {"max_client_conn": 100}},
            "app.api": {"@upstream": "pgbouncer.main", "@instances": 4, "pool": {"max": 20}},
            "app.jobs": {"@upstream": "pgbouncer.main", "pool": {"max": 30}}
        })), @"Fail client-connections: all instances of `app.api` and `app.jobs` may open 110 connections; `pgbouncer.main` takes 100 [1 2 3]");
        insta::assert_snapshot!(judged(&json!({
            "haproxy.web": {"@upstream": "app.api", "reuse": {"max_connections": 200}},
            "app.api": {"@capacity": 100}
        })), @"Fail node-connections: `haproxy.web` opens up to 200 connections to a node; an instance of `app.api` accepts 100 [1]");
    }

    #[test]
    fn what_lies_lower_keeps_longer() {
        insta::assert_snapshot!(judged(&json!({
            "postgres.shop": {"cache_table.pages": {"ttl": "30m"}},
            "pgbouncer.main": {"@upstream": "postgres.shop"},
            "app.api": {"@upstream": "pgbouncer.main", "cache_level.l1": {"ttl": "5m", "priority": 1}, "cache_level.l2": {"ttl": "1h", "priority": 2}},
            "cloudflare.assets": {"rule.a": {"edge_ttl": "1h", "browser_ttl": "1d"}, "rule.b": {"edge_ttl": "1d", "browser_ttl": "1d"}},
            "cloudflare.fine": {"rule.b": {"edge_ttl": "1d", "browser_ttl": "1h"}, "rule.c": {"edge_ttl": "respect"}}
        })), @r"
        Fail cache-order: `postgres.shop.cache_table.pages` keeps entries for 30m, shorter than `app.api.cache_level.l2` above it with 1h [2 3 1]
        Fail edge-ttl: `cloudflare.assets.rule.a` keeps for 1h at the edge and for 1d in browsers [4]
        Pass edge-ttl: the rules of `cloudflare.fine` keep at the edge at least as long as in browsers []
        ");
    }
}
