//! Words: one line of a configuration, split as HAProxy splits it, with the place of each word, so that one can be exchanged and the rest
//! of the line stays as it is.

use std::ops::Range;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says, without quotes and escapes; variables as they are written.
    pub text: String,
    /// Where it is in its line, quotes included.
    pub span: Range<usize>,
    /// Whether it holds a variable, so that what it stands for is not known here.
    pub variable: bool,
}

/// Words of one line up to its comment.
pub fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut quote = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let outside = quote.is_none();
        if outside && (c.is_ascii_whitespace()) {
            words.extend(current.take());
            continue;
        }
        if outside && c == '#' {
            break;
        }
        let word = current.get_or_insert(Word { text: String::new(), span: at..at, variable: false });
        word.span.end = at + c.len_utf8();
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some('"') | None, '\\') => {
                if let Some((at, escaped)) = chars.next() {
                    word.span.end = at + escaped.len_utf8();
                    word.text.push(match escaped {
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        other => other,
                    });
                }
            }
            (open, c) => {
                word.variable |= c == '$' && open != Some('\'');
                word.text.push(c);
            }
        }
    }
    words.extend(current);
    words
}

/// A word as a line can hold it: quoted only where it has to be.
pub fn quote(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"#\\\"'$".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out + "\""
}

/// A keyword with its argument, if it takes one, somewhere behind the fixed words of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The keyword.
    pub key: String,
    /// Its argument.
    pub value: Option<Word>,
    /// Where both are.
    pub span: Range<usize>,
}

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<'a> {
    /// It is there, without an argument.
    Flag,
    /// It is there, with this argument.
    Value(&'a str),
    /// It is not there.
    Gone,
}

/// The keywords of `server`, `default-server` and `bind` lines that take no argument; all others take one.
const FLAGS: &[&str] = &[
    "accept-netscaler-cip",
    "accept-proxy",
    "agent-check",
    "allow-0rtt",
    "backup",
    "check",
    "check-send-proxy",
    "check-ssl",
    "check-via-socks4",
    "crt-ignore-err-all",
    "defer-accept",
    "disabled",
    "dynamic",
    "enabled",
    "expose-fd",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "generate-certificates",
    "httponly",
    "indirect",
    "insert",
    "no-agent-check",
    "no-alpn",
    "no-backup",
    "no-ca-names",
    "no-check",
    "no-check-ssl",
    "no-send-proxy",
    "no-send-proxy-v2",
    "no-send-proxy-v2-ssl",
    "no-send-proxy-v2-ssl-cn",
    "no-ssl",
    "no-ssl-reuse",
    "no-sslv3",
    "no-stick",
    "no-strict-sni",
    "no-tfo",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "no-verifyhost",
    "nocache",
    "non-stick",
    "postonly",
    "prefer-client-ciphers",
    "prefix",
    "preserve",
    "rewrite",
    "secure",
    "send-proxy",
    "send-proxy-v2",
    "send-proxy-v2-ssl",
    "send-proxy-v2-ssl-cn",
    "ssl",
    "ssl-reuse",
    "stick",
    "strict-sni",
    "tcp-ut-off",
    "tfo",
    "tls-tickets",
    "transparent",
    "v4v6",
    "v6only",
];

/// The parameters of a line behind its first `fixed` words.
pub fn parameters(line: &str, fixed: usize) -> Vec<Parameter> {
    let mut words = split(line).into_iter().skip(fixed);
    let mut found = Vec::new();
    while let Some(key) = words.next() {
        let value = if FLAGS.contains(&key.text.as_str()) { None } else { words.next() };
        let end = value.as_ref().map_or(key.span.end, |value| value.span.end);
        found.push(Parameter { key: key.text, value, span: key.span.start..end });
    }
    found
}

/// The line with a parameter set; all else in it stays. Of several of that name HAProxy takes the last.
pub fn set(line: &str, fixed: usize, key: &str, setting: Setting<'_>) -> String {
    let mut out = line.to_owned();
    let all = parameters(line, fixed);
    let mut same = all.iter().filter(|parameter| parameter.key == key);
    match (setting, same.next_back()) {
        (Setting::Gone, Some(_)) => {
            for gone in all.iter().rev().filter(|parameter| parameter.key == key) {
                let start = out[..gone.span.start].trim_end().len();
                out.replace_range(start..gone.span.end, "");
            }
        }
        (Setting::Gone, None) | (Setting::Flag, Some(_)) => {}
        (Setting::Value(value), Some(Parameter { value: Some(word), .. })) => {
            if word.text != value {
                out.replace_range(word.span.clone(), &quote(value));
            }
        }
        (setting, _) => {
            let end = split(line).last().map_or(0, |word| word.span.end);
            let text = match setting {
                Setting::Value(value) => format!(" {key} {}", quote(value)),
                Setting::Flag | Setting::Gone => format!(" {key}"),
            };
            out.insert_str(end, &text);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_the_balancer_does() {
        let check = |line: &str, expected: &[&str]| {
            let words = split(line);
            assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), expected, "{line}");
            for word in words {
                assert_eq!(split(&line[word.span.clone()])[0].text, word.text);
            }
        };
        check("  server n1 10.0.0.1:80 # first", &["server", "n1", "10.0.0.1:80"]);
        check(r#"a "b c"d e\ f 'g"h' i\#j"#, &["a", "b cd", "e f", "g\"h", "i#j"]);
        check("", &[]);
        check("   # only", &[]);
        check("tab\tseparated\r", &["tab", "separated"]);
        check("http-check send hdr \"\" x", &["http-check", "send", "hdr", "", "x"]);
        assert!(split("server n1 \"${HOST}:80\"")[2].variable);
        assert!(!split("server n1 '$HOST:80'")[2].variable);
    }

    #[test]
    fn one_parameter_changes_and_nothing_else() {
        let check = |line: &str, key: &str, setting: Setting<'_>, expected: &str| {
            assert_eq!(set(line, 3, key, setting), expected);
        };
        let line = "  server  n1 a:1   check  weight 3 inter 2s   # why";
        check(line, "weight", Setting::Value("5"), "  server  n1 a:1   check  weight 5 inter 2s   # why");
        check(line, "weight", Setting::Value("3"), line);
        check(line, "weight", Setting::Gone, "  server  n1 a:1   check inter 2s   # why");
        check(line, "check", Setting::Gone, "  server  n1 a:1  weight 3 inter 2s   # why");
        check(line, "disabled", Setting::Flag, "  server  n1 a:1   check  weight 3 inter 2s disabled   # why");
        check(line, "check", Setting::Flag, line);
        check("server n a:1 weight 1 weight 2", "weight", Setting::Value("9"), "server n a:1 weight 1 weight 9");
        check("server n a:1 weight 1 weight 2", "weight", Setting::Gone, "server n a:1");
    }
}
