//! Policy text to declared resources, and back. Knows TOML and the vocabulary it is given; knows no provider and does no I/O.

pub mod codes;
mod decode;
mod edit;
mod expand;
mod join;
mod keys;
mod load;
mod node;
mod order;
mod parse;
mod reference;
#[cfg(test)]
pub(crate) mod sample;
mod shape;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::model::Sources;
use crate::model::{Kind, Pattern, Place, ResourceId, TargetId};

pub use decode::{decode, decode_resource, decode_settings};
pub use edit::{Edit, edit};
pub(crate) use keys::{Limits, ResourceKeys};
pub use load::{File, Input, load};
use node::split_path;
pub use node::{Entry, Meaning, Node, NodeValue, Reference, Table};
pub use reference::Lookup;
pub use write::write;

/// Everything that a set of policy files declares, after overlays, `for_each` and references.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The targets, sorted by id.
    pub targets: Vec<Target>,
    /// The texts that all places point into.
    pub sources: Sources,
    /// SHA-256 over the files' names and texts, in hex.
    pub digest: String,
}

/// One system, `[provider.target]`.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which one.
    pub id: TargetId,
    /// How to reach it: the target's table without kinds and without the engine's own keys; a table node.
    pub settings: Node,
    /// The kinds whose whole set the policy owns.
    pub prune: Vec<String>,
    /// The limits for this target.
    pub guards: Guards,
    /// The resources, in the order of the files.
    pub resources: Vec<Arc<Resource>>,
}

/// One declared resource.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Which one, inside its target.
    pub id: ResourceId,
    /// Its attributes: a table node without the engine's own keys.
    pub node: Node,
    /// `absent = true`: it is not to be there.
    pub absent: bool,
    /// `protect = true`: it is never deleted or replaced.
    pub protect: bool,
    /// Attributes to leave out of the comparison, as paths.
    pub ignore: Vec<String>,
    /// Resources that must be done first, as patterns over addresses.
    pub after: Vec<(Pattern, Place)>,
    /// Its table's header.
    pub place: Place,
}

/// The limits that keep a mistake small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// At most this share of a kind on one target may be deleted or replaced, once it has `min_existing`.
    pub max_delete_percent: u8,
    /// At most this many resources of a kind on one target may be deleted or replaced.
    pub max_deletes: Option<u32>,
    /// At most this share of a kind on one target may be updated, once it has `min_existing`.
    pub max_update_percent: u8,
    /// How many there must be for a percentage to mean anything.
    pub min_existing: u32,
    /// Whether a set may become empty.
    pub allow_empty: bool,
    /// Hazards allowed by the policy itself: `CODE` or `CODE:PATTERN`.
    pub allow: Vec<String>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_delete_percent: 30,
            max_deletes: None,
            max_update_percent: 50,
            min_existing: 10,
            allow_empty: false,
            allow: Vec::new(),
        }
    }
}

/// The words a policy may use: each provider's name with its kinds.
pub type Vocabulary = BTreeMap<&'static str, &'static [Kind]>;

impl Resource {
    /// The place of an attribute given as a path, `with.fillfactor`, `keys.1`, or of the nearest parent that is written.
    pub fn place_of(&self, attribute: Option<&str>) -> Place {
        let mut place = self.place.clone();
        let (mut node, mut rest) = (&self.node, attribute);
        while let Some((next, below)) = rest.and_then(|path| step(node, path)) {
            place = next.place.clone();
            (node, rest) = (next, below);
        }
        place
    }
}

/// What the first part of a path leads to, and the rest of it. The parts of a list are numbered from 0.
fn step<'n, 'p>(node: &'n Node, path: &'p str) -> Option<(&'n Node, Option<&'p str>)> {
    if let NodeValue::List(items) = &node.value {
        let (number, below) = path.split_once('.').map_or((path, None), |(number, below)| (number, Some(below)));
        return Some((items.get(number.parse::<usize>().ok()?)?, below));
    }
    let table = node.table()?;
    let (key, below) = split_path(table, path)?;
    Some((&table.get(key)?.node, below))
}
