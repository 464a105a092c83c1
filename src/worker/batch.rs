//! A batch: what many rows want, each once.

use std::collections::HashMap;

use crate::provider::{Entry, Evicted, Eviction};

/// Rows and the evictions that they come to.
#[derive(Debug)]
pub struct Batch {
    /// Each once, in the order in which they were first wanted.
    pub evictions: Vec<Eviction>,
    /// Which eviction each row wants.
    wants: Vec<usize>,
}

impl Batch {
    /// The rows' evictions.
    pub fn of(entries: &[Entry]) -> Self {
        let mut evictions = Vec::new();
        let mut seen: HashMap<&Eviction, usize> = HashMap::new();
        let wants = entries
            .iter()
            .map(|entry| {
                *seen.entry(&entry.eviction).or_insert_with(|| {
                    evictions.push(entry.eviction.clone());
                    evictions.len() - 1
                })
            })
            .collect();
        Self { evictions, wants }
    }

    /// The rows whose eviction was refused, and why.
    pub fn refused(&self, came: &[Evicted]) -> Vec<(usize, String)> {
        let rows = self.wants.iter().enumerate();
        rows.filter_map(|(row, want)| match came.get(*want) {
            Some(Evicted::Refused(why)) => Some((row, why.clone())),
            _ => None,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Sort;

    #[test]
    fn many_rows_come_to_few_evictions() {
        let entry = |key: &str, sort| Entry {
            cache: "redis.cache".into(),
            eviction: Eviction { key: key.into(), sort, within: None },
        };
        let rows = [
            entry("a*", Sort::Key),
            entry("a*", Sort::Pattern),
            entry("a*", Sort::Key),
            entry("b", Sort::Key),
            entry("a*", Sort::Pattern),
        ];
        let batch = Batch::of(&rows);
        let keys: Vec<_> = batch.evictions.iter().map(|eviction| (eviction.key.as_str(), eviction.sort)).collect();
        assert_eq!(keys, [("a*", Sort::Key), ("a*", Sort::Pattern), ("b", Sort::Key)]);
        let came = [Evicted::Gone(1), Evicted::Refused("no".into()), Evicted::Gone(0)];
        assert_eq!(batch.refused(&came), [(1, "no".to_owned()), (4, "no".to_owned())]);
    }
}
