//! What people see of a policy that is wrong, and what is made of one that is right.

mod meaning;
mod names;
mod reserved;
mod texts;
mod values;

use std::time::Duration;

use super::sample::{self, REGISTRY};
use super::*;
use crate::model::Diagnostic;
use crate::provider::Context;
use crate::render::diagnostic::text;
use crate::render::{Colour, Style};

fn vocabulary() -> Vocabulary {
    REGISTRY.iter().map(|descriptor| (descriptor.name, descriptor.kinds)).collect()
}

fn files(texts: &[(&str, &str)]) -> Vec<File> {
    texts.iter().map(|(name, text)| File::new(*name, *text)).collect()
}

/// The environment and the files of all tests.
fn lookup() -> Lookup<'static> {
    Lookup::Live {
        env: &|name| match name {
            "DB_URL" => Some("db://app:hunter2@db/shop".into()),
            "SHARD_EU_1_URL" => Some("db://eu".into()),
            "SHARD_US_URL" => Some("db://us".into()),
            "METHOD" => Some("hunter2".into()),
            _ => None,
        },
        file: &|path| match path {
            "/run/url" => Ok("db://file\n".into()),
            _ => Err("no such file or directory".into()),
        },
    }
}

fn load_with(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> (Policy, Vec<Diagnostic>) {
    let (base, overlays, vocabulary) = (files(base), files(overlays), vocabulary());
    load(Input { base: &base, overlays: &overlays, vocabulary: &vocabulary, lookup: lookup() })
}

fn all_problems(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> (Policy, Vec<Diagnostic>) {
    let (policy, mut problems) = load_with(base, overlays);
    for target in &policy.targets {
        let context = Context {
            target: target.id.clone(),
            connect_timeout: Duration::from_secs(1),
            now: jiff::Timestamp::UNIX_EPOCH,
            depth: crate::provider::Depth::Exact,
            neighbors: crate::provider::Neighbors::default(),
        };
        if let Err(found) = (REGISTRY[0].open)(target, context, &policy.sources) {
            problems.extend(found);
        }
    }
    (policy, problems)
}

fn check_files(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> String {
    let (policy, problems) = all_problems(base, overlays);
    let text = text(&problems, &policy.sources, Style::default());
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
    text
}

fn check(policy: &str) -> String {
    check_files(&[("shop.toml", policy)], &[])
}
