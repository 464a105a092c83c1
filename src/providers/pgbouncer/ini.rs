//! One pgbouncer.ini file as `PgBouncer` itself reads it, and edits that leave every other byte alone.
//!
//! The grammar is the server's: a comment starts a line, a value ends with its line, a section may share a line with what follows.
//! Knows nothing of what keys mean, nor of other files.

use std::ops::Range;

/// What a file holds, in its order. Ranges are bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `[name]`
    Section {
        /// The name between the brackets.
        name: String,
        /// From the bracket to the bracket.
        span: Range<usize>,
    },
    /// `key = value`
    Entry {
        /// The key, without its quotes.
        key: String,
        /// From the key to the end of the value.
        span: Range<usize>,
        /// The value, without the blanks around it.
        value: Range<usize>,
    },
    /// `%include path`
    Include {
        /// The path as it stands.
        path: String,
        /// From the percent sign to the end of the path.
        span: Range<usize>,
    },
}

/// Where the server would stop reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// Why, a lowercase fragment.
    pub message: &'static str,
}

/// C's `isspace`.
fn space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-*".contains(&byte)
}

/// Whether a key can be written without quotes, which is all that every version of the server reads.
pub fn plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(key_byte)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a file.
///
/// # Errors
/// The first place at which the server would refuse it.
pub fn parse(bytes: &[u8]) -> Result<Vec<Item>, Fault> {
    let fault = |at: usize, message| Fault { line: bytes[..at].split(|b| *b == b'\n').count(), message };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(fault(at, "a zero byte, at which the server stops reading"));
    }
    let line_end = |from: usize| bytes[from..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| from + n);
    let skip = |from: usize, what: fn(u8) -> bool| from + bytes[from..].iter().take_while(|b| what(**b)).count();
    let blank = |byte: u8| byte == b' ' || byte == b'\t';
    // The value from `from` to the end of its line, without the blanks after it.
    let value = |from: usize| {
        let end = line_end(from);
        from..end - bytes[from..end].iter().rev().take_while(|b| space(**b)).count()
    };
    let mut items = Vec::new();
    let mut at = 0;
    loop {
        at = skip(at, space);
        let rest = &bytes[at..];
        match rest {
            [] => return Ok(items),
            [b'#' | b';', ..] => at = line_end(at),
            [b'[', ..] => {
                let end = line_end(at);
                let close = bytes[at..end].iter().position(|b| *b == b']').map(|n| at + n);
                let close = close.ok_or_else(|| fault(at, "a section without its closing bracket"))?;
                items.push(Item::Section { name: text(&bytes[at + 1..close]), span: at..close + 1 });
                at = close + 1;
            }
            _ if rest.starts_with(b"%include") && rest.get(8).copied().is_some_and(blank) => {
                let path = value(skip(at + 8, blank));
                items.push(Item::Include { path: text(&bytes[path.clone()]), span: at..path.end });
                at = line_end(at);
            }
            _ => {
                let (key, key_end) = match rest[0] {
                    quote @ (b'"' | b'\'') => quoted(rest, quote)
                        .map(|(key, length)| (key, at + length))
                        .ok_or_else(|| fault(at, "a quoted key without its closing quote"))?,
                    _ => {
                        let end = skip(at, key_byte);
                        (text(&bytes[at..end]), end)
                    }
                };
                let equals = skip(key_end, blank);
                if bytes.get(equals) != Some(&b'=') {
                    return Err(fault(at, "neither a section nor `key = value`"));
                }
                let value = value(skip(equals + 1, blank));
                items.push(Item::Entry { key, span: at..value.end, value: value.clone() });
                at = line_end(value.start);
            }
        }
    }
}

/// The content of a quoted key and the length of it with its quotes; a doubled quote stands for one.
fn quoted(bytes: &[u8], quote: u8) -> Option<(String, usize)> {
    let mut key = Vec::new();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'\n' => return None,
            byte if *byte == quote && bytes.get(at + 1) == Some(&quote) => at += 1,
            byte if *byte == quote => return Some((text(&key), at + 1)),
            _ => {}
        }
        key.push(bytes[at]);
        at += 1;
    }
}

/// `bytes` with `range` replaced.
pub fn splice(bytes: &[u8], range: Range<usize>, with: &[u8]) -> Vec<u8> {
    [&bytes[..range.start], with, &bytes[range.end..]].concat()
}

/// `bytes` without an entry, and without its line where it has one to itself.
pub fn remove(bytes: &[u8], span: &Range<usize>) -> Vec<u8> {
    let start = line_start(bytes, span.start);
    let alone = bytes[start..span.start].iter().all(|b| space(*b));
    let end = next_line(bytes, span.end);
    if alone { splice(bytes, start..end, b"") } else { splice(bytes, span.clone(), b"") }
}

/// `bytes` with `key` and `value` on a line of their own in the stretch of a section, `header` to `end`: below a line on which the key is commented out, or
/// else below the last of `entries`; written as the entry above it is.
pub fn insert(bytes: &[u8], header: &Range<usize>, end: usize, entries: &[Item], key: &str, value: &str) -> Vec<u8> {
    let entry = |item: &Item| match item {
        Item::Entry { span, value, .. } => Some((span.clone(), value.clone())),
        _ => None,
    };
    let last = entries.iter().filter_map(entry).next_back();
    let template = commented(bytes, header.end, end, key);
    let after = template.or_else(|| last.as_ref().map(|(span, _)| span.end)).unwrap_or(header.end);
    let model = entries.iter().filter_map(entry).take_while(|(span, _)| span.start < after).last().or(last);
    let (indent, between) = match &model {
        Some((span, value)) => {
            let start = line_start(bytes, span.start);
            let lead = &bytes[start..span.start];
            let indent = if lead.iter().all(|b| *b == b' ' || *b == b'\t') { lead } else { b"" };
            let equals = span.start + bytes[span.clone()].iter().position(|b| *b == b'=').unwrap_or_default();
            let before = bytes[span.start..equals].iter().rev().take_while(|b| space(**b)).count();
            // Blanks that line a column of `=` up would not fit another key.
            let before = if before == 0 { "" } else { " " };
            let behind = if value.is_empty() { before } else { text_of(&bytes[equals + 1..value.start]) };
            (text(indent), format!("{before}={behind}"))
        }
        None => (String::new(), " = ".to_owned()),
    };
    let at = next_line(bytes, after);
    let newline = newline(bytes);
    let open = if at > 0 && bytes[at - 1] != b'\n' { newline } else { "" };
    splice(bytes, at..at, format!("{open}{indent}{key}{between}{value}{newline}").as_bytes())
}

/// `bytes` with a section and one entry in it at the end.
pub fn append(bytes: &[u8], section: &str, key: &str, value: &str) -> Vec<u8> {
    let newline = newline(bytes);
    let open = match bytes.last() {
        None => "",
        Some(b'\n') => newline,
        Some(_) => &newline.repeat(2),
    };
    splice(bytes, bytes.len()..bytes.len(), format!("{open}[{section}]{newline}{key} = {value}{newline}").as_bytes())
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or(" ")
}

/// What ends the lines of this file.
fn newline(bytes: &[u8]) -> &'static str {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(at) if at > 0 && bytes[at - 1] == b'\r' => "\r\n",
        _ => "\n",
    }
}

fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1)
}

fn next_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 1)
}

/// Where in `from..to` a line ends on which `key` is commented out.
fn commented(bytes: &[u8], from: usize, to: usize, key: &str) -> Option<usize> {
    let mut at = next_line(bytes, from);
    while at < to {
        let end = next_line(bytes, at);
        let line = String::from_utf8_lossy(&bytes[at..end]);
        let bare = line.trim_start().trim_start_matches([';', '#']);
        let named = bare.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        if named && line.trim_start().starts_with([';', '#']) {
            return Some(at);
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let shown = match parse(input.as_bytes()) {
            Ok(items) => items
                .into_iter()
                .map(|item| match item {
                    Item::Section { name, .. } => format!("[{name}]"),
                    Item::Entry { key, value, .. } => format!("{key}={}", &input[value]),
                    Item::Include { path, .. } => format!("include {path}"),
                })
                .collect::<Vec<_>>()
                .join("|"),
            Err(fault) => format!("line {}: {}", fault.line, fault.message),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn files_read_as_the_server_reads_them() {
        check("[pgbouncer]\n a = 1 \n;b=2\n#c\n", "[pgbouncer]|a=1");
        check("[a] k=v ; part of it", "[a]|k=v ; part of it");
        check("[a]\r\nk = 'x y'\r\n%include\t/x y.ini \r\n", "[a]|k='x y'|include /x y.ini");
        check("k=\n = v\n", "k=|=v");
        check("\"a \"\"b\"=1\n'c d' = 2", "a \"b=1|c d=2");
        check("%includes = 1", "line 1: neither a section nor `key = value`");
        check("[a]\nk 1", "line 2: neither a section nor `key = value`");
        check("\n[a", "line 2: a section without its closing bracket");
        check("\u{feff}[a]", "line 1: neither a section nor `key = value`");
        check("a=1\n\0", "line 2: a zero byte, at which the server stops reading");
        check("'a", "line 1: a quoted key without its closing quote");
        check("", "");
    }

    #[test]
    fn an_insertion_looks_like_its_neighbours() {
        let check = |input: &str, expected: &str| {
            let items = parse(input.as_bytes()).unwrap();
            let Item::Section { span, .. } = &items[0] else { panic!("starts with a section") };
            let made = insert(input.as_bytes(), span, input.len(), &items[1..], "new", "5");
            assert_eq!(String::from_utf8(made).unwrap(), expected);
        };
        check("[p]\na=1\n\n;end\n", "[p]\na=1\nnew=5\n\n;end\n");
        check("[p]\n\tlong_key   = 1", "[p]\n\tlong_key   = 1\n\tnew = 5\n");
        check("[p]\r\na = 1\r\n", "[p]\r\na = 1\r\nnew = 5\r\n");
        check("[p]\n", "[p]\nnew = 5\n");
        check("[p]", "[p]\nnew = 5\n");
        check("[p]\na =\n;new = 3\n;other = 3\nz = 1\n", "[p]\na =\n;new = 3\nnew = 5\n;other = 3\nz = 1\n");
    }
}
