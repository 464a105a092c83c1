//! A view as one self-contained page: no script, nothing from elsewhere, light or dark as the reader has it.

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::view::View;
use crate::error::{Error, Result};

/// The page that is made where nobody brings a template. A good start for an own one.
pub const TEMPLATE: &str = include_str!("html/page.html.j2");

/// The page. A template of one's own is given the `view` and the `next` command, everything escaped.
///
/// # Errors
/// `Usage` for a template that cannot be read or filled, with its line.
pub fn render(view: &View, template: Option<&str>, next: Option<&str>) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.render_str(template.unwrap_or(TEMPLATE), context! { view, next, short_id => view.short_id() }).map_err(
        |e| {
            let line = e.line().map_or_else(String::new, |line| format!(" at line {line}"));
            Error::usage(format!("the template cannot be used{line}: {}", e.detail().unwrap_or("it is not valid")))
                .hint("start from the built-in one, which `evenkeel explain html-template` prints")
        },
    )
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
            for outside in ["<script", "<link", "<img", "url(", "@import", "src="] {
                let found =
                    page.matches(outside).count() - page.matches("&lt;").count().min(page.matches(outside).count());
                assert_eq!(found, 0, "{outside}");
            }
        }
    }

    #[test]
    fn a_template_can_be_ones_own() {
        let view = View::plan(&samples::hostile());
        let page = |template| render(&view, Some(template), None).map_err(|e| e.to_string());
        insta::assert_snapshot!(page("{% for g in view.groups %}{{ g.target }}: {{ g.items | length }}{% endfor %}").unwrap(), @"postgres.shop: 2");
        insta::assert_snapshot!(page("{{ view.sections[0].entries[0].line.spans[1].text }}").unwrap(), @"&lt;img src=x onerror=alert(1)&gt; --&gt; `@here`");
        insta::assert_snapshot!(page("a\n{% for %}").unwrap_err(), @"");
        insta::assert_snapshot!(page("{{ nothing_like_it }}").unwrap_err(), @"");
    }
}
