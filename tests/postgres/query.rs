//! Query contracts: judged against the state that the plan leads to, with hypothetical indexes, leaving nothing behind.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel::model::{Action, Facts, Origin, ResourceId, TargetId, Verdict};
use evenkeel::provider::{Breadth, Context, Delta, Provider, Scope, Want};
use evenkeel::providers::postgres::{Postgres, Settings, Spec};
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::Shop;

const SCHEMA: &str = "
create table users (id int primary key, tenant_id int, email text, is_active bool, created_at timestamptz default now());
insert into users select g, g % 100, 'e' || g, g % 2 = 0, timestamptz '2026-01-01' + g * interval '1 minute' from generate_series(1, 20000) g;
create index users_by_email on users (email);
create table orders (id int primary key, user_id int, total numeric);
insert into orders select g, g % 20000, g from generate_series(1, 20000) g;
create table fresh (a int);
create table events (at date, what text) partition by range (at);
create table events_1 partition of events for values from ('2026-01-01') to ('2027-01-01');
insert into events select date '2026-01-01' + g % 300, 'w' || g from generate_series(1, 20000) g;
create index events_by_what on events (what);
create table secret (a int);
create table \"Odd\" (a int);
analyze users, orders, events;
";

fn delta(action: Action, name: &str, spec: &Value) -> Delta<Spec> {
    let spec: Spec = serde_json::from_value(json!({ "index": spec })).expect("an index");
    let (want, live) = match action {
        Action::Delete => (None, Some(spec)),
        Action::Replace => (Some(spec.clone()), Some(spec)),
        _ => (Some(spec), None),
    };
    Delta { id: ResourceId::named("index", name), action, want, live, changed: Vec::new(), facts: Facts::default() }
}

/// What comes of contracts, each a table of the policy, where the plan holds `deltas`.
fn judge(shop: &Shop, contracts: &[Value], deltas: &[Delta<Spec>]) -> String {
    let wants: Vec<Want<Spec>> = contracts
        .iter()
        .enumerate()
        .map(|(at, contract)| Want {
            id: ResourceId::named("query", format!("q{at}")),
            spec: Some(serde_json::from_value(json!({ "query": contract })).expect("a contract")),
            origin: Origin { file: "shop.toml".into(), line: 1 },
        })
        .collect();
    let settings: Settings = serde_json::from_value(json!({ "url": shop.url })).expect("settings");
    let context = Context {
        target: TargetId::new("postgres", "shop"),
        connect_timeout: Duration::from_secs(5),
        now: jiff::Timestamp::UNIX_EPOCH,
        depth: evenkeel::provider::Depth::Exact,
        neighbors: evenkeel::provider::Neighbors::default(),
    };
    let checks = shop.runtime.block_on(async {
        let provider = Postgres::connect(settings, context).await.expect("a connection");
        let reading = provider.read(&Scope { wanted: &[], breadth: Breadth::Declared }).await.expect("a reading");
        provider.judge(&reading.site, &wants, deltas).await.expect("an opinion")
    });
    let mut out = String::new();
    for (contract, check) in contracts.iter().zip(checks) {
        let verdict = match check.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Unknown => "unknown",
        };
        let mut demands = contract.clone();
        demands.as_object_mut().expect("a table").remove("sql");
        let (sql, demands) = (contract["sql"].as_str().expect("a text"), evenkeel::model::value::show(&demands));
        writeln!(out, "{sql}\n  {demands}\n  {verdict}: {}", check.message).expect("memory");
        if let Some(hint) = check.hint {
            writeln!(out, "  hint: {hint}").expect("memory");
        }
    }
    out
}

/// Catalog rows, sessions' leftovers and sizes: whatever judging could leave.
fn traces(shop: &Shop) -> String {
    shop.server.sql("select (select count(*) from pg_class), (select count(*) from pg_prepared_statements), (select sum(n_tup_ins) from pg_stat_user_tables), (select count(*) from users)")
}

#[test]
fn contracts_are_judged_as_things_are() {
    let shop = Shop::start();
    shop.server.sql(SCHEMA);
    let before = traces(&shop);
    let contracts = [
        json!({"sql": "select * from users where id = $1", "max_cost": 50, "must_use": ["users_pkey"]}),
        json!({"sql": "select * from users where id = 7;", "params": [], "max_cost": 50}),
        json!({"sql": "select * from users where tenant_id = $1", "max_cost": 100}),
        json!({"sql": "select * from users where tenant_id = $1", "params": ["42"], "forbid": ["Seq Scan on users"]}),
        json!({"sql": "select * from public.users where tenant_id = 1 order by created_at", "forbid": ["sort", "seq scan on public.users"]}),
        json!({"sql": "select * from users where email = $1", "params": ["it's"], "must_use": ["users_by_email"]}),
        json!({"sql": "select * from users where email = $1", "must_use": ["users_by_mail"]}),
        json!({"sql": "select * from users where created_at = $1", "must_use": ["users_by_email"]}),
        json!({"sql": "with o as (select user_id from orders) select u.id from users u join o on o.user_id = u.id", "forbid": ["nested loop", "hash join"]}),
        json!({"sql": "select * from fresh where a = 1", "max_cost": 1}),
        json!({"sql": "select * from events where what = $1", "must_use": ["events_by_what"], "forbid": ["seq scan on events"]}),
        json!({"sql": "select * from events where at = $1", "params": ["2026-03-01"], "forbid": ["seq scan on events"]}),
        json!({"sql": "insert into users (id, email) values ($1, $2)", "max_cost": 5}),
        json!({"sql": "update users set email = 'x' where id = $1", "max_cost": 50}),
        json!({"sql": "delete from users where tenant_id = $1", "max_cost": 10}),
        json!({"sql": "select * from nowhere", "max_cost": 1}),
        json!({"sql": "select * from users where id = $1", "params": ["1", "2"], "max_cost": 1}),
        json!({"sql": "select * from users where id = $1", "params": ["seven"], "max_cost": 1}),
        json!({"sql": "select 1; drop table users", "max_cost": 1}),
        json!({"sql": "select 1) ; drop table users --", "max_cost": 1}),
        json!({"sql": "with gone as (delete from users returning id) select count(*) from gone", "max_cost": 10000}),
        json!({"sql": "select id into copied from users", "max_cost": 1}),
        json!({"sql": "select pg_sleep(60), setval('s', 1)", "max_cost": 1}),
        json!({"sql": "select * from \"Odd\"", "forbid": ["seq scan on \"Odd\""]}),
    ];
    assert_snapshot!(judge(&shop, &contracts, &[]));
    assert_eq!(traces(&shop), before);
}

#[test]
fn indexes_to_come_are_laid_in() {
    let shop = Shop::start();
    shop.server.sql(SCHEMA);
    shop.server.sql("create schema ext; create extension hypopg schema ext");
    let before = traces(&shop);
    let tenant = || {
        delta(
            Action::Create,
            "users_by_tenant",
            &json!({"table": "users", "columns": ["tenant_id", "created_at desc"], "where": "is_active", "include": ["email"]}),
        )
    };
    let query = "select email from users where tenant_id = $1 and is_active order by created_at desc limit 20";
    let contracts = [
        json!({"sql": query, "max_cost": 100, "must_use": ["users_by_tenant"], "forbid": ["seq scan on users", "sort"]}),
        json!({"sql": query, "params": ["42"], "max_cost": 5}),
        json!({"sql": "select * from orders where id = $1", "must_use": ["users_by_tenant"]}),
        json!({"sql": "select * from users where created_at > now()", "must_use": ["users_by_tenant"]}),
    ];
    let mut said = judge(&shop, &contracts, &[tenant()]);
    // Without it in the plan, as things are.
    said += &judge(&shop, &contracts[..1], &[]);
    // What HypoPG does not know.
    let words = delta(
        Action::Create,
        "users_words",
        &json!({"table": "users", "columns": ["to_tsvector('simple', email)"], "method": "gin"}),
    );
    let search = [
        json!({"sql": "select * from users where to_tsvector('simple', email) @@ 'a'", "must_use": ["users_words"]}),
        json!({"sql": "select * from users where id = 1", "max_cost": 50}),
        json!({"sql": "select * from orders where id = 1", "forbid": ["sort"]}),
    ];
    said += &judge(&shop, &search, &[words]);
    // On a partitioned table, on a column that is not there, and in the place of another.
    let at = delta(Action::Create, "events_by_at", &json!({"table": "events", "columns": ["at"]}));
    said += &judge(
        &shop,
        &[
            json!({"sql": "select * from events where at = '2026-03-01'", "must_use": ["events_by_at"], "forbid": ["seq scan on events"]}),
        ],
        &[at],
    );
    let wrong = delta(Action::Create, "users_by_nothing", &json!({"table": "users", "columns": ["nothing"]}));
    said += &judge(&shop, &[json!({"sql": "select * from users where tenant_id = 1", "forbid": ["sort"]})], &[wrong]);
    assert_snapshot!(said);
    assert_eq!(traces(&shop), before);
}

#[test]
fn indexes_to_go_are_considered_as_far_as_possible() {
    let shop = Shop::start();
    shop.server.sql(SCHEMA);
    shop.server.sql("create extension hypopg");
    let gone = || [delta(Action::Delete, "users_by_email", &json!({"table": "users", "columns": ["email"]}))];
    let contracts = [
        json!({"sql": "select * from users where email = $1", "max_cost": 50}),
        json!({"sql": "select * from users where id = $1", "max_cost": 50}),
    ];
    assert_snapshot!(judge(&shop, &contracts, &gone()));
}

#[test]
fn without_hypopg_what_matters_stays_open() {
    let shop = Shop::start();
    shop.server.sql(SCHEMA);
    let tenant = [delta(Action::Create, "users_by_tenant", &json!({"table": "users", "columns": ["tenant_id"]}))];
    let contracts = [
        json!({"sql": "select * from users where tenant_id = $1", "max_cost": 100}),
        json!({"sql": "select * from users where tenant_id = $1", "max_cost": 10000}),
        json!({"sql": "select * from users where id = $1", "must_use": ["users_by_tenant"]}),
        json!({"sql": "select * from orders where id = $1", "forbid": ["seq scan on orders"]}),
    ];
    assert_snapshot!(judge(&shop, &contracts, &tenant));
}

#[test]
fn a_role_that_may_not_read_gets_no_verdict() {
    let mut shop = Shop::start();
    shop.server.sql(SCHEMA);
    shop.url = shop.server.reader_url();
    assert_snapshot!(judge(&shop, &[json!({"sql": "select * from secret", "max_cost": 100})], &[]));
}

#[test]
fn contracts_that_say_nothing_are_problems() {
    let shop = Shop::start();
    let policy = r#"
[postgres.shop.query.a]
sql = "drop table users"
max_cost = 1
[postgres.shop.query.b]
sql = "select 1"
[postgres.shop.query.c]
sql = "select 1"
max_cost = -1
forbid = ["sequence scan on users", "table scan"]
[postgres.shop.query.d]
absent = true
"#;
    assert_snapshot!(shop.plan(policy));
    // Through the engine, a contract is a check of the plan and no change.
    assert_snapshot!(shop.plan("[postgres.shop.query.one]\nsql = \"select 1\"\nmax_cost = 1\n"), @"pass postgres.shop.query.one: cost 0.01");
}
