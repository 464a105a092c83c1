//! From differences to steps. All that comes and changes is one write and one reload; nodes that leave are marked `down` in it. What the workers
//! of before still do for them is waited for in a second step, which removes their lines.

use std::time::Duration;

use super::capability::KEEPALIVE_MIN_TIMEOUT;
use super::change;
use super::edit::Text;
use super::layout::Layout;
use super::op::{Op, Rotation};
use super::site::Site;
use crate::model::{Action, Hazard, Impact, ResourceId, Stage, text};
use crate::provider::{Delta, Draft};
use crate::providers::balancer::capacity::{Seen, Serving};
use crate::providers::balancer::reuse::Translated;
use crate::providers::balancer::{Capacity, Node, NodeState, Reuse, Spec, hazard};

/// What checking, writing and looking take at most, beside what is waited for.
const WORK: Duration = Duration::from_secs(30);
/// Within how long new workers take over.
pub const RELOAD: Duration = Duration::from_secs(30);

/// What to run for these differences.
pub fn draft(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let mut drafting = Drafting {
        site,
        text: site.text.clone(),
        names: site.names.clone(),
        capacity: site.capacity(),
        keeps: keeps(site, deltas),
        drafts: Vec::new(),
    };
    drafting.together(deltas);
    drafting.retire(deltas);
    drafting.drafts
}

/// Drafting, with the file and the pool as they will be after the steps so far.
struct Drafting<'a> {
    site: &'a Site,
    text: Text,
    names: Vec<String>,
    capacity: Capacity,
    /// How many idle connections the policy wants for each node, where that is held or comes to be held.
    keeps: Option<u32>,
    drafts: Vec<Draft<Op>>,
}

/// The idle connections for each node, which hang on how many nodes there are. Where the file does not say what the policy does, and that
/// is not among the differences, it is left alone.
fn keeps(site: &Site, deltas: &[Delta<Spec>]) -> Option<u32> {
    let idle = site.declared.idle?;
    let unit = site.unit(site.layout.servers.len())?;
    let held = site.layout.keepalive.is_some_and(|(_, kept)| unit.back(u64::from(kept), Some(idle)) == idle);
    let changes = |delta: &Delta<Spec>| delta.changed.iter().any(|path| path == "idle_connections");
    (held || deltas.iter().any(changes)).then_some(idle)
}

/// What a step does, gathered.
#[derive(Default)]
struct Parts {
    covers: Vec<ResourceId>,
    titles: Vec<String>,
    hazards: Vec<Hazard>,
    comers: Vec<(String, String)>,
    leavers: Vec<String>,
    sums: Vec<String>,
    floor: Option<usize>,
    rotation: Option<Rotation>,
    /// Whether clients are let in otherwise.
    listens: bool,
}

impl Drafting<'_> {
    fn layout(&self) -> Layout {
        let upstream = self.site.settings.as_ref().map(|s| s.upstream.clone()).unwrap_or_default();
        Layout::read(&self.text, &upstream).unwrap_or_default()
    }

    fn runs(&self) -> bool {
        self.site.settings.as_ref().is_some_and(|settings| settings.pid.is_some())
    }

    /// One node less that serves; the hazards of that.
    fn leaves(&mut self, name: &str, then: Capacity, parts: &mut Parts) {
        let demand = self.site.settings.as_ref().map(super::Settings::demand).unwrap_or_default();
        let seen = if self.runs() { Seen::Healthy } else { Seen::Ready };
        parts.hazards.extend(self.capacity.hazards_by(seen, then, demand));
        parts.floor = Some(then.serving.min((demand.min_healthy as usize).max(1)));
        parts.leavers.push(name.to_owned());
        self.capacity = then;
    }

    /// What comes and what changes, and the marks of what leaves.
    fn together(&mut self, deltas: &[Delta<Spec>]) {
        let before = self.text.clone();
        let mut parts = Parts::default();
        // Servers first: what is said of all of them is then said of those that come, too.
        for delta in deltas {
            if let (Some(Spec::Node(want)), Action::Create) = (&delta.want, delta.action) {
                self.create(&delta.id, want, &mut parts);
            }
        }
        for delta in deltas {
            match (&delta.want, delta.action) {
                (Some(Spec::Node(want)), Action::Update | Action::Replace) => self.update(delta, want, &mut parts),
                (Some(Spec::Node(_)) | None, _) => {}
                (Some(want), _) => self.tune(delta, want, &mut parts),
            }
        }
        if self.runs() {
            for delta in deltas.iter().filter(|delta| delta.action == Action::Delete) {
                self.rest(&delta.id, &mut parts);
            }
        }
        self.keep(&mut parts);
        let only_new = deltas.iter().all(|delta| delta.action == Action::Create);
        let stage = if only_new { Stage::Expand } else { Stage::Shift };
        self.push(stage, &before, parts, None);
    }

    fn create(&mut self, id: &ResourceId, want: &Node, parts: &mut Parts) {
        let name = id.label();
        let layout = self.layout();
        change::add(&mut self.text, &layout, name, want);
        self.names.push(name.to_owned());
        self.comes(name, want.address.as_ref(), want.state.unwrap_or(NodeState::Ready), parts);
        self.capacity = self.capacity.and_one();
        parts.titles.push(format!("add node {name}"));
        parts.covers.push(id.clone());
    }

    /// A node that takes requests from now on has to answer first.
    fn comes(&self, name: &str, address: Option<&String>, state: NodeState, parts: &mut Parts) {
        if let (Some(address), NodeState::Ready, true) = (address, state, self.runs()) {
            parts.comers.push((name.to_owned(), address.clone()));
        }
    }

    fn update(&mut self, delta: &Delta<Spec>, want: &Node, parts: &mut Parts) {
        let name = delta.id.label();
        parts.covers.push(delta.id.clone());
        let Some(place) = self.names.iter().position(|known| known == name) else { return };
        let layout = self.layout();
        let Some(server) = layout.servers.get(place) else { return };
        let end = want.state.unwrap_or(server.state);
        let address = want.address.clone().or_else(|| server.address.clone());
        let moves = want.address.is_some() && want.address != server.address;
        if end == NodeState::Ready && (moves || server.state != NodeState::Ready) {
            self.comes(name, address.as_ref(), end, parts);
        }
        if end != NodeState::Ready && self.site.serving(place) == Serving::Yes {
            let then = self.capacity.resting(Serving::Yes);
            self.leaves(name, then, parts);
        } else if end == NodeState::Ready && server.state != NodeState::Ready {
            self.capacity.serving += 1;
        }
        change::node(&mut self.text, server.at, name, want);
        parts.titles.push(format!("change node {name}"));
    }

    fn tune(&mut self, delta: &Delta<Spec>, want: &Spec, parts: &mut Parts) {
        parts.covers.push(delta.id.clone());
        parts.titles.push(format!("change {}", delta.id.kind));
        let layout = self.layout();
        match want {
            Spec::Balance(want) => {
                let words = layout.methods.last().and_then(|at| self.text.at(*at));
                let method = words.map_or("round robin", super::tree::Statement::name).to_owned();
                change::balance(&mut self.text, &layout, want);
                parts.hazards.push(hazard::MOVES_CLIENTS.with(format!("from {method}")));
            }
            Spec::Health(want) => change::health(&mut self.text, &layout, want),
            Spec::Reuse(want) => {
                let Reuse { max_connections, idle_connections: _, idle_timeout, keepalive_interval: _ } = want;
                let changed = |path: &str| delta.changed.iter().any(|found| found == path);
                if let Some(limit) = max_connections.filter(|_| changed("max_connections")) {
                    change::limit(&mut self.text, &layout, limit);
                    let before = layout.common(|server| server.limit).filter(|before| *before != 0).unwrap_or(u32::MAX);
                    if limit != 0 && limit < before {
                        let each = if layout.zone { "" } else { ", counted by each worker for itself" };
                        parts.hazards.push(hazard::LIMITS_CONNECTIONS.with(format!("{limit} for each node{each}")));
                    }
                }
                // Before the timeout, which is nothing without it.
                if changed("idle_connections") {
                    self.keep(parts);
                }
                if let Some(time) = idle_timeout.filter(|_| changed("idle_timeout")) {
                    let layout = self.layout();
                    change::keepalive_timeout(&mut self.text, &layout, time);
                }
            }
            Spec::Sticky(want) => {
                change::sticky(&mut self.text, &layout, want);
                if delta.changed.iter().any(|path| path == "cookie") {
                    let old = layout.sticky.and_then(|(_, sticky)| sticky.cookie);
                    let old = old.map_or("nothing".into(), |name| format!("cookie `{name}`"));
                    parts.hazards.push(hazard::MOVES_CLIENTS.with(format!("bound by {old} now")));
                }
            }
            Spec::Tls(_) => self.speak(delta, parts),
            Spec::Node(_) => {}
        }
    }

    /// How TLS is spoken with clients, in every block that does.
    fn speak(&mut self, delta: &Delta<Spec>, parts: &mut Parts) {
        let serving = &self.site.tls;
        let Some(source) = &serving.source else { return };
        for door in &serving.doors {
            let sayings = door.sayings(source, &delta.changed);
            if let Some(nth) = door.nth {
                change::tls(&mut self.text, nth, &sayings);
            }
        }
        if let (Some(wanted), true) = (&serving.wanted, delta.changed.iter().any(|path| path == "certificate")) {
            let lost = serving.served().map(|served| wanted.lacks(served)).unwrap_or_default();
            if !lost.is_empty() {
                parts
                    .hazards
                    .push(hazard::NARROWS_CERTIFICATE.with(format!("{} not in the new one", text::list(lost))));
            }
            parts.rotation = serving.rotation();
            parts.titles.pop();
            parts.titles.push(format!("serve the certificate that expires {}", wanted.end(serving.now)));
        }
        let words: Vec<&String> = delta.changed.iter().filter(|path| *path != "certificate").collect();
        if !words.is_empty() {
            let places = text::list(serving.doors.iter().map(|door| door.place.trim_matches('`').replace("` ", " ")));
            parts.hazards.push(hazard::LISTENER.with(format!("{} of {places}", text::list(words))));
            parts.listens = true;
        }
    }

    /// Each worker keeps its part of the idle connections of all nodes that there are now.
    fn keep(&mut self, parts: &mut Parts) {
        let layout = self.layout();
        let nodes = layout.servers.len();
        let (Some(idle), Some(unit)) = (self.keeps, self.site.unit(nodes).filter(|_| nodes > 0)) else { return };
        if layout.keepalive.is_none_or(|(_, kept)| unit.back(u64::from(kept), Some(idle)) != idle) {
            let Translated { value, sum } = unit.translate("keepalive", idle);
            change::keepalive(&mut self.text, &layout, value);
            parts.sums.push(sum);
        }
    }

    /// A node that is to leave takes no new requests from here on.
    fn rest(&mut self, id: &ResourceId, parts: &mut Parts) {
        let name = id.label();
        let Some(place) = self.names.iter().position(|known| known == name) else { return };
        let layout = self.layout();
        let Some(server) = layout.servers.get(place).filter(|server| server.state != NodeState::Maintenance) else {
            return;
        };
        let then = self.capacity.without(self.site.serving(place));
        self.leaves(name, then, parts);
        let down = Node { state: Some(NodeState::Maintenance), ..Node::default() };
        change::node(&mut self.text, server.at, name, &down);
        parts.titles.push(format!("mark node {name} down"));
        parts.covers.push(id.clone());
    }

    /// The lines of the nodes that leave.
    fn retire(&mut self, deltas: &[Delta<Spec>]) {
        let gone = || deltas.iter().filter(|delta| delta.action == Action::Delete);
        if gone().next().is_none() {
            return;
        }
        let before = self.text.clone();
        let mut parts = Parts::default();
        for delta in gone() {
            let name = delta.id.label();
            parts.covers.push(delta.id.clone());
            parts.titles.push(format!("remove node {name}"));
            let Some(place) = self.names.iter().position(|known| known == name) else { continue };
            let layout = self.layout();
            let Some(server) = layout.servers.get(place) else { continue };
            if server.state == NodeState::Maintenance {
                let left = text::count(layout.servers.len() - 1, "node");
                parts.hazards.push(hazard::REMOVES_CAPACITY.with(format!("it takes no requests; {left} stay")));
            } else {
                let then = self.capacity.without(self.site.serving(place));
                self.leaves(name, then, &mut parts);
            }
            self.text.remove(server.at);
            self.names.remove(place);
        }
        if parts.hazards.is_empty() {
            let look = "how many nodes stay healthy, only a look at the running nginx tells";
            let known = self.site.settings.is_some();
            parts.hazards.push(hazard::REMOVES_CAPACITY.with(if known {
                "it is out of the file already"
            } else {
                look
            }));
        }
        self.keep(&mut parts);
        let drain = self.site.settings.as_ref().map(|settings| settings.drain_timeout).filter(|_| self.runs());
        self.push(Stage::Contract, &before, parts, drain);
    }

    fn push(&mut self, stage: Stage, before: &Text, mut parts: Parts, drain: Option<crate::model::units::Duration>) {
        if parts.covers.is_empty() {
            return;
        }
        let settings = self.site.settings.as_ref();
        let runs = self.runs();
        let within = settings.map(|settings| settings.health_timeout).unwrap_or_default();
        let mut timeout = WORK + drain.unwrap_or_default().std();
        if runs {
            parts.hazards.push(hazard::RELOADS.with(race(self.site)));
            timeout += RELOAD + within.std();
        } else if settings.is_some() {
            let evidence = "nginx serves as before until somebody reloads it: `nginx -t && nginx -s reload`";
            parts.hazards.push(hazard::WAITS_FOR_RELOAD.with(evidence));
        }
        let op = Op {
            upstream: settings.map(|settings| settings.upstream.clone()).unwrap_or_default(),
            config: settings.map(|settings| settings.config.clone()).unwrap_or_default(),
            before: before.bytes().to_vec(),
            after: self.text.bytes().to_vec(),
            comers: parts.comers,
            probe: settings.and_then(|settings| settings.probe.clone()),
            within,
            leavers: parts.leavers,
            floor: parts.floor.unwrap_or(0),
            drain,
            tested: settings.is_some_and(|settings| runs || settings.main.is_some()),
            reloads: runs,
            sums: parts.sums,
            rotation: parts.rotation,
        };
        let impact = if parts.listens { Impact::Listener } else { Impact::Reload };
        let title = text::titles(&parts.titles);
        let (covers, hazards) = (parts.covers, parts.hazards);
        self.drafts.push(Draft { stage, title, covers, hazards, timeout, lock_timeout: None, impact, op });
    }
}

/// What a reload may do to clients, of this version.
fn race(site: &Site) -> String {
    match site.version() {
        Some(version) if version >= KEEPALIVE_MIN_TIMEOUT => {
            "new connections are not refused; with `keepalive_min_timeout` idle ones are not cut off either".into()
        }
        version => {
            let version = version.map_or("this nginx".to_owned(), |version| format!("nginx {version}"));
            format!(
                "new connections are not refused; {version} closes idle ones of clients: a request that is sent on one in that moment \
                 fails, unless the client tries again ({KEEPALIVE_MIN_TIMEOUT} has `keepalive_min_timeout` against that)"
            )
        }
    }
}
