//! The formats by name, and `--emit FORMAT=FILE`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::model::text;

/// A format in which a document is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a pull request.
    Markdown,
    /// For a browser.
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Markdown, Self::Html];

    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == word).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            match text::nearest(word, names) {
                Some(near) => format!("`{word}` is no format; did you mean `{near}`?"),
                None => format!("`{word}` is no format; there are {}", text::list(names)),
            }
        })
    }
}

/// `--emit FORMAT=FILE`: a file to write beside what is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    /// In which format.
    pub format: Format,
    /// Into which file.
    pub path: PathBuf,
}

impl FromStr for Emit {
    type Err = String;

    fn from_str(argument: &str) -> Result<Self, String> {
        match argument.split_once('=') {
            Some((_, "")) | None => Err(format!("`{argument}` names no file; write it as `markdown=plan.md`")),
            Some((format, path)) => Ok(Self { format: format.parse()?, path: path.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emits_are_a_format_and_a_file() {
        let check = |argument: &str, expected: &str| {
            let shown = argument.parse::<Emit>().map(|emit| format!("{} -> {}", emit.format, emit.path.display()));
            assert_eq!(shown.unwrap_or_else(|e| e), expected);
        };
        check("markdown=out/plan.md", "markdown -> out/plan.md");
        check("json=a=b", "json -> a=b");
        check("markdwon=x", "`markdwon` is no format; did you mean `markdown`?");
        check("pdf=x", "`pdf` is no format; there are `text`, `json`, `markdown` and `html`");
        check("json", "`json` names no file; write it as `markdown=plan.md`");
        check("json=", "`json=` names no file; write it as `markdown=plan.md`");
    }
}
