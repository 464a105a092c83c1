//! Masking: no excerpt and no message shows a password, even where it stands in the policy in plain sight.
//!
//! A masked text is as many bytes long as it was, so that places still point to the same things.

use std::ops::Range;

/// Words that make the value of a key or parameter a secret.
const SECRET: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "private_key",
    "access_key",
    "account_key",
    "credential",
    "authorization",
];

/// A sentence or a value with its passwords masked: in `scheme://user:password@host` and in `password=…`.
pub(crate) fn mask_text(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    hide_in_text(text, 0, &mut out);
    into_text(out)
}

/// A policy with its passwords masked: those of [`mask_text`], and the values of keys that are named like a secret.
///
/// Reads TOML only as far as it must, so that a file with a syntax error is masked as well.
pub(crate) fn mask_policy(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    scan(text, 0, &mut out);
    into_text(out)
}

/// Whether a setting of this name and value holds a password.
pub(crate) fn masks(key: &str, text: &str) -> bool {
    is_secret(key) || mask_text(text) != text
}

fn into_text(bytes: Vec<u8>) -> String {
    // Whole characters are replaced, so what is left is text.
    String::from_utf8(bytes).unwrap_or_default()
}

fn hide(out: &mut [u8], range: Range<usize>) {
    out[range].fill(b'*');
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET.iter().any(|word| name.contains(word))
}

/// Masks what is secret in `text`, which begins at `offset` of `out`.
fn hide_in_text(text: &str, offset: usize, out: &mut [u8]) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let whole = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let authority = &whole[..whole.find(['/', '?', '#']).unwrap_or(whole.len())];
        // A password with an unescaped slash ends the authority early.
        let Some(user) = authority.rfind('@').or_else(|| whole.rfind('@')) else { continue };
        if let Some(colon) = whole[..user].find(':') {
            hide(out, offset + start + colon + 1..offset + start + user);
        }
    }
    for (at, _) in text.match_indices('=') {
        let name = text[..at].trim_end().rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next();
        if !name.is_some_and(is_secret) {
            continue;
        }
        let start = at + 1 + text[at + 1..].len() - text[at + 1..].trim_start_matches([' ', '"', '\'']).len();
        let rest = &text[start..];
        // `…` is what our own hints write for a value.
        let end = rest.find(|c: char| ends(c) || matches!(c, '&' | ';' | ',' | '…')).unwrap_or(rest.len());
        hide(out, offset + start..offset + start + end);
    }
}

/// Masks a policy, which begins at `offset` of `out`.
fn scan(text: &str, offset: usize, out: &mut [u8]) {
    let mut at = 0;
    let mut depth = 0_usize;
    let mut secret = false;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '#' => {
                let end = rest.find('\n').unwrap_or(rest.len());
                // What is commented out is as secret as it was.
                scan(&rest[1..end], offset + at + 1, out);
                at += end;
            }
            '\n' => {
                secret &= depth > 0;
                at += 1;
            }
            '[' | '{' => {
                depth += 1;
                at += 1;
            }
            ']' | '}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            '"' | '\'' => {
                let (inner, end) = quoted(rest, c);
                if is_key(&rest[end..]) {
                    secret = is_secret(&rest[inner]);
                } else if secret {
                    hide(out, offset + at + inner.start..offset + at + inner.end);
                } else {
                    hide_in_text(&rest[inner.clone()], offset + at + inner.start, out);
                }
                at += end;
            }
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if is_key(&rest[end..]) {
                    secret = is_secret(rest[..end].rsplit('.').next().unwrap_or_default());
                } else if secret {
                    hide(out, offset + at..offset + at + end);
                }
                at += end;
            }
            c => at += c.len_utf8(),
        }
    }
}

fn is_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '#' | '[' | ']' | '{' | '}' | '"' | '\'' | '=' | ',')
}

/// Whether what comes after a word makes it a key.
fn is_key(rest: &str) -> bool {
    rest.trim_start_matches([' ', '\t']).starts_with('=')
}

/// The inside of a quoted text, and where it ends; in one line unless it is in triple quotes.
fn quoted(rest: &str, quote: char) -> (Range<usize>, usize) {
    let triple = if quote == '"' { "\"\"\"" } else { "'''" };
    let (open, many) = if rest.starts_with(triple) { (3, true) } else { (1, false) };
    let mut escaped = false;
    for (i, c) in rest[open..].char_indices() {
        let here = open + i;
        let closes = if many { rest[here..].starts_with(triple) } else { c == quote };
        if !escaped && closes {
            return (open..here, here + open);
        }
        if !many && c == '\n' {
            return (open..here, here);
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    (open..rest.len(), rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_in_policies_are_masked() {
        let check = |policy: &str, expected: &str| {
            assert_eq!(mask_policy(policy), expected);
            assert_eq!(mask_policy(policy).len(), policy.len());
        };
        check(r#"url = "postgres://app:hunter2@db:5432/shop""#, r#"url = "postgres://app:*******@db:5432/shop""#);
        check(r#"url = "postgres://app:hun/ter2@db/shop""#, r#"url = "postgres://app:********@db/shop""#);
        check(r#"url = "postgres://app@db/shop?password=x&a=1""#, r#"url = "postgres://app@db/shop?password=*&a=1""#);
        check(r#"url = "host=db password=hunter2 user=a""#, r#"url = "host=db password=******* user=a""#);
        check("api-key = 'abc' # password = \"x\"", "api-key = '***' # password = \"*\"");
        check("token = { env = \"TOKEN\" }\nzone = \"a\"", "token = { env = \"TOKEN\" }\nzone = \"a\"");
        check("a = { password = \"p\\\"q\", b = 1 }", "a = { password = \"****\", b = 1 }");
        check("password = 12345\n[a.b]\nc = 1", "password = *****\n[a.b]\nc = 1");
        check("x.secret = [\n  \"a\",\n  \"b\"\n]\n[t]", "x.secret = [\n  \"*\",\n  \"*\"\n]\n[t]");
        check("\"my token\" = \"ä\"", "\"my token\" = \"**\"");
        check("secret = \"\"\"\nab\n\"\"\"\nb = \"c\"", "secret = \"\"\"****\"\"\"\nb = \"c\"");
        check("secret = \"unclosed\nb = \"c\"", "secret = \"********\nb = \"c\"");
        check(r#"url = "http://[::1]:80/a""#, r#"url = "http://[::1]:80/a""#);
    }

    #[test]
    fn passwords_in_messages_are_masked() {
        let check = |text: &str, expected: &str| assert_eq!(mask_text(text), expected);
        check("cannot reach `redis://:hunter2@cache`", "cannot reach `redis://:*******@cache`");
        check("`max_cost = 5` is a word", "`max_cost = 5` is a word");
    }

    proptest! {
        #[test]
        fn masking_never_panics_and_keeps_the_length(text in ".*", toml in "([a-z=\"'\\[\\]{}#\n ä@:/]|password|://)*") {
            prop_assert_eq!(mask_text(&text).len(), text.len());
            prop_assert_eq!(mask_policy(&toml).len(), toml.len());
        }
    }
}
