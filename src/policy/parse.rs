//! Text to nodes: TOML, with the place of every key and value. Knows nothing of what the keys mean.

use std::ops::Range;
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
    let mut told: Option<Told> = None;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let line = line_at(text, span.start);
        let duplicate = error.message() == "duplicate key";
        // One mistake often upsets the parser several times in its line, and a header written twice in all of its keys.
        let follows = told.is_some_and(|told| {
            told.line == line.start || told.duplicate_header && duplicate && !has_header(&text[told.line..span.start])
        });
        if follows || parser.problems.len() >= before + SYNTAX_ERRORS {
            continue;
        }
        told = Some(Told { line: line.start, duplicate_header: duplicate && has_header(&text[line.clone()]) });
        let place = parser.place(if duplicate { trim(text, line.clone(), span) } else { span });
        let mut problem = Diagnostic::error(codes::SYNTAX, error.message(), place);
        if duplicate {
            problem = problem.label("again here");
            if let Some(first) = first_of(text, line) {
                problem = problem.related(parser.place(first), "first here");
            }
        }
        parser.problems.push(problem);
    }
    if parser.problems.len() > before {
        return None;
    }
    let table = parser.table(root.into_inner());
    (parser.problems.len() == before).then_some(table)
}

/// The syntax error that was told last.
#[derive(Clone, Copy)]
struct Told {
    /// Where its line begins.
    line: usize,
    duplicate_header: bool,
}

/// The line around a byte, without its end.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let bytes = text.as_bytes();
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| at + end);
    start..end
}

/// Whether a line after the first, or the only one, is a table's header.
fn has_header(lines: &str) -> bool {
    let skipped = usize::from(lines.contains('\n'));
    lines.lines().skip(skipped).any(|line| line.trim_start().starts_with('['))
}

/// The whole header, where the parser only points at the last part of it.
fn trim(text: &str, line: Range<usize>, span: Range<usize>) -> Range<usize> {
    let content = &text[line.clone()];
    match content.find(']') {
        Some(end) if has_header(content) => {
            line.start + content.len() - content.trim_start().len()..line.start + end + 1
        }
        _ => span,
    }
}

/// Where a header or key that stands in `line` was written before, as far as it was written in the same way.
fn first_of(text: &str, line: Range<usize>) -> Option<Range<usize>> {
    let content = text[line.clone()].trim_start();
    let header = has_header(content);
    let word = content.split_inclusive(if header { ']' } else { '=' }).next()?;
    let mut found = None;
    let mut start = 0;
    for earlier in text[..line.start].split_inclusive('\n') {
        let trimmed = earlier.trim_start();
        if trimmed.starts_with(word) && (!header || found.is_none()) {
            let begin = start + earlier.len() - trimmed.len();
            found = Some(begin..begin + word.trim_end_matches('=').trim_end().len());
        } else if !header && has_header(earlier) {
            found = None;
        }
        start += earlier.len();
    }
    found
}

struct Parser<'a> {
    file: &'a Arc<str>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Parser<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file.clone(), span }
    }

    fn problem(&mut self, message: &str, span: Range<usize>) {
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
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_else(|_| {
                    self.problem("the number is too large for 64 bits", span.clone());
                    0
                });
                NodeValue::Int(number)
            }
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
