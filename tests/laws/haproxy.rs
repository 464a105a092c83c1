//! The subject on HAProxy.

use std::fmt::Write;
use std::process::Command;

use super::subject::{Subject, allow_all};
use crate::kit::{Backend, Folder, Haproxy, Hold};

/// A pool of three nodes, of which one is to leave, and one that is to come.
pub struct Pool {
    folder: Folder,
    balancer: Haproxy,
    nodes: Vec<(&'static str, Backend)>,
}

const POOL: &str = "    # The pool.
    balance roundrobin
    option httpchk GET /health
    default-server inter 200ms rise 1 fall 2 check
    server n1 [n1]   weight 10  # the oldest
    server n2 [n2] weight 10

    server n3 [n3] weight 10
";

const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

impl Subject for Pool {
    const TARGET: &'static str = "haproxy.web";

    fn start() -> Self {
        let folder = Folder::new();
        let nodes: Vec<_> =
            NODES.iter().map(|name| (*name, Backend::start(name, folder.file(&format!("sick-{name}"))))).collect();
        let known: Vec<_> = nodes.iter().map(|(name, node)| (*name, node)).collect();
        let balancer = Haproxy::start(POOL, &known);
        let address = |name: &str| known.iter().find(|(n, _)| *n == name).expect("a node").1.address();
        let mut policy = allow_all("haproxy") + &balancer.target();
        write!(
            policy,
            "health_timeout = \"20s\"\n\n[haproxy.web.balance]\nalgorithm = \"least-connections\"\n\n\
             [haproxy.web.health]\nunhealthy_threshold = 3\n\n[haproxy.web.reuse]\nmax_connections = 500\nidle_connections = 20\n\n\
             [haproxy.web.node.n1]\naddress = \"{}\"\nweight = 30\n\n\
             [haproxy.web.node.n2]\naddress = \"{}\"\n\n[haproxy.web.node.n3]\nabsent = true\n\n\
             [haproxy.web.node.n4]\naddress = \"{}\"\nweight = 10\n",
            address("n1"),
            address("n5"),
            address("n4"),
        )
        .expect("a text can be written");
        folder.write("policies/shop.toml", &policy);
        Self { folder, balancer, nodes }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn fingerprint(&self) -> String {
        format!("{}\n{}\n{:?}", self.balancer.config(), self.balancer.servers().join("\n"), self.names())
    }

    fn shape(&self) -> String {
        let mut text = self.balancer.config();
        text += &self.balancer.servers().join("\n");
        for (name, node) in &self.nodes {
            text = text.replace(&node.address(), name);
        }
        let place = self.balancer.folder().path().display().to_string();
        text.replace(&place, "").replace(&self.balancer.port().to_string(), "")
    }

    fn meddle(&self) -> &'static str {
        self.balancer.ask("set server web/n1 weight 7");
        "haproxy.web.node.n1"
    }

    fn spoil(&self) -> &'static str {
        self.balancer.ask("set server web/n1 weight 7");
        "haproxy.web.node.n1"
    }

    fn hold(&self) -> Hold {
        let sick = self.folder.write("sick-n4", "");
        Hold::open(Command::new("sh").args(["-c", "cat > /dev/null; rm -f \"$1\"", "hold"]).arg(sick), "")
    }

    fn held_up(&self) -> bool {
        self.balancer.servers().iter().any(|server| server.starts_with("n4 "))
    }

    fn elsewhere(&self) -> &'static str {
        "[haproxy.elsewhere]\nsocket = \"nowhere/admin.sock\"\nconfig = \"nowhere/haproxy.cfg\"\nbackend = \"web\"\n\n\
         [haproxy.elsewhere.balance]\nalgorithm = \"round-robin\"\n"
    }
}

impl Pool {
    /// What stands beside the file.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.balancer.folder().path()).expect("a folder can be listed");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name.contains("evenkeel")).collect();
        names.sort();
        names
    }
}
