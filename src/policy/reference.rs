//! References: `{ env = "NAME" }` and `{ file = "/path" }`, looked up through functions that the caller gives.

use std::fmt;

use super::codes;
use super::{Meaning, Node, NodeValue, Reference, Table};
use crate::model::{Diagnostic, Secret};

/// How references are looked up.
#[derive(Clone, Copy)]
pub enum Lookup<'a> {
    /// They are not: each stands for an empty text, so that a policy can be checked where its secrets are not.
    Offline,
    /// By these functions.
    Live {
        /// An environment variable, `None` where it is not set.
        env: &'a dyn Fn(&str) -> Option<String>,
        /// The content of a file, or why it cannot be read.
        file: &'a dyn Fn(&str) -> Result<String, String>,
    },
}

/// Which references a table may hold.
#[derive(Clone, Copy)]
pub(super) enum Allowed {
    /// Both sorts: a target's settings.
    EnvAndFile,
    /// `{ env = … }` alone: a resource, where `{ file = … }` is a plain value.
    Env,
}

impl fmt::Debug for Lookup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "Offline",
            Self::Live { .. } => "Live",
        })
    }
}

/// Looks up every reference below `node`.
pub(super) fn resolve(node: &mut Node, allowed: Allowed, lookup: Lookup<'_>) {
    if let Some((sort, name)) = node.reference()
        && (sort == "env" || matches!(allowed, Allowed::EnvAndFile))
    {
        let meaning = look_up(sort, name, node, lookup);
        let table = node.table_mut().map(std::mem::take).unwrap_or_default();
        node.value = NodeValue::Reference(Reference { table, meaning });
        return;
    }
    match &mut node.value {
        NodeValue::List(items) => items.iter_mut().for_each(|item| resolve(item, allowed, lookup)),
        NodeValue::Table(table) => resolve_all(table, allowed, lookup),
        _ => {}
    }
}

/// Looks up every reference in the values of `table`.
pub(super) fn resolve_all(table: &mut Table, allowed: Allowed, lookup: Lookup<'_>) {
    table.values_mut().for_each(|entry| resolve(&mut entry.node, allowed, lookup));
}

fn look_up(sort: &str, name: &str, node: &Node, lookup: Lookup<'_>) -> Meaning {
    let missing = |message: String, hint: String| {
        let problem = Diagnostic::error(codes::MISSING_REFERENCE, message, node.place.clone());
        Meaning::Missing(Box::new(problem.hint(hint)))
    };
    match lookup {
        Lookup::Offline => Meaning::Unknown,
        Lookup::Live { env, .. } if sort == "env" => match env(name) {
            Some(text) => Meaning::Known(Secret::new(text)),
            None => missing(format!("the environment variable `{name}` is not set"), format!("export {name}=…")),
        },
        Lookup::Live { file, .. } => match file(name) {
            Ok(text) => {
                // Editors and `echo` end a file with a newline that nobody means.
                let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
                Meaning::Known(Secret::new(text))
            }
            Err(reason) => missing(format!("the file `{name}` cannot be read: {reason}"), format!("ls -l {name}")),
        },
    }
}
