//! Who may know whom. Everything flows one way: whoever is below knows nothing of whoever is above.

use super::sources::Source;

/// A module at the crate's top, and the modules it may name beside itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("model", &["error"]),
    ("policy", &["error", "model"]),
    ("provider", &["error", "model", "policy"]),
    ("diff", &["error", "model", "provider"]),
    ("providers", &["error", "model", "provider"]),
    ("plan", &["diff", "error", "model", "policy", "provider"]),
    ("advise", &["error", "model", "plan", "policy", "provider"]),
    ("apply", &["diff", "error", "model", "plan", "policy", "provider"]),
    ("worker", &["error", "model", "policy", "provider"]),
    ("render", &["apply", "error", "model", "plan"]),
    (
        "cli",
        &["advise", "apply", "diff", "error", "model", "plan", "policy", "provider", "providers", "render", "worker"],
    ),
    ("lib", &[]),
    ("main", &["cli", "error"]),
];

/// Single names that a layer may use of a module it otherwise does not know.
const EXCEPTIONS: &[(&str, &str)] = &[("render", "provider::Tick")];

/// Names of a crate that a layer must not use at all.
const CRATES: &[(&str, &[&str])] = &[
    (
        "model",
        &["tokio", "sqlx", "redis", "reqwest", "toml", "toml_edit", "clap", "std::fs", "std::net", "std::process"],
    ),
    ("policy", &["tokio", "sqlx", "redis", "reqwest", "clap", "std::fs", "std::net", "std::process"]),
    (
        "diff",
        &["tokio", "sqlx", "redis", "reqwest", "toml", "toml_edit", "clap", "std::fs", "std::net", "std::process"],
    ),
    ("plan", &["sqlx", "redis", "reqwest", "clap", "std::net", "std::process"]),
    ("render", &["tokio", "sqlx", "redis", "reqwest", "clap", "std::fs", "std::net", "std::process"]),
    // `provider::file` is the transport that all file-backed providers share.
    ("provider", &["sqlx", "redis", "reqwest", "clap", "std::net", "std::process"]),
    ("providers", &["clap", "indicatif", "annotate_snippets"]),
];

/// What `source` names that it must not know.
pub fn breaches(source: &Source) -> Vec<String> {
    let code = source.code();
    let Some(layer) = source.module.first() else { return Vec::new() };
    let Some((_, known)) = LAYERS.iter().find(|(name, _)| name == layer) else {
        return vec![format!("{}: `{layer}` is not in the table of layers", source.name)];
    };
    let mut found = Vec::new();
    for path in paths(&source.module, &code) {
        let Some(top) = path.first().filter(|top| LAYERS.iter().any(|(name, _)| name == top)) else { continue };
        let excepted = EXCEPTIONS.iter().any(|(who, what)| who == layer && path.join("::").starts_with(what));
        if top != layer && !known.contains(&top.as_str()) && !excepted {
            found.push(format!("{}: `{layer}` must not know `{}`", source.name, path.join("::")));
        }
        if let Some(other) = stranger(source, &path) {
            found.push(format!("{}: a provider must not know another one, `{other}`", source.name));
        }
    }
    for (_, crates) in CRATES.iter().filter(|(name, _)| name == layer) {
        for name in *crates {
            if code.lines().any(|line| super::sources::word_at(line, &format!("{name}::"))) {
                found.push(format!("{}: `{layer}` must not use `{name}`", source.name));
            }
        }
    }
    found
}

/// The other provider that a provider's path leads into. What starts with a family's name is shared by the family.
fn stranger(source: &Source, path: &[String]) -> Option<String> {
    let [own_top, own, ..] = source.module.as_slice() else { return None };
    let [top, other, ..] = path else { return None };
    let provider = |name: &str| evenkeel::providers::REGISTRY.iter().any(|descriptor| descriptor.name == name);
    (own_top == "providers" && top == "providers" && own != other && provider(other)).then(|| other.clone())
}

/// Every path that the code names from the crate's root, `super` resolved; of a group, each member.
fn paths(module: &[String], code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "evenkeel::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let boundary = code[..at].chars().next_back();
            if boundary.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
                continue;
            }
            let mut rest = &code[at..];
            let mut base = Vec::new();
            if start == "super::" {
                base = module.to_vec();
                while let Some(next) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = next;
                }
            } else {
                rest = &rest[start.len()..];
            }
            expand(&base, rest, &mut found);
        }
    }
    found
}

/// Reads `a::b::{c, d::e}` up to where the path ends.
fn expand(base: &[String], text: &str, found: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            for member in members(group) {
                expand(&path, member, found);
            }
            return;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 && &rest[..end] != "self" {
            path.push(rest[..end].to_owned());
        }
        match rest[end..].strip_prefix("::") {
            Some(next) if end > 0 => rest = next,
            _ => break,
        }
    }
    found.push(path);
}

/// The members of a group, up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|member| !member.trim().is_empty());
    found
}

#[test]
fn paths_are_read_as_the_compiler_does() {
    let check = |module: &[&str], code: &str, expected: &[&str]| {
        let module: Vec<_> = module.iter().map(|&part| part.to_owned()).collect();
        let found: Vec<_> = paths(&module, code).iter().map(|path| path.join("::")).collect();
        assert_eq!(found, expected, "{code}");
    };
    check(
        &["plan", "order"],
        "use crate::model::{Address, step::{Stage, Step}};",
        &["model::Address", "model::step::Stage", "model::step::Step"],
    );
    check(&["plan", "order"], "use super::Plan; super::super::diff::compare(a)", &["plan::Plan", "diff::compare"]);
    check(&["plan"], "use crate::{diff, model as m}; my_crate::x()", &["diff", "model"]);
}

#[test]
fn a_breach_is_found() {
    let check = |module: &[&str], text: &str, expected: &[&str]| {
        let module = module.iter().map(|&part| part.to_owned()).collect();
        let source = Source { name: "x.rs".into(), module, text: text.into() };
        assert_eq!(breaches(&source), expected, "{text}");
    };
    check(&["model", "value"], "use crate::plan::Plan;", &["x.rs: `model` must not know `plan::Plan`"]);
    check(
        &["render", "progress"],
        "use crate::provider::{Provider, Tick};",
        &["x.rs: `render` must not know `provider::Provider`"],
    );
    check(&["diff"], "fn f() { std::fs::read(x) }", &["x.rs: `diff` must not use `std::fs`"]);
    check(&["helpers"], "", &["x.rs: `helpers` is not in the table of layers"]);
    check(
        &["diff"],
        "use crate::model::Value;\n// crate::plan is above\n#[cfg(test)]\nmod tests { use crate::cli; }",
        &[],
    );
}
