//! Caddy in trouble: what goes wrong is told while the old configuration serves on.

mod load;
mod lost;
mod tls;

use std::ops::Deref;
use std::time::Duration;

use crate::kit::{Bench, Caddy, Extra};

const POOL: &str = r#"          "health_checks": {"active": {"uri": "/health", "interval": "20s"}},
          "upstreams": [{"@id": "web.n1", "dial": "[n1]"}, {"@id": "web.n2", "dial": "[n2]"}, {"@id": "web.n3", "dial": "[n3]"}]
"#;

struct Pool {
    bench: Bench,
    balancer: Caddy,
}

impl Deref for Pool {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Pool {
    fn start() -> Self {
        Self::with(&Extra::default())
    }

    fn with(extra: &Extra<'_>) -> Self {
        let bench = Bench::start();
        let balancer = Caddy::with(extra, POOL, &bench.known());
        Self { bench, balancer }
    }

    /// A policy of these resources; `[name]` stands for the address of a node.
    fn policy(&self, settings: &str, resources: &str) {
        self.wants(&format!("{}{settings}\n{resources}", self.balancer.target()));
    }

    /// The addresses of the running nodes, by name.
    fn names(&self) -> String {
        let upstreams = self.balancer.handler("/upstreams");
        let dials = upstreams.as_array().expect("a list").iter().map(|node| node["dial"].as_str().expect("an address"));
        let name =
            |dial: &str| self.nodes.iter().find(|(_, node)| node.address() == dial).map_or("?", |(name, _)| name);
        dials.map(name).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn the_tag_is_read_from_the_trailer_and_would_be_computed_alike() {
    let pool = Pool::start();
    let answer = pool.balancer.ask("GET", "/id/lb_web", "");
    assert!(
        answer.contains("Trailer: ETag")
            && answer.contains("\nEtag: \"/config/apps/http/servers/web/routes/0/handle/0 "),
        "{answer}"
    );
    // By path and by id, each is one write.
    pool.policy("", "[caddy.web.balance]\nalgorithm = \"ip-hash\"\n");
    pool.apply(&[]);
    let text = pool.folder.read("policies/web.toml");
    let text = text.replace("lb_web", "apps/http/servers/web/routes/0/handle/0").replace("ip-hash", "round-robin");
    pool.folder.write("policies/web.toml", &text);
    pool.apply(&[]);
    assert_eq!(pool.balancer.handler("/load_balancing/selection_policy")["policy"], "round_robin");
}

#[test]
fn a_node_that_never_gets_healthy_is_never_written() {
    let pool = Pool::start();
    pool.sick("n4");
    let before = (pool.balancer.config(), pool.names());
    pool.policy(
        &format!("health_timeout = \"1s\"\n{}", pool.balancer.file()),
        "[caddy.web.node.n4]\naddress = \"[n4]\"\n",
    );
    pool.run(&["plan"]).code(0).says("is healthy, 1s at most");
    pool.run(&["apply", "--yes"]).code(1).says("not healthy within 1s").says("503").says("nothing was written");
    assert_eq!((pool.balancer.config(), pool.names()), before);
    assert_eq!(pool.nodes[3].1.served(), 0, "it never took a request");
}

#[test]
fn a_backend_that_died_keeps_a_node_from_leaving() {
    let pool = Pool::start();
    pool.policy("min_healthy = 2\n", "[caddy.web.node.n3]\nabsent = true\n");
    pool.run(&["plan"]).code(0).says("removes-capacity  1 of 3 nodes, 2 healthy stay");
    pool.sick("n1");
    let output = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    output.says("below-minimum").says("1 of 2 nodes healthy, `min_healthy` is 2");
    pool.policy(
        "min_healthy = 0\n",
        "[caddy.web.node.n1]\nabsent = true\n[caddy.web.node.n2]\nabsent = true\n[caddy.web.node.n3]\nabsent = true\n",
    );
    pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6).says("empties-pool").says("allow-empty");
    assert_eq!(pool.names(), "n1 n2 n3");
}

#[test]
fn a_backend_that_dies_while_a_run_waits_keeps_the_others() {
    let pool = Pool::start();
    pool.sick("n4");
    pool.policy("min_healthy = 3\n", "[caddy.web.node.n3]\nabsent = true\n[caddy.web.node.n4]\naddress = \"[n4]\"\n");
    let run = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).start();
    std::thread::sleep(Duration::from_secs(1));
    pool.sick("n1");
    pool.well("n4");
    run.wait().expect(1).says("2 of 3 nodes would be healthy, 3 are needed; nothing was written");
    assert_eq!(pool.names(), "n1 n2 n3");
}

#[test]
fn what_somebody_changed_meanwhile_is_not_overwritten() {
    let pool = Pool::start();
    pool.sick("n4");
    pool.policy(&pool.balancer.file(), "[caddy.web.node.n4]\naddress = \"[n4]\"\n");
    let run = pool.run(&["apply", "--yes"]).start();
    std::thread::sleep(Duration::from_secs(1));
    pool.balancer.ask("PUT", "/id/lb_web/buffer_requests", "true");
    pool.well("n4");
    run.wait().expect(1).says("the handler was changed by somebody else since it was read; nothing was written");
    assert_eq!((pool.names().as_str(), &pool.balancer.handler("/buffer_requests")), ("n1 n2 n3", &true.into()));
    pool.sick("n4");
    let run = pool.run(&["apply", "--yes"]).start();
    std::thread::sleep(Duration::from_secs(1));
    pool.balancer.edit("\"5s\"", "\"6s\"");
    pool.well("n4");
    run.wait().expect(1).says("was changed by somebody else");
    pool.apply(&[]);
    assert!(pool.balancer.config().contains("\"grace_period\":   \"6s\"") && pool.balancer.config().contains("web.n4"));
}

#[test]
fn what_caddy_refuses_leaves_the_old_configuration() {
    let pool = Pool::start();
    let before = (pool.balancer.handler(""), pool.balancer.config());
    pool.policy(
        &format!("version = \"2.8.4\"\n{}", pool.balancer.file()),
        "[caddy.web.health]\nunhealthy_threshold = 3\n",
    );
    let output = pool.run(&["apply", "--yes"]).code(1);
    output.says("caddy does not accept the configuration").says("fails").says("the old one serves on");
    assert_eq!((pool.balancer.handler(""), pool.balancer.config()), before);
}

#[test]
fn only_what_is_meant_changes_in_the_file() {
    let pool = Pool::start();
    let before = pool.balancer.config();
    let line = |text: &str, n: usize| text.replace(&pool.nodes[n].1.address(), "x");
    pool.policy(&pool.balancer.file(), "[caddy.web.node.n2]\naddress = \"[n5]\"\n");
    pool.apply(&[]);
    assert_eq!(line(&pool.balancer.config(), 4), line(&before, 1));
    pool.policy(&pool.balancer.file(), "[caddy.web.node.n2]\naddress = \"[n2]\"\n");
    pool.apply(&[]);
    assert_eq!(pool.balancer.config(), before);
}

#[test]
fn the_plan_says_what_a_restart_would_lose() {
    let pool = Pool::start();
    pool.policy("", "[caddy.web.balance]\nalgorithm = \"round-robin\"\n");
    let output =
        pool.run(&["plan"]).code(0).says("started without `--resume`").says("`/debug/vars`").says("reloads-balancer");
    output.says("tcp_migrate_req").says("neither overwrites the other");
    pool.policy(&pool.balancer.file(), "[caddy.web.balance]\nalgorithm = \"round-robin\"\n");
    pool.run(&["plan"]).code(0).hides("--resume");
    let resuming = Pool::with(&Extra { arguments: &["--resume"], ..Extra::default() });
    resuming.policy("", "[caddy.web.balance]\nalgorithm = \"round-robin\"\n");
    resuming.run(&["plan"]).code(0).hides("started without");
    resuming.apply(&[]);
    let saved = resuming.balancer.folder().read("caddy/autosave.json");
    assert!(saved.contains("\"policy\":\"round_robin\""), "{saved}");
}

#[test]
fn a_cookie_binds_clients_and_keeps_its_secret() {
    let pool = Pool::start();
    pool.policy(&pool.balancer.file(), "[caddy.web.sticky]\ncookie = \"shop\"\n");
    pool.apply(&[]);
    let answer = std::process::Command::new("curl")
        .args(["-s", "-i", &format!("http://127.0.0.1:{}/", pool.balancer.port())])
        .output();
    let answer = String::from_utf8(answer.expect("curl runs").stdout).expect("a text");
    assert!(answer.contains("Set-Cookie: shop="), "{answer}");
    pool.balancer.ask("PUT", "/id/lb_web/load_balancing/selection_policy/secret", "\"planted-cookie-pw\"");
    pool.policy("", "[caddy.web.sticky]\ncookie = \"other\"\n");
    pool.run(&["plan"]).code(0).says("moves-clients").hides("planted-cookie-pw");
    pool.run(&["--log", "trace", "apply", "--yes"]).code(0).hides("planted-cookie-pw");
    pool.run(&["export", "caddy.web"]).code(0).says("cookie = \"other\"").hides("planted-cookie-pw");
    let policy = pool.balancer.handler("/load_balancing/selection_policy");
    assert_eq!(policy, serde_json::json!({ "policy": "cookie", "name": "other", "secret": "planted-cookie-pw" }));
    pool.policy("", "[caddy.web.balance]\nalgorithm = \"random\"\n");
    pool.apply(&[]);
}

#[test]
fn killed_between_caddy_and_its_file_the_next_apply_writes_the_file() {
    let pool = Pool::start();
    // As a killed run leaves it: what runs is as wanted, and the file is not.
    pool.balancer.set("/health_checks/active/interval", "\"300ms\"");
    pool.policy(&pool.balancer.file(), "[caddy.web.health]\ninterval = \"300ms\"\n");
    pool.run(&["plan", "--detailed-exitcode"]).code(2).says("20s").says("differ");
    pool.apply(&[]);
    assert!(pool.balancer.config().contains("\"interval\": \"300ms\""), "{}", pool.balancer.config());
}

#[test]
fn what_caddy_cannot_have_is_told_at_its_key() {
    let pool = Pool::start();
    let check = |resources: &str, verb: &str, says: &str| {
        pool.policy("", resources);
        pool.run(&[verb]).code(64).says(says).says("web.toml");
    };
    check("[caddy.web.node.n1]\nstate = \"drain\"\n", "check", "caddy has no drained nodes");
    check("[caddy.web.health]\nabsent = true\n", "check", "cannot be absent");
    check("[caddy.web.health]\nenabled = false\npath = \"/health\"\n", "check", "keeps nothing of checks that are off");
    check(
        "[caddy.web.node.a]\naddress = \"[n4]\"\n[caddy.web.node.b]\naddress = \"[n4]\"\n",
        "check",
        "is the address of `a`, too",
    );
    check("[caddy.web.node.n1]\nweight = 3\n", "plan", "caddy 2.6 has no weights (from 2.7 on)");
    check("[caddy.web.health]\nhealthy_threshold = 3\n", "plan", "has no thresholds of checks (from 2.8 on)");
    check("[caddy.web.balance]\nalgorithm = \"weighted\"\n", "plan", "has no weights");
    check("[caddy.web.sticky]\ncookie = \"id\"\nttl = \"1h\"\n", "plan", "has no age of cookies (from 2.10 on)");
    check("[caddy.web.sticky]\nabsent = true\n", "check", "choose an `algorithm`");
    check(
        "[caddy.web.sticky]\ncookie = \"id\"\n[caddy.web.balance]\nalgorithm = \"random\"\n",
        "check",
        "there can be no other",
    );
    check("[caddy.web.node.n4]\n", "plan", "a new node needs an address");
    check("[caddy.web.node.other]\naddress = \"[n1]\"\n", "plan", "is the address of the node with the `@id` web.n1");
    let text = pool.folder.read("policies/web.toml").replace("lb_web", "lb_other");
    pool.folder.write("policies/web.toml", &text);
    pool.run(&["plan"]).code(3).says("has no handler at `/id/lb_other`");
    assert!(pool.balancer.pid() > 0);
}
