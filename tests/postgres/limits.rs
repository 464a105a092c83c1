//! Limits of roles and databases.

use std::time::Duration;

use insta::assert_snapshot;

use super::Shop;
use crate::kit::eventually;

const POLICY: &str = r#"
[postgres.shop.role.app]
connection_limit = 80
settings = { statement_timeout = "30s", search_path = ["app", "public"], "plpgsql.extra_warnings" = "all" }

[postgres.shop.database.shop]
connection_limit = 150
settings = { work_mem = 8192 }
"#;

#[test]
fn limits_are_applied_once_and_drift_is_seen() {
    let shop = Shop::start();
    shop.server.sql("create role app login");
    assert_snapshot!(shop.plan(POLICY));
    shop.settle(POLICY);
    assert_eq!(
        shop.server.sql("select rolconnlimit, rolconfig from pg_roles where rolname = 'app'"),
        "80|{plpgsql.extra_warnings=all,\"search_path=app, public\",statement_timeout=30s}"
    );
    // Another spelling of the same is the same; another value is not.
    shop.server.sql("alter role app set statement_timeout = 30000");
    assert_eq!(shop.changes(POLICY), "");
    shop.server.sql("alter role app set statement_timeout = '31s'; alter role app set lock_timeout = '1s'; alter database shop connection limit 7");
    assert_snapshot!(shop.changes(POLICY));
    shop.settle(POLICY);
    // What is not written stays as it is; what is written as default goes.
    assert_eq!(shop.server.sql("select rolconfig::text ~ 'lock_timeout=1s' from pg_roles where rolname = 'app'"), "t");
    let out = "[postgres.shop.role.app]\nsettings = { lock_timeout = \"default\" }\n";
    assert_snapshot!(shop.settle(out), @"alter role app reset lock_timeout");
}

#[test]
fn what_cannot_be_is_a_problem() {
    let shop = Shop::start();
    shop.server.sql("create role app login");
    let policy = r#"
[postgres.shop.role.ap]
connection_limit = 80
[postgres.shop.role.app]
settings = { max_connections = 5, statement_timeout = "soon", nothing = 1 }
[postgres.shop.database.shp]
connection_limit = 1
"#;
    assert_snapshot!(shop.plan(policy));
    assert_snapshot!(
        shop.plan("[postgres.shop.role.app]\nconnection_limit = -2\n[postgres.shop.role.reader]\nabsent = true\n")
    );
}

#[test]
fn a_limit_below_what_is_in_use_must_be_allowed() {
    let shop = Shop::start();
    let _one = shop.server.hold("begin; select 1");
    let others =
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    // Shells that have ended take a moment to leave.
    assert!(eventually(Duration::from_secs(10), || shop.server.sql(others) == "1"), "{}", shop.server.sql(others));
    assert_snapshot!(shop.plan(
        "[postgres.shop.database.shop]\nconnection_limit = 1\n[postgres.shop.role.admin]\nconnection_limit = 1\n"
    ));
}

#[test]
fn what_is_exported_plans_empty() {
    let shop = Shop::start();
    shop.server.sql("create role app login; alter role app set search_path = 'a', 'B'; alter role app connection limit 5; alter database shop set work_mem = '9MB'");
    let live = format!("{}{}", shop.live("role"), shop.live("database"));
    assert_snapshot!(live);
    assert_eq!(shop.changes(&live), "");
}

#[test]
fn a_role_without_rights_is_told_so_when_it_applies() {
    let mut shop = Shop::start();
    shop.server.sql("create role app login");
    shop.url = shop.server.reader_url();
    let policy = "[postgres.shop.role.app]\nconnection_limit = 80\n";
    assert_snapshot!(shop.changes(policy));
    assert_snapshot!(shop.apply(policy));
}
