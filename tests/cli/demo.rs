//! `evenkeel demo` shows what really happens, whether the programs that read its files are there or not.

use crate::kit::{Folder, Output, Run};

/// The lines that stand in a balancer's file afterwards, the last one as somebody left it.
const LINES: [(&str, &[&str]); 2] = [
    (
        "haproxy.cfg",
        &[
            "    timeout client  30s   # phones are slow",
            "    balance leastconn",
            "    server web1 10.0.0.11:8000 weight 50 check   # the old machine",
            "    server web3 10.0.0.13:8000 check weight 10",
        ],
    ),
    (
        "nginx.conf",
        &[
            "        least_conn;",
            "        server 10.0.0.21:8000 weight=30;   # rack 1, the fast one # evenkeel: rack-1",
            "        server 10.0.0.22:8000;   # rack 2",
        ],
    ),
];

fn told(folder: &Folder, path: &str) -> Output {
    let run = |args: &[&str]| Run::new(folder).args(args).env("PATH", path);
    let output = run(&["demo", "playground"]).code(0);
    for (file, lines) in LINES {
        let text = folder.read(&format!("playground/{file}"));
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
        }
    }
    output
}

#[test]
fn the_demo_needs_no_balancer() {
    let folder = Folder::new();
    let nothing = folder.path().join("nothing-here").display().to_string();
    let output = told(&folder, &nothing);
    let output = output.says("`haproxy` cannot be run here, so that nobody checks the file");
    output
        .says("node.web1  weight is 50, policy says 5")
        .says("node.rack-1  weight is 30, policy says 3")
        .hides("haproxy -c; edit");
}

#[test]
fn where_haproxy_is_there_it_checks_the_demos_file() {
    let folder = Folder::new();
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    told(&folder, &path).says("haproxy -c; edit haproxy.cfg: ").hides("cannot be run here");
}

/// What the reader is told to type works: everything comes back.
#[test]
fn after_the_demo_apply_brings_everything_back() {
    let folder = Folder::new();
    Run::new(&folder).args(["demo", "playground"]).code(0).says("Your turn");
    let run = |args: &[&str]| Run::new(&folder).below("playground").args(args);
    let drift = run(&["drift"]).code(2);
    for address in ["index.orders_by_customer", "settings", "node.web1", "node.rack-1"] {
        assert!(drift.stdout.contains(address), "{address}: {drift}");
    }
    run(&["apply", "--yes", "--journal", "journal"]).code(0).says("Applied: ");
    run(&["drift"]).code(0).says("No drift");
    run(&["history", "--journal", "journal"]).code(0).says("haproxy.shop");
}
