//! The README's examples are run: a block after `<!-- run: … -->` holds what that command prints.
//!
//! The commands of one file run one after the other in one folder. `[…]` in a block stands for what differs from run to run.

use std::fs;
use std::path::Path;

use crate::kit::{Folder, Run};

/// A command of a document, and what it is said to print.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    line: usize,
    command: String,
    output: String,
}

#[test]
fn documents_show_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents: Vec<_> = fs::read_dir(root)
        .expect("the project can be listed")
        .map(|entry| entry.expect("an entry can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(!documents.is_empty());
    let mut wrong = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document can be read");
        let folder = Folder::new();
        for Example { line, command, output } in examples(&text) {
            let args = command.strip_prefix("evenkeel ").expect("an example runs evenkeel").split_whitespace();
            let found = Run::new(&folder).args(args).output().stdout;
            if !matches(&output, &found) {
                wrong.push(format!("{}:{line}: {command}\n-- shown\n{output}-- printed\n{found}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

/// The marked examples of a document.
fn examples(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(command) = line.strip_prefix("<!-- run: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let fence = lines.next().map_or("", |(_, line)| line);
        assert!(fence.starts_with("```"), "line {}: a block must follow", number + 2);
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        // A block may show the command as it is typed.
        let typed = format!("$ {command}");
        let output = inside.filter(|line| *line != typed).fold(String::new(), |text, line| text + line + "\n");
        found.push(Example { line: number + 1, command: command.to_owned(), output });
    }
    found
}

/// Whether what is printed is what is shown, `[…]` standing for any text within a line, and alone on a line for any lines.
fn matches(shown: &str, printed: &str) -> bool {
    let (shown, printed): (Vec<_>, Vec<_>) = (shown.trim_end().lines().collect(), printed.trim_end().lines().collect());
    follow(&shown, &printed)
}

fn follow(shown: &[&str], printed: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        ["[…]", rest @ ..] => (0..=printed.len()).any(|from| follow(rest, &printed[from..])),
        [line, rest @ ..] => {
            printed.first().is_some_and(|first| fits(line.trim_end(), first.trim_end())) && follow(rest, &printed[1..])
        }
    }
}

fn fits(shown: &str, printed: &str) -> bool {
    let Some((head, tail)) = shown.split_once("[…]") else { return shown == printed };
    let Some(rest) = printed.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(tail, &rest[at..]))
}

#[test]
fn examples_are_found_and_compared() {
    let text = "x\n<!-- run: evenkeel plan -->\n```\n$ evenkeel plan\na […] b\n```\n";
    let expected = Example { line: 2, command: "evenkeel plan".into(), output: "a […] b\n".into() };
    assert_eq!(examples(text), [expected]);
    let check = |shown: &str, printed: &str, expected: bool| assert_eq!(matches(shown, printed), expected, "{shown}");
    check("a […] b\n", "a 1 2 b", true);
    check("a […] b\n", "a 1 2 c", false);
    check("took […] ms, […]\n", "took 3 ms, done\n", true);
    check("a\n", "a\nb\n", false);
    check("a\n[…]\nd\n", "a\nb\nc\nd\n", true);
    check("a\n[…]\nd\n", "a\nb\nc\n", false);
}
