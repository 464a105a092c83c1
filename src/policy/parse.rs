//! Text to nodes: TOML, with the place of every key and value. Knows nothing of what the keys mean.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::codes;
use super::{Entry, Node, NodeValue, Table};
use crate::model::{Diagnostic, Place};

/// How many syntax errors of one file are told: the later ones mostly follow from the first.
const SYNTAX_ERRORS: usize = 5;

/// Reads a file's text. `None` where it is no TOML; the problems then say why.
pub(super) fn parse(file: &Arc<str>, text: &str, problems: &mut Vec<Diagnostic>) -> Option<Table> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut parser = Parser { file, problems };
    let before = parser.problems.len();
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
        // One mistake often upsets the parser several times in its line.
        if last_line.replace(line) != Some(line) && parser.problems.len() < before + SYNTAX_ERRORS {
            parser.problem(error.message(), span);
        }
    }
    if parser.problems.len() > before {
        return None;
    }
    let table = parser.table(root.into_inner());
    (parser.problems.len() == before).then_some(table)
}

struct Parser<'a> {
    file: &'a Arc<str>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Parser<'_> {
    fn place(&self, span: std::ops::Range<usize>) -> Place {
        Place { file: self.file.clone(), span }
    }

    fn problem(&mut self, message: &str, span: std::ops::Range<usize>) {
        let place = self.place(span);
        self.problems.push(Diagnostic::error(codes::SYNTAX, message, place));
    }

    fn table(&mut self, table: DeTable<'_>) -> Table {
        let mut entries: Vec<(Spanned<DeString<'_>>, Spanned<DeValue<'_>>)> = table.into_iter().collect();
        // The parser sorts by name; rules mean what they mean in the order of the file.
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| {
                let place = self.place(key.span());
                (key.into_inner().into_owned(), Entry { key: place, node: self.node(value) })
            })
            .collect()
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let value = match value.into_inner() {
            DeValue::String(text) => NodeValue::Text(text.into_owned()),
            DeValue::Boolean(value) => NodeValue::Bool(value),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => NodeValue::Int(number),
                Err(_) => {
                    self.problem("the number is too large for 64 bits", span.clone());
                    NodeValue::Int(0)
                }
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => NodeValue::Float(number),
                _ => {
                    self.problem("a number must be finite", span.clone());
                    NodeValue::Float(0.0)
                }
            },
            DeValue::Datetime(date) => NodeValue::Text(date.to_string()),
            DeValue::Array(items) => NodeValue::List(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => NodeValue::Table(self.table(table)),
        };
        Node { place: self.place(span), value }
    }
}
