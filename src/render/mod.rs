//! Rendering: the same view of a plan as text, JSON, Markdown or HTML. Pure: a document in, a text out.
//!
//! Knows the plan's document and the nouns of the model; never asks a provider, compares anything, prints or reads a clock.

pub mod line;
pub mod style;
pub mod view;

mod allow;
mod field;
pub(crate) mod mask;
mod page;

pub mod approval;
pub mod diagnostic;
pub mod outcome;
pub mod progress;
pub mod terminal;

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::plan::Document;
use style::Style;
use view::Topic;

/// f
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// t
    Text,
    /// j
    Json,
}
/// o
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// t
    pub topic: Topic,
    /// s
    pub style: Style,
}
impl FromStr for Format {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Error::usage("no such format")),
        }
    }
}
/// r
pub fn render(document: &Document, format: Format, options: &Options) -> Result<String> {
    Ok(match format {
        Format::Text => terminal::render(&view::View::of(document, options.topic), options.style, None),
        Format::Json => document.to_json(),
    })
}
