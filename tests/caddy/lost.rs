//! What goes wrong on the way: an answer that is lost, an endpoint that is a socket, limits that a policy sets.

use std::time::Duration;

use super::Pool;
use crate::kit::{Admin, Certificate, Cut, Extra, Wire, seen};

const CHANGE: &str = "[caddy.web.balance]\nalgorithm = \"round-robin\"\n";

/// A pool that is reached by a wire, with a policy that would change it.
fn wired(cut: Cut) -> (Pool, Wire) {
    let pool = Pool::start();
    let wire = Wire::to(pool.balancer.admin_port(), cut);
    pool.policy(&pool.balancer.file(), CHANGE);
    over(&pool, &wire);
    (pool, wire)
}

/// Has the policy reach the pool by a wire.
pub fn over(pool: &Pool, wire: &Wire) {
    let port = |port: u16| format!("127.0.0.1:{port}\"");
    let text = pool.folder.read("policies/web.toml");
    pool.folder.write("policies/web.toml", &text.replace(&port(pool.balancer.admin_port()), &port(wire.port())));
}

fn policy(pool: &Pool) -> String {
    pool.balancer.handler("")["load_balancing"]["selection_policy"]["policy"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn an_answer_that_is_lost_is_found_by_reading_back() {
    let (pool, wire) = wired(Cut::Answer);
    pool.run(&["apply", "--yes"]).code(0).says("Applied");
    assert_eq!((policy(&pool).as_str(), wire.writes()), ("round_robin", 1));
    assert!(pool.balancer.config().contains("round_robin"), "and the file follows");
    pool.run(&["plan", "--detailed-exitcode"]).code(0).says("No changes");
}

#[test]
fn a_write_that_nobody_knows_of_is_in_doubt() {
    let before = Pool::start().balancer.config();
    let (pool, _wire) = wired(Cut::All);
    let output = pool.run(&["apply", "--yes"]).code(7).says("in doubt").says("nobody knows whether it was done");
    output.says("`evenkeel plan` reads what is there now");
    assert_eq!(policy(&pool), "round_robin", "it was done");
    assert_eq!(pool.balancer.config().len(), before.len(), "the file waits for somebody who knows");
    pool.policy(&pool.balancer.file(), CHANGE);
    pool.apply(&[]);
    assert!(pool.balancer.config().contains("round_robin"));

    let (pool, wire) = wired(Cut::Write);
    pool.run(&["apply", "--yes"]).code(7).says("in doubt").says("nobody knows whether it was done");
    assert_eq!((policy(&pool).as_str(), wire.writes()), ("none", 1), "it was not, and was not sent again");
    pool.apply(&[]);
    assert_eq!(policy(&pool), "round_robin");
}

#[test]
fn a_tag_that_is_lost_is_computed_for_each_part() {
    let (old, new) = (Certificate::new(&["a.example"]), Certificate::new(&["a.example"]));
    let files = crate::kit::Folder::new();
    let path = |name: &str, text: &str| files.write(name, text).display().to_string();
    let (pem, key) = (path("old.crt", &old.pem), path("old.key", &old.key));
    let apps = format!(
        "\"tls\": {{\"certificates\": {{\"load_files\": [{{\"certificate\": \"{pem}\", \"key\": \"{key}\"}}]}}}},\n    "
    );
    let server = "\"tls_connection_policies\": [{}],";
    let pool = Pool::with(&Extra { server, apps: &apps, ..Extra::default() });
    let wire = Wire::to(pool.balancer.admin_port(), Cut::Tag);
    let (pem, key) = (path("new.crt", &new.pem), path("new.key", &new.key));
    let parts = [
        (CHANGE.to_owned(), "PATCH /id/lb_web "),
        ("[caddy.web.tls]\nprotocols = [\"TLSv1.3\"]\n".into(), "PATCH /config/apps/http/servers/web "),
        (format!("[caddy.web.tls]\ncertificate = \"{pem}\"\nkey = \"{key}\"\n"), "PATCH /config/apps "),
    ];
    for (n, (resources, said)) in parts.iter().enumerate() {
        pool.policy("", resources);
        over(&pool, &wire);
        pool.run(&["plan"]).code(0).says(said).says("cannot be asked for it");
        pool.apply(&["listener"]);
        assert_eq!(wire.writes(), n as u64 + 1, "one write, and it was taken");
    }
    assert!(new.is(seen(pool.balancer.port(), &["-servername", "a.example"]).as_ref()));
}

#[test]
fn an_admin_endpoint_may_be_a_socket() {
    let pool = Pool::with(&Extra { admin: Admin::Socket, ..Extra::default() });
    pool.policy(&pool.balancer.file(), &format!("{CHANGE}[caddy.web.node.n4]\naddress = \"[n4]\"\n"));
    pool.run(&["plan"]).code(0).says("net.ipv4.tcp_migrate_req is ");
    pool.apply(&[]);
    assert_eq!((policy(&pool).as_str(), pool.names().as_str()), ("round_robin", "n1 n2 n3 n4"));
    std::fs::remove_file(pool.balancer.folder().file("admin.sock")).expect("it is there");
    pool.run(&["plan"]).code(3).says("does not answer");
}

#[test]
fn limits_of_the_policy_hold_against_live_health() {
    let pool = Pool::start();
    pool.policy("max_unavailable = 0\n", "[caddy.web.node.n3]\nabsent = true\n");
    pool.run(&["plan"]).code(0).hides("below-minimum");
    pool.sick("n1");
    let refused = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    refused.says("below-minimum").says("1 of 2 nodes healthy, 1 would be out, `max_unavailable` is 0");
    pool.well("n1");
    // It dies after the plan, while a new node is waited for.
    pool.sick("n4");
    pool.policy(
        "max_unavailable = 0\n",
        "[caddy.web.node.n3]\nabsent = true\n[caddy.web.node.n4]\naddress = \"[n4]\"\n",
    );
    let run = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).start();
    std::thread::sleep(Duration::from_secs(1));
    pool.sick("n1");
    pool.well("n4");
    run.wait().expect(1).says("2 of 3 nodes would be healthy, 3 are needed; nothing was written");
    pool.well("n1");
    assert_eq!(pool.names(), "n1 n2 n3");
    let two = "[caddy.web.guards]\nmin_existing = 3\nmax_delete_percent = 40\n\
               [caddy.web.node.n2]\nabsent = true\n[caddy.web.node.n3]\nabsent = true\n";
    pool.policy("", two);
    let refused = pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(6);
    refused.says("max-delete-percent").says("2 of 3 would be deleted, 66% is over 40%");
    assert_eq!(pool.names(), "n1 n2 n3");
    pool.policy("", &two.replace("= 40", "= 70"));
    pool.run(&["apply", "--yes", "--allow", "removes-capacity"]).code(0);
    assert_eq!(pool.names(), "n1");
}

#[test]
fn a_file_edited_between_plan_and_apply_keeps_the_edit() {
    let pool = Pool::start();
    pool.policy(&pool.balancer.file(), CHANGE);
    pool.run(&["plan", "-o", "plan.json"]).code(0);
    pool.balancer.edit("\"5s\"", "\"6s\"");
    pool.balancer.set("/upstreams/0/dial", "\"127.0.0.1:1\"");
    pool.run(&["apply", "--plan", "plan.json"]).code(0);
    assert!(pool.balancer.config().contains("\"grace_period\":   \"6s\""));
    assert_eq!(
        (policy(&pool).as_str(), &pool.balancer.handler("/upstreams/0/dial")),
        ("round_robin", &"127.0.0.1:1".into())
    );
    // What the plan would change itself is another matter.
    pool.policy(&pool.balancer.file(), &CHANGE.replace("round-robin", "random"));
    pool.run(&["plan", "-o", "plan.json"]).code(0);
    pool.balancer.set("/load_balancing/selection_policy", "{\"policy\": \"first\"}");
    pool.run(&["apply", "--plan", "plan.json"]).code(4).says("balance");
    assert_eq!(policy(&pool), "first");
}
