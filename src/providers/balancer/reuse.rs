//! Idle connections: the policy counts them for each node; balancers count as they do. The arithmetic from one to the other, and its words.

use crate::model::text;

/// What a balancer counts idle connections by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// For each node, over all of the balancer's threads.
    Node,
    /// For each worker process, over all nodes.
    Worker {
        /// How many nodes there are.
        nodes: u64,
        /// How many workers.
        workers: u64,
    },
}

/// A number in the balancer's own unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The number.
    pub value: u64,
    /// How it came about: `keepalive 7 = ceil(10 for each node × 2 nodes / 3 workers)`.
    pub sum: String,
}

impl Unit {
    /// `idle` connections for each node, as the balancer's `directive` counts them. Rounded up: a node never has fewer than asked for.
    pub fn translate(self, directive: &str, idle: u32) -> Translated {
        let each = u64::from(idle);
        match self {
            Self::Node => Translated { value: each, sum: format!("{directive} {each} = {each} for each node") },
            Self::Worker { nodes, workers } => {
                let value = (each * nodes).div_ceil(workers.max(1));
                let (n, w) = (text::count(count(nodes), "node"), text::count(count(workers), "worker"));
                Translated { value, sum: format!("{directive} {value} = ceil({each} for each node × {n} / {w})") }
            }
        }
    }

    /// The balancer's own number as the policy would say it. What `wanted` translates to is as wanted, whatever rounding did to it.
    pub fn back(self, own: u64, wanted: Option<u32>) -> u32 {
        if let Some(wanted) = wanted.filter(|wanted| self.translate("", *wanted).value == own) {
            return wanted;
        }
        let each = match self {
            Self::Node => own,
            Self::Worker { nodes, workers } => (own * workers).checked_div(nodes).unwrap_or(0),
        };
        u32::try_from(each).unwrap_or(u32::MAX)
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_are_translated_with_their_arithmetic() {
        let check = |unit: Unit, idle, value, sum: &str| {
            let found = unit.translate("keepalive", idle);
            assert_eq!((found.value, found.sum.as_str()), (value, sum));
            assert_eq!(unit.back(value, Some(idle)), idle, "and back");
        };
        let worker = |nodes, workers| Unit::Worker { nodes, workers };
        check(Unit::Node, 10, 10, "keepalive 10 = 10 for each node");
        check(worker(2, 3), 10, 7, "keepalive 7 = ceil(10 for each node × 2 nodes / 3 workers)");
        check(worker(3, 1), 10, 30, "keepalive 30 = ceil(10 for each node × 3 nodes / 1 worker)");
        check(worker(1, 8), 1, 1, "keepalive 1 = ceil(1 for each node × 1 node / 8 workers)");
        assert_eq!(worker(2, 4).back(16, Some(10)), 32, "what is not as wanted is told as it is");
        assert_eq!(worker(2, 4).back(16, None), 32);
        assert_eq!(worker(0, 4).back(16, None), 0);
    }
}
