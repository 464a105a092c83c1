//! nginx's own way of cutting a configuration into words, kept lossless: every byte belongs to exactly one token, in order.
//! Knows no directive but those whose block holds another language. Every input is cut somehow; what nginx would refuse is for the tree to say.

use std::ops::Range;

/// A piece of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub sort: Sort,
    /// Where it is, in bytes.
    pub span: Range<usize>,
}

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Blanks and ends of lines.
    Blank,
    /// From `#` to the end of the line, without that.
    Comment,
    /// A word, with its quotes.
    Word,
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
    /// What stands in a block of another language, taken as it is.
    Raw,
}

/// Directives whose block holds Lua end so.
const LUA: &[u8] = b"_by_lua_block";

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Cuts a configuration.
pub fn cut(text: &[u8]) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    // Whether the statement that is being read began with a word that opens Lua.
    let (mut first, mut lua) = (true, false);
    while let Some(byte) = text.get(at).copied() {
        let (sort, end) = match byte {
            _ if blank(byte) => (Sort::Blank, at + text[at..].iter().take_while(|b| blank(**b)).count()),
            b'#' => (Sort::Comment, line_end(text, at)),
            b';' => (Sort::End, at + 1),
            b'{' => (Sort::Open, at + 1),
            b'}' => (Sort::Close, at + 1),
            b'"' | b'\'' => (Sort::Word, quoted(text, at, byte)),
            _ => (Sort::Word, plain(text, at)),
        };
        match sort {
            Sort::Word if first => {
                lua = text[at..end].ends_with(LUA);
                first = false;
            }
            Sort::End | Sort::Open | Sort::Close => first = true,
            _ => {}
        }
        tokens.push(Token { sort, span: at..end });
        at = end;
        if sort == Sort::Open && std::mem::take(&mut lua) {
            let end = lua_end(text, at);
            if end > at {
                tokens.push(Token { sort: Sort::Raw, span: at..end });
            }
            at = end;
        }
    }
    tokens
}

/// The end of the line that `at` is in, without what ends it.
fn line_end(text: &[u8], at: usize) -> usize {
    let end = text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |n| at + n);
    if end > at && end < text.len() && text[end - 1] == b'\r' { end - 1 } else { end }
}

/// The end of a word without quotes: a brace behind a dollar sign belongs to a variable.
fn plain(text: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut variable = false;
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b'{' if variable => {
                at += 1;
                continue;
            }
            b';' | b'{' => break,
            _ if blank(byte) => break,
            b'\\' => at += 1,
            _ => {}
        }
        variable = byte == b'$';
        at += 1;
    }
    at.min(text.len())
}

/// The end of a word in quotes.
fn quoted(text: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b'\\' => at += 1,
            _ if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Where the brace stands that closes a block of Lua, or the end of the text.
fn lua_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return at,
            b'}' => depth -= 1,
            b'"' | b'\'' => {
                at = lua_string(text, at, byte);
                continue;
            }
            b'-' if text[at..].starts_with(b"--") => {
                at = long_bracket(text, at + 2).unwrap_or_else(|| line_end(text, at));
                continue;
            }
            b'[' => {
                at = long_bracket(text, at).unwrap_or(at + 1);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The end of a string of Lua, which ends with its line at the latest.
fn lua_string(text: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(byte) = text.get(at).copied() {
        match byte {
            b'\\' => at += 1,
            b'\n' => return at,
            _ if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The end of `[==[ … ]==]`, if one begins at `at`.
fn long_bracket(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?.strip_prefix(b"[")?;
    let level = rest.iter().take_while(|b| **b == b'=').count();
    if rest.get(level) != Some(&b'[') {
        return None;
    }
    let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
    let from = at + level + 2;
    let found = text[from..].windows(close.len()).position(|window| window == close);
    Some(found.map_or(text.len(), |n| from + n + close.len()))
}

/// What a word says: without its quotes, its escapes resolved as nginx does it.
pub fn value(word: &[u8]) -> String {
    let inner = match word {
        [quote @ (b'"' | b'\''), inner @ .., last] if quote == last => inner,
        _ => word,
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let escaped = match (byte, tail.first()) {
            (b'\\', Some(next @ (b'"' | b'\'' | b'\\'))) => Some(*next),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            _ => None,
        };
        if escaped.is_some() {
            rest = &tail[1..];
        }
        bytes.push(escaped.unwrap_or(*byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A value as a word: in quotes where it would be cut otherwise.
pub fn word(value: &str) -> String {
    let special = |c: char| c.is_whitespace() || "\"'\\;{}#".contains(c);
    if !value.is_empty() && !value.contains(special) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let show = |token: &Token| {
            let piece = &text[token.span.clone()];
            match token.sort {
                Sort::Blank => String::new(),
                Sort::Comment => format!("<{piece}>"),
                Sort::Raw => format!("({piece})"),
                Sort::Word => format!("[{piece}]"),
                _ => piece.to_owned(),
            }
        };
        cut(text.as_bytes()).iter().map(show).collect()
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("a b;\n", "[a][b];");
        check("a{b c;}", "[a]{[b][c];}");
        check("set $x ${y}z;", "[set][$x][${y}z];");
        check("if ($a = \"}\") { }", "[if][($a][=][\"}\"][)]{}");
        check("a x#y 'b;' # c\n;", "[a][x#y]['b;']<# c>;");
        check("log a\\;b \\\"c;", "[log][a\\;b][\\\"c];");
        check("a \"x\\\"y\";", "[a][\"x\\\"y\"];");
        check("# end\r\na;", "<# end>[a];");
        check("rewrite ^/(.*)$ /$1?a={b};", "[rewrite][^/(.*)$][/$1?a=]{[b}];");
        check("rewrite \"^/.{2}$\" /;", "[rewrite][\"^/.{2}$\"][/];");
        check("unterminated \"a b; }", "[unterminated][\"a b; }]");
    }

    #[test]
    fn lua_is_taken_as_it_is() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text}");
        check("content_by_lua_block {ngx.say('}')}a;", "[content_by_lua_block]{(ngx.say('}'))}[a];");
        check("set_by_lua_block $x {\nreturn {1} -- }\n}", "[set_by_lua_block][$x]{(\nreturn {1} -- }\n)}");
        check("x_by_lua_block{a = [==[}]]}]==] --[[ } ]] }", "[x_by_lua_block]{(a = [==[}]]}]==] --[[ } ]] )}");
        check("content_by_lua_block { t[i] = \"\\\"}\"", "[content_by_lua_block]{( t[i] = \"\\\"}\")");
        check("content_by_lua_block 'x';a {b;}", "[content_by_lua_block]['x'];[a]{[b];}");
    }

    #[test]
    fn words_are_read_and_written() {
        let check = |text: &str, expected: &str| assert_eq!(value(text.as_bytes()), expected, "{text}");
        check("\"a b\"", "a b");
        check("'a\\'b'", "a'b");
        check("a\\tb\\d", "a\tb\\d");
        for text in ["plain", "a b", "q\"uo\\te", "", "x;y{z}", "#c"] {
            assert_eq!(value(word(text).as_bytes()), text);
            assert_eq!(cut(format!("a {};", word(text)).as_bytes()).len(), 4, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_is_in_one_token(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let tokens = cut(&bytes);
            let mut at = 0;
            for token in &tokens {
                prop_assert_eq!(token.span.start, at);
                prop_assert!(token.span.end > at);
                at = token.span.end;
            }
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn what_looks_like_a_configuration_is_cut_whole(text in "([a-z_$ {};#\"'\\\\\r\n\t-]|_by_lua_block|\\[\\[|\\]\\]){0,80}") {
            let tokens = cut(text.as_bytes());
            let joined: String = tokens.iter().map(|token| &text[token.span.clone()]).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
