//! What people see of a policy that is wrong, and what is made of one that is right.

use std::time::Duration;

use insta::assert_snapshot;

use super::sample::{self, REGISTRY};
use super::*;
use crate::model::Diagnostic;
use crate::provider::Context;
use crate::render::diagnostic::text;
use crate::render::style::Style;

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
        let context = Context { target: target.id.clone(), connect_timeout: Duration::from_secs(1) };
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

#[test]
fn a_good_policy_has_no_problems() {
    assert_snapshot!(check(r#"
[guards]
max_delete_percent = 20
allow = ["drops-index:shopdb.shop.index.old_*"]

[defaults.shopdb]
lock_timeout = "3s"

[shopdb.shop]
url = { env = "DB_URL" }
prune = ["index"]
publish = { file = "/not/there/yet.json" }

[shopdb.shop.guards]
max_deletes = 3

[shopdb.shop.index.users_by_tenant]
table = "users"
columns = ["tenant_id", "created_at desc"]
with = { fillfactor = 90 }
protect = true
ignore = ["where"]

[shopdb.shop.limits]
max_connections = 200
factor = 2
share = 30
after = ["shopdb.shop.index.*"]

[shopdb.shop.settings]
work_mem = "64MiB"

[shopdb.shop.rule.top]
source = { hot = { pattern = "p:*", top = 3 } }
"#), @"");
}

#[test]
fn unknown_keys() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "db://app:hunter2@db/shop"
schema = ["public"]

[shopdb.shop.index.a]
table = "users"
colums = ["id"]
absnt = true
"#), @r#"
    error[unknown-key]: unknown key `schema`
     --> shop.toml:4:1
      |
    4 | schema = ["public"]
      | ^^^^^^ did you mean `schemas`?
      |
      = hint: possible here: `url`, `schemas`, `lock_timeout`, `publish`, `prune`, `for_each`, `guards`, `index`, `limits`, `rule` and `settings`

    error[unknown-key]: unknown key `colums`
     --> shop.toml:8:1
      |
    8 | colums = ["id"]
      | ^^^^^^ did you mean `columns`?
      |
      = hint: possible here: `table`, `columns`, `where`, `unique`, `method`, `with`, `absent`, `protect`, `ignore` and `after`

    error[unknown-key]: unknown key `absnt`
     --> shop.toml:9:1
      |
    9 | absnt = true
      | ^^^^^ did you mean `absent`?
      |
      = hint: possible here: `table`, `columns`, `where`, `unique`, `method`, `with`, `absent`, `protect`, `ignore` and `after`

    3 errors
    "#);
}
