//! Making a plan: surveys in, a plan out, together with what can run it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::checks::{self, Subject};
use super::gate::{self, Allow};
use super::guard::{self, Census};
use super::{Incomplete, Note, Plan, TargetSummary, order};
use crate::diff::{self, Want};
use crate::error::{Error, Result};
use crate::model::change::Suppressed;
use crate::model::{Action, Address, Change, Check, Kind, Many, Origin, Pattern, ResourceId, Step, StepId, TargetId};
use crate::policy::{Policy, Resource, Target};
use crate::provider::{Drift, Pair, Survey, Surveyor, Wanted};

/// Which resources a plan is about.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only what one of these matches; empty: everything.
    pub only: Vec<Pattern>,
    /// Not what one of these matches.
    pub exclude: Vec<Pattern>,
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be applied: contracts are judged against the state that the plan leads to.
    Apply,
    /// To be told: contracts are judged against what is there, and nothing is drafted.
    Drift,
}

/// A target, looked at or not.
#[derive(Debug)]
pub struct Looked<'a> {
    /// The policy's target.
    pub target: &'a Target,
    /// Its provider's kinds.
    pub kinds: &'static [Kind],
    /// What was found, or why nothing was.
    pub survey: Result<Survey>,
}

/// A plan, and per target what can run it.
#[derive(Debug, Default)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Runs the steps of each target.
    pub lanes: BTreeMap<TargetId, Box<dyn Surveyor>>,
}

impl Selection {
    /// Whether `address` is selected.
    pub fn takes(&self, address: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(address));
        (self.only.is_empty() || any(&self.only)) && !any(&self.exclude)
    }
}

/// Makes the plan. The digest is left empty; it belongs to the document.
///
/// # Errors
/// Only a defect: a provider that breaks its contract, named in the message.
pub async fn make(
    policy: &Policy,
    looked: Vec<Looked<'_>>,
    selection: &Selection,
    purpose: Purpose,
) -> Result<Planned> {
    let mut planned =
        Planned { plan: Plan { policy_digest: policy.digest.clone(), ..Plan::default() }, ..Planned::default() };
    let mut drafted = Vec::new();
    let mut subjects = Vec::new();
    for Looked { target, kinds, survey } in looked {
        match survey {
            Ok(survey) => {
                subjects.push(Subject::of_survey(target, kinds, &survey.pairs));
                drafted.extend(plan_target(policy, target, kinds, survey, (selection, purpose), &mut planned).await?);
            }
            Err(error) => {
                let what = target.id.to_string();
                let hint = error.next().map(str::to_owned);
                planned.plan.incomplete.push(Incomplete { what, reason: error.to_string(), hint });
                let (id, identity) = (target.id.clone(), String::new());
                planned.plan.targets.push(TargetSummary { id, identity, unchanged: 0 });
            }
        }
    }
    let origin = |resource: &Resource| policy.sources.origin(&resource.place);
    let whole: Vec<_> = policy.targets.iter().map(|target| Subject::of_policy(target, origin)).collect();
    let across = checks::across(&subjects).into_iter().chain(checks::of_policy(&whole));
    let across = across.filter(|check| selection.takes(&check.name));
    planned.plan.checks.extend(across);
    planned.plan.steps = ordered(policy, &planned.plan.changes, drafted);
    Ok(planned)
}

async fn plan_target(
    policy: &Policy,
    target: &Target,
    kinds: &'static [Kind],
    survey: Survey,
    (selection, purpose): (&Selection, Purpose),
    planned: &mut Planned,
) -> Result<Vec<Step>> {
    let Survey { identity, pairs, gaps, notes, problems: _, mut surveyor } = survey;
    let plan = &mut planned.plan;
    let declared: HashMap<&ResourceId, &Resource> = target.resources.iter().map(|r| (&r.id, &**r)).collect();
    let mut changes = Vec::new();
    let mut unchanged = 0;
    let mut census = Census::new();
    for pair in pairs {
        let address = target.id.resource(pair.id.clone());
        if pair.live.is_some() {
            *census.entry(pair.id.kind.clone()).or_default() += 1;
        }
        if !selection.takes(&address.to_string()) {
            continue;
        }
        let kind = kinds.iter().find(|kind| kind.name == pair.id.kind).ok_or_else(|| {
            Error::bug(format!("`{}` surveyed a kind it does not have: `{}`", target.id, pair.id.kind))
        })?;
        let resource = declared.get(&pair.id).copied();
        let pruned = target.prune.contains(&pair.id.kind);
        if pair.want == Wanted::Undeclared && !pruned {
            if kind.many == Many::Named {
                plan.unmanaged.push(address);
            }
            continue;
        }
        let ignore = resource.map(|r| r.ignore.as_slice()).unwrap_or_default();
        let want = match &pair.want {
            Wanted::Here(attributes) => Want::Here(attributes),
            Wanted::Absent | Wanted::Undeclared => Want::Absent,
        };
        let found = diff::compare(kind, want, pair.live.as_deref(), ignore);
        if !found.ignored.is_empty() {
            plan.suppressed.push(Suppressed { address: address.clone(), fields: found.ignored.clone() });
        }
        match found.action {
            None => unchanged += usize::from(pair.want != Wanted::Undeclared),
            Some(action) => changes.push(change(policy, resource, pair, address, action, found)),
        }
    }
    plan.guards.extend(guard::breaches(&target.id, &target.guards, &census, changes.iter()));
    plan.incomplete.extend(gaps.into_iter().filter_map(|gap| {
        let what = match &gap.name {
            Some(name) => target.id.resource(ResourceId::named(&gap.kind, name)).to_string(),
            None => target.id.resource(ResourceId::only(&gap.kind)).to_string(),
        };
        selection.takes(&what).then_some(Incomplete { what, reason: gap.reason, hint: gap.hint })
    }));
    plan.notes.extend(notes.into_iter().map(|message| Note { target: target.id.clone(), message }));
    plan.targets.push(TargetSummary { id: target.id.clone(), identity, unchanged });

    let drifts: Vec<_> = changes
        .iter()
        .filter(|change: &&Change| purpose == Purpose::Apply && change.blocked.is_none())
        .map(|change| Drift {
            id: change.address.resource.clone(),
            action: change.action,
            changed: change.fields.iter().map(|field| field.path.clone()).collect(),
        })
        .collect();
    let mut steps = steps(&target.id, surveyor.as_mut(), &drifts)?;
    // What the policy itself allows needs no further approval.
    let allowed: Vec<Allow> = target.guards.allow.iter().filter_map(|text| text.parse().ok()).collect();
    gate::grant(&mut steps, &allowed);
    let checks = match surveyor.judge().await {
        Ok(checks) => checks
            .into_iter()
            .map(|check| Check { name: format!("{}.{}", target.id, check.name), ..check })
            .filter(|check| selection.takes(&check.name))
            .collect(),
        Err(error) => vec![unjudged(target, &error)],
    };
    plan.checks.extend(checks);
    plan.changes.extend(changes);
    planned.lanes.insert(target.id.clone(), surveyor);
    Ok(steps)
}

fn unjudged(target: &Target, error: &Error) -> Check {
    Check {
        name: target.id.to_string(),
        verdict: crate::model::Verdict::Unknown,
        message: error.to_string(),
        hint: error.next().map(str::to_owned),
        origins: Vec::new(),
    }
}

fn change(
    policy: &Policy,
    resource: Option<&Resource>,
    pair: Pair,
    address: Address,
    action: Action,
    found: diff::Difference,
) -> Change {
    let protected = resource.filter(|r| r.protect && action.removes());
    Change {
        address,
        action,
        reason: match (&pair.want, action) {
            (Wanted::Undeclared, _) => Some("prune".into()),
            (Wanted::Absent, _) => Some("absent = true".into()),
            _ => None,
        },
        blocked: protected.map(|r| format!("`protect = true` at {}", policy.sources.origin(&r.place))),
        fields: found.fields,
        before: found.before,
        after: found.after,
        facts: pair.facts,
        origin: pair.origin.or_else(|| resource.map(|r| -> Origin { policy.sources.origin(&r.place) })),
    }
}

/// Drafts the steps of one target and holds the provider to its contract.
fn steps(target: &TargetId, surveyor: &mut dyn Surveyor, drifts: &[Drift]) -> Result<Vec<Step>> {
    if drifts.is_empty() {
        return Ok(Vec::new());
    }
    let bug = |what: String| Error::bug(format!("provider `{}`: {what}", target.provider));
    let drafted = surveyor.draft(drifts)?;
    let known: HashSet<_> = drifts.iter().map(|drift| &drift.id).collect();
    let covered: HashSet<_> = drafted.iter().flat_map(|draft| &draft.covers).collect();
    if let Some(stranger) = covered.iter().find(|id| !known.contains(**id)) {
        return Err(bug(format!("a step covers `{stranger}`, which does not change")));
    }
    for drift in drifts {
        if !covered.contains(&drift.id) {
            return Err(bug(format!("no step covers the change of `{}`", drift.id)));
        }
        let mut steps = drafted.iter().filter(|draft| draft.covers.contains(&drift.id));
        if drift.action == Action::Delete && steps.all(|draft| draft.hazards.is_empty()) {
            return Err(bug(format!("the deletion of `{}` carries no hazard", drift.id)));
        }
    }
    Ok(drafted
        .into_iter()
        .map(|draft| Step {
            id: StepId(0),
            target: target.clone(),
            wave: 0,
            stage: draft.stage,
            title: draft.title,
            command: draft.command,
            covers: draft.covers.into_iter().map(|id| target.resource(id)).collect(),
            hazards: draft.hazards,
            timeout: draft.timeout,
            lock_timeout: draft.lock_timeout,
            impact: draft.impact,
            op: draft.op,
        })
        .collect())
}

fn ordered(policy: &Policy, changes: &[Change], mut steps: Vec<Step>) -> Vec<Step> {
    let addresses: Vec<Address> = changes.iter().map(|change| change.address.clone()).collect();
    let mut after: BTreeMap<Address, Vec<Pattern>> = BTreeMap::new();
    for target in &policy.targets {
        for resource in target.resources.iter().filter(|r| !r.after.is_empty()) {
            let patterns = resource.after.iter().map(|(pattern, _)| pattern.clone()).collect();
            after.insert(target.id.resource(resource.id.clone()), patterns);
        }
    }
    if !after.is_empty() {
        let after = after.iter().map(|(address, patterns)| (address, patterns.as_slice())).collect();
        let waves = order::waves(&addresses, &after);
        for step in &mut steps {
            step.wave = step.covers.iter().filter_map(|address| waves.get(address)).copied().max().unwrap_or(0);
        }
    }
    order::number(steps)
}
