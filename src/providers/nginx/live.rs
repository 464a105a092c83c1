//! The live state as the file says it. Where nginx has not read the file yet, nobody knows what runs. Does no I/O.

use super::capability::KEEPALIVE_DEFAULT;
use super::edit::Text;
use super::layout::{Server, passes};
use super::settings::Settings;
use super::site::{Answer, Site};
use super::tree::Statement;
use crate::model::{Facts, ResourceId};
use crate::provider::{Breadth, Live, Scope};
use crate::providers::balancer::{Balance, Health, Node, NodeState, Reuse, Spec, Tls};

/// Every resource that `scope` asks for.
pub fn all(site: &Site, scope: &Scope<'_, Spec>) -> Vec<Live<Spec>> {
    let layout = &site.layout;
    let known = !site.marker.unread;
    let wanted = |id: &ResourceId| scope.breadth == Breadth::Everything || scope.wanted.iter().any(|w| w.id == *id);
    let mut found = Vec::new();
    let mut add = |id: ResourceId, spec: Spec, facts: Facts| {
        if wanted(&id) {
            found.push(Live { id, spec, facts });
        }
    };
    let fails = layout.common(|server| server.fails);
    let balance = Balance { algorithm: layout.algorithm.filter(|_| known) };
    let health = Health {
        enabled: fails.map(|fails| fails != 0).filter(|_| known),
        unhealthy_threshold: fails.filter(|fails| *fails != 0 && known),
        ..Health::default()
    };
    let limits = layout.common(|server| server.limit);
    let reuse = Reuse {
        max_connections: limits.filter(|_| known),
        idle_connections: idle(site).filter(|_| known),
        idle_timeout: layout.keepalive_timeout.map(|(_, time)| time).filter(|_| known),
        keepalive_interval: None,
    };
    let mut facts = Facts::default();
    if let (Some((_, kept)), Some(workers)) = (layout.keepalive, site.workers) {
        facts = facts.with("kept", format!("{kept} by each of {workers} workers, for {} nodes", layout.servers.len()));
    }
    if !layout.zone && limits.is_some_and(|limit| limit != 0) {
        facts = facts.with("counted", "by each worker for itself, without `zone`");
    }
    add(ResourceId::only("balance"), Spec::Balance(balance), Facts::default());
    add(ResourceId::only("health"), Spec::Health(health), Facts::default());
    add(ResourceId::only("reuse"), Spec::Reuse(reuse), facts);
    let sticks = scope.wanted.iter().any(|want| matches!(want.spec, Some(Spec::Sticky(_))));
    if sticks || layout.sticky.is_some() {
        let sticky = layout.sticky.as_ref().filter(|_| known).map(|(_, sticky)| sticky.clone());
        add(ResourceId::only("sticky"), Spec::Sticky(sticky.unwrap_or_default()), Facts::default());
    }
    if !site.tls.doors.is_empty() {
        let mut tls = site.tls.spec();
        if !known {
            tls = Tls { certificate: tls.certificate, ..Tls::default() };
        }
        add(ResourceId::only("tls"), Spec::Tls(tls), site.tls.facts());
    }
    for (place, (server, name)) in layout.servers.iter().zip(&site.names).enumerate() {
        let answer = site.answers.get(place).and_then(Option::as_ref);
        let spec = if known { node(server) } else { Node::default() };
        add(ResourceId::named("node", name.clone()), Spec::Node(spec), about(server, name, answer));
    }
    // What a run that was cut short removed is out of the file, and nginx may still know it.
    for want in
        scope.wanted.iter().filter(|want| want.spec.is_none() && !known && site.place(want.id.label()).is_none())
    {
        let gone = Node { state: Some(NodeState::Maintenance), ..Node::default() };
        add(want.id.clone(), Spec::Node(gone), Facts::default());
    }
    found
}

fn node(server: &Server) -> Node {
    Node { address: server.address.clone(), weight: Some(server.weight), state: Some(server.state) }
}

fn about(server: &Server, name: &str, answer: Option<&Answer>) -> Facts {
    let mut facts = Facts::default();
    match answer {
        Some(Answer::Well) => facts = facts.with("probe", "it answers"),
        Some(Answer::Sick(why)) => facts = facts.with("probe", why.clone()),
        None => {}
    }
    if server.backup {
        facts = facts.with("backup", true);
    }
    if server.mark.as_deref() != Some(name) {
        facts = facts.with("known_by", "its address");
    }
    facts.with("fail_timeout", server.pause.to_string())
}

/// The idle connections for each node, as the policy would say it.
fn idle(site: &Site) -> Option<u32> {
    let (_, kept) = site.layout.keepalive?;
    Some(site.unit(site.layout.servers.len())?.back(u64::from(kept), site.declared.idle))
}

/// How the policy wants TLS to be spoken.
pub fn wanted_tls<'a>(scope: &Scope<'a, Spec>) -> Option<&'a Tls> {
    scope.wanted.iter().find_map(|want| match &want.spec {
        Some(Spec::Tls(tls)) => Some(tls),
        _ => None,
    })
}

/// Remarks: what nginx has not read, what the file stumbles over, and what is not as it looks.
pub fn notes(site: &Site) -> Vec<String> {
    let mut notes = site.layout.lints.clone();
    let Some(settings) = &site.settings else { return notes };
    if site.marker.unread {
        notes.push("the file was written by a run that was cut short, and nginx has not read it".into());
    }
    if site.layout.algorithm.is_none()
        && let Some(method) = site.layout.methods.last().and_then(|at| site.text.at(*at))
    {
        let words: Vec<&str> = method.words.iter().map(|word| word.text.as_str()).collect();
        notes.push(format!("`{}` has no name in the policy", words.join(" ")));
    }
    if settings.pid.is_none() {
        notes.push(
            "without `pid` the file alone is read and written: no running nginx is told, and no node is asked".into(),
        );
        if settings.main.is_none() {
            notes.push("without `main` nobody checks the file with `nginx -t`".into());
        }
    }
    let tls = &site.tls;
    notes.extend(unseen(site, settings));
    if tls.memory.as_ref().zip(tls.disk.as_ref()).is_some_and(|(memory, disk)| !memory.same(disk)) {
        notes.push("nginx serves another certificate than its file holds: it was not reloaded since".into());
    }
    if tls.memory.is_none()
        && tls.source.as_ref().is_some_and(|want| want.certificate.is_some())
        && settings.pid.is_some()
    {
        notes
            .push("which certificate is served cannot be seen from here: it is taken to be the one in the file".into());
    }
    if let Some(master) = &site.master {
        if master.replaced {
            notes.push("nginx was replaced on the disk since it was started: what runs is the old program".into());
        }
        if master.leaving() > 0 {
            let count = crate::model::text::count(master.leaving(), "worker");
            notes.push(format!("{count} of an earlier reload still finish what they were doing"));
        }
    }
    if site.declared.idle.is_some() && site.version().is_none_or(|version| version < KEEPALIVE_DEFAULT) {
        let closing = passes(&site.text, &settings.upstream).into_iter().filter(|at| !keeps(&site.text, *at)).count();
        if closing > 0 {
            let what = crate::model::text::count(closing, "location");
            notes.push(format!(
                "{what} of this file lead to `{}` without `proxy_http_version 1.1` and `proxy_set_header Connection \"\"`: no connection is kept there",
                settings.upstream
            ));
        }
    }
    notes
}

/// What of `tls` cannot be read, or has no effect where it is said.
fn unseen(site: &Site, settings: &Settings) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(want) = &site.tls.source else { return notes };
    for door in &site.tls.doors {
        let place = &door.place;
        if door.certificates.iter().any(|path| path.to_string_lossy().contains('$')) {
            notes.push(format!(
                "{place} names its certificate with a variable: which one a client is served is not known"
            ));
        }
        if want.protocols.is_none() {
            continue;
        }
        for (address, ruler) in &door.overruled {
            notes.push(format!(
                "nginx takes `ssl_protocols` for {address} from its default server, {ruler}: those of {place} have no effect there"
            ));
        }
        if settings.pid.is_none() && settings.main.is_none() {
            notes.push(format!(
                "nginx takes `ssl_protocols` from the default server of an address; whether {place} is that is not known without `main`"
            ));
        }
    }
    notes
}

/// Whether requests that pass here leave their connection open.
fn keeps(text: &Text, at: usize) -> bool {
    let Some(pass) = text.at(at).filter(|pass| pass.name() == "proxy_pass") else { return true };
    let blocks: Vec<Option<usize>> =
        std::iter::once(pass.parent).chain(text.tree().around(at).map(|(_, b)| b.parent)).collect();
    let said = |name: &str| {
        blocks.iter().find_map(|block| {
            let mut here = text.tree().children(*block).filter(|(_, s)| s.name() == name).peekable();
            here.peek().is_some().then(|| here.map(|(_, s)| s.clone()).collect::<Vec<Statement>>())
        })
    };
    let version = said("proxy_http_version").is_some_and(|all| all.iter().any(|s| s.argument() == Some("1.1")));
    let is = |s: &Statement| {
        s.argument().is_some_and(|h| h.eq_ignore_ascii_case("connection"))
            && s.words.get(2).is_some_and(|w| w.text.is_empty() || w.text.starts_with('$'))
    };
    version && said("proxy_set_header").is_some_and(|all| all.iter().any(is))
}
