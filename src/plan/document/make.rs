//! From a plan to its document. Takes every part apart exhaustively, so that nothing a plan learns to hold is silently not shown.

use std::collections::HashMap;
use std::time::Duration;

use super::{
    Change, Document, FORMAT, Guard, Hazard, Incomplete, Note, ResourceChange, Step, Summary, Suppressed, Target,
};
use crate::model::{self, Action, Address, ResourceId, TargetId, Verdict, change};
use crate::plan::{Breach, Plan, TargetSummary, digest};

impl From<&Plan> for Document {
    fn from(plan: &Plan) -> Self {
        // The plan's own digest is made from this document, so it is not taken from it.
        let Plan {
            digest: _,
            policy_digest,
            targets,
            changes,
            steps,
            unmanaged,
            suppressed,
            incomplete,
            checks,
            guards,
            notes,
        } = plan;
        let hazards = hazards(steps);
        let mut document = Self {
            format_version: FORMAT.into(),
            evenkeel_version: env!("CARGO_PKG_VERSION").into(),
            plan_id: String::new(),
            policy_digest: policy_digest.clone(),
            summary: summary(plan),
            targets: targets.iter().map(target).collect(),
            resource_changes: changes
                .iter()
                .map(|change| resource_change(change, hazards.get(&change.address)))
                .collect(),
            steps: steps.iter().map(step).collect(),
            unmanaged: unmanaged.iter().map(ToString::to_string).collect(),
            suppressed: suppressed.iter().map(ignored).collect(),
            incomplete: incomplete.iter().map(gap).collect(),
            checks: checks.clone(),
            guards: guards.iter().map(guard).collect(),
            notes: notes.iter().map(note).collect(),
        };
        document.plan_id = digest::digest(&document);
        document
    }
}

fn summary(plan: &Plan) -> Summary {
    let open = |action| plan.changes.iter().filter(|c| c.action == action && c.blocked.is_none()).count();
    Summary {
        create: open(Action::Create),
        update: open(Action::Update),
        replace: open(Action::Replace),
        delete: open(Action::Delete),
        blocked: plan.changes.iter().filter(|c| c.blocked.is_some()).count(),
        unchanged: plan.targets.iter().map(|t| t.unchanged).sum(),
        unmanaged: plan.unmanaged.len(),
        suppressed: plan.suppressed.len(),
        incomplete: plan.incomplete.len(),
        failing: plan.checks.iter().filter(|c| c.verdict == Verdict::Fail).count(),
        guards: plan.guards.len(),
    }
}

fn target(target: &TargetSummary) -> Target {
    let TargetSummary { id, identity, unchanged } = target;
    let address = id.to_string();
    let TargetId { provider, name } = id.clone();
    Target { id: address, provider, name, identity: identity.clone(), unchanged: *unchanged }
}

/// What the steps that cover a resource may do, each said once.
fn hazards(steps: &[model::Step]) -> HashMap<&Address, Vec<Hazard>> {
    let mut all: HashMap<&Address, Vec<Hazard>> = HashMap::new();
    for (address, found) in
        steps.iter().flat_map(|step| step.covers.iter().map(move |address| (address, &step.hazards)))
    {
        let known = all.entry(address).or_default();
        for found in found.iter().map(hazard) {
            if !known.contains(&found) {
                known.push(found);
            }
        }
    }
    all
}

fn resource_change(change: &model::Change, hazards: Option<&Vec<Hazard>>) -> ResourceChange {
    let model::Change { address, action, fields, before, after, facts, origin, reason, blocked } = change;
    let ResourceId { kind, name } = address.resource.clone();
    ResourceChange {
        address: address.to_string(),
        provider: address.target.provider.clone(),
        target: address.target.to_string(),
        kind,
        name,
        reason: reason.clone(),
        origin: origin.clone(),
        change: Change { actions: *action, before: before.clone(), after: after.clone() },
        fields: fields.clone(),
        blocked: blocked.clone(),
        hazards: hazards.cloned().unwrap_or_default(),
        facts: facts.clone(),
    }
}

fn hazard(hazard: &model::Hazard) -> Hazard {
    let model::Hazard { code, approval, evidence } = hazard;
    Hazard {
        code: (*code).into(),
        approval: *approval,
        message: format!("{code}: {evidence}"),
        evidence: evidence.clone(),
    }
}

fn step(step: &model::Step) -> Step {
    // The operation's number means nothing outside the run that drafted it.
    let model::Step { id, target, wave, stage, title, command, covers, hazards, timeout, lock_timeout, impact, op: _ } =
        step;
    Step {
        id: id.0,
        target: target.to_string(),
        wave: *wave,
        stage: *stage,
        title: title.clone(),
        command: command.clone(),
        covers: covers.iter().map(ToString::to_string).collect(),
        timeout_ms: millis(*timeout),
        lock_timeout_ms: lock_timeout.map(millis),
        impact: *impact,
        hazards: hazards.iter().map(hazard).collect(),
    }
}

fn ignored(suppressed: &change::Suppressed) -> Suppressed {
    let change::Suppressed { address, fields } = suppressed;
    Suppressed { address: address.to_string(), fields: fields.clone() }
}

fn gap(gap: &crate::plan::Incomplete) -> Incomplete {
    let crate::plan::Incomplete { what, reason, hint } = gap.clone();
    Incomplete { what, reason, hint }
}

fn guard(breach: &Breach) -> Guard {
    let Breach { code, subject, message } = breach.clone();
    Guard { code: code.into(), subject, message }
}

fn note(note: &crate::plan::Note) -> Note {
    let crate::plan::Note { target, message } = note;
    Note { target: target.to_string(), message: message.clone() }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
