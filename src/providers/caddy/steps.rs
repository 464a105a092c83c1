//! From differences to the one step: every write is a full reload, so there is one for all of them.

use std::time::Duration;

use serde_json::json;

use super::edit::{Edit, Key};
use super::notice;
use super::op::Op;
use super::place::{APPS, Part, Place};
use super::pool::{ALGORITHMS, Pool};
use super::settings::Settings;
use super::site::Site;
use super::{time, tls};
use crate::model::{Action, Impact, Stage, text};
use crate::provider::{Delta, Draft};

use crate::providers::balancer::{Algorithm, Balance, Health, Node, Reuse, Spec, Sticky, hazard};

/// What reading and writing take at most, beside what the settings allow.
const WORK: Duration = Duration::from_mins(1);

/// What to run for these differences.
pub fn draft(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let Some(settings) = &site.settings else { return draft_blind(deltas) };
    if deltas.is_empty() {
        return Vec::new();
    }
    let pool = site.pool();
    let mut hazards = vec![match &settings.admin {
        Some(_) => notice::reload(site, &pool),
        None => notice::waits(settings),
    }];
    let (mut edits, mut gate) = (Vec::new(), Vec::new());
    for delta in deltas {
        edits.extend(edit(site, delta));
        hazards.extend(notice::of(&pool, delta));
        hazards.extend(tls::hazards(site, delta));
        gate.extend(comes(delta));
    }
    let checked = checked_after(&pool, deltas);
    gate.retain(|_| checked);
    let demand = settings.demand();
    let (mut capacity, mut removed) = (site.capacity(), false);
    for delta in deltas.iter().filter(|delta| delta.action == Action::Create) {
        if matches!(delta.want, Some(Spec::Node(_))) && checked {
            capacity = capacity.and_one();
        }
    }
    for delta in deltas.iter().filter(|delta| delta.action == Action::Delete) {
        let address = match &delta.live {
            Some(Spec::Node(node)) => node.address.as_ref(),
            _ => None,
        };
        let then = capacity.without(site.serving(address));
        hazards.extend(capacity.hazards(then, demand));
        (capacity, removed) = (then, true);
    }
    let few = demand.max_unavailable.map_or(0, |most| capacity.nodes.saturating_sub(most as usize));
    let floor = if removed { capacity.serving.min((demand.min_healthy as usize).max(few).max(1)) } else { 0 };
    let part = part(&edits);
    let place = Place::parse(&settings.handler);
    let server = site.spot.as_ref().and_then(super::place::Spot::server_url);
    let url = settings.admin.as_ref().map(|_| match (part, server) {
        (Part::Handler, _) => place.url(),
        (Part::Server, Some(server)) => server,
        _ => APPS.to_owned(),
    });
    let rotation = deltas.iter().find_map(|delta| site.tls.rotation(delta));
    let listens = hazards.iter().any(|hazard| hazard.code == hazard::LISTENER.code);
    let impact = if listens { Impact::Listener } else { Impact::Reload };
    let timeout = WORK + settings.response_timeout.std() + settings.health_timeout.std();
    let (config, within) = (settings.config.clone(), settings.health_timeout);
    let op = Op { url, part, config, gate, within, floor, edits, rotation };
    vec![Draft {
        stage: Stage::Shift,
        title: title(settings, deltas),
        covers: deltas.iter().map(|delta| delta.id.clone()).collect(),
        hazards,
        timeout,
        lock_timeout: None,
        impact,
        op,
    }]
}

/// Against a saved state nothing is known of the target; what would change is.
fn draft_blind(deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let site = Site::default();
    if deltas.is_empty() {
        return Vec::new();
    }
    let removed = |delta: &Delta<Spec>| {
        (delta.action == Action::Delete).then(|| hazard::REMOVES_CAPACITY.with("the pool is not known"))
    };
    let edits: Vec<Edit> = deltas.iter().flat_map(|delta| edit(&site, delta)).collect();
    let listener = deltas.iter().flat_map(|delta| tls::hazards(&site, delta)).collect::<Vec<_>>();
    let op = Op {
        url: None,
        part: part(&edits),
        config: None,
        gate: Vec::new(),
        within: crate::model::units::Duration::default(),
        floor: 0,
        edits,
        rotation: None,
    };
    vec![Draft {
        stage: Stage::Shift,
        title: format!("write {}", text::count(deltas.len(), "change")),
        covers: deltas.iter().map(|delta| delta.id.clone()).collect(),
        impact: if listener.is_empty() { Impact::Reload } else { Impact::Listener },
        hazards: deltas.iter().filter_map(removed).chain(listener).collect(),
        timeout: WORK,
        lock_timeout: None,
        op,
    }]
}

/// How much has to be written for these edits.
fn part(edits: &[Edit]) -> Part {
    let needs = |edit: &Edit| match edit {
        Edit::Serve(_) => Part::Apps,
        Edit::Speak(..) => Part::Server,
        _ => Part::Handler,
    };
    let all: Vec<Part> = edits.iter().map(needs).collect();
    [Part::Apps, Part::Server].into_iter().find(|part| all.contains(part)).unwrap_or(Part::Handler)
}

fn title(settings: &Settings, deltas: &[Delta<Spec>]) -> String {
    let what = match deltas {
        [one] => format!("change {}", one.id),
        many => format!("change {}", text::count(many.len(), "resource")),
    };
    let places = match (&settings.admin, &settings.config) {
        (Some(_), Some(_)) => "the running caddy and its file",
        (Some(_), None) => "the running caddy",
        _ => "the file",
    };
    format!("{what} in {places}, in one write")
}

/// The address at which a node is to be well before anything is written.
fn comes(delta: &Delta<Spec>) -> Option<String> {
    let Some(Spec::Node(Node { address: Some(address), .. })) = &delta.want else { return None };
    let moved = delta.action == Action::Create || delta.changed.iter().any(|path| path == "address");
    moved.then(|| address.clone())
}

/// Whether nodes are checked once the differences are gone.
fn checked_after(pool: &Pool, deltas: &[Delta<Spec>]) -> bool {
    let wanted = deltas.iter().find_map(|delta| match &delta.want {
        Some(Spec::Health(Health { enabled: Some(enabled), .. })) => Some(*enabled),
        Some(Spec::Health(Health { path: Some(_), .. })) => Some(true),
        _ => None,
    });
    wanted.or(pool.health.enabled).unwrap_or(false)
}

fn edit(site: &Site, delta: &Delta<Spec>) -> Vec<Edit> {
    let live = match &delta.live {
        Some(Spec::Node(node)) => node.address.clone(),
        _ => None,
    };
    match &delta.want {
        None => vec![Edit::Remove(Key::of(&site.target, delta.id.label(), live))],
        Some(Spec::Node(want)) => node(site, delta, want, live),
        Some(Spec::Balance(Balance { algorithm })) => algorithm.iter().map(|one| balance(*one)).collect(),
        Some(Spec::Sticky(want)) => sticky(want, delta),
        Some(Spec::Tls(want)) => tls::edits(site, delta, want),
        Some(Spec::Health(want)) => health(want, &delta.changed),
        Some(Spec::Reuse(want)) => reuse(want, &delta.changed),
    }
}

fn node(site: &Site, delta: &Delta<Spec>, want: &Node, live: Option<String>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let key = Key::of(&site.target, delta.id.label(), live.or_else(|| want.address.clone()));
    let at = |path: &str| delta.changed.iter().any(|changed| changed == path);
    let mut now = key.clone();
    match (&want.address, delta.action) {
        (Some(address), Action::Create) => edits.push(Edit::Add(key, address.clone())),
        (Some(address), _) if at("address") => {
            now.address = Some(address.clone());
            edits.push(Edit::Move(key, address.clone()));
        }
        _ => {}
    }
    if let Some(weight) = want.weight.filter(|_| delta.action == Action::Create || at("weight")) {
        edits.push(Edit::Weigh(now, weight));
    }
    edits
}

fn balance(algorithm: Algorithm) -> Edit {
    let name = ALGORITHMS.iter().find(|(known, _)| *known == algorithm).map_or("random", |(_, name)| name);
    Edit::Set(vec!["load_balancing", "selection_policy"], json!({ "policy": name }))
}

fn sticky(want: &Sticky, delta: &Delta<Spec>) -> Vec<Edit> {
    let at = |path: &str| delta.action == Action::Create || delta.changed.iter().any(|changed| changed == path);
    let cookie = want.cookie.clone().filter(|_| at("cookie")).map(Edit::Stick);
    let age = |ttl| Edit::Set(vec!["load_balancing", "selection_policy", "max_age"], time::write(ttl));
    cookie.into_iter().chain(want.ttl.filter(|_| at("ttl")).map(age)).collect()
}

fn health(want: &Health, changed: &[String]) -> Vec<Edit> {
    let Health { enabled, path, interval, timeout, unhealthy_threshold, healthy_threshold } = want;
    if *enabled == Some(false) {
        return vec![Edit::Unset(vec!["health_checks", "active"])];
    }
    let at = |name: &str| changed.iter().any(|changed| changed == name);
    let mut edits = Vec::new();
    let mut set = |name: &str, key: &'static str, value: Option<crate::model::Value>| {
        if let Some(value) = value.filter(|_| at(name)) {
            edits.push(Edit::Set(vec!["health_checks", "active", key], value));
        }
    };
    set("path", "uri", path.as_ref().map(|path| json!(path)));
    set("interval", "interval", interval.map(time::write));
    set("timeout", "timeout", timeout.map(time::write));
    set("unhealthy_threshold", "fails", unhealthy_threshold.map(|count| json!(count)));
    set("healthy_threshold", "passes", healthy_threshold.map(|count| json!(count)));
    edits
}

fn reuse(want: &Reuse, changed: &[String]) -> Vec<Edit> {
    let Reuse { max_connections, idle_connections, idle_timeout, keepalive_interval } = want;
    let at = |name: &str| changed.iter().any(|changed| changed == name);
    let mut edits = Vec::new();
    let mut set = |name: &str, path: &[&'static str], value: Option<crate::model::Value>| {
        if let Some(value) = value.filter(|_| at(name)) {
            edits.push(Edit::Set([&["transport"], path].concat(), value));
        }
    };
    set("max_connections", &["max_conns_per_host"], max_connections.map(|count| json!(count)));
    set("idle_connections", &["keep_alive", "max_idle_conns_per_host"], idle_connections.map(|count| json!(count)));
    set("idle_timeout", &["keep_alive", "idle_timeout"], idle_timeout.map(time::write));
    set("keepalive_interval", &["keep_alive", "probe_interval"], keepalive_interval.map(time::write));
    if !edits.is_empty() {
        // A transport that was not there before has to say what it is.
        edits.insert(0, Edit::Set(vec!["transport", "protocol"], json!("http")));
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_that_go_leave_nothing() {
        let want = Health { enabled: Some(false), ..Health::default() };
        assert_eq!(health(&want, &["enabled".into()]), [Edit::Unset(vec!["health_checks", "active"])]);
    }
}
