//! Arbitrary bytes as policy files: loading, the decoding of every provider, and the messages about what is wrong.
//!
//! A zero byte ends a file: the first one is the policy, the others are laid over it.

#![no_main]

use std::time::Duration;

use evenkeel::cli::exit::Failure;
use evenkeel::cli::{load, session};
use evenkeel::policy::{self, File, Input, Lookup};
use evenkeel::provider::Depth;
use evenkeel::render::diagnostic;
use evenkeel::render::style::Style;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let files = data.split(|byte| *byte == 0).enumerate();
    let files: Vec<_> = files.map(|(number, bytes)| File::new(format!("{number}.toml"), bytes)).collect();
    let (base, overlays) = files.split_at(1);
    let vocabulary = load::vocabulary();
    let input = Input { base, overlays, vocabulary: &vocabulary, lookup: Lookup::Offline };
    let (policy, mut problems) = policy::load(input);
    match session::open(&policy, Duration::ZERO, Depth::Exact) {
        Err(Failure::Policy(further, _)) => problems.extend(further),
        Err(other) => panic!("opening offline fails only for the policy's problems: {other:?}"),
        Ok(opened) => assert_eq!(opened.len(), policy.targets.len()),
    }
    let text = diagnostic::text(&problems, &policy.sources, Style::default());
    assert_eq!(text.is_empty(), problems.is_empty());
    let json = diagnostic::json(&problems, &policy.sources);
    assert!(json.as_array().is_some_and(|array| array.is_empty() == problems.is_empty()));
});
