//! Addresses: the TOML path of a target or a resource, and patterns over them.

use std::fmt;

use serde::{Serialize, Serializer};

/// A target: `postgres.shop`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId {
    /// The provider's name, `postgres`.
    pub provider: String,
    /// The name the policy gives the target, `shop`.
    pub name: String,
}

/// A resource inside a target: `index.users_by_tenant`, or `settings` where there is only one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The kind, `index`.
    pub kind: String,
    /// The name, or `None` for a singleton.
    pub name: Option<String>,
}

/// The full address of a resource: `postgres.shop.index.users_by_tenant`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The target the resource lives on.
    pub target: TargetId,
    /// The resource inside the target.
    pub resource: ResourceId,
}

impl TargetId {
    /// A target of `provider` named `name`.
    pub fn new(provider: impl Into<String>, name: impl Into<String>) -> Self {
        Self { provider: provider.into(), name: name.into() }
    }

    /// The address of one of this target's resources.
    pub fn resource(&self, resource: ResourceId) -> Address {
        Address { target: self.clone(), resource }
    }
}

impl ResourceId {
    /// A named resource of `kind`.
    pub fn named(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: Some(name.into()) }
    }

    /// The only resource of `kind`.
    pub fn only(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: None }
    }

    /// The name, or the kind where the resource is a singleton.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.kind)
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", Segment(&self.provider), Segment(&self.name))
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Segment(&self.kind))?;
        match &self.name {
            Some(name) => write!(f, ".{}", Segment(name)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.target, self.resource)
    }
}

macro_rules! serialize_as_display {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
serialize_as_display!(TargetId, ResourceId, Address);

/// One part of an address, quoted as TOML would where it is no bare key.
struct Segment<'a>(&'a str);

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !self.0.is_empty() && self.0.chars().all(bare) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if c.is_control() => write!(f, "\\u{:04X}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// A pattern over addresses: `*` stands for any run of characters, `?` for one.
///
/// A pattern without a wildcard also matches everything below it, so `postgres.shop` covers the whole target.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    glob: wildmatch::WildMatch,
}

impl Pattern {
    /// Compiles `text`; every text is a valid pattern.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { glob: wildmatch::WildMatch::new(&text), text }
    }

    /// Whether the pattern matches `address`, or a parent of it where it has no wildcard.
    pub fn matches(&self, address: &str) -> bool {
        self.glob.matches(address) || address.strip_prefix(self.text.as_str()).is_some_and(|rest| rest.starts_with('.'))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_toml_paths() {
        let shop = TargetId::new("postgres", "shop");
        let check = |name: &str, expected: &str| {
            assert_eq!(shop.resource(ResourceId::named("index", name)).to_string(), expected);
        };
        check("users_by_tenant", "postgres.shop.index.users_by_tenant");
        check("Weird \"name\".x", "postgres.shop.index.\"Weird \\\"name\\\".x\"");
        check("", "postgres.shop.index.\"\"");
        assert_eq!(shop.resource(ResourceId::only("settings")).to_string(), "postgres.shop.settings");
    }

    #[test]
    fn patterns_match_globs_and_parents() {
        let check = |pattern: &str, address: &str, expected: bool| {
            assert_eq!(Pattern::new(pattern).matches(address), expected, "{pattern} ~ {address}");
        };
        check("postgres.shop.index.old_*", "postgres.shop.index.old_users", true);
        check("postgres.shop", "postgres.shop.index.old_users", true);
        check("postgres.sho", "postgres.shop.index.old_users", false);
        check("*.index.*", "postgres.shop.index.a", true);
        check("postgres.shop.index.a", "postgres.shop.index.ab", false);
    }
}
