//! Steps where the file alone is managed: one write for all that comes and changes, another one for what leaves. Nobody is told, nobody is asked.

use super::amend::Amended;
use super::{Drafting, WORK, weight_only};
use crate::model::{Action, Hazard, Impact, ResourceId, Stage, text};
use crate::provider::Delta;
use crate::providers::balancer::capacity::{Seen, Serving};
use crate::providers::balancer::{Capacity, Node, NodeState, Spec, hazard};
use crate::providers::haproxy::change;
use crate::providers::haproxy::layout::Entry;
use crate::providers::haproxy::op::Act;

/// What a write does to the running HAProxy.
pub const WAITS: &str = "haproxy serves as before until somebody reloads it, such as by `systemctl reload haproxy`";

/// What a write does, gathered.
#[derive(Default)]
struct Parts {
    covers: Vec<ResourceId>,
    titles: Vec<String>,
    told: Amended,
}

impl Drafting<'_> {
    /// What to run for these differences.
    pub(super) fn alone(&mut self, deltas: &[Delta<Spec>]) {
        for delta in deltas {
            self.rotate(delta);
        }
        let mut parts = Parts::default();
        for delta in deltas {
            if let (Some(Spec::Node(want)), Action::Create) = (&delta.want, delta.action) {
                self.comes(&delta.id, want, &mut parts);
            }
        }
        for delta in deltas {
            match (&delta.want, delta.action) {
                (Some(Spec::Node(want)), Action::Update | Action::Replace) => self.changes(delta, want, &mut parts),
                (Some(Spec::Node(_)) | None, _) => {}
                (Some(_), _) => {
                    let amended = self.amend(delta, &mut parts.told);
                    if self.limit(delta, &mut parts.told.hazards).is_some() || amended {
                        parts.titles.push(format!("change {}", delta.id.kind));
                        parts.covers.push(delta.id.clone());
                    }
                }
            }
        }
        let only_new = deltas.iter().all(|delta| delta.action == Action::Create);
        self.write(if only_new { Stage::Expand } else { Stage::Shift }, parts);
        let mut parts = Parts::default();
        for delta in deltas.iter().filter(|delta| delta.action == Action::Delete) {
            self.leaves(&delta.id, &mut parts);
        }
        self.write(Stage::Contract, parts);
    }

    fn comes(&mut self, id: &ResourceId, want: &Node, parts: &mut Parts) {
        let layout = self.layout();
        change::node(&mut self.cfg, &layout, id.label(), want);
        self.capacity = self.layout().capacity();
        parts.titles.push(format!("add node {}", id.label()));
        parts.covers.push(id.clone());
    }

    fn changes(&mut self, delta: &Delta<Spec>, want: &Node, parts: &mut Parts) {
        let (name, layout) = (delta.id.label(), self.layout());
        change::node(&mut self.cfg, &layout, name, want);
        let then = self.layout().capacity();
        if then.serving < self.capacity.serving {
            parts.told.hazards.extend(self.shrinks(then));
        }
        self.capacity = then;
        parts.titles.push(match want.state {
            Some(NodeState::Maintenance) if !weight_only(delta) => format!("take node {name} out of service"),
            _ => format!("change node {name}"),
        });
        parts.covers.push(delta.id.clone());
    }

    fn leaves(&mut self, id: &ResourceId, parts: &mut Parts) {
        let serving = self.layout().server(id.label()).map_or(Serving::No, Entry::serving);
        let then = self.capacity.without(serving);
        parts.told.hazards.extend(self.shrinks(then));
        self.capacity = then;
        change::gone(&mut self.cfg, &self.site.layout.section, id.label());
        parts.titles.push(format!("remove node {}", id.label()));
        parts.covers.push(id.clone());
    }

    fn shrinks(&self, then: Capacity) -> Vec<Hazard> {
        self.capacity.hazards_by(Seen::Ready, then, self.demand)
    }

    fn write(&mut self, stage: Stage, parts: Parts) {
        let Parts { covers, titles, told: Amended { mut hazards, mut evidence, listens } } = parts;
        if covers.is_empty() {
            return;
        }
        evidence.insert(0, WAITS.to_owned());
        hazards.push(hazard::WAITS_FOR_RELOAD.with(evidence.join("; ")));
        let title = text::titles(&titles);
        self.push(stage, title, covers, hazards, WORK, Act::Write { checked: self.site.checks });
        if let (true, Some(draft)) = (listens, self.drafts.last_mut()) {
            draft.impact = Impact::Listener;
        }
    }
}
