//! What a policy cannot have of nginx: offline, what never makes sense; online, what this version and this setup cannot do.

use super::capability::CAPABILITIES;
use super::settings::Settings;
use super::site::Site;
use super::tls;
use crate::model::ResourceId;
use crate::provider::{Pairing, Problem, Want};
use crate::providers::balancer::capability::Novelty;
use crate::providers::balancer::{Algorithm, Balance, Health, NODE, Node, Reuse, Spec, Sticky, Tls, spec};

/// What can be said without the system.
pub fn offline(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut setting = |attribute: &str, message: &str, hint: &str| {
        let (attribute, hint) = (Some(attribute.to_owned()), Some(hint.to_owned()));
        problems.push(Problem { id: None, attribute, message: message.to_owned(), hint });
    };
    if settings.upstream.is_empty()
        || settings.upstream.contains(|c: char| c.is_whitespace() || ";{}\"'\\$".contains(c))
    {
        setting("upstream", "an upstream's name is one word", "upstream = \"web\"");
    }
    if settings
        .probe
        .as_ref()
        .is_some_and(|p| !p.starts_with('/') || p.chars().any(|c| c.is_whitespace() || c.is_control()))
    {
        setting("probe", "a probe is a path", "probe = \"/health\"");
    }
    if settings.workers == Some(0) {
        setting("workers", "there is at least one worker", "workers = 4");
    }
    for want in wants {
        let Some(wanted) = &want.spec else {
            if want.id.kind != NODE.name {
                let message = format!("`{}` is a part of every upstream and cannot be absent", want.id.kind);
                problems.push(Problem::of(&want.id, message).hint("leave the table out to leave it as it is"));
            }
            continue;
        };
        problems.extend(spec::faults(&want.id, wanted));
        match wanted {
            Spec::Node(Node { weight: Some(weight), .. }) if *weight == 0 => {
                let message = "nginx has no weight of 0";
                let hint = "for a node that takes no requests: state = \"maintenance\"";
                problems.push(Problem::of(&want.id, message).at("weight").hint(hint));
            }
            Spec::Reuse(Reuse { idle_connections: Some(0), .. }) => {
                let message = "nginx cannot be told to keep no connection";
                problems
                    .push(Problem::of(&want.id, message).at("idle_connections").hint("at least 1, or leave it out"));
            }
            Spec::Health(Health { enabled: Some(false), unhealthy_threshold: Some(_), .. }) => {
                let message = "without checks there is no threshold";
                problems.push(
                    Problem::of(&want.id, message).at("unhealthy_threshold").hint("leave it out, or enabled = true"),
                );
            }
            Spec::Tls(Tls { ciphers: Some(ciphers), .. })
                if ciphers.split(':').any(|name| name.starts_with("TLS_")) =>
            {
                let message = "nginx's `ssl_ciphers` knows no ciphers of TLS 1.3";
                let hint = "leave those that begin with `TLS_` out; `ssl_conf_command Ciphersuites …`, written by hand, chooses among them";
                problems.push(Problem::of(&want.id, message).at("ciphers").hint(hint));
            }
            _ => {}
        }
        problems.extend(CAPABILITIES.refusals(None, &want.id, wanted, Novelty::Known));
    }
    problems
}

/// Brings both sides to one form, and says what the system cannot do.
pub fn online(site: &Site, pairs: &mut [Pairing<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Pairing { id, want, live } in pairs {
        spec::settle(want, live.as_mut());
        let novelty = if live.is_some() { Novelty::Known } else { Novelty::New };
        problems.extend(CAPABILITIES.refusals(site.version(), id, want, novelty));
        match (&mut *want, live.as_mut()) {
            (Spec::Tls(want), Some(Spec::Tls(live))) => problems.extend(tls::settle(site, id, want, live)),
            (Spec::Tls(_), _) => problems.push(unspoken(site, id)),
            (Spec::Sticky(Sticky { cookie: None, ttl: Some(_) }), Some(Spec::Sticky(Sticky { cookie: None, .. }))) => {
                problems.push(Problem::of(id, "a ttl needs a cookie").at("ttl").hint("cookie = \"session_id\""));
            }
            _ => {}
        }
        match want {
            Spec::Node(Node { address: None, .. }) if live.is_none() => {
                problems.push(Problem::of(id, "a new node needs an address").hint("address = \"192.168.1.10:3000\""));
            }
            Spec::Balance(Balance { algorithm: Some(Algorithm::IpHash | Algorithm::Random) })
                if site.layout.servers.iter().any(|server| server.backup) =>
            {
                let message = "nginx has no `backup` servers under this algorithm, and there is one";
                problems.push(
                    Problem::of(id, message)
                        .at("algorithm")
                        .hint("\"round-robin\" and \"least-connections\" have them"),
                );
            }
            Spec::Reuse(Reuse { idle_connections: Some(_), .. }) if site.workers.is_none() => {
                let message = "nginx keeps connections for each worker, and how many there are is not known";
                problems.push(
                    Problem::of(id, message).at("idle_connections").hint("give the target its `pid`, or `workers = 4`"),
                );
            }
            _ => {}
        }
    }
    problems
}

/// Nobody speaks TLS there.
fn unspoken(site: &Site, id: &ResourceId) -> Problem {
    let upstream = site.settings.as_ref().map(|settings| settings.upstream.clone()).unwrap_or_default();
    let known = site.settings.as_ref().is_some_and(|settings| settings.pid.is_some() || settings.main.is_some());
    let place = if known { "" } else { " in this file" };
    let message = format!("no `server` block{place} that passes to `{upstream}` has a `listen … ssl`");
    let hint = "write `listen 443 ssl;` with its certificate into the block and reload; from then on it is tuned here";
    Problem::of(id, message).hint(hint)
}
