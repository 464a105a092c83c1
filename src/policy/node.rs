//! Nodes: TOML values that remember the file and the bytes they came from, through overlays and references.

use indexmap::IndexMap;

use crate::model::{Diagnostic, Place, Secret};

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
    /// `{ env = "…" }` or `{ file = "…" }`.
    Reference(Reference),
    /// `[1, 2]`
    List(Vec<Node>),
    /// `{ a = 1 }` or `[a]`
    Table(Table),
}

/// `{ env = "…" }` or `{ file = "…" }`: where a text is wanted, what it stands for, which never shows in an error;
/// anywhere else, the table that it is written as.
#[derive(Clone, Debug)]
pub struct Reference {
    /// As it is written.
    pub table: Table,
    /// What it stands for.
    pub meaning: Meaning,
}

/// What a reference stands for.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// This text.
    Known(Secret),
    /// It has not been looked up: an empty text, of which nothing can be wrong.
    Unknown,
    /// It cannot be had.
    Missing(Box<Diagnostic>),
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

    /// The table, if it is one.
    pub fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            NodeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The table, or an empty one.
    pub fn into_table(self) -> Table {
        match self.value {
            NodeValue::Table(table) => table,
            _ => Table::new(),
        }
    }

    /// What a reference refers to: the sort, `env` or `file`, and the name or path.
    pub fn reference(&self) -> Option<(&str, &str)> {
        let table = match &self.value {
            NodeValue::Table(table) => table,
            NodeValue::Reference(reference) => &reference.table,
            _ => return None,
        };
        match table.first() {
            Some((sort, Entry { node: Node { value: NodeValue::Text(name), .. }, .. }))
                if table.len() == 1 && matches!(sort.as_str(), "env" | "file") =>
            {
                Some((sort, name))
            }
            _ => None,
        }
    }

    /// What the value is, for messages: `a text`.
    pub fn noun(&self) -> &'static str {
        match self.value {
            NodeValue::Bool(_) => "true or false",
            NodeValue::Int(_) => "a whole number",
            NodeValue::Float(_) => "a decimal number",
            NodeValue::Text(_) | NodeValue::Reference(_) => "a text",
            NodeValue::List(_) => "a list",
            NodeValue::Table(_) => "a table",
        }
    }
}

/// Splits the first key off a path, `with.fillfactor`. A key may have dots itself, so the longest one that is there wins.
pub(super) fn split_path<'p>(table: &Table, path: &'p str) -> Option<(&'p str, Option<&'p str>)> {
    if table.contains_key(path) {
        return Some((path, None));
    }
    let mut splits = path.rmatch_indices('.').map(|(at, _)| (&path[..at], Some(&path[at + 1..])));
    splits.find(|(key, _)| table.contains_key(*key))
}
