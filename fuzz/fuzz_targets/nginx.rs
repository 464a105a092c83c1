//! Arbitrary bytes as a configuration of nginx: cut whole, read without a panic, and edited without a trace once the edit is taken back.

#![no_main]

use evenkeel::providers::nginx::edit::{Place, Text};
use evenkeel::providers::nginx::token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut at = 0;
    for token in token::cut(data) {
        assert_eq!(token.span.start, at);
        at = token.span.end;
    }
    assert_eq!(at, data.len());
    let mut text = Text::new(data.to_vec());
    if text.tree().fault.is_some() {
        return;
    }
    for at in 0..text.tree().statements.len().min(50) {
        if text.tree().statements[at].body.is_none() {
            text.set_parameter(at, "evenkeel-fuzz", Some("1"));
            text.set_parameter(at, "evenkeel-fuzz", None);
            assert_eq!(text.bytes(), data);
            text.insert(Place::Behind(at), &["evenkeel-fuzz"], None);
            assert!(text.tree().fault.is_none());
            text.remove(at + 1);
            assert_eq!(text.bytes(), data);
        }
    }
});
