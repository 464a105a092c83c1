//! What a policy cannot have of nginx: offline, what never makes sense; online, what this version and this setup cannot do.

use super::capability::CAPABILITIES;
use super::settings::Settings;
use super::site::Site;
use crate::provider::{Pairing, Problem, Want};
use crate::providers::balancer::capability::Novelty;
use crate::providers::balancer::{Algorithm, Balance, Health, NODE, Node, Reuse, Spec, spec};

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
        settle(want, live.as_mut());
        let novelty = if live.is_some() { Novelty::Known } else { Novelty::New };
        problems.extend(CAPABILITIES.refusals(site.version(), id, want, novelty));
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

/// What is the same under two names, and addresses in one form.
fn settle(want: &mut Spec, live: Option<&mut Spec>) {
    if let Spec::Node(Node { address: Some(address), .. }) = want
        && let Some((host, port)) = spec::endpoint(address)
    {
        *address = spec::address(host, port);
    }
    if let (
        Spec::Balance(Balance { algorithm: Some(Algorithm::Weighted) }),
        Some(Spec::Balance(Balance { algorithm: live @ Some(Algorithm::RoundRobin) })),
    ) = (want, live)
    {
        // nginx's round robin always goes by weight.
        *live = Some(Algorithm::Weighted);
    }
}
