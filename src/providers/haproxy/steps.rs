//! From differences to steps: nodes come first, one by one; then what stays changes; then nodes leave, one by one.
//! Every edit is made on one copy of the file, in the order of running, so that each step finds the lines that the one before it left.

mod alone;
mod amend;
mod blind;

use std::time::Duration;

use super::cfg::Cfg;
use super::change;
use super::layout::Layout;
use super::op::{Act, Admit, Move, Op, Retire, Rotation, set_state};
use super::running::Server;
use super::site::Site;
use crate::model::{Action, Hazard, Impact, ResourceId, Stage, text};
use crate::provider::{Delta, Draft};
use crate::providers::balancer::capacity::{Demand, Serving};
use crate::providers::balancer::{Capacity, Node, NodeState, Spec, TLS, hazard};
use amend::Amended;

/// What talking to HAProxy and writing the file takes at most, beside what is waited for.
const WORK: Duration = Duration::from_secs(30);
/// Within how long a new worker takes over.
pub const RELOAD: Duration = Duration::from_mins(1);

/// What to run for these differences.
pub fn draft(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    if site.settings.is_none() {
        return blind::draft(deltas);
    }
    let mut draft = Drafting::of(site);
    if site.file_only() {
        draft.alone(deltas);
        return draft.drafts;
    }
    for delta in deltas {
        if let (Some(Spec::Node(want)), Action::Create) = (&delta.want, delta.action) {
            draft.admit(&delta.id, want);
        }
    }
    for delta in deltas {
        draft.rotate(delta);
    }
    draft.reload(deltas);
    draft.tune(deltas);
    for delta in deltas {
        if let (Some(Spec::Node(want)), Action::Update | Action::Replace) = (&delta.want, delta.action) {
            draft.change(delta, want);
        }
    }
    for delta in deltas.iter().filter(|delta| delta.action == Action::Delete) {
        draft.retire(&delta.id);
    }
    draft.drafts
}

/// Drafting, with the file and the pool as they will be after the steps so far.
struct Drafting<'a> {
    site: &'a Site,
    backend: String,
    demand: Demand,
    health: crate::model::units::Duration,
    drain: crate::model::units::Duration,
    cfg: Cfg,
    capacity: Capacity,
    added: Vec<String>,
    drafts: Vec<Draft<Op>>,
}

/// Whether only the weight of a node differs.
fn weight_only(delta: &Delta<Spec>) -> bool {
    let rests = matches!(&delta.want, Some(Spec::Node(Node { weight: Some(0), .. })));
    delta.changed.iter().all(|path| path == "weight") && !rests
}

/// What of TLS changes, in the policy's words.
fn tls_words(delta: &Delta<Spec>) -> Vec<&str> {
    delta.changed.iter().map(String::as_str).filter(|path| *path != "certificate").collect()
}

impl<'a> Drafting<'a> {
    fn of(site: &'a Site) -> Self {
        let settings = site.settings.as_ref();
        Self {
            site,
            backend: settings.map(|settings| settings.backend.clone()).unwrap_or_default(),
            demand: settings.map(super::Settings::demand).unwrap_or_default(),
            health: settings.map(|settings| settings.health_timeout).unwrap_or_default(),
            drain: settings.map(|settings| settings.drain_timeout).unwrap_or_default(),
            cfg: site.cfg.clone(),
            capacity: site.capacity(),
            added: Vec::new(),
            drafts: Vec::new(),
        }
    }

    fn layout(&self) -> Layout {
        Layout::read(&self.cfg, &self.backend).unwrap_or_default()
    }

    fn push(
        &mut self,
        stage: Stage,
        title: String,
        covers: Vec<ResourceId>,
        hazards: Vec<Hazard>,
        wait: Duration,
        act: Act,
    ) {
        let config = self.site.settings.as_ref().map(|settings| settings.config.clone()).unwrap_or_default();
        let impact = match act {
            Act::Reload | Act::Write { .. } | Act::Rotate(Rotation { loaded: false, .. }) => Impact::Reload,
            Act::Listen => Impact::Listener,
            _ => Impact::Runtime,
        };
        let op = Op { backend: self.backend.clone(), config, act, edits: self.cfg.take_edits() };
        let timeout = WORK + wait;
        self.drafts.push(Draft { stage, title, covers, hazards, timeout, lock_timeout: None, impact, op });
    }

    fn admit(&mut self, id: &ResourceId, want: &Node) {
        let name = id.label();
        let layout = self.layout();
        change::node(&mut self.cfg, &layout, name, want);
        let layout = self.layout();
        let Some(entry) = layout.server(name) else { return };
        let end = want.state.unwrap_or(NodeState::Ready);
        let address = want.address.clone().or_else(|| entry.address.clone()).unwrap_or_default();
        self.added.push(name.to_owned());
        let admit = Admit {
            node: name.to_owned(),
            add: Some((address, entry.arguments.clone())),
            end,
            checked: entry.check,
            cookie: layout.dynamic_cookie(),
            within: self.health,
        };
        if end == NodeState::Ready {
            self.capacity = self.capacity.and_one();
        }
        let wait = self.health.std();
        self.push(Stage::Expand, format!("add node {name}"), vec![id.clone()], Vec::new(), wait, Act::Admit(admit));
    }

    /// What only a reload can change, in one.
    fn reload(&mut self, deltas: &[Delta<Spec>]) {
        let (mut covers, mut whole) = (Vec::new(), Amended::default());
        for delta in deltas {
            if self.amend(delta, &mut whole) {
                covers.push(delta.id.clone());
            }
        }
        if covers.is_empty() {
            return;
        }
        let Amended { mut hazards, mut evidence, listens } = whole;
        let act = if listens { Act::Listen } else { Act::Reload };
        let layout = &self.site.layout;
        if !layout.closes_late {
            evidence.push(
                "without `option idle-close-on-response`, a client's request on an idle connection may be cut off"
                    .to_owned(),
            );
        }
        let off = |server: &&Server| layout.server(&server.name).is_some_and(|entry| server.differs(entry));
        let differing = self.site.running.servers.iter().filter(off).count();
        if layout.state_file.is_none() && differing > 0 {
            evidence.push(format!(
                "without `server-state-file` and `load-server-state-from-file global`, {differing} nodes are as the file says for a moment"
            ));
        }
        if evidence.is_empty() {
            evidence.push("new connections are not refused, the nodes' state is carried over".into());
        }
        hazards.push(hazard::RELOADS.with(evidence.join("; ")));
        self.push(Stage::Shift, "write the file and reload".into(), covers, hazards, RELOAD, act);
    }

    /// Another certificate, which needs no reload.
    fn rotate(&mut self, delta: &Delta<Spec>) {
        let serving = &self.site.tls;
        let (Some(place), Some(source), Some(wanted)) = (&serving.place, &serving.source, &serving.wanted) else {
            return;
        };
        if delta.id.kind != TLS.name || !delta.changed.iter().any(|path| path == "certificate") {
            return;
        }
        let mut hazards = Vec::new();
        let lost = serving.disk.as_ref().map(|disk| wanted.lacks(disk)).unwrap_or_default();
        if !lost.is_empty() {
            hazards.push(hazard::NARROWS_CERTIFICATE.with(format!("{} not in the new one", text::list(lost))));
        }
        let title = format!("serve the certificate that expires {}", wanted.end(serving.now));
        let loaded = !self.site.file_only();
        if !loaded {
            hazards.push(hazard::WAITS_FOR_RELOAD.with(alone::WAITS));
        }
        let rotation = Rotation { place: place.clone(), tls: source.clone(), content: wanted.content(), loaded };
        self.push(Stage::Shift, title, vec![delta.id.clone()], hazards, WORK, Act::Rotate(rotation));
    }

    /// What takes effect at once and takes nobody out of service, in one.
    fn tune(&mut self, deltas: &[Delta<Spec>]) {
        let (mut covers, mut hazards, mut commands) = (Vec::new(), Vec::new(), Vec::new());
        for delta in deltas {
            let Some(most) = self.limit(delta, &mut hazards) else { continue };
            let running = self.site.running.servers.iter().map(|server| &server.name);
            let names = running.chain(self.added.iter().filter(|name| self.site.running.server(name).is_none()));
            commands.extend(names.map(|name| format!("set maxconn server {}/{name} {most}", self.backend)));
            covers.push(delta.id.clone());
        }
        // Lines that came in front of others have moved them.
        let layout = self.layout();
        for delta in deltas {
            let Some(Spec::Node(want)) = &delta.want else { continue };
            let Some(weight) = want.weight.filter(|_| delta.action == Action::Update && weight_only(delta)) else {
                continue;
            };
            let name = delta.id.label();
            change::node(&mut self.cfg, &layout, name, &Node { weight: Some(weight), ..Node::default() });
            commands.push(format!("set server {}/{name} weight {weight}", self.backend));
            covers.push(delta.id.clone());
        }
        if covers.is_empty() {
            return;
        }
        let title = match covers.as_slice() {
            [one] => format!("set {}", one.label()),
            many => format!("set {} values at run time", many.len()),
        };
        self.push(Stage::Shift, title, covers, hazards, WORK, Act::Set { commands, floor: 0 });
    }

    fn change(&mut self, delta: &Delta<Spec>, want: &Node) {
        if weight_only(delta) {
            return;
        }
        let name = delta.id.label().to_owned();
        let server = self.site.running.server(&name).cloned().unwrap_or_default();
        let now = super::live::state(self.site, &server);
        let changed = |path: &str| delta.changed.iter().any(|found| found == path);
        let layout = self.layout();
        change::node(&mut self.cfg, &layout, &name, want);
        let end = want.state.unwrap_or(now);
        let covers = vec![delta.id.clone()];
        let mut commands = Vec::new();
        if let Some(weight) = want.weight.filter(|_| changed("weight")) {
            commands.push(format!("set server {}/{name} weight {weight}", self.backend));
        }
        let mut hazards = Vec::new();
        if end == NodeState::Ready && server.state() != NodeState::Ready && now != NodeState::Ready {
            hazards.push(hazard::READMITS_NODE.with(format!("it is in state {now}, status {}", server.status)));
        }
        let checked = self.layout().server(&name).is_some_and(|entry| entry.check);
        let resting = self.capacity.resting(server.serving());
        if let Some(address) = want.address.clone().filter(|_| changed("address")) {
            if server.serving() == Serving::Yes {
                hazards.extend(self.capacity.hazards(resting, self.demand));
            }
            let floor = resting.serving.min(self.demand.min_healthy as usize);
            let (drain, within) = (self.drain, self.health);
            let act = Act::Move(Move { node: name.clone(), address, commands, end, checked, floor, drain, within });
            let wait = drain.std() + 2 * within.std();
            return self.push(Stage::Shift, format!("move node {name}"), covers, hazards, wait, act);
        }
        if end == NodeState::Ready && server.state() != NodeState::Ready {
            self.push_set(commands, &covers, &name);
            let within = self.health;
            let admit = Admit { node: name.clone(), add: None, end, checked, cookie: false, within };
            let title = format!("take node {name} back into service");
            return self.push(Stage::Shift, title, covers, hazards, within.std(), Act::Admit(admit));
        }
        let leaves = end != NodeState::Ready || want.weight == Some(0);
        let mut floor = 0;
        if leaves && server.serving() == Serving::Yes {
            hazards.extend(self.capacity.hazards(resting, self.demand));
            floor = resting.serving.min(self.demand.min_healthy as usize);
            self.capacity = resting;
        }
        if changed("state") {
            commands.push(set_state(&self.backend, &name, end));
        }
        let title = match end {
            NodeState::Drain => format!("drain node {name}"),
            NodeState::Maintenance => format!("take node {name} out of service"),
            NodeState::Ready => format!("set node {name}"),
        };
        self.push(Stage::Shift, title, covers, hazards, WORK, Act::Set { commands, floor });
    }

    /// Values that are set before the step that ends a change.
    fn push_set(&mut self, commands: Vec<String>, covers: &[ResourceId], name: &str) {
        if !commands.is_empty() {
            let title = format!("set node {name}");
            self.push(Stage::Shift, title, covers.to_vec(), Vec::new(), WORK, Act::Set { commands, floor: 0 });
        }
    }

    fn retire(&mut self, id: &ResourceId) {
        let name = id.label();
        let serving = self.site.running.server(name).map_or(Serving::No, Server::serving);
        let then = self.capacity.without(serving);
        let hazards = self.capacity.hazards(then, self.demand);
        let floor = then.serving.min((self.demand.min_healthy as usize).max(1));
        self.capacity = then;
        change::gone(&mut self.cfg, &self.site.layout.section, name);
        let retire = Retire { node: name.to_owned(), floor, drain: self.drain };
        let wait = 2 * self.drain.std();
        self.push(Stage::Contract, format!("remove node {name}"), vec![id.clone()], hazards, wait, Act::Retire(retire));
    }
}
