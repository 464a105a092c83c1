//! A view as one self-contained page: no script, nothing from elsewhere, light or dark as the reader has it.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::allow;
use super::view::View;
use crate::error::{Error, Result};

/// The page that is made where nobody brings a template. A good start for an own one.
pub const TEMPLATE: &str = include_str!("html/page.html.j2");

/// The page. A template of one's own is given the `view`, the `command` and the `short_id`, everything
/// escaped.
///
/// # Errors
/// `Usage` for a template that cannot be read or filled, with its line.
pub fn render(view: &View, template: Option<&str>, next: Option<&str>) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(|e| Error::bug(e.to_string()))?);
    let blocked = view.counts.blocked > 0;
    let command = next.filter(|_| !blocked).map(|next| allow::exact(view, next).join(" \\\n  "));
    let given = context! { view => Value::from(Serde(view)), command, short_id => view.short_id() };
    environment.render_str(template.unwrap_or(TEMPLATE), given).map_err(|e| {
        let line = e.line().map_or_else(String::new, |line| format!(" at line {line}"));
        let what = e.detail().map_or_else(|| e.kind().to_string(), str::to_owned);
        Error::usage(format!("the template cannot be used{line}: {what}"))
            .hint("leave the template away for the built-in page; an own one is given `view`, `command` and `short_id`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;

    #[test]
    fn pages_show_everything_escaped() {
        let check = |name: &str, document| {
            let page = render(&View::plan(&document), None, Some("evenkeel apply policies/")).expect("it renders");
            let body = page.split_once("<body>").expect("a page has a body").1.to_owned();
            insta::assert_snapshot!(name, body);
        };
        check("nothing", samples::nothing());
        check("shop", samples::shop());
        check("blocked", samples::blocked());
        check("hostile", samples::hostile());
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        for document in samples::all() {
            let page = render(&View::drift(&document), None, None).expect("it renders");
            for outside in ["<script", "<link", "<img", "<iframe", "@import", "url(", "javascript:"] {
                assert!(!page.contains(outside), "{outside}");
            }
        }
    }

    #[test]
    fn a_template_can_be_ones_own() {
        let view = View::plan(&samples::hostile());
        let page = |template| render(&view, Some(template), None).unwrap_or_else(|e| e.to_string());
        let check = |template, expected: &str| assert_eq!(page(template), expected);
        check("{% for g in view.groups %}{{ g.target }}: {{ g.items | length }}{% endfor %}", "postgres.shop: 2");
        check(
            "{{ view.sections[0].entries[0].line.spans[1].text }}",
            "  &lt;img src=x onerror=alert(1)&gt; --&gt; `@here`",
        );
        check("a\n{% for %}", "the template cannot be used at line 2: unexpected end of block, expected in");
        check("{{ nothing_like_it }}", "the template cannot be used at line 1: `nothing_like_it` is undefined");
    }
}
