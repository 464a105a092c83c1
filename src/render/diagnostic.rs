//! Diagnostics for people, with the line of the policy and a caret, and for machines. Shows no password that stands in a policy.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::mask::{mask_policy, mask_text};
use super::style::{Colour, Style};
use crate::model::{Diagnostic, Place, Severity, Sources, text};

/// How far apart two lines of a file may be to be shown in one excerpt.
const NEAR: u32 = 40;

/// Diagnostics as text, each once and sorted by place, with a line that counts them at the end. Empty where there are none.
///
/// Lines of the policy longer than the style is wide are cut.
pub fn text(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let Style { colour, width } = style;
    let renderer = match colour {
        Colour::Plain => Renderer::plain(),
        Colour::Ansi => Renderer::styled(),
    }
    .term_width(width);
    let mut masked = Masked { sources, texts: HashMap::new() };
    let mut out = String::new();
    let diagnostics = sorted(diagnostics);
    for diagnostic in &diagnostics {
        let excerpts = masked.excerpts(diagnostic);
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(sentence(&diagnostic.message)).id(diagnostic.code));
        for Excerpt { file, first_line, text, annotations } in &excerpts {
            let snippet = Snippet::source(text.as_str()).path(&**file).line_start(*first_line as usize);
            let annotations = annotations.iter().map(|(kind, span, label)| {
                let annotation = kind.span(span.clone());
                if label.is_empty() { annotation } else { annotation.label(label.as_str()) }
            });
            group = group.element(snippet.annotations(annotations));
        }
        if let Some(hint) = &diagnostic.hint {
            group = group.element(Level::HELP.with_name("hint").message(sentence(hint)));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    if !diagnostics.is_empty() {
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{}", count(&diagnostics));
    }
    out
}

/// Diagnostics as one array, each once and sorted by place. Lines and columns count from 1, columns in characters; `end_column` is the first one after it.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let place = |place: &Place| {
        let (line, column) = sources.position(&place.file, place.span.start);
        let (end_line, end_column) = sources.position(&place.file, place.span.end);
        json!({ "file": &*place.file, "line": line, "column": column, "end_line": end_line, "end_column": end_column })
    };
    let all = sorted(diagnostics).into_iter().map(|diagnostic| {
        let Diagnostic { severity, code, message, place: at, label, related, hint } = diagnostic;
        json!({
            "severity": severity,
            "code": code,
            "message": sentence(message),
            "place": at.as_ref().map(place),
            "label": label.as_deref().map(sentence),
            "related": related.iter().map(|(at, words)| json!({ "place": place(at), "message": sentence(words) })).collect::<Vec<_>>(),
            "hint": hint.as_deref().map(sentence),
        })
    });
    Value::Array(all.collect())
}

/// `3 errors, 1 warning`.
fn count(diagnostics: &[&Diagnostic]) -> String {
    let of = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    match (of(Severity::Error), of(Severity::Warning)) {
        (errors, 0) => text::count(errors, "error"),
        (0, warnings) => text::count(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", text::count(errors, "error"), text::count(warnings, "warning")),
    }
}

/// In the order of the files, each once: targets that share a line also share its problems.
fn sorted(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut all: Vec<_> = diagnostics.iter().collect();
    let start = |d: &Diagnostic| d.place.as_ref().map(|place| (place.file.clone(), place.span.start));
    all.sort_by(|a, b| start(a).cmp(&start(b)).then_with(|| a.message.cmp(&b.message)));
    all.dedup();
    all
}

/// A text of ours or of a live system, safe to print: no control characters and no passwords.
fn sentence(text: &str) -> String {
    mask_text(text).lines().map(text::tame).collect::<Vec<_>>().join("\n")
}

/// Some lines of a file with what is to be said about them.
struct Excerpt {
    file: Arc<str>,
    first_line: u32,
    text: String,
    annotations: Vec<(AnnotationKind, Range<usize>, String)>,
}

/// The sources with passwords masked, each once.
struct Masked<'a> {
    sources: &'a Sources,
    texts: HashMap<Arc<str>, String>,
}

impl Masked<'_> {
    /// What a diagnostic shows of the files: near places together, far ones each on their own.
    fn excerpts(&mut self, diagnostic: &Diagnostic) -> Vec<Excerpt> {
        let primary =
            diagnostic.place.iter().map(|place| (AnnotationKind::Primary, place, diagnostic.label.as_deref()));
        let related = diagnostic.related.iter().map(|(place, words)| (AnnotationKind::Context, place, Some(&**words)));
        let mut windows: Vec<(Arc<str>, u32, u32, Vec<_>)> = Vec::new();
        for (kind, place, label) in primary.chain(related) {
            let (line, _) = self.sources.position(&place.file, place.span.start);
            let span = self.first_line_of(place);
            let annotation = (kind, span, label.map(sentence).unwrap_or_default());
            let near = windows
                .iter_mut()
                .find(|(file, first, last, _)| *file == place.file && line + NEAR >= *first && line <= *last + NEAR);
            match near {
                Some((_, first, last, annotations)) => {
                    (*first, *last) = ((*first).min(line), (*last).max(line));
                    annotations.push(annotation);
                }
                None => windows.push((place.file.clone(), line, line, vec![annotation])),
            }
        }
        windows
            .into_iter()
            .map(|(file, first_line, last, annotations)| {
                let bytes = self.sources.lines(&file, first_line, last);
                let text = self.text(&file)[bytes.clone()].to_owned();
                let within = |at: usize| at.clamp(bytes.start, bytes.end) - bytes.start;
                let annotations = annotations
                    .into_iter()
                    .map(|(kind, span, label)| (kind, within(span.start)..within(span.end), label))
                    .collect();
                Excerpt { file, first_line, text, annotations }
            })
            .collect()
    }

    fn text(&mut self, file: &Arc<str>) -> &str {
        let sources = self.sources;
        self.texts.entry(file.clone()).or_insert_with(|| mask_policy(sources.text(file).unwrap_or_default()))
    }

    /// A caret marks a line: of what spans several, the first says enough.
    fn first_line_of(&mut self, place: &Place) -> Range<usize> {
        let text = self.sources.text(&place.file).unwrap_or_default();
        let Range { start, end } = place.span;
        let marked = text.get(start..end).unwrap_or_default();
        start..start + marked.find(['\n', '\r']).unwrap_or(marked.len())
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn check(file: &str, problems: impl Fn(&dyn Fn(&str) -> Place) -> Vec<Diagnostic>) -> String {
        let mut sources = Sources::default();
        let name = sources.add("shop.toml", file);
        let find = |what: &str| {
            let start = file.find(what).expect("it is in the file");
            Place { file: name.clone(), span: start..start + what.len() }
        };
        text(&problems(&find), &sources, Style { colour: Colour::Plain, width: 60 })
    }

    #[test]
    fn problems_are_sorted_and_counted() {
        let shown = check("a = 1\nb = 2\n", |find| {
            vec![
                Diagnostic::warning("odd", "this is odd", find("b")),
                Diagnostic::error("bad", "this is bad", find("1")).label("here").hint("write it better"),
                Diagnostic::error("worse", "this is nowhere", None),
            ]
        });
        assert_snapshot!(shown, @r#"
        error[worse]: this is nowhere

        error[bad]: this is bad
         --> shop.toml:1:5
          |
        1 | a = 1
          |     ^ here
          |
          = hint: write it better

        warning[odd]: this is odd
         --> shop.toml:2:1
          |
        2 | b = 2
          | ^

        2 errors, 1 warning
        "#);
        assert_eq!(check("", |_| Vec::new()), "");
    }

    #[test]
    fn of_a_long_value_the_first_line_is_marked() {
        let file = format!("a = [\n  1,\n]\nb = \"{}\"\n", "long ".repeat(30));
        let shown = check(&file, |find| {
            vec![
                Diagnostic::error("bad", "this is bad", find("[\n  1,\n]")),
                Diagnostic::error("bad", "this too", find("b =")),
            ]
        });
        assert_snapshot!(shown, @r#"
        error[bad]: this is bad
         --> shop.toml:1:5
          |
        1 | a = [
          |     ^

        error[bad]: this too
         --> shop.toml:4:1
          |
        4 | b = "long long long long long long long long long lon...
          | ^^^

        2 errors
        "#);
    }

    #[test]
    fn places_far_apart_are_shown_apart() {
        let file = format!("a = 1\n{}b = 2\n", "\n".repeat(99));
        let shown = check(&file, |find| {
            vec![Diagnostic::error("bad", "these collide", find("b")).related(find("a"), "first here")]
        });
        assert_snapshot!(shown, @r#"
        error[bad]: these collide
           --> shop.toml:101:1
            |
        101 | b = 2
            | ^
            |
           ::: shop.toml:1:1
            |
          1 | a = 1
            | - first here

        1 error
        "#);
    }

    #[test]
    fn what_a_system_says_is_tamed() {
        let shown = check("password = 'hunter2'\nwhere = 'a\tb'\n", |find| {
            vec![
                Diagnostic::error("rejected", "no \u{1b}[31mgood: db://app:hunter2@db\nin two lines", find("'a\tb'")),
                Diagnostic::error("rejected", "a secret", find("'hunter2'")).label("password=hunter2"),
            ]
        });
        assert_snapshot!(shown, @r#"
        error[rejected]: a secret
         --> shop.toml:1:12
          |
        1 | password = '*******'
          |            ^^^^^^^^^ password=*******

        error[rejected]: no \u{1b}[31mgood: db://app:*******@db
                         in two lines
         --> shop.toml:2:9
          |
        2 | where = 'a    b'
          |         ^^^^^^^^

        2 errors
        "#);
    }
}
