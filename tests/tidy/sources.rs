//! The project's own files as text.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path from the project's folder.
    pub name: String,
    /// The path of the module it holds, without the crate.
    pub module: Vec<String>,
    /// Its text.
    pub text: String,
}

impl Source {
    /// The lines after `#[cfg(test)]` that begin a module, with where the attribute stands.
    fn test_modules(&self) -> impl Iterator<Item = (usize, &str)> {
        let marks = self.text.match_indices("#[cfg(test)]\n");
        let declared = marks.filter_map(|(at, mark)| Some((at, self.text[at + mark.len()..].lines().next()?)));
        declared.filter_map(|(at, line)| Some((at, line.split_once("mod ")?.1)))
    }

    /// The modules in files of their own that it declares for tests only.
    fn files_of_tests(&self) -> impl Iterator<Item = Vec<String>> {
        let names = self.test_modules().filter_map(|(_, rest)| rest.strip_suffix(';'));
        names.map(|name| self.module.iter().map(String::as_str).chain([name]).map(str::to_owned).collect())
    }

    /// The text without comments and without the tests at its end; lines keep their numbers.
    pub fn code(&self) -> String {
        let inline = self.test_modules().find(|(_, rest)| rest.contains('{'));
        let tests = inline.map_or(self.text.len(), |(at, _)| at);
        let strip = |line: &str| {
            let code = if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) };
            format!("{code}\n")
        };
        self.text[..tests].lines().map(strip).collect()
    }
}

/// Every source below a folder that is part of the library or the program, without what is compiled for tests only.
pub fn shipped(folder: &str) -> Vec<Source> {
    let all = rust(folder);
    let tests: Vec<Vec<String>> = all.iter().flat_map(Source::files_of_tests).collect();
    all.into_iter().filter(|source| !tests.iter().any(|module| source.module.starts_with(module))).collect()
}

/// The project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust source below a folder, sorted.
pub fn rust(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    let mut sources = Vec::new();
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let name = relative(&file);
        let path = name.strip_prefix("src/").unwrap_or(&name).trim_end_matches(".rs");
        let module = path.split('/').filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_owned).collect();
        let text = fs::read_to_string(&file).expect("a source can be read");
        sources.push(Source { name, module, text });
    }
    sources
}

/// Every file of the project that is text, by its path from the project's folder; without what is built or generated.
pub fn every_file() -> Vec<(String, String)> {
    let mut files = Vec::new();
    walk(root(), &mut files);
    let text = |file: PathBuf| Some((relative(&file), fs::read_to_string(&file).ok()?));
    files.into_iter().filter_map(text).filter(|(name, _)| !name.ends_with("Cargo.lock")).collect()
}

/// The folders in a folder, sorted.
pub fn folders(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder can be listed");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let mut names: Vec<_> =
        paths.filter(|path| path.is_dir()).filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// Whether `word` stands in `line`, not as the end of a longer name.
pub fn word_at(line: &str, word: &str) -> bool {
    let whole = |start: usize| {
        let before = line[..start].chars().next_back();
        !word.starts_with(|c: char| c.is_alphabetic()) || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    };
    line.match_indices(word).any(|(start, _)| whole(start))
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).expect("a file of the project").to_string_lossy().into_owned()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_file() && name != ".git" {
            files.push(path);
        } else if path.is_dir() && !matches!(name, ".git" | "target" | ".venv" | "corpus" | "artifacts") {
            walk(&path, files);
        }
    }
}
