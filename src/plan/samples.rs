//! Hand-built plans for the tests of everything that shows, saves or compares one.

use std::time::Duration;

use serde_json::json;

use super::{Breach, Document, Incomplete, Note, Plan, TargetSummary};
use crate::model::change::Suppressed;
use crate::model::{
    Action, Address, Approval, Attributes, Change, Check, Facts, Field, Hazard, Impact, Origin, ResourceId, Stage,
    Step, StepId, TargetId, Value, Verdict,
};

/// Every sample, as a document.
pub fn all() -> Vec<Document> {
    vec![nothing(), nothing_seen(), shop(), blocked(), rich(), hostile(), fleet(6, 3)]
}

/// A plan to fill with [`Sample`]'s methods.
#[derive(Default)]
pub struct Sample(pub Plan);

impl Sample {
    pub fn target(mut self, id: &str, identity: &str, unchanged: usize) -> Self {
        self.0.targets.push(TargetSummary { id: target(id), identity: identity.into(), unchanged });
        self
    }

    pub fn change(mut self, change: Change) -> Self {
        self.0.changes.push(change);
        self
    }

    /// A step that covers `covers`, on the target of the first of them.
    pub fn step(mut self, covers: &[&str], command: &str, edit: impl FnOnce(&mut Step)) -> Self {
        let covers: Vec<_> = covers.iter().map(|text| address(text)).collect();
        let mut step = Step {
            id: StepId(u32::try_from(self.0.steps.len()).expect("a sample is small") + 1),
            target: covers[0].target.clone(),
            wave: 0,
            stage: Stage::Shift,
            title: command.split(' ').take(3).collect::<Vec<_>>().join(" "),
            command: command.into(),
            covers,
            hazards: Vec::new(),
            timeout: Duration::from_secs(30),
            lock_timeout: None,
            impact: Impact::Runtime,
            op: 0,
        };
        edit(&mut step);
        self.0.steps.push(step);
        self
    }

    pub fn edit(mut self, edit: impl FnOnce(&mut Plan)) -> Self {
        edit(&mut self.0);
        self
    }

    pub fn document(self) -> Document {
        Document { evenkeel_version: "0.1.0".into(), ..Document::from(&self.0) }
    }
}

pub fn target(text: &str) -> TargetId {
    let (provider, name) = text.split_once('.').expect("provider.name");
    TargetId::new(provider, name)
}

pub fn address(text: &str) -> Address {
    let parts: Vec<_> = text.splitn(4, '.').collect();
    let id = match parts[..] {
        [_, _, kind] => ResourceId::only(kind),
        [_, _, kind, name] => ResourceId::named(kind, name),
        _ => panic!("`{text}` is no address"),
    };
    TargetId::new(parts[0], parts[1]).resource(id)
}

fn attributes(value: Value) -> Attributes {
    match value {
        Value::Object(map) => map,
        other => panic!("`{other}` are no attributes"),
    }
}

fn change(at: &str, action: Action, before: Option<Value>, after: Option<Value>) -> Change {
    Change {
        address: address(at),
        action,
        fields: Vec::new(),
        before: before.map(attributes),
        after: after.map(attributes),
        facts: Facts::default(),
        origin: None,
        reason: None,
        blocked: None,
    }
}

pub fn origin(text: &str) -> Option<Origin> {
    let (file, line) = text.split_once(':')?;
    Some(Origin { file: file.into(), line: line.parse().ok()? })
}

pub fn create(at: &str, after: Value, from: &str) -> Change {
    let mut change = change(at, Action::Create, None, Some(after));
    change.fields = fields(&change, &[]);
    Change { origin: origin(from), ..change }
}

pub fn update(at: &str, before: Value, after: Value, from: &str) -> Change {
    let mut change = change(at, Action::Update, Some(before), Some(after));
    change.fields = fields(&change, &[]);
    Change { origin: origin(from), ..change }
}

pub fn replace(at: &str, before: Value, after: Value, replaces: &[&str], from: &str) -> Change {
    let mut change = change(at, Action::Replace, Some(before), Some(after));
    change.fields = fields(&change, replaces);
    Change { origin: origin(from), ..change }
}

pub fn delete(at: &str, before: Value, reason: &str) -> Change {
    Change { reason: Some(reason.into()), ..change(at, Action::Delete, Some(before), None) }
}

fn fields(change: &Change, replaces: &[&str]) -> Vec<Field> {
    let empty = Attributes::new();
    let (before, after) = (change.before.as_ref().unwrap_or(&empty), change.after.as_ref().unwrap_or(&empty));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let all = after.keys().chain(gone).filter(|key| before.get(*key) != after.get(*key));
    all.map(|key| Field {
        path: key.clone(),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
        replaces: replaces.contains(&key.as_str()),
    })
    .collect()
}

pub fn notice(code: &'static str, evidence: &str) -> Hazard {
    Hazard { code, approval: Approval::Notice, evidence: evidence.into() }
}

pub fn required(code: &'static str, evidence: &str) -> Hazard {
    Hazard { code, approval: Approval::Required, evidence: evidence.into() }
}

/// Nothing differs.
pub fn nothing() -> Document {
    Sample::default().target("postgres.shop", "pg-7301", 14).edit(|plan| plan.policy_digest = "aa".into()).document()
}

/// Nothing differs, but not everything could be read.
pub fn nothing_seen() -> Document {
    Sample::default()
        .target("postgres.shop", "pg-7301", 12)
        .target("redis.cache", "", 0)
        .edit(|plan| {
            plan.incomplete = vec![
                Incomplete {
                    what: "postgres.shop.role.app".into(),
                    reason: "permission denied for table pg_authid".into(),
                    hint: Some("grant what `evenkeel grants postgres --for plan` prints".into()),
                },
                Incomplete {
                    what: "redis.cache".into(),
                    reason: "connection to 10.0.0.7:6379 refused".into(),
                    hint: None,
                },
            ];
        })
        .document()
}

/// The example of the documentation.
pub fn shop() -> Document {
    Sample::default()
        .target("haproxy.web", "web-1:/run/haproxy/admin.sock#web", 2)
        .target("postgres.shop", "pg-7301", 14)
        .change(update(
            "haproxy.web.node.server-2",
            json!({"address": "10.0.0.2:80", "weight": 1}),
            json!({"address": "10.0.0.2:80", "weight": 3}),
            "policies/shop.toml:61",
        ))
        .change(create(
            "postgres.shop.index.users_by_tenant",
            json!({"table": "public.users", "columns": ["tenant_id", "created_at desc"], "where": "is_active"}),
            "policies/shop.toml:14",
        ))
        .change(Change {
            facts: Facts::default().with("size_bytes", 734_003_200_u64).with("scans", 0).with("valid", true),
            ..delete(
                "postgres.shop.index.users_old",
                json!({"table": "public.users", "columns": ["tenant_id"]}),
                "prune",
            )
        })
        .step(
            &["postgres.shop.index.users_by_tenant"],
            "create index concurrently users_by_tenant on public.users (tenant_id, created_at desc) where is_active",
            |step| {
                step.stage = Stage::Expand;
                step.timeout = Duration::from_hours(2);
                step.lock_timeout = Some(Duration::from_secs(3));
                step.hazards =
                    vec![notice("builds-index", "about 1.2 GB, writers are not blocked, waits for older transactions")];
            },
        )
        .step(&["haproxy.web.node.server-2"], "set server web/server-2 weight 3", |_| {})
        .step(&["postgres.shop.index.users_old"], "drop index concurrently public.users_old", |step| {
            step.stage = Stage::Contract;
            step.lock_timeout = Some(Duration::from_secs(3));
            step.hazards = vec![required("drops-index", "never used since statistics were reset 41 days ago")];
        })
        .edit(|plan| {
            plan.policy_digest = "5f".repeat(32);
            plan.unmanaged = (0..12).map(|n| address(&format!("postgres.shop.index.other_{n:02}"))).collect();
        })
        .document()
}

/// Protected resources and broken limits.
pub fn blocked() -> Document {
    let mut sample = Sample::default().target("postgres.shop", "pg-7301", 8);
    for n in 1..=4 {
        let at = format!("postgres.shop.index.old_{n}");
        sample = sample.change(delete(&at, json!({"table": "orders", "columns": ["id"]}), "prune")).step(
            &[&at],
            &format!("drop index concurrently public.old_{n}"),
            |step| {
                step.stage = Stage::Contract;
                step.hazards = vec![required("drops-index", &format!("last used {n} h ago, 1.2 M scans"))];
            },
        );
    }
    sample
        .change(Change {
            blocked: Some("`protect = true` at policies/shop.toml:40".into()),
            ..replace(
                "postgres.shop.index.orders_pkey",
                json!({"table": "orders", "columns": ["id"]}),
                json!({"table": "orders", "columns": ["id", "tenant_id"]}),
                &["columns"],
                "policies/shop.toml:38",
            )
        })
        .edit(|plan| {
            plan.guards = vec![Breach {
                code: "max-delete-percent",
                subject: "postgres.shop.index".into(),
                message: "4 of 13 would be deleted, 30.7% is over 30%".into(),
            }];
        })
        .document()
}

/// One of everything.
pub fn rich() -> Document {
    let suffixes = |extra: &[&str]| {
        let mut list: Vec<_> = (1..=12).map(|n| format!("*.type{n:02}")).collect();
        list.extend(extra.iter().map(ToString::to_string));
        json!(list)
    };
    let sql = |limit: u32, order: &str| {
        json!(format!(
            "select id, email, created_at from users where tenant_id = $1 and is_active order by {order} limit {limit}"
        ))
    };
    Sample::default()
        .target("cloudflare.assets", "zone 023e105f4ecef8ad9ca31a8372d0c353", 3)
        .target("nginx.web", "web-1:/etc/nginx/conf.d/web.conf#web", 0)
        .target("pgbouncer.main", "pgb-1:6432", 2)
        .target("postgres.shop", "pg-7301", 11)
        .change(update(
            "cloudflare.assets.rule.scripts",
            json!({"match": suffixes(&["*.bak", "*.old"]), "edge_ttl": "7d", "compress": true}),
            json!({"match": suffixes(&["*.mjs"]), "edge_ttl": "1d", "compress": true}),
            "policies/cdn.toml:9",
        ))
        .change(create("nginx.web.node.c", json!({"address": "10.0.0.3:80", "weight": 2}), "policies/web.toml:20"))
        .change(update(
            "nginx.web.node.a",
            json!({"weight": 1, "state": "ready"}),
            json!({"weight": 3, "state": "drain"}),
            "policies/web.toml:12",
        ))
        .change(update("nginx.web.balance", json!({"algorithm": "ip-hash"}), json!({"algorithm": "round-robin"}), "policies/web.toml:8"))
        .change(update(
            "pgbouncer.main.settings",
            json!({"default_pool_size": 20, "server_idle_timeout": "10m", "stats_users": "ops"}),
            json!({"default_pool_size": 40, "server_idle_timeout": "5m"}),
            "policies/production.overlay.toml:114",
        ))
        .change(replace(
            "postgres.shop.index.orders_by_user",
            json!({"table": "orders", "columns": ["user_id"], "with": {"fillfactor": 90}}),
            json!({"table": "orders", "columns": ["user_id", "created_at desc"], "with": {"fillfactor": 70}}),
            &["columns"],
            "policies/shop.toml:22",
        ))
        .change(update(
            "postgres.shop.cache_table.page_cache",
            json!({"refill": sql(20, "created_at")}),
            json!({"refill": sql(50, "created_at desc")}),
            "policies/shop.toml:51",
        ))
        .change(update(
            "postgres.shop.invalidation.users",
            json!({"body": "begin\n  insert into outbox values (old.id);\n  return old;\nend"}),
            json!({"body": "begin\n  insert into outbox values (new.id);\n  notify outbox;\n  return new;\nend"}),
            "policies/shop.toml:60",
        ))
        .step(
            &["postgres.shop.index.orders_by_user"],
            "create index concurrently orders_by_user_ek4f1c on public.orders (user_id, created_at desc) with (fillfactor = 70)",
            |step| {
                step.stage = Stage::Expand;
                step.timeout = Duration::from_hours(2);
                step.lock_timeout = Some(Duration::from_secs(3));
                step.hazards = vec![notice("builds-index", "about 340 MB, writers are not blocked")];
            },
        )
        .step(&["cloudflare.assets.rule.scripts"], "PUT /zones/023e/rulesets/phases/http_request_cache_settings/entrypoint", |step| {
            step.hazards = vec![required("cools-cache", "edge TTL falls from 7d to 1d for 33 patterns")];
        })
        .step(&["nginx.web.node.c", "nginx.web.node.a", "nginx.web.balance"], "write /etc/nginx/conf.d/web.conf", |step| {
            step.timeout = Duration::from_secs(5);
        })
        .step(&["nginx.web.node.c", "nginx.web.node.a", "nginx.web.balance"], "nginx -s reload", |step| {
            step.impact = Impact::Reload;
            step.hazards = vec![required("removes-capacity", "1 of 2 nodes takes no new requests")];
        })
        .step(&["pgbouncer.main.settings"], "write /etc/pgbouncer/pgbouncer.ini\nRELOAD", |step| {
            step.impact = Impact::Reload;
        })
        .step(&["postgres.shop.cache_table.page_cache"], "update evenkeel.cache_table set refill = '…'", |_| {})
        .step(&["postgres.shop.invalidation.users"], "create or replace function evenkeel.users_changed() …", |step| {
            step.impact = Impact::Restart;
        })
        .step(&["postgres.shop.index.orders_by_user"], "drop index concurrently public.orders_by_user", |step| {
            step.stage = Stage::Contract;
            step.lock_timeout = Some(Duration::from_secs(3));
            step.hazards = vec![required("drops-index", "last used 2 h ago, 1.2 M scans")];
        })
        .step(
            &["postgres.shop.index.orders_by_user"],
            "alter index public.orders_by_user_ek4f1c rename to orders_by_user",
            |step| step.stage = Stage::Contract,
        )
        .edit(|plan| {
            plan.changes[5].facts = Facts::default()
                .with("size_bytes", 356_515_840_u64)
                .with("scans", 1_204_331)
                .with("last_used", "2 h ago");
            plan.incomplete = vec![Incomplete {
                what: "postgres.shop.role.app".into(),
                reason: "permission denied for table pg_authid".into(),
                hint: Some("grant what `evenkeel grants postgres --for plan` prints".into()),
            }];
            plan.suppressed = vec![Suppressed {
                address: address("haproxy.web.node.server-1"),
                fields: vec![Field {
                    path: "weight".into(),
                    before: Some(json!(10)),
                    after: Some(json!(1)),
                    replaces: false,
                }],
            }];
            let check = |name: &str, verdict, message: &str| Check {
                name: name.into(),
                verdict,
                message: message.into(),
                hint: None,
                origins: Vec::new(),
            };
            plan.checks = vec![
                check("postgres.shop.query.orders", Verdict::Pass, "cost 12 is within max_cost 500"),
                Check {
                    hint: Some("add an index on users (tenant_id)".into()),
                    origins: origin("policies/shop.toml:70").into_iter().collect(),
                    ..check("postgres.shop.query.active_users", Verdict::Fail, "cost 812 is over max_cost 500")
                },
                Check {
                    origins: [origin("policies/pools.toml:4"), origin("policies/shop.toml:8")].into_iter().flatten().collect(),
                    ..check("pool-sizes", Verdict::Unknown, "max_connections of postgres.shop could not be read")
                },
            ];
            plan.notes = vec![Note {
                target: target("postgres.shop"),
                message: "index `users_email` and `users_email_idx` are the same".into(),
            }];
        })
        .document()
}

/// Names and evidence that try to break out of every format.
pub fn hostile() -> Document {
    let name = "x` ``` </details> <script>alert(1)</script> | @everyone \u{202e}gpj.exe \u{1b}[31m --> #1";
    let at = TargetId::new("postgres", "shop").resource(ResourceId::named("index", name));
    Sample::default()
        .target("postgres.shop", "pg`7301", 0)
        .change(Change { address: at.clone(), ..delete("postgres.shop.index.x", json!({"table": "t"}), "prune") })
        .change(update(
            "postgres.shop.settings",
            json!({"search_path": "a\u{1b}]0;owned\u{7}", "x": "~~~\n```\n</details>\n@everyone"}),
            json!({"search_path": "$user", "x": "ok"}),
            "policies/a`b.toml:3",
        ))
        .step(&["postgres.shop.index.x"], &format!("drop index concurrently {name:?}\n-- ```\n</details>"), |step| {
            step.covers = vec![at];
            step.hazards = vec![required("drops-index", "used by @everyone | </details> ``` <b>")];
        })
        .step(&["postgres.shop.settings"], "alter system set x = '<!-- -->'", |_| {})
        .edit(|plan| {
            plan.notes = vec![Note {
                target: target("postgres.shop"),
                message: "<img src=x onerror=alert(1)> --> `@here`".into(),
            }];
        })
        .document()
}

/// Many targets: each has the same changes, and one of its own.
pub fn fleet(targets: usize, each: usize) -> Document {
    let mut sample = Sample::default();
    for n in 0..targets {
        let id = format!("postgres.shard-{n:02}");
        sample = sample.target(&id, &format!("pg-{n}"), 20);
        for c in 0..each {
            let at = format!("{id}.index.by_column_{c:02}");
            sample = sample
                .change(create(
                    &at,
                    json!({"table": "events", "columns": [format!("column_{c:02}")]}),
                    "policies/shards.toml:9",
                ))
                .step(
                    &[&at],
                    &format!("create index concurrently by_column_{c:02} on public.events (column_{c:02})"),
                    |step| {
                        step.lock_timeout = Some(Duration::from_secs(3));
                        step.hazards = vec![notice("builds-index", "about 12 MB, writers are not blocked")];
                    },
                );
        }
        let at = format!("{id}.index.own_{n:02}");
        sample = sample.change(delete(&at, json!({"table": "events", "columns": ["id"]}), "prune")).step(
            &[&at],
            &format!("drop index concurrently public.own_{n:02}"),
            |step| {
                step.stage = Stage::Contract;
                step.hazards = vec![required("drops-index", &format!("last used {n} days ago"))];
            },
        );
    }
    sample.document()
}

/// A plan made of whatever is given: one deletion or update per name, on the target of the letter before it.
pub fn arbitrary(names: &[(String, String)], commands: &[String], evidence: &str) -> Document {
    let mut sample = Sample::default();
    for (i, (letter, name)) in names.iter().enumerate() {
        let at = TargetId::new("redis", letter).resource(ResourceId::named("ttl", format!("{name}{i}")));
        let text = |n: usize| json!({ "match": commands[n % commands.len()] });
        let changed = if i % 2 == 0 {
            delete("redis.x.ttl.x", text(i), evidence)
        } else {
            update("redis.x.ttl.x", text(i), text(i + 1), "a.toml:1")
        };
        sample = sample
            .change(Change { address: at.clone(), ..changed })
            .step(&["redis.x.ttl.x"], &commands[i % commands.len()], |step| {
                step.target = at.target.clone();
                step.covers = vec![at];
                step.hazards = vec![required("shortens-ttl", evidence)];
            })
            .edit(|plan| plan.notes.push(Note { target: target("redis.a"), message: evidence.into() }));
    }
    sample.document()
}
