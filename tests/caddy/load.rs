//! Caddy under load: what fails while nodes come, move and leave, with the kernel's help and without it.

use std::time::Duration;

use super::Pool;
use crate::kit::{Client, Load, Network, eventually, in_a_network_that};

/// Everything that one pool goes through; how many writes that takes.
fn changes(pool: &Pool) -> usize {
    let file = pool.balancer.file();
    pool.policy(&file, "[caddy.web.node.n4]\naddress = \"[n4]\"\n");
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[3].1.served() > 0), "n4 takes requests");
    pool.policy(&file, "[caddy.web.balance]\nalgorithm = \"round-robin\"\n[caddy.web.health]\ninterval = \"300ms\"\n");
    pool.apply(&[]);
    pool.policy(&file, "[caddy.web.node.n2]\naddress = \"[n5]\"\n");
    pool.apply(&[]);
    assert!(eventually(Duration::from_secs(10), || pool.nodes[4].1.served() > 0), "n5 takes requests");
    pool.policy(&file, "[caddy.web.node.n1]\nabsent = true\n[caddy.web.node.n3]\nabsent = true\n");
    pool.apply(&["removes-capacity"]);
    assert_eq!(pool.names(), "n5 n4");
    4
}

#[test]
fn no_request_fails_while_nodes_come_change_and_leave() {
    let name = "caddy::load::no_request_fails_while_nodes_come_change_and_leave";
    let network = in_a_network_that("ipv4/tcp_migrate_req", "1", name);
    if network == Network::Passed {
        return;
    }
    let pool = Pool::start();
    pool.policy("", "[caddy.web.balance]\nalgorithm = \"ip-hash\"\n");
    let said = if network == Network::Inside { "tcp_migrate_req is 1 on this host" } else { "tcp_migrate_req" };
    pool.run(&["plan"]).code(0).says(said);
    let clients = [Client::Single, Client::Single, Client::Single, Client::Retrying, Client::Retrying];
    let load = Load::start(pool.balancer.port(), &clients);
    let raw = [Client::KeepAlive, Client::KeepAlive];
    let kept = Load::start(pool.balancer.port(), &raw);
    let writes = changes(&pool);
    let ((good, bad), (raw_good, raw_bad)) = (load.stop(), kept.stop());
    eprintln!("{good} good {} bad {bad:?}; kept {raw_good} {raw_bad:?}", bad.len());
}
