//! Edits of policy text that leave every other byte as it is: comments, spacing, the order and notation of the author.
//!
//! The text itself is cut and joined at the places that the parser reports; only within one value is anything written anew.

mod value;

use std::ops::Range;
use std::sync::Arc;

use super::node::split_path;
use super::write::{pretty, section};
use super::{Entry, Node, NodeValue, Table, parse};
use crate::error::{Error, Result};
use crate::model::value::show_key;
use crate::model::{Address, Attributes, Value};

/// One edit of a policy file.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Writes an attribute's value, which may be new.
    Set {
        /// The resource.
        address: Address,
        /// The attribute's path, `with.fillfactor`.
        path: String,
        /// Its new value.
        value: Value,
    },
    /// Removes an attribute.
    Unset {
        /// The resource.
        address: Address,
        /// The attribute's path.
        path: String,
    },
    /// Adds a resource, behind those of its kind.
    Add {
        /// The resource.
        address: Address,
        /// What it is.
        attributes: Attributes,
    },
    /// Removes a resource and the comment right above it.
    Remove {
        /// The resource.
        address: Address,
    },
}

/// Makes `edits`, one after the other, in the text of a policy file.
///
/// # Errors
/// `Usage` when the text is no TOML, when it does not declare what is to be edited, or when a value is a reference to something else.
pub fn edit(text: &str, edits: &[Edit]) -> Result<String> {
    edits.iter().try_fold(text.to_owned(), |text, edit| {
        let document = Document::parse(&text)?;
        match edit {
            Edit::Set { address, path, value } => {
                let keys = document.attribute(address, path)?;
                set(&text, &keys, value)
            }
            Edit::Unset { address, path } => {
                let keys = document.attribute(address, path)?;
                document.unset(&keys)
            }
            Edit::Add { address, attributes } => document.add(address, attributes),
            Edit::Remove { address } => {
                document.resource(address)?;
                document.unset(&keys_of(address))
            }
        }
    })
}

/// The keys that lead to a resource.
fn keys_of(address: &Address) -> Vec<String> {
    let Address { target, resource } = address;
    let mut keys = vec![target.provider.clone(), target.name.clone(), resource.kind.clone()];
    keys.extend(resource.name.clone());
    keys
}

/// Writes the value under `keys`, whose tables but for the last key are there.
fn set(text: &str, keys: &[String], value: &Value) -> Result<String> {
    let document = Document::parse(text)?;
    match document.find(keys) {
        Found::Value { node, below } => {
            if node.reference().is_some() {
                return Err(Error::usage(format!("`{}` refers to a value outside of the file", keys.join(".")))
                    .hint("change it where it comes from, or write the value itself into the policy first"));
            }
            let new = value::set(&text[node.place.span.clone()], below, value)?;
            Ok(splice(text, node.place.span.clone(), &document.broken(&new)))
        }
        Found::Table(table) => match value {
            Value::Object(map) => {
                let gone: Vec<_> = table.keys().filter(|key| !map.contains_key(*key)).cloned().collect();
                let within = |key: &String| [keys, std::slice::from_ref(key)].concat();
                let mut text = text.to_owned();
                for key in gone {
                    text = Document::parse(&text)?.unset(&within(&key))?;
                }
                for (key, value) in map {
                    text = set(&text, &within(key), value)?;
                }
                Ok(text)
            }
            _ => set(&document.unset(keys)?, keys, value),
        },
        Found::Nothing { table, depth } => {
            // What is missing above the last key is written as one table.
            let wrap = |value: Value, key: &String| Value::Object([(key.clone(), value)].into_iter().collect());
            let value = keys[depth + 1..].iter().rev().fold(value.clone(), wrap);
            document.insert(table, &keys[..depth], &keys[depth], &value)
        }
    }
}

fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    [&text[..range.start], new, &text[range.end..]].concat()
}

/// A policy file, parsed.
struct Document<'t> {
    text: &'t str,
    root: Table,
    /// Where the headers of tables begin, in order.
    headers: Vec<usize>,
}

/// What stands under some keys.
enum Found<'d> {
    /// A value, or one that has the rest of the keys in it.
    Value { node: &'d Node, below: &'d [String] },
    /// A table that is spread over lines, with a header or with dotted keys.
    Table(&'d Table),
    /// Nothing; the table that lacks the key at this depth.
    Nothing { table: &'d Table, depth: usize },
}

impl<'t> Document<'t> {
    fn parse(text: &'t str) -> Result<Self> {
        let mut problems = Vec::new();
        let Some(root) = parse::parse(&Arc::from(""), text, &mut problems) else {
            let message = problems.into_iter().next().map_or_else(String::new, |problem| problem.message);
            return Err(Error::usage(format!("the file is no TOML: {message}")).hint("run `evenkeel check`"));
        };
        let mut document = Self { text, root, headers: Vec::new() };
        let mut headers = Vec::new();
        document.collect_headers(&document.root, &mut headers);
        headers.sort_unstable();
        document.headers = headers;
        Ok(document)
    }

    fn collect_headers(&self, table: &Table, headers: &mut Vec<usize>) {
        for entry in table.values() {
            let nested: &[Node] = match &entry.node.value {
                NodeValue::List(items) => items,
                _ => std::slice::from_ref(&entry.node),
            };
            for node in nested {
                if let NodeValue::Table(table) = &node.value {
                    if self.text[node.place.span.start..].starts_with('[') {
                        headers.push(node.place.span.start);
                    }
                    self.collect_headers(table, headers);
                }
            }
        }
    }

    /// The table that is spread over lines, if the node is one.
    fn spread<'d>(&self, node: &'d Node) -> Option<&'d Table> {
        node.table().filter(|_| !self.text[node.place.span.start..].starts_with('{'))
    }

    fn has_header(&self, node: &Node) -> bool {
        self.text[node.place.span.start..].starts_with('[')
    }

    fn find<'d>(&'d self, keys: &'d [String]) -> Found<'d> {
        let mut table = &self.root;
        for (depth, key) in keys.iter().enumerate() {
            let Some(entry) = table.get(key) else { return Found::Nothing { table, depth } };
            match self.spread(&entry.node) {
                Some(below) => table = below,
                None => return Found::Value { node: &entry.node, below: &keys[depth + 1..] },
            }
        }
        Found::Table(table)
    }

    fn resource(&self, address: &Address) -> Result<&Table> {
        let mut table = Some(&self.root);
        for key in keys_of(address) {
            table = table.and_then(|table| table.get(&key)?.node.table());
        }
        table.ok_or_else(|| {
            Error::usage(format!("`{address}` is not declared in this file"))
                .hint("a target that comes from `for_each`, or a default, is edited by hand")
        })
    }

    /// The keys that lead to an attribute.
    fn attribute(&self, address: &Address, path: &str) -> Result<Vec<String>> {
        let mut table = Some(self.resource(address)?);
        let mut keys = keys_of(address);
        let mut rest = path;
        loop {
            let Some((key, below)) = table.and_then(|table| split_path(table, rest)) else {
                keys.push(rest.to_owned());
                return Ok(keys);
            };
            keys.push(key.to_owned());
            let Some(below) = below else { return Ok(keys) };
            table = table.and_then(|table| table.get(key)?.node.table());
            rest = below;
        }
    }

    /// Where the line around a byte ends, before its line break.
    fn line_end(&self, at: usize) -> usize {
        let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        if self.text[..end].ends_with('\r') && end > at { end - 1 } else { end }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// Where the line around a byte ends, behind its line break.
    fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// A new text with the line breaks of the file.
    fn broken(&self, new: &str) -> String {
        new.replace("\r\n", "\n").replace('\n', self.line_break())
    }

    /// The line from `start` on, without the space around it.
    fn line(&self, start: usize) -> &'t str {
        self.text[start..self.next_line(start)].trim()
    }

    /// Of a table's own lines the last: where its key begins, and where its value ends.
    fn last_line(&self, table: &Table) -> Option<(usize, usize)> {
        let of = |entry: &Entry| match self.spread(&entry.node) {
            Some(_) if self.has_header(&entry.node) => None,
            Some(dotted) => self.last_line(dotted).map(|(_, end)| (entry.key.span.start, end)),
            None => Some((entry.key.span.start, entry.node.place.span.end)),
        };
        table.values().filter_map(of).max_by_key(|(_, end)| *end)
    }

    /// Writes a key that is not there yet into a table that is spread over lines.
    fn insert(&self, table: &Table, keys: &[String], key: &str, value: &Value) -> Result<String> {
        let key = show_key(key);
        let line = format!("{key} = {}", pretty(value, key.len() + 3));
        let line = self.broken(&line);
        let (neighbour, end) = match (self.last_line(table), self.header(keys)) {
            (Some(last), _) => last,
            (None, Some(header)) => (header.start, header.end),
            (None, None) => return self.insert_header(table, keys, &line),
        };
        // Indented, or dotted, as its neighbour is.
        let before = &self.text[self.line_start(neighbour)..neighbour];
        let end = self.line_end(end);
        Ok(splice(self.text, end..end, &format!("{}{before}{line}", self.line_break())))
    }

    /// The header of the table under `keys`, if it has one of its own.
    fn header(&self, keys: &[String]) -> Option<Range<usize>> {
        let mut node: Option<&Node> = None;
        for key in keys {
            let table = node.map_or(Some(&self.root), Node::table)?;
            node = Some(&table.get(key)?.node);
        }
        node.filter(|node| self.has_header(node)).map(|node| node.place.span.clone())
    }

    /// Writes a header above those of the tables within, for a table that has had no keys of its own.
    fn insert_header(&self, table: &Table, keys: &[String], line: &str) -> Result<String> {
        let mut below = Vec::new();
        self.collect_headers(table, &mut below);
        let Some(first) = below.into_iter().min() else {
            return Err(Error::bug(format!("`{}` has neither keys nor tables", keys.join("."))));
        };
        let at = self.comment_above(self.line_start(first));
        let name: Vec<_> = keys.iter().map(|key| show_key(key)).collect();
        let eol = self.line_break();
        Ok(splice(self.text, at..at, &format!("[{}]{eol}{line}{eol}{eol}", name.join("."))))
    }

    /// Where the comment begins that stands right above a line.
    fn comment_above(&self, mut line: usize) -> usize {
        while line > 0 {
            let above = self.line_start(line - 1);
            if !self.line(above).starts_with('#') {
                break;
            }
            line = above;
        }
        line
    }

    /// Where a section ends, behind its own comments.
    fn section_end(&self, header: usize) -> usize {
        let next = self.headers.iter().copied().find(|start| *start > header);
        let limit = next.map_or(self.text.len(), |next| self.comment_above(self.line_start(next)));
        let mut end = self.next_line(header);
        let mut at = end;
        let mut blank = false;
        // What comes after a blank line, and is only comment to the end, belongs to the file and not to its last section.
        while at < limit {
            let line = self.line(at);
            at = self.next_line(at);
            blank = line.is_empty() || blank && line.starts_with('#');
            if !blank {
                end = at;
            }
        }
        end
    }

    fn unset(&self, keys: &[String]) -> Result<String> {
        let mut table = &self.root;
        for (depth, key) in keys.iter().enumerate() {
            let Some(entry) = table.get(key) else { return Ok(self.text.to_owned()) };
            let span = entry.node.place.span.clone();
            match self.spread(&entry.node) {
                Some(below) if depth + 1 < keys.len() => table = below,
                None if depth + 1 < keys.len() => {
                    let new = value::unset(&self.text[span.clone()], &keys[depth + 1..])?;
                    return Ok(splice(self.text, span, &self.broken(&new)));
                }
                _ => return Ok(self.without(entry)),
            }
        }
        Ok(self.text.to_owned())
    }

    /// The text without the lines and sections of an entry.
    fn without(&self, entry: &Entry) -> String {
        let mut ranges = Vec::new();
        self.collect_ranges(entry, &mut ranges);
        ranges.sort_by_key(|range: &Range<usize>| range.start);
        ranges.iter().rev().fold(self.text.to_owned(), |text, range| splice(&text, range.clone(), ""))
    }

    fn collect_ranges(&self, entry: &Entry, ranges: &mut Vec<Range<usize>>) {
        let span = &entry.node.place.span;
        let Some(table) = self.spread(&entry.node) else {
            ranges.push(self.line_start(entry.key.span.start)..self.next_line(span.end));
            return;
        };
        let header = self.has_header(&entry.node);
        if header {
            let start = self.comment_above(self.line_start(span.start));
            let mut end = self.section_end(span.start);
            while end < self.text.len() && self.line(end).is_empty() {
                end = self.next_line(end);
            }
            ranges.push(start..end);
        }
        for entry in table.values() {
            // What stands under the header is gone with it.
            let own = header && !self.spread(&entry.node).is_some_and(|_| self.has_header(&entry.node));
            if !own {
                self.collect_ranges(entry, ranges);
            }
        }
    }

    fn add(&self, address: &Address, attributes: &Attributes) -> Result<String> {
        let keys = keys_of(address);
        let mut table = &self.root;
        // The innermost table that is there tells where the new one belongs.
        for key in &keys {
            match table.get(key) {
                None => break,
                Some(entry) => match self.spread(&entry.node) {
                    Some(below) => table = below,
                    None => {
                        return Err(Error::usage(format!("`{}` is written inline", show_key(key)))
                            .hint(format!("write it as a table with a header, then add `{address}`")));
                    }
                },
            }
        }
        if self.resource(address).is_ok() {
            return Err(Error::usage(format!("`{address}` is declared already"))
                .hint("change its attributes instead, one by one"));
        }
        let mut headers = Vec::new();
        self.collect_headers(table, &mut headers);
        let at = headers.into_iter().max().map_or(self.text.len(), |last| self.section_end(last));
        let mut new = String::new();
        section(&mut new, &address.to_string(), attributes);
        let eol = self.line_break();
        let new = self.broken(&new);
        let before = match &self.text[..at] {
            "" => String::new(),
            text if text.ends_with('\n') => eol.to_owned(),
            _ => format!("{eol}{eol}"),
        };
        Ok(splice(self.text, at..at, &format!("{before}{new}")))
    }
}

#[cfg(test)]
mod tests;
