//! From differences to the one write that makes them all. Does no I/O.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::document::{self, Edit};
use super::place::Name;
use super::spec::Spec;
use crate::model::{Action, Approval, Attributes, Hazard, HazardKind, Impact, ResourceId, Stage, Value, units, value};
use crate::provider::{Delta, Draft};

const TIMEOUT: Duration = Duration::from_secs(30);

const SHRINKS_POOL: HazardKind = HazardKind {
    code: "shrinks-pool",
    approval: Approval::Required,
    doc: "Every instance of the application will have less room for work at the same time. Requests that find no connection wait, up to the \
          acquire timeout, and then fail. Compare the new size with how many connections are busy at the peak.",
};
const SHORTENS_TTL: HazardKind = HazardKind {
    code: "shortens-ttl",
    approval: Approval::Notice,
    doc: "A level of the cache keeps its entries for a shorter time, so that the level below is asked more often. See whether that one bears it.",
};
const DROPS_LEVEL: HazardKind = HazardKind {
    code: "drops-level",
    approval: Approval::Required,
    doc: "A level of the cache is no longer published. What it answered is asked of the level below, or of the source, at once.",
};

/// All of them.
pub static HAZARDS: &[HazardKind] = &[SHRINKS_POOL, SHORTENS_TTL, DROPS_LEVEL];

/// What the place holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    #[serde(skip)]
    pub(super) name: Name,
    /// The bytes that were read; `None`: nothing is published yet.
    #[serde(skip)]
    pub(super) bytes: Option<Vec<u8>>,
    /// All resources in it, also what the policy does not declare.
    #[serde(skip)]
    pub(super) live: Vec<(ResourceId, Spec)>,
}

/// Publishes a changed document.
#[derive(Clone, Debug)]
pub struct Op {
    /// Where.
    pub(super) name: Name,
    /// As it was read.
    pub(super) before: Option<Vec<u8>>,
    /// What becomes of it.
    pub(super) edits: Vec<Edit>,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits: Vec<String> = self.edits.iter().map(ToString::to_string).collect();
        write!(f, "write {}: {}", self.name, edits.join("; "))?;
        match &self.name.channel {
            Some(channel) => write!(f, "; publish {channel}"),
            None => Ok(()),
        }
    }
}

/// What to run: one write, which all readers see as a whole.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    if deltas.is_empty() {
        return Vec::new();
    }
    let (mut edits, mut hazards) = (Vec::new(), Vec::new());
    for Delta { id, action, want, live, changed, .. } in deltas {
        let layer = |spec: &Option<Spec>| spec.as_ref().and_then(|spec| value::erase(spec).ok()).unwrap_or_default();
        let (want, live) = (layer(want), layer(live));
        if *action == Action::Delete {
            edits.push(document::drop(id));
            hazards.push(DROPS_LEVEL.with(gone(id, &live)));
            continue;
        }
        let differs = |name: &&String| *action == Action::Create || changed.contains(*name);
        for name in want.keys().filter(differs) {
            edits.push(document::set(id, name, &want[name]));
            hazards.extend(hazard(id, name, live.get(name), &want[name]));
        }
    }
    let stage = match () {
        () if deltas.iter().all(|delta| delta.action == Action::Create) => Stage::Expand,
        () if deltas.iter().all(|delta| delta.action == Action::Delete) => Stage::Contract,
        () => Stage::Shift,
    };
    vec![Draft {
        stage,
        title: format!("publish {}", site.name),
        covers: deltas.iter().map(|delta| delta.id.clone()).collect(),
        hazards,
        timeout: TIMEOUT,
        lock_timeout: None,
        impact: Impact::Runtime,
        op: Op { name: site.name.clone(), before: site.bytes.clone(), edits },
    }]
}

fn gone(id: &ResourceId, live: &Attributes) -> String {
    let of = |name: &str| live.get(name).map(|value| format!(" {name} {}", value::show(value))).unwrap_or_default();
    format!("{id}{}{}", of("type"), of("ttl"))
}

fn hazard(id: &ResourceId, name: &str, before: Option<&Value>, after: &Value) -> Option<Hazard> {
    let before = before?;
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<units::Duration>().ok());
    let what = || format!("{id}.{name} {} -> {}", value::show(before), value::show(after));
    match (id.kind.as_str(), name) {
        ("pool", "max") | ("http_agent", "max_sockets") if after.as_i64() < before.as_i64() => {
            Some(SHRINKS_POOL.with(what()))
        }
        ("cache_level", "ttl") if time(after) < time(before) => Some(SHORTENS_TTL.with(what())),
        _ => None,
    }
}
