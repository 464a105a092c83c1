//! The live state, composed from what runs and what the file says. Where the two differ, what is not as wanted is told. Does no I/O.

use super::cipher;
use super::edit::Key;
use super::pool::{Pool, Upstream};
use super::site::Site;
use crate::error::{Error, Result};
use crate::model::{Facts, ResourceId, Value, value};
use crate::provider::{Breadth, Live, Scope};
use crate::providers::balancer::capacity::Serving;
use crate::providers::balancer::{Node, NodeState, Spec, Tls, spec};

/// Every resource that `scope` asks for.
///
/// # Errors
/// A defect only.
pub fn all(site: &Site, scope: &Scope<'_, Spec>) -> Result<Vec<Live<Spec>>> {
    let mut found = Vec::new();
    let declared = keys(site, scope);
    let sides: Vec<&Pool> = site.running.iter().chain(&site.file).collect();
    let fronts: Vec<Spec> = site.tls.specs().into_iter().map(Spec::Tls).collect();
    for kind in ["balance", "health", "sticky", "tls", "reuse"] {
        let id = ResourceId::only(kind);
        let want = scope.wanted.iter().find(|want| want.id == id);
        if scope.breadth == Breadth::Declared && want.is_none() {
            continue;
        }
        let read = |pool: &&Pool| match kind {
            "balance" => Some(Spec::Balance(pool.balance.clone())),
            "health" => Some(Spec::Health(pool.health.clone())),
            "sticky" => pool.sticky.clone().map(Spec::Sticky),
            _ => pool.reuse.clone().map(Spec::Reuse),
        };
        let (said, facts) = match kind {
            "tls" => (fronts.clone(), site.tls.facts()),
            _ => (sides.iter().filter_map(read).collect(), Facts::default()),
        };
        if said.len() == sides.len() {
            let want = want.and_then(|want| want.spec.as_ref()).map(plain);
            found.push(Live { id, spec: merged(kind, want.as_ref(), &said)?, facts });
        }
    }
    for name in names(site, &declared) {
        let id = ResourceId::named("node", &name);
        let want = scope.wanted.iter().find(|want| want.id == id);
        if scope.breadth == Breadth::Declared && want.is_none() {
            continue;
        }
        let on = |pool: &&Pool| {
            pool.upstreams.iter().find(|node| site.name(node, &declared).as_ref() == Some(&name)).cloned()
        };
        let there: Vec<Upstream> = sides.iter().filter_map(on).collect();
        let want = want.and_then(|want| want.spec.as_ref());
        // A node that is only half there is made, not changed.
        if want.is_some() && there.len() < sides.len() {
            continue;
        }
        let said: Vec<Spec> = there.iter().map(node).collect();
        let facts = facts(site, there.first());
        found.push(Live { id, spec: merged("node", want, &said)?, facts });
    }
    Ok(found)
}

/// What is wanted, in the words in which it is told.
fn plain(want: &Spec) -> Spec {
    let mut want = want.clone();
    if let Spec::Tls(Tls { ciphers: Some(ciphers), .. }) = &mut want {
        *ciphers = cipher::sorted(ciphers);
    }
    want
}

/// How the policy wants TLS to be spoken.
pub fn wanted_tls<'a>(scope: &Scope<'a, Spec>) -> Option<&'a Tls> {
    scope.wanted.iter().find_map(|want| match &want.spec {
        Some(Spec::Tls(tls)) => Some(tls),
        _ => None,
    })
}

/// The keys of the declared nodes.
pub fn keys(site: &Site, scope: &Scope<'_, Spec>) -> Vec<Key> {
    let nodes = scope.wanted.iter().filter(|want| want.id.kind == "node");
    let key = |want: &crate::provider::Want<Spec>| {
        let address = match &want.spec {
            Some(Spec::Node(Node { address: Some(address), .. })) => Some(address.as_str()),
            _ => Some(want.id.label()),
        };
        let address = address.and_then(spec::endpoint).map(|(host, port)| spec::address(host, port));
        Key::of(&site.target, want.id.label(), address)
    };
    nodes.map(key).collect()
}

fn names(site: &Site, declared: &[Key]) -> Vec<String> {
    let mut names = Vec::new();
    for node in site.running.iter().chain(&site.file).flat_map(|pool| &pool.upstreams) {
        // What has no address in the policy's words is left to its owner.
        if let Some(name) = site.name(node, declared).filter(|name| node.address().is_some() && !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

fn node(node: &Upstream) -> Spec {
    Spec::Node(Node { address: node.address(), weight: node.weight, state: Some(NodeState::Ready) })
}

fn facts(site: &Site, node: Option<&Upstream>) -> Facts {
    let address = node.and_then(Upstream::address);
    let facts = Facts::default();
    match address.and_then(|address| site.found.get(&address)) {
        Some(None) => facts.with("health", "healthy"),
        Some(Some(why)) => facts.with("health", why.as_str()),
        None => facts,
    }
}

/// Attribute by attribute: of what the sides say, what is not as wanted; the first side's where nothing is.
fn merged(kind: &str, want: Option<&Spec>, said: &[Spec]) -> Result<Spec> {
    let sides = said.iter().map(value::erase).collect::<Result<Vec<_>>>()?;
    let want = want.map(value::erase).transpose()?.unwrap_or_default();
    let mut spec = sides.first().cloned().unwrap_or_default();
    for (name, want) in &want {
        if let Some(other) = sides.iter().find(|side| side.get(name) != Some(want)) {
            match other.get(name) {
                Some(value) => spec.insert(name.clone(), value.clone()),
                None => spec.shift_remove(name),
            };
        }
    }
    let whole = Value::Object(std::iter::once((kind.to_owned(), Value::Object(spec))).collect());
    serde_json::from_value(whole).map_err(|error| Error::bug(format!("`{kind}` does not decode")).because(error))
}

/// Remarks: what would be lost, what keeps runs apart, how nodes are.
pub fn notes(site: &Site) -> Vec<String> {
    let mut notes = Vec::new();
    let settings = site.settings.as_ref();
    let config = settings.and_then(|settings| settings.config.as_ref());
    match (&site.running, config) {
        (Some(_), None) => {
            let lost = match site.about.resumes {
                Some(true) => None,
                Some(false) => Some("caddy was started without `--resume`, as its command line in `/debug/vars` says"),
                None => Some("caddy does not tell whether it was started with `--resume`"),
            };
            notes.extend(lost.map(|why| {
                format!("{why}: without that its next restart loses what is changed; give the target its `config`, or start caddy with `--resume`")
            }));
            notes.push(
                "without `config` nothing here can hold a lock: two runs at once are not kept apart; each write carries `If-Match`, \
                 so that neither overwrites the other"
                    .into(),
            );
        }
        (None, Some(config)) => notes.push(format!(
            "without `admin`, only `{}` is compared and changed: caddy reads it when it is restarted or told `caddy reload`",
            config.display()
        )),
        _ => {}
    }
    if let (Some(running), Some(file)) = (&site.running, &site.file)
        && running != file
    {
        notes.push("the running caddy and the file differ; what is declared is brought into both".into());
    }
    notes.extend(site.tls.notes());
    let pool = site.pool();
    notes.extend(site.release.doubt().filter(|_| site.running.is_some()));
    if pool.balance.algorithm.is_none() && pool.sticky.is_none() {
        notes.push(format!("the selection policy `{}` has no name in the policy", pool.policy));
    }
    if pool.dynamic {
        notes.push(
            "`dynamic_upstreams` is set: caddy asks there for its nodes, and those listed here do not count".into(),
        );
    }
    let strange = pool.upstreams.iter().filter(|node| node.address().is_none()).count();
    if strange > 0 {
        let nodes = crate::model::text::count(strange, "node");
        notes.push(format!("{nodes} with a socket or a placeholder for an address, which the policy has no words for"));
    }
    for node in &pool.upstreams {
        if let Some(address) = node.address()
            && site.serving(Some(&address)) == Serving::No
            && let Some(Some(why)) = site.found.get(&address)
        {
            notes.push(format!("`{address}` is not healthy, asked from here: {why}"));
        }
    }
    if let Some(idle) = pool.reuse.and_then(|reuse| reuse.idle_connections)
        && pool.idle_total > 0
        && u64::from(idle) * pool.upstreams.len() as u64 > pool.idle_total
    {
        notes.push(format!(
            "{idle} idle connections for each of {} nodes are more than `max_idle_conns` = {} allows to all together",
            pool.upstreams.len(),
            pool.idle_total
        ));
    }
    notes
}
