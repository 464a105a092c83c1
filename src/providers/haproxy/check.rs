//! What a policy cannot have of HAProxy: offline, what never makes sense; online, what this version and this setup cannot do.

use super::bind;
use super::capability::CAPABILITIES;
use super::live;
use super::settings::Settings;
use super::site::Site;
use crate::model::ResourceId;
use crate::provider::{Pairing, Problem, Want};
use crate::providers::balancer::capability::Novelty;
use crate::providers::balancer::{Health, NODE, Node, NodeState, Reuse, Spec, Sticky, Tls, spec};

/// What can be said without the system.
pub fn offline(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut setting = |attribute: &str, message: &str, hint: &str| {
        let (attribute, hint) = (Some(attribute.to_owned()), Some(hint.to_owned()));
        problems.push(Problem { id: None, attribute, message: message.to_owned(), hint });
    };
    let name = &settings.backend;
    if name.is_empty() || name.contains(|c: char| !(c.is_ascii_alphanumeric() || "-_.:".contains(c))) {
        setting("backend", "a backend's name is letters, digits and any of `-_.:`", "backend = \"web\"");
    }
    let known = "socket = \"/run/haproxy/admin.sock\"";
    if settings.socket.as_ref().is_some_and(String::is_empty) {
        setting("socket", "a socket is a path or `tcp://host:port`", known);
    }
    if settings.socket.is_none() && settings.master_socket.is_some() {
        let message = "a reload is seen to succeed through the `socket`, and there is none";
        setting("master_socket", message, &format!("{known}, or leave both out to manage the file alone"));
    }
    for want in wants {
        let Some(wanted) = &want.spec else {
            if want.id.kind != NODE.name {
                let message = format!("`{}` is a part of every backend and cannot be absent", want.id.kind);
                problems.push(Problem::of(&want.id, message).hint("leave the table out to leave it as it is"));
            }
            continue;
        };
        problems.extend(spec::faults(&want.id, wanted));
        if let (None, Spec::Node(Node { state: Some(NodeState::Drain), .. })) = (&settings.socket, wanted) {
            let message = "the file cannot say that a node is drained: that needs the running haproxy, and the target has no `socket`";
            let hint = format!("give the target its `{known}`, or state = \"maintenance\"");
            problems.push(Problem::of(&want.id, message).at("state").hint(hint));
        }
        problems.extend(CAPABILITIES.refusals(None, &want.id, wanted, Novelty::Known));
    }
    problems
}

/// Brings both sides to one form, and says what the running system cannot do.
pub fn online(site: &Site, pairs: &mut [Pairing<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let reloads = site.file_only() || site.settings.as_ref().is_some_and(|settings| settings.master_socket.is_some());
    for Pairing { id, want, live } in pairs {
        spec::settle(want, live.as_mut());
        match (&mut *want, live.as_mut()) {
            (Spec::Tls(want), Some(Spec::Tls(live))) => problems.extend(tls_problems(site, id, want, live)),
            (Spec::Tls(_), _) => problems.push(unspoken(site, id)),
            (Spec::Sticky(want), _) => problems.extend(sticky_problems(site, id, want)),
            _ => {}
        }
        let running = site.file_only() || live.is_some() || site.running.server(id.label()).is_some();
        let novelty = if running { Novelty::Known } else { Novelty::New };
        problems.extend(CAPABILITIES.refusals(site.running.version, id, want, novelty));
        if !reloads && let Some(attribute) = reloading(want, live.as_ref()) {
            let message = format!("`{attribute}` changes with a reload only");
            problems.push(
                Problem::of(id, message).at(attribute).hint("give the target its `master_socket` (haproxy -W -S PATH)"),
            );
        }
        if let Spec::Node(node) = want {
            problems.extend(node_problems(site, id, node, live.is_none()));
        }
    }
    problems
}

/// Nobody speaks TLS there.
fn unspoken(site: &Site, id: &ResourceId) -> Problem {
    let message = format!("no frontend that leads to `{}` has a `bind … ssl` line", site.layout.name());
    Problem::of(id, message)
        .hint("write `bind :443 ssl crt FILE` into the frontend and reload; from then on it is tuned here")
}

fn tls_problems(site: &Site, id: &ResourceId, want: &mut Tls, live: &mut Tls) -> Vec<Problem> {
    let (layout, mut found) = (&site.layout, Vec::new());
    if want.certificate.is_some() && site.tls.place.is_none() {
        let backend = layout.name();
        let message = format!(
            "the frontends that lead to `{backend}` serve more than one certificate, or a list or folder of them"
        );
        found.push(
            Problem::of(id, message)
                .at("certificate")
                .hint("leave `certificate` out, or have one `crt` file on the `bind … ssl` lines"),
        );
        return found;
    }
    if want.protocols.is_some() && layout.binds.iter().any(|bind| bind.protocols.is_none()) {
        let message = "the versions of TLS are said with `no-…` or `force-…`";
        found.push(
            Problem::of(id, message).at("protocols").hint("write `ssl-min-ver` and `ssl-max-ver` in their place"),
        );
    }
    if let Some(ciphers) = &mut want.ciphers {
        // Of the two sorts each has its own directive, so that only the order within a sort means something.
        let (old, new) = bind::sorts(ciphers);
        *ciphers = [old, new].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(":");
    }
    found.extend(site.tls.settle(id, want, live));
    found
}

fn sticky_problems(site: &Site, id: &ResourceId, want: &Sticky) -> Vec<Problem> {
    let mut found = Vec::new();
    let live = site.layout.sticky();
    if want.cookie.is_none() && live.cookie.is_none() && want.ttl.is_some() {
        found.push(Problem::of(id, "a ttl needs a cookie").at("ttl").hint("cookie = \"session_id\""));
    }
    let known = site.layout.cookie_key || site.settings.as_ref().is_some_and(|settings| settings.cookie_key.is_some());
    if want.cookie.is_some() && !known {
        let message = "cookies are computed with a key, and the file has no `dynamic-cookie-key`";
        found.push(
            Problem::of(id, message)
                .at("cookie")
                .hint("give the target `cookie_key = { env = \"COOKIE_KEY\" }`, a long text by chance"),
        );
    }
    found
}

fn node_problems(site: &Site, id: &ResourceId, want: &Node, new: bool) -> Vec<Problem> {
    let mut found = Vec::new();
    let name = id.label();
    let entry = site.layout.server(name);
    if new && want.address.is_none() && entry.is_none_or(|entry| entry.address.is_none()) {
        found.push(Problem::of(id, "a new node needs an address").hint("address = \"192.168.1.10:3000\""));
    }
    if site.file_only() {
        return found;
    }
    let by_name = want.address.as_ref().filter(|text| text.parse::<std::net::SocketAddr>().is_err());
    let same = by_name.is_some() && by_name == entry.and_then(|entry| entry.address.as_ref());
    if let (Some(address), false) = (by_name, same) {
        let message = format!("haproxy does not look up `{address}` while it runs");
        found.push(Problem::of(id, message).at("address").hint("give the node's IP address"));
    }
    let process = site.running.server(name).map(|server| live::state(site, server));
    let weighted =
        want.weight.is_some_and(|weight| site.running.server(name).is_some_and(|server| server.weight != weight));
    if (new && process.is_none()) || weighted {
        fixed(site, id, &mut found);
    }
    found
}

/// Algorithms with a fixed map take neither servers nor weights while they run.
fn fixed(site: &Site, id: &ResourceId, found: &mut Vec<Problem>) {
    if !site.layout.takes_changes() {
        let message =
            format!("under `balance {}` servers and weights are fixed while haproxy runs", site.layout.balance);
        let hint = "set `algorithm` in [….balance] and apply that first; \"ip-hash\" uses the consistent hash, which is not fixed";
        found.push(Problem::of(id, message).hint(hint));
    }
}

/// The first attribute that differs and changes with a reload only.
fn reloading(want: &Spec, live: Option<&Spec>) -> Option<&'static str> {
    fn off<T: PartialEq>(want: Option<&T>, live: Option<&T>) -> bool {
        want.is_some() && want != live
    }
    let pick = |all: &[(&'static str, bool)]| all.iter().find(|(_, off)| *off).map(|(attribute, _)| *attribute);
    match (want, live) {
        (Spec::Balance(want), Some(Spec::Balance(live))) => {
            pick(&[("algorithm", off(want.algorithm.as_ref(), live.algorithm.as_ref()))])
        }
        (Spec::Health(want), Some(Spec::Health(live))) => {
            let Health { enabled, path, interval, timeout, unhealthy_threshold, healthy_threshold } = want;
            pick(&[
                ("enabled", off(enabled.as_ref(), live.enabled.as_ref())),
                ("path", off(path.as_ref(), live.path.as_ref())),
                ("interval", off(interval.as_ref(), live.interval.as_ref())),
                ("timeout", off(timeout.as_ref(), live.timeout.as_ref())),
                ("unhealthy_threshold", off(unhealthy_threshold.as_ref(), live.unhealthy_threshold.as_ref())),
                ("healthy_threshold", off(healthy_threshold.as_ref(), live.healthy_threshold.as_ref())),
            ])
        }
        (Spec::Reuse(want), Some(Spec::Reuse(live))) => {
            let Reuse { max_connections: _, idle_connections, idle_timeout, keepalive_interval } = want;
            pick(&[
                ("idle_connections", off(idle_connections.as_ref(), live.idle_connections.as_ref())),
                ("idle_timeout", off(idle_timeout.as_ref(), live.idle_timeout.as_ref())),
                ("keepalive_interval", off(keepalive_interval.as_ref(), live.keepalive_interval.as_ref())),
            ])
        }
        (Spec::Sticky(want), live) => {
            let live = match live {
                Some(Spec::Sticky(live)) => live.clone(),
                _ => Sticky::default(),
            };
            pick(&[
                ("cookie", off(want.cookie.as_ref(), live.cookie.as_ref())),
                ("ttl", off(want.ttl.as_ref(), live.ttl.as_ref())),
            ])
        }
        (Spec::Tls(want), Some(Spec::Tls(live))) => pick(&[
            ("protocols", off(want.protocols.as_ref(), live.protocols.as_ref())),
            ("ciphers", off(want.ciphers.as_ref(), live.ciphers.as_ref())),
        ]),
        _ => None,
    }
}
