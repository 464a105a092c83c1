//! The subjects on Caddy: through its admin endpoint, through its file, and through both.

use std::marker::PhantomData;

use super::subject::{Subject, allow_all, hold_journal, locked};
use crate::kit::{Backend, Caddy, Certificate, Extra, Folder, Hold, PLANTED, seen};

/// Which sides of the balancer the policy names.
pub trait Mode {
    /// It gives the admin endpoint.
    const ADMIN: bool;
    /// It gives the file.
    const FILE: bool;
}

/// The running Caddy alone.
pub struct AdminOnly;

impl Mode for AdminOnly {
    const ADMIN: bool = true;
    const FILE: bool = false;
}

/// The file alone.
pub struct FileOnly;

impl Mode for FileOnly {
    const ADMIN: bool = false;
    const FILE: bool = true;
}

/// Both, in one step.
pub struct Both;

impl Mode for Both {
    const ADMIN: bool = true;
    const FILE: bool = true;
}

/// A pool of three nodes, of which one is to leave and one to move, and one that is to come.
pub struct Pool<M> {
    folder: Folder,
    balancer: Caddy,
    nodes: Vec<(&'static str, Backend)>,
    certificates: Folder,
    old: Certificate,
    new: Certificate,
    mode: PhantomData<M>,
}

const POOL: &str = r#"          "health_checks": {"active": {"uri": "/health", "interval": 1000000000}},
          "transport": {"protocol": "http", "keep_alive": {"idle_timeout": "1m30s"}},
          "upstreams": [
            {"@id": "web.n1", "dial": "[n1]", "max_requests": 500},
            {"@id": "web.n2",   "dial": "[n2]"},
            {"dial": "[n3]"}
          ]
"#;

const NODES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];

impl<M: Mode> Subject for Pool<M> {
    const TARGET: &'static str = "caddy.web";
    const LOCKS: bool = M::FILE;
    /// All changes are one write.
    const STEPS: usize = 1;

    fn start() -> Self {
        let folder = Folder::new();
        let nodes: Vec<_> =
            NODES.iter().map(|name| (*name, Backend::start(name, folder.file(&format!("sick-{name}"))))).collect();
        let known: Vec<_> = nodes.iter().map(|(name, node)| (*name, node)).collect();
        let certificates = Folder::new();
        let (old, new) = (Certificate::new(&["old.example", "shop.example"]), Certificate::new(&["shop.example"]));
        let files = [("site.crt", &old.pem), ("site.key", &old.key), ("new.crt", &new.pem), ("new.key", &new.key)];
        let [pem, key, new_pem, new_key] =
            files.map(|(name, text)| certificates.write(name, text).display().to_string());
        let server = r#""tls_connection_policies": [{"match": {"sni": ["shop.example"]}, "certificate_selection": {"any_tag": ["shop"]}},
          {"alpn": ["http/1.1"], "certificate_selection":   {"any_tag": ["shop"]}}], "#;
        let apps = format!(
            "\"tls\": {{\"certificates\": {{\"load_files\": [{{\"certificate\":   \"{pem}\", \"key\": \"{key}\", \"tags\": [\"shop\"]}}, \
             {{\"certificate\": \"{pem}\", \"key\": \"{key}\", \"tags\": [\"foreign\"]}}]}}}},\n    "
        );
        let balancer = Caddy::with(&Extra { server, apps: &apps, ..Extra::default() }, POOL, &known);
        let mut policy = allow_all("caddy") + &balancer.target();
        if !M::ADMIN {
            policy = policy
                .lines()
                .filter(|line| !line.starts_with("admin"))
                .fold(String::new(), |text, line| text + line + "\n");
        }
        if M::FILE {
            policy += &balancer.file();
        }
        policy += "\n[caddy.web.balance]\nalgorithm = \"least-connections\"\n\n[caddy.web.health]\ntimeout = \"3s\"\ninterval = \"2s\"\n\n\
            [caddy.web.reuse]\nmax_connections = 500\nidle_connections = 20\nidle_timeout = \"30s\"\n\n[caddy.web.node.n1]\naddress = \"[n1]\"\n\n\
            [caddy.web.node.n2]\naddress = \"[n5]\"\n\n[caddy.web.node.\"[n3]\"]\nabsent = true\n\n[caddy.web.node.n4]\naddress = \"[n4]\"\n";
        policy += &format!(
            "\n[caddy.web.tls]\ncertificate = \"{new_pem}\"\nkey = \"{new_key}\"\nprotocols = [\"TLSv1.3\"]\n\
             ciphers = \"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384\"\n"
        );
        for (name, node) in &known {
            policy = policy.replace(&format!("[{name}]"), &node.address());
        }
        folder.write("policies/shop.toml", &policy);
        Self { folder, balancer, nodes, certificates, old, new, mode: PhantomData }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn fingerprint(&self) -> String {
        let about = std::fs::metadata(self.balancer.folder().file("caddy.json")).expect("the file is there");
        let inode = std::os::unix::fs::MetadataExt::ino(&about);
        // A write that changes nothing is one, too: Caddy counts them in its log.
        let log = self.balancer.folder().read("console.log");
        let writes = log.matches("\"method\":\"PATCH\"").count();
        let apps = self.balancer.get("/config/apps");
        format!("{apps}\n{inode} {}\n{writes}\n{:?}", self.balancer.config(), seen(self.balancer.port(), &[]))
    }

    fn shape(&self) -> String {
        let (apps, seen) = (self.balancer.get("/config/apps"), seen(self.balancer.port(), &[]));
        let served = format!("old {}, new {}", self.old.is(seen.as_ref()), self.new.is(seen.as_ref()));
        let mut text = format!("{apps}\n{}\n{served}", self.balancer.config());
        text = text.replace(&self.certificates.path().display().to_string(), "");
        for (name, node) in &self.nodes {
            text = text.replace(&node.address(), name);
        }
        text = text.replace(&format!("127.0.0.1:{}", self.balancer.port()), "here");
        let lines = text.lines().filter(|line| !line.contains("\"admin\""));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    fn meddle(&self) -> &'static str {
        if M::ADMIN {
            self.balancer.set("/load_balancing/selection_policy", r#"{"policy": "first"}"#);
        } else {
            self.balancer.edit("\"policy\":\"least_conn\"", "\"policy\":\"first\"");
        }
        "caddy.web.balance"
    }

    fn spoil(&self) -> &'static str {
        if M::ADMIN {
            self.balancer.set("/transport/keep_alive/idle_timeout", "\"7s\"");
        } else {
            self.balancer.edit("1m30s", "7s");
        }
        "caddy.web.reuse"
    }

    fn hold(&self) -> Hold {
        hold_journal(&self.folder)
    }

    fn held_up(&self) -> bool {
        locked(&self.balancer.folder().file("caddy.json"))
    }

    fn elsewhere(&self) -> &'static str {
        "[caddy.elsewhere]\nadmin = \"http://127.0.0.1:1\"\nhandler = \"lb\"\n\n[caddy.elsewhere.balance]\nalgorithm = \"random\"\n"
    }

    fn secrets(&self) -> Vec<String> {
        vec![PLANTED.into(), self.old.secret(), self.new.secret()]
    }
}
