//! Caddy under load: no request fails while nodes come, move and leave where the kernel hands waiting connections over; where it does not,
//! only what waits is reset, as the plan says. What a client keeps open may be closed under its hands, once for each write. Nodes are checked
//! seldom: a check that a reload calls off counts as failed to Caddy, and what its old configuration has in hand is answered 503, as the plan says, too.

use std::time::Duration;

use super::Pool;
use crate::kit::{Client, Load, Network, Wrk, eventually, in_a_network_that};

/// Everything that one pool goes through, in four writes.
fn changes(pool: &Pool) {
    let file = pool.balancer.file();
    pool.policy(&file, "[caddy.web.node.n4]\naddress = \"[n4]\"\n");
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[3].1.served() > 0), "n4 takes requests");
    pool.policy(&file, "[caddy.web.balance]\nalgorithm = \"round-robin\"\n[caddy.web.health]\ninterval = \"10s\"\n");
    pool.apply(&[]);
    pool.policy(&file, "[caddy.web.node.n2]\naddress = \"[n5]\"\n");
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[4].1.served() > 0), "n5 takes requests");
    pool.policy(&file, "[caddy.web.node.n1]\nabsent = true\n[caddy.web.node.n3]\nabsent = true\n");
    pool.apply(&["removes-capacity"]);
    assert_eq!(pool.names(), "n5 n4");
}

/// Broken by the other side, as a connection is that was closed while a request was on its way.
fn broken(why: &str) -> bool {
    ["reset by peer", "unexpected end of file", "Broken pipe"].iter().any(|known| why.contains(known))
}

#[test]
fn no_request_fails_while_nodes_come_change_and_leave() {
    let name = "caddy::load::no_request_fails_while_nodes_come_change_and_leave";
    let network = in_a_network_that("ipv4/tcp_migrate_req", "1", name);
    if network == Network::Passed {
        return;
    }
    let pool = Pool::start();
    let clients = [Client::Single, Client::Single, Client::Single, Client::Retrying, Client::Retrying];
    let load = Load::start(pool.balancer.port(), &clients);
    let kept = Load::start(pool.balancer.port(), &[Client::KeepAlive, Client::KeepAlive]);
    if network == Network::Inside {
        pool.policy(&pool.balancer.file(), "[caddy.web.node.n4]\naddress = \"[n4]\"\n");
        pool.run(&["plan"]).code(0).says("net.ipv4.tcp_migrate_req is 1 on this host");
        let many = Wrk::single(&format!("http://127.0.0.1:{}/", pool.balancer.port()), 4);
        changes(&pool);
        assert!(many.none_failed() > 1000);
    } else {
        changes(&pool);
    }
    let ((good, bad), (kept_good, kept_bad)) = (load.stop(), kept.stop());
    assert!(good > 300 && kept_good > 100, "{good} and {kept_good} requests are hardly a load");
    if network == Network::Inside {
        assert_eq!(bad, [""; 0], "of {good}");
    } else {
        assert!(bad.len() <= 40 && bad.iter().all(|why| why.contains("reset by peer")), "of {good}: {bad:?}");
    }
    // Two connections, four writes.
    assert!(kept_bad.len() <= 8 && kept_bad.iter().all(|why| broken(why)), "of {kept_good}: {kept_bad:?}");
}

#[test]
fn without_the_kernels_help_only_what_waits_is_reset_and_the_plan_says_so() {
    let name = "caddy::load::without_the_kernels_help_only_what_waits_is_reset_and_the_plan_says_so";
    if in_a_network_that("ipv4/tcp_migrate_req", "0", name) == Network::Passed {
        return;
    }
    let pool = Pool::start();
    pool.policy(&pool.balancer.file(), "[caddy.web.node.n4]\naddress = \"[n4]\"\n");
    pool.run(&["plan"])
        .code(0)
        .says("reloads-balancer")
        .says("may see one failed request for each of them")
        .says("net.ipv4.tcp_migrate_req is 0 on this host")
        .says("`sysctl -w net.ipv4.tcp_migrate_req=1`")
        .says("may be answered 503; the longer `interval` is, the rarer");
    let load = Load::start(pool.balancer.port(), &[Client::Single, Client::Single, Client::Retrying]);
    changes(&pool);
    let (good, bad) = load.stop();
    assert!(good > 200, "{good} requests are hardly a load");
    assert!(bad.len() <= 40 && bad.iter().all(|why| why.contains("reset by peer")), "of {good}: {bad:?}");
}
