//! Lines: text cut into spans, each with the part it plays. What a renderer does with a part is its own business.

use serde::Serialize;

use crate::model::{Action, text};

/// The part that a piece of text plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Plain text.
    Plain,
    /// What the line is about.
    Strong,
    /// Good to know, easy to pass over.
    Quiet,
    /// Something that will be there.
    Create,
    /// Something that changes.
    Update,
    /// Something that is made anew.
    Replace,
    /// Something that will be gone.
    Delete,
    /// What is run.
    Command,
    /// Worth knowing.
    Notice,
    /// Worth stopping for.
    Danger,
    /// As it should be.
    Good,
}

/// A piece of a line. Its text holds no control characters and no line breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Span {
    /// The part it plays.
    pub role: Role,
    /// The text.
    pub text: String,
}

/// Whether a line of a comparison is old or new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Only there now.
    Before,
    /// Only there afterwards.
    After,
    /// On both sides.
    Both,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Line {
    /// For a line of a comparison, its side.
    pub side: Option<Side>,
    /// Its pieces.
    pub spans: Vec<Span>,
}

impl Line {
    /// A line that begins with `text`. Whatever could move a cursor or turn the direction of writing is escaped, here and in
    /// [`Self::with`], so that nothing that comes from a live system reaches an output in any other way.
    pub fn new(role: Role, text: impl AsRef<str>) -> Self {
        Self::default().with(role, text)
    }

    /// Goes on with `text`.
    #[must_use]
    pub fn with(mut self, role: Role, text: impl AsRef<str>) -> Self {
        let text = text::tame(text.as_ref());
        if !text.is_empty() {
            self.spans.push(Span { role, text });
        }
        self
    }

    /// As a line of a comparison.
    #[must_use]
    pub fn side(mut self, side: Side) -> Self {
        self.side = Some(side);
        self
    }

    /// The line's pieces and then those of `other`.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.spans.extend(other.spans);
        self
    }

    /// The bare text.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// The number of characters.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| span.text.chars().count()).sum()
    }
}

impl Side {
    /// The mark in front of the line.
    pub fn mark(self) -> char {
        match self {
            Self::Before => '-',
            Self::After => '+',
            Self::Both => ' ',
        }
    }
}

impl From<Action> for Role {
    fn from(action: Action) -> Self {
        match action {
            Action::Create => Self::Create,
            Action::Update => Self::Update,
            Action::Replace => Self::Replace,
            Action::Delete => Self::Delete,
        }
    }
}
