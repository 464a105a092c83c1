//! `after`: every pattern matches something, and nothing waits for itself.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::{Target, codes};
use crate::model::{Diagnostic, Pattern, Place, text};

/// For how many patterns that match nothing the nearest address is looked for: it means comparing with all of them.
const SUGGESTIONS: usize = 20;

/// Checks the `after` of all resources.
pub(super) fn check(targets: &[Target], problems: &mut Vec<Diagnostic>) {
    let all = || targets.iter().flat_map(|target| target.resources.iter().map(move |resource| (target, resource)));
    if all().all(|(_, resource)| resource.after.is_empty()) {
        return;
    }
    let mut addresses = Addresses::default();
    let mut waits = Vec::new();
    for (target, resource) in all() {
        let address = target.id.resource(resource.id.clone()).to_string();
        addresses.texts.push(address);
        waits.push(resource.after.as_slice());
    }
    addresses.sorted = (0..addresses.texts.len()).collect();
    addresses.sorted.sort_by(|a, b| addresses.texts[*a].cmp(&addresses.texts[*b]));

    let mut edges: Vec<Vec<(usize, &Place)>> = vec![Vec::new(); waits.len()];
    let mut unmatched = 0;
    for (i, after) in waits.iter().enumerate() {
        for (pattern, place) in *after {
            let matched = addresses.matching(pattern);
            if matched.is_empty() {
                unmatched += 1;
                problems.push(nothing(pattern, place, (unmatched <= SUGGESTIONS).then_some(&addresses.texts)));
            } else if matched.iter().all(|found| *found == i) {
                let message = format!("`{}` waits only for itself", addresses.texts[i]);
                problems.push(Diagnostic::error(codes::AFTER_CYCLE, message, place.clone()));
            }
            // Only what waits itself can be part of a circle.
            let next = matched.iter().filter(|found| **found != i && !waits[**found].is_empty());
            edges[i].extend(next.map(|found| (*found, place)));
        }
    }
    find_cycles(&edges, &addresses.texts, problems);
}

#[derive(Default)]
struct Addresses {
    texts: Vec<String>,
    sorted: Vec<usize>,
    seen: HashMap<String, Rc<[usize]>>,
}

impl Addresses {
    fn matching(&mut self, pattern: &Pattern) -> Rc<[usize]> {
        if let Some(found) = self.seen.get(pattern.as_str()) {
            return found.clone();
        }
        let found: Rc<[usize]> = if pattern.as_str().contains(['*', '?']) {
            (0..self.texts.len()).filter(|i| pattern.matches(&self.texts[*i])).collect()
        } else {
            // Without a wildcard all that match begin with the pattern, and stand together.
            let start = self.sorted.partition_point(|i| self.texts[*i].as_str() < pattern.as_str());
            let beginning = self.sorted[start..].iter().take_while(|i| self.texts[**i].starts_with(pattern.as_str()));
            beginning.copied().filter(|i| pattern.matches(&self.texts[*i])).collect()
        };
        self.seen.insert(pattern.as_str().to_owned(), found.clone());
        found
    }
}

fn nothing(pattern: &Pattern, place: &Place, addresses: Option<&Vec<String>>) -> Diagnostic {
    let message = format!("`{}` matches no declared resource", pattern.as_str());
    let problem = Diagnostic::error(codes::AFTER_NOTHING, message, place.clone())
        .hint("write the address of a resource, as in `postgres.shop.index.users_by_tenant`, with `*` for any part");
    match addresses.and_then(|all| text::nearest(pattern.as_str(), all.iter().map(String::as_str))) {
        Some(meant) => problem.label(format!("did you mean `{meant}`?")),
        None => problem,
    }
}

/// Walks the graph depth first, with its own stack: a chain may be as long as the policy.
fn find_cycles(edges: &[Vec<(usize, &Place)>], addresses: &[String], problems: &mut Vec<Diagnostic>) {
    let mut done = HashSet::new();
    for start in 0..edges.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut on_path: HashMap<usize, usize> = HashMap::new();
        if !edges[start].is_empty() && !done.contains(&start) {
            on_path.insert(start, 0);
            path.push((start, 0));
        }
        while let Some((node, next)) = path.last_mut() {
            let (node, edge) = (*node, edges[*node].get(*next));
            *next += 1;
            match edge {
                None => {
                    done.insert(node);
                    on_path.remove(&node);
                    path.pop();
                }
                Some((to, _)) if on_path.contains_key(to) => {
                    let circle: Vec<_> = path[on_path[to]..].iter().map(|(node, next)| (*node, *next - 1)).collect();
                    problems.push(cycle(&circle, edges, addresses));
                }
                Some((to, _)) if done.contains(to) => {}
                Some((to, _)) => {
                    on_path.insert(*to, path.len());
                    path.push((*to, 0));
                }
            }
        }
    }
}

fn cycle(circle: &[(usize, usize)], edges: &[Vec<(usize, &Place)>], addresses: &[String]) -> Diagnostic {
    let place = |(node, edge): &(usize, usize)| edges[*node][*edge].1.clone();
    let names = circle.iter().chain(circle.first()).map(|(node, _)| format!("`{}`", addresses[*node]));
    let message = format!("resources wait for each other: {}", names.collect::<Vec<_>>().join(" → "));
    let mut problem = Diagnostic::error(codes::AFTER_CYCLE, message, circle.first().map(place))
        .hint("remove one of these `after`, so that there is a first");
    for step in &circle[1..] {
        problem = problem.related(place(step), format!("`{}` waits here", addresses[step.0]));
    }
    problem
}
