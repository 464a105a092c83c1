//! The gate before applying: what is in the way of a plan, and the exact flag that would allow it.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Plan, guard};
use crate::model::{Address, Approval, HazardKind, Pattern, Step, TargetId, Verdict};

/// The code under which a failing contract or cross-target rule is allowed.
pub const FAILING_CHECK: &str = "fails-check";

/// A hazard, guard or failing check that somebody allows, everywhere or where an address matches.
#[derive(Clone, Debug)]
pub struct Allow {
    code: String,
    pattern: Option<Pattern>,
}

/// Something in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What, a lowercase fragment.
    pub message: String,
    /// What `--allow` would take; `None` where nothing on the command line can allow it.
    pub flag: Option<String>,
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (code, pattern) = match text.split_once(':') {
            Some((code, pattern)) => (code, Some(Pattern::new(pattern))),
            None => (text, None),
        };
        if code.is_empty() || pattern.as_ref().is_some_and(|pattern| pattern.as_str().is_empty()) {
            return Err(format!(
                "`{text}` allows nothing; write `drops-index` or `drops-index:postgres.shop.index.old_*`"
            ));
        }
        Ok(Self { code: code.to_owned(), pattern })
    }
}

impl Allow {
    /// The code it allows.
    pub fn code(&self) -> &str {
        &self.code
    }

    fn covers(&self, code: &str, address: &str) -> bool {
        self.code == code && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(address))
    }
}

/// Every code that can be allowed, given the hazards of all providers.
pub fn codes<'a>(hazards: impl Iterator<Item = &'a HazardKind>) -> impl Iterator<Item = &'a str> {
    hazards.map(|hazard| hazard.code).chain(guard::DOCS.iter().map(|(code, _)| *code)).chain([FAILING_CHECK])
}

/// Takes what is allowed at every address of its step as approved: it needs no further word.
pub fn grant(steps: &mut [Step], allowed: &[Allow]) {
    for step in steps {
        for hazard in &mut step.hazards {
            let granted =
                |address: &Address| allowed.iter().any(|allow| allow.covers(hazard.code, &address.to_string()));
            if step.covers.iter().all(granted) {
                hazard.approval = Approval::Notice;
            }
        }
    }
}

/// Everything in the way of `plan`, given what is allowed everywhere and by each target's own policy.
pub fn refusals(plan: &Plan, everywhere: &[Allow], by_target: &BTreeMap<TargetId, Vec<Allow>>) -> Vec<Refusal> {
    let allowed = |target: Option<&TargetId>, code: &str, address: &str| {
        let own = target.and_then(|target| by_target.get(target)).map(Vec::as_slice).unwrap_or_default();
        everywhere.iter().chain(own).any(|allow| allow.covers(code, address))
    };
    let mut found = Vec::new();
    let mut refuse = |message: String, flag: Option<String>| {
        let refusal = Refusal { message, flag };
        if !found.contains(&refusal) {
            found.push(refusal);
        }
    };
    for change in &plan.changes {
        if let Some(why) = &change.blocked {
            refuse(format!("`{}` is protected: {why}", change.address), None);
        }
    }
    for step in &plan.steps {
        for hazard in step.hazards.iter().filter(|hazard| hazard.approval == Approval::Required) {
            for address in step.covers.iter().map(ToString::to_string) {
                if !allowed(Some(&step.target), hazard.code, &address) {
                    refuse(
                        format!("`{address}` {}: {}", hazard.code, hazard.evidence),
                        Some(format!("{}:{address}", hazard.code)),
                    );
                }
            }
        }
    }
    for breach in &plan.guards {
        let target =
            plan.targets.iter().map(|target| &target.id).find(|id| breach.subject.starts_with(&format!("{id}.")));
        if !allowed(target, breach.code, &breach.subject) {
            refuse(
                format!("`{}` breaks the limit {}: {}", breach.subject, breach.code, breach.message),
                Some(format!("{}:{}", breach.code, breach.subject)),
            );
        }
    }
    for check in plan.checks.iter().filter(|check| check.verdict == Verdict::Fail) {
        let target = plan.targets.iter().map(|target| &target.id).find(|id| check.name.starts_with(&format!("{id}.")));
        if !allowed(target, FAILING_CHECK, &check.name) {
            refuse(
                format!("`{}` fails: {}", check.name, check.message),
                Some(format!("{FAILING_CHECK}:{}", check.name)),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Hazard, Impact, ResourceId, Stage, Step, StepId};
    use crate::plan::Breach;
    use std::time::Duration;

    fn check(allow: &[&str], policy: &[&str], expected: &[&str]) {
        let target = TargetId::new("postgres", "shop");
        let address = target.resource(ResourceId::named("index", "old_a"));
        let hazard = Hazard { code: "drops-index", approval: Approval::Required, evidence: "1.2 M scans".into() };
        let step = Step {
            id: StepId(1),
            target: target.clone(),
            wave: 0,
            stage: Stage::Contract,
            title: "drop".into(),
            command: "drop index".into(),
            covers: vec![address],
            hazards: vec![
                hazard,
                Hazard { code: "worth-knowing", approval: Approval::Notice, evidence: String::new() },
            ],
            timeout: Duration::ZERO,
            lock_timeout: None,
            impact: Impact::Runtime,
            op: 0,
        };
        let breach = Breach { code: "max-deletes", subject: "postgres.shop.index".into(), message: "2 of 1".into() };
        let plan = Plan { steps: vec![step], guards: vec![breach], ..Plan::default() };
        let parse =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an allowance")).collect::<Vec<Allow>>();
        let found = refusals(&plan, &parse(allow), &BTreeMap::from([(target, parse(policy))]));
        assert_eq!(found.iter().filter_map(|refusal| refusal.flag.as_deref()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_its_flag() {
        let (drop, limit) = ("drops-index:postgres.shop.index.old_a", "max-deletes:postgres.shop.index");
        check(&[], &[], &[drop, limit]);
        check(&["drops-index"], &[], &[limit]);
        check(&["drops-index:postgres.shop.index.old_*", "max-deletes"], &[], &[]);
        check(&["drops-index:postgres.shop.index.new_*"], &[], &[drop, limit]);
        check(&["max-deletes:postgres.shop.index"], &["drops-index"], &[limit; 0]);
    }
}
