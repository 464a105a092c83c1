//! The whole pipeline with no system at all: each folder below `tests/cases` with a `policy.toml` is a case.
//!
//! `policy.toml` beside `live.toml` makes `plan.txt`; without `live.toml`, `evenkeel check` makes `check.txt`.
//! `UPDATE=1` writes what is expected anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::{Folder, Output, Run};

#[test]
fn every_case_comes_out_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = Vec::new();
    find(&root, &mut cases);
    cases.sort();
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in &cases {
        let (file, found) = run(case);
        let expected = fs::read_to_string(case.join(file)).unwrap_or_default();
        if found == expected {
            continue;
        }
        if update {
            fs::write(case.join(file), found).expect("a case can be written");
        } else {
            let name = case.strip_prefix(&root).expect("below the root").display();
            wrong.push(format!("== {name}/{file}\n-- expected\n{expected}-- found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}write it anew with UPDATE=1, and read the difference", wrong.concat());
}

/// The file that holds what is expected of a case, and what is found.
fn run(case: &Path) -> (&'static str, String) {
    let folder = Folder::new();
    for entry in fs::read_dir(case).expect("a case is a folder") {
        let path = entry.expect("an entry can be read").path();
        if path.is_file() {
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            folder.write(&name, &fs::read_to_string(&path).expect("a case is text"));
        }
    }
    let live = case.join("live.toml").exists();
    let (file, verb): (_, &[&str]) =
        if live { ("plan.txt", &["plan", "--live", "live.toml"]) } else { ("check.txt", &["check"]) };
    let output = Run::new(&folder).args(verb).args(["policy.toml"]).output();
    (file, document(&output))
}

/// An output as a case shows it: both streams, the digest left out, since it says nothing to a reader.
fn document(output: &Output) -> String {
    let mut text = output.stdout.clone();
    if !output.stderr.is_empty() {
        text += "-- standard error\n";
        text += &output.stderr;
    }
    if output.code != Some(0) {
        let code = output.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        text.extend(["-- exit code ", &code, "\n"]);
    }
    let lines = text.lines().map(|line| match line.find(" Digest ") {
        Some(at) => &line[..at],
        None => line,
    });
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn find(folder: &Path, cases: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("an entry can be read").path();
        if path.join("policy.toml").exists() {
            cases.push(path);
        } else if path.is_dir() {
            find(&path, cases);
        }
    }
}
