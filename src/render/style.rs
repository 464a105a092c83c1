//! How a terminal shows each role: the one place where colours are chosen.

use anstyle::{AnsiColor, Style as Ansi};

use super::line::{Line, Role, Span};

/// Whether escape sequences are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// None: for files, pipes and people who asked for none.
    #[default]
    Plain,
    /// Some.
    Ansi,
}

/// How text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether it is coloured.
    pub colour: Colour,
    /// How many columns there are. Nothing is cut to fit; what stands at the right moves.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: Colour::Plain, width: 100 }
    }
}

impl Style {
    /// `text` as `role` is shown.
    pub fn paint(self, role: Role, text: &str) -> String {
        let ansi = ansi(role);
        match self.colour {
            Colour::Ansi if !ansi.is_plain() => format!("{ansi}{text}{ansi:#}"),
            _ => text.to_owned(),
        }
    }

    /// A line without its comparison mark.
    pub fn line(self, line: &Line) -> String {
        line.spans.iter().map(|Span { role, text }| self.paint(*role, text)).collect()
    }
}

fn ansi(role: Role) -> Ansi {
    let colour = |colour: AnsiColor| colour.on_default();
    match role {
        Role::Plain | Role::Command => Ansi::new(),
        Role::Strong => Ansi::new().bold(),
        Role::Quiet => Ansi::new().dimmed(),
        Role::Create | Role::Good => colour(AnsiColor::Green),
        Role::Update | Role::Notice => colour(AnsiColor::Yellow),
        Role::Replace => colour(AnsiColor::Magenta),
        Role::Delete => colour(AnsiColor::Red),
        Role::Danger => colour(AnsiColor::Red).bold(),
    }
}
