//! Joining files: several files declare one policy, so nothing may be declared in two of them; an overlay is laid over attribute by attribute.

use super::codes;
use super::shape::Level;
use super::{Node, NodeValue, Table};
use crate::model::Diagnostic;
use crate::model::value::show_key;

/// Adds what another file declares. What both declare is a problem at the later place.
pub(super) fn join(into: &mut Table, from: Table, level: Level<'_>, path: &str, problems: &mut Vec<Diagnostic>) {
    for (key, entry) in from {
        let Some(existing) = into.get_mut(&key) else {
            into.insert(key, entry);
            continue;
        };
        let path = if path.is_empty() { show_key(&key) } else { format!("{path}.{}", show_key(&key)) };
        match (level.below(&key), &mut existing.node.value, entry.node.value) {
            (Some(below), NodeValue::Table(into), NodeValue::Table(from)) => join(into, from, below, &path, problems),
            _ => problems.push(
                Diagnostic::error(codes::DUPLICATE, format!("`{path}` is declared twice"), entry.key)
                    .label("again here")
                    .related(existing.key.clone(), "first here")
                    .hint("remove one of the two; what differs by environment goes into an overlay, `--env NAME`"),
            ),
        }
    }
}

/// Lays `over` over `into`: tables merge, everything else is replaced, and so has its place where it won.
pub(super) fn lay_over(into: &mut Table, over: Table) {
    for (key, entry) in over {
        match into.get_mut(&key) {
            Some(existing) if merges(&existing.node) && merges(&entry.node) => {
                if let (Some(into), NodeValue::Table(over)) = (existing.node.table_mut(), entry.node.value) {
                    lay_over(into, over);
                }
            }
            _ => {
                into.insert(key, entry);
            }
        }
    }
}

/// Whether a value merges with another: a reference is one value, although it is written as a table.
fn merges(node: &Node) -> bool {
    node.table().is_some() && node.reference().is_none()
}
