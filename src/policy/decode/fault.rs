//! What can be wrong with a value: serde's errors kept apart, so that each becomes a sentence with a hint.

use std::fmt;

use serde::de;

use crate::model::{Diagnostic, Place, ResourceId, text};
use crate::policy::shape::{RESOURCE_KEYS, unknown};
use crate::policy::{Entry, Meaning, Node, NodeValue, Reference, codes};

/// One problem, and where it is.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    pub(super) what: What,
    /// Where; set by the innermost reader.
    pub(super) spot: Option<Spot<'a>>,
    /// The table whose key it is, for keys.
    pub(super) parent: Option<&'a Node>,
    /// Whether a stand-in is to blame, so that it says nothing about the policy.
    pub(super) quiet: bool,
}

/// Whose table is decoded: what else it may hold, and what a stray table in it may be meant as.
#[derive(Debug)]
pub(super) enum Owner<'a> {
    /// Nobody's in particular.
    Nobody,
    /// A target's, which also holds these keys and kinds.
    Target(Vec<&'static str>),
    /// A resource's, which also holds the engine's own keys.
    Resource(&'a ResourceId),
}

/// Where a problem is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot<'a> {
    Key(&'a Entry),
    Value(&'a Node),
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum What {
    UnknownKey(String, &'static [&'static str]),
    UnknownValue(String, &'static [&'static str]),
    Missing(&'static str),
    /// What was expected instead.
    Type(String),
    /// What was expected instead.
    Value(String),
    /// The type's own words.
    Custom(String),
    /// A reference that could not be looked up.
    Reference(Box<Diagnostic>),
}

impl<'a> Fault<'a> {
    pub(super) fn new(what: What) -> Self {
        Self { what, spot: None, parent: None, quiet: false }
    }

    /// The value it is at.
    pub(super) fn node(&self, root: &'a Node) -> &'a Node {
        match self.spot {
            Some(Spot::Value(node)) => node,
            Some(Spot::Key(entry)) => &entry.node,
            None => root,
        }
    }

    /// Whether it is about a value that has not been looked up, so that it may as well be right.
    pub(super) fn is_of_unknown(&self, root: &'a Node) -> bool {
        matches!(&self.node(root).value, NodeValue::Reference(Reference { meaning: Meaning::Unknown, .. }))
            && matches!(self.what, What::Custom(_) | What::Value(_) | What::UnknownValue(..))
    }

    fn place(&self, root: &'a Node) -> Place {
        match self.spot {
            Some(Spot::Key(entry)) => entry.key.clone(),
            Some(Spot::Value(node)) => node.place.clone(),
            None => root.place.clone(),
        }
    }

    /// The problem in words, in a table of `owner`.
    pub(super) fn diagnose(&self, root: &'a Node, owner: &Owner<'_>) -> Diagnostic {
        let place = self.place(root);
        let node = self.node(root);
        let secret = matches!(node.value, NodeValue::Reference(_));
        match &self.what {
            What::UnknownKey(key, expected) => {
                let at_root = std::ptr::eq(self.parent.unwrap_or(root), root);
                let owner = if at_root { owner } else { &Owner::Nobody };
                stray(key, expected, node.table().is_some(), &place, owner)
            }
            What::UnknownValue(_, expected) if secret => {
                Diagnostic::error(codes::UNKNOWN_VALUE, "what this stands for is not possible here", place)
                    .hint(format!("possible here: {}", text::list(*expected)))
            }
            What::UnknownValue(value, expected) => {
                let key = matches!(self.spot, Some(Spot::Key(_)));
                let (code, noun) = if key { (codes::UNKNOWN_KEY, "key") } else { (codes::UNKNOWN_VALUE, "value") };
                unknown(code, noun, value, &place, expected.iter().copied())
                    .hint(format!("possible here: {}", text::list(*expected)))
            }
            What::Missing(key) => Diagnostic::error(codes::MISSING_KEY, format!("`{key}` is missing"), place)
                .hint(format!("add `{key} = …`")),
            What::Type(expected) => mistyped(node, expected, place),
            What::Value(_) if secret => {
                Diagnostic::error(codes::BAD_VALUE, "what this stands for is not possible here", place)
            }
            What::Value(expected) => Diagnostic::error(codes::BAD_VALUE, format!("expected {}", noun(expected)), place),
            What::Custom(_) if secret => {
                Diagnostic::error(codes::BAD_VALUE, "what this stands for is not accepted here", place)
                    .hint("look at the value itself; it is not shown because it may be secret")
            }
            What::Custom(message) => match message.split_once("; ") {
                // Messages of units end with what to write instead.
                Some((message, hint)) => Diagnostic::error(codes::BAD_VALUE, message, place).hint(hint),
                None => Diagnostic::error(codes::BAD_VALUE, message, place),
            },
            What::Reference(problem) => (**problem).clone(),
        }
    }
}

/// A key that the table does not take.
fn stray(key: &str, expected: &[&'static str], is_table: bool, place: &Place, owner: &Owner<'_>) -> Diagnostic {
    let others: &[&'static str] = match owner {
        Owner::Nobody => &[],
        Owner::Target(keys) => keys,
        Owner::Resource(_) => &RESOURCE_KEYS,
    };
    let all = || expected.iter().chain(others).copied();
    if all().next().is_none() {
        return unknown(codes::UNKNOWN_KEY, "key", key, place, []).hint("this table takes no keys");
    }
    let possible = format!("possible here: {}", text::list(all()));
    let meant = text::nearest(key, all());
    match owner {
        // Most tables of a target are kinds.
        Owner::Target(_) if is_table => unknown(codes::UNKNOWN_KIND, "table", key, place, all()).hint(possible),
        Owner::Resource(ResourceId { kind, name: None }) if is_table && meant.is_none() => Diagnostic::error(
            codes::TAKES_NO_NAME,
            format!("`{kind}` takes no name and has no key `{key}`"),
            place.clone(),
        )
        .label(format!("a target has only one `{kind}`"))
        .hint(possible),
        Owner::Resource(ResourceId { name: Some(name), .. }) if is_table && meant.is_none() => {
            unknown(codes::UNKNOWN_KEY, "key", key, place, [])
                .label(format!("a name with a dot is put into quotes: `\"{name}.{key}\"`"))
                .hint(possible)
        }
        _ => unknown(codes::UNKNOWN_KEY, "key", key, place, all()).hint(possible),
    }
}

fn mistyped(node: &Node, expected: &str, place: Place) -> Diagnostic {
    let wanted = noun(expected);
    let problem = Diagnostic::error(codes::WRONG_TYPE, format!("expected {wanted}, found {}", node.noun()), place);
    match &node.value {
        NodeValue::Int(n) if wanted.starts_with("a duration") => problem.hint(format!("write it as \"{n}s\"")),
        NodeValue::Int(n) if wanted.starts_with("a size") => {
            problem.hint(format!("write it as \"{n}B\", or in a larger unit"))
        }
        NodeValue::Int(_) | NodeValue::Float(_) | NodeValue::Bool(_) if wanted == "a text" => {
            problem.hint("put it into quotes")
        }
        NodeValue::Text(text) if text.parse::<f64>().is_ok() && wanted.contains("number") => {
            problem.hint("write it without quotes")
        }
        NodeValue::Text(text) if matches!(text.as_str(), "true" | "false") && wanted == "true or false" => {
            problem.hint("write it without quotes")
        }
        NodeValue::Table(table) if wanted == "a text" && (table.contains_key("env") || table.contains_key("file")) => {
            problem.hint("a reference is `{ env = \"NAME\" }` or `{ file = \"/path\" }`, with nothing else in it")
        }
        NodeValue::Table(_) | NodeValue::List(_) => problem,
        _ if wanted == "a list" => problem.hint("put it into brackets: `[…]`"),
        _ => problem,
    }
}

/// What serde expects, in the words of a policy.
fn noun(expected: &str) -> &str {
    match expected {
        "a string" | "a borrowed string" | "string" | "str" | "identifier" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" | "u128" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" => "a whole number, 1 or more",
        other if other.starts_with("struct ") || other.starts_with("map") => "a table",
        other if other.starts_with("tuple") => "a list",
        other => other,
    }
}

/// Whether both say that keys of the same table are missing.
pub(super) fn is_missing_too(last: &Diagnostic, problem: &Diagnostic) -> bool {
    last.code == codes::MISSING_KEY && problem.code == codes::MISSING_KEY && last.place == problem.place
}

/// Says of one more key that it is missing.
pub(super) fn add_missing(last: &mut Diagnostic, fault: &Fault<'_>) {
    let What::Missing(key) = fault.what else { return };
    let sentence = last.message.trim_end_matches(" is missing").trim_end_matches(" are missing");
    last.message = format!("{}, `{key}` are missing", sentence.replace(" and ", ", "));
    if let Some((head, tail)) = last.message.rsplit_once(", ") {
        last.message = format!("{head} and {tail}");
    }
    if let Some(hint) = &mut last.hint {
        hint.extend([", `", key, " = …`"]);
    }
}

impl de::Error for Fault<'_> {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Custom(message.to_string()))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::Type(expected.to_string()))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(What::Value(expected.to_string()))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::new(What::Value(expected.to_string()))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::UnknownValue(variant.to_owned(), expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey(field.to_owned(), expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Custom(format!("`{field}` is given twice, under two names")))
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for Fault<'_> {}
