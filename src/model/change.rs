//! Changes: what differs between the live state and the policy, in one vocabulary for every provider.

use serde::{Deserialize, Serialize};

use super::{Address, Attributes, Facts, Origin, Value};

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not there yet.
    Create,
    /// It is there and changes in place.
    Update,
    /// It is there, and what differs can only be had by making it anew.
    Replace,
    /// It is there and leaves.
    Delete,
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The attribute's path inside the resource, `with.fillfactor`.
    pub path: String,
    /// The live value; `None` where there is none.
    pub before: Option<Value>,
    /// The wanted value; `None` where it is to go.
    pub after: Option<Value>,
    /// Whether this attribute alone makes a replacement necessary.
    pub replaces: bool,
}

/// One resource that differs, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which resource.
    pub address: Address,
    /// What becomes of it.
    pub action: Action,
    /// The attributes that differ, in the provider's order. Empty for a deletion.
    pub fields: Vec<Field>,
    /// The compared attributes as they are; `None` before a creation.
    pub before: Option<Attributes>,
    /// The compared attributes as they will be; `None` after a deletion.
    pub after: Option<Attributes>,
    /// Measurements about the resource: shown, never compared.
    pub facts: Facts,
    /// Where the policy says so; `None` for what `prune` found.
    pub origin: Option<Origin>,
    /// Why, where the policy's own line does not say it: `prune`, `absent`.
    pub reason: Option<String>,
    /// Why this change must not be applied, where it is protected.
    pub blocked: Option<String>,
}

/// A difference the policy says to ignore.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppressed {
    /// Which resource.
    pub address: Address,
    /// The ignored differences.
    pub fields: Vec<Field>,
}

impl Action {
    /// The mark in front of a change: `+`, `~`, `-/+` or `-`.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
        }
    }

    /// The action as policy-as-code tools read it in a plan: a list, so that a reader can look for `delete`.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["create"],
            Self::Update => &["update"],
            Self::Replace => &["delete", "create"],
            Self::Delete => &["delete"],
        }
    }

    /// Whether something that is there ceases to be, if only for a replacement.
    pub fn removes(self) -> bool {
        matches!(self, Self::Replace | Self::Delete)
    }
}
