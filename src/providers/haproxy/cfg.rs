//! The configuration file as lines in sections. What is not edited stays as it is, byte for byte. Knows no meaning of a line.

use std::fmt;
use std::ops::Range;

use super::word::{self, Word};

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cfg {
    /// The lines with their ends.
    lines: Vec<String>,
    /// What was edited since it was read.
    edits: Vec<Edit>,
}

/// A section by its keyword and its name, `backend web`.
pub type Section = String;

/// One line that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The section it is in.
    pub section: Section,
    /// The line as it was, without its indentation; `None`: it is new.
    pub before: Option<String>,
    /// The line as it will be; `None`: it goes.
    pub after: Option<String>,
}

/// What begins a section.
const SECTIONS: &[&str] = &[
    "acme",
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "fcgi-app",
    "frontend",
    "global",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];

impl Cfg {
    /// Reads a configuration; every text is one.
    pub fn parse(text: &str) -> Self {
        Self { lines: text.split_inclusive('\n').map(str::to_owned).collect(), edits: Vec::new() }
    }

    /// The whole text.
    pub fn text(&self) -> String {
        self.lines.concat()
    }

    /// A line without its end. A lone `\r` is none, and belongs to the line.
    pub fn line(&self, at: usize) -> &str {
        let line = &self.lines[at];
        line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\n')).unwrap_or(line)
    }

    /// The words of a line.
    pub fn words(&self, at: usize) -> Vec<Word> {
        word::split(self.line(at))
    }

    /// Where every section is, its head included, with its keyword and its name.
    pub fn sections(&self) -> Vec<(String, String, Range<usize>)> {
        let mut found: Vec<(String, String, Range<usize>)> = Vec::new();
        for at in 0..self.lines.len() {
            // Most lines begin none; a quoted keyword would be one, too.
            let start = self.line(at).trim_start();
            if !start.starts_with(['"', '\'', '\\']) && !SECTIONS.iter().any(|keyword| start.starts_with(keyword)) {
                continue;
            }
            let words = self.words(at);
            let Some(first) = words.first().filter(|word| SECTIONS.contains(&word.text.as_str())) else { continue };
            if let Some((_, _, range)) = found.last_mut() {
                range.end = at;
            }
            let name = words.get(1).map(|word| word.text.clone()).unwrap_or_default();
            found.push((first.text.clone(), name, at..self.lines.len()));
        }
        found
    }

    /// Where a section is, its head included.
    pub fn section(&self, section: &str) -> Option<Range<usize>> {
        let named = |(keyword, name, _): &(String, String, _)| format!("{keyword} {name}").trim_end() == section;
        self.sections().into_iter().find(named).map(|(_, _, range)| range)
    }

    /// The lines of a section that begin with these words.
    pub fn find(&self, range: &Range<usize>, start: &[&str]) -> Vec<usize> {
        let begins = |at: &usize| {
            let words = self.words(*at);
            words.len() >= start.len() && words.iter().zip(start).all(|(word, wanted)| word.text == *wanted)
        };
        range.clone().filter(begins).collect()
    }

    /// Puts `text` in the place of a line; its indentation and its end stay.
    pub fn replace(&mut self, section: &str, at: usize, text: &str) {
        let before = self.line(at).to_owned();
        if before == text {
            return;
        }
        let (before, after) = (Some(before.trim().to_owned()), Some(text.trim().to_owned()));
        self.edits.push(Edit { section: section.to_owned(), before, after });
        self.put(at, text);
    }

    /// Adds a line to a section: a `server` behind the last one, anything else behind the head.
    pub fn insert(&mut self, section: &str, text: &str) {
        self.edits.push(Edit { section: section.to_owned(), before: None, after: Some(text.to_owned()) });
        self.add(section, text);
    }

    /// Takes a line out.
    pub fn remove(&mut self, section: &str, at: usize) {
        let before = Some(self.line(at).trim().to_owned());
        self.edits.push(Edit { section: section.to_owned(), before, after: None });
        self.take(at);
    }

    /// What was edited since the last time this was asked.
    pub fn take_edits(&mut self) -> Vec<Edit> {
        std::mem::take(&mut self.edits)
    }

    /// Makes an edit that was made on a copy. Does nothing where it is made already.
    ///
    /// # Errors
    /// The line that is not there any more.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), String> {
        let missing =
            || format!("`{}` has no line `{}` any more", edit.section, mask(edit.before.as_deref().unwrap_or("")));
        let range = self.section(&edit.section).ok_or_else(|| format!("there is no `{}` any more", edit.section))?;
        let at = |text: &String| range.clone().find(|at| self.line(*at).trim() == text);
        let (old, new) = (edit.before.as_ref().map(at), edit.after.as_ref().map(at));
        match (old, new, &edit.after) {
            (Some(Some(old)), _, Some(after)) => {
                let indent = self.line(old).len() - self.line(old).trim_start().len();
                let trail = self.line(old).trim_end().len();
                let text = format!("{}{after}{}", &self.line(old)[..indent], &self.line(old)[trail..]);
                self.put(old, &text);
            }
            (Some(Some(old)), _, None) => self.take(old),
            (None, Some(None), Some(after)) => self.add(&edit.section, after),
            (Some(None) | None, Some(Some(_)), _) | (Some(None), None, _) => {}
            _ => return Err(missing()),
        }
        Ok(())
    }

    fn put(&mut self, at: usize, text: &str) {
        let end = self.lines[at][self.line(at).len()..].to_owned();
        self.lines[at] = format!("{text}{end}");
    }

    fn add(&mut self, section: &str, text: &str) {
        let Some(range) = self.section(section) else { return };
        let servers = self.find(&range, &["server"]);
        let first = text.split_whitespace().next().unwrap_or_default();
        let behind = match servers.last() {
            Some(last) if first == "server" => *last,
            _ if first == "server" => self.last_said(&range),
            _ => range.start,
        };
        let like = if behind == range.start {
            (behind + 1..range.end).find(|at| !self.words(*at).is_empty())
        } else {
            Some(behind)
        };
        let indent = like.map_or("    ", |at| &self.line(at)[..self.line(at).len() - self.line(at).trim_start().len()]);
        let line = format!("{indent}{text}");
        let end = self.lines[behind][self.line(behind).len()..].to_owned();
        if end.is_empty() {
            // The file's last line has no end; the new last one will have none either.
            let eol = self.eol(behind);
            self.lines[behind].push_str(eol);
        }
        self.lines.insert(behind + 1, line + &end);
    }

    fn take(&mut self, at: usize) {
        let gone = self.lines.remove(at);
        if !gone.ends_with('\n') && at > 0 {
            let eol = self.eol(at - 1);
            if let Some(kept) = self.lines[at - 1].strip_suffix(eol).map(str::len) {
                self.lines[at - 1].truncate(kept);
            }
        }
    }

    /// How lines end, going by all but this one.
    fn eol(&self, but: usize) -> &'static str {
        let is_windows = self.lines.iter().enumerate().any(|(at, line)| at != but && line.ends_with("\r\n"));
        if is_windows { "\r\n" } else { "\n" }
    }

    /// The last line of a section that says something: what follows belongs to the next one.
    fn last_said(&self, range: &Range<usize>) -> usize {
        range.clone().rev().find(|at| !self.words(*at).is_empty()).unwrap_or(range.start)
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "`{}` -> `{}`", mask(before), mask(after)),
            (None, Some(after)) => write!(f, "+ `{}`", mask(after)),
            (Some(before), None) => write!(f, "- `{}`", mask(before)),
            (None, None) => Ok(()),
        }
    }
}

/// A line without what may be secret in it.
fn mask(line: &str) -> String {
    let words = word::split(line);
    let shown = match words.first().map(|word| word.text.as_str()) {
        Some("dynamic-cookie-key") => 1,
        // Behind the path, a request may carry whole headers.
        Some("option") if words.get(1).is_some_and(|word| word.text == "httpchk") => 4,
        _ => return line.to_owned(),
    };
    match words.get(shown) {
        Some(hidden) => format!("{}(…)", &line[..hidden.span.start]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "global\n\tdaemon\n\n# pool\nbackend web # the pool\n\tbalance roundrobin\n\n\tserver n1 a:1   # one\n  server n2 a:2\n\n# end\nbackend other\n  server n1 b:1";

    fn check(edit: impl Fn(&mut Cfg), expected: &str) {
        let mut cfg = Cfg::parse(TEXT);
        assert_eq!(cfg.text(), TEXT);
        edit(&mut cfg);
        assert_eq!(cfg.text(), expected);
        // The same edits on a copy, and once more, and back.
        let edits = cfg.take_edits();
        let mut copy = Cfg::parse(TEXT);
        for edit in edits.iter().chain(&edits) {
            copy.apply(edit).unwrap();
        }
        assert_eq!(copy.text(), expected);
        for Edit { section, before, after } in edits.into_iter().rev() {
            copy.apply(&Edit { section, before: after, after: before }).unwrap();
        }
        assert_eq!(copy.text(), TEXT);
    }

    #[test]
    fn an_edit_changes_its_line_and_can_be_taken_back() {
        check(|cfg| cfg.replace("backend web", 5, "\tbalance leastconn"), &TEXT.replace("roundrobin", "leastconn"));
        check(
            |cfg| cfg.insert("backend web", "server n3 a:3"),
            &TEXT.replace("  server n2 a:2\n", "  server n2 a:2\n  server n3 a:3\n"),
        );
        check(|cfg| cfg.insert("backend other", "server n2 b:2"), &format!("{TEXT}\n  server n2 b:2"));
        check(
            |cfg| cfg.insert("backend web", "http-reuse safe"),
            &TEXT.replace("\tbalance", "\thttp-reuse safe\n\tbalance"),
        );
    }

    #[test]
    fn the_end_of_the_last_line_stays_as_it_is() {
        for (text, more) in [
            ("backend web\n  a\r", "\n  server n b:1"),
            ("backend web\r\n  a", "\r\n  server n b:1"),
            ("backend web\n  a\n", "  server n b:1\n"),
            ("backend web", "\n    server n b:1"),
        ] {
            let mut cfg = Cfg::parse(text);
            cfg.insert("backend web", "server n b:1");
            assert_eq!(cfg.text(), format!("{text}{more}"));
            let mut back = Cfg::parse(&cfg.text());
            let at = back.find(&back.section("backend web").unwrap(), &["server"])[0];
            back.remove("backend web", at);
            assert_eq!(back.text(), text);
        }
    }

    #[test]
    fn a_line_of_somebody_else_is_not_overwritten() {
        let mut cfg = Cfg::parse(TEXT);
        let edit = Edit {
            section: "backend web".into(),
            before: Some("server n1 a:9".into()),
            after: Some("server n1 a:10".into()),
        };
        assert_eq!(cfg.apply(&edit), Err("`backend web` has no line `server n1 a:9` any more".into()));
        assert_eq!(cfg.text(), TEXT);
    }
}
