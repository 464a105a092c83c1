//! The ceiling rule: a saved plan approves what it holds and everything less; whatever is more is told, address by address.

use std::collections::{BTreeSet, HashMap};

use super::document::{Document, Guard, Hazard, ResourceChange, Step};
use crate::model::{Action, Check, Verdict};

/// Something that a fresh plan would do and the approved one does not cover.
#[derive(Clone, Debug, PartialEq)]
pub struct Excess {
    /// What it is about: the address of a resource or target, the name of a check, the subject of a limit.
    pub subject: String,
    /// In which way it is more.
    pub reason: Reason,
}

/// In which way a fresh plan is more than the approved one.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The target is not the system that the plan was made for.
    OtherSystem {
        /// The identity in the approved plan.
        planned: String,
        /// The identity now.
        found: String,
    },
    /// The approved plan does not touch the resource.
    Unplanned {
        /// What would be done now.
        found: Box<ResourceChange>,
    },
    /// The resource is not as it was when the plan was made.
    OtherState {
        /// The approved change.
        planned: Box<ResourceChange>,
        /// What would be done now.
        found: Box<ResourceChange>,
    },
    /// The policy wants something else than when the plan was made.
    OtherGoal {
        /// The approved change.
        planned: Box<ResourceChange>,
        /// What would be done now.
        found: Box<ResourceChange>,
    },
    /// The approved plan shows the change as blocked; now it would be done.
    Unblocked {
        /// Why it was blocked.
        planned: String,
    },
    /// Steps that were not approved.
    Commands {
        /// What they would run.
        found: Vec<String>,
    },
    /// An approved command that may now take longer, wait longer for a lock, or reach further.
    Limits {
        /// The approved step.
        planned: Box<Step>,
        /// The step now.
        found: Box<Step>,
    },
    /// Hazards that the approved plan does not name.
    Hazards {
        /// What they are.
        found: Vec<Hazard>,
    },
    /// A check that did not fail when the plan was made.
    Failing {
        /// How it fails.
        found: Box<Check>,
    },
    /// A limit that the approved plan did not break.
    Breach {
        /// How it is broken.
        found: Guard,
    },
}

/// Holds a fresh plan against the approved one. Fewer changes are fine: somebody, or an earlier run, has already made them.
///
/// # Errors
/// Everything that the approved plan does not cover.
pub fn hold(approved: &Document, fresh: &Document) -> Result<(), Vec<Excess>> {
    let strangers = strangers(approved, fresh);
    let elsewhere: BTreeSet<&str> = strangers.iter().map(|excess| excess.subject.as_str()).collect();
    let planned: HashMap<&str, &ResourceChange> =
        approved.resource_changes.iter().map(|planned| (planned.address.as_str(), planned)).collect();
    let (before, now) = (covering(approved), covering(fresh));
    let mut all = Vec::new();
    for found in fresh.resource_changes.iter().filter(|found| !elsewhere.contains(found.target.as_str())) {
        let address = found.address.as_str();
        let reasons = match planned.get(address) {
            Some(planned) => {
                let mut reasons = beyond(planned, found);
                reasons.extend(more_steps(of(&before, address), of(&now, address)));
                reasons
            }
            None => vec![Reason::Unplanned { found: Box::new(found.clone()) }],
        };
        all.extend(reasons.into_iter().map(|reason| Excess { subject: found.address.clone(), reason }));
    }
    all.extend(strangers);
    all.extend(uncovered(approved, fresh));
    all.extend(judged(approved, fresh));
    if all.is_empty() { Ok(()) } else { Err(all) }
}

/// The steps that cover each address.
type Covering<'a> = HashMap<&'a str, Vec<&'a Step>>;

fn covering(document: &Document) -> Covering<'_> {
    let mut by = Covering::new();
    for step in &document.steps {
        for address in &step.covers {
            by.entry(address).or_default().push(step);
        }
    }
    by
}

fn of<'a, 'b>(covering: &'b Covering<'a>, address: &str) -> &'b [&'a Step] {
    covering.get(address).map_or(&[], Vec::as_slice)
}

/// Targets that the approved plan touches and that are other systems now, also where nothing is left to do on them:
/// "nothing to do" would be said of the wrong system.
fn strangers(approved: &Document, fresh: &Document) -> Vec<Excess> {
    let touched: BTreeSet<&String> = approved.resource_changes.iter().map(|change| &change.target).collect();
    let pairs = approved.targets.iter().filter(|planned| touched.contains(&planned.id));
    pairs
        .filter_map(|planned| fresh.target(&planned.id).map(|found| (planned, found)))
        // A system that cannot be reached now has no identity; the fresh plan says so itself, and does nothing to it.
        .filter(|(planned, found)| planned.identity != found.identity && !found.identity.is_empty())
        .map(|(planned, found)| Excess {
            subject: planned.id.clone(),
            reason: Reason::OtherSystem { planned: planned.identity.clone(), found: found.identity.clone() },
        })
        .collect()
}

fn beyond(planned: &ResourceChange, found: &ResourceChange) -> Vec<Reason> {
    let both = || (Box::new(planned.clone()), Box::new(found.clone()));
    // A replacement that was cut off after its first half leaves a creation to be done.
    let halfway = planned.change.actions == Action::Replace && found.change.actions == Action::Create;
    let state = planned.change.before == found.change.before || (halfway && found.change.before.is_none());
    let action = planned.change.actions == found.change.actions || halfway;
    let mut reasons = Vec::new();
    if planned.change.after != found.change.after {
        let (planned, found) = both();
        reasons.push(Reason::OtherGoal { planned, found });
    } else if !(state && action) {
        let (planned, found) = both();
        reasons.push(Reason::OtherState { planned, found });
    }
    if let (Some(why), None) = (&planned.blocked, &found.blocked) {
        reasons.push(Reason::Unblocked { planned: why.clone() });
    }
    let known = |hazard: &&Hazard| planned.hazards.iter().any(|known| known.code == hazard.code);
    let hazards: Vec<_> = found.hazards.iter().filter(|hazard| !known(hazard)).cloned().collect();
    if !hazards.is_empty() {
        reasons.push(Reason::Hazards { found: hazards });
    }
    reasons
}

/// What of `fresh` is not among `approved`, each approved step standing for one fresh step.
fn more_steps(approved: &[&Step], fresh: &[&Step]) -> Vec<Reason> {
    let mut left = approved.to_vec();
    let mut reasons = Vec::new();
    let mut commands = Vec::new();
    for step in fresh {
        let same = |other: &&Step| other.command == step.command;
        let position = left.iter().position(|other| same(other) && within(other, step));
        match position.or_else(|| left.iter().position(same)) {
            Some(position) => {
                let planned = left.remove(position);
                if !within(planned, step) {
                    let (planned, found) = (Box::new(planned.clone()), Box::new((*step).clone()));
                    reasons.push(Reason::Limits { planned, found });
                }
            }
            None => commands.push(step.command.clone()),
        }
    }
    if !commands.is_empty() {
        reasons.insert(0, Reason::Commands { found: commands });
    }
    reasons
}

fn within(approved: &Step, fresh: &Step) -> bool {
    // Without a lock timeout a step may wait as long as it may take.
    let lock = |step: &Step| step.lock_timeout_ms.unwrap_or(step.timeout_ms);
    fresh.timeout_ms <= approved.timeout_ms && lock(fresh) <= lock(approved) && fresh.impact <= approved.impact
}

/// Steps that cover no resource belong to their target as a whole.
fn uncovered(approved: &Document, fresh: &Document) -> Vec<Excess> {
    fn whole<'a>(document: &'a Document, target: &str) -> Vec<&'a Step> {
        document.steps.iter().filter(|step| step.covers.is_empty() && step.target == target).collect()
    }
    let mut excess = Vec::new();
    for target in &fresh.targets {
        let (planned, found) = (whole(approved, &target.id), whole(fresh, &target.id));
        let reasons = more_steps(&planned, &found);
        excess.extend(reasons.into_iter().map(|reason| Excess { subject: target.id.clone(), reason }));
        let known = |hazard: &&Hazard| planned.iter().flat_map(|step| &step.hazards).any(|k| k.code == hazard.code);
        let hazards = found.iter().flat_map(|step| &step.hazards).filter(|h| !known(h)).cloned().collect::<Vec<_>>();
        if !hazards.is_empty() {
            excess.push(Excess { subject: target.id.clone(), reason: Reason::Hazards { found: hazards } });
        }
    }
    excess
}

fn judged(approved: &Document, fresh: &Document) -> Vec<Excess> {
    let failing = |check: &&Check| check.verdict == Verdict::Fail;
    let known = |found: &Check| approved.checks.iter().filter(failing).any(|check| check.name == found.name);
    let checks = fresh.checks.iter().filter(failing).filter(|found| !known(found)).map(|found| Excess {
        subject: found.name.clone(),
        reason: Reason::Failing { found: Box::new(found.clone()) },
    });
    let broken = |found: &Guard| approved.guards.iter().any(|g| g.code == found.code && g.subject == found.subject);
    let guards = fresh
        .guards
        .iter()
        .filter(|found| !broken(found))
        .map(|found| Excess { subject: found.subject.clone(), reason: Reason::Breach { found: found.clone() } });
    checks.chain(guards).collect()
}
