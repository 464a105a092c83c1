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
    _daemon: Daemon,
    folder: Folder,
    port: u16,
}

impl Redis {
    /// A fresh, empty server.
    pub fn start() -> Self {
        on_free_port(|port| {
            let folder = Folder::new();
            let config = format!(
                "bind 127.0.0.1\nport {port}\ndir {}\nsave \"\"\nappendonly no\nrequirepass {PASSWORD}\n",
                folder.path().display()
            );
            let config = folder.write("redis.conf", &config);
            let console = File::create(folder.file("console.log")).expect("a file can be made");
            let mut command = Command::new("redis-server");
            command.arg(config).stdout(console).stderr(Stdio::null());
            let mut daemon = Daemon::start(&mut command, folder.path());
            let mut dead = false;
            let up = eventually(Duration::from_secs(20), || {
                dead = !daemon.alive();
                dead || ask(port, &["ping"]) == "PONG"
            });
            assert!(up, "Redis does not answer: {}", folder.read("console.log"));
            (!dead).then(|| Self { _daemon: daemon, folder, port })
        })
    }

    /// Its URL, with the password.
    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    /// Runs one command and gives the answer as `redis-cli` prints it.
    pub fn run(&self, command: &[&str]) -> String {
        ask(self.port, command)
    }

    /// Its configuration file as it is now.
    pub fn config(&self) -> String {
        self.folder.read("redis.conf")
    }
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
