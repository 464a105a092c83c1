//! The engine's own keys: what may be written on every target and every resource, whatever its provider.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::shape::{RESOURCE_KEYS, find, unknown};
use super::{Guards, Node, NodeValue, Table, codes, decode};
use crate::model::units::Percent;
use crate::model::{Diagnostic, Kind, Pattern, Place, text};

/// `[guards]`: limits that keep a mistake small. A limit that a target does not write is the one at the top of the policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Guards")]
pub(crate) struct Limits {
    /// At most this share of a kind on one target may be deleted or replaced, once it has `min_existing`.
    max_delete_percent: Option<Percent>,
    /// At most this many resources of a kind on one target may be deleted or replaced.
    max_deletes: Option<u32>,
    /// At most this share of a kind on one target may be updated, once it has `min_existing`.
    max_update_percent: Option<Percent>,
    /// How many resources of a kind there must be for a percentage to mean anything.
    min_existing: Option<u32>,
    /// Whether the set of a kind may become empty.
    allow_empty: Option<bool>,
    /// Hazards that need no `--allow`: `CODE` or `CODE:ADDRESS`, with `*` in the address.
    allow: Option<Vec<Allowance>>,
}

/// `CODE` or `CODE:PATTERN`.
#[derive(Debug, JsonSchema)]
#[schemars(inline, transparent)]
struct Allowance(String);

impl<'de> Deserialize<'de> for Allowance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (code, pattern) = text.split_once(':').unwrap_or((&text, "*"));
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if code.is_empty() || pattern.is_empty() || !code.chars().all(word) {
            return Err(de::Error::custom(format!("`{text}` allows nothing; write \"CODE\" or \"CODE:ADDRESS\"")));
        }
        Ok(Self(text))
    }
}

/// What the engine itself understands on a resource.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResourceKeys {
    /// The resource is not to be there: it is deleted where it is.
    pub(super) absent: bool,
    /// The resource is never deleted or replaced.
    pub(super) protect: bool,
    /// Attributes to leave out of the comparison.
    pub(super) ignore: Vec<String>,
    /// Addresses of what must be done first, with `*`.
    after: Vec<String>,
}

/// The limits written in `node`, over those in `base`.
pub(super) fn guards(node: &Node, base: &Guards, problems: &mut Vec<Diagnostic>) -> Guards {
    let limits = decode::<Limits>(node).unwrap_or_else(|found| {
        problems.extend(found);
        Limits::default()
    });
    let Limits { max_delete_percent, max_deletes, max_update_percent, min_existing, allow_empty, allow } = limits;
    Guards {
        max_delete_percent: max_delete_percent.map_or(base.max_delete_percent, Percent::get),
        max_deletes: max_deletes.or(base.max_deletes),
        max_update_percent: max_update_percent.map_or(base.max_update_percent, Percent::get),
        min_existing: min_existing.unwrap_or(base.min_existing),
        allow_empty: allow_empty.unwrap_or(base.allow_empty),
        allow: allow.map_or_else(|| base.allow.clone(), |allow| allow.into_iter().map(|a| a.0).collect()),
    }
}

/// The kinds whose whole set a target owns.
pub(super) fn prune(node: &Node, kinds: &'static [Kind], problems: &mut Vec<Diagnostic>) -> Vec<String> {
    let prunable = || kinds.iter().filter(|kind| kind.prunable).map(|kind| kind.name);
    let possible = || format!("kinds that can be pruned: {}", text::list(prunable()));
    let mut named = texts(node, problems);
    named.retain(|(name, place)| {
        let problem = match find(kinds, name) {
            Some(kind) if kind.prunable => return true,
            Some(_) => Diagnostic::error(codes::NOT_PRUNABLE, format!("`{name}` cannot be pruned"), place.clone()),
            None => unknown(codes::UNKNOWN_KIND, "kind", name, place, prunable()),
        };
        problems.push(problem.hint(possible()));
        false
    });
    named.into_iter().map(|(name, _)| name).collect()
}

/// Takes the engine's own keys out of a resource's table.
pub(super) fn resource(
    table: &mut Table,
    place: &Place,
    problems: &mut Vec<Diagnostic>,
) -> (ResourceKeys, Vec<(Pattern, Place)>) {
    let own: Table =
        RESOURCE_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), table.shift_remove(*key)?))).collect();
    if own.is_empty() {
        return Default::default();
    }
    let after = own.get("after").map(|entry| entry.node.clone());
    let node = Node { place: place.clone(), value: NodeValue::Table(own) };
    match decode::<ResourceKeys>(&node) {
        Ok(keys) => {
            let places = after.iter().flat_map(items).map(|item| item.place.clone());
            let after = keys.after.iter().map(Pattern::new).zip(places).collect();
            (keys, after)
        }
        Err(found) => {
            problems.extend(found);
            Default::default()
        }
    }
}

/// A list of texts, each with its place. What is none is a problem.
pub(super) fn texts(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<(String, Place)> {
    let text = |item: &Node| match decode::<String>(item) {
        Ok(text) => Some((text, item.place.clone())),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    if let NodeValue::List(items) = &node.value {
        return items.iter().filter_map(text).collect();
    }
    problems.extend(decode::<Vec<String>>(node).err().into_iter().flatten());
    Vec::new()
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        NodeValue::List(items) => items,
        _ => &[],
    }
}
