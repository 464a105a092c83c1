//! Names: which table and which index on the server a resource speaks of, and the names evenkeel gives.

use sha2::{Digest, Sha256};

use super::{Index, sql};
use crate::model::ResourceId;
use crate::providers::postgres::quote;

/// The longest name the server keeps, in bytes; it cuts longer ones, so that two may become one.
pub const LONGEST: usize = 63;

/// A relation of the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl Relation {
    /// A relation in a schema.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// The relation that a policy's text names; without a schema it is in `schema`. `None` for a text that is no name.
    pub fn parse(text: &str, schema: &str) -> Option<Self> {
        match quote::split(text)?.as_mut_slice() {
            [name] => Some(Self::new(schema, std::mem::take(name))),
            [schema, name] => Some(Self::new(std::mem::take(schema), std::mem::take(name))),
            _ => None,
        }
    }

    /// As the policy writes it: with the schema where it is not `schema`.
    pub fn brief(&self, schema: &str) -> String {
        if self.schema == schema { quote::ident(&self.name) } else { self.full() }
    }

    /// As a statement writes it: `public.users`.
    pub fn full(&self) -> String {
        quote::qualified(&self.schema, &self.name)
    }
}

/// The index that a declared resource speaks of.
pub fn index_of(id: &ResourceId, spec: &Index, schema: &str) -> Option<Relation> {
    let table = Relation::parse(&spec.table, schema)?;
    Some(Relation::new(table.schema, spec.name.as_deref().unwrap_or_else(|| id.label())))
}

/// How the names begin under which replacements for `index` are built.
pub fn temporary_prefix(index: &Relation) -> String {
    format!("evenkeel_{}_", hash(&index.full()))
}

/// The name under which a replacement for `index` is built: the same for the same definition, so that a run that was cut off goes on.
pub fn temporary(index: &Relation, spec: &Index) -> String {
    format!("{}{}", temporary_prefix(index), definition_hash(spec))
}

/// The name of a partition's part of the index named `index`: the same for the same definition.
pub fn of_partition(partition: &str, index: &str, spec: &Index) -> String {
    let hash = hash(&format!("{index}{}", definition_hash(spec)));
    let mut stem = partition.to_owned();
    while stem.len() + 1 + hash.len() > LONGEST {
        stem.pop();
    }
    format!("{stem}_{hash}")
}

fn definition_hash(spec: &Index) -> String {
    let unique = if spec.unique { "unique " } else { "" };
    hash(&format!("{unique}{}{}", spec.table, sql::definition(spec)))
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("{:08x}", u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
}

/// Whether evenkeel gave this name to a replacement that it builds.
pub fn is_temporary(name: &str) -> bool {
    let hex = |part: &str| part.len() == 8 && part.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    name.strip_prefix("evenkeel_").and_then(|rest| rest.split_once('_')).is_some_and(|(a, b)| hex(a) && hex(b))
}
