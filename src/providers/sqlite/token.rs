//! SQLite's tokens, as far as comparing and re-emitting one expression needs them. Knows no table and no statement:
//! what an expression *means* is asked of SQLite, never decided here.

/// One token. Comments and white space are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword or an unquoted name.
    Word(String),
    /// A name in `"…"`, `[…]` or `` `…` ``, without its quotes. SQLite may take the first sort for a text.
    Quoted(String),
    /// A text, number, blob or parameter, exactly as written.
    Literal(String),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longest first, so that the first that fits is the right one.
const SIGNS: [&str; 26] = [
    "->>", "->", "||", "<<", ">>", "<=", ">=", "==", "<>", "!=", "(", ")", ",", ";", ".", "+", "-", "*", "/", "%", "&",
    "|", "~", "<", ">", "=",
];

/// Splits `text` into tokens.
///
/// # Errors
/// What is no token, or not closed, as a lowercase fragment.
pub fn split(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_whitespace() {
            rest = &rest[1..];
        } else if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let end = comment.find("*/").ok_or("a comment `/*` is not closed")?;
            rest = &comment[end + 2..];
        } else if matches!(first, '"' | '`' | '[') {
            let (name, end) = quoted(rest, if first == '[' { ']' } else { first })?;
            tokens.push(Token::Quoted(name));
            rest = &rest[end..];
        } else if first == '\'' {
            let (_, end) = quoted(rest, '\'')?;
            tokens.push(Token::Literal(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if matches!(first, 'x' | 'X') && rest[1..].starts_with('\'') {
            let (_, end) = quoted(&rest[1..], '\'')?;
            tokens.push(Token::Literal(rest[..=end].to_owned()));
            rest = &rest[end + 1..];
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let end = number(rest);
            tokens.push(Token::Literal(rest[..end].to_ascii_lowercase()));
            rest = &rest[end..];
        } else if matches!(first, '?' | ':' | '@' | '$') {
            let end = 1 + rest[1..].find(|c| !in_word(c)).unwrap_or(rest.len() - 1);
            tokens.push(Token::Literal(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if in_word(first) {
            let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            return Err(format!("unrecognized token: `{}`", first.escape_default()));
        }
    }
    Ok(tokens)
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// The content of a quoted stretch at the start of `text`, and where it ends. A doubled closing mark stands for itself, but for `]`.
fn quoted(text: &str, close: char) -> Result<(String, usize), String> {
    let mut content = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != close {
            content.push(c);
        } else if close != ']' && chars.peek().is_some_and(|(_, next)| *next == close) {
            content.push(c);
            chars.next();
        } else {
            return Ok((content, at + 1));
        }
    }
    Err(format!("a quote `{}` is not closed", text.chars().next().unwrap_or(close)))
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    if bytes.len() > 2 && bytes[0] == b'0' && bytes[1].eq_ignore_ascii_case(&b'x') {
        return 2 + bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit() || **b == b'_').count();
    }
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let sign_of_exponent = matches!(byte, b'+' | b'-') && end > 0 && bytes[end - 1].eq_ignore_ascii_case(&b'e');
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || sign_of_exponent) {
            break;
        }
        end += 1;
    }
    end
}

/// The parts between commas that stand in no bracket.
pub fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            match token {
                Token::Sign("(") => depth += 1,
                Token::Sign(")") => depth -= 1,
                _ => {}
            }
            depth == 0 && *token == Token::Sign(",")
        })
        .collect()
}

/// Checks that `tokens` can stand inside a statement without ending it or its brackets.
///
/// # Errors
/// What would, as a lowercase fragment.
pub fn contained(tokens: &[Token]) -> Result<(), String> {
    let mut depth = 0_u32;
    for token in tokens {
        match token {
            Token::Sign(";") => return Err("`;` would end the statement".into()),
            Token::Sign("(") => depth += 1,
            Token::Sign(")") => depth = depth.checked_sub(1).ok_or("a `)` closes nothing")?,
            _ => {}
        }
    }
    if depth > 0 { Err("a `(` is not closed".into()) } else { Ok(()) }
}

/// Without brackets that enclose the whole.
pub fn bare(mut tokens: &[Token]) -> &[Token] {
    while let [Token::Sign("("), inner @ .., Token::Sign(")")] = tokens {
        // `(a) or (b)` also begins and ends with brackets, and a query is none without them.
        let query =
            inner.first().is_some_and(|first| ["select", "with", "values"].iter().any(|word| is_word(first, word)));
        if inner.is_empty() || query || contained(inner).is_err() {
            break;
        }
        tokens = inner;
    }
    tokens
}

/// Whether `token` is this keyword, given in lower case.
pub fn is_word(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
}

/// The one text of `tokens`: keywords and names in lower case, single spaces, names quoted only where needed, and names among
/// `columns` spelled as there. Two texts that print alike mean the same to SQLite.
pub fn print(tokens: &[Token], columns: &[String]) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && spaced(&tokens[..at], token) {
            out.push(' ');
        }
        match token {
            Token::Word(word) if is_keyword(word) || is_truth(word) => out.push_str(&word.to_ascii_lowercase()),
            Token::Word(word) => out.push_str(&quote(&spelled(word, columns))),
            Token::Quoted(name) => out.push_str(&quote(&spelled(name, columns))),
            Token::Literal(literal) => out.push_str(literal),
            Token::Sign("==") => out.push('='),
            Token::Sign("<>") => out.push_str("!="),
            Token::Sign(sign) => out.push_str(sign),
        }
    }
    out
}

/// A name as the table spells it; another one in lower case, for SQLite does not tell them apart.
fn spelled(name: &str, columns: &[String]) -> String {
    columns
        .iter()
        .find(|column| column.eq_ignore_ascii_case(name))
        .cloned()
        .unwrap_or_else(|| name.to_ascii_lowercase())
}

fn spaced(before: &[Token], token: &Token) -> bool {
    let unary = |at: usize| {
        matches!(before[at], Token::Sign("-" | "+" | "~"))
            && at.checked_sub(1).is_none_or(|left| match &before[left] {
                Token::Sign(sign) => *sign != ")",
                Token::Word(word) => is_keyword(word),
                _ => false,
            })
    };
    let last = before.len() - 1;
    match (&before[last], token) {
        (Token::Sign("(" | "."), _) | (_, Token::Sign(")" | "," | ".")) | (Token::Quoted(_), Token::Sign("(")) => false,
        (Token::Word(word), Token::Sign("(")) => is_keyword(word) && !is_function(word),
        // Two minus signs in a row would begin a comment.
        (Token::Sign(_), Token::Sign(_)) => true,
        _ => !unary(last),
    }
}

/// `name` as a statement needs it: in quotes only where it is no plain word.
pub fn quote(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !is_keyword(name)
        && !is_truth(name);
    if plain {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Keywords that are also names of functions, so that no space goes before their bracket.
fn is_function(word: &str) -> bool {
    ["cast", "glob", "like", "replace", "raise", "match", "regexp", "if"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name))
}

/// The two words that SQLite reads as numbers unless they are quoted.
fn is_truth(word: &str) -> bool {
    ["true", "false"].iter().any(|truth| word.eq_ignore_ascii_case(truth))
}

/// Whether `word` is a keyword of SQLite, in whatever case.
fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

/// Every keyword of SQLite, sorted.
const KEYWORDS: [&str; 147] = [
    "abort",
    "action",
    "add",
    "after",
    "all",
    "alter",
    "always",
    "analyze",
    "and",
    "as",
    "asc",
    "attach",
    "autoincrement",
    "before",
    "begin",
    "between",
    "by",
    "cascade",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "commit",
    "conflict",
    "constraint",
    "create",
    "cross",
    "current",
    "current_date",
    "current_time",
    "current_timestamp",
    "database",
    "default",
    "deferrable",
    "deferred",
    "delete",
    "desc",
    "detach",
    "distinct",
    "do",
    "drop",
    "each",
    "else",
    "end",
    "escape",
    "except",
    "exclude",
    "exclusive",
    "exists",
    "explain",
    "fail",
    "filter",
    "first",
    "following",
    "for",
    "foreign",
    "from",
    "full",
    "generated",
    "glob",
    "group",
    "groups",
    "having",
    "if",
    "ignore",
    "immediate",
    "in",
    "index",
    "indexed",
    "initially",
    "inner",
    "insert",
    "instead",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "key",
    "last",
    "left",
    "like",
    "limit",
    "match",
    "materialized",
    "natural",
    "no",
    "not",
    "nothing",
    "notnull",
    "null",
    "nulls",
    "of",
    "offset",
    "on",
    "or",
    "order",
    "others",
    "outer",
    "over",
    "partition",
    "plan",
    "pragma",
    "preceding",
    "primary",
    "query",
    "raise",
    "range",
    "recursive",
    "references",
    "regexp",
    "reindex",
    "release",
    "rename",
    "replace",
    "restrict",
    "returning",
    "right",
    "rollback",
    "row",
    "rows",
    "savepoint",
    "select",
    "set",
    "table",
    "temp",
    "temporary",
    "then",
    "ties",
    "to",
    "transaction",
    "trigger",
    "unbounded",
    "union",
    "unique",
    "update",
    "using",
    "vacuum",
    "values",
    "view",
    "virtual",
    "when",
    "where",
    "window",
    "with",
    "without",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn equal_expressions_have_one_print() {
        let columns = ["createdAt".to_owned(), "Weird Col".to_owned(), "order".to_owned()];
        let check = |text: &str, expected: &str| {
            let printed = split(text).map(|tokens| print(bare(&tokens), &columns));
            assert_eq!(printed.unwrap_or_else(|why| format!("error: {why}")), expected, "{text}");
        };
        check("CREATEDAT  /* c */ +1 -- end", "createdAt + 1");
        check("lower( [Weird Col] )", "lower(\"Weird Col\")");
        check("\"order\"", "\"order\"");
        check("`x`", "x");
        check("((a)AND(b))", "(a) and (b)");
        check("(a) or (b)", "(a) or (b)");
        check("a IN('X','y''z')", "a in ('X', 'y''z')");
        check("a <> - -1", "a != - -1");
        check("-a", "-a");
        check("a - -1", "a - -1");
        check("a->>'$.b' == X'0A'", "a ->> '$.b' = X'0A'");
        check("cast(a AS Integer) > 0X1F", "cast(a as integer) > 0x1f");
        check("x.\"y\" notnull", "x.y notnull");
        check("1E-5+.5", "1e-5 + .5");
        check("\"true\" and TRUE", "\"true\" and true");
        check("naïve > 'É'", "\"naïve\" > 'É'");
        check("'open", "error: a quote `'` is not closed");
        check("/* open", "error: a comment `/*` is not closed");
        check("a # b", "error: unrecognized token: `#`");
    }

    #[test]
    fn nothing_ends_the_statement_around_it() {
        let check = |text: &str, expected: Result<(), &str>| {
            let found = split(text).and_then(|tokens| contained(&tokens));
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        };
        check("a); drop table users; --", Err("a `)` closes nothing"));
        check("a; drop table users", Err("`;` would end the statement"));
        check("(a", Err("a `(` is not closed"));
        check("a = ';)'", Ok(()));
        check("\";)\"", Ok(()));
    }
}
