//! Order: waves from `after`, then stages, then lanes. No graph library: a wave is one more than the latest it waits for.

use std::collections::BTreeMap;

use crate::model::{Address, Pattern, Step, StepId};

/// The wave of every changed resource. `after` gives the patterns a resource waits for; cycles were refused when the policy was read,
/// and a pattern that would close one inside a wildcard is passed over.
pub fn waves(changed: &[Address], after: &BTreeMap<&Address, &[Pattern]>) -> BTreeMap<Address, u32> {
    let mut waves = BTreeMap::new();
    let names: Vec<String> = changed.iter().map(ToString::to_string).collect();
    for position in 0..changed.len() {
        visit(position, changed, &names, after, &mut vec![false; changed.len()], &mut waves);
    }
    waves
}

fn visit(
    position: usize,
    changed: &[Address],
    names: &[String],
    after: &BTreeMap<&Address, &[Pattern]>,
    open: &mut [bool],
    waves: &mut BTreeMap<Address, u32>,
) -> u32 {
    let address = &changed[position];
    if let Some(wave) = waves.get(address) {
        return *wave;
    }
    open[position] = true;
    let mut wave = 0;
    for pattern in after.get(address).copied().unwrap_or_default() {
        for other in 0..changed.len() {
            if !open[other] && pattern.matches(&names[other]) {
                wave = wave.max(1 + visit(other, changed, names, after, open, waves));
            }
        }
    }
    open[position] = false;
    waves.insert(address.clone(), wave);
    wave
}

/// Sorts steps into the order of running and numbers them. Within a wave, a stage and a target the given order stays.
pub fn number(mut steps: Vec<Step>) -> Vec<Step> {
    steps.sort_by(|a, b| (a.wave, a.stage, &a.target).cmp(&(b.wave, b.stage, &b.target)));
    for (position, step) in steps.iter_mut().enumerate() {
        step.id = StepId(u32::try_from(position + 1).unwrap_or(u32::MAX));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ResourceId, TargetId};

    #[test]
    fn a_wave_is_one_more_than_the_latest_it_waits_for() {
        let address = |name: &str| TargetId::new("p", "t").resource(ResourceId::named("k", name));
        let changed = ["a", "b", "c", "d"].map(address);
        let wait = |name: &str| vec![Pattern::new(name)];
        let (b, c) = (wait("p.t.k.a"), wait("p.t.k.b"));
        let gone = wait("p.t.k.not_changed");
        let after = BTreeMap::from([(&changed[1], &b[..]), (&changed[2], &c[..]), (&changed[3], &gone[..])]);
        let waves = waves(&changed, &after);
        assert_eq!(changed.iter().map(|a| waves[a]).collect::<Vec<_>>(), [0, 1, 2, 0]);
    }
}
