//! `evenkeel explain`: what a hazard, a diagnostic, a guard, a kind or an attribute means.

use std::fmt::Write;

use super::args::ExplainArgs;
use super::exit::{Exit, Result};
use super::world::World;
use crate::error::Error;
use crate::model::{Approval, Comparison, Kind, Many, text};
use crate::plan::{gate, guard};
use crate::policy::codes::CODES;
use crate::provider::{Descriptor, policy_schema};
use crate::providers::REGISTRY;

/// Runs the verb.
pub fn run(world: &World, args: &ExplainArgs) -> Result {
    let Some(name) = &args.name else {
        world.print(overview());
        return Ok(Exit::Done);
    };
    match explanation(name) {
        Some(text) => {
            world.print(text);
            Ok(Exit::Done)
        }
        None => {
            let names = names();
            let error = Error::usage(format!("there is nothing to explain under `{name}`"));
            Err(match text::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`evenkeel explain` lists all names"),
            }
            .into())
        }
    }
}

/// Every name that can be explained, but attributes.
fn names() -> Vec<String> {
    let mut names = Vec::new();
    for descriptor in REGISTRY {
        names.push(descriptor.name.to_owned());
        names.extend(descriptor.kinds.iter().map(|kind| format!("{}.{}", descriptor.name, kind.name)));
        names.extend(descriptor.hazards.iter().map(|hazard| hazard.code.to_owned()));
    }
    names.extend(guard::DOCS.iter().map(|(code, _)| (*code).to_owned()));
    names.push(gate::FAILING_CHECK.to_owned());
    names.extend(CODES.iter().map(|(code, _)| (*code).to_owned()));
    names
}

fn explanation(name: &str) -> Option<String> {
    let mut parts = name.splitn(3, '.');
    if let Some(descriptor) = parts.next().and_then(|name| REGISTRY.iter().find(|descriptor| descriptor.name == name)) {
        let Some(kind) = parts.next() else { return Some(provider(descriptor)) };
        let kind = descriptor.kinds.iter().find(|known| known.name == kind)?;
        return match parts.next() {
            None => Some(resource(descriptor, kind)),
            Some(attribute) => one_attribute(descriptor, kind, attribute),
        };
    }
    if let Some(hazard) = REGISTRY.iter().flat_map(|d| d.hazards).find(|hazard| hazard.code == name) {
        let approval = match hazard.approval {
            Approval::Notice => "A notice: apply goes on.".to_owned(),
            Approval::Required => format!(
                "Apply refuses it until it is allowed: `--allow {name}`, or narrower `--allow {name}:GLOB`,\nor `allow = [\"{name}:GLOB\"]` under `[guards]` in the policy."
            ),
        };
        return Some(format!("hazard {name}\n\n{}\n\n{approval}\n", hazard.doc));
    }
    if name == gate::FAILING_CHECK {
        return Some(format!(
            "check {name}\n\nA query contract or a rule across targets does not hold for the state that the plan leads to.\n\n\
             Apply refuses it until it is allowed: `--allow {name}:ADDRESS`.\n"
        ));
    }
    if let Some((_, doc)) = guard::DOCS.iter().find(|(code, _)| *code == name) {
        return Some(format!("guard {name}\n\n{doc}\n\nAllow it once with `--allow {name}:PROVIDER.TARGET.KIND`.\n"));
    }
    CODES.iter().find(|(code, _)| *code == name).map(|(_, doc)| format!("diagnostic {name}\n\n{doc}\n"))
}

fn overview() -> String {
    let mut out = String::from("Kinds\n");
    for descriptor in REGISTRY {
        for kind in descriptor.kinds {
            let _ = writeln!(out, "  {:<28} {}", format!("{}.{}", descriptor.name, kind.name), kind.doc);
        }
    }
    let first = |doc: &str| doc.split_inclusive(". ").next().unwrap_or(doc).trim().trim_end_matches('.').to_owned();
    out.push_str("\nHazards\n");
    for hazard in REGISTRY.iter().flat_map(|descriptor| descriptor.hazards) {
        let _ = writeln!(out, "  {:<28} {}", hazard.code, first(hazard.doc));
    }
    out.push_str("\nGuards\n");
    for (code, doc) in guard::DOCS {
        let _ = writeln!(out, "  {code:<28} {}", first(doc));
    }
    out.push_str("\nDiagnostics\n");
    for (code, doc) in CODES {
        let _ = writeln!(out, "  {code:<28} {}", first(doc));
    }
    out
}

fn provider(descriptor: &Descriptor) -> String {
    let mut out = format!("provider {}\n\n{}\n\n", descriptor.name, descriptor.doc);
    for kind in descriptor.kinds {
        let _ = writeln!(out, "  {:<16} {}", kind.name, kind.doc);
    }
    out
}

fn resource(descriptor: &Descriptor, kind: &Kind) -> String {
    let name = if kind.many == Many::Named { ".NAME" } else { "" };
    let comparison = match kind.comparison {
        Comparison::Whole => "Whole: an attribute that is not written has its default, and is compared.",
        Comparison::Partial => "Partial: an attribute that is not written is left as it is, and not compared.",
        Comparison::Contract => {
            "A contract: judged by plan and drift against the state the plan leads to; it changes nothing."
        }
    };
    let mut out = format!("kind {}.{}\n\n{}\n\n", descriptor.name, kind.name, kind.doc);
    let _ = writeln!(out, "  [{}.TARGET.{}{name}]\n\n{comparison}", descriptor.name, kind.name);
    if !kind.replaces.is_empty() {
        let _ = writeln!(out, "A difference in {} makes a replacement.", text::either(kind.replaces));
    }
    if kind.prunable {
        let _ = writeln!(out, "`prune = [\"{}\"]` on the target deletes what is not declared.", kind.name);
    }
    let attributes = attributes(descriptor, kind);
    if !attributes.is_empty() {
        out.push_str("\nAttributes\n");
        for (name, doc) in attributes {
            let _ = writeln!(out, "  {name:<16} {}", doc.replace('\n', " "));
        }
    }
    out
}

fn one_attribute(descriptor: &Descriptor, kind: &Kind, attribute: &str) -> Option<String> {
    let (name, doc) = attributes(descriptor, kind).into_iter().find(|(name, _)| name == attribute)?;
    Some(format!("attribute {}.{}.{name}\n\n{doc}\n", descriptor.name, kind.name))
}

/// A kind's attributes with their docs, as its schema tells them.
fn attributes(descriptor: &Descriptor, kind: &Kind) -> Vec<(String, String)> {
    let schema = policy_schema(REGISTRY);
    let properties = &schema["$defs"][format!("{}.{}", descriptor.name, kind.name)]["properties"];
    let doc = |schema: &serde_json::Value| schema["description"].as_str().unwrap_or_default().to_owned();
    properties.as_object().into_iter().flatten().map(|(name, schema)| (name.clone(), doc(schema))).collect()
}
