//! Cache tables: made whole, swept, changed in place, and never anybody else's.

use insta::assert_snapshot;

use super::Shop;

const POLICY: &str = "[postgres.shop.cache_table.page_cache]\nttl = \"24h\"\nmax_rows = 100\n";

#[test]
fn a_cache_table_is_made_and_sweeps() {
    let shop = Shop::start();
    assert_snapshot!(shop.plan(POLICY));
    shop.settle(POLICY);
    shop.server.sql("insert into page_cache (key, value) select 'k' || g, to_jsonb(g) from generate_series(1, 150) g");
    shop.server.sql("insert into page_cache (key, value, expires_at) select 'old' || g, 'null', now() - interval '1 s' from generate_series(1, 30) g");
    assert_eq!(shop.server.sql("select page_cache_sweep(20)"), "40", "20 that have expired, 20 that are too many");
    assert_eq!(shop.server.sql("select page_cache_sweep()"), "40");
    assert_eq!(shop.server.sql("select page_cache_sweep()"), "0");
    assert_eq!(shop.server.sql("select count(*) from page_cache"), "100");
    assert_eq!(shop.server.sql("select min(expires_at - created_at) from page_cache"), "1 day");
    assert_eq!(shop.changes(POLICY), "", "rows are no difference");
}

#[test]
fn every_part_that_is_changed_outside_is_seen_and_mended() {
    let shop = Shop::start();
    shop.settle(POLICY);
    let edits = [
        "alter table page_cache alter column expires_at set default now() + interval '1 s'",
        "drop index page_cache_expires_at_idx",
        "drop function page_cache_sweep(bigint)",
        "create or replace function page_cache_sweep(batch bigint default 1000) returns bigint language sql as 'select 0::bigint'",
        "alter table page_cache set logged",
        "comment on table page_cache is '{\"evenkeel\":\"cache_table\",\"ttl\":\"1d\",\"max_rows\":7}'",
    ];
    let mut seen = String::new();
    for edit in edits {
        shop.server.sql(edit);
        let plan = shop.changes(POLICY);
        let changes: Vec<_> =
            plan.lines().take_while(|line| line.starts_with("~ ") || line.starts_with("    ")).collect();
        assert!(plan.starts_with("~ cache_table.page_cache\n"), "{edit}\n{plan}");
        seen = format!("{seen}{edit}\n{}\n", changes.join("\n"));
        shop.settle(POLICY);
    }
    assert_snapshot!(seen);
}

#[test]
fn less_room_and_less_time_are_shown_with_what_they_cost() {
    let shop = Shop::start();
    shop.settle(POLICY);
    shop.server.sql("insert into page_cache (key, value) select 'k' || g, to_jsonb(g) from generate_series(1, 90) g");
    let smaller = POLICY.replace("24h", "1h").replace("100", "50").replace("max_rows", "unlogged = false\nmax_rows");
    assert_snapshot!(shop.plan(&smaller));
    shop.settle(&smaller);
    assert_eq!(shop.server.sql("select page_cache_sweep(1000), (select count(*) from page_cache)"), "40|90");
    assert_snapshot!(shop.plan("[postgres.shop.cache_table.page_cache]\nabsent = true\n"));
    shop.settle("[postgres.shop.cache_table.page_cache]\nabsent = true\n");
    assert_eq!(shop.server.sql("select count(*) from pg_class where relname ~ 'page_cache'"), "0");
    assert_eq!(shop.server.sql("select count(*) from pg_proc where proname ~ 'page_cache'"), "0");
}

#[test]
fn somebody_elses_table_is_never_touched() {
    let shop = Shop::start();
    shop.server
        .sql("create table page_cache (key text); create view v as select 1; insert into page_cache values ('mine')");
    assert_snapshot!(shop.plan(&format!("{POLICY}[postgres.shop.cache_table.v]\nttl = \"1s\"\nmax_rows = 1\n")));
    assert_eq!(shop.plan("[postgres.shop.cache_table.page_cache]\nabsent = true\n"), "");
    assert_eq!(shop.server.sql("table page_cache"), "mine");
    // A function of the name stops the creation as a whole.
    shop.server.sql("drop table page_cache; create function page_cache_sweep(bigint) returns bigint language sql as 'select 1::bigint'");
    assert_snapshot!(shop.apply(POLICY));
    assert_eq!(shop.server.sql("select count(*) from pg_class where relname ~ 'page_cache'"), "0");
}

#[test]
fn names_are_quoted_and_found_again() {
    let shop = Shop::start();
    shop.server.sql("create schema app; create schema \"Odd one\"");
    let policy = r#"
[postgres.shop.cache_table."app.page_cache"]
ttl = "90s"
max_rows = 10
[postgres.shop.cache_table.'"Odd one"."select"']
ttl = "1h"
max_rows = 10
[postgres.shop.cache_table."public.plain"]
ttl = "1h"
max_rows = 10
"#;
    shop.settle(policy);
    assert_eq!(shop.server.sql("select \"Odd one\".select_sweep(1)"), "0");
    assert_snapshot!(shop.live("cache_table"));
    assert_snapshot!(shop.plan("[postgres.shop.cache_table.a]\nttl = \"1500ms\"\nmax_rows = 0\n[postgres.shop.cache_table.\"public.a\"]\nttl = \"1s\"\nmax_rows = 1\n[postgres.shop.cache_table.\"a b\"]\nttl = \"1s\"\nmax_rows = 1\n"));
}
