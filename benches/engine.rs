//! What the engine itself costs for 10 000 resources: reading a policy, the diff, the digest, the text. No system is asked.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use evenkeel::cli::{load, session};
use evenkeel::diff::{self, Want};
use evenkeel::model::Attributes;
use evenkeel::plan::make::Selection;
use evenkeel::plan::{Document, digest};
use evenkeel::policy::{self, File, Input, Lookup, Policy, Vocabulary};
use evenkeel::provider::Depth;
use evenkeel::providers::REGISTRY;
use evenkeel::render::{self, Format, Options};
use serde_json::json;

const MANY: usize = 10_000;
const TABLES: usize = 1_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    reading(&mut criterion);
    comparing(&mut criterion);
    showing(&mut criterion);
    criterion.final_summary();
}

fn reading(criterion: &mut Criterion) {
    let (vocabulary, text) = (load::vocabulary(), wanted());
    criterion.bench_function("parse a policy of 10 000 resources", |b| b.iter(|| parse(&vocabulary, black_box(&text))));
    let policy = parse(&vocabulary, &text);
    criterion.bench_function("decode a policy of 10 000 resources", |b| {
        b.iter(|| {
            session::open(black_box(&policy), Duration::ZERO, Depth::Exact).expect("the policy has no problem").len()
        });
    });
}

fn comparing(criterion: &mut Criterion) {
    let provider = REGISTRY.iter().find(|provider| provider.name == "postgres").expect("this build has it");
    let kind = provider.kinds.iter().find(|kind| kind.name == "index").expect("it has indexes");
    let index = |number: usize, column: &str| {
        let all = json!({ "table": format!("t{}", number % TABLES), "columns": ["id", column], "unique": false, "method": "btree",
            "include": [], "with": { "fillfactor": 70 } });
        all.as_object().cloned().expect("a table")
    };
    let pairs: Vec<(Attributes, Attributes)> =
        (0..MANY).map(|number| (index(number, "a"), index(number, if number % 3 == 0 { "b" } else { "a" }))).collect();
    criterion.bench_function("diff of 10 000 pairs, a third of which differ", |b| {
        b.iter(|| {
            let found =
                black_box(&pairs).iter().map(|(want, live)| diff::compare(kind, Want::Here(want), Some(live), &[]));
            found.filter(|difference| difference.action.is_some()).count()
        });
    });
}

fn showing(criterion: &mut Criterion) {
    let document = planned();
    assert!(document.resource_changes.len() > MANY / 2, "two thirds of the resources change");
    criterion
        .bench_function("digest of a plan of 10 000 resources", |b| b.iter(|| digest::digest(black_box(&document))));
    criterion.bench_function("text of a plan of 10 000 resources", |b| {
        b.iter(|| render::render(black_box(&document), Format::Text, &Options::default()).expect("text is text").len());
    });
}

/// A third of the indexes is there, a third differs, a third is missing.
fn planned() -> Document {
    let vocabulary = load::vocabulary();
    let (wanted, live) = (parse(&vocabulary, &wanted()), parse(&vocabulary, &live()));
    let opened = session::open(&wanted, Duration::ZERO, Depth::Exact).expect("the policy has no problem");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let selection = Selection::default();
    let planned = runtime.block_on(session::replay(&wanted, &opened, &live, &selection)).expect("a plan");
    Document::from(&planned.plan)
}

fn wanted() -> String {
    text(|_| Some("\"id\", \"lower(email)\""))
}

fn live() -> String {
    text(|number| match number % 3 {
        0 => None,
        1 => Some("\"id\""),
        _ => Some("\"id\", \"lower(email)\""),
    })
}

/// A policy with an index for every number that has columns.
fn text(columns: impl Fn(usize) -> Option<&'static str>) -> String {
    let mut text = String::from("[postgres.shop]\nurl = \"postgres://localhost/shop\"\n");
    for number in 0..MANY {
        if let Some(columns) = columns(number) {
            let table = number % TABLES;
            text.push_str(&format!("\n[postgres.shop.index.i{number}]\ntable = \"t{table}\"\ncolumns = [{columns}]\n"));
        }
    }
    text
}

fn parse(vocabulary: &Vocabulary, text: &str) -> Policy {
    let base = [File::new("shop.toml", text)];
    let (policy, problems) = policy::load(Input { base: &base, overlays: &[], vocabulary, lookup: Lookup::Offline });
    assert!(problems.is_empty(), "the policy has no problem");
    policy
}
