//! Editing a configuration in its place: words are exchanged, statements come and go, and every other byte stays. What comes is written as what
//! stands around it is, and taking it out again gives back the very bytes that were there before.

use std::ops::Range;

use similar::{Algorithm, ChangeTag, capture_diff_slices};

use super::token::{self, Sort, Token};
use super::tree::{Statement, Tree};

/// What stands before the name of a node in the comment behind it.
const MARK: &str = "evenkeel:";

/// A configuration that is being edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    bytes: Vec<u8>,
    tree: Tree,
}

/// Behind what a statement comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// First in a block.
    First(usize),
    /// Behind a statement, in the same block.
    Behind(usize),
}

impl Text {
    /// A configuration as it is.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { tree: Tree::read(&bytes), bytes }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its statements.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// A statement by its number, as it is now.
    pub fn at(&self, at: usize) -> Option<&Statement> {
        self.tree.statements.get(at)
    }

    fn splice(&mut self, range: Range<usize>, with: &str) {
        self.bytes.splice(range, with.bytes());
        self.tree = Tree::read(&self.bytes);
    }

    /// Puts a value in the place of a statement's word.
    pub fn set_word(&mut self, at: usize, word: usize, value: &str) {
        let Some(found) = self.at(at).and_then(|statement| statement.words.get(word)) else { return };
        if found.text != value {
            let span = found.span.clone();
            self.splice(span, &token::word(value));
        }
    }

    /// Puts words in the place of everything that a statement says.
    pub fn set_words(&mut self, at: usize, words: &[&str]) {
        let Some(statement) = self.at(at) else { return };
        if statement.words.iter().map(|word| word.text.as_str()).eq(words.iter().copied()) {
            return;
        }
        let span = statement.span.start..statement.said();
        self.splice(span, &joined(words));
    }

    /// Sets `key=value` of a statement, at its end where there is none yet; `None` takes it out.
    pub fn set_parameter(&mut self, at: usize, key: &str, value: Option<&str>) {
        let starts = |text: &str| text.strip_prefix(key).is_some_and(|rest| rest.starts_with('='));
        self.parameter(at, starts, value.map(|value| format!("{key}={value}")).as_deref());
    }

    /// Has a statement say a word at its end.
    pub fn set_flag(&mut self, at: usize, flag: &str) {
        self.parameter(at, |text| text == flag, Some(flag));
    }

    /// Takes a word out of a statement.
    pub fn unset_flag(&mut self, at: usize, flag: &str) {
        self.parameter(at, |text| text == flag, None);
    }

    fn parameter(&mut self, at: usize, is: impl Fn(&str) -> bool, wanted: Option<&str>) {
        let Some(statement) = self.at(at) else { return };
        let found = statement.words.iter().enumerate().skip(1).find(|(_, word)| is(&word.text));
        match (found, wanted) {
            (Some((_, word)), Some(wanted)) if word.text != wanted => {
                let span = word.span.clone();
                self.splice(span, &token::word(wanted));
            }
            (None, Some(wanted)) => {
                let said = statement.said();
                self.splice(said..said, &format!(" {}", token::word(wanted)));
            }
            (Some((number, word)), None) => {
                let gone = statement.words[number - 1].span.end..word.span.end;
                self.splice(gone, "");
            }
            _ => {}
        }
    }

    /// Adds a statement, on a line of its own unless what stands before it shares its line with what follows. `name` marks it.
    pub fn insert(&mut self, place: Place, words: &[&str], name: Option<&str>) {
        let (behind, like) = match place {
            Place::First(block) => {
                let Some(body) = self.at(block).and_then(|block| block.body.clone()) else { return };
                (body.start, self.tree.children(Some(block)).next().map(|(at, _)| at))
            }
            Place::Behind(at) => (self.at(at).map_or(0, |statement| statement.span.end), Some(at)),
        };
        let mark = name.map(|name| format!(" # {MARK} {name}")).unwrap_or_default();
        let said = format!("{};{mark}", joined(words));
        match self.clean(behind) {
            Some(end) => {
                let indent = self.indent(place, like);
                let line = format!("{}{indent}{said}", self.eol());
                self.splice(end..end, &line);
            }
            None => {
                // The comment would swallow what follows: its line ends with it.
                let eol = if name.is_some() { self.eol() } else { "" };
                self.splice(behind..behind, &format!(" {said}{eol}"));
            }
        }
    }

    /// Takes a statement out, with its line where it has one of its own, and with its mark.
    pub fn remove(&mut self, at: usize) {
        let Some(statement) = self.at(at) else { return };
        let span = statement.span.clone();
        let own = self.line_start(span.start);
        let gone = match (own, self.clean(span.end)) {
            (Some(start), Some(end)) => self.before_line(start)..end,
            (None, Some(end)) if self.mark(at).is_some() => {
                self.after_blanks(span.start)
                    ..self.bytes[end..].iter().position(|b| *b == b'\n').map_or(end, |n| end + n + 1)
            }
            _ => self.after_blanks(span.start)..span.end,
        };
        // The first line of a text has no line before it: its own end goes.
        let gone = if gone.start == 0 && self.bytes.get(gone.end) == Some(&b'\n') { 0..gone.end + 1 } else { gone };
        self.splice(gone, "");
    }

    /// The name that a statement is marked with.
    pub fn mark(&self, at: usize) -> Option<String> {
        let comment = self.at(at)?.comment.clone()?;
        let text = String::from_utf8_lossy(&self.bytes[comment]).into_owned();
        let (_, name) = text.rsplit_once(MARK)?;
        let name = name.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
    }

    /// Marks a statement with a name, behind whatever is said there already.
    pub fn set_mark(&mut self, at: usize, name: &str) {
        if self.mark(at).as_deref() == Some(name) {
            return;
        }
        let Some(statement) = self.at(at) else { return };
        let end = statement.span.end;
        match statement.comment.clone() {
            Some(comment) if self.mark(at).is_some() => {
                let text = String::from_utf8_lossy(&self.bytes[comment.clone()]).into_owned();
                let from = comment.start + text.rfind(MARK).unwrap_or(0);
                self.splice(from..comment.end, &format!("{MARK} {name}"));
            }
            Some(comment) => self.splice(comment.end..comment.end, &format!(" # {MARK} {name}")),
            None => {
                let eol = if self.clean(end).is_some() { "" } else { self.eol() };
                self.splice(end..end, &format!(" # {MARK} {name}{eol}"));
            }
        }
    }

    /// The end of the line behind `at`, if only blanks and a comment stand before it.
    fn clean(&self, at: usize) -> Option<usize> {
        let end = self.bytes[at..].iter().position(|b| *b == b'\n').map_or(self.bytes.len(), |n| at + n);
        let end = if end > at && end < self.bytes.len() && self.bytes[end - 1] == b'\r' { end - 1 } else { end };
        let rest = &self.bytes[at..end];
        let said = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        said.is_none_or(|byte| *byte == b'#').then_some(end)
    }

    /// Where the line of `at` begins, if only blanks stand before it.
    fn line_start(&self, at: usize) -> Option<usize> {
        let start = self.after_blanks(at);
        (start == 0 || self.bytes[start - 1] == b'\n').then_some(start)
    }

    /// Behind what the blanks before `at` follow.
    fn after_blanks(&self, at: usize) -> usize {
        at - self.bytes[..at].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    }

    /// Before the end of the line that ends where a line begins.
    fn before_line(&self, start: usize) -> usize {
        let before = start.saturating_sub(1);
        if before > 0 && self.bytes[before - 1] == b'\r' { before - 1 } else { before }
    }

    fn eol(&self) -> &'static str {
        if self.bytes.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" }
    }

    /// What new lines begin with: as the lines beside them, or one level deeper than their block.
    fn indent(&self, place: Place, like: Option<usize>) -> String {
        let of = |at: usize| {
            let start = self.at(at)?.span.start;
            let line = self.line_start(start)?;
            Some(String::from_utf8_lossy(&self.bytes[line..start]).into_owned())
        };
        if let Some(indent) = like.and_then(of) {
            return indent;
        }
        let block = match place {
            Place::First(block) => Some(block),
            Place::Behind(at) => self.at(at).and_then(|statement| statement.parent),
        };
        let outer = block.and_then(of).unwrap_or_default();
        let step = if outer.contains('\t') { "\t" } else { "    " };
        outer + if block.is_some() { step } else { "" }
    }
}

fn joined(words: &[&str]) -> String {
    words.iter().map(|word| token::word(word)).collect::<Vec<_>>().join(" ")
}

/// A text as what it says, statement by statement, comments included and blanks left out.
fn pieces(bytes: &[u8]) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut open = false;
    for Token { sort, span } in token::cut(bytes) {
        let piece = String::from_utf8_lossy(&bytes[span]).into_owned();
        let ends_line = sort == Sort::Blank && piece.contains('\n');
        if !open && (ends_line || sort == Sort::Word || sort == Sort::Close) {
            found.push(String::new());
        }
        match sort {
            Sort::Word => open = true,
            Sort::End | Sort::Open | Sort::Close => open = false,
            _ => {}
        }
        if let Some(last) = found.last_mut() {
            last.push_str(if sort == Sort::Blank { " " } else { &piece });
        }
    }
    let trimmed = found.into_iter().map(|piece| piece.trim().to_owned());
    trimmed.filter(|piece| !piece.is_empty()).collect()
}

/// Whether two statements are of the same server, or the same directive of which there is one.
fn same_thing(old: &str, new: &str) -> bool {
    let words = |text: &str| {
        let mut words = text.split([' ', ';']).map(str::to_owned);
        let mark = text.rsplit_once(MARK).map(|(_, name)| name.trim().to_owned());
        (words.next(), words.next(), mark)
    };
    let ((old, old_first, old_mark), (new, new_first, new_mark)) = (words(old), words(new));
    old == new
        && (old.as_deref() != Some("server") || old_first == new_first || (old_mark.is_some() && old_mark == new_mark))
}

/// What makes one text of the other, statement by statement: `` `a` -> `b` ``, `` + `c` ``, `` - `d` ``.
pub fn difference(before: &[u8], after: &[u8]) -> Vec<String> {
    let (old, new) = (pieces(before), pieces(after));
    let mut told = Vec::new();
    for operation in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let changes: Vec<_> = operation.iter_changes(&old, &new).collect();
        let of = |tag| changes.iter().filter(move |change| change.tag() == tag).map(|change| change.value().clone());
        let gone: Vec<String> = of(ChangeTag::Delete).collect();
        let mut come: Vec<Option<String>> = of(ChangeTag::Insert).map(Some).collect();
        for old in &gone {
            let same = |new: &Option<String>| new.as_ref().is_some_and(|new| same_thing(old, new));
            match come.iter_mut().find(|new| same(new)).and_then(Option::take) {
                Some(new) => told.push(format!("`{old}` -> `{new}`")),
                None => told.push(format!("- `{old}`")),
            }
        }
        told.extend(come.into_iter().flatten().map(|new| format!("+ `{new}`")));
    }
    told
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# all\nupstream web { # pool\n\tserver a:1 weight=2   max_fails=1; # one\n\n\tserver b:2  down ;\n}\nserver { listen 80; }";

    fn named(text: &Text, name: &str, argument: &str) -> usize {
        let is = |s: &Statement| s.name() == name && s.argument() == Some(argument);
        text.tree().statements.iter().position(is).expect("a statement")
    }

    #[test]
    fn only_what_is_edited_changes() {
        let check = |edit: &dyn Fn(&mut Text, usize, usize), from: &str, to: &str| {
            let mut text = Text::new(TEXT.into());
            let (a, b) = (named(&text, "server", "a:1"), named(&text, "server", "b:2"));
            edit(&mut text, a, b);
            assert_eq!(String::from_utf8_lossy(text.bytes()), TEXT.replace(from, to));
        };
        check(&|t, a, _| t.set_parameter(a, "weight", Some("7")), "weight=2", "weight=7");
        check(&|t, a, _| t.set_parameter(a, "weight", None), " weight=2", "");
        check(&|t, _, b| t.set_parameter(b, "weight", Some("7")), "down ;", "down weight=7 ;");
        check(&|t, _, b| t.unset_flag(b, "down"), "  down", "");
        check(&|t, a, _| t.set_flag(a, "down"), "max_fails=1;", "max_fails=1 down;");
        check(&|t, a, _| t.set_word(a, 1, "c:3"), "a:1", "c:3");
        check(&|t, a, _| t.set_mark(a, "n1"), "# one", "# one # evenkeel: n1");
        check(&|t, _, b| t.set_mark(b, "n2"), "down ;", "down ; # evenkeel: n2");
        check(&|t, _, b| t.remove(b), "\n\tserver b:2  down ;", "");
        check(&|t, a, _| t.remove(a), "\n\tserver a:1 weight=2   max_fails=1; # one", "");
    }

    #[test]
    fn what_comes_is_written_as_what_is_there_and_leaves_without_a_trace() {
        let check = |before: &str, place: &dyn Fn(&Text) -> Place, name: Option<&str>, expected: &str| {
            let mut text = Text::new(before.into());
            text.insert(place(&text), &["server", "n:9"], name);
            assert_eq!(String::from_utf8_lossy(text.bytes()), expected);
            let at = named(&text, "server", "n:9");
            assert_eq!(text.mark(at).as_deref(), name);
            text.remove(at);
            assert_eq!(String::from_utf8_lossy(text.bytes()), before);
        };
        let behind = |text: &Text| Place::Behind(named(text, "server", "a:1"));
        let first = |text: &Text| Place::First(named(text, "upstream", "web"));
        check(
            "upstream web {\n  server a:1;\n}\n",
            &behind,
            Some("n"),
            "upstream web {\n  server a:1;\n  server n:9; # evenkeel: n\n}\n",
        );
        check(
            "upstream web {\r\n\tserver a:1; # x\r\n}",
            &behind,
            None,
            "upstream web {\r\n\tserver a:1; # x\r\n\tserver n:9;\r\n}",
        );
        check("upstream web{server a:1;}", &behind, Some("n"), "upstream web{server a:1; server n:9; # evenkeel: n\n}");
        check("upstream web{server a:1;}", &first, None, "upstream web{ server n:9;server a:1;}");
        check("upstream web { # x\n}", &first, Some("n"), "upstream web { # x\n    server n:9; # evenkeel: n\n}");
        check("upstream web {\n\tserver a:1;\n}", &first, None, "upstream web {\n\tserver n:9;\n\tserver a:1;\n}");
        check("upstream web {\nserver a:1;}", &behind, None, "upstream web {\nserver a:1; server n:9;}");
    }

    #[test]
    fn what_differs_is_told_by_the_statement() {
        let old = "upstream web {server a:1;server b:2;} location / { proxy_set_header X secret; }";
        let new = "upstream web {server a:1 down;server b:2; server c:3; # evenkeel: c\n} location / { proxy_set_header X secret; }";
        let told = difference(old.as_bytes(), new.as_bytes());
        assert_eq!(told, ["`server a:1;` -> `server a:1 down;`", "+ `server c:3; # evenkeel: c`"]);
        assert_eq!(difference(new.as_bytes(), new.as_bytes()), [""; 0]);
        let told = difference(b"a;\nb;\n", b"a;\n");
        assert_eq!(told, ["- `b;`"]);
    }

    proptest! {
        #[test]
        fn what_is_inserted_is_removed_whole(
            blanks in "[ \t]{0,3}", end in "(\n|\r\n|)", behind in "( #[a-z {;]{0,5})?",
            servers in proptest::collection::vec("[a-z]{1,4}:[0-9]{1,3}", 1..4), marked in any::<bool>(), first in any::<bool>(),
        ) {
            let behind = if end.is_empty() { String::new() } else { behind };
            let lines: String = servers.iter().map(|s| format!("{blanks}server x{s};{behind}{end}")).collect();
            let before = format!("upstream web {{{end}{lines}}}{end}");
            let mut text = Text::new(before.clone().into_bytes());
            let place = if first { Place::First(0) } else { Place::Behind(servers.len()) };
            text.insert(place, &["server", "n:9", "weight=2"], marked.then_some("n"));
            prop_assert!(text.tree().fault.is_none(), "{}", String::from_utf8_lossy(text.bytes()));
            let at = named(&text, "server", "n:9");
            text.set_flag(at, "down");
            text.unset_flag(at, "down");
            text.remove(at);
            prop_assert_eq!(String::from_utf8_lossy(text.bytes()), before);
        }
    }
}
