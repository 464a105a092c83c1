//! Diagnostics: problems in a policy, each at its exact place, collected rather than thrown.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::Origin;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// The policy can be used; somebody should look.
    Warning,
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named or found.
    pub file: Arc<str>,
    /// The stretch, in bytes.
    pub span: Range<usize>,
}

/// A problem, where it is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code that `evenkeel explain` knows: `unknown-key`.
    pub code: &'static str,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// Where; `None` only where there is no file to point into.
    pub place: Option<Place>,
    /// A few words under the caret.
    pub label: Option<String>,
    /// Other places that have to do with it, each with a few words.
    pub related: Vec<(Place, String)>,
    /// What to type next.
    pub hint: Option<String>,
}

/// The texts that places point into.
#[derive(Clone, Debug, Default)]
pub struct Sources(BTreeMap<Arc<str>, Source>);

/// A text and where its lines begin, so that a place's line is found without reading the text again.
#[derive(Clone, Debug)]
struct Source {
    text: Arc<str>,
    lines: Arc<[usize]>,
}

impl Diagnostic {
    /// An error at `place`.
    pub fn error(code: &'static str, message: impl Into<String>, place: impl Into<Option<Place>>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: place.into(),
            label: None,
            related: Vec::new(),
            hint: None,
        }
    }

    /// A warning at `place`.
    pub fn warning(code: &'static str, message: impl Into<String>, place: impl Into<Option<Place>>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, place) }
    }

    /// With a few words under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With another place that has to do with it.
    #[must_use]
    pub fn related(mut self, place: Place, words: impl Into<String>) -> Self {
        self.related.push((place, words.into()));
        self
    }

    /// With what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Sources {
    /// Adds a file's text and returns its name for places.
    pub fn add(&mut self, file: &str, text: &str) -> Arc<str> {
        let name: Arc<str> = file.into();
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_breaks).collect();
        self.0.insert(name.clone(), Source { text: text.into(), lines });
        name
    }

    /// A file's text.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(|source| &*source.text)
    }

    /// The files' names, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|file| &**file)
    }

    /// The file and line of a place.
    pub fn origin(&self, place: &Place) -> Origin {
        Origin { file: place.file.clone(), line: self.position(&place.file, place.span.start).0 }
    }

    /// The line and the column of a byte of a file, both from 1; the column counts characters.
    pub fn position(&self, file: &str, byte: usize) -> (u32, u32) {
        let Some(Source { text, lines }) = self.0.get(file) else { return (1, 1) };
        let line = lines.partition_point(|start| *start <= byte);
        let start = lines[line - 1];
        let before = text.as_bytes().get(start..byte.min(text.len())).unwrap_or_default();
        // Bytes that go on with a character begin with the bits 10.
        let column = 1 + before.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        (clamp(line), clamp(column))
    }

    /// The bytes of the lines `first` to `last` of a file, from 1 and both included, as far as they are there.
    pub fn lines(&self, file: &str, first: u32, last: u32) -> Range<usize> {
        let Some(Source { text, lines }) = self.0.get(file) else { return 0..0 };
        let start = |line: u32| lines.get(line as usize).copied().unwrap_or(text.len());
        start(first.saturating_sub(1))..start(last)
    }
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let mut sources = Sources::default();
        let file = sources.add("a.toml", "a = 1\nä = \"ü\" # x\n\n");
        let check = |byte: usize, expected: (u32, u32)| assert_eq!(sources.position(&file, byte), expected, "{byte}");
        check(0, (1, 1));
        check(4, (1, 5));
        check(6, (2, 1));
        check(8, (2, 2));
        check(18, (2, 11));
        check(19, (2, 12));
        check(20, (3, 1));
        check(21, (4, 1));
        check(9_999, (4, 1));
        assert_eq!(sources.lines(&file, 1, 2), 0..20);
        assert_eq!(sources.lines(&file, 2, 2), 6..20);
        assert_eq!(sources.lines(&file, 4, 9), 21..21);
        assert_eq!(sources.origin(&Place { file: file.clone(), span: 8..9 }).to_string(), "a.toml:2");
        assert_eq!(sources.position("no such file", 3), (1, 1));
    }
}
