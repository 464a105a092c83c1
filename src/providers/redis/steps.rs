//! What to run for a difference, in which order, and what it may do to people.

use std::time::Duration;

use super::config::{self, Configure};
use super::fill::Fill;
use super::purge::{self, Mode, Sweep};
use super::scan::count_keys;
use super::site::Site;
use super::ttl::Enforce;
use super::{COOLS_CACHE, EXPIRES_KEYS, EXTENDS_TTL, Op, SHORTENS_TTL, Spec};
use crate::model::{Facts, Hazard, Impact, Stage};
use crate::provider::{Delta, Draft};

/// How long a pass may take beside what its keys take.
const BASE: Duration = Duration::from_mins(10);
/// How many keys a minute must see; a hundredth of full speed.
const KEYS_A_MINUTE: u64 = 300_000;

/// The steps for these differences. Nothing here is deleted by leaving it out of a policy, so there are no deletions.
pub fn draft(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let mut drafts: Vec<_> = deltas
        .iter()
        .filter_map(|delta| {
            let (op, stage, title, hazards) = match (&delta.want, &delta.live) {
                (Some(Spec::Settings(want)), Some(Spec::Settings(live))) => {
                    let op = Configure::new(want, &delta.changed, site.rewrites);
                    let title = if site.rewrites {
                        "set server settings"
                    } else {
                        "set server settings until the next restart"
                    };
                    let hazards = config::hazards(site, live, want, &delta.changed);
                    (Op::Configure(op), Stage::Shift, title.to_owned(), hazards)
                }
                (Some(Spec::Ttl(rule)), _) => {
                    let enforce = Enforce { rule: rule.clone(), keys: count(&delta.facts, "keys") };
                    let title = format!("enforce ttl {}", delta.id.label());
                    (Op::Enforce(delta.id.clone(), enforce), Stage::Shift, title, rule_hazards(&delta.facts))
                }
                (Some(Spec::Purge(purge)), _) => {
                    let keys = count(&delta.facts, "keys");
                    let sweep = Sweep { purge: purge.clone(), field: purge::field(&site.target, &delta.id), keys };
                    let how = match purge.mode {
                        Mode::Immediate => String::new(),
                        Mode::Delayed => format!(" after {}", purge.delay()),
                        Mode::Lazy => format!(" within {}", purge.delay()),
                    };
                    let hazard = COOLS_CACHE.with(format!("{}{} go{how}", count_keys(keys), about(&delta.facts)));
                    let title = format!("purge {}", delta.id.label());
                    (Op::Sweep(delta.id.clone(), sweep), Stage::Contract, title, vec![hazard])
                }
                (Some(Spec::Warm(warm)), _) => {
                    let fill = Fill { warm: (**warm).clone(), rows: count(&delta.facts, "rows") };
                    let title = format!("warm {} of {}", count_keys(count(&delta.facts, "cold")), delta.id.label());
                    (Op::Fill(delta.id.clone(), fill), Stage::Warm, title, Vec::new())
                }
                _ => return None,
            };
            Some(Draft {
                stage,
                title,
                covers: vec![delta.id.clone()],
                hazards,
                timeout: BASE + Duration::from_mins(site.keys / KEYS_A_MINUTE),
                lock_timeout: None,
                impact: Impact::Runtime,
                op,
            })
        })
        .collect();
    // Among what is warmed, priority decides; everything else keeps the policy's order.
    drafts.sort_by_key(|draft| match &draft.op {
        Op::Fill(_, fill) => Some(fill.warm.priority),
        _ => None,
    });
    drafts
}

fn rule_hazards(facts: &Facts) -> Vec<Hazard> {
    let kinds = [
        (EXPIRES_KEYS, "without_expiry", "without an expiry get one"),
        (SHORTENS_TTL, "too_long", "expire sooner"),
        (EXTENDS_TTL, "too_short", "live longer"),
    ];
    kinds
        .into_iter()
        .filter(|(_, fact, _)| count(facts, fact) > 0)
        .map(|(hazard, fact, what)| hazard.with(format!("{} {what}", count_keys(count(facts, fact)))))
        .collect()
}

fn about(facts: &Facts) -> String {
    facts.text("interval").map(|interval| format!(" ({interval})")).unwrap_or_default()
}

fn count(facts: &Facts, name: &str) -> u64 {
    facts.int(name).map_or(0, i64::unsigned_abs)
}
