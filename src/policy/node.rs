//! Nodes: TOML values that remember the file and the bytes they came from, through overlays and references.

use indexmap::IndexMap;

use crate::model::{Place, Secret};

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value stands.
    pub place: Place,
    /// The value.
    pub value: NodeValue,
}

/// A TOML value. Dates are texts: the policy language has none.
#[derive(Clone, Debug)]
pub enum NodeValue {
    /// `true`
    Bool(bool),
    /// `1`
    Int(i64),
    /// `1.5`
    Float(f64),
    /// `"a"`
    Text(String),
    /// What `{ env = "…" }` or `{ file = "…" }` stood for. Decodes as a text and never shows in an error.
    Secret(Secret),
    /// `[1, 2]`
    List(Vec<Node>),
    /// `{ a = 1 }` or `[a]`
    Table(Table),
}

/// A table, in the order of the file.
pub type Table = IndexMap<String, Entry>;

/// One key of a table and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub key: Place,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The table, if it is one.
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            NodeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What the value is, for messages: `a text`.
    pub fn noun(&self) -> &'static str {
        match self.value {
            NodeValue::Bool(_) => "true or false",
            NodeValue::Int(_) => "a whole number",
            NodeValue::Float(_) => "a decimal number",
            NodeValue::Text(_) | NodeValue::Secret(_) => "a text",
            NodeValue::List(_) => "a list",
            NodeValue::Table(_) => "a table",
        }
    }
}
