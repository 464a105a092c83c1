//! A Redis server of the tests' own.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::daemon::{Daemon, eventually, on_free_port};
use super::folder::Folder;

/// Planted, so that it can be looked for in every output.
pub const PASSWORD: &str = "planted-redis-pw-4Wv";

/// A server in a temporary folder, with a password and a configuration file that it may rewrite.
#[derive(Debug)]
pub struct Redis {
    daemon: Daemon,
    folder: Folder,
    port: u16,
}

impl Redis {
    /// A fresh, empty server.
    pub fn start() -> Self {
        Self::with("")
    }

    /// A fresh, empty server with more lines in its configuration.
    pub fn with(more: &str) -> Self {
        Self::run_as(&[], more)
    }

    /// A sentinel, alone, that watches the primary at `port` under this name.
    pub fn sentinel(name: &str, port: u16) -> Self {
        let watch = format!(
            "sentinel monitor {name} 127.0.0.1 {port} 1\nsentinel auth-pass {name} {PASSWORD}\n\
             sentinel down-after-milliseconds {name} 1000\nsentinel failover-timeout {name} 5000"
        );
        Self::run_as(&["--sentinel"], &watch)
    }

    /// A cluster of three primaries, without replicas.
    pub fn cluster() -> [Self; 3] {
        let nodes = [0, 1, 2].map(|_| Self::with("cluster-enabled yes\ncluster-node-timeout 2000"));
        for (node, slots) in nodes.iter().zip([(0, 5_460), (5_461, 10_922), (10_923, 16_383)]) {
            assert_eq!(node.run(&["cluster", "addslotsrange", &slots.0.to_string(), &slots.1.to_string()]), "OK");
        }
        for (epoch, node) in nodes.iter().enumerate() {
            node.run(&["cluster", "set-config-epoch", &(epoch + 1).to_string()]);
            nodes[0].run(&["cluster", "meet", "127.0.0.1", &node.port().to_string()]);
        }
        let up = eventually(Duration::from_secs(30), || {
            nodes.iter().all(|node| {
                let state = node.run(&["cluster", "info"]);
                state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")
            })
        });
        assert!(up, "the cluster forms");
        nodes
    }

    /// A primary, its replica, and a sentinel that watches them as `main`.
    pub fn watched() -> (Self, Self, Self) {
        let primary = Self::start();
        let replica = Self::with(&format!("replicaof 127.0.0.1 {}\nmasterauth {PASSWORD}", primary.port));
        let sentinel = Self::sentinel("main", primary.port);
        let seen = eventually(Duration::from_secs(30), || {
            sentinel.run(&["sentinel", "replicas", "main"]).contains(&replica.port.to_string())
                && replica.run(&["info", "replication"]).contains("master_link_status:up")
        });
        assert!(seen, "the sentinel sees the replica");
        (primary, replica, sentinel)
    }

    fn run_as(args: &[&str], more: &str) -> Self {
        on_free_port(|port| {
            let folder = Folder::new();
            let config = format!(
                "bind 127.0.0.1\nport {port}\ndir {}\n{}requirepass {PASSWORD}\n{more}\n",
                folder.path().display(),
                // A sentinel stores nothing, and knows no words for it.
                if args.is_empty() { "save \"\"\nappendonly no\n" } else { "" }
            );
            folder.write("redis.conf", &config);
            boot(&folder, port, args).map(|daemon| Self { daemon, folder, port })
        })
    }

    /// Kills it, and starts it again on the same port after `pause`; what it did not store is gone.
    pub fn restart_after(&mut self, pause: Duration) {
        self.daemon.signal("KILL");
        self.daemon.wait();
        std::thread::sleep(pause);
        self.daemon = boot(&self.folder, self.port, &[]).expect("the port is still ours");
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Runs one command and gives the answer as `redis-cli` prints it.
    pub fn run(&self, command: &[&str]) -> String {
        ask(self.port, command)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends a signal by its name, `KILL`.
    pub fn signal(&self, name: &str) {
        self.daemon.signal(name);
    }

    /// Runs a script with these arguments, once for each number below `n`, all in one go: `redis.call("set", "k" .. i, "v")`.
    pub fn each(&self, n: u32, script: &str) {
        let looped = format!("for i = 0, {n} - 1 do {script} end");
        assert_eq!(self.run(&["eval", &looped, "0"]), "");
    }

    /// Its configuration file as it is now.
    pub fn config(&self) -> String {
        self.folder.read("redis.conf")
    }
}

/// Starts the process and waits until it answers; none where somebody has taken the port.
fn boot(folder: &Folder, port: u16, args: &[&str]) -> Option<Daemon> {
    let console = File::create(folder.file("console.log")).expect("a file can be made");
    let mut command = Command::new("redis-server");
    command.arg(folder.file("redis.conf")).args(args).stdout(console).stderr(Stdio::null());
    let mut daemon = Daemon::start(&mut command, folder.path());
    let mut dead = false;
    let up = eventually(Duration::from_secs(20), || {
        dead = !daemon.alive();
        dead || ask(port, &["ping"]) == "PONG"
    });
    assert!(up, "Redis does not answer: {}", folder.read("console.log"));
    (!dead).then_some(daemon)
}

fn ask(port: u16, command: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "--no-auth-warning"])
        .args(command)
        .env("REDISCLI_AUTH", PASSWORD)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli starts");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn a_server_starts_and_answers() {
    let redis = Redis::start();
    assert_eq!(redis.run(&["set", "a", "1"]), "OK");
    assert_eq!(redis.run(&["get", "a"]), "1");
    redis.run(&["config", "set", "maxmemory", "10mb"]);
    redis.run(&["config", "rewrite"]);
    assert!(redis.config().contains("maxmemory 10mb"), "{}", redis.config());
    assert!(redis.url().contains(PASSWORD));
}
