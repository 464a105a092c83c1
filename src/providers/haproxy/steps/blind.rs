//! Steps against a saved state: nothing is known of the file or of what runs, so that no command can be said; what it would mean can.

use super::{WORK, tls_words};
use crate::model::{Action, Hazard, Impact, ResourceId, Stage, text};
use crate::provider::{Delta, Draft};
use crate::providers::balancer::{Balance, Node, NodeState, Spec, hazard};
use crate::providers::haproxy::change;
use crate::providers::haproxy::op::{Act, Op};

/// What to run for these differences, as far as it can be said.
pub fn draft(deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let stages = [Stage::Expand, Stage::Shift, Stage::Contract];
    let of = |stage: Stage| deltas.iter().filter(move |delta| self::stage(delta) == stage).collect::<Vec<_>>();
    stages.into_iter().filter_map(|stage| step(stage, &of(stage))).collect()
}

fn stage(delta: &Delta<Spec>) -> Stage {
    match (&delta.want, delta.action) {
        (_, Action::Delete) => Stage::Contract,
        (Some(Spec::Node(_)), Action::Create) => Stage::Expand,
        _ => Stage::Shift,
    }
}

fn step(stage: Stage, deltas: &[&Delta<Spec>]) -> Option<Draft<Op>> {
    let covers: Vec<ResourceId> = deltas.iter().map(|delta| delta.id.clone()).collect();
    if covers.is_empty() {
        return None;
    }
    let hazards: Vec<Hazard> = deltas.iter().filter_map(|delta| hazard(delta)).collect();
    let listens = hazards.iter().any(|hazard| hazard.code == hazard::LISTENER.code);
    let reloads = deltas.iter().any(|delta| needs_reload(delta));
    let impact = match (listens, reloads) {
        (true, _) => Impact::Listener,
        (_, true) => Impact::Reload,
        _ => Impact::Runtime,
    };
    let act = Act::Set { commands: Vec::new(), floor: 0 };
    let op = Op { backend: String::new(), config: std::path::PathBuf::new(), act, edits: Vec::new() };
    let title = text::titles(&covers.iter().map(|id| format!("change {}", id.label())).collect::<Vec<_>>());
    Some(Draft { stage, title, covers, hazards, timeout: WORK, lock_timeout: None, impact, op })
}

fn hazard(delta: &Delta<Spec>) -> Option<Hazard> {
    let leaves = "how many nodes stay healthy, only a look at the running haproxy tells";
    match (&delta.want, &delta.live) {
        (None, _) => Some(hazard::REMOVES_CAPACITY.with(leaves)),
        (Some(Spec::Node(want)), Some(_)) if rests(want, &delta.changed) => Some(hazard::REMOVES_CAPACITY.with(leaves)),
        (Some(Spec::Balance(_)), Some(Spec::Balance(Balance { algorithm: Some(before) }))) => {
            Some(hazard::MOVES_CLIENTS.with(format!("from `balance {}`", change::word_for(*before))))
        }
        (Some(Spec::Tls(_)), _) if !tls_words(delta).is_empty() => {
            Some(hazard::LISTENER.with(text::list(tls_words(delta))))
        }
        _ => None,
    }
}

/// Whether a node takes no requests from then on.
fn rests(want: &Node, changed: &[String]) -> bool {
    let changes = |path: &str| changed.iter().any(|found| found == path);
    let out = want.state.is_some_and(|state| state != NodeState::Ready) && changes("state");
    out || want.weight == Some(0) && changes("weight")
}

fn needs_reload(delta: &Delta<Spec>) -> bool {
    match &delta.want {
        Some(Spec::Balance(_) | Spec::Health(_) | Spec::Sticky(_)) => true,
        Some(Spec::Reuse(_)) => delta.changed.iter().any(|path| path != "max_connections"),
        Some(Spec::Tls(_)) => !tls_words(delta).is_empty(),
        Some(Spec::Node(_)) | None => false,
    }
}
