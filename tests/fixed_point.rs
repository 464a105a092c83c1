//! Applying a plan leaves nothing to plan, whatever is there and whatever is wanted; and it touches nothing else.
//!
//! Random sets of indexes on a real SQLite file, through the engine's own functions: no program is started.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel::cli::load::vocabulary;
use evenkeel::cli::session::{self, Connections, Opened};
use evenkeel::plan::make::{Planned, Purpose, Selection};
use evenkeel::policy::{self, File, Input, Lookup, Policy};
use evenkeel::provider::Progress;
use proptest::prelude::*;

use crate::kit::{Folder, Sqlite};

const TABLES: &str = "
create table t (id integer primary key, a int, b text, c text, \"order\" int);
create table other (a int);
insert into t (a, b, c, \"order\") values (1, 'x', 'y', 2), (2, 'X', null, 1), (null, 'z', 'y', 2);
create index elsewhere on other (a);
";

/// An index, in words that both a policy and SQLite take.
#[derive(Clone, Debug, PartialEq)]
struct Index {
    terms: Vec<String>,
    filter: Option<&'static str>,
}

/// What the policy says of a name.
#[derive(Clone, Debug)]
enum Said {
    Nothing,
    Absent,
    Here(Index),
}

/// Who owns the indexes that the policy does not name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Policy,
    Others,
}

/// One name: what is there, and what is said of it.
type Named = (Option<Index>, Said);

fn index() -> impl Strategy<Value = Index> {
    let plain = prop::sample::select(vec!["a", "b", "c", "B", "id", "[order]"]);
    let expression = prop::sample::select(vec![
        "lower(b)",
        "LOWER( c )",
        "a+id",
        "coalesce(c, 'none, at all')",
        "b || '''' || c",
        "abs(a - 1)",
        "case when a > 1 then b else c end",
    ]);
    let term = prop_oneof![3 => plain, 2 => expression];
    let suffix = prop::sample::select(vec!["", "", " desc", " ASC", " collate nocase", " COLLATE rtrim DESC"]);
    let terms = prop::collection::vec((term, suffix).prop_map(|(term, suffix)| format!("{term}{suffix}")), 1..4);
    let filter = prop::sample::select(vec![
        "a > 0",
        "A>0",
        "(b is not null)",
        "b IS NOT NULL and c <> 'it''s'",
        "a between 1 and 2 or [order] in (1, 2)",
    ]);
    (terms, prop::option::of(filter)).prop_map(|(terms, filter)| Index { terms, filter })
}

fn named() -> impl Strategy<Value = Named> {
    let live = prop::option::weighted(0.7, index());
    live.prop_flat_map(|live| {
        let same = live.clone().map_or(Said::Nothing, Said::Here);
        let said = prop_oneof![
            2 => Just(Said::Nothing),
            1 => Just(Said::Absent),
            1 => Just(same),
            3 => index().prop_map(Said::Here),
        ];
        (Just(live), said)
    })
}

fn world() -> impl Strategy<Value = (BTreeMap<String, Named>, Owner)> {
    let names = prop::collection::btree_map("i[a-h]|I x|select", named(), 0..7);
    (names, prop::sample::select(vec![Owner::Policy, Owner::Others]))
}

impl Index {
    fn create(&self, name: &str) -> String {
        let filter = self.filter.map(|filter| format!(" where {filter}")).unwrap_or_default();
        format!("create index \"{name}\" on t ({}){filter};\n", self.terms.join(", "))
    }

    fn declare(&self) -> String {
        let filter = self.filter.map(|filter| format!("where = {filter:?}\n")).unwrap_or_default();
        format!("table = \"t\"\ncolumns = {:?}\n{filter}", self.terms)
    }
}

/// The policy text, and the indexes that are to be there once it is applied.
fn said(names: &BTreeMap<String, Named>, owner: Owner) -> (String, BTreeMap<&str, &Index>) {
    let prune = if owner == Owner::Policy { "prune = [\"index\"]\n" } else { "" };
    let mut text = format!("[sqlite.shop]\npath = \"shop.db\"\n{prune}");
    let mut goal = BTreeMap::new();
    for (name, (live, said)) in names {
        match said {
            Said::Nothing => {
                goal.extend(live.as_ref().filter(|_| owner == Owner::Others).map(|live| (name.as_str(), live)));
            }
            Said::Absent => text.push_str(&format!("\n[sqlite.shop.index.{name:?}]\nabsent = true\n")),
            Said::Here(index) => {
                text.push_str(&format!("\n[sqlite.shop.index.{name:?}]\n{}", index.declare()));
                goal.insert(name, index);
            }
        }
    }
    (text, goal)
}

/// What SQLite itself makes of the indexes on `t`: name, partial or not, and per column its number, direction and collation.
fn shape(database: &Sqlite) -> String {
    database.sql(
        "select l.name, l.partial, x.seqno, x.cid, x.desc, x.coll
         from pragma_index_list('t') l, pragma_index_xinfo(l.name) x order by 1, 3",
    )
}

/// The texts of what nobody may touch.
fn untouched(database: &Sqlite, names: &[&String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    database.sql(&format!(
        "select type, name, sql from sqlite_schema where type <> 'index' or name = 'elsewhere' or name in ({names}) order by 2;
         select * from t; select * from other"
    ))
}

fn load(text: &str, folder: &Folder) -> Policy {
    let base = [File::new("shop.toml", text.replace("shop.db", &folder.file("shop.db").to_string_lossy()))];
    let input = Input { base: &base, overlays: &[], vocabulary: &vocabulary(), lookup: Lookup::Offline };
    let (policy, problems) = policy::load(input);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    policy
}

async fn plan(policy: &Policy, opened: &[Opened<'_>], connections: &Connections) -> Planned {
    session::plan(policy, opened, connections, &Selection::default(), Purpose::Apply)
        .await
        .unwrap_or_else(|failure| panic!("no plan: {failure:?}"))
}

/// Plans, runs every step, and plans again: the addresses that were to change, and those that still are.
async fn apply(policy: &Policy) -> (Vec<String>, Vec<String>) {
    let opened = session::open(policy, Duration::from_secs(5), evenkeel::provider::Depth::Exact)
        .unwrap_or_else(|failure| panic!("{failure:?}"));
    let connections = session::connect(&opened, &Selection::default()).await;
    let planned = plan(policy, &opened, &connections).await;
    for step in &planned.plan.steps {
        let ran = planned.lanes[&step.target].run(step.op, &Progress::silent()).await;
        ran.unwrap_or_else(|error| panic!("{}: {error}", step.command));
    }
    let again = plan(policy, &opened, &connections).await;
    assert!(planned.plan.incomplete.is_empty() && again.plan.incomplete.is_empty(), "everything was read");
    let changes = |planned: &Planned| planned.plan.changes.iter().map(|change| change.address.to_string()).collect();
    assert_eq!(again.plan.steps.len(), 0, "no change, no step");
    (changes(&planned), changes(&again))
}

fn check(names: &BTreeMap<String, Named>, owner: Owner) {
    let folder = Folder::new();
    let database = Sqlite::at(folder.file("shop.db"));
    let live = |(name, (live, _)): (&String, &Named)| live.as_ref().map(|live| live.create(name));
    database.sql(&(TABLES.to_owned() + &names.iter().filter_map(live).collect::<String>()));
    let (mut text, goal) = said(names, owner);
    if owner == Owner::Policy {
        text.push_str("\n[sqlite.shop.index.elsewhere]\ntable = \"other\"\ncolumns = [\"a\"]\n");
    }
    let others = names.iter().filter(|(_, (_, said))| owner == Owner::Others && matches!(said, Said::Nothing));
    let others: Vec<_> = others.map(|(name, _)| name).collect();
    let before = untouched(&database, &others);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (changed, left) = runtime.block_on(apply(&load(&text, &folder)));
    assert_eq!(left, Vec::<String>::new(), "left after {changed:?}\n{text}");
    assert_eq!(untouched(&database, &others), before, "not the policy's business\n{text}");

    // By hand, on a new file.
    let ideal = Sqlite::at(folder.file("ideal.db"));
    ideal.sql(&(TABLES.to_owned() + &goal.iter().map(|(name, index)| index.create(name)).collect::<String>()));
    assert_eq!(shape(&database), shape(&ideal), "{text}");
    let same = |(live, said): &Named| matches!((live, said), (Some(live), Said::Here(index)) if live == index);
    let same: Vec<_> = names.iter().filter(|(_, named)| same(named)).map(|(name, _)| name).collect();
    let resource = |address: &String| address.rsplit_once("index.").map(|(_, name)| name.trim_matches('"').to_owned());
    let changed: Vec<_> = changed.iter().filter_map(resource).collect();
    assert!(!same.iter().any(|name| changed.contains(name)), "{same:?} are as wanted, {changed:?} changed\n{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_a_plan_leaves_nothing_to_plan((names, owner) in world()) {
        check(&names, owner);
    }
}
