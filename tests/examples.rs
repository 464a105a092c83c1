//! What users copy is run: the policies and the examples, from an empty system to a plan with nothing left to do.

use std::fs;
use std::path::Path;

use crate::kit::{Folder, Run, Sqlite};

/// Copies the files of a folder of the project into the test's own.
fn copy(from: &str, folder: &Folder, to: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
    for entry in fs::read_dir(&root).expect("the project can be listed") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let to = format!("{to}/{name}");
        if path.is_file() {
            folder.write(&to, &fs::read_to_string(&path).expect("a text"));
        }
    }
}

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a file of the project")
}

#[test]
fn the_sqlite_example_goes_as_it_says() {
    let folder = Folder::new();
    copy("examples/sqlite-shop/policies", &folder, "policies");
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql(&text("examples/sqlite-shop/schema.sql"));
    Run::new(&folder).args(["plan", "-o", "plan.json"]).code(0).says("Plan: 2 to create");
    Run::new(&folder).args(["apply", "--plan", "plan.json"]).code(0).says("Applied: 2 done");
    Run::new(&folder).args(["plan"]).code(0).says("No changes. The live state matches the policy.");
    database.sql("drop index orders_by_customer");
    Run::new(&folder).args(["drift"]).code(2).says("index.orders_by_customer");
}

#[test]
fn the_sqlite_policy_is_planned() {
    let folder = Folder::new();
    folder.write("policies/sqlite.toml", &text("policies/sqlite.toml"));
    Sqlite::at(folder.file("shop.db")).sql(&text("examples/sqlite-shop/schema.sql"));
    Run::new(&folder).args(["apply", "--yes"]).code(0).says("Applied: 1 done");
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

/// Enough rows for an index to be worth it, and statistics that say so.
#[cfg(feature = "postgres")]
const ROWS: &str = "
insert into users (tenant_id, email) select n % 50, 'user' || n || '@example.com' from generate_series(1, 20000) n;
insert into orders (customer_id, state, total) select 1 + n % 20000, 'shipped', n from generate_series(1, 20000) n;
analyze";

#[cfg(feature = "postgres")]
#[test]
fn the_postgres_example_goes_as_it_says() {
    let server = crate::kit::Postgres::start();
    server.sql(&(text("examples/postgres-shop/schema.sql") + ROWS));
    let folder = Folder::new();
    copy("examples/postgres-shop/policies", &folder, "policies");
    copy("examples/postgres-shop/policies/env", &folder, "policies/env");
    let run = |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", server.url());
    run(&["check", "policies"]).code(0);
    run(&["plan", "policies", "--env", "production", "-o", "plan.json", "--emit", "markdown=comment.md"])
        .code(0)
        .says("Plan: 2 to create");
    assert!(folder.read("comment.md").starts_with("<!-- evenkeel:v1"));
    run(&["apply", "policies", "--env", "production", "--plan", "plan.json"]).code(0).says("Applied: 2 done");
    run(&["drift", "policies", "--env", "production"]).code(0).says("No drift");
}

#[cfg(feature = "postgres")]
#[test]
fn the_postgres_policy_is_planned() {
    let server = crate::kit::Postgres::start();
    server.sql(&(text("examples/postgres-shop/schema.sql") + ROWS));
    server.sql("create role app login");
    let folder = Folder::new();
    folder.write("policies/postgres.toml", &text("policies/postgres.toml"));
    let run = |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", server.url());
    run(&["apply", "--yes"]).code(0);
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

#[cfg(all(feature = "postgres", feature = "redis"))]
#[test]
fn the_invalidation_example_goes_as_it_says() {
    let (server, cache) = (crate::kit::Postgres::start(), crate::kit::Redis::start());
    server.sql(&(text("examples/postgres-shop/schema.sql") + ROWS));
    let folder = Folder::new();
    copy("examples/cache-invalidation/policies", &folder, "policies");
    let run =
        |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", server.url()).env("REDIS_URL", cache.url());
    run(&["plan", "policies"]).code(0).says("Plan: 3 to create").says("adds-trigger");
    run(&["apply", "policies", "--yes"]).code(0).says("Applied: 3 done");
    for key in ["user:7", "user:8", "tenant:7:users:1", "report:customer:1"] {
        cache.run(&["set", key, "1"]);
    }
    server.sql("update users set tenant_id = 8 where id = 7; update orders set total = 0 where customer_id = 1");
    run(&["invalidate", "policies"]).code(0).says("1 row left");
    assert_eq!(cache.run(&["exists", "user:7", "tenant:7:users:1"]), "0");
    assert_eq!(cache.run(&["exists", "user:8", "report:customer:1"]), "2");
    assert_ne!(cache.run(&["ttl", "report:customer:1"]), "-1");
    // The unit names arguments that there are.
    let unit = text("examples/cache-invalidation/evenkeel-serve.service");
    let line =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/evenkeel ")).expect("a command");
    let args = line.replace("/etc/evenkeel/policies", "policies").replace("9464", &crate::kit::free_port().to_string());
    let service = run(&args.split(' ').collect::<Vec<_>>()).start();
    std::thread::sleep(std::time::Duration::from_secs(3));
    service.signal("TERM");
    service.wait().expect(0).says("listening on").says("0 rows left");
}

#[cfg(feature = "http")]
#[test]
fn the_caddy_example_goes_as_it_says() {
    use crate::kit::{Backend, Caddy};

    let folder = Folder::new();
    copy("examples/caddy-pool/policies", &folder, "policies");
    let nodes = [1, 2, 3].map(|n| Backend::start(&format!("app-{n}"), folder.file("sick")));
    let pool = r#""health_checks": {"active": {"uri": "/health", "interval": "2s"}},
"upstreams": [{"@id": "web.app-1", "dial": "[1]"}, {"@id": "web.app-2", "dial": "[2]"}]
"#;
    let balancer = Caddy::start(pool, &[("1", &nodes[0]), ("2", &nodes[1])]);
    let policy = text("examples/caddy-pool/policies/pool.toml");
    let head = policy.lines().find(|line| line.starts_with("admin")).expect("an admin endpoint");
    let admin = balancer.target();
    let admin = admin.lines().find(|line| line.starts_with("admin")).expect("an admin endpoint");
    let policy = policy.replace(head, admin).replace("127.0.0.1:3003", &nodes[2].address());
    let policy = policy.replace("config = \"caddy.json\"\n", &balancer.file());
    folder.write("policies/pool.toml", &policy);
    Run::new(&folder)
        .args(["plan", "-o", "plan.json"])
        .code(0)
        .says("1 to create, 1 to update, 0 to replace, 1 to delete");
    Run::new(&folder).args(["apply", "--plan", "plan.json", "--allow", "removes-capacity"]).code(0);
    Run::new(&folder).args(["plan"]).code(0).says("No changes");
    let example: serde_json::Value = serde_json::from_str(&text("examples/caddy-pool/caddy.json")).expect("it is JSON");
    assert_eq!(example.pointer("/apps/http/servers/web/routes/0/handle/0/@id"), Some(&"lb_web".into()));
}

#[cfg(feature = "http")]
#[test]
fn the_caddy_policy_is_planned() {
    use crate::kit::{Backend, Caddy};

    let folder = Folder::new();
    let node = Backend::start("old", folder.file("sick"));
    let balancer = Caddy::start("\"upstreams\": [{\"dial\": \"[n]\"}]\n", &[("n", &node)]);
    let admin = balancer.target();
    let admin = admin.lines().find(|line| line.starts_with("admin")).expect("an admin endpoint");
    let file = balancer.file();
    let replace = |line: &str| match line.split(' ').next() {
        Some("admin") => admin.to_owned(),
        Some("config") => file.clone(),
        _ => line.to_owned(),
    };
    let policy = text("policies/caddy.toml").lines().map(|line| replace(line) + "\n").collect::<String>();
    folder.write("policies/caddy.toml", &policy);
    Run::new(&folder).args(["plan"]).code(0).says("2 to create, 3 to update").says("192.168.1.10:3000");
}

#[test]
fn all_policies_together_are_a_policy_in_every_environment() {
    let folder = Folder::new();
    copy("policies", &folder, "policies");
    copy("policies/env", &folder, "policies/env");
    for env in ["production", "development"] {
        Run::new(&folder).args(["check", "policies", "--env", env]).code(0);
    }
}
