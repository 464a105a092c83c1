//! Rendering: the same view of a plan as text, JSON, Markdown or HTML. Pure: a document in, a text out.
//!
//! Knows the plan's document and the nouns of the model; never asks a provider, compares states, prints or reads a clock.

pub mod format;
pub mod line;
pub mod style;
pub mod view;

mod allow;
mod field;
pub(crate) mod mask;
mod page;

pub mod diagnostic;
pub mod html;
pub mod markdown;
pub mod terminal;

pub mod approval;
pub mod outcome;
pub mod progress;

pub use format::{Emit, Format};
pub use markdown::Comment;
pub use style::{Colour, Style};
pub use view::{Topic, View};

use crate::error::Result;
use crate::plan::Document;

/// What a format may need to know beside the document.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the document is shown for.
    pub topic: Topic,
    /// For text: colour and width.
    pub style: Style,
    /// The command that would apply the plan, without the flags it needs: `evenkeel apply policies/`. Shown with those flags.
    pub next: Option<String>,
    /// For Markdown: what to know about the comment. Its `next` is that of these options, where there is one.
    pub comment: Comment,
    /// For HTML: a template of the user's own.
    pub template: Option<String>,
}

/// The document in a format.
///
/// # Errors
/// `Usage` for a template that cannot be used; no other format fails.
pub fn render(document: &Document, format: Format, options: &Options) -> Result<String> {
    let view = || View::of(document, options.topic);
    let next = options.next.as_deref();
    Ok(match format {
        Format::Text => terminal::render(&view(), options.style, next),
        Format::Json => document.to_json(),
        Format::Markdown => {
            let comment = options.comment.clone();
            let next = options.next.clone().unwrap_or_else(|| comment.next.clone());
            markdown::render(&view(), &Comment { next, ..comment })
        }
        Format::Html => html::render(&view(), options.template.as_deref(), next)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;

    #[test]
    fn a_saved_plan_is_shown_as_a_fresh_one() {
        let options = Options { next: Some("evenkeel apply --plan plan.json".into()), ..Options::default() };
        for document in samples::all() {
            let saved = Document::from_json(&document.to_json()).expect("it was just written");
            for format in Format::ALL {
                let show = |document| render(document, format, &options).expect("no template to go wrong");
                assert_eq!(show(&saved), show(&document));
                assert!(show(&document).ends_with('\n'), "{format} ends its last line");
            }
        }
    }
}
