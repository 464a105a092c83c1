//! A standby: what can be compared without writing is compared, the rest is said to be unread, and nothing can be applied.

use crate::kit::{Folder, Postgres, Run};

const POLICY: &str = r#"
[postgres.shop]
url = { env = "DATABASE_URL" }

[postgres.shop.index.users_by_tenant]
table = "users"
columns = ["tenant_id", "created_at desc"]
include = ["email"]

[postgres.shop.index.users_by_email]
table = "users"
columns = ["lower(email)"]
where = "is_active"
"#;

#[test]
fn a_standby_is_planned_by_structure_and_never_applied_to() {
    let primary = Postgres::start();
    primary.sql(
        "create table users (id serial primary key, tenant_id int, email text, is_active bool, created_at timestamptz);
        create index users_by_tenant on users (tenant_id, created_at desc) include (email);
        create index users_by_email on users (lower(email)) where is_active",
    );
    let standby = primary.standby();
    let folder = Folder::with_policy(POLICY);
    let run = |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", standby.url());
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    run(&["drift"]).code(0);

    let policy = folder.file("policies/shop.toml");
    let write = |text: String| std::fs::write(&policy, text).expect("the policy can be written");
    // A difference of plain columns needs no server to be seen.
    write(POLICY.replace("created_at desc", "created_at"));
    run(&["plan"]).code(0).says("users_by_tenant").says("created_at");
    let refused = run(&["apply", "--yes", "--allow", "replaces-index"]).code(1);
    refused.says("the server is a standby, on which nothing can be changed").says("give `url` the primary");
    // What only the server could compare is unread, not different.
    write(POLICY.replace("lower(email)", "lower((email)::text)"));
    run(&["plan"]).code(3).says("users_by_email").says("the server is a standby").says("give `url` the primary");
    assert_eq!(primary.sql("select count(*) from pg_indexes where tablename = 'users'"), "3");

    // The same policy on the primary is compared in full: the two spellings are one index.
    Run::new(&folder).args(["plan"]).env("DATABASE_URL", primary.url()).code(0).says("No changes");
}

#[test]
fn a_plan_for_a_server_is_not_applied_to_a_copy_of_it() {
    let original = Postgres::start();
    original.sql("create table users (tenant_id int, email text, is_active bool, created_at timestamptz)");
    let copy = original.standby();
    copy.sql("select pg_promote()");
    let folder = Folder::with_policy(POLICY);
    let run = |server: &Postgres, args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", server.url());
    run(&original, &["plan", "-o", "plan.json"]).code(0);
    run(&copy, &["apply", "--plan", "plan.json"]).code(4).says("postgres.shop");
    assert_eq!(copy.sql("select count(*) from pg_indexes where tablename = 'users'"), "0");
    run(&original, &["apply", "--plan", "plan.json"]).code(0);
}
