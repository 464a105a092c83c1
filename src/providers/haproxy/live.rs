//! The live state, composed from what the file says and what runs. Where the two differ, what is not as wanted is told. Does no I/O.

use super::layout::Entry;
use super::running::Server;
use super::site::Site;
use crate::model::{Facts, ResourceId};
use crate::provider::{Breadth, Live, Scope};
use crate::providers::balancer::{Balance, Health, Node, NodeState, Pem, Reuse, Spec, Sticky, Tls};

/// Every resource that `scope` asks for.
pub fn all(site: &Site, scope: &Scope<'_, Spec>) -> Vec<Live<Spec>> {
    let layout = &site.layout;
    let wanted = |id: &ResourceId| scope.wanted.iter().find(|want| want.id == *id);
    let mut found = Vec::new();
    let mut single = |kind: &str, spec: Spec, facts: Facts| {
        let id = ResourceId::only(kind);
        if scope.breadth == Breadth::Everything || wanted(&id).is_some() {
            found.push(Live { id, spec, facts });
        }
    };
    let none = Facts::default;
    let limit_wanted = scope.wanted.iter().find_map(|want| match &want.spec {
        Some(Spec::Reuse(reuse)) => reuse.max_connections,
        _ => None,
    });
    // What this worker has not read is in the file only: nobody knows what it was before.
    let known = !site.marker.unread;
    let balance = Balance { algorithm: layout.algorithm.filter(|_| known) };
    let health = Health {
        enabled: layout.common(|entry| Some(entry.check)),
        path: layout.path.clone(),
        interval: layout.common(|entry| entry.interval),
        timeout: layout.check_timeout,
        unhealthy_threshold: layout.common(|entry| entry.fall),
        healthy_threshold: layout.common(|entry| entry.rise),
    };
    let reuse = Reuse {
        max_connections: limit(site, limit_wanted),
        idle_connections: layout.common(|entry| entry.pool).filter(|_| known),
        idle_timeout: layout.common(|entry| entry.purge).filter(|_| known),
        keepalive_interval: layout.keepalive.filter(|_| known),
    };
    let certificate = site.tls.place.as_ref().map(|place| Pem::from(place.display().to_string()));
    let told = if known { layout.tls(wanted_tls(scope)) } else { Tls::default() };
    single("balance", Spec::Balance(balance), none());
    single("health", Spec::Health(if known { health } else { Health::default() }), none());
    if layout.dynamic_cookie() || wanted(&ResourceId::only("sticky")).is_some() {
        single("sticky", Spec::Sticky(if known { layout.sticky() } else { Sticky::default() }), none());
    }
    if !layout.binds.is_empty() {
        single("tls", Spec::Tls(Tls { certificate, ..told }), site.tls.facts());
    }
    single("reuse", Spec::Reuse(reuse), none());
    for name in names(site) {
        let id = ResourceId::named("node", name);
        let want = wanted(&id);
        if want.is_none() && scope.breadth == Breadth::Declared {
            continue;
        }
        let (entry, server) = (layout.server(name), site.running.server(name));
        let spec = want.and_then(|want| match &want.spec {
            Some(Spec::Node(node)) => Some(node),
            _ => None,
        });
        // A node that is only half there is made, not changed.
        if spec.is_some() && (entry.is_none() || server.is_none() && !site.file_only()) {
            continue;
        }
        let facts = server.map(Server::facts).unwrap_or_default();
        found.push(Live { id, spec: Spec::Node(node(site, spec, entry, server)), facts });
    }
    found
}

/// The names of all nodes, those of the file first.
fn names(site: &Site) -> Vec<&str> {
    let written = site.layout.servers.iter().map(|entry| entry.name.as_str());
    let only_running = site.running.servers.iter().map(|server| server.name.as_str());
    written.chain(only_running.filter(|name| site.layout.server(name).is_none())).collect()
}

fn node(site: &Site, want: Option<&Node>, entry: Option<&Entry>, server: Option<&Server>) -> Node {
    let want = want.cloned().unwrap_or_default();
    let address = entry.and_then(|entry| entry.address.clone());
    // A host's name stays a name: what it was resolved to is not what the policy speaks of.
    let named = address.as_deref().is_some_and(|text| text.parse::<std::net::SocketAddr>().is_err());
    let running_address = server.map(Server::address).filter(|_| !named);
    let file_state = entry.map(|entry| if entry.disabled { NodeState::Maintenance } else { NodeState::Ready });
    let running_state = server.map(|server| state(site, server));
    // The file cannot say that a node is drained: for it that one is ready.
    let promised = match (want.state, file_state) {
        (Some(NodeState::Drain), Some(NodeState::Ready)) => Some(NodeState::Drain),
        _ => file_state,
    };
    Node {
        address: merged(want.address.as_ref(), address, running_address),
        weight: merged(want.weight.as_ref(), entry.map(|entry| entry.weight), server.map(|server| server.weight)),
        state: merged(want.state.as_ref(), promised, running_state),
    }
}

/// Whether a node takes requests, once what a run before left unfinished is finished.
pub fn state(site: &Site, server: &Server) -> NodeState {
    if site.marker.resting.contains(&server.name) { NodeState::Ready } else { server.state() }
}

/// Of what the file and the running process say, what is not as wanted; the running process where nothing is wanted.
fn merged<T: PartialEq>(want: Option<&T>, file: Option<T>, running: Option<T>) -> Option<T> {
    match (want, file, running) {
        (Some(want), Some(file), Some(running)) if running == *want => Some(file),
        (_, file, running) => running.or(file),
    }
}

/// The connections a node takes: what all agree in, or else the first that is not as wanted.
fn limit(site: &Site, want: Option<u32>) -> Option<u32> {
    let layout = &site.layout;
    let written = layout.servers.iter().map(|entry| entry.limit);
    let running = site.running.servers.iter().filter(|s| layout.server(&s.name).is_some()).map(|server| server.limit);
    let mut all = written.chain(running);
    match want {
        Some(want) if !layout.servers.is_empty() => Some(all.find(|limit| *limit != want).unwrap_or(want)),
        _ => {
            let first = all.next()?;
            all.all(|limit| limit == first).then_some(first)
        }
    }
}

/// How the policy wants TLS to be spoken.
pub fn wanted_tls<'a>(scope: &Scope<'a, Spec>) -> Option<&'a Tls> {
    scope.wanted.iter().find_map(|want| match &want.spec {
        Some(Spec::Tls(tls)) => Some(tls),
        _ => None,
    })
}

/// Remarks: what somebody did past the file, and what would be lost.
pub fn notes(site: &Site, scope: &Scope<'_, Spec>) -> Vec<String> {
    let mut notes = file_only(site);
    let wanted_state = |name: &str| {
        scope.wanted.iter().any(|want| {
            want.id.label() == name && matches!(&want.spec, Some(Spec::Node(Node { state: Some(_), .. })) | None)
        })
    };
    for server in &site.running.servers {
        let name = &server.name;
        let Some(entry) = site.layout.server(name) else {
            notes.push(format!("`{name}` runs and is not in the file: the next reload forgets it"));
            continue;
        };
        if site.marker.resting.contains(name) {
            notes.push(format!("`{name}` is out of service since a run that was cut short"));
        } else if server.state() != NodeState::Ready && !entry.disabled && !wanted_state(name) {
            let state = match server.state() {
                NodeState::Drain => "drained",
                _ => "in maintenance",
            };
            notes.push(format!("`{name}` is {state} by somebody's hand, past the file; it is left as it is"));
        }
    }
    for entry in &site.layout.servers {
        if site.running.server(&entry.name).is_none() && !site.running.servers.is_empty() {
            notes.push(format!("`{}` is in the file and does not run: haproxy was not reloaded since", entry.name));
        }
    }
    if site.marker.unread {
        notes.push("the file was written by a run that was cut short, and haproxy has not read it".into());
    }
    if site.layout.algorithm.is_none() {
        notes.push(format!("`balance {}` has no name in the policy", site.layout.balance));
    }
    if !site.layout.cookie.is_empty() && !site.layout.dynamic_cookie() {
        notes.push(format!(
            "`cookie {}` has no name in the policy, which knows `insert` with `dynamic`",
            site.layout.cookie[0]
        ));
    }
    if let (Some(memory), Some(disk)) = (&site.tls.memory, &site.tls.disk)
        && *memory != disk.serial
    {
        notes.push(format!(
            "haproxy serves another certificate than its file holds, serial {memory}: it was not reloaded since"
        ));
    }
    notes
}

/// What the file alone leaves to others.
fn file_only(site: &Site) -> Vec<String> {
    let Some(settings) = site.settings.as_ref().filter(|_| site.file_only()) else { return Vec::new() };
    let mut notes = vec![
        "without `socket` the file alone is read and written: no running haproxy is asked or told, nothing is reloaded; \
         reload it after applying"
            .to_owned(),
    ];
    if !site.checks {
        notes.push(format!(
            "`{}` cannot be run here, so that nobody checks the file with `haproxy -c` before it is written: give the target the \
             path of the program as `binary`, or check before the reload",
            settings.binary
        ));
    }
    notes
}
