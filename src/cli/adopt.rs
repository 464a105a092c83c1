//! `evenkeel drift --adopt`: writes the live values into the policy files, every other byte kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::args::Globals;
use super::exit::{Failure, Result};
use super::load;
use super::session;
use super::world::World;
use crate::error::Error;
use crate::model::{Action, Change, Severity, text};
use crate::plan::Plan;
use crate::policy::{self, Edit, File, Input, Lookup, Policy, Resource, edit};
use crate::provider::Depth;
use crate::provider::file::{self, Fingerprint};

/// Adopts every change of the plan: the policy then says what is there.
///
/// # Errors
/// When a file does not declare what is to be edited, has changed since it was read, or would not be a valid policy afterwards.
/// No file is written then.
pub async fn adopt(world: &World, globals: &Globals, policy: &Policy, plan: &Plan) -> Result<()> {
    let mut edits: BTreeMap<Arc<str>, Vec<Edit>> = BTreeMap::new();
    for change in &plan.changes {
        for (file, edit) in edits_of(policy, change) {
            edits.entry(file).or_default().push(edit);
        }
    }
    let mut edited: BTreeMap<Arc<str>, String> = BTreeMap::new();
    for (file, edits) in &edits {
        let text = policy.sources.text(file).unwrap_or_default();
        edited.insert(file.clone(), edit(text, edits).map_err(|error| error.context(format!("`{file}`")))?);
    }
    check(globals, policy, &edited)?;
    for (file, text) in edited {
        let before = Fingerprint::of(policy.sources.text(&file).unwrap_or_default().as_bytes());
        file::replace(Path::new(&*file), Some(&before), text.into_bytes()).await?;
        let n = edits.get(&file).map_or(0, Vec::len);
        world.say(format!("adopted {} into {file}", text::count(n, "live value")));
    }
    Ok(())
}

/// What has to be edited, and in which file, for one change.
fn edits_of(policy: &Policy, change: &Change) -> Vec<(Arc<str>, Edit)> {
    let address = change.address.clone();
    let Some(target) = policy.targets.iter().find(|target| target.id == address.target) else { return Vec::new() };
    let Some(resource) = target.resources.iter().find(|resource| resource.id == address.resource) else {
        // Found by `prune`: there, and not declared.
        let attributes = change.before.clone().unwrap_or_default();
        return vec![(target.settings.place.file.clone(), Edit::Add { address, attributes })];
    };
    let remove = || {
        let gone = |file| (file, Edit::Remove { address: address.clone() });
        files(resource).into_iter().map(gone).collect::<Vec<_>>()
    };
    match change.action {
        Action::Create => remove(),
        Action::Delete => {
            let attributes = change.before.clone().unwrap_or_default();
            let mut edits = remove();
            edits.push((resource.place.file.clone(), Edit::Add { address, attributes }));
            edits
        }
        Action::Update | Action::Replace => change
            .fields
            .iter()
            .map(|field| {
                let file = resource.place_of(Some(&field.path)).file;
                let (address, path) = (address.clone(), field.path.clone());
                let edit = match &field.before {
                    Some(value) => Edit::Set { address, path, value: value.clone() },
                    None => Edit::Unset { address, path },
                };
                (file, edit)
            })
            .collect(),
    }
}

/// The files that write something of a resource.
fn files(resource: &Resource) -> BTreeSet<Arc<str>> {
    let mut files = BTreeSet::from([resource.place.file.clone()]);
    files.extend(resource.node.table().into_iter().flatten().map(|(_, entry)| entry.key.file.clone()));
    files
}

/// Makes sure that the edited files still are a policy, before any is written.
fn check(globals: &Globals, policy: &Policy, edited: &BTreeMap<Arc<str>, String>) -> Result<()> {
    let vocabulary = load::vocabulary();
    let text =
        |file: &str| edited.get(file).map(String::as_str).or_else(|| policy.sources.text(file)).unwrap_or_default();
    let files: Vec<File> = policy.sources.files().map(|file| File::new(file, text(file))).collect();
    // As overlays the files are laid over each other, so that an edited overlay is checked together with what it lies over.
    let (first, rest) = files.split_at(files.len().min(1));
    let input = Input { base: first, overlays: rest, vocabulary: &vocabulary, lookup: Lookup::Offline };
    let (after, diagnostics) = policy::load(input);
    let broken = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let opened = if broken {
        Err(Failure::Policy(diagnostics, after.sources.clone()))
    } else {
        session::open(&after, globals.connect_timeout, Depth::Exact).map(drop)
    };
    opened.map_err(|failure| match failure {
        Failure::Policy(diagnostics, _) => {
            let first = diagnostics.first().map(|diagnostic| diagnostic.message.clone()).unwrap_or_default();
            let error = Error::failed(format!("the live state cannot be written as policy: {first}"));
            error
                .hint("nothing was written; leave the resource out with --exclude, or repair it with `evenkeel apply`")
                .into()
        }
        other => other,
    })
}
