//! Kinds: what a provider says about each of its sorts of resource. Feeds help, schema, export and the diff.

/// How an attribute that the policy does not write is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It has its documented default, and is compared.
    Whole,
    /// It is left as it is, and not compared.
    Partial,
    /// Nothing is compared: the resource is a contract that planning judges.
    Contract,
}

/// How many resources of a kind a target can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// `[provider.target.kind]`.
    One,
    /// `[provider.target.kind.name]`.
    Named,
}

/// One kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The kind's name in the policy, `index`. Also the variant's name in the provider's `Spec`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// What an attribute that is not written means.
    pub comparison: Comparison,
    /// Whether there is one or many.
    pub many: Many,
    /// Attributes that cannot change in place: a difference makes a replacement.
    pub replaces: &'static [&'static str],
    /// Whether `prune` may own the set of this kind.
    pub prunable: bool,
}
