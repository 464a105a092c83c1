//! nginx under load and in trouble: no request fails while nodes come, change and leave, and what goes wrong is told and put back.

mod tls;

use std::ops::Deref;
use std::time::Duration;

use crate::kit::{Bench, Client, Folder, Load, Nginx, Run, Wrk, eventually};

const POOL: &str = "upstream web {
    server [n1] weight=10;
    server [n2] weight=10; # evenkeel: n2
    server [n3] weight=10;
    keepalive 16;
}
";

struct Pool {
    bench: Bench,
    balancer: Nginx,
}

impl Deref for Pool {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Pool {
    fn start() -> Self {
        Self::with(POOL)
    }

    fn with(pool: &str) -> Self {
        let bench = Bench::start();
        let balancer = Nginx::start(pool, &bench.known());
        Self { bench, balancer }
    }

    /// A policy of these resources; `[name]` stands for the address of a node.
    fn policy(&self, settings: &str, resources: &str) {
        self.wants(&format!("{}drain_timeout = \"5s\"\n{settings}\n{resources}", self.balancer.target()));
    }

    #[track_caller]
    fn holds(&self, expected: &str) {
        assert_eq!(self.balancer.config(), self.addressed(expected));
    }
}

#[test]
fn no_request_fails_while_nodes_come_change_and_leave() {
    let pool = Pool::start();
    let clients = [Client::Retrying, Client::Retrying, Client::Retrying, Client::Single, Client::Single];
    let load = Load::start(pool.balancer.port(), &clients);
    let raw = Load::start(pool.balancer.port(), &[Client::KeepAlive, Client::KeepAlive]);
    let many = Wrk::single(&format!("http://127.0.0.1:{}/", pool.balancer.port()), 100);
    pool.policy("", "[nginx.web.node.n4]\naddress = \"[n4]\"\nweight = 10\n");
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[3].1.served() > 0), "n4 takes requests");
    let n1 = "[nginx.web.node.n1]\naddress = \"[n1]\"\nweight = 40\n";
    pool.policy("", &format!("{n1}[nginx.web.node.n2]\naddress = \"[n5]\"\n"));
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[4].1.served() > 0), "n5 takes requests");
    pool.policy(
        "",
        "[nginx.web.balance]\nalgorithm = \"least-connections\"\n[nginx.web.health]\nunhealthy_threshold = 3\n",
    );
    pool.apply(&[]);
    pool.policy("", "[nginx.web.node.\"[n3]\"]\nabsent = true\n[nginx.web.node.n1]\nabsent = true\n");
    pool.apply(&["removes-capacity"]);
    assert!(many.end().none_failed() > 2_000, "hardly a load");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(good > 500, "{good} requests are hardly a load");
    assert_eq!(pool.balancer.reloads(), 5, "one for each apply, and two where nodes leave");
    // Whoever does not try again meets the race that every plan tells: a request on a connection that is being closed.
    let (fine, torn) = raw.stop();
    assert!(fine > 200 && torn.len() <= 2 * 5, "at most one for each connection and reload: {torn:?} of {fine}");
    assert!(torn.iter().all(|error| !error.contains("status")), "{torn:?}");
    pool.holds(
        "upstream web {\n    least_conn;\n    server [n5] weight=10 max_fails=3; # evenkeel: n2\n    server [n4] weight=10 max_fails=3; # evenkeel: n4\n    keepalive 16;\n}\n",
    );
}

#[test]
fn a_node_that_never_answers_changes_nothing() {
    let pool = Pool::start();
    pool.sick("n4");
    let before = (pool.balancer.config(), pool.balancer.workers());
    pool.policy(
        "health_timeout = \"1s\"\n",
        "[nginx.web.node.n4]\naddress = \"[n4]\"\n[nginx.web.node.n2]\nweight = 3\n",
    );
    pool.run(&["plan"]).code(0).says("ask n4 at").says("for GET /health, 1s at most");
    pool.run(&["apply", "--yes"]).code(1).says("`n4`: GET /health is answered with 503").says("nothing was changed");
    assert_eq!((pool.balancer.config(), pool.balancer.workers()), before);
    assert_eq!(pool.nodes[3].1.served(), 0, "it never took a request");
}

#[test]
fn a_node_that_does_not_answer_keeps_another_from_leaving() {
    let pool = Pool::start();
    pool.policy("min_healthy = 2\n", "[nginx.web.node.n2]\nabsent = true\n");
    pool.run(&["plan"]).code(0).says("removes-capacity  1 of 3 nodes, 2 healthy stay");
    pool.sick("n1");
    let output = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    output.says("below-minimum").says("1 of 2 nodes healthy, `min_healthy` is 2");
    assert_eq!(pool.balancer.reloads(), 0);
    pool.holds(POOL);
}

#[test]
fn a_backend_that_dies_during_an_apply_keeps_another_from_leaving() {
    let pool = Pool::start();
    pool.sick("n4");
    // n4 is waited for while n1 dies.
    pool.policy(
        "min_healthy = 3\nhealth_timeout = \"20s\"\n",
        "[nginx.web.node.n4]\naddress = \"[n4]\"\n[nginx.web.node.n2]\nstate = \"maintenance\"\n",
    );
    let run = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).start();
    let lock = pool.balancer.folder().file("conf.d/.web.conf.evenkeel-lock");
    assert!(eventually(Duration::from_secs(10), || lock.exists()), "it is at work");
    pool.sick("n1");
    pool.well("n4");
    let output = run.wait();
    assert!(matches!(output.code, Some(1 | 4 | 6)), "{output}");
    assert!(output.both().contains("healthy"), "{output}");
    pool.holds(POOL);
}

#[test]
fn the_last_node_is_not_removed_by_a_policy_alone() {
    let pool = Pool::start();
    pool.policy("min_healthy = 0\n", "[nginx.web.node.n2]\nabsent = true\n[nginx.web.node.\"[n1]\"]\nabsent = true\n[nginx.web.node.\"[n3]\"]\nabsent = true\n");
    let output = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    output.says("empties-pool").says("allow-empty");
    pool.holds(POOL);
}

#[test]
fn a_reload_that_cannot_bind_gives_the_file_back() {
    let pool = Pool::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    pool.balancer.edit("nginx.conf", "    server {\n", &format!("    server {{\n        listen 127.0.0.1:{port};\n"));
    let workers = pool.balancer.workers();
    pool.policy("", "[nginx.web.balance]\nalgorithm = \"least-connections\"\n");
    let output = pool.run(&["apply", "--yes"]).code(1);
    output.says("the file is as it was and the old workers serve").says("Address already in use");
    pool.holds(POOL);
    assert_eq!(pool.balancer.workers(), workers);
    let load = Load::start(pool.balancer.port(), &[Client::Single]);
    std::thread::sleep(Duration::from_millis(200));
    let (good, bad) = load.stop();
    assert!(good > 0 && bad.is_empty(), "{good} {bad:?}");
    drop(taken);
    pool.apply(&[]);
}

#[test]
fn a_configuration_that_nginx_refuses_is_never_live() {
    let pool = Pool::start();
    pool.balancer.edit("nginx.conf", "    access_log off;\n", "    access_log off;\n    nonsense here;\n");
    let before = (pool.balancer.files(), pool.balancer.workers());
    pool.policy("", "[nginx.web.node.n2]\nweight = 3\n");
    pool.run(&["apply", "--yes"]).code(1).says("nginx does not accept the configuration").says("nonsense");
    assert_eq!((pool.balancer.files(), pool.balancer.workers()), before);
    assert_eq!(pool.balancer.reloads(), 0, "nobody told it to read anything");
}

#[test]
fn killed_between_writing_and_reloading_the_next_apply_reloads() {
    let pool = Pool::start();
    pool.sick("n4");
    pool.policy(
        "",
        "[nginx.web.balance]\nalgorithm = \"least-connections\"\n[nginx.web.node.n4]\naddress = \"[n4]\"\n",
    );
    let run = pool.run(&["apply", "--yes"]).start();
    let lock = pool.balancer.folder().file("conf.d/.web.conf.evenkeel-lock");
    assert!(eventually(Duration::from_secs(10), || lock.exists()), "it is at work");
    run.signal("KILL");
    run.wait();
    pool.holds(POOL);
    pool.well("n4");
    // As a run leaves it that was killed behind the write: the file, and the marker of these workers.
    let workers = pool.balancer.workers();
    let born = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)?.parse::<u64>().ok()).expect("a time")
    };
    let master = pool.balancer.folder().read("nginx.pid").trim().to_owned();
    let oldest = workers.iter().map(|pid| born(*pid)).min().expect("a worker");
    let process = format!("{master}@{}, workers since {oldest}", born(master.parse().expect("a number")));
    let marker = format!("{{\"process\":\"{process}\",\"resting\":[],\"unread\":true}}");
    pool.balancer.folder().write("conf.d/.web.conf.evenkeel-unfinished", &marker);
    let line = pool.addressed("    server [n3] weight=10;\n    server [n4]; # evenkeel: n4\n");
    pool.balancer.edit("conf.d/web.conf", &pool.addressed("    server [n3] weight=10;\n"), &line);
    pool.balancer.edit("conf.d/web.conf", "upstream web {\n", "upstream web {\n    least_conn;\n");
    let written = pool.balancer.config();
    pool.run(&["plan", "--detailed-exitcode"]).code(2).says("nginx has not read it");
    pool.apply(&[]);
    assert_eq!((pool.balancer.config(), pool.balancer.reloads()), (written, 1));
    assert!(!pool.balancer.folder().file("conf.d/.web.conf.evenkeel-unfinished").exists(), "nothing is unfinished");
}

#[test]
fn a_file_edited_between_plan_and_apply_keeps_the_edit() {
    let pool = Pool::start();
    pool.sick("n4");
    pool.policy("", "[nginx.web.node.n4]\naddress = \"[n4]\"\n");
    let run = pool.run(&["apply", "--yes"]).start();
    let lock = pool.balancer.folder().file("conf.d/.web.conf.evenkeel-lock");
    assert!(eventually(Duration::from_secs(10), || lock.exists()), "it is at work");
    std::thread::sleep(Duration::from_millis(300));
    pool.balancer.edit("conf.d/web.conf", "}\n", "} # Somebody was here.\n");
    pool.well("n4");
    run.wait().expect(1).says("was changed by somebody else");
    assert!(pool.balancer.config().contains("# Somebody was here.") && !pool.balancer.config().contains("n4"));
    assert_eq!(pool.balancer.reloads(), 0);
    pool.apply(&[]);
    assert!(pool.balancer.config().contains("# Somebody was here.") && pool.balancer.config().contains("evenkeel: n4"));
}

#[test]
fn a_pid_file_that_is_left_over_makes_the_plan_incomplete() {
    let mut pool = Pool::start();
    pool.policy("", "[nginx.web.node.n2]\nweight = 3\n");
    pool.balancer.kill();
    pool.run(&["plan"]).code(3).says("is no nginx master");
    let me = std::process::id().to_string();
    pool.balancer.folder().write("nginx.pid", &me);
    pool.run(&["apply", "--yes"]).code(3).says("is no nginx master");
    pool.holds(POOL);
}

#[test]
fn what_nginx_cannot_have_is_told_at_its_key() {
    let pool = Pool::with(&POOL.replace("[n3] weight=10", "[n3] backup"));
    pool.policy("", "[nginx.web.node.n2]\nstate = \"drain\"\n[nginx.web.balance]\nalgorithm = \"ip-hash\"\n");
    pool.run(&["plan"])
        .code(64)
        .says("nginx 1.22.1 has no drained servers (from 1.29.6 on)")
        .says("`backup`")
        .says("web.toml");
    pool.policy(
        "",
        "[nginx.web.health]\npath = \"/health\"\ninterval = \"5s\"\n[nginx.web.reuse]\nkeepalive_interval = \"1s\"\n",
    );
    pool.run(&["check"])
        .code(64)
        .says("nginx has no active health checks")
        .says("nginx has no interval of health checks")
        .says("nginx has no interval of its own");
    pool.policy("", "[nginx.web.node.n2]\nweight = 0\n[nginx.web.balance]\nabsent = true\n");
    pool.run(&["check"]).code(64).says("no weight of 0").says("cannot be absent");
}

#[test]
fn connections_are_kept_by_the_worker_and_the_sum_is_shown() {
    let pool = Pool::start();
    pool.policy("", "[nginx.web.reuse]\nmax_connections = 50\nidle_connections = 12\nidle_timeout = \"30s\"\n");
    pool.run(&["plan"])
        .code(0)
        .says("keepalive 18 = ceil(12 for each node × 3 nodes / 2 workers)")
        .says("limits-connections");
    pool.apply(&[]);
    pool.policy("", "[nginx.web.reuse]\nidle_connections = 12\n[nginx.web.node.n4]\naddress = \"[n4]\"\n");
    pool.run(&["plan"]).code(0).says("keepalive 24 = ceil(12 for each node × 4 nodes / 2 workers)");
    pool.apply(&[]);
    pool.holds(
        "upstream web {\n    server [n1] weight=10 max_conns=50;\n    server [n2] weight=10 max_conns=50; # evenkeel: n2\n    \
         server [n3] weight=10 max_conns=50;\n    server [n4] max_conns=50; # evenkeel: n4\n    keepalive 24;\n    keepalive_timeout 30s;\n}\n",
    );
}

#[test]
fn without_a_running_nginx_the_file_alone_is_managed() {
    let folder = Folder::new();
    let before = "upstream web{server 10.0.0.1:80;server 10.0.0.2:80 weight=2;}server{listen 80;location /{proxy_pass http://web;}}";
    folder.write("web.conf", before);
    let target = "[nginx.web]\nconfig = \"web.conf\"\nupstream = \"web\"\n";
    folder.write("policies/web.toml", &format!("{target}[nginx.web.node.a]\naddress = \"10.0.0.1:80\"\nweight = 5\n[nginx.web.node.b]\naddress = \"10.0.0.3:80\"\n"));
    let run = |args: &[&str]| Run::new(&folder).args(args);
    run(&["plan"]).code(0).says("no running nginx is told").says("nobody checks the file").says("waits-for-reload");
    run(&["apply", "--yes"]).code(0);
    let after = "upstream web{server 10.0.0.1:80 weight=5; # evenkeel: a\nserver 10.0.0.2:80 weight=2; server 10.0.0.3:80; # evenkeel: b\n}server{listen 80;location /{proxy_pass http://web;}}";
    assert_eq!(folder.read("web.conf"), after);
    run(&["plan", "--detailed-exitcode"]).code(0);
    folder.write("policies/web.toml", &format!("{target}[nginx.web.node.b]\nabsent = true\n"));
    run(&["plan"]).code(0).says("removes-capacity  1 of 3 nodes, 2 ready stay");
    run(&["apply", "--yes", "--allow", "removes-capacity"]).code(0);
    assert_eq!(folder.read("web.conf"), before.replace("10.0.0.1:80;", "10.0.0.1:80 weight=5; # evenkeel: a\n"));
}
