//! HAProxy under load and in trouble: no request fails while nodes come, change and leave, and what goes wrong is told and put back.

mod corpus;
mod file;
mod sticky;
mod tls;

use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::kit::{Bench, Certificate, Client, Folder, Haproxy, Load, Wrk, eventually, free_port, seen};

const POOL: &str = "    balance roundrobin
    option httpchk GET /health
    timeout check 5s
    default-server inter 200ms rise 1 fall 2 check
    server n1 [n1] weight 10
    server n2 [n2] weight 10
    server n3 [n3] weight 10
";

struct Pool {
    bench: Bench,
    balancer: Haproxy,
}

impl Deref for Pool {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Pool {
    fn start() -> Self {
        Self::with("", POOL)
    }

    fn with(frontend: &str, pool: &str) -> Self {
        let bench = Bench::start();
        let balancer = Haproxy::with_frontend(frontend, pool, &bench.known());
        let serving = |server: &String| server.starts_with("n1 ");
        assert!(eventually(Duration::from_secs(10), || balancer.servers().iter().any(serving)));
        Self { bench, balancer }
    }

    /// A policy of these resources; `[name]` stands for the address of a node.
    fn policy(&self, settings: &str, resources: &str) {
        self.wants(&format!("{}{settings}\n{resources}", self.balancer.target()));
    }

    fn is_down(&self, name: &str) -> bool {
        let start = format!("web,{name},");
        self.balancer.ask("show stat web 4 -1").lines().any(|line| line.starts_with(&start) && line.contains(",DOWN"))
    }

    /// The names of the servers that run, in order.
    fn names(&self) -> String {
        let names = self.balancer.servers();
        names.iter().filter_map(|server| server.split(' ').next()).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn no_request_fails_while_nodes_come_change_and_leave_and_it_reloads() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example"]));
    let (served, secure) = (Folder::new(), free_port());
    let place = served.write("site.pem", &old.bundle());
    let pool = Pool::with(&format!("    bind 127.0.0.1:{secure} ssl crt {}\n", place.display()), POOL);
    let clients = [Client::KeepAlive, Client::KeepAlive, Client::KeepAlive, Client::Single, Client::Single];
    let load = Load::start(pool.balancer.port(), &clients);
    let crowds = [format!("http://127.0.0.1:{}/", pool.balancer.port()), format!("https://127.0.0.1:{secure}/")];
    let crowds = crowds.map(|url| Wrk::paced(&url, 100));
    pool.policy("", "[haproxy.web.node.n4]\naddress = \"[n4]\"\nweight = 10\n");
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[3].1.served() > 0), "n4 takes requests");
    pool.policy("", "[haproxy.web.node.n1]\nweight = 40\n[haproxy.web.node.n2]\naddress = \"[n5]\"\n");
    pool.apply(&["removes-capacity"]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[4].1.served() > 0), "n5 takes requests");
    pool.policy("", "[haproxy.web.node.n3]\nstate = \"drain\"\n");
    pool.apply(&["removes-capacity"]);
    let (pem, key) = (pool.folder.write("new.crt", &new.pem), pool.folder.write("new.key", &new.key));
    let files = format!("certificate = \"{}\"\nkey = \"{}\"\n", pem.display(), key.display());
    pool.policy("", &format!("[haproxy.web.tls]\n{files}"));
    pool.apply(&[]);
    assert!(new.is(seen(secure, &[]).as_ref()));
    pool.policy(
        "",
        "[haproxy.web.balance]\nalgorithm = \"least-connections\"\n[haproxy.web.health]\ninterval = \"300ms\"\n",
    );
    pool.apply(&[]);
    pool.policy("", "[haproxy.web.node.n3]\nabsent = true\n[haproxy.web.node.n1]\nabsent = true\n");
    pool.apply(&["removes-capacity"]);
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
    assert!(good > 500, "{good} requests are hardly a load");
    for crowd in crowds {
        let good = crowd.end().none_failed();
        assert!(good > 1000, "{good} requests are hardly a crowd");
    }
    assert_eq!(pool.names(), "n2 n4");
    assert!(new.is(seen(secure, &[]).as_ref()), "also after the reload");
    let reloads = pool.balancer.master("show proc");
    assert!(reloads.contains("[failed: 0]"), "{reloads}");
}

#[test]
fn a_node_that_never_gets_healthy_is_taken_out_again() {
    let pool = Pool::start();
    pool.sick("n4");
    let before = (pool.balancer.config(), pool.names());
    pool.policy("health_timeout = \"1s\"\n", "[haproxy.web.node.n4]\naddress = \"[n4]\"\n");
    pool.run(&["apply", "--yes"]).code(1).says("`n4` was taken out again").says("not healthy within 1s");
    assert_eq!((pool.balancer.config(), pool.names()), before);
    assert_eq!(pool.nodes[3].1.served(), 0, "it never took a request");
}

#[test]
fn a_node_that_is_not_healthy_at_its_new_address_goes_back() {
    let pool = Pool::start();
    pool.sick("n5");
    let before = (pool.balancer.config(), pool.balancer.servers());
    pool.policy("health_timeout = \"1s\"\n", "[haproxy.web.node.n2]\naddress = \"[n5]\"\n");
    let output = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(1);
    output.says("`n2` is back at");
    assert_eq!((pool.balancer.config(), pool.balancer.servers()), before);
    assert_eq!(pool.nodes[4].1.served(), 0, "the sick one never took a request");
}

#[test]
fn a_node_that_is_not_healthy_is_not_taken_back() {
    let pool = Pool::start();
    pool.balancer.ask("set server web/n2 state drain");
    pool.sick("n2");
    pool.policy("health_timeout = \"1s\"\n", "[haproxy.web.node.n2]\nstate = \"ready\"\n");
    let output = pool.run(&["apply", "--yes", "--allow", "readmits-node"]).code(1);
    output.says("`n2` stays drained").says("not healthy within 1s");
    assert!(pool.balancer.servers()[1].contains("admin 8"), "{:?}", pool.balancer.servers());
    pool.well("n2");
    pool.apply(&["readmits-node"]);
    assert!(pool.balancer.servers()[1].contains("admin 0"), "{:?}", pool.balancer.servers());
}

#[test]
fn a_backend_that_died_since_the_plan_keeps_a_node_from_leaving() {
    let pool = Pool::start();
    pool.policy("min_healthy = 2\n", "[haproxy.web.node.n3]\nabsent = true\n");
    pool.run(&["plan"]).code(0).says("removes-capacity  1 of 3 nodes, 2 healthy stay");
    pool.sick("n1");
    assert!(eventually(Duration::from_secs(10), || pool.is_down("n1")), "n1 goes down");
    let output = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    output.says("below-minimum").says("1 of 2 nodes healthy, `min_healthy` is 2");
    assert_eq!(pool.names(), "n1 n2 n3");
}

#[test]
fn a_backend_that_dies_during_an_apply_keeps_another_from_leaving() {
    let pool = Pool::start();
    pool.sick("n4");
    // n4 is waited for while n1 dies.
    pool.policy(
        "min_healthy = 3\n",
        "[haproxy.web.node.n4]\naddress = \"[n4]\"\n[haproxy.web.node.n2]\nabsent = true\n",
    );
    let load = Load::start(pool.balancer.port(), &[Client::KeepAlive, Client::Single]);
    let run = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).start();
    assert!(eventually(Duration::from_secs(10), || pool.names() == "n1 n2 n3 n4"), "{}", pool.names());
    pool.sick("n1");
    assert!(eventually(Duration::from_secs(10), || pool.is_down("n1")), "n1 goes down");
    pool.well("n4");
    let output = run.wait().expect(7).says("Applied in part: 1 done, 1 failed");
    output.says("without `n2` only 2 nodes of `web` would be healthy, not 3; nothing was done");
    assert_eq!(pool.names(), "n1 n2 n3 n4", "n4 came and n2 stays");
    assert!(pool.balancer.servers()[1].contains("admin 0"), "and serves: {:?}", pool.balancer.servers());
    pool.well("n1");
    assert!(eventually(Duration::from_secs(10), || !pool.is_down("n1")), "n1 comes up");
    pool.apply(&["removes-capacity"]);
    assert_eq!(pool.names(), "n1 n3 n4");
    let (good, bad) = load.stop();
    assert!(good > 0 && bad.is_empty(), "{good} {bad:?}");
}

#[test]
fn the_last_node_is_not_removed_by_a_policy_alone() {
    let pool = Pool::start();
    let gone = "[haproxy.web.node.n1]\nabsent = true\n[haproxy.web.node.n2]\nabsent = true\n[haproxy.web.node.n3]\nabsent = true\n";
    pool.policy("min_healthy = 0\n", gone);
    let output = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    output.says("empties-pool").says("allow-empty");
    assert_eq!(pool.names(), "n1 n2 n3");
}

#[test]
fn what_somebody_drained_by_hand_is_told_and_left() {
    let pool = Pool::start();
    pool.balancer.ask("set server web/n2 state drain");
    pool.policy("", "[haproxy.web.node.n2]\nweight = 20\n[haproxy.web.health]\nunhealthy_threshold = 5\n");
    pool.run(&["plan"]).code(0).says("`n2` is drained by somebody's hand");
    pool.apply(&[]);
    let state = pool.balancer.servers();
    assert!(state[1].contains("admin 8 weight 20"), "also over the reload: {state:?}");
    pool.policy("", "[haproxy.web.node.n2]\nstate = \"ready\"\n");
    pool.run(&["apply", "--yes"]).code(6).says("readmits-node");
    pool.apply(&["readmits-node"]);
    let state = pool.balancer.servers();
    assert!(state[1].contains("admin 0 weight 20"), "{state:?}");
}

#[test]
fn a_port_that_somebody_else_has_is_found_before_anything_is_touched() {
    let pool = Pool::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    pool.balancer.edit("frontend fe\n", &format!("frontend fe\n    bind 127.0.0.1:{port}\n"));
    let before = (pool.balancer.config(), pool.balancer.master("show proc").lines().count());
    pool.policy("", "[haproxy.web.balance]\nalgorithm = \"least-connections\"\n");
    let load = Load::start(pool.balancer.port(), &[Client::Single, Client::KeepAlive]);
    pool.run(&["apply", "--yes"])
        .code(1)
        .says(&format!("port {port} is taken by another process"))
        .says("nothing was done");
    let (good, bad) = load.stop();
    assert!(good > 0 && bad.is_empty(), "{good} {bad:?}");
    assert_eq!((pool.balancer.config(), pool.balancer.master("show proc").lines().count()), before);
}

#[test]
fn a_reload_that_cannot_bind_leaves_the_file_and_the_old_worker() {
    let pool = Pool::start();
    pool.balancer.edit("frontend fe\n", "frontend fe\n    bind unix@/nonexistent/fe.sock\n");
    let before = pool.balancer.config();
    pool.policy("", "[haproxy.web.balance]\nalgorithm = \"least-connections\"\n");
    let output = pool.run(&["apply", "--yes"]).code(1);
    output.says("the file is as it was and the old worker serves");
    assert_eq!(pool.balancer.config(), before);
    let load = Load::start(pool.balancer.port(), &[Client::Single]);
    std::thread::sleep(Duration::from_millis(200));
    let (good, bad) = load.stop();
    assert!(good > 0 && bad.is_empty(), "{good} {bad:?}");
}

#[test]
fn killed_while_a_node_moves_the_next_apply_brings_it_back() {
    let pool = Pool::start();
    pool.sick("n5");
    pool.policy("", "[haproxy.web.node.n2]\naddress = \"[n5]\"\n");
    let run = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).start();
    let at_n5 = format!("n2 {} admin 8", pool.nodes[4].1.address());
    let moving = || pool.balancer.servers().iter().any(|server| server.starts_with(&at_n5));
    assert!(eventually(Duration::from_secs(10), moving), "{:?}", pool.balancer.servers());
    run.signal("KILL");
    run.wait();
    pool.well("n5");
    pool.run(&["plan"]).code(0).says("`n2` is out of service since a run that was cut short");
    pool.apply(&["removes-capacity"]);
    let state = pool.balancer.servers();
    assert!(state[1].contains("admin 0"), "{state:?}");
    assert!(pool.balancer.config().contains(&format!("server n2 {} weight 10\n", pool.nodes[4].1.address())));
}

#[test]
fn killed_while_a_node_comes_the_next_apply_admits_it() {
    let pool = Pool::start();
    pool.sick("n4");
    pool.policy("", "[haproxy.web.node.n4]\naddress = \"[n4]\"\nweight = 10\n");
    let run = pool.run(&["apply", "--yes"]).start();
    assert!(eventually(Duration::from_secs(10), || pool.names() == "n1 n2 n3 n4"), "{}", pool.names());
    run.signal("KILL");
    run.wait();
    assert_eq!(pool.nodes[3].1.served(), 0, "it takes no request before it is known to be well");
    pool.well("n4");
    pool.apply(&[]);
    assert!(pool.balancer.servers()[3].contains("admin 0 weight 10"), "{:?}", pool.balancer.servers());
}

#[test]
fn killed_between_writing_and_reloading_the_next_apply_reloads() {
    let pool = Pool::start();
    let about = pool.balancer.ask("show info");
    let about = |key: &str| about.lines().find_map(|line| line.strip_prefix(key)).expect("a line").trim().to_owned();
    // As a run leaves it: the marker of this worker, and the file that it has not read.
    let process = format!("{}@{}", about("Pid:"), about("Start_time_sec:"));
    let marker = format!("{{\"process\":\"{process}\",\"resting\":[],\"unread\":true}}");
    pool.balancer.folder().write(".haproxy.cfg.evenkeel-unfinished", &marker);
    pool.balancer.edit("backend web\n    balance roundrobin", "backend web\n    balance leastconn");
    pool.policy("", "[haproxy.web.balance]\nalgorithm = \"least-connections\"\n");
    pool.run(&["plan", "--detailed-exitcode"]).code(2).says("haproxy has not read it");
    pool.apply(&[]);
    assert!(pool.balancer.ask("show stat web 2 -1").contains("leastconn"), "it runs");
    assert!(!pool.balancer.folder().file(".haproxy.cfg.evenkeel-unfinished").exists(), "nothing is unfinished");
}

#[test]
fn a_file_edited_between_plan_and_apply_keeps_the_edit() {
    let pool = Pool::start();
    pool.sick("n4");
    pool.policy("", "[haproxy.web.node.n4]\naddress = \"[n4]\"\n");
    let run = pool.run(&["apply", "--yes"]).start();
    assert!(eventually(Duration::from_secs(10), || pool.names() == "n1 n2 n3 n4"), "{}", pool.names());
    pool.balancer.edit("# The end.", "# Somebody was here.");
    pool.well("n4");
    run.wait().expect(1).says("was changed by somebody else");
    assert!(pool.balancer.config().contains("# Somebody was here.") && !pool.balancer.config().contains("server n4"));
    pool.apply(&[]);
    assert!(pool.balancer.config().contains("# Somebody was here.") && pool.balancer.config().contains("server n4"));
}

#[test]
fn a_configuration_that_haproxy_refuses_is_not_written() {
    let pool = Pool::start();
    pool.balancer.edit("# The end.\n", "# The end.\nnonsense here\n");
    let before = (pool.balancer.config(), pool.balancer.servers());
    pool.policy("", "[haproxy.web.node.n1]\nweight = 3\n");
    pool.run(&["apply", "--yes"]).code(1).says("haproxy does not accept the configuration").says("nonsense");
    assert_eq!((pool.balancer.config(), pool.balancer.servers()), before);
}

#[test]
fn a_socket_that_nobody_listens_on_makes_the_plan_incomplete() {
    let pool = Pool::start();
    let target = pool.balancer.target().replace("admin.sock", "stale.sock");
    drop(std::os::unix::net::UnixListener::bind(pool.balancer.folder().file("stale.sock")).expect("a socket"));
    pool.folder.write("policies/web.toml", &format!("{target}[haproxy.web.node.n1]\nweight = 3\n"));
    pool.run(&["plan"]).code(3).says("cannot open the socket");
    let target = pool.balancer.target().replace("admin.sock", "user.sock");
    pool.folder.write("policies/web.toml", &format!("{target}[haproxy.web.node.n1]\nweight = 3\n"));
    pool.run(&["plan"]).code(3).says("level operator");
}

#[test]
fn what_haproxy_cannot_have_is_told_at_its_key() {
    let pool = Pool::with("", &POOL.replace("balance roundrobin", "balance static-rr"));
    pool.policy("", "[haproxy.web.node.n4]\naddress = \"[n4]\"\n[haproxy.web.node.n1]\nweight = 3\n");
    pool.run(&["plan"]).code(64).says("fixed while haproxy runs").says("web.toml");
    let pool = Pool::start();
    pool.policy("", "[haproxy.web.node.n4]\naddress = \"app.internal:80\"\n");
    pool.run(&["plan"]).code(64).says("does not look up `app.internal:80`");
    pool.policy("", "[haproxy.web.node.n1]\nweight = 300\n");
    pool.run(&["check"]).code(64).says("from 0 to 256");
    pool.policy("", "[haproxy.web.health]\nabsent = true\n");
    pool.run(&["check"]).code(64).says("cannot be absent");
}

#[test]
fn a_thousand_nodes_are_planned_and_weighted_in_seconds() {
    let mut text = "    balance roundrobin\n".to_owned();
    let mut policy = String::new();
    let port = free_port();
    for n in 0..1000 {
        text += &format!("    server n{n} 127.0.0.1:{port} weight 10\n");
        policy += &format!("[haproxy.web.node.n{n}]\nweight = 20\n");
    }
    let pool = Pool::with("", &text);
    pool.policy("[haproxy.web.guards]\nmax_update_percent = 100\n", &policy);
    let start = Instant::now();
    pool.run(&["plan", "--detailed-exitcode"]).code(2);
    let planned = start.elapsed();
    pool.run(&["apply", "--yes"]).code(0);
    let applied = start.elapsed().checked_sub(planned).expect("time goes on");
    assert_eq!(pool.balancer.servers().iter().filter(|server| server.ends_with("weight 20")).count(), 1000);
    // A build without optimization, beside other tests: the bounds are for what grows with the square.
    assert!(planned < Duration::from_secs(10), "planning took {planned:?}");
    assert!(applied < Duration::from_secs(20), "applying took {applied:?}");
}

#[test]
fn limits_of_the_policy_hold_against_live_health() {
    let pool = Pool::start();
    pool.policy("max_unavailable = 0\n", "[haproxy.web.node.n3]\nabsent = true\n");
    pool.run(&["plan"]).code(0).says("removes-capacity").hides("below-minimum");
    pool.sick("n1");
    let down = || {
        pool.balancer
            .ask("show stat web 4 -1")
            .lines()
            .any(|line| line.starts_with("web,n1,") && line.contains(",DOWN,"))
    };
    assert!(eventually(Duration::from_secs(10), down), "n1 goes down");
    let refused = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    refused.says("below-minimum").says("1 of 2 nodes healthy, 1 would be out, `max_unavailable` is 0");
    let two = "[haproxy.web.guards]\nmin_existing = 3\nmax_delete_percent = 40\n\
               [haproxy.web.node.n1]\nabsent = true\n[haproxy.web.node.n2]\nabsent = true\n";
    pool.policy("", two);
    let refused = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    refused.says("max-delete-percent").says("2 of 3 would be deleted, 66% is over 40%");
    assert_eq!(pool.names(), "n1 n2 n3");
}
