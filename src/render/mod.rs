//! Rendering: the same view of a plan as text, JSON, Markdown or HTML. Pure: a document in, a text out.
//!
//! Knows the plan's document and the nouns of the model; never asks a provider, compares anything, prints or reads a clock.

pub mod line;
pub mod style;
pub mod view;

mod allow;
mod field;
mod mask;
mod page;

pub mod diagnostic;
pub mod terminal;
