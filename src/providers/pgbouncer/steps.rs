//! From differences to operations: the file first, all of it at once, then the running server. Does no I/O.

use std::path::PathBuf;
use std::time::Duration;

use super::hazard;
use super::layer::{self, Layer};
use super::op::Op;
use super::site::Site;
use super::spec::Spec;
use super::tree::{Edit, Refusal, Tree};
use crate::model::{Action, Hazard, Impact, ResourceId, Stage, Value};
use crate::provider::{Delta, Draft};

/// How long writing a file, or one command of the console, may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A difference with its layers.
struct Difference<'a> {
    delta: &'a Delta<Spec>,
    want: Layer,
    hazards: Vec<Hazard>,
}

/// What to run for these differences.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let differences: Vec<Difference<'_>> = deltas.iter().map(|delta| difference(site, delta)).collect();
    let stage = match () {
        () if deltas.iter().all(|delta| delta.action == Action::Create) => Stage::Expand,
        () if deltas.iter().all(|delta| delta.action == Action::Delete) => Stage::Contract,
        () => Stage::Shift,
    };
    let mut drafts = match &site.config {
        None => through_console(&differences),
        Some(config) => through_file(site, config, &differences),
    };
    for draft in &mut drafts {
        draft.stage = stage;
    }
    drafts
}

fn difference<'a>(site: &Site, delta: &'a Delta<Spec>) -> Difference<'a> {
    let layer = |spec: &Option<Spec>| spec.as_ref().and_then(|spec| layer::of(spec).ok());
    let (want, live) = (layer(&delta.want).unwrap_or_default(), layer(&delta.live));
    let hazards = hazard::of_change(site, &delta.id, delta.action, &want, live.as_ref(), &changed(delta, &want));
    Difference { delta, want, hazards }
}

/// The paths that differ, down to single attributes.
fn changed(delta: &Delta<Spec>, want: &Layer) -> Vec<String> {
    let named = |path: &str| {
        delta.action == Action::Create
            || delta.changed.iter().any(|root| path.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    want.keys().filter(|path| named(path)).cloned().collect()
}

fn draft(title: String, covers: Vec<ResourceId>, hazards: Vec<Hazard>, impact: Impact, op: Op) -> Draft<Op> {
    Draft { stage: Stage::Shift, title, covers, hazards, timeout: TIMEOUT, lock_timeout: None, impact, op }
}

fn set(id: &ResourceId, key: &str, value: &Value, hazards: Vec<Hazard>) -> Draft<Op> {
    let text = layer::unit("settings", key).write(value);
    let op = Op::Set { key: key.to_owned(), text, value: value.clone() };
    draft(format!("set {key} in the running server"), vec![id.clone()], hazards, Impact::Runtime, op)
}

fn through_console(differences: &[Difference<'_>]) -> Vec<Draft<Op>> {
    let mut drafts = Vec::new();
    for Difference { delta, want, hazards } in differences {
        let id = &delta.id;
        if id.kind == "settings" {
            let keys = changed(delta, want);
            for key in &keys {
                let mut own = vec![hazard::volatile()];
                own.extend(hazards.iter().filter(|hazard| about(hazard, key)).cloned());
                drafts.extend(want.get(key).map(|value| set(id, key, value, own)));
            }
        } else {
            let op = Op::Impossible { what: format!("change {id}") };
            drafts.push(draft(format!("change {id}"), vec![id.clone()], hazards.clone(), Impact::Runtime, op));
        }
    }
    drafts
}

/// Whether a hazard's evidence begins with this key.
fn about(hazard: &Hazard, key: &str) -> bool {
    hazard.evidence.strip_prefix(key).is_some_and(|rest| rest.starts_with(' '))
}

fn through_file(site: &Site, config: &std::path::Path, differences: &[Difference<'_>]) -> Vec<Draft<Op>> {
    let mut tree = site.tree.clone();
    let mut files: Vec<(PathBuf, Vec<Edit>, Vec<ResourceId>)> = Vec::new();
    for Difference { delta, want, .. } in differences {
        for edit in edits(site.tree.as_ref(), &delta.id, delta.action, want, &changed(delta, want)) {
            let landed = tree.as_mut().and_then(|tree| tree.edit(&edit).ok());
            let file = landed.unwrap_or_else(|| config.to_owned());
            let at = files.iter().position(|(path, ..)| *path == file).unwrap_or_else(|| {
                files.push((file, Vec::new(), Vec::new()));
                files.len() - 1
            });
            files[at].1.push(edit);
            if !files[at].2.contains(&delta.id) {
                files[at].2.push(delta.id.clone());
            }
        }
    }
    let mut drafts: Vec<Draft<Op>> = files
        .into_iter()
        .map(|(file, edits, covers)| {
            let expected = site.tree.as_ref().and_then(|tree| tree.print(&file)).cloned();
            let title = format!("edit {}", file.display());
            draft(title, covers, Vec::new(), Impact::Runtime, Op::Edit { file, expected, edits })
        })
        .collect();
    let activated = if site.console { activate(site, differences, &mut drafts) } else { Vec::new() };
    // What somebody must know before pressing yes stands at the step that makes it so.
    for Difference { delta, hazards, .. } in differences {
        let takes_effect = drafts.iter_mut().rfind(|draft| draft.covers.contains(&delta.id));
        let Some(draft) = takes_effect else { continue };
        let new: Vec<_> = hazards.iter().filter(|hazard| !draft.hazards.contains(hazard)).cloned().collect();
        if new.iter().any(|hazard| hazard.code == "needs-restart") && !activated.contains(&delta.id) {
            draft.impact = Impact::Restart;
        }
        draft.hazards.extend(new);
    }
    if !site.console {
        for draft in drafts.iter_mut().filter(|draft| draft.impact == Impact::Runtime) {
            draft.hazards.push(hazard::needs_reload());
            draft.impact = Impact::Reload;
        }
    }
    drafts
}

/// Brings the running server to what the files say now; returns what that covers.
fn activate(site: &Site, differences: &[Difference<'_>], drafts: &mut Vec<Draft<Op>>) -> Vec<ResourceId> {
    let mut covers = Vec::new();
    let (mut settings, mut pools) = (Layer::new(), Vec::new());
    for Difference { delta, want, .. } in differences {
        let changed = changed(delta, want);
        let wanted = changed.iter().filter_map(|path| Some((path.clone(), want.get(path)?.clone())));
        if delta.id.kind == "settings" {
            let before = settings.len();
            settings.extend(wanted.filter(|(key, value)| {
                !site.fixed(key) && site.running.as_ref().is_none_or(|running| running.settings.get(key) != Some(value))
            }));
            if settings.len() == before {
                continue;
            }
        } else {
            let visible = |path: &str| {
                site.running.as_ref().is_none_or(|running| {
                    layer::pool_attribute(path).is_some_and(|attribute| layer::shown(attribute, &running.sample))
                })
            };
            let expected = delta.want.as_ref().map(|_| wanted.filter(|(path, _)| visible(path)).collect());
            pools.push((delta.id.label().to_owned(), expected));
        }
        covers.push(delta.id.clone());
    }
    if covers.is_empty() {
        return covers;
    }
    // `*` is not told by SHOW DATABASES, so that nothing of it can be verified.
    pools.retain(|(name, _)| name != "*");
    let wanted = |name: &str, path: &str| match name {
        "" => settings.contains_key(path),
        name => differences.iter().any(|difference| difference.delta.id.name.as_deref() == Some(name)),
    };
    let pending = site.pending(wanted);
    if differences.iter().all(|difference| difference.delta.id.kind == "settings") && !pending.is_empty() {
        // RELOAD would do more than the plan says; SET does exactly this, and the file makes it last.
        drafts.extend(settings.iter().map(|(key, value)| set(&covers[0], key, value, Vec::new())));
        return covers;
    }
    let hazards = if pending.is_empty() { Vec::new() } else { vec![hazard::reverts_live(&pending)] };
    let title = "have the running server read its file".to_owned();
    drafts.push(draft(title, covers.clone(), hazards, Impact::Reload, Op::Reload { settings, pools }));
    covers
}

/// What the file needs, given what it says already.
fn edits(tree: Option<&Tree>, id: &ResourceId, action: Action, want: &Layer, changed: &[String]) -> Vec<Edit> {
    if id.kind == "settings" {
        let edit = |key: &String| {
            let (unit, value) = (layer::unit("settings", key), want.get(key)?);
            let there = tree.and_then(|tree| tree.setting(key)).map(|text| unit.read(&text));
            (there.as_ref() != Some(value)).then(|| Edit::Setting { key: key.clone(), text: unit.write(value) })
        };
        return changed.iter().filter_map(edit).collect();
    }
    let name = id.label().to_owned();
    let line = tree.and_then(|tree| tree.databases().remove(&name));
    if action == Action::Delete {
        return if tree.is_some() && line.is_none() { Vec::new() } else { vec![Edit::Drop { name }] };
    }
    let there = line.as_deref().and_then(layer::pool_of_file).unwrap_or_default();
    // The order of the table, not of the alphabet: host, port, dbname.
    let pairs: Vec<_> = layer::POOL
        .iter()
        .filter(|attribute| changed.iter().any(|path| path == attribute.path))
        .filter(|attribute| there.get(attribute.path) != want.get(attribute.path))
        .filter_map(|attribute| Some((attribute.keys, attribute.unit.write(want.get(attribute.path)?))))
        .collect();
    if pairs.is_empty() { Vec::new() } else { vec![Edit::Database { name, pairs }] }
}

/// Why the file could not be edited as one resource needs it.
pub fn refusal(site: &Site, id: &ResourceId, want: &Layer, live: Option<&Layer>) -> Option<Refusal> {
    let mut tree = site.tree.clone()?;
    let action = if live.is_some() { Action::Update } else { Action::Create };
    let changed: Vec<String> =
        want.keys().filter(|path| live.is_none_or(|live| live.get(*path) != want.get(*path))).cloned().collect();
    edits(site.tree.as_ref(), id, action, want, &changed).iter().find_map(|edit| tree.edit(edit).err())
}
