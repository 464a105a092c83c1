//! `for_each`: one target per item, with `{each}` standing for the item in its names and texts.

use super::shape::check_target_name;
use super::{Entry, Node, NodeValue, codes, keys};
use crate::model::{Diagnostic, Kind, Many};

/// What stands for the item.
const EACH: &str = "{each}";

/// The targets that one table declares.
pub(super) fn expand(
    name: &str,
    mut entry: Entry,
    kinds: &'static [Kind],
    problems: &mut Vec<Diagnostic>,
) -> Vec<(String, Entry)> {
    let Some(for_each) = entry.node.table_mut().and_then(|table| table.shift_remove("for_each")) else {
        if let Some(problem) = check_target_name(name, &entry.key) {
            problems.push(problem.hint("`{each}` needs `for_each = [\"…\"]` on the target"));
            return Vec::new();
        }
        return vec![(name.to_owned(), entry)];
    };
    let mut targets: Vec<(String, Entry)> = Vec::new();
    for (item, place) in keys::texts(&for_each.node, problems) {
        let full = if name.contains(EACH) { name.replace(EACH, &item) } else { format!("{name}-{item}") };
        if item.is_empty() || targets.iter().any(|(earlier, _)| *earlier == full) {
            let message =
                if item.is_empty() { "an item is empty".to_owned() } else { format!("`{item}` is there twice") };
            problems.push(Diagnostic::error(codes::BAD_VALUE, message, place).hint("each item names one target"));
        } else if let Some(problem) = check_target_name(&full, &place) {
            problems.push(problem);
        } else {
            let mut target = entry.clone();
            substitute(&mut target.node, &item);
            rename(&mut target.node, kinds, &item, problems);
            targets.push((full, target));
        }
    }
    targets
}

fn substitute(node: &mut Node, item: &str) {
    let in_env = node.reference().is_some_and(|(sort, _)| sort == "env");
    match &mut node.value {
        NodeValue::Text(text) if text.contains(EACH) => *text = text.replace(EACH, item),
        NodeValue::List(items) => items.iter_mut().for_each(|node| substitute(node, item)),
        NodeValue::Table(table) if in_env => {
            let item = item.to_uppercase().replace('-', "_");
            table.values_mut().for_each(|entry| substitute(&mut entry.node, &item));
        }
        NodeValue::Table(table) => table.values_mut().for_each(|entry| substitute(&mut entry.node, item)),
        _ => {}
    }
}

/// Names of resources take the item as well; names of attributes are the provider's and stay.
fn rename(target: &mut Node, kinds: &'static [Kind], item: &str, problems: &mut Vec<Diagnostic>) {
    for kind in kinds.iter().filter(|kind| kind.many == Many::Named) {
        let resources = target.table_mut().and_then(|table| table.get_mut(kind.name)).and_then(|e| e.node.table_mut());
        let Some(resources) = resources.filter(|names| names.keys().any(|name| name.contains(EACH))) else { continue };
        for (name, entry) in std::mem::take(resources) {
            let name = name.replace(EACH, item);
            if let Some(first) = resources.get(&name) {
                problems.push(
                    Diagnostic::error(codes::DUPLICATE, format!("`{name}` is declared twice for `{item}`"), entry.key)
                        .label("again here")
                        .related(first.key.clone(), "first here"),
                );
            } else {
                resources.insert(name, entry);
            }
        }
    }
}
