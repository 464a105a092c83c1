//! Nodes to Rust types through serde, with every problem at its place.
//!
//! Serde stops at the first problem. So the first is told, its node is put aside or replaced by a stand-in, and decoding begins again,
//! until nothing new is found.

mod fault;
mod reader;

use serde::de::DeserializeOwned;

use super::{Meaning, Node, NodeValue, Resource, codes};
use crate::model::{Diagnostic, Kind, text};

use fault::{Fault, Owner, Spot, What};
use reader::{Patches, Reader, Variant};

/// After how many problems of one table the rest is not looked for.
const MOST: usize = 100;

/// Decodes a table node.
///
/// # Errors
/// Every problem found, each at the key or value it is about.
pub fn decode<T: DeserializeOwned>(node: &Node) -> Result<T, Vec<Diagnostic>> {
    rounds(node, &mut Patches::default(), &Owner::Nobody, |reader| T::deserialize(reader))
}

/// Decodes the settings of a target, whose table also holds the resources of these kinds.
///
/// # Errors
/// Every problem found, each at the key or value it is about.
pub fn decode_settings<T: DeserializeOwned>(settings: &Node, kinds: &'static [Kind]) -> Result<T, Vec<Diagnostic>> {
    let names: Vec<_> = super::shape::TARGET_KEYS.into_iter().chain(kinds.iter().map(|kind| kind.name)).collect();
    rounds(settings, &mut Patches::default(), &Owner::Target(names), |reader| T::deserialize(reader))
}

/// Decodes a resource as the variant of an externally tagged enum that its kind names.
///
/// # Errors
/// Every problem found, each at the key or value it is about.
pub fn decode_resource<T: DeserializeOwned>(resource: &Resource) -> Result<T, Vec<Diagnostic>> {
    let Resource { id, node, ignore, place, .. } = resource;
    let mut patches = Patches::default();
    let decoded =
        rounds(node, &mut patches, &Owner::Resource(id), |reader| T::deserialize(Variant::new(&id.kind, reader)));
    let mut problems = Vec::new();
    let known = patches.keys_of_root();
    for path in ignore {
        let first = path.split('.').next().unwrap_or_default();
        if !known.is_empty() && !known.contains(&first) && !known.contains(&path.as_str()) {
            problems.push(
                super::shape::unknown(codes::UNKNOWN_KEY, "attribute", path, place, known.iter().copied())
                    .hint(format!("`ignore` takes: {}", text::list(known))),
            );
        }
    }
    match decoded {
        Ok(decoded) if problems.is_empty() => Ok(decoded),
        Ok(_) => Err(problems),
        Err(found) => Err(found.into_iter().chain(problems).collect()),
    }
}

/// Decodes until nothing new is found. The table is `owner`'s.
fn rounds<'a, T>(
    node: &'a Node,
    patches: &mut Patches<'a>,
    owner: &Owner<'_>,
    decode: impl Fn(Reader<'a, '_>) -> Result<T, Fault<'a>>,
) -> Result<T, Vec<Diagnostic>> {
    let mut problems: Vec<Diagnostic> = Vec::new();
    let mut misspelt: Vec<(&Node, &str)> = Vec::new();
    loop {
        let fault = match decode(Reader::new(node, patches)) {
            Ok(decoded) if problems.is_empty() => return Ok(decoded),
            Ok(_) => return Err(problems),
            Err(fault) => fault,
        };
        // What a table says as a whole may only be due to what stands in for the bad parts of it.
        let doubtful = matches!(fault.what, What::Custom(_) | What::Value(_)) && patches.touch(fault.node(node));
        // Whoever misspells a key need not be told that it is missing, too.
        let known = matches!((&fault.what, fault.spot), (What::Missing(key), Some(Spot::Value(table)))
            if misspelt.iter().any(|(at, meant)| std::ptr::eq(*at, table) && meant == key));
        if !fault.quiet && !doubtful && !known && !fault.is_of_unknown(node) {
            if let What::UnknownKey(key, expected) = &fault.what
                && let Some(meant) = text::nearest(key, expected.iter().copied())
            {
                misspelt.push((fault.parent.unwrap_or(node), meant));
            }
            let problem = fault.diagnose(node, owner);
            match problems.last_mut() {
                Some(last) if fault::is_missing_too(last, &problem) => fault::add_missing(last, &fault),
                _ => problems.push(scrub(problem, node)),
            }
        }
        if problems.len() >= MOST || !patches.put_aside(&fault, node) {
            // Only a stand-in is to blame, for a problem that was told.
            if problems.is_empty() {
                problems.push(scrub(fault.diagnose(node, owner), node));
            }
            return Err(problems);
        }
    }
}

/// Takes out of a message whatever secret of `node` a type's own error text may have put into it.
fn scrub(mut problem: Diagnostic, node: &Node) -> Diagnostic {
    match &node.value {
        NodeValue::Reference(reference) => {
            if let Meaning::Known(secret) = &reference.meaning
                && !secret.expose().is_empty()
            {
                let clean = |text: &mut String| *text = text.replace(secret.expose(), "(secret)");
                clean(&mut problem.message);
                problem.label.as_mut().map(clean);
                problem.hint.as_mut().map(clean);
            }
            problem
        }
        NodeValue::List(items) => items.iter().fold(problem, scrub),
        NodeValue::Table(table) => table.values().fold(problem, |problem, entry| scrub(problem, &entry.node)),
        _ => problem,
    }
}
