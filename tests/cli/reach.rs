//! A system that cannot be reached, may not be read, or does not accept what the policy says.

use crate::kit::{Folder, Postgres, Run, free_port};

fn policy(index: &str) -> String {
    format!("[postgres.shop]\nurl = {{ env = \"DATABASE_URL\" }}\n\n[postgres.shop.index.users_by_tenant]\n{index}\n")
}

const GOOD: &str = "table = \"users\"\ncolumns = [\"tenant_id\"]";

#[test]
fn a_server_that_is_not_there_is_told_as_unread() {
    let folder = Folder::with_policy(&policy(GOOD));
    let url = format!("postgres://admin:planted-pw@127.0.0.1:{}/shop", free_port());
    let run = |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", &url);
    run(&["check"]).code(0);
    for verb in [&["plan"][..], &["plan", "--detailed-exitcode"], &["drift"], &["apply", "--yes"]] {
        run(verb).code(3).says("postgres.shop").says("refused").hides("planted-pw");
    }
    run(&["export", "postgres.shop"]).code(1).says("refused").hides("planted-pw");
    Run::new(&folder).args(["plan"]).env("DATABASE_URL", "nonsense").code(64).says("shop.toml:2").hides("nonsense");
}

#[test]
fn a_server_that_refuses_us_is_told_as_unread() {
    let server = Postgres::start();
    let folder = Folder::with_policy(&policy(GOOD));
    let plan = |url: String| Run::new(&folder).args(["plan"]).env("DATABASE_URL", url).code(3);
    plan(server.url_of("admin", "wrong-pw", "shop")).says("password").hides("wrong-pw");
    plan(server.url_of("admin", "wrong-pw", "shop").replace("admin", "nobody")).says("nobody").hides("wrong-pw");
    plan(server.url().replace("/shop", "/shp")).says("shp");
}

#[test]
fn what_the_server_rejects_is_told_at_the_policy_line() {
    let server = Postgres::start();
    server.sql("create table users (id serial primary key, tenant_id int, email text)");
    let check = |index: &str, words: &[&str]| {
        let folder = Folder::with_policy(&policy(index));
        for verb in [&["plan"][..], &["apply", "--yes"]] {
            let output = Run::new(&folder).args(verb).env("DATABASE_URL", server.url()).code(64);
            words.iter().fold(output, |output, word| output.says(word));
        }
    };
    check("table = \"users\"\ncolumns = [\"lower(email\"]", &["shop.toml:6", "brackets"]);
    check("table = \"users\"\ncolumns = [\"tenant_id\"]\nwhere = \"tenant_id >\"", &["shop.toml:7", "syntax error"]);
    check("table = \"users\"\ncolumns = [\"tenant\"]", &["shop.toml:6", "no column `tenant`"]);
    check("table = \"usrs\"\ncolumns = [\"tenant_id\"]", &["shop.toml:5", "usrs"]);
    check("table = \"users\"\ncolumns = [\"tenant_id\"]\nmethod = \"btre\"", &["shop.toml:7", "btre"]);
    check("table = \"users\"\ncolumns = [\"random()\"]", &["shop.toml:6", "IMMUTABLE"]);
    assert_eq!(server.sql("select count(*) from pg_indexes where tablename = 'users'"), "1");
}

#[test]
fn a_step_that_the_server_refuses_fails_and_the_rest_is_told() {
    let server = Postgres::start();
    server.sql("create table users (id serial primary key, tenant_id int); grant select on users to reader");
    let folder = Folder::with_policy(&policy(GOOD));
    let apply = Run::new(&folder).args(["apply", "--yes"]).env("DATABASE_URL", server.reader_url()).output();
    assert!(matches!(apply.code, Some(1 | 7)), "{apply}");
    apply.says("must be owner").says("evenkeel grants postgres");
    assert_eq!(server.sql("select count(*) from pg_indexes where tablename = 'users'"), "1");
}
