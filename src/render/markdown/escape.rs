//! Text from elsewhere inside Markdown: it stays text, mentions nobody, links nowhere and closes nothing.

use std::fmt::Write as _;

/// As prose: every character that Markdown or a host's extensions could take for more is disarmed. Names in ticks become code.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A tick without its partner.
        return disarmed(text);
    }
    parts.iter().enumerate().map(|(i, part)| if i % 2 == 0 { disarmed(part) } else { code(part) }).collect()
}

fn disarmed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention, a reference to an issue: an invisible character after the mark keeps it from being one.
            '@' | '#' => {
                out.push(c);
                out.push_str("&#8203;");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.replace("://", ":&#8203;//").replace("www.", "www&#8203;.")
}

/// As code inside a line or a cell.
pub fn code(text: &str) -> String {
    // Ticks read best, but a tick, a bar or a tag in the text needs more than them.
    if text.trim().is_empty() || text.contains(['`', '|', '<', '>', '&']) {
        return format!("<code>{}</code>", html(text));
    }
    format!("`{text}`")
}

/// As text inside an HTML element.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Markdown is still alive between inline tags.
            '@' | '#' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '|' | '!' | '$' | ':' => {
                let _ = write!(out, "&#{};", u32::from(c));
                if c == '@' || c == '#' {
                    out.push_str("&#8203;");
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// A fenced block that nothing in `text` can end.
pub fn fence(language: &str, text: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}{language}\n{text}\n{ticks}")
}

/// At most `most` characters, the last an ellipsis where some were cut.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn longest_run(text: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        insta::assert_snapshot!(prose("a|b `c` <d> @e #1 **f** https://g"), @r"a\|b `c` &lt;d&gt; @&#8203;e #&#8203;1 \*\*f\*\* https:&#8203;//g");
        insta::assert_snapshot!(prose("a ` b"), @r"a \` b");
        insta::assert_snapshot!(code("a.b"), @"`a.b`");
        insta::assert_snapshot!(code("a|`</b>"), @"<code>a&#124;&#96;&lt;/b&gt;</code>");
        insta::assert_snapshot!(html("<b> `x` @y"), @"&lt;b&gt; &#96;x&#96; &#64;&#8203;y");
        insta::assert_snapshot!(cut("abcdef", 4), @"abc…");
        assert_eq!(fence("sh", "````"), "`````sh\n````\n`````");
    }
}
