//! Clients stay on their node by a cookie, also on a node that came while HAProxy ran.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Pool;
use crate::kit::{Client, Load};

const KEY: &str = "correct-horse-battery-staple";

/// One request; the node that answers, and the cookie that it sets.
fn ask(port: u16, cookie: Option<&str>) -> (String, Option<String>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let sent = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    write!(stream, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{sent}\r\n").expect("a request can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, node) = answer.split_once("\r\n\r\n").expect("a head");
    let cookie =
        head.lines().find_map(|line| line.to_ascii_lowercase().starts_with("set-cookie: ").then(|| &line[12..]));
    (node.to_owned(), cookie.map(|cookie| cookie.split(';').next().expect("a pair").to_owned()))
}

#[test]
fn clients_stay_on_their_node_also_on_one_that_came_later() {
    let pool = Pool::start();
    let port = pool.balancer.port();
    let load = Load::start(port, &[Client::KeepAlive, Client::KeepAlive, Client::Single]);
    pool.policy("", "[haproxy.web.sticky]\ncookie = \"session_id\"\nttl = \"1h\"\n");
    pool.run(&["plan"]).code(64).says("no `dynamic-cookie-key`").says("cookie_key = ");
    pool.policy(&format!("cookie_key = \"{KEY}\"\n"), "[haproxy.web.sticky]\ncookie = \"session_id\"\nttl = \"1h\"\n");
    let plan = pool.run(&["--log", "trace", "plan"]).code(0);
    let plan = plan.says("cookie session_id insert indirect nocache dynamic maxlife 3600s").says("moves-clients");
    assert!(!plan.both().contains(KEY), "{plan}");
    pool.apply(&[]);
    assert!(pool.balancer.config().contains(&format!("    dynamic-cookie-key {KEY}\n")));
    let (node, cookie) = ask(port, None);
    let cookie = cookie.expect("a cookie is set");
    for _ in 0..6 {
        assert_eq!(ask(port, Some(&cookie)).0, node);
    }
    pool.policy("", "[haproxy.web.node.n4]\naddress = \"[n4]\"\nweight = 10\n");
    pool.apply(&[]);
    let found = (0..20).map(|_| ask(port, None)).find(|(node, _)| node == "n4");
    let (_, late) = found.expect("n4 takes its share");
    let late = late.expect("n4 has a cookie, too");
    assert!(!late.ends_with('='), "{late}");
    for _ in 0..6 {
        assert_eq!(ask(port, Some(&late)).0, "n4");
    }
    // A longer life is a reload, and the values stay: they come from key and address.
    pool.policy("", "[haproxy.web.sticky]\nttl = \"2h\"\n");
    pool.apply(&[]);
    assert_eq!(ask(port, Some(&late)).0, "n4");
    assert_eq!(ask(port, Some(&cookie)).0, node);
    // Who is bound to a node that leaves goes elsewhere, and nothing fails.
    pool.policy("drain_timeout = \"1s\"\n", "[haproxy.web.node.n4]\nabsent = true\n");
    pool.apply(&["removes-capacity"]);
    assert_ne!(ask(port, Some(&late)).0, "n4");
    let (good, bad) = load.stop();
    assert_eq!(bad, [""; 0], "of {good}");
}
