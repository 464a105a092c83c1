//! Guards: limits that keep a mistake small. Evaluated in every plan, shown in it, and only `apply` is refused by them.

use std::collections::BTreeMap;

use super::Breach;
use crate::model::{Action, Change, TargetId};
use crate::policy::Guards;

/// What each limit means, for `evenkeel explain`.
pub const DOCS: &[(&str, &str)] = &[
    (
        "max-delete-percent",
        "Too large a share of a kind on one target would be deleted. `max_delete_percent` under `[guards]` says how much is fine (30 by default), \
         once there are `min_existing` of the kind.",
    ),
    (
        "max-update-percent",
        "Too large a share of a kind on one target would be updated or replaced. `max_update_percent` under `[guards]` says how much is fine \
         (50 by default), once there are `min_existing` of the kind.",
    ),
    (
        "max-deletes",
        "More resources of a kind on one target would be deleted than `max_deletes` under `[guards]` says.",
    ),
    (
        "allow-empty",
        "All resources of a kind on one target would be deleted. `allow_empty = true` under `[guards]` says that an empty set is fine; \
         a single `absent = true` of a last one is not refused.",
    ),
];

/// How many resources of each kind a target has, before the plan.
pub type Census = BTreeMap<String, usize>;

#[derive(Default)]
struct Tally {
    created: usize,
    updated: usize,
    deleted: usize,
    pruned: usize,
}

/// The limits that these changes of one target break.
pub fn breaches<'a>(
    target: &TargetId,
    guards: &Guards,
    census: &Census,
    changes: impl Iterator<Item = &'a Change>,
) -> Vec<Breach> {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for change in changes.filter(|change| change.address.resource.name.is_some()) {
        let tally = tallies.entry(&change.address.resource.kind).or_default();
        match change.action {
            Action::Create => tally.created += 1,
            Action::Update | Action::Replace => tally.updated += 1,
            Action::Delete => {
                tally.deleted += 1;
                tally.pruned += usize::from(change.origin.is_none());
            }
        }
    }
    let mut found = Vec::new();
    for (kind, tally) in tallies {
        let existing = census.get(kind).copied().unwrap_or_default();
        let mut breach = |code, message| found.push(Breach { code, subject: format!("{target}.{kind}"), message });
        let over = |n: usize, limit: u8| (n * 100 > existing * usize::from(limit)).then(|| n * 100 / existing.max(1));
        if existing >= guards.min_existing as usize {
            if let Some(percent) = over(tally.deleted, guards.max_delete_percent) {
                let limit = guards.max_delete_percent;
                breach(
                    "max-delete-percent",
                    format!("{} of {existing} would be deleted, {percent}% is over {limit}%", tally.deleted),
                );
            }
            if let Some(percent) = over(tally.updated, guards.max_update_percent) {
                let limit = guards.max_update_percent;
                breach(
                    "max-update-percent",
                    format!("{} of {existing} would be updated, {percent}% is over {limit}%", tally.updated),
                );
            }
        }
        if let Some(limit) = guards.max_deletes
            && tally.deleted > limit as usize
        {
            breach("max-deletes", format!("{} would be deleted, the limit is {limit}", tally.deleted));
        }
        // Saying `absent = true` of a last one is explicit; losing a whole set to a prune or a sweep is what this limit is for.
        let explicit = existing == 1 && tally.pruned == 0;
        let emptied = tally.deleted > 0 && tally.deleted >= existing && tally.created == 0;
        if emptied && !guards.allow_empty && !explicit {
            breach("allow-empty", format!("all {existing} would be deleted and none would be left"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Facts, Origin, ResourceId};

    fn check(deletes: usize, updates: usize, existing: usize, pruned: &str, guards: &Guards, expected: &[&str]) {
        let target = TargetId::new("p", "t");
        let origin = (pruned != "pruned").then(|| Origin { file: "a.toml".into(), line: 1 });
        let change = |action, n: usize| Change {
            address: target.resource(ResourceId::named("index", format!("i{n}"))),
            action,
            fields: Vec::new(),
            before: None,
            after: None,
            facts: Facts::default(),
            origin: origin.clone(),
            reason: None,
            blocked: None,
        };
        let changes: Vec<_> = (0..deletes)
            .map(|n| change(Action::Delete, n))
            .chain((0..updates).map(|n| change(Action::Update, 100 + n)))
            .collect();
        let census = Census::from([("index".to_owned(), existing)]);
        let found = breaches(&target, guards, &census, changes.iter());
        assert_eq!(found.iter().map(|b| format!("{}: {}", b.code, b.message)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn limits_are_percentages_of_what_is_there() {
        let guards = Guards::default();
        check(3, 0, 10, "absent", &guards, &[]);
        check(4, 0, 10, "absent", &guards, &["max-delete-percent: 4 of 10 would be deleted, 40% is over 30%"]);
        check(4, 0, 9, "absent", &guards, &[]);
        check(0, 6, 10, "absent", &guards, &["max-update-percent: 6 of 10 would be updated, 60% is over 50%"]);
        let strict = Guards { max_deletes: Some(1), ..Guards::default() };
        check(2, 0, 9, "absent", &strict, &["max-deletes: 2 would be deleted, the limit is 1"]);
    }

    #[test]
    fn a_set_is_not_emptied_by_accident() {
        let empty = "allow-empty: all 3 would be deleted and none would be left";
        check(3, 0, 3, "absent", &Guards::default(), &[empty]);
        check(1, 0, 1, "absent", &Guards::default(), &[]);
        check(1, 0, 1, "pruned", &Guards::default(), &["allow-empty: all 1 would be deleted and none would be left"]);
        check(3, 0, 3, "absent", &Guards { allow_empty: true, ..Guards::default() }, &[]);
    }
}
