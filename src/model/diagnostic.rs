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
pub struct Sources(BTreeMap<Arc<str>, Arc<str>>);

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
        self.0.insert(name.clone(), text.into());
        name
    }

    /// A file's text.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(|text| &**text)
    }

    /// The files' names, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|file| &**file)
    }

    /// The file and line of a place.
    pub fn origin(&self, place: &Place) -> Origin {
        let text = self.text(&place.file).unwrap_or_default();
        let before = &text.as_bytes()[..place.span.start.min(text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin { file: place.file.clone(), line: u32::try_from(line).unwrap_or(u32::MAX) }
    }
}
