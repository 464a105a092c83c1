//! What changing a pooler may do to the people behind it, with the evidence.

use super::catalog::{self, Weight};
use super::layer::{self, Layer};
use super::site::{Load, Site};
use crate::model::{Action, Approval, Hazard, HazardKind, ResourceId, Value, value};

const VOLATILE: HazardKind = HazardKind {
    code: "volatile",
    approval: Approval::Notice,
    doc: "The change is made in the running PgBouncer only. A restart or a RELOAD brings back what its file says. \
          Give the target its `config` file to make changes last.",
};
const NEEDS_RESTART: HazardKind = HazardKind {
    code: "needs-restart",
    approval: Approval::Notice,
    doc: "PgBouncer reads this setting at its start only. The file is changed; evenkeel does not restart PgBouncer, which would \
          disconnect every client. Until then the plan says that a restart is pending and does not repeat the change.",
};
const NEEDS_RELOAD: HazardKind = HazardKind {
    code: "needs-reload",
    approval: Approval::Notice,
    doc: "Only the file is changed, because the target has no `admin_url`. The running PgBouncer follows when it is told to RELOAD, \
          by `systemctl reload pgbouncer` or in its console, or when it is restarted.",
};
const SHRINKS_POOL: HazardKind = HazardKind {
    code: "shrinks-pool",
    approval: Approval::Required,
    doc: "There will be less room: fewer server connections, or fewer clients. Connections in use are not cut; they are closed when they are \
          released, and clients that find no room wait, up to query_wait_timeout, or are refused. Compare the new size with what is in use now.",
};
const SHORTENS_TIMEOUT: HazardKind = HazardKind {
    code: "shortens-timeout",
    approval: Approval::Notice,
    doc: "Clients that wait, run or idle longer than the new timeout are disconnected. Compare it with the longest query and the longest pause that \
          the application is entitled to.",
};
const CHANGES_MODE: HazardKind = HazardKind {
    code: "changes-pool-mode",
    approval: Approval::Required,
    doc: "What belongs to a session (SET, LISTEN, advisory locks, temporary tables, prepared statements) survives only in session pooling. Going from \
          session to transaction or statement breaks clients that rely on it; going back multiplies the server connections in use.",
};
const DROPS_POOL: HazardKind = HazardKind {
    code: "drops-pool",
    approval: Approval::Required,
    doc: "The entry leaves [databases]. Its clients are disconnected at once, and new ones are refused, unless an entry `*` stands in. \
          Move the clients away first and look at SHOW POOLS.",
};
const MOVES_POOL: HazardKind = HazardKind {
    code: "moves-pool",
    approval: Approval::Required,
    doc: "The entry will lead to another server, database or user. Server connections are replaced as they are released; clients stay connected and \
          find themselves somewhere else.",
};
const REVERTS_LIVE: HazardKind = HazardKind {
    code: "reverts-live",
    approval: Approval::Required,
    doc: "RELOAD makes the running PgBouncer as its file says, also where somebody has used SET or edited the file without a RELOAD. Those changes are \
          not part of the policy, and this run would put them into effect. Write them into the policy or the file first.",
};

/// All of them.
pub static ALL: &[HazardKind] = &[
    VOLATILE,
    NEEDS_RESTART,
    NEEDS_RELOAD,
    SHRINKS_POOL,
    SHORTENS_TIMEOUT,
    CHANGES_MODE,
    DROPS_POOL,
    MOVES_POOL,
    REVERTS_LIVE,
];

/// The change is in memory only.
pub fn volatile() -> Hazard {
    VOLATILE.with("a restart or RELOAD of PgBouncer loses it")
}

/// The file alone is changed.
pub fn needs_reload() -> Hazard {
    NEEDS_RELOAD.with("takes effect when PgBouncer is told to RELOAD, or restarted")
}

/// RELOAD would do this as well.
pub fn reverts_live(pending: &[String]) -> Hazard {
    REVERTS_LIVE.with(format!("RELOAD also brings {}", pending.join(", ")))
}

/// The hazards of a change of one resource.
pub fn of_change(
    site: &Site,
    id: &ResourceId,
    action: Action,
    want: &Layer,
    live: Option<&Layer>,
    changed: &[String],
) -> Vec<Hazard> {
    let load = site.running.as_ref().map(|running| match &id.name {
        Some(name) => running.load.get(name).copied().unwrap_or_default(),
        None => running.total(),
    });
    let now = |load: Option<Load>| {
        load.map_or("how many clients are connected is not known without `admin_url`".into(), |l| l.to_string())
    };
    if action == Action::Delete {
        return vec![DROPS_POOL.with(now(load))];
    }
    let mut hazards = Vec::new();
    if id.kind == "settings" {
        let fixed: Vec<_> = changed.iter().filter(|key| site.fixed(key)).map(String::as_str).collect();
        if !fixed.is_empty() {
            hazards.push(
                NEEDS_RESTART
                    .with(format!("{} at the next restart of PgBouncer, which evenkeel does not do", fixed.join(", "))),
            );
        }
    }
    if action == Action::Create {
        return hazards;
    }
    for path in changed {
        let Some(after) = want.get(path) else { continue };
        // What counts is what the people who are connected have now; the file alone disturbs nobody.
        let written = || live.and_then(|live| live.get(path)).cloned();
        let before = in_effect(site, id, path).or_else(written).or_else(|| catalog::default_of(setting(id, path)));
        if before.as_ref() == Some(after) {
            continue;
        }
        let shown = before.as_ref().map_or("unset".into(), value::show);
        let what = format!("{path} {shown} -> {}", value::show(after));
        let hurts = |weight: Weight| before.as_ref().is_some_and(|before| weight.hurts(before, after));
        match weight(id, path) {
            weight @ (Weight::Room | Weight::RoomOrUnlimited) if hurts(weight) => {
                hazards.push(SHRINKS_POOL.with(format!("{what}; {}", now(load))));
            }
            Weight::Patience if hurts(Weight::Patience) => hazards.push(SHORTENS_TIMEOUT.with(what)),
            Weight::Mode => hazards.push(CHANGES_MODE.with(format!("{what}; {}", now(load)))),
            _ if path.starts_with("connection.") => hazards.push(MOVES_POOL.with(format!("{what}; {}", now(load)))),
            _ => {}
        }
    }
    hazards
}

/// The setting that an attribute is, or that stands in for it.
fn setting<'a>(id: &ResourceId, path: &'a str) -> &'a str {
    let attribute = if id.kind == "pool" { layer::pool_attribute(path) } else { None };
    attribute.and_then(|attribute| attribute.fallback).unwrap_or(path)
}

fn weight(id: &ResourceId, path: &str) -> Weight {
    catalog::key(setting(id, path)).map_or(Weight::None, |key| key.weight)
}

/// What holds now, where the running server or a setting that stands in for an entry tells it.
fn in_effect(site: &Site, id: &ResourceId, path: &str) -> Option<Value> {
    let Some(name) = id.name.as_deref() else {
        return site.running.as_ref()?.settings.get(path).cloned();
    };
    if let Some(running) = &site.running
        && let Some(value) = running.pools.get(name).and_then(|pool| pool.get(path))
    {
        return Some(value.clone());
    }
    if site.written().get(name).is_some_and(|entry| entry.contains_key(path)) {
        return None;
    }
    let setting = layer::pool_attribute(path)?.fallback.or_else(|| (path == "pool_mode").then_some("pool_mode"))?;
    match &site.running {
        Some(running) => running.settings.get(setting).cloned(),
        None => site.promised(setting),
    }
}
