//! The subject on nginx.

use std::fmt::Write;
use std::process::Command;

use super::subject::{Subject, allow_all, locked};
use crate::kit::{Backend, Certificate, Folder, Hold, Nginx, free_port};

/// A pool of three nodes, of which one is to leave, and one that is to come.
pub struct Pool {
    folder: Folder,
    balancer: Nginx,
    nodes: Vec<(&'static str, Backend)>,
    certificates: Folder,
    tls_port: u16,
    old: Certificate,
    new: Certificate,
}

const POOL: &str = "# The pool.
upstream web {
    server [n1]   weight=10;  # the oldest
    server [n2] max_fails=2; # evenkeel: n2

    server [n3] max_fails=2;
    keepalive 4;
}
server {
    listen 127.0.0.1:[port] ssl; # for clients
    ssl_certificate [old].crt;
    ssl_certificate_key [old].key;
    location / { proxy_pass http://web; }
}
# The end.";

const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

impl Subject for Pool {
    const TARGET: &'static str = "nginx.web";
    const STEPS: usize = 2;

    fn start() -> Self {
        let folder = Folder::new();
        let nodes: Vec<_> =
            NODES.iter().map(|name| (*name, Backend::start(name, folder.file(&format!("sick-{name}"))))).collect();
        let known: Vec<_> = nodes.iter().map(|(name, node)| (*name, node)).collect();
        let (certificates, tls_port) = (Folder::new(), free_port());
        let (old, new) = (Certificate::new(&["shop.example"]), Certificate::new(&["shop.example"]));
        for (name, certificate) in [("old", &old), ("new", &new)] {
            certificates.write(&format!("{name}.crt"), &certificate.pem);
            certificates.write(&format!("{name}.key"), &certificate.key);
        }
        let place = certificates.file("old").display().to_string();
        let pool = POOL.replace("[port]", &tls_port.to_string()).replace("[old]", &place);
        let balancer = Nginx::start(&pool, &known);
        let address = |name: &str| known.iter().find(|(n, _)| *n == name).expect("a node").1.address();
        let mut policy = allow_all("nginx") + &balancer.target();
        write!(
            policy,
            "health_timeout = \"20s\"\ndrain_timeout = \"5s\"\n\n[nginx.web.balance]\nalgorithm = \"least-connections\"\n\n\
             [nginx.web.tls]\ncertificate = \"{0}.crt\"\nkey = \"{0}.key\"\nprotocols = [\"TLSv1.3\"]\n\n\
             [nginx.web.health]\nunhealthy_threshold = 3\n\n[nginx.web.reuse]\nmax_connections = 500\nidle_connections = 20\n\n\
             [nginx.web.node.n1]\naddress = \"{1}\"\nweight = 30\n\n\
             [nginx.web.node.n2]\naddress = \"{2}\"\n\n[nginx.web.node.\"{3}\"]\nabsent = true\n\n\
             [nginx.web.node.n4]\naddress = \"{4}\"\nweight = 10\n",
            certificates.file("new").display(),
            address("n1"),
            address("n5"),
            address("n3"),
            address("n4"),
        )
        .expect("a text can be written");
        folder.write("policies/shop.toml", &policy);
        Self { folder, balancer, nodes, certificates, tls_port, old, new }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.old.secret(), self.new.secret()]
    }

    fn fingerprint(&self) -> String {
        let folder = self.balancer.folder();
        let names: Vec<_> = folder.files().into_iter().map(|(path, _)| path.display().to_string()).collect();
        format!("{}\n{}\n{:?}\n{names:?}", folder.read("nginx.conf"), self.balancer.config(), self.balancer.workers())
    }

    fn shape(&self) -> String {
        let mut text = self.balancer.config();
        for (name, node) in &self.nodes {
            text = text.replace(&node.address(), name);
        }
        let place = self.certificates.path().display().to_string();
        let text = text.replace(&place, "").replace(&self.tls_port.to_string(), "");
        format!("{text}\nserved: {}", self.new.is_served(self.tls_port))
    }

    fn meddle(&self) -> &'static str {
        self.balancer.edit("conf.d/web.conf", "weight=30", "weight=7");
        self.balancer.reload();
        "nginx.web.node.n1"
    }

    fn spoil(&self) -> &'static str {
        self.balancer.edit("conf.d/web.conf", "weight=10", "weight=7");
        self.balancer.reload();
        "nginx.web.node.n1"
    }

    fn hold(&self) -> Hold {
        let sick = self.folder.write("sick-n4", "");
        Hold::open(Command::new("sh").args(["-c", "cat > /dev/null; rm -f \"$1\"", "hold"]).arg(sick), "")
    }

    fn held_up(&self) -> bool {
        let journal = self.folder.file("state/evenkeel/journal.jsonl");
        locked(&self.balancer.folder().file("conf.d/web.conf"))
            && std::fs::read_to_string(journal).is_ok_and(|journal| journal.contains("\"intent\""))
    }

    fn elsewhere(&self) -> &'static str {
        "[nginx.elsewhere]\nconfig = \"nowhere/web.conf\"\nupstream = \"web\"\npid = \"nowhere/nginx.pid\"\n\n\
         [nginx.elsewhere.balance]\nalgorithm = \"round-robin\"\n"
    }
}
