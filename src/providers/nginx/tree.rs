//! A configuration as statements, with the place of every word. Flat, so that no depth of nesting is too deep. Knows no meaning of a directive.

use std::ops::Range;

use super::token::{self, Sort, Token};

/// A configuration, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Every statement in its order, those of a block behind the block's own.
    pub statements: Vec<Statement>,
    /// Where nginx would stop reading.
    pub fault: Option<Fault>,
}

/// `name words;` or `name words { … }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its words, the name first.
    pub words: Vec<Word>,
    /// From its first word to its `;` or `}`, included.
    pub span: Range<usize>,
    /// What is between its braces.
    pub body: Option<Range<usize>>,
    /// The block it is in.
    pub parent: Option<usize>,
    /// The comment that ends its line, if nothing stands between.
    pub comment: Option<Range<usize>>,
}

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says, without quotes.
    pub text: String,
    /// Where it is.
    pub span: Range<usize>,
}

/// Something that nginx would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, a lowercase fragment.
    pub message: &'static str,
}

impl Statement {
    /// Its name.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// The word behind its name.
    pub fn argument(&self) -> Option<&str> {
        self.words.get(1).map(|word| word.text.as_str())
    }

    /// All words behind its name.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    /// Where its last word ends.
    pub fn said(&self) -> usize {
        self.words.last().map_or(self.span.start, |word| word.span.end)
    }
}

impl Tree {
    /// Reads a configuration, as far as it can be read.
    pub fn read(text: &[u8]) -> Self {
        let mut tree = Self::default();
        let mut open: Vec<usize> = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut last: Option<usize> = None;
        for Token { sort, span } in token::cut(text) {
            let piece = &text[span.clone()];
            let start = words.first().map_or(span.start, |word| word.span.start);
            match sort {
                Sort::Raw => last = None,
                Sort::Blank => {
                    if piece.contains(&b'\n') {
                        last = None;
                    }
                }
                Sort::Comment => {
                    if let Some(at) = last.take() {
                        tree.statements[at].comment = Some(span);
                    }
                }
                Sort::Word => {
                    last = None;
                    words.push(Word { text: token::value(piece), span });
                }
                Sort::End | Sort::Open if words.is_empty() => {
                    return tree.stopped(text, span.start, "a directive is missing");
                }
                Sort::End => {
                    let parent = open.last().copied();
                    last = Some(tree.statements.len());
                    let words = std::mem::take(&mut words);
                    tree.statements.push(Statement { words, span: start..span.end, body: None, parent, comment: None });
                }
                Sort::Open => {
                    let parent = open.last().copied();
                    open.push(tree.statements.len());
                    last = None;
                    let words = std::mem::take(&mut words);
                    let body = Some(span.end..span.end);
                    tree.statements.push(Statement { words, span: start..span.end, body, parent, comment: None });
                }
                Sort::Close => {
                    if !words.is_empty() {
                        return tree.stopped(text, start, "a `;` is missing");
                    }
                    let Some(at) = open.pop() else { return tree.stopped(text, span.start, "a `}` too much") };
                    let block = &mut tree.statements[at];
                    block.body = block.body.as_ref().map(|body| body.start..span.start);
                    block.span.end = span.end;
                    last = Some(at);
                }
            }
        }
        if let Some(word) = words.first() {
            let at = word.span.start;
            return tree.stopped(text, at, "a `;` is missing");
        }
        match open.pop() {
            Some(at) => {
                let start = tree.statements[at].span.start;
                tree.stopped(text, start, "a block that is not closed")
            }
            None => tree,
        }
    }

    fn stopped(mut self, text: &[u8], at: usize, message: &'static str) -> Self {
        let line = text[..at].split(|byte| *byte == b'\n').count();
        self.fault = Some(Fault { line, message });
        self
    }

    /// The statements of a block, or those at the top.
    pub fn children(&self, parent: Option<usize>) -> impl Iterator<Item = (usize, &Statement)> {
        let from = parent.map_or(0, |at| at + 1);
        let end = parent.and_then(|at| self.statements.get(at)).map_or(usize::MAX, |block| block.span.end);
        let inside = self.statements.iter().enumerate().skip(from).take_while(move |(_, s)| s.span.start < end);
        inside.filter(move |(_, statement)| statement.parent == parent)
    }

    /// The blocks around a statement, the nearest first.
    pub fn around(&self, at: usize) -> impl Iterator<Item = (usize, &Statement)> {
        let parent = |at: usize| self.statements.get(at).and_then(|statement| statement.parent);
        std::iter::successors(parent(at), move |at| parent(*at)).filter_map(|at| Some((at, self.statements.get(at)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_know_their_words_and_their_block() {
        let text = "http { # all\n  upstream \"web\" {\n server a:1; # one\n server b:2; }\n} # end";
        let tree = Tree::read(text.as_bytes());
        assert_eq!(tree.fault, None);
        let show = |(at, statement): (usize, &Statement)| {
            let around: Vec<_> = tree.around(at).map(|(_, block)| block.name()).collect();
            let comment = statement.comment.clone().map_or("", |span| &text[span]);
            format!("{} {:?} in {around:?} {comment}", statement.name(), statement.argument())
        };
        let shown: Vec<_> = tree.statements.iter().enumerate().map(show).collect();
        assert_eq!(
            shown,
            [
                "http None in [] # end",
                "upstream Some(\"web\") in [\"http\"] ",
                "server Some(\"a:1\") in [\"upstream\", \"http\"] # one",
                "server Some(\"b:2\") in [\"upstream\", \"http\"] ",
            ]
        );
        assert_eq!(tree.children(Some(1)).count(), 2);
        assert_eq!(tree.children(None).count(), 1);
    }

    #[test]
    fn what_nginx_would_not_read_is_told() {
        let check = |text: &str, expected: &str| {
            let fault = Tree::read(text.as_bytes()).fault.map(|fault| format!("{}: {}", fault.line, fault.message));
            assert_eq!(fault.unwrap_or_default(), expected, "{text}");
        };
        check("a;\n}", "2: a `}` too much");
        check("a {\nb;", "1: a block that is not closed");
        check("a {\nb }", "2: a `;` is missing");
        check("a;\n;", "2: a directive is missing");
        check("a;\nb", "2: a `;` is missing");
        check("a;\nb {}", "");
    }

    #[test]
    fn no_depth_is_too_deep() {
        let text = "a{".repeat(100_000) + &"}".repeat(100_000);
        assert_eq!(Tree::read(text.as_bytes()).statements.len(), 100_000);
    }
}
