//! The live state, composed from what the file says and what the running server does. Does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::layer::{self, Layer};
use super::site::{Running, Site};
use super::spec::Spec;
use super::tree::Tree;
use super::{catalog, conninfo};
use crate::error::Result;
use crate::model::{Facts, ResourceId, Value, value};
use crate::provider::{Breadth, Gap, Live, Scope, Want};

/// What there is, what of it cannot be read, and what the reader of a plan should know.
#[derive(Debug, Default)]
pub struct Composed {
    /// The resources.
    pub live: Vec<Live<Spec>>,
    /// Entries that the server would not understand either.
    pub gaps: Vec<Gap>,
    /// Remarks.
    pub notes: Vec<String>,
}

/// Composes the live state of what was read.
///
/// # Errors
/// None in practice; a live value that no specification can hold is a defect.
pub fn compose(site: &Site, scope: &Scope<'_, Spec>) -> Result<Composed> {
    let mut composed = Composed::default();
    let wants: BTreeMap<&ResourceId, &Want<Spec>> = scope.wanted.iter().map(|want| (&want.id, want)).collect();
    let id = ResourceId::only("settings");
    let want = wanted(wants.get(&id).copied())?.unwrap_or_default();
    let facts = site.running.as_ref().map(|running| running.total().facts()).unwrap_or_default();
    let spec = layer::settings(settings(site, &want, scope.breadth, &mut composed.notes));
    composed.live.push(Live { id, spec, facts });

    let written = site.tree.as_ref().map(Tree::databases).unwrap_or_default();
    let mut names: BTreeSet<&String> = written.keys().collect();
    if let Some(running) = &site.running {
        // Entries that `*` stands for come and go with their clients.
        let automatic = |name: &&String| written.contains_key("*") && !written.contains_key(*name);
        names.extend(running.pools.keys().filter(|name| !automatic(name)));
    }
    for name in names {
        let id = ResourceId::named("pool", name);
        let want = wants.get(&id).copied();
        if want.is_none() && scope.breadth == Breadth::Declared {
            continue;
        }
        let line = written.get(name);
        if line.is_some_and(|line| conninfo::parse(line).is_none()) {
            composed.gaps.push(Gap {
                kind: "pool".into(),
                name: Some(name.clone()),
                reason: "its line in [databases] is not `key=value` pairs; the server will not start with it".into(),
                hint: Some("correct the line by hand".into()),
            });
            continue;
        }
        let Some(layer) = pool(site, name, line.map(String::as_str), want)? else { continue };
        let facts = site.running.as_ref().map(|running| load(running, name)).unwrap_or_default();
        composed.live.push(Live { id, spec: layer::pool(layer)?, facts });
    }
    remark(site, &mut composed.notes);
    Ok(composed)
}

fn load(running: &Running, name: &str) -> Facts {
    running.load.get(name).copied().unwrap_or_default().facts()
}

fn wanted(want: Option<&Want<Spec>>) -> Result<Option<Layer>> {
    want.and_then(|want| want.spec.as_ref()).map(layer::of).transpose()
}

fn settings(site: &Site, want: &Layer, breadth: Breadth, notes: &mut Vec<String>) -> Layer {
    let file = site.tree.as_ref().map(|tree| layer::settings_of_file(&tree.settings()));
    let mut keys: BTreeSet<&String> = want.keys().collect();
    if breadth == Breadth::Everything {
        let off = |running: &'_ Running, key: &String| running.settings.get(key) != running.defaults.get(key);
        let running = site.running.iter().flat_map(|r| r.settings.keys().filter(move |key| off(r, key)));
        keys.extend(file.iter().flat_map(|file| file.keys()).chain(running));
        keys.retain(|key| !catalog::READ_ONLY.contains(&key.as_str()));
    }
    let mut layer = Layer::new();
    for key in keys {
        let Some(value) = setting(site, key, want.get(key), file.as_ref(), notes) else { continue };
        // An empty text is how the server tells that nothing is set.
        if value != "" || want.contains_key(key) {
            layer.insert(key.clone(), value);
        }
    }
    layer
}

fn setting(
    site: &Site,
    key: &str,
    want: Option<&Value>,
    file: Option<&Layer>,
    notes: &mut Vec<String>,
) -> Option<Value> {
    match (file, &site.running) {
        (None, None) => None,
        (None, Some(running)) => running.settings.get(key).cloned(),
        (Some(file), None) => file.get(key).cloned(),
        (Some(file), Some(running)) => {
            let (promised, now) = (site.promised(key), running.settings.get(key));
            match file.get(key) {
                Some(written) if site.fixed(key) => {
                    if Some(written) != now {
                        let now = now.map_or("nothing".into(), value::show);
                        let then = value::show(written);
                        notes.push(format!("`{key}` is {now} until the next restart, then {then} as the file says"));
                    }
                    Some(written.clone())
                }
                None if site.fixed(key) => now.cloned(),
                _ => layer::merged(want, promised.as_ref(), now).cloned(),
            }
        }
    }
}

fn pool(site: &Site, name: &str, line: Option<&str>, want: Option<&Want<Spec>>) -> Result<Option<Layer>> {
    let file = line.and_then(layer::pool_of_file);
    let running = site.running.as_ref().and_then(|running| running.pools.get(name));
    let here = want.is_some_and(|want| want.spec.is_some());
    let want = wanted(want)?.unwrap_or_default();
    Ok(match (site.tree.is_some(), &site.running, file, running) {
        (true, None, file, _) => file,
        // In the file and not loaded: it is still to be made.
        (true, Some(_), Some(_), None) if here => None,
        (true, Some(_), Some(file), None) => Some(file),
        // Loaded and no longer in the file: nothing of it lasts.
        (true, Some(_), None, Some(_)) if here => Some(Layer::new()),
        (false, _, _, running) | (true, Some(_), None, running) => running.cloned(),
        (true, Some(server), Some(file), Some(now)) => {
            let value = |attribute: &layer::Attribute| {
                let (written, now) = (file.get(attribute.path), now.get(attribute.path));
                // What the entry does not say, it has from elsewhere: it is not its own.
                match written {
                    Some(_) if layer::shown(attribute, &server.sample) => {
                        layer::merged(want.get(attribute.path), written, now).cloned()
                    }
                    written => written.cloned(),
                }
            };
            Some(layer::POOL.iter().filter_map(|a| Some((a.path.to_owned(), value(a)?))).collect())
        }
    })
}

fn remark(site: &Site, notes: &mut Vec<String>) {
    match (&site.config, site.console) {
        (None, true) => notes.push(
            "without `config`, a change lasts until PgBouncer restarts or is told to RELOAD, and nothing here can hold a lock: \
             two runs at once are not kept apart"
                .into(),
        ),
        (Some(config), false) => notes.push(format!(
            "without `admin_url`, only `{}` is compared and changed, not the running server",
            config.display()
        )),
        _ => {}
    }
    let pending = site.pending(|_, _| false);
    if !pending.is_empty() {
        notes.push(format!("the running server is not as its file says; at the next RELOAD: {}", pending.join(", ")));
    }
    if let Some(tree) = &site.tree {
        for (key, text) in tree.settings() {
            let unit = catalog::unit(&key);
            if let Err(why) = unit.canonical(&unit.read(&text))
                && unit != catalog::Unit::Private
                && !text.is_empty()
            {
                notes.push(format!("`{key}` is `{text}` in the file: {why}"));
            }
        }
    }
}
