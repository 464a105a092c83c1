//! Shape: which tables a policy may have, down to the resources. What does not fit is told and left out, so that all later code may rely on it.

use super::codes;
use super::{Entry, Node, NodeValue, Table, Vocabulary};
use crate::model::value::show_key;
use crate::model::{Diagnostic, Kind, Many, Place, text};

/// The engine's own tables at the top.
const TOP: [&str; 2] = ["guards", "defaults"];

/// The engine's own keys on a target.
pub(super) const TARGET_KEYS: [&str; 3] = ["prune", "for_each", "guards"];

/// The engine's own keys on a resource.
pub(super) const RESOURCE_KEYS: [&str; 4] = ["absent", "protect", "ignore", "after"];

/// How deep a table is in a policy, for joining two of them.
#[derive(Clone, Copy)]
pub(super) enum Level<'a> {
    /// The file.
    Root(&'a Vocabulary),
    /// `[defaults]`.
    Defaults,
    /// `[provider]`.
    Provider(&'static [Kind]),
    /// `[provider.target]`.
    Target(&'static [Kind]),
    /// A table whose keys are set once: a limit, a setting, a resource by name.
    Leaf,
}

impl Level<'_> {
    /// The level of the table under `key`, where it may be continued in another file.
    pub(super) fn below(self, key: &str) -> Option<Self> {
        match self {
            Self::Root(_) | Self::Target(_) if key == "guards" => Some(Self::Leaf),
            Self::Root(_) if key == "defaults" => Some(Self::Defaults),
            Self::Root(vocabulary) => vocabulary.get(key).map(|kinds| Self::Provider(kinds)),
            Self::Defaults => Some(Self::Leaf),
            Self::Provider(kinds) => Some(Self::Target(kinds)),
            Self::Target(kinds) => find(kinds, key).filter(|kind| kind.many == Many::Named).map(|_| Self::Leaf),
            Self::Leaf => None,
        }
    }
}

/// A kind by its name.
pub(super) fn find(kinds: &'static [Kind], name: &str) -> Option<&'static Kind> {
    kinds.iter().find(|kind| kind.name == name)
}

/// Keeps what has the shape of a policy.
pub(super) fn check(root: Table, vocabulary: &Vocabulary, problems: &mut Vec<Diagnostic>) -> Table {
    let mut kept = Table::new();
    for (key, mut entry) in root {
        let fits = match key.as_str() {
            "guards" => is_table(&entry, "guards", problems),
            "defaults" => {
                is_table(&entry, "defaults", problems) && {
                    retain(&mut entry.node, |provider, entry| {
                        known(provider, entry, vocabulary, problems).is_some_and(|kinds| {
                            is_table(entry, &format!("defaults.{provider}"), problems) && {
                                check_defaults(entry, kinds, problems);
                                true
                            }
                        })
                    });
                    true
                }
            }
            provider => known(provider, &entry, vocabulary, problems).is_some_and(|kinds| {
                is_table(&entry, provider, problems) && {
                    let mut loose = false;
                    retain(&mut entry.node, |name, entry| {
                        check_target(provider, name, entry, kinds, &mut loose, problems)
                    });
                    true
                }
            }),
        };
        if fits {
            kept.insert(key, entry);
        }
    }
    kept
}

fn retain(node: &mut Node, mut keep: impl FnMut(&str, &mut Entry) -> bool) {
    if let Some(table) = node.table_mut() {
        table.retain(|key, entry| keep(key, entry));
    }
}

fn known(
    name: &str,
    entry: &Entry,
    vocabulary: &Vocabulary,
    problems: &mut Vec<Diagnostic>,
) -> Option<&'static [Kind]> {
    let kinds = vocabulary.get(name).copied();
    if kinds.is_none() {
        let names = vocabulary.keys().copied();
        problems.push(
            unknown(codes::UNKNOWN_PROVIDER, "provider", name, &entry.key, names.clone().chain(TOP))
                .hint(format!("providers of this build: {}", text::list(names))),
        );
    }
    kinds
}

/// An unknown word, with the one that was most likely meant.
pub(super) fn unknown<'a>(
    code: &'static str,
    noun: &str,
    word: &str,
    place: &Place,
    possible: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    let problem = Diagnostic::error(code, format!("unknown {noun} `{word}`"), place.clone());
    match text::nearest(word, possible) {
        Some(meant) => problem.label(format!("did you mean `{meant}`?")),
        None => problem,
    }
}

fn is_table(entry: &Entry, path: &str, problems: &mut Vec<Diagnostic>) -> bool {
    let fits = entry.node.table().is_some();
    if !fits {
        let message = format!("`{path}` is a table, not {}", entry.node.noun());
        let manner = if is_list_of_tables(&entry.node) { ", in single brackets" } else { "" };
        problems.push(
            Diagnostic::error(codes::WRONG_TYPE, message, entry.node.place.clone())
                .hint(format!("write `[{path}]`{manner}")),
        );
    }
    fits
}

fn is_list_of_tables(node: &Node) -> bool {
    matches!(&node.value, NodeValue::List(items) if items.iter().any(|item| item.table().is_some()))
}

fn check_defaults(entry: &mut Entry, kinds: &'static [Kind], problems: &mut Vec<Diagnostic>) {
    retain(&mut entry.node, |key, entry| {
        let what = if key == "for_each" {
            "`for_each`".to_owned()
        } else if find(kinds, key).is_some() {
            format!("the kind `{key}`")
        } else {
            return true;
        };
        problems.push(
            Diagnostic::error(codes::MISPLACED, format!("{what} does not belong into `[defaults]`"), entry.key.clone())
                .hint("`[defaults.PROVIDER]` holds settings of targets; write this on the target itself"),
        );
        false
    });
}

fn check_target(
    provider: &str,
    name: &str,
    entry: &mut Entry,
    kinds: &'static [Kind],
    loose: &mut bool,
    problems: &mut Vec<Diagnostic>,
) -> bool {
    let path = format!("{provider}.{}", show_key(name));
    if is_list_of_tables(&entry.node) {
        return is_table(entry, &path, problems);
    }
    if entry.node.table().is_none() || entry.node.reference().is_some() {
        // One missing name makes many loose keys; one word about it is enough.
        if std::mem::replace(loose, true) {
            return false;
        }
        problems.push(
            Diagnostic::error(codes::NEEDS_TARGET, format!("`{path}` belongs to no target"), entry.key.clone())
                .label(format!("under `[{provider}]` there are targets only"))
                .hint(format!("name a target: `[{provider}.main]`, and write `{}` below it", show_key(name))),
        );
        return false;
    }
    if let Some(problem) = check_target_name(&name.replace("{each}", "x"), &entry.key) {
        problems.push(problem);
        return false;
    }
    retain(&mut entry.node, |key, entry| match find(kinds, key) {
        None => true,
        Some(kind) => {
            is_table(entry, &format!("{path}.{key}"), problems) && {
                if kind.many == Many::Named {
                    check_names(&format!("{path}.{key}"), key, entry, problems);
                }
                true
            }
        }
    });
    true
}

/// What is wrong with a target's name, if anything.
pub(super) fn check_target_name(name: &str, place: &Place) -> Option<Diagnostic> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (!fits).then(|| {
        Diagnostic::error(codes::BAD_NAME, format!("`{name}` cannot name a target"), place.clone())
            .hint("use letters, digits, `-` and `_`, and begin with a letter or a digit")
    })
}

fn check_names(path: &str, kind: &str, entry: &mut Entry, problems: &mut Vec<Diagnostic>) {
    let mut loose = false;
    retain(&mut entry.node, |name, entry| {
        if is_list_of_tables(&entry.node) {
            return is_table(entry, &format!("{path}.{}", show_key(name)), problems);
        }
        if entry.node.table().is_none() {
            // As above: one word is enough.
            if !std::mem::replace(&mut loose, true) {
                problems.push(
                    Diagnostic::error(codes::NEEDS_NAME, format!("`{kind}` needs a name"), entry.key.clone())
                        .label("belongs to no named resource")
                        .hint(format!("write `[{path}.NAME]` above it")),
                );
            }
            return false;
        }
        let fits = !name.is_empty() && !name.chars().any(char::is_control);
        if !fits {
            let what = if name.is_empty() { "is empty" } else { "has a control character" };
            problems.push(Diagnostic::error(
                codes::BAD_NAME,
                format!("the name of this `{kind}` {what}"),
                entry.key.clone(),
            ));
        }
        fits
    });
}
