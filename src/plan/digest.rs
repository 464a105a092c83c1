//! The digest that approves a plan: over what would be done, and over nothing that may differ between two looks at the same state.
//!
//! Left out: counts, facts, evidence, notes, titles, origins, the policy itself, and targets that nothing would be done to.

use std::collections::BTreeSet;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::document::{Change, Document, Hazard, ResourceChange, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Value, Verdict, hex, value};

/// The digest over everything in `document` that is approved: SHA-256, in hex.
pub fn digest(document: &Document) -> String {
    let text = value::canonical(&approved(document)).to_string();
    let mut hash = Sha256::new();
    // The prefix keeps this digest apart from every other one, and from a later version of the rule below.
    hash.update(b"evenkeel plan 1\n");
    hash.update(text);
    hex(&hash.finalize())
}

/// Holds a document against its own `plan_id`.
///
/// # Errors
/// `Conflict` when it was edited after it was written.
pub fn verify(document: &Document) -> Result<()> {
    let computed = digest(document);
    if computed == document.plan_id {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        format!(
            "the saved plan is not what was approved: its plan id is `{}`, its content gives `{computed}`",
            document.plan_id
        ),
    )
    .hint(format!(
        "it was edited, or evenkeel {} wrote it by another rule; make a new one with `evenkeel plan -o plan.json` and have that reviewed",
        document.evenkeel_version
    )))
}

fn approved(document: &Document) -> Value {
    // Taken apart exhaustively: whoever adds a field decides here whether it is approved.
    let Document {
        format_version: _,
        evenkeel_version: _,
        plan_id: _,
        policy_digest: _,
        summary: _,
        targets,
        resource_changes,
        steps,
        unmanaged: _,
        suppressed: _,
        incomplete: _,
        checks,
        guards,
        notes: _,
    } = document;
    let touched: BTreeSet<&String> =
        resource_changes.iter().map(|change| &change.target).chain(steps.iter().map(|step| &step.target)).collect();
    let targets =
        targets.iter().filter(|t| touched.contains(&t.id)).map(|t| json!([t.id, t.provider, t.name, t.identity]));
    let failing = checks.iter().filter(|check| check.verdict == Verdict::Fail).map(|check| json!(check.name));
    json!({
        "targets": sorted(targets),
        "changes": sorted(resource_changes.iter().map(change)),
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "failing": sorted(failing),
        "guards": sorted(guards.iter().map(|guard| json!([guard.code, guard.subject]))),
    })
}

fn change(change: &ResourceChange) -> Value {
    let ResourceChange {
        address,
        provider,
        target,
        kind,
        name,
        reason: _,
        origin: _,
        change: Change { actions, before, after },
        // Nothing is run by these, but they are what a reviewer reads.
        fields,
        blocked,
        hazards,
        facts: _,
    } = change;
    json!({
        "address": address,
        "provider": provider,
        "target": target,
        "kind": kind,
        "name": name,
        "actions": actions.names(),
        "before": before,
        "after": after,
        "fields": fields,
        "blocked": blocked.is_some(),
        "hazards": codes(hazards),
    })
}

fn step(step: &Step) -> Value {
    let Step { id, target, wave, stage, title: _, command, covers, timeout_ms, lock_timeout_ms, impact, hazards } =
        step;
    json!({
        "id": id,
        "target": target,
        "wave": wave,
        "stage": stage,
        "command": command,
        "covers": sorted(covers.iter().map(|address| json!(address))),
        "timeout_ms": timeout_ms,
        "lock_timeout_ms": lock_timeout_ms,
        "impact": impact,
        "hazards": codes(hazards),
    })
}

fn codes(hazards: &[Hazard]) -> Vec<Value> {
    sorted(hazards.iter().map(|hazard| json!(hazard.code)))
}

/// As a set: the order in which these are told, and how often, approves nothing.
fn sorted(items: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut items: Vec<(String, Value)> = items.map(|v| (v.to_string(), v)).collect();
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items.dedup_by(|a, b| a.0 == b.0);
    items.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;

    fn edited(document: &Document, edit: impl FnOnce(&mut Document)) -> Document {
        let mut document = document.clone();
        edit(&mut document);
        document
    }

    #[test]
    fn a_document_carries_its_own_digest() {
        for document in samples::all() {
            assert_eq!(document.plan_id.len(), 64);
            verify(&document).expect("nobody edited it");
        }
    }

    #[test]
    fn what_differs_between_two_looks_does_not_matter() {
        let check = |edit: fn(&mut Document)| {
            let document = samples::rich();
            assert_eq!(digest(&edited(&document, edit)), document.plan_id);
        };
        check(|d| d.evenkeel_version = "9".into());
        check(|d| d.policy_digest = "other".into());
        check(|d| d.summary.create = 99);
        check(|d| d.targets[0].unchanged = 99);
        check(|d| d.notes.clear());
        check(|d| d.unmanaged.push("x".into()));
        check(|d| d.suppressed.clear());
        check(|d| d.incomplete.clear());
        check(|d| d.steps[0].title = "other".into());
        check(|d| d.steps[0].hazards[0].evidence = "other".into());
        check(|d| d.resource_changes[5].hazards[0].message = "other".into());
        check(|d| d.resource_changes[5].facts = crate::model::Facts::default());
        check(|d| d.resource_changes[0].origin = None);
        check(|d| d.resource_changes.reverse());
        check(|d| d.checks.retain(|check| check.verdict == Verdict::Fail));
        check(|d| d.checks[1].message = "cost 813 is over max_cost 500".into());
    }

    #[test]
    fn a_target_that_nothing_is_done_to_does_not_matter() {
        let document = samples::shop();
        let more = edited(&document, |d| d.targets.push(samples::nothing().targets[0].clone()));
        let other = edited(&more, |d| d.targets.last_mut().expect("just pushed").id = "redis.cache".into());
        assert_eq!(digest(&other), document.plan_id);
    }

    /// Paths of the leaves that are not approved, as they end.
    const OPEN: &[&str] = &[
        "format_version",
        "evenkeel_version",
        "policy_digest",
        "summary",
        "unchanged",
        "reason",
        "origin",
        "facts",
        "title",
        "approval",
        "message",
        "evidence",
        "unmanaged",
        "suppressed",
        "incomplete",
        "notes",
        "hint",
        "origins",
    ];

    /// Every edit of one approved leaf: where, and what stands there instead; nothing for an item of a list that is removed.
    fn edits(value: &Value, path: &str, out: &mut Vec<(String, Option<Value>)>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map.iter().filter(|(key, _)| !OPEN.contains(&key.as_str())) {
                    edits(inner, &format!("{path}/{key}"), out);
                }
            }
            Value::Array(items) => {
                for (i, inner) in items.iter().enumerate() {
                    edits(inner, &format!("{path}/{i}"), out);
                    out.push((format!("{path}/{i}"), None));
                }
            }
            Value::Null => out.push((path.into(), Some(json!("something")))),
            Value::Bool(flag) => out.push((path.into(), Some(json!(!flag)))),
            Value::Number(number) => {
                out.push((path.into(), Some(json!(number.as_u64().expect("samples have no others") + 1))));
            }
            Value::String(text) => out.push((path.into(), Some(json!(format!("{text} "))))),
        }
    }

    fn applied(mut value: Value, path: &str, instead: Option<&Value>) -> Value {
        if let Some(instead) = instead {
            *value.pointer_mut(path).expect("it was found there") = instead.clone();
        } else {
            let (list, i) = path.rsplit_once('/').expect("a path has parts");
            let list = value.pointer_mut(list).and_then(Value::as_array_mut).expect("it was found in a list");
            list.remove(i.parse().expect("an index"));
        }
        value
    }

    /// Edits that approve nothing: why a change is blocked (not whether), passing checks, targets that nothing is done to.
    fn open(path: &str, document: &Document, edited: &Document) -> bool {
        let failing = |d: &Document| -> Vec<String> {
            d.checks.iter().filter(|c| c.verdict == Verdict::Fail).map(|c| c.name.clone()).collect()
        };
        let blocked = |d: &Document| -> Vec<bool> { d.resource_changes.iter().map(|c| c.blocked.is_some()).collect() };
        path.ends_with("/blocked") && blocked(document) == blocked(edited)
            || path.starts_with("/checks") && failing(document) == failing(edited)
            || path.starts_with("/targets") && document.is_empty()
    }

    #[test]
    fn every_edit_of_what_is_approved_is_caught() {
        let mut seen = 0;
        for document in [samples::shop(), samples::blocked(), samples::rich()] {
            let value = serde_json::to_value(&document).expect("it serialises");
            let mut all = Vec::new();
            edits(&value, "", &mut all);
            for (path, instead) in all {
                let value = applied(value.clone(), &path, instead.as_ref());
                // What is no document any more is refused before it is verified.
                let Ok(edited) = serde_json::from_value::<Document>(value) else { continue };
                if open(&path, &document, &edited) {
                    continue;
                }
                seen += 1;
                assert!(verify(&edited).is_err(), "{path} of {}", document.plan_id);
            }
        }
        assert!(seen > 500, "only {seen} edits were tried");
    }

    #[test]
    fn an_edited_file_is_refused_in_words() {
        let document = edited(&samples::shop(), |d| d.steps[2].command = "drop table users".into());
        let error = verify(&document).expect_err("it was edited");
        insta::assert_snapshot!(format!("{error}\nhint: {}", error.next().unwrap_or_default()));
    }
}
