//! Capacity: how many nodes of a pool take requests, and how many have to. The same arithmetic in the plan and again before every step.

use serde::Deserialize;

use super::hazard;
use crate::model::units::Duration;
use crate::model::{Hazard, text};

/// What a target's policy demands of its pool at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Demand {
    /// So many nodes are healthy and ready.
    pub min_healthy: u32,
    /// At most so many are not.
    pub max_unavailable: Option<u32>,
}

/// Within how long a node that comes is to be well, where a target does not say.
pub fn health_timeout() -> Duration {
    Duration::from_secs(30)
}

/// How long a node that leaves may finish what it is working on, where a target does not say.
pub fn drain_timeout() -> Duration {
    Duration::from_secs(60)
}

/// How many nodes are always to be well, where a target does not say.
pub fn min_healthy() -> u32 {
    1
}

/// A pool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// How many nodes it has.
    pub nodes: usize,
    /// How many of them are healthy and ready.
    pub serving: usize,
}

impl Capacity {
    /// With one node less; `serving` says whether that one was serving.
    #[must_use]
    pub fn without(self, serving: Serving) -> Self {
        let one = usize::from(serving == Serving::Yes);
        Self { nodes: self.nodes.saturating_sub(1), serving: self.serving.saturating_sub(one) }
    }

    /// With one node out of service that stays in the pool.
    #[must_use]
    pub fn resting(self, serving: Serving) -> Self {
        Self { nodes: self.nodes, ..self.without(serving) }
    }

    /// With one serving node more.
    #[must_use]
    pub fn and_one(self) -> Self {
        Self { nodes: self.nodes + 1, serving: self.serving + 1 }
    }

    /// What is wrong with this capacity; `None` where it is enough.
    fn shortage(self, seen: Seen, demand: Demand) -> Option<String> {
        let left = format!("{} of {} {}", self.serving, text::count(self.nodes, "node"), seen.word());
        if self.serving < demand.min_healthy as usize {
            return Some(format!("{left}, `min_healthy` is {}", demand.min_healthy));
        }
        let missing = self.nodes - self.serving.min(self.nodes);
        demand
            .max_unavailable
            .filter(|most| missing > *most as usize)
            .map(|most| format!("{left}, {missing} would be out, `max_unavailable` is {most}"))
    }

    /// The hazards of going from this capacity, which was seen, to `then`.
    pub fn hazards(self, then: Self, demand: Demand) -> Vec<Hazard> {
        self.hazards_by(Seen::Healthy, then, demand)
    }

    /// The hazards of going from this capacity to `then`, with what is known of it.
    pub fn hazards_by(self, seen: Seen, then: Self, demand: Demand) -> Vec<Hazard> {
        let mut found = Vec::new();
        let total = text::count(self.nodes, "node");
        found.push(hazard::REMOVES_CAPACITY.with(format!("1 of {total}, {} {} stay", then.serving, seen.word())));
        if then.serving == 0 {
            found.push(hazard::EMPTIES_POOL.with(format!("none of {total} would take requests")));
        } else if let Some(shortage) = then.shortage(seen, demand) {
            found.push(hazard::BELOW_MINIMUM.with(shortage));
        }
        found
    }
}

/// What is known of the nodes that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// They were asked and are well.
    Healthy,
    /// The file says that they are ready, and nobody was asked.
    Ready,
}

impl Seen {
    fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Ready => "ready",
        }
    }
}

/// Whether a node takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It is ready and healthy.
    Yes,
    /// It is not.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_held_against_the_demand() {
        let check = |nodes, serving, min_healthy, max_unavailable, expected: &str| {
            let now = Capacity { nodes, serving };
            let found = now.hazards(now.without(Serving::Yes), Demand { min_healthy, max_unavailable });
            let show = |h: &Hazard| format!("{}: {}", h.code, h.evidence);
            assert_eq!(found.iter().map(show).collect::<Vec<_>>().join("; "), expected);
        };
        check(3, 3, 2, None, "removes-capacity: 1 of 3 nodes, 2 healthy stay");
        check(
            3,
            2,
            2,
            None,
            "removes-capacity: 1 of 3 nodes, 1 healthy stay; below-minimum: 1 of 2 nodes healthy, `min_healthy` is 2",
        );
        check(
            1,
            1,
            0,
            None,
            "removes-capacity: 1 of 1 node, 0 healthy stay; empties-pool: none of 1 node would take requests",
        );
        check(
            4,
            2,
            0,
            Some(1),
            "removes-capacity: 1 of 4 nodes, 1 healthy stay; below-minimum: 1 of 3 nodes healthy, 2 would be out, `max_unavailable` is 1",
        );
        let now = Capacity { nodes: 2, serving: 2 };
        let unseen =
            now.hazards_by(Seen::Ready, now.resting(Serving::Yes), Demand { min_healthy: 2, max_unavailable: None });
        let told: Vec<_> = unseen.iter().map(|hazard| hazard.evidence.as_str()).collect();
        assert_eq!(told, ["1 of 2 nodes, 1 ready stay", "1 of 2 nodes ready, `min_healthy` is 2"]);
    }
}
