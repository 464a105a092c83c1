//! The subject on PostgreSQL.

use std::collections::BTreeMap;

use super::subject::{Subject, allow_all};
use crate::kit::{Folder, Hold, Postgres, Statement};

/// A shop on a server of its own.
pub struct Shop {
    folder: Folder,
    server: Postgres,
}

const POLICY: &str = r#"
[postgres.shop]
url = { env = "DATABASE_URL" }
lock_timeout = "60s"

[postgres.shop.index.users_by_tenant]
table = "users"
columns = ["tenant_id", "created_at desc"]
where = "is_active"
include = ["email"]

[postgres.shop.index.users_by_email]
table = "users"
columns = ["lower(email) text_pattern_ops"]

[postgres.shop.index.users_old]
absent = true

[postgres.shop.settings]
work_mem = "8MB"
idle_in_transaction_session_timeout = "60s"

[postgres.shop.role.app]
connection_limit = 80
settings = { statement_timeout = "30s" }

[postgres.shop.database.shop]
connection_limit = 150

[postgres.shop.cache_table.page_cache]
ttl = "24h"
max_rows = 1000

[postgres.shop.invalidation.users]
table = "users"
keys = ["user:{id}", "users:list:*"]
cache = "redis.cache"

[postgres.shop.invalidation.old]
absent = true
"#;

const SCHEMA: &str = "
create table users (id serial primary key, tenant_id int, email text, is_active bool, created_at timestamptz);
insert into users (tenant_id, email, is_active, created_at)
    select i % 50, 'user' || i || '@example.com', i % 3 = 0, timestamptz '2026-01-01' + i * interval '1 hour'
    from generate_series(1, 2000) i;
create index users_by_email on users (email);
create index users_old on users (created_at);
create index users_other on users (is_active);
create role app login password 'planted-app-pw-3Lm';
analyze users;
";

/// Whatever in the catalogs an unwanted write would leave a mark on.
const FINGERPRINT: &str = "
select 'class', oid, xmin, relname, relfilenode, relnamespace from pg_class order by oid;
select 'index', indexrelid, xmin, indisvalid, indisready from pg_index order by indexrelid;
select 'role', oid, xmin, rolname, rolconnlimit from pg_authid order by oid;
select 'setting', setdatabase, setrole, setconfig from pg_db_role_setting order by 2, 3;
select 'database', oid, xmin, datname, datconnlimit from pg_database order by oid;
select 'function', oid, xmin from pg_proc where oid > 16000 order by oid;
select 'note', objoid, description from pg_description where objoid > 16000 order by objoid;
select 'parameter', name, setting from pg_settings where source = 'configuration file' order by name;
select 'lock', count(*) from pg_locks where locktype = 'advisory';
";

/// What the policy is about.
const SHAPE: &str = "
select indexdef from pg_indexes where schemaname = 'public' order by 1;
select count(*) from pg_index where not (indisvalid and indisready);
select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, ordinal_position;
select rolname, rolconnlimit, rolconfig from pg_roles where rolname = 'app';
select datconnlimit from pg_database where datname = 'shop';
select tgrelid::regclass, tgname, tgtype, tgenabled from pg_trigger where not tgisinternal order by 2;
select proname, prosrc, proconfig, proacl, obj_description(oid, 'pg_proc') from pg_proc where pronamespace = to_regnamespace('evenkeel');
select name, setting from pg_settings where sourcefile like '%postgresql.auto.conf' order by 1;
";

impl Shop {
    fn on(server: Postgres) -> Self {
        server.sql(SCHEMA);
        Self { folder: Folder::with_policy(&(allow_all("postgres") + POLICY)), server }
    }
}

impl Subject for Shop {
    const TARGET: &'static str = "postgres.shop";

    fn start() -> Self {
        Self::on(Postgres::start())
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![("DATABASE_URL".into(), self.server.url())]
    }

    fn fingerprint(&self) -> String {
        let auto = std::fs::read_to_string(self.server.data().join("postgresql.auto.conf")).unwrap_or_default();
        self.server.sql(FINGERPRINT) + &auto
    }

    fn shape(&self) -> String {
        self.server.sql(SHAPE)
    }

    fn meddle(&self) -> &'static str {
        self.server.sql("drop index users_by_tenant; create index users_by_tenant on users (tenant_id)");
        "postgres.shop.index.users_by_tenant"
    }

    fn spoil(&self) -> &'static str {
        self.server.sql("drop index users_by_email; create index users_by_email on users (email, id)");
        "postgres.shop.index.users_by_email"
    }

    fn hold(&self) -> Hold {
        // A concurrent build waits for everybody who has begun to write; nothing else does.
        self.server.hold("begin; lock table users in row exclusive mode;")
    }

    fn held_up(&self) -> bool {
        let waiting = "select count(*) from pg_stat_activity \
            where application_name like 'evenkeel%' and wait_event_type = 'Lock' and state = 'active'";
        self.server.sql(waiting) != "0"
    }

    fn elsewhere(&self) -> &'static str {
        "[postgres.elsewhere]\nurl = \"postgres://nobody@127.0.0.1:1/nothing\"\n\n\
            [postgres.elsewhere.index.a]\ntable = \"t\"\ncolumns = [\"a\"]\n"
    }

    fn another() -> Self {
        Self::on(Postgres::start_stranger())
    }

    fn sent(&self) -> Vec<String> {
        self.server.statements().into_iter().map(|statement| statement.text).collect()
    }

    fn changing(&self) -> Vec<String> {
        kept(&self.server.statements())
    }

    fn secrets(&self) -> Vec<String> {
        ["planted-admin-pw-7Qx", "planted-reader-pw-9Zk", "planted-app-pw-3Lm"].map(str::to_owned).into()
    }
}

/// The statements that change something and were not rolled back, in order.
fn kept(statements: &[Statement]) -> Vec<String> {
    let mut open: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut kept = Vec::new();
    for Statement { session, text, .. } in statements {
        let word = text.split_whitespace().next().unwrap_or_default().to_lowercase();
        let text = text.trim_end_matches(';').to_owned();
        match word.trim_end_matches(';') {
            "begin" | "start" => drop(open.insert(*session, Vec::new())),
            "rollback" | "abort" if !text.to_lowercase().contains(" to ") => drop(open.remove(session)),
            "commit" | "end" => kept.extend(open.remove(session).unwrap_or_default()),
            "select" | "set" | "show" | "explain" | "reset" | "rollback" | "savepoint" | "release" | "with"
            | "values" | "prepare" | "execute" | "deallocate" | "discard" | "declare" | "fetch" | "close" | "lock" => {}
            _ => match open.get_mut(session) {
                Some(pending) => pending.push(text),
                None => kept.push(text),
            },
        }
    }
    kept
}

#[test]
fn what_was_rolled_back_is_not_kept() {
    let statement = |session, text: &str| Statement {
        session,
        user: String::new(),
        application: String::new(),
        text: text.to_owned(),
    };
    let statements = [
        statement(1, "BEGIN"),
        statement(1, "create temp table x ()"),
        statement(2, "create index a on t (a);"),
        statement(1, "rollback"),
        statement(2, "select 1"),
        statement(2, "begin"),
        statement(2, "drop index b"),
        statement(2, "commit"),
    ];
    assert_eq!(kept(&statements), ["create index a on t (a)", "drop index b"]);
}
