//! The value of a `[databases]` line: `key=value` pairs, edited in place. Knows no file and no meaning.

use std::ops::Range;

/// One pair, with the bytes its value takes up, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// The value, without quotes.
    pub value: String,
    span: Range<usize>,
}

/// Reads the pairs; `None` where the server would call it a syntax error.
pub fn parse(text: &str) -> Option<Vec<Pair>> {
    let bytes = text.as_bytes();
    let skip = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let word = |from: usize, stop: &[u8]| {
        bytes[from..].iter().position(|byte| stop.contains(byte)).map_or(bytes.len(), |n| from + n)
    };
    let mut pairs = Vec::new();
    let mut at = skip(0);
    while at < bytes.len() {
        let end = word(at, b"= ");
        let equals = skip(end);
        if bytes.get(equals) != Some(&b'=') || end == at {
            return None;
        }
        let key = text.get(at..end)?.to_owned();
        let start = skip(equals + 1);
        let (value, end) = if bytes.get(start) == Some(&b'\'') {
            let mut end = start + 1;
            loop {
                end = word(end, b"'");
                match (bytes.get(end), bytes.get(end + 1)) {
                    (None, _) => return None,
                    (_, Some(b'\'')) => end += 2,
                    _ => break,
                }
            }
            (text.get(start + 1..end)?.replace("''", "'"), end + 1)
        } else {
            let end = word(start, b" ");
            (text.get(start..end)?.to_owned(), end)
        };
        // The server swallows the byte after a value, whatever it is.
        if value.is_empty() || bytes.get(end).is_some_and(|byte| *byte != b' ') {
            return None;
        }
        pairs.push(Pair { key, value, span: start..end });
        at = skip(end);
    }
    Some(pairs)
}

/// The last value of one of `names`: the one that counts.
pub fn find<'a>(pairs: &'a [Pair], names: &[&str]) -> Option<&'a Pair> {
    pairs.iter().rev().find(|pair| names.contains(&pair.key.as_str()))
}

/// The text with the value of one of `names` replaced, or else with the first of them added at the end.
pub fn set(text: &str, names: &[&str], value: &str) -> Option<String> {
    let pairs = parse(text)?;
    let value = quote(value);
    Some(match find(&pairs, names) {
        Some(pair) => format!("{}{value}{}", &text[..pair.span.start], &text[pair.span.end..]),
        None => {
            let between = if text.is_empty() || text.ends_with(' ') { "" } else { " " };
            format!("{text}{between}{}={value}", names.first()?)
        }
    })
}

/// A value as it has to be written.
pub fn quote(value: &str) -> String {
    if value.contains([' ', '\'', '\t']) { format!("'{}'", value.replace('\'', "''")) } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_read_as_the_server_reads_them() {
        let check = |text: &str, expected: &str| {
            let shown = parse(text).map_or("syntax error".into(), |pairs| {
                pairs.iter().map(|p| format!("{}:{}", p.key, p.value)).collect::<Vec<_>>().join("|")
            });
            assert_eq!(shown, expected);
        };
        check("host=a port = 5  dbname= c", "host:a|port:5|dbname:c");
        check("connect_query='it''s; # x' pool_size=5", "connect_query:it's; # x|pool_size:5");
        check("host=a\tport=5", "host:a\tport=5");
        check("", "");
        check("host", "syntax error");
        check("host=''", "syntax error");
        check("host='a'pool_size=5", "syntax error");
        check("host='a", "syntax error");
        check("=a", "syntax error");
    }

    #[test]
    fn one_value_changes_and_the_rest_stays() {
        let check = |text: &str, value: &str, expected: &str| {
            assert_eq!(set(text, &["pool_size", "ps"], value).as_deref(), Some(expected));
        };
        check("host=a  pool_size=5 port=1", "7", "host=a  pool_size=7 port=1");
        check("pool_size=5 pool_size = '6' x='y''z'", "7", "pool_size=5 pool_size = 7 x='y''z'");
        check("ps=5", "7", "ps=7");
        check("host='a b'", "it's", "host='a b' pool_size='it''s'");
        check("", "7", "pool_size=7");
    }
}
