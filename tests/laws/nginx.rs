//! The subjects on nginx: the running one with its file, and the file alone.

use std::fmt::Write;
use std::marker::PhantomData;
use std::process::Command;

use super::subject::{Side, Subject, allow_all, hold_journal, locked};
use crate::kit::{Bench, Certificate, Folder, Hold, Nginx, free_port, seen};

/// A pool of three nodes, of which one is to leave, and one that is to come.
pub struct Pool<S> {
    bench: Bench,
    balancer: Nginx,
    side: PhantomData<S>,
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

impl<S: Side> Subject for Pool<S> {
    const TARGET: &'static str = "nginx.web";
    const STEPS: usize = 2;

    fn start() -> Self {
        let bench = Bench::start();
        let (certificates, tls_port) = (Folder::new(), free_port());
        let (old, new) = (Certificate::new(&["shop.example"]), Certificate::new(&["shop.example"]));
        for (name, certificate) in [("old", &old), ("new", &new)] {
            certificates.write(&format!("{name}.crt"), &certificate.pem);
            certificates.write(&format!("{name}.key"), &certificate.key);
        }
        let place = certificates.file("old").display().to_string();
        let pool = POOL.replace("[port]", &tls_port.to_string()).replace("[old]", &place);
        let balancer = Nginx::start(&pool, &bench.known());
        let mut policy = allow_all("nginx") + &if S::RUNS { balancer.target() } else { balancer.file_target() };
        write!(
            policy,
            "health_timeout = \"20s\"\ndrain_timeout = \"5s\"\n\n[nginx.web.balance]\nalgorithm = \"least-connections\"\n\n\
             [nginx.web.tls]\ncertificate = \"{new}.crt\"\nkey = \"{new}.key\"\nprotocols = [\"TLSv1.3\"]\n\n\
             [nginx.web.health]\nunhealthy_threshold = 3\n\n[nginx.web.reuse]\nmax_connections = 500\nidle_connections = 20\n\n\
             [nginx.web.node.n1]\naddress = \"[n1]\"\nweight = 30\n\n\
             [nginx.web.node.n2]\naddress = \"[n5]\"\n\n[nginx.web.node.\"[n3]\"]\nabsent = true\n\n\
             [nginx.web.node.n4]\naddress = \"[n4]\"\nweight = 10\n",
            new = certificates.file("new").display(),
        )
        .expect("a text can be written");
        bench.folder.write("policies/shop.toml", &bench.addressed(&policy));
        Self { bench, balancer, side: PhantomData, certificates, tls_port, old, new }
    }

    fn folder(&self) -> &Folder {
        &self.bench.folder
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
        if !S::RUNS {
            // What is written has to be what nginx reads.
            self.balancer.reload();
        }
        let mut text = self.balancer.config();
        for (name, node) in &self.bench.nodes {
            text = text.replace(&node.address(), name);
        }
        let place = self.certificates.path().display().to_string();
        let text = text.replace(&place, "").replace(&self.tls_port.to_string(), "");
        format!("{text}\nserved: {}", self.new.is(seen(self.tls_port, &[]).as_ref()))
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
        if !S::RUNS {
            return hold_journal(&self.bench.folder);
        }
        let sick = self.bench.folder.write("sick-n4", "");
        Hold::open(Command::new("sh").args(["-c", "cat > /dev/null; rm -f \"$1\"", "hold"]).arg(sick), "")
    }

    fn held_up(&self) -> bool {
        if !S::RUNS {
            return locked(&self.balancer.folder().file("conf.d/web.conf"));
        }
        let journal = self.bench.folder.file("state/evenkeel/journal.jsonl");
        locked(&self.balancer.folder().file("conf.d/web.conf"))
            && std::fs::read_to_string(journal).is_ok_and(|journal| journal.contains("\"intent\""))
    }

    fn elsewhere(&self) -> &'static str {
        if S::RUNS {
            "[nginx.elsewhere]\nconfig = \"nowhere/web.conf\"\nupstream = \"web\"\npid = \"nowhere/nginx.pid\"\n\n\
             [nginx.elsewhere.balance]\nalgorithm = \"round-robin\"\n"
        } else {
            "[nginx.elsewhere]\nconfig = \"nowhere/web.conf\"\nupstream = \"web\"\n\n\
             [nginx.elsewhere.balance]\nalgorithm = \"round-robin\"\n"
        }
    }
}
