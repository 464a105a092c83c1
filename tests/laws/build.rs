//! Long index builds on PostgreSQL: killed, called off, and beside people at work.

use std::time::Duration;

use super::subject::allow_all;
use crate::kit::{Folder, Output, Postgres, Run, Running, eventually};

const PATIENCE: Duration = Duration::from_mins(1);

/// An index that takes some three seconds to build, because its expression is slow.
const POLICY: &str = r#"
[postgres.shop]
url = { env = "DATABASE_URL" }

[postgres.shop.index.users_slowly]
table = "users"
columns = ["slowly(tenant_id)"]
"#;

const SCHEMA: &str = "
create function slowly(a int) returns int language plpgsql immutable as
    $$ begin perform pg_sleep(0.003); return a; end $$;
create table users (id serial primary key, tenant_id int);
insert into users (tenant_id) select i % 50 from generate_series(1, 1000) i;
";

struct Shop {
    folder: Folder,
    server: Postgres,
}

impl Shop {
    fn start() -> Self {
        let server = Postgres::start();
        server.sql(SCHEMA);
        Self { folder: Folder::with_policy(&(allow_all("postgres") + POLICY)), server }
    }

    fn run(&self, args: &[&str]) -> Run {
        Run::new(&self.folder).args(args).env("DATABASE_URL", self.server.url())
    }

    /// A run in the middle of the build.
    fn building(&self) -> Running {
        let mut run = self.run(&["apply", "--yes"]).start();
        let phase = "select count(*) from pg_stat_progress_create_index where phase like 'building index%'";
        let there = eventually(PATIENCE, || run.ended() || self.server.sql(phase) != "0");
        assert!(there && !run.ended(), "no build is seen");
        std::thread::sleep(Duration::from_millis(300));
        run
    }

    /// The indexes of the table with whether they are valid.
    fn indexes(&self) -> String {
        self.server.sql(
            "select relname, indisvalid from pg_index join pg_class on oid = indexrelid \
                where indrelid = 'users'::regclass and not indisprimary order by 1",
        )
    }

    /// Applies until it succeeds: the server may still be busy with what a killed run left behind.
    fn converge(&self) {
        let mut last: Option<Output> = None;
        let done = eventually(PATIENCE, || {
            let output = self.run(&["apply", "--yes"]).output();
            let done = output.code == Some(0);
            last = Some(output);
            done
        });
        assert!(done, "it does not converge\n{}", last.map_or_else(String::new, |output| output.to_string()));
        self.run(&["plan", "--detailed-exitcode"]).code(0);
        assert_eq!(self.indexes(), "users_slowly|t");
    }
}

#[test]
fn killed_in_the_middle_of_a_long_build_it_converges() {
    let shop = Shop::start();
    let run = shop.building();
    run.signal("KILL");
    assert_eq!(run.wait().signal, Some(9));
    shop.converge();
}

#[test]
fn a_long_build_that_the_server_calls_off_leaves_nothing_and_may_be_run_again() {
    let shop = Shop::start();
    let run = shop.building();
    shop.server.sql("select pg_cancel_backend(pid) from pg_stat_progress_create_index");
    let output = run.wait();
    assert!(matches!(output.code, Some(1 | 7)), "{output}");
    output.says("users_slowly").says("cancel");
    shop.converge();
}

#[test]
fn a_long_build_survives_an_interrupt() {
    let shop = Shop::start();
    let run = shop.building();
    run.signal("INT");
    run.wait().expect(0);
    assert_eq!(shop.indexes(), "users_slowly|t");
}

#[test]
fn a_run_that_lost_its_lock_starts_nothing_more() {
    let shop = Shop::start();
    let then = "\n[postgres.shop.index.users_then]\ntable = \"users\"\ncolumns = [\"tenant_id\"]\n";
    shop.folder.write("policies/shop.toml", &(allow_all("postgres") + POLICY + then));
    let run = shop.building();
    let end = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted";
    assert_eq!(shop.server.sql(end), "t");
    run.wait().expect(7).says("the session that held the lock has ended, another run may have it");
    assert_eq!(shop.indexes(), "users_slowly|t");
    shop.run(&["apply", "--yes"]).code(0);
    assert!(shop.indexes().contains("users_then|t"), "{}", shop.indexes());
}

#[test]
fn no_query_of_a_workload_fails_during_a_build_and_a_replacement() {
    let shop = Shop::start();
    shop.server.sql("create index users_slowly on users (tenant_id, id)");
    let script = shop.folder.write(
        "workload.sql",
        "\\set a random(1, 1000)\nselect count(*) from users where tenant_id = :a;\n\
            update users set tenant_id = tenant_id where id = :a;\n",
    );
    let mut run = shop.run(&["apply", "--yes"]).start();
    while !run.ended() {
        let output = std::process::Command::new("/usr/lib/postgresql/15/bin/pgbench")
            .args(["--no-vacuum", "--client=4", "--time=1", "--file"])
            .arg(&script)
            .arg(shop.server.url())
            .output()
            .expect("pgbench starts");
        let (report, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{report}{errors}");
        assert!(report.contains("number of failed transactions: 0 "), "{report}{errors}");
    }
    run.wait().expect(0);
    assert_eq!(shop.indexes(), "users_slowly|t");
}
