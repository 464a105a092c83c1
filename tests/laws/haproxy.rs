//! The subjects on HAProxy: through its socket and its file, and through its file alone.

use std::fmt::Write;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::subject::{Side, Subject, allow_all, hold_journal, locked};
use crate::kit::{Bench, Certificate, Folder, Haproxy, Hold, free_port};

/// A pool of three nodes, of which one is to leave, and one that is to come.
pub struct Pool<S> {
    bench: Bench,
    balancer: Haproxy,
    certificates: Folder,
    tls_port: u16,
    keys: Vec<String>,
    side: PhantomData<S>,
}

/// What cookies are computed from.
const COOKIE_KEY: &str = "a-cookie-key-that-nobody-is-to-see";

const POOL: &str = "    # The pool.
    balance roundrobin
    option httpchk GET /health
    timeout check 5s
    default-server inter 200ms rise 1 fall 2 check
    server n1 [n1]   weight 10  # the oldest
    server n2 [n2] weight 10

    server n3 [n3] weight 10
";

impl<S: Side> Subject for Pool<S> {
    const TARGET: &'static str = "haproxy.web";

    fn start() -> Self {
        let bench = Bench::start();
        let (certificates, tls_port) = (Folder::new(), free_port());
        let (old, new) = (Certificate::new(&["old.example", "shop.example"]), Certificate::new(&["shop.example"]));
        let served = certificates.write("site.pem", &old.bundle());
        let (pem, key) = (certificates.write("new.crt", &new.pem), certificates.write("new.key", &new.key));
        let bind = format!("    bind 127.0.0.1:{tls_port} ssl crt {}\n", served.display());
        let balancer = Haproxy::with_frontend(&bind, POOL, &bench.known());
        let target = if S::RUNS { balancer.target() } else { balancer.file_target() };
        let mut policy = allow_all("haproxy") + &target;
        write!(
            policy,
            "health_timeout = \"20s\"\ncookie_key = {{ env = \"COOKIE_KEY\" }}\n\n\
             [haproxy.web.sticky]\ncookie = \"session_id\"\nttl = \"1h\"\n\n\
             [haproxy.web.tls]\ncertificate = \"{}\"\nkey = \"{}\"\nprotocols = [\"TLSv1.3\"]\n\n\
             [haproxy.web.balance]\nalgorithm = \"least-connections\"\n\n\
             [haproxy.web.health]\nunhealthy_threshold = 3\n\n[haproxy.web.reuse]\nmax_connections = 500\nidle_connections = 20\n\n\
             [haproxy.web.node.n1]\naddress = \"[n1]\"\nweight = 30\n\n\
             [haproxy.web.node.n2]\naddress = \"[n5]\"\n\n[haproxy.web.node.n3]\nabsent = true\n\n\
             [haproxy.web.node.n4]\naddress = \"[n4]\"\nweight = 10\n",
            pem.display(),
            key.display(),
        )
        .expect("a text can be written");
        bench.folder.write("policies/shop.toml", &bench.addressed(&policy));
        let keys = vec![old.secret(), new.secret()];
        Self { bench, balancer, certificates, tls_port, keys, side: PhantomData }
    }

    fn folder(&self) -> &Folder {
        &self.bench.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![("COOKIE_KEY".into(), COOKIE_KEY.into())]
    }

    fn secrets(&self) -> Vec<String> {
        self.keys.iter().cloned().chain([COOKIE_KEY.into()]).collect()
    }

    fn fingerprint(&self) -> String {
        let (config, servers) = (self.balancer.config(), self.balancer.servers().join("\n"));
        let inode = std::fs::metadata(self.balancer.folder().file("haproxy.cfg")).expect("the file is there").ino();
        let certificate = self.certificates.read("site.pem");
        format!("{config}\n{inode}\n{servers}\n{:?}\n{certificate}\n{}", self.names(), self.served())
    }

    fn shape(&self) -> String {
        if !S::RUNS {
            // What is written has to be what HAProxy reads.
            self.balancer.reload();
        }
        let mut text = self.balancer.config();
        text += &self.balancer.servers().join("\n");
        for (name, node) in &self.bench.nodes {
            text = text.replace(&node.address(), name);
        }
        let place = self.balancer.folder().path().display().to_string();
        let certificates = self.certificates.path().display().to_string();
        let text = text.replace(&place, "").replace(&certificates, "").replace(&self.tls_port.to_string(), "");
        let on_disk = self.certificates.read("site.pem").starts_with(&self.certificates.read("new.crt"));
        let names = self.served().lines().filter(|line| line.contains("DNS:")).collect::<String>();
        text.replace(&self.balancer.port().to_string(), "") + &format!("\nnew on disk: {on_disk}, served: {names}")
    }

    fn meddle(&self) -> &'static str {
        if S::RUNS {
            self.balancer.ask("set server web/n1 weight 7");
        } else {
            self.balancer.edit("weight 30", "weight 7");
        }
        "haproxy.web.node.n1"
    }

    fn spoil(&self) -> &'static str {
        if S::RUNS {
            self.balancer.ask("set server web/n1 weight 7");
        } else {
            self.balancer.edit("weight 10  # the oldest", "weight 7  # the oldest");
        }
        "haproxy.web.node.n1"
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
            return locked(&self.balancer.folder().file("haproxy.cfg"));
        }
        self.balancer.servers().iter().any(|server| server.starts_with("n4 "))
    }

    fn elsewhere(&self) -> &'static str {
        if S::RUNS {
            "[haproxy.elsewhere]\nsocket = \"nowhere/admin.sock\"\nconfig = \"nowhere/haproxy.cfg\"\nbackend = \"web\"\n\n\
             [haproxy.elsewhere.balance]\nalgorithm = \"round-robin\"\n"
        } else {
            "[haproxy.elsewhere]\nconfig = \"nowhere/haproxy.cfg\"\nbackend = \"web\"\n\n\
             [haproxy.elsewhere.balance]\nalgorithm = \"round-robin\"\n"
        }
    }
}

impl<S> Pool<S> {
    /// What HAProxy says of the certificate in its memory.
    fn served(&self) -> String {
        self.balancer.ask(&format!("show ssl cert {}", self.certificates.file("site.pem").display()))
    }

    /// What stands beside the file.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.balancer.folder().path()).expect("a folder can be listed");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name.contains("evenkeel")).collect();
        names.sort();
        names
    }
}
