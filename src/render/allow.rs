//! The flags with which `apply` is told that a hazard or a broken limit was seen: exact, and safe to paste into a shell.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Approval, text};
use crate::plan::Document;

use super::view::View;

/// More addresses than this are named by their targets, more targets than this not at all.
const NAMED: usize = 5;

/// `--allow drops-index:postgres.shop.index.users_old`, quoted where a shell would not take it literally.
pub fn flag(code: &str, subject: &str) -> String {
    // What cannot be pasted as it is, a wildcard stands for.
    let subject: String =
        subject.chars().map(|c| if text::tame(c.encode_utf8(&mut [0; 4])).chars().eq([c]) { c } else { '?' }).collect();
    format!("--allow {}", text::shell_word(&format!("{code}:{subject}")))
}

/// Every flag that the plan needs, hazards first. What is blocked needs none: nothing allows it.
pub fn flags(document: &Document) -> Vec<String> {
    let blocked: BTreeSet<&str> = document
        .resource_changes
        .iter()
        .filter(|change| change.blocked.is_some())
        .map(|change| change.address.as_str())
        .collect();
    let mut needed: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for step in &document.steps {
        let subject = match &step.covers[..] {
            [only] => only,
            // A step that serves several changes is allowed for its target.
            _ => &step.target,
        };
        let idle = !step.covers.is_empty() && step.covers.iter().all(|address| blocked.contains(address.as_str()));
        for hazard in step.hazards.iter().filter(|hazard| hazard.approval == Approval::Required && !idle) {
            needed.entry(&hazard.code).or_default().insert((&step.target, subject));
        }
    }
    let hazards = needed.into_iter().flat_map(|(code, subjects)| few(code, &subjects));
    let guards = document.guards.iter().map(|guard| flag(&guard.code, &guard.subject));
    hazards.chain(guards).collect()
}

fn few(code: &str, subjects: &BTreeSet<(&str, &str)>) -> Vec<String> {
    if subjects.len() <= NAMED {
        return subjects.iter().map(|(_, address)| flag(code, address)).collect();
    }
    let targets: BTreeSet<_> = subjects.iter().map(|(target, _)| *target).collect();
    if targets.len() <= NAMED {
        return targets.into_iter().map(|target| flag(code, target)).collect();
    }
    vec![format!("--allow {}", text::shell_word(code))]
}

/// The words of the command that applies exactly this plan, with the flags it needs.
pub fn exact(view: &View, next: &str) -> Vec<String> {
    let mut words = vec![next.to_owned()];
    // A saved plan is held to its own digest.
    if !next.contains("--plan") {
        words.push(format!("--expect {}", view.plan_id));
    }
    words.extend(view.allow.iter().cloned());
    words
}
