//! What a policy cannot have of Caddy: offline, what never makes sense; online, what this version and this handler cannot do.

use super::capability::CAPABILITIES;
use super::cipher;
use super::edit::Key;
use super::settings::Settings;
use super::site::Site;
use super::tls;
use crate::provider::{Pairing, Problem, Want};
use crate::providers::balancer::capability::Novelty;
use crate::providers::balancer::{
    Algorithm, Balance, Health, NODE, Node, STICKY, Spec, Sticky, TLS, Tls, Version, spec,
};

/// What can be said without the system.
pub fn offline(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut setting = |attribute: &str, message: &str, hint: &str| {
        let (attribute, hint) = (Some(attribute.to_owned()), Some(hint.to_owned()));
        problems.push(Problem { id: None, attribute, message: message.to_owned(), hint });
    };
    if settings.admin.is_none() && settings.config.is_none() {
        setting("admin", "neither `admin` nor `config` is given", "admin = \"http://localhost:2019\"");
    }
    let hostile = |c: char| !(c.is_ascii_alphanumeric() || "-_.:/".contains(c));
    if settings.handler.is_empty() || settings.handler.contains(hostile) {
        let hint = "handler = \"lb_web\" for an `@id`, or \"apps/http/servers/web/routes/0/handle/0\"";
        setting("handler", "it is neither an `@id` nor a path", hint);
    }
    if settings.version.as_ref().is_some_and(|version| Version::parse(version).is_none()) {
        setting("version", "it is no version", "version = \"2.8.4\"");
    }
    for want in wants {
        let Some(wanted) = &want.spec else {
            if want.id.kind != NODE.name {
                let whole = if want.id.kind == TLS.name { "server" } else { "handler" };
                let message = format!("`{}` is a part of every {whole} and cannot be absent", want.id.kind);
                problems.push(Problem::of(&want.id, message).hint(leave(&want.id.kind)));
            }
            continue;
        };
        problems.extend(spec::faults(&want.id, wanted));
        problems.extend(CAPABILITIES.refusals(None, &want.id, wanted, Novelty::Known));
        if let Spec::Tls(Tls { ciphers: Some(ciphers), .. }) = wanted
            && let Some((message, hint)) = cipher::fault(ciphers)
        {
            problems.push(Problem::of(&want.id, message).at("ciphers").hint(hint));
        }
        if let Spec::Health(Health {
            enabled: Some(false),
            path,
            interval,
            timeout,
            unhealthy_threshold,
            healthy_threshold,
        }) = wanted
            && (path.is_some()
                || interval.is_some()
                || timeout.is_some()
                || unhealthy_threshold.is_some()
                || healthy_threshold.is_some())
        {
            let message = "caddy keeps nothing of checks that are off";
            problems.push(Problem::of(&want.id, message).at("enabled").hint("leave the other attributes out"));
        }
    }
    problems.extend(twins(wants));
    problems.extend(rivals(wants));
    problems
}

fn address(want: &Want<Spec>) -> Option<String> {
    let Some(Spec::Node(Node { address: Some(text), .. })) = &want.spec else { return None };
    spec::endpoint(text).map(|(host, port)| spec::address(host, port))
}

fn leave(kind: &str) -> &'static str {
    if kind == STICKY.name {
        "to stop using cookies, choose an `algorithm` in [….balance]"
    } else {
        "leave the table out to leave it as it is"
    }
}

/// The cookie and the algorithm are one thing to Caddy.
fn rivals(wants: &[Want<Spec>]) -> Option<Problem> {
    let chosen = |want: &&Want<Spec>| matches!(&want.spec, Some(Spec::Balance(Balance { algorithm: Some(_) })));
    let bound = |want: &&Want<Spec>| matches!(&want.spec, Some(Spec::Sticky(Sticky { cookie: Some(_), .. })));
    let balance = wants.iter().find(chosen)?;
    wants.iter().find(bound)?;
    let message = "to caddy the cookie of `sticky` is the way of spreading requests, so there can be no other";
    Some(Problem::of(&balance.id, message).at("algorithm").hint("leave out one of the two"))
}

/// Nodes at one address: they could not be told apart.
fn twins(wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut found = Vec::new();
    for (at, want) in wants.iter().enumerate() {
        let Some(here) = address(want) else { continue };
        if let Some(other) = wants[..at].iter().find(|other| address(other).as_ref() == Some(&here)) {
            let message = format!("`{here}` is the address of `{}`, too", other.id.label());
            found.push(Problem::of(&want.id, message).at("address").hint("each node has an address of its own"));
        }
    }
    found
}

/// Brings both sides to one form, and says what the running system cannot do.
pub fn online(site: &Site, pairs: &mut [Pairing<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let pool = site.pool();
    let wanted = pairs.iter().find_map(|pair| match &pair.want {
        Spec::Balance(Balance { algorithm }) => *algorithm,
        _ => None,
    });
    let algorithm = wanted.or(pool.balance.algorithm);
    for Pairing { id, want, live } in pairs {
        if let Spec::Node(Node { address: Some(address), .. }) = want
            && let Some((host, port)) = spec::endpoint(address)
        {
            *address = spec::address(host, port);
        }
        let refusals = CAPABILITIES.refusals(Some(site.release.version()), id, want, Novelty::Known);
        let able = refusals.is_empty();
        problems.extend(refusals);
        match (&mut *want, live.as_mut()) {
            (Spec::Tls(want), Some(Spec::Tls(live))) => problems.extend(tls::settle(site, id, want, live)),
            (Spec::Tls(_), _) => problems.push(tls::unspoken(site, id)),
            _ => {}
        }
        match want {
            Spec::Health(Health { enabled: Some(true), path: None, .. }) => {
                let off = matches!(live, Some(Spec::Health(Health { path: None, .. })));
                if off {
                    let message = "caddy checks over HTTP only, and nothing says what to ask for";
                    problems.push(Problem::of(id, message).at("enabled").hint("add `path = \"/health\"`"));
                }
            }
            Spec::Sticky(Sticky { cookie: None, .. }) if pool.sticky.is_none() => {
                let message = "no cookie binds clients yet, and nothing says how it is to be called";
                problems.push(Problem::of(id, message).hint("cookie = \"session_id\""));
            }
            Spec::Reuse(_) if pool.reuse.is_none() => {
                let message = "the nodes are not spoken to over HTTP, so caddy keeps no connections";
                problems.push(Problem::of(id, message).hint("leave [….reuse] out"));
            }
            Spec::Node(node) => {
                if node.weight.is_some() && algorithm != Some(Algorithm::Weighted) && able {
                    let message = "weights count under `algorithm = \"weighted\"` only";
                    problems.push(
                        Problem::of(id, message).at("weight").hint("set it in [….balance], or leave the weight out"),
                    );
                }
                if live.is_none() && node.address.is_none() {
                    problems
                        .push(Problem::of(id, "a new node needs an address").hint("address = \"192.168.1.10:3000\""));
                }
                let key = Key::of(&site.target, id.label(), node.address.clone());
                let taken = pool.upstreams.iter().find(|other| other.address() == node.address && !key.opens(other));
                if let (Some(other), Some(address)) = (taken, &node.address)
                    && let Some(name) = &other.id
                {
                    let message = format!("`{address}` is the address of the node with the `@id` {name}");
                    problems.push(Problem::of(id, message).at("address").hint("declare the node under that name"));
                }
            }
            _ => {}
        }
    }
    problems
}
