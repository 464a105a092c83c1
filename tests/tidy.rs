//! The rules of the house that no compiler checks, read from the sources.

mod layers;
mod sources;

use std::collections::BTreeSet;
use std::fs;

use sources::{Source, every_file, folders, root, rust, shipped};

/// Words that must not stand in any Rust source, with what to do instead. Split, so that this file keeps its own rules.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it"),
    (concat!("unimple", "mented!("), "finish it"),
    (concat!("db", "g!("), "remove it"),
    (concat!("#[", "allow"), "expect it, with a reason"),
    (concat!("#![", "allow"), "expect it, with a reason"),
    (concat!("#[", "ignore"), "run it or delete it"),
];

/// What a type that is read from a policy must not say: the places of its values would be lost.
const PLACELESS: &[&str] = &[concat!("serde(", "untagged"), concat!("serde(", "flatten")];

/// What only `cli`, `apply` and `main` may touch: below them the same input gives the same output.
const IMPURE: &[&str] = &[
    "std::env",
    "env::var",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "RandomState",
    "fastrand",
    "rand::",
    "temp_dir()",
];

/// What only `cli` and `main` may do.
const PRINTING: &[&str] = &["println!(", "print!(", "io::stdout", "io::stderr", "io::stdin"];

/// What no file of the project may hold: it speaks of itself alone, and works on every machine and with every registry.
const FOREIGN: &[&str] =
    &[concat!("/wo", "rk/"), concat!("crates", ".io"), concat!("issue", " #"), concat!("the ", "brief")];

/// Fails with every finding at once.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

fn occurrences(source: &Source, code: &str, words: &[&str], why: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for word in words {
            if sources::word_at(line, word) {
                found.push(format!("{}:{}: `{word}`: {why}", source.name, number + 1));
            }
        }
    }
    found
}

#[test]
fn everybody_knows_only_whom_they_may() {
    none(&shipped("src").iter().flat_map(layers::breaches).collect::<Vec<_>>());
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut findings = Vec::new();
    for source in ["src", "tests", "benches"].into_iter().flat_map(rust) {
        let lines = source.text.lines().count();
        if lines > 600 {
            findings.push(format!("{}: {lines} lines, none may have more than 600", source.name));
        }
        if !source.text.starts_with("//! ") {
            findings.push(format!("{}: the head must say what it does: `//! …`", source.name));
        }
    }
    none(&findings);
}

#[test]
fn nothing_is_left_unfinished_or_silenced() {
    let mut findings = Vec::new();
    for source in ["src", "tests", "benches"].into_iter().flat_map(rust) {
        for (word, instead) in BANNED {
            findings.extend(occurrences(&source, &source.text, &[word], instead));
        }
    }
    for source in ["src/model", "src/policy", "src/provider", "src/providers"].into_iter().flat_map(rust) {
        findings.extend(occurrences(
            &source,
            &source.text,
            PLACELESS,
            "its values would lose their place in the policy",
        ));
    }
    none(&findings);
}

#[test]
fn only_the_command_line_reads_the_world() {
    let mut findings = Vec::new();
    for source in shipped("src") {
        let top = source.module.first().map_or("", String::as_str);
        if !matches!(top, "cli" | "apply" | "main") {
            findings.extend(occurrences(
                &source,
                &source.code(),
                IMPURE,
                "only `cli` and `apply` read environment, clock or chance",
            ));
        }
        if !matches!(top, "cli" | "main") {
            findings.extend(occurrences(&source, &source.code(), PRINTING, "only `cli` reads and prints"));
        }
    }
    none(&findings);
}

#[test]
fn the_project_speaks_of_itself() {
    let mut findings = Vec::new();
    for (name, text) in every_file() {
        for (number, line) in text.lines().enumerate() {
            for word in FOREIGN {
                if line.to_lowercase().contains(word) {
                    findings.push(format!("{name}:{}: `{word}`", number + 1));
                }
            }
        }
    }
    none(&findings);
}

#[test]
fn every_provider_is_one_folder_and_one_line() {
    let registered: Vec<_> = evenkeel::providers::REGISTRY.iter().map(|provider| provider.name).collect();
    assert!(registered.is_sorted(), "the registry is sorted by name: {registered:?}");
    let registry = fs::read_to_string(root().join("src/providers/mod.rs")).expect("the registry is there");
    let mut findings = Vec::new();
    for folder in folders("src/providers") {
        let sources = rust(&format!("src/providers/{folder}"));
        if !sources.iter().any(|source| source.code().contains("impl Provider for ")) {
            continue; // What a family of providers shares.
        }
        let lines = registry
            .lines()
            .filter(|line| line.contains("describe::<") && line.contains(&format!("{folder}::")))
            .count();
        if lines != 1 {
            findings.push(format!("src/providers/{folder}: {lines} lines in the registry, not one"));
        }
    }
    none(&findings);
}

#[test]
fn hazards_and_kinds_are_named_as_users_type_them() {
    let mut findings = Vec::new();
    let mut hazards = BTreeSet::new();
    for provider in evenkeel::providers::REGISTRY {
        for kind in provider.kinds {
            if !kind.name.chars().all(|c| c.is_ascii_lowercase() || c == '_') || kind.doc.ends_with('.') {
                findings
                    .push(format!("{}.{}: a name in lower case, a line without a period", provider.name, kind.name));
            }
        }
        for hazard in provider.hazards {
            hazards.insert(hazard.code);
            if !hazard.code.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
                findings.push(format!("{}: hazard `{}`: lower case and hyphens", provider.name, hazard.code));
            }
        }
    }
    none(&findings);
}

#[test]
fn every_change_that_users_see_has_a_place() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).expect("there is a changelog");
    assert!(changelog.contains("\n## Unreleased\n"), "CHANGELOG.md has no `## Unreleased`");
}

#[test]
fn every_policy_that_users_copy_is_tested() {
    let tests: String = rust("tests").into_iter().map(|source| source.text).collect();
    let mut findings = Vec::new();
    for (name, _) in every_file() {
        let copied = name.starts_with("policies/") || name.starts_with("examples/");
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if copied
            && name.rsplit('.').next() == Some("toml")
            && !tests.contains(&format!("\"{name}\""))
            && !tests.contains(&format!("\"{folder}\""))
        {
            findings.push(format!("{name}: no test plans it"));
        }
    }
    none(&findings);
}
