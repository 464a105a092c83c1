//! Texts of SQL that a policy or the server gives: where their brackets and quotes end, and whether they can be laid into a statement.
//!
//! Splits and refuses, nothing more: what a text *means* only the server says.

use crate::providers::postgres::quote;

/// A character outside of quotes, its place, and how many brackets are open around it.
struct Bare {
    at: usize,
    char: char,
    depth: usize,
}

/// Why a text cannot be laid into a statement.
type Refusal = &'static str;

/// Every character outside of quotes. A quote is left out together with what it holds.
///
/// # Errors
/// Quotes or brackets that do not close.
fn scan(text: &str) -> Result<Vec<Bare>, Refusal> {
    let mut out = Vec::new();
    let mut open = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' | '"' => {
                // A doubled quote closes and opens again at once, which comes to the same.
                if !chars.any(|(_, c)| c == char) {
                    return Err("has a quote that does not close");
                }
                out.push(Bare { at, char, depth: open.len() });
            }
            '(' | '[' => {
                out.push(Bare { at, char, depth: open.len() });
                open.push(if char == '(' { ')' } else { ']' });
            }
            ')' | ']' => {
                if open.pop() != Some(char) {
                    return Err("has brackets that do not match");
                }
                out.push(Bare { at, char, depth: open.len() });
            }
            _ => out.push(Bare { at, char, depth: open.len() }),
        }
    }
    if open.is_empty() { Ok(out) } else { Err("has brackets that do not match") }
}

/// Checks that a text stays inside the place it is laid into: it closes what it opens, and it neither ends the statement nor hides its rest.
///
/// # Errors
/// Why not, to go after the text: `has a semicolon`.
pub fn check(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err("is empty");
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("has a control character");
    }
    let bare = scan(text)?;
    // Strings that follow one another over a line's end are one string, so the first one's sort holds for all of them.
    // Only in an escape string does a backslash change where the quote ends.
    let escapes = text.contains('\\') && bare.iter().any(|b| b.char == '\'' && opens_escape_string(&text[..b.at]));
    if escapes {
        return Err("has an escape string with a backslash");
    }
    let followed_by = |i: usize, next: char| {
        bare.get(i + 1).is_some_and(|b| b.char == next && b.at == bare[i].at + bare[i].char.len_utf8())
    };
    for (i, one) in bare.iter().enumerate() {
        match one.char {
            ';' => return Err("has a semicolon"),
            '$' => return Err("has a dollar sign outside of quotes"),
            '-' if followed_by(i, '-') => return Err("has a comment"),
            '/' if followed_by(i, '*') => return Err("has a comment"),
            _ => {}
        }
    }
    Ok(())
}

fn opens_escape_string(before: &str) -> bool {
    before.strip_suffix(['e', 'E']).is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The parts of a list, split at the commas that stand outside of all brackets and quotes.
fn split_list(text: &str) -> Option<Vec<String>> {
    let commas: Vec<usize> =
        scan(text).ok()?.into_iter().filter(|b| b.depth == 0 && b.char == ',').map(|b| b.at).collect();
    let mut parts = Vec::with_capacity(commas.len() + 1);
    let mut from = 0;
    for at in commas {
        parts.push(text[from..at].trim().to_owned());
        from = at + 1;
    }
    parts.push(text[from..].trim().to_owned());
    Some(parts)
}

/// What the server's own definition of an index says of its columns.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// The key columns, each as the server prints it, its last keywords in lower case.
    pub columns: Vec<String>,
    /// The columns that are only stored.
    pub include: Vec<String>,
    /// The predicate.
    pub predicate: Option<String>,
}

/// Takes apart what `pg_get_indexdef` prints. `None` for a text that is no such thing.
pub fn take_apart(definition: &str) -> Option<Parts> {
    let bare = scan(definition).ok()?;
    let using = find_word(definition, &bare, " USING ", 0)?;
    let (open, close) = brackets(&bare, using)?;
    let columns = split_list(&definition[open + 1..close])?.iter().map(|column| tidy(column)).collect();
    let mut after = close + 1;
    let include = match definition[after..].strip_prefix(" INCLUDE (") {
        Some(_) => {
            let (open, close) = brackets(&bare, after)?;
            after = close + 1;
            split_list(&definition[open + 1..close])?.iter().map(|column| tidy(column)).collect()
        }
        None => Vec::new(),
    };
    let predicate = find_word(definition, &bare, " WHERE ", after).map(|at| definition[at + 7..].to_owned());
    Some(Parts { columns, include, predicate })
}

fn find_word(text: &str, bare: &[Bare], word: &str, from: usize) -> Option<usize> {
    bare.iter()
        .filter(|b| b.at >= from && b.depth == 0 && b.char == ' ')
        .map(|b| b.at)
        .find(|at| text[*at..].starts_with(word))
}

/// The first pair of round brackets that opens outside of all others after `from`.
fn brackets(bare: &[Bare], from: usize) -> Option<(usize, usize)> {
    let mut pairs = bare.iter().filter(|b| b.at >= from && b.depth == 0);
    let open = pairs.find(|b| b.char == '(')?.at;
    let close = pairs.find(|b| b.char == ')')?.at;
    Some((open, close))
}

/// A column as the policy writes it: names as the server quotes them, known words in lower case, defaults left out.
///
/// Only words outside of the expression are touched: those that follow a plain name, or end the text.
pub fn tidy(column: &str) -> String {
    let column = column.trim();
    let (rest, order) = split_order(column);
    let rest = match quote::head(rest) {
        Some((name, "")) => quote::ident(&name),
        Some((name, after)) if after.starts_with(' ') && !after.trim_start().starts_with('(') => {
            match strip_word(after.trim_start(), "collate") {
                Some(collation) => format!("{} collate {}", quote::ident(&name), collation.trim_start()),
                None => format!("{} {}", quote::ident(&name), after.trim_start()),
            }
        }
        _ => rest.to_owned(),
    };
    format!("{rest}{order}")
}

/// The name of a column that is written as nothing but a name and perhaps an order.
pub fn plain(column: &str) -> Option<String> {
    let (rest, _) = split_order(column.trim());
    match quote::head(rest) {
        Some((name, "")) => Some(name),
        _ => None,
    }
}

/// A column without its order, and the order as the policy writes it: ` desc`, ` nulls first`, or nothing.
fn split_order(column: &str) -> (&str, &'static str) {
    let (rest, nulls_first) = match (last_words(column, "nulls first"), last_words(column, "nulls last")) {
        (Some(rest), _) => (rest, Some(true)),
        (_, Some(rest)) => (rest, Some(false)),
        _ => (column, None),
    };
    let (rest, descending) = match (last_words(rest, "desc"), last_words(rest, "asc")) {
        (Some(rest), _) => (rest, true),
        (_, Some(rest)) => (rest, false),
        _ => (rest, false),
    };
    let order = match (descending, nulls_first.unwrap_or(descending)) {
        (false, false) => "",
        (false, true) => " nulls first",
        (true, true) => " desc",
        (true, false) => " desc nulls last",
    };
    (rest, order)
}

/// The text in front of its last `words`, where it ends with them as words of their own.
fn last_words<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let mut rest = text;
    for word in words.rsplit(' ') {
        let at = rest.len().checked_sub(word.len()).filter(|at| rest.is_char_boundary(*at))?;
        let (before, last) = rest.split_at(at);
        if !last.eq_ignore_ascii_case(word) || !before.ends_with(|c: char| c.is_whitespace() || c == ')' || c == '"') {
            return None;
        }
        rest = before.trim_end();
    }
    Some(rest)
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with(|c: char| c.is_whitespace() || c == '"')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_could_leave_its_place_is_refused() {
        let check = |text: &str, expected: Result<(), &str>| assert_eq!(super::check(text), expected, "{text}");
        check("lower(email) text_pattern_ops", Ok(()));
        check("status in ('a;b', 'c--d', '/*')", Ok(()));
        check("\"we;ird\" || 'it''s'", Ok(()));
        check("tags[1]", Ok(()));
        check("email ~ '^\\w+$'", Ok(()));
        check("a - -b", Ok(()));
        check("status = 'active' and email ~ '\\.com'", Ok(()));
        check("a); drop table x; --", Err("has brackets that do not match"));
        check("a; drop table x", Err("has a semicolon"));
        check("a -- b", Err("has a comment"));
        check("a /* b */", Err("has a comment"));
        check("$$a$$", Err("has a dollar sign outside of quotes"));
        check("E'\\'' || '; drop table x --'", Err("has a quote that does not close"));
        check("E'\\'' || '; drop table x --''", Err("has an escape string with a backslash"));
        check("'a", Err("has a quote that does not close"));
        check("(a", Err("has brackets that do not match"));
        check("(a]", Err("has brackets that do not match"));
        check("  ", Err("is empty"));
        check("a\0", Err("has a control character"));
    }

    #[test]
    fn definitions_come_apart() {
        let check = |definition: &str, columns: &[&str], include: &[&str], predicate: Option<&str>| {
            let parts = take_apart(definition).expect("a definition");
            assert_eq!(parts.columns, columns);
            assert_eq!(parts.include, include);
            assert_eq!(parts.predicate.as_deref(), predicate);
        };
        check("CREATE INDEX i ON users USING btree (a, b DESC)", &["a", "b desc"], &[], None);
        check(
            "CREATE UNIQUE INDEX \"x USING (\" ON \"t (\" USING btree (lower(a || ', '::text) COLLATE \"C\" text_pattern_ops DESC NULLS LAST, \
             \"B,)\") INCLUDE (c, \"D\") NULLS NOT DISTINCT WITH (fillfactor='70') WHERE st = ') WHERE '::text AND (b > 1)",
            &["lower(a || ', '::text) COLLATE \"C\" text_pattern_ops desc nulls last", "\"B,)\""],
            &["c", "\"D\""],
            Some("st = ') WHERE '::text AND (b > 1)"),
        );
        check(
            "CREATE INDEX i ON t USING gist (a public.gist_trgm_ops (siglen='32'))",
            &["a public.gist_trgm_ops (siglen='32')"],
            &[],
            None,
        );
        assert_eq!(take_apart("drop table x"), None);
    }

    #[test]
    fn columns_have_one_form() {
        let check = |text: &str, expected: &str| assert_eq!(tidy(text), expected);
        check(" Created_At  DESC ", "created_at desc");
        check("a asc nulls last", "a");
        check("a desc nulls first", "a desc");
        check("a Desc Nulls Last", "a desc nulls last");
        check("a nulls first", "a nulls first");
        check("\"Weird Col\"", "\"Weird Col\"");
        check("\"plain\"", "plain");
        check("order", "\"order\"");
        check("Name COLLATE \"C\" nulls first", "name collate \"C\" nulls first");
        check("LOWER(x) desc", "LOWER(x) desc");
        check("COALESCE (x, 1)", "COALESCE (x, 1)");
        check("lower(x)desc", "lower(x) desc");
        check("describe", "describe");
        check("a text_pattern_ops", "a text_pattern_ops");
    }

    #[test]
    fn plain_columns_are_told_from_the_rest() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(plain(text).as_deref(), expected);
        check("Created_At desc", Some("created_at"));
        check("\"A b\" nulls first", Some("A b"));
        check("a text_pattern_ops", None);
        check("lower(a)", None);
        check("(a)", None);
    }
}
