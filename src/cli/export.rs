//! `evenkeel export`: the live state as policy. Planning it is empty.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::args::{ExportArgs, Globals};
use super::exit::{Exit, Failure, Result};
use super::load::{self, References};
use super::session::{self, Opened};
use super::world::World;
use super::{emit, grants};
use crate::error::Error;
use crate::model::{Attributes, Kind, ResourceId, Value, value};
use crate::policy::{self, File, Lookup, Node, NodeValue, Policy, Table, Target};
use crate::provider::Depth;
use crate::provider::{Breadth, Descriptor};
use crate::render::mask::masks;

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &ExportArgs) -> Result {
    let mut out = String::new();
    for target in &args.targets {
        let text = if args.set.is_empty() {
            declared(world, globals, target, &args.policy).await?
        } else {
            undeclared(world, globals, target, &args.set).await?
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&text);
    }
    match &args.out {
        Some(file) => emit::write(file, &out)?,
        None => world.print(out),
    }
    Ok(Exit::Done)
}

/// Takes `postgres.shop` apart.
///
/// # Errors
/// `Usage` where it is no target of a provider of this build.
pub fn parse_target(text: &str) -> Result<(&'static Descriptor, &str)> {
    let Some((provider, name)) = text.split_once('.').filter(|(_, name)| !name.is_empty()) else {
        return Err(Error::usage(format!("`{text}` is no target")).hint("write it as `postgres.shop`").into());
    };
    Ok((grants::provider(provider)?, name))
}

async fn declared(world: &World, globals: &Globals, target: &str, paths: &[PathBuf]) -> Result<String> {
    let (descriptor, _) = parse_target(target)?;
    let policy = load::policy(world, globals, paths, References::Resolved)?;
    one(world, globals, &policy, target, descriptor).await
}

/// Exports a target that no policy declares, reached by settings from the command line.
///
/// # Errors
/// When the settings do not read or the target cannot be reached.
pub async fn undeclared(world: &World, globals: &Globals, target: &str, settings: &[String]) -> Result<String> {
    let (descriptor, name) = parse_target(target)?;
    let mut text = format!("[{}.{}]\n", descriptor.name, value::show_key(name));
    for setting in settings {
        let Some((key, given)) = setting.split_once('=') else {
            let error = Error::usage(format!("`--set {setting}` sets nothing"));
            return Err(error.hint("write it as `--set url=env:DATABASE_URL` or `--set path=shop.db`").into());
        };
        let given = match given.split_once(':') {
            Some((sort @ ("env" | "file"), name)) => format!("{{ {sort} = {} }}", value::show(&name.into())),
            _ => value::show(&given.into()),
        };
        text.push_str(&format!("{} = {given}\n", value::show_key(key)));
    }
    let file = |path: &str| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let lookup = Lookup::Live { env: &World::variable, file: &file };
    let policy = load::use_files(world, &[File::new("(command line)", text)], &[], lookup)?;
    one(world, globals, &policy, target, descriptor).await
}

async fn one(
    world: &World,
    globals: &Globals,
    policy: &Policy,
    target: &str,
    descriptor: &Descriptor,
) -> Result<String> {
    let opened = session::open(policy, globals.connect_timeout, Depth::AsSet)?;
    let Opened { target: declared, driver, .. } = session::find(&opened, target)?;
    let survey = driver.connect().await?.survey(None, Breadth::Everything).await?;
    if let Some(gap) = survey.gaps.first() {
        let text = format!("error: `{target}` could not be read whole: {}: {}", gap.kind, gap.reason);
        let hint = gap.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        return Err(Failure::Refusal(Exit::Incomplete, format!("{text}{hint}")));
    }
    for note in &survey.notes {
        world.say(format!("{target}: {note}"));
    }
    let resources: Vec<(ResourceId, Attributes)> = survey
        .pairs
        .into_iter()
        .filter_map(|pair| Some((pair.id, pair.live?)))
        .filter_map(|(id, live)| {
            let kind = descriptor.kinds.iter().find(|kind| kind.name == id.kind)?;
            Some((id, written(descriptor, kind, Arc::unwrap_or_clone(live))))
        })
        .collect();
    Ok(policy::write(&declared.id, &settings(world, declared), &resources))
}

/// The target's settings as they are written, references as references. A password that stands in the policy is not repeated:
/// a variable takes its place.
fn settings(world: &World, target: &Target) -> Attributes {
    let mut settings = Attributes::new();
    for (key, entry) in target.settings.table().into_iter().flatten() {
        let mut value = plain(&entry.node);
        if let Value::String(text) = &value
            && masks(key, text)
        {
            let name = format!("{}_{}_{key}", target.id.provider, target.id.name).to_uppercase().replace('-', "_");
            world.say(format!("{}: `{key}` holds a password; the export takes it from the variable {name}", target.id));
            value = json!({ "env": name });
        }
        settings.insert(key.clone(), value);
    }
    settings
}

fn plain(node: &Node) -> Value {
    let table =
        |table: &Table| Value::Object(table.iter().map(|(key, entry)| (key.clone(), plain(&entry.node))).collect());
    match &node.value {
        NodeValue::Bool(flag) => Value::from(*flag),
        NodeValue::Int(number) => Value::from(*number),
        NodeValue::Float(number) => Value::from(*number),
        NodeValue::Text(text) => Value::from(text.as_str()),
        NodeValue::List(items) => Value::Array(items.iter().map(plain).collect()),
        NodeValue::Table(inner) => table(inner),
        NodeValue::Reference(reference) => table(&reference.table),
    }
}

/// What has to be written: attributes that are their default anyway are left out.
fn written(descriptor: &Descriptor, kind: &Kind, live: Attributes) -> Attributes {
    let defaults = (descriptor.defaults)(kind.name, &live);
    live.into_iter().filter(|(key, value)| defaults.get(key) != Some(value)).collect()
}
