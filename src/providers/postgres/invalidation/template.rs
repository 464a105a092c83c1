//! Keys as the policy writes them: texts with columns, some of them patterns; and the SQL that makes them of a row.

use crate::providers::postgres::quote;

/// A compiled key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// Whether it is a pattern.
    pub is_pattern: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Text as it is in the policy, its `\` included.
    Text(String),
    Column(String),
}

/// What means something in a pattern of Redis, as a class of a regular expression.
const SPECIAL: &str = r"([\\*?\[\]^-])";

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        let mut is_pattern = false;
        while let Some(c) = rest.chars().next() {
            let tail = &rest[c.len_utf8()..];
            rest = match c {
                '\0' => return Err(format!("`{}` has a control character", text.escape_debug())),
                '{' | '}' if tail.starts_with(c) => {
                    plain.push(c);
                    &tail[1..]
                }
                '{' if tail.contains('}') => {
                    let (name, after) = tail.split_once('}').unwrap_or_default();
                    if name.is_empty() {
                        return Err(format!("`{text}` has empty braces; name a column"));
                    }
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Column(name.to_owned()));
                    after
                }
                '{' | '}' => return Err(format!("`{text}` has a lone `{c}`; write `{c}{c}` for the character itself")),
                '\\' => {
                    let Some(escaped) = tail.chars().next() else {
                        return Err(format!("`{text}` ends in a lone `\\`; write `\\\\` for the character itself"));
                    };
                    plain.extend(['\\', escaped]);
                    &tail[escaped.len_utf8()..]
                }
                _ => {
                    is_pattern |= matches!(c, '*' | '?' | '[');
                    plain.push(c);
                    tail
                }
            };
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        if parts.is_empty() {
            return Err("a key is empty".to_owned());
        }
        Ok(Self { parts, is_pattern })
    }

    /// The columns it names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The expression that makes the key of the row `r`; null where a column is.
    pub fn expression(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) if self.is_pattern => quote::literal(text),
            Part::Text(text) => quote::literal(&bare(text)),
            Part::Column(name) => {
                let value = format!("r.{}::text", quote::ident(name));
                // A value in a pattern stands for itself.
                if self.is_pattern {
                    format!("regexp_replace({value}, {}, '\\\\\\1', 'g')", quote::literal(SPECIAL))
                } else {
                    value
                }
            }
        });
        parts.collect::<Vec<_>>().join(" || ")
    }

    /// What stands for all keys that rows could have given, as a literal, and whether that is a pattern.
    pub fn any(&self) -> (String, bool) {
        let is_pattern = self.is_pattern || self.columns().next().is_some();
        let text: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Column(_) => "*".to_owned(),
                Part::Text(text) if is_pattern => text.clone(),
                Part::Text(text) => bare(text),
            })
            .collect();
        (quote::literal(&text), is_pattern)
    }
}

/// A text without the `\` that make its characters stand for themselves.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(if c == '\\' { rest.next().unwrap_or(c) } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_expressions() {
        let check = |text: &str, expected: &str, any: &str| {
            let shown = Template::new(text).map(|template| (template.expression(), template.any()));
            match shown {
                Ok((expression, (literal, is_pattern))) => {
                    assert_eq!(expression, expected, "{text}");
                    assert_eq!(format!("{} {literal}", if is_pattern { "pattern" } else { "key" }), any, "{text}");
                }
                Err(error) => assert_eq!(error, expected),
            }
        };
        check("user:{id}", "'user:' || r.id::text", "pattern 'user:*'");
        check("{{a}}{Tag}'s", "'{a}' || r.\"Tag\"::text || '''s'", "pattern '{a}*''s'");
        check("users:count", "'users:count'", "key 'users:count'");
        check(r"a\*b{id}", "'a*b' || r.id::text", r"pattern 'a\*b*'");
        check(r"a\*b", "'a*b'", "key 'a*b'");
        let escaped = r"'list:' || regexp_replace(r.tag::text, '([\\*?\[\]^-])', '\\\1', 'g') || ':*'";
        check("list:{tag}:*", escaped, "pattern 'list:*:*'");
        check("a{b", "`a{b` has a lone `{`; write `{{` for the character itself", "");
        check("a}", "`a}` has a lone `}`; write `}}` for the character itself", "");
        check("a{}", "`a{}` has empty braces; name a column", "");
        check("a\\", "`a\\` ends in a lone `\\`; write `\\\\` for the character itself", "");
        check("", "a key is empty", "");
    }
}
