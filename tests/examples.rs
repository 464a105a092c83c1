//! What users copy is run: the policies and the examples, from an empty system to a plan with nothing left to do.

use std::fs;
use std::path::Path;

use crate::kit::{Backend, Certificate, Folder, Haproxy, Run, Sqlite, free_port, haproxy_binary, seen};

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

#[cfg(all(feature = "postgres", feature = "redis"))]
#[test]
fn the_redis_example_goes_as_it_says() {
    let (server, cache) = (crate::kit::Postgres::start(), crate::kit::Redis::start());
    server.sql(&text("examples/redis-cache/schema.sql"));
    let folder = Folder::new();
    copy("examples/redis-cache/policies", &folder, "policies");
    cache.run(&["set", "session:forgotten", "somebody"]);
    cache.run(&["set", "page:v1:home", "hello", "ex", "60"]);
    let run =
        |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", server.url()).env("REDIS_URL", cache.url());
    run(&["plan"]).code(0).says("cold 1 000").says("expires-keys  1 key without an expiry get");
    run(&["apply", "--yes"]).code(6).says("--allow expires-keys");
    run(&["apply", "--yes", "--allow", "expires-keys", "--allow", "loosens-policy"]).code(0);
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    // The one that is bought most, as the database has it.
    let best = server.sql("select id from products order by sold desc, id limit 1");
    assert!(cache.run(&["get", &format!("product:{best}")]).contains("\"price\":"));
    let seconds = |key: &str| cache.run(&["ttl", key]).parse::<u32>().expect("a key that expires");
    assert!((77_000..=86_400).contains(&seconds("session:forgotten")) && seconds("page:v1:home") > 3_000);
    let policy = text("examples/redis-cache/policies/cache.toml");
    folder.write("policies/cache.toml", &policy.replace("token = \"\"", "token = \"release-41\""));
    run(&["apply", "--yes"]).code(6).says("--allow cools-cache");
    run(&["apply", "--yes", "--allow", "cools-cache"]).code(0);
    assert_eq!(cache.run(&["exists", "page:v1:home", "session:forgotten"]), "1");
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

#[cfg(all(feature = "postgres", feature = "redis"))]
#[test]
fn the_redis_policy_is_planned() {
    let (server, cache) = (crate::kit::Postgres::start(), crate::kit::Redis::start());
    server.sql(&text("examples/redis-cache/schema.sql"));
    cache.each(100, "redis.call('set', 'fragment:v1:' .. i, 'x'); redis.call('set', 'session:' .. i, 'x')");
    let folder = Folder::new();
    // The cache alone, and the database that it asks.
    folder.write("policies/redis.toml", &text("policies/redis.toml"));
    folder.write("policies/shop.toml", "[postgres.shop]\nurl = { env = \"DATABASE_URL\" }\n");
    let run =
        |args: &[&str]| Run::new(&folder).args(args).env("DATABASE_URL", server.url()).env("REDIS_URL", cache.url());
    run(&["apply", "--yes", "--allow", "expires-keys", "--allow", "cools-cache", "--allow", "loosens-policy"])
        .code(0)
        .says("Applied: ");
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    assert_eq!(cache.run(&["exists", "product:976", "session:7"]), "2");
    assert_eq!(cache.run(&["config", "get", "maxmemory"]), "maxmemory\n2147483648");
}

/// The example's HAProxy, with nodes, and what exchanges the example's addresses for theirs.
fn pool() -> (Haproxy, Vec<Backend>, impl Fn(&str) -> String) {
    let sick = Folder::new().file("nobody-is");
    let nodes: Vec<_> = ["blue", "green", "violet"].map(|name| Backend::start(name, sick.clone())).into();
    let places: Vec<_> = nodes.iter().map(Backend::address).collect();
    let ported = move |text: &str| {
        let ports = ["127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"];
        ports.iter().zip(&places).fold(text.to_owned(), |text, (port, place)| text.replace(port, place))
    };
    let config = ported(&text("examples/haproxy-pool/haproxy.cfg"));
    let balancer = Haproxy::of(|_, port| config.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}")));
    (balancer, nodes, ported)
}

#[test]
fn the_haproxy_example_goes_as_it_says() {
    let (balancer, nodes, ported) = pool();
    let policy = ported(&text("examples/haproxy-pool/policies/web.toml"));
    let policy = policy.replace("backend =", &format!("binary = \"{}\"\nbackend =", haproxy_binary()));
    let folder = balancer.folder();
    folder.write("policies/web.toml", &policy);
    let run = |args: &[&str]| Run::new(folder).args(args);
    run(&["plan", "-o", "plan.json"]).code(0).says("Plan: 1 to create, 3 to update").says("(reload");
    run(&["apply", "--plan", "plan.json"]).code(0).says("Applied: 3 done");
    run(&["plan"]).code(0).says("No changes.");
    assert!(
        balancer
            .config()
            .contains(&format!("    server blue  {} weight 30   # the first machine\n", nodes[0].address()))
    );
    balancer.ask("set server web/green state drain");
    run(&["plan"]).code(0).says("`green` is drained by somebody's hand");
    balancer.ask("set server web/blue weight 5");
    run(&["drift"]).code(2).says("node.blue");
    folder.write("policies/web.toml", &policy.replace("weight = 30", "absent = true"));
    run(&["apply", "--yes"]).code(6).says("--allow removes-capacity");
}

#[test]
fn the_haproxy_policy_is_planned() {
    let (balancer, _nodes, _) = pool();
    let folder = balancer.folder();
    let (port, place) = (free_port(), folder.write("site.pem", &Certificate::new(&["example.com"]).bundle()));
    let bind = format!("frontend www\n    bind 127.0.0.1:{port} ssl crt {}\n", place.display());
    balancer.edit("frontend www\n", &bind);
    balancer.reload();
    let policy = text("policies/haproxy.toml").replace("/run/haproxy/", "").replace("/run/haproxy-", "");
    let (new, policy) = certified(folder, &policy);
    let policy =
        policy.replace("/etc/haproxy/haproxy.cfg\"", &format!("haproxy.cfg\"\nbinary = \"{}\"", haproxy_binary()));
    folder.write("policies/haproxy.toml", &policy);
    let run = |args: &[&str]| Run::new(folder).args(args).env("HAPROXY_COOKIE_KEY", "a-key-by-chance");
    run(&["apply", "--yes"]).code(0).says("Applied: ").hides("a-key-by-chance");
    run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
    assert!(new.is(seen(port, &[]).as_ref()));
}

/// A policy with a certificate of this folder in the place of its own.
fn certified(folder: &Folder, policy: &str) -> (Certificate, String) {
    let new = Certificate::new(&["example.com"]);
    let (pem, key) = (folder.write("new.crt", &new.pem), folder.write("new.key", &new.key));
    let policy = policy.replace("/etc/ssl/certs/example.com.crt", &pem.display().to_string());
    (new, policy.replace("/etc/ssl/private/example.com.key", &key.display().to_string()))
}

#[cfg(feature = "http")]
#[test]
fn the_caddy_example_goes_as_it_says() {
    use crate::kit::{Backend, Caddy, Certificate, Extra};

    let folder = Folder::new();
    copy("examples/caddy-pool/policies", &folder, "policies");
    let (old, new) = (Certificate::new(&["shop.example"]), Certificate::new(&["shop.example"]));
    for (name, certificate) in [("old", &old), ("new", &new)] {
        folder.write(&format!("{name}.crt"), &certificate.pem);
        folder.write(&format!("{name}.key"), &certificate.key);
    }
    let nodes = [1, 2, 3].map(|n| Backend::start(&format!("app-{n}"), folder.file("sick")));
    let pool = r#""health_checks": {"active": {"uri": "/health", "interval": "2s"}},
"upstreams": [{"@id": "web.app-1", "dial": "[1]"}, {"@id": "web.app-2", "dial": "[2]"}]
"#;
    let example: serde_json::Value = serde_json::from_str(&text("examples/caddy-pool/caddy.json")).expect("it is JSON");
    let part = |pointer: &str| example.pointer(pointer).expect("a part").to_string();
    let place = folder.path().display().to_string();
    let server = format!("\"tls_connection_policies\": {}, ", part("/apps/http/servers/web/tls_connection_policies"));
    let apps = format!("\"tls\": {},\n    ", part("/apps/tls").replace("/tmp/caddy-pool", &place));
    let extra = Extra { server: &server, apps: &apps, ..Extra::default() };
    let balancer = Caddy::with(&extra, pool, &[("1", &nodes[0]), ("2", &nodes[1])]);
    let policy = text("examples/caddy-pool/policies/pool.toml").replace("/tmp/caddy-pool", &place);
    let head = policy.lines().find(|line| line.starts_with("admin")).expect("an admin endpoint");
    let admin = balancer.target();
    let admin = admin.lines().find(|line| line.starts_with("admin")).expect("an admin endpoint");
    let policy = policy.replace(head, admin).replace("127.0.0.1:3003", &nodes[2].address());
    let policy = policy.replace("config = \"caddy.json\"\n", &balancer.file());
    folder.write("policies/pool.toml", &policy);
    Run::new(&folder)
        .args(["plan", "-o", "plan.json"])
        .code(0)
        .says("1 to create, 2 to update, 0 to replace, 1 to delete");
    Run::new(&folder).args(["apply", "--plan", "plan.json", "--allow", "removes-capacity"]).code(0);
    Run::new(&folder).args(["plan"]).code(0).says("No changes");
    assert!(new.is(crate::kit::seen(balancer.port(), &[]).as_ref()), "the new certificate is served");
    assert_eq!(example.pointer("/apps/http/servers/web/routes/0/handle/0/@id"), Some(&"lb_web".into()));
}

#[cfg(feature = "http")]
#[test]
fn the_caddy_policy_is_planned() {
    use crate::kit::{Backend, Caddy, Certificate, Extra};

    let folder = Folder::new();
    let node = Backend::start("old", folder.file("sick"));
    let server = r#""tls_connection_policies": [{"protocol_min": "tls1.3"}],"#;
    let extra = Extra { server, ..Extra::default() };
    let balancer = Caddy::with(&extra, "\"upstreams\": [{\"dial\": \"[n]\"}]\n", &[("n", &node)]);
    let certificate = Certificate::new(&["example.com"]);
    let (pem, key) = (folder.write("example.crt", &certificate.pem), folder.write("example.key", &certificate.key));
    let admin = balancer.target();
    let admin = admin.lines().find(|line| line.starts_with("admin")).expect("an admin endpoint");
    let file = balancer.file();
    let replace = |line: &str| match line.split(' ').next() {
        Some("admin") => admin.to_owned(),
        Some("config") => file.clone(),
        _ => line.to_owned(),
    };
    let policy = text("policies/caddy.toml").lines().map(|line| replace(line) + "\n").collect::<String>();
    let policy = policy.replace("/etc/ssl/certs/example.com.crt", &pem.display().to_string());
    let policy = policy.replace("/etc/ssl/private/example.com.key", &key.display().to_string());
    folder.write("policies/caddy.toml", &policy);
    Run::new(&folder)
        .args(["plan"])
        .code(0)
        .says("2 to create, 4 to update")
        .says("192.168.1.10:3000")
        .says("--allow listener");
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

#[test]
fn the_nginx_example_goes_as_it_says() {
    let folder = Folder::new();
    copy("examples/nginx-pool/policies", &folder, "policies");
    let before = text("examples/nginx-pool/web.conf");
    folder.write("web.conf", &before);
    Run::new(&folder).args(["plan"]).code(0).says("+ `server 10.0.0.3:3000; # evenkeel: server-3`");
    Run::new(&folder).args(["apply", "--yes"]).code(0);
    let expected = before
        .replace("upstream web {\n", "upstream web {\n    least_conn;\n")
        .replace(
            "10.0.0.1:3000;            # the old machine",
            "10.0.0.1:3000 weight=3;            # the old machine # evenkeel: server-1",
        )
        .replace("weight=2;\n", "weight=2;\n    server 10.0.0.3:3000; # evenkeel: server-3\n");
    assert_eq!(folder.read("web.conf"), expected);
    folder.write(
        "policies/web.toml",
        "[nginx.web]\nconfig = \"web.conf\"\nupstream = \"web\"\n[nginx.web.node.server-3]\nabsent = true\n",
    );
    Run::new(&folder).args(["apply", "--yes", "--allow", "removes-capacity"]).code(0);
    assert!(!folder.read("web.conf").contains("10.0.0.3"));
}

#[test]
fn the_nginx_policy_is_planned() {
    use crate::kit::{Backend, Nginx, nginx_binary};
    let folder = Folder::new();
    let nodes = ["server-1", "server-2"].map(|name| (name, Backend::start(name, folder.file(name))));
    let known: Vec<_> = nodes.iter().map(|(name, node)| (*name, node)).collect();
    let (port, old) = (free_port(), Certificate::new(&["example.com"]));
    let (pem, key) = (folder.write("old.crt", &old.pem), folder.write("old.key", &old.key));
    let (pem, key) = (pem.display(), key.display());
    let tls = format!("    listen 127.0.0.1:{port} ssl;\n    ssl_certificate {pem};\n    ssl_certificate_key {key};\n");
    let block = format!("server {{\n{tls}    location / {{ proxy_pass http://web; }}\n}}\n");
    let balancer = Nginx::start(&format!("upstream web {{\n    server [server-1];\n}}\n{block}"), &known);
    let place = balancer.folder().path().display().to_string();
    let policy = text("policies/nginx.toml")
        .replace("/etc/nginx", &place)
        .replace("/run/nginx.pid\"", &format!("{place}/nginx.pid\"\nbinary = \"{}\"", nginx_binary()))
        .replace("192.168.1.10:3000", &nodes[0].1.address())
        .replace("192.168.1.11:3000", &nodes[1].1.address());
    let (new, policy) = certified(&folder, &policy);
    folder.write("policies/nginx.toml", &policy);
    Run::new(&folder).args(["apply", "--yes", "--allow", "listener"]).code(0).says("add node server-2");
    assert!(new.is(seen(port, &[]).as_ref()));
    Run::new(&folder).args(["plan", "--detailed-exitcode"]).code(0).says("No changes");
    assert!(balancer.config().contains("keepalive 10;"), "{}", balancer.config());
}
