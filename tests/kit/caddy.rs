//! A Caddy of the tests' own, from Debian, in front of real nodes.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::backend::Backend;
use super::daemon::{Daemon, eventually, free_port, on_free_port};
use super::folder::Folder;

/// A secret in a part of the handler that no policy names.
pub const PLANTED: &str = "planted-upstream-pw-4Kd";

/// A Caddy in a folder of its own, whose file is `caddy.json`.
#[derive(Debug)]
pub struct Caddy {
    daemon: Daemon,
    folder: Folder,
    admin: u16,
    port: u16,
}

impl Caddy {
    /// Starts it with `pool` as the members of its handler; `[name]` stands for the address of a node.
    pub fn start(pool: &str, nodes: &[(&str, &Backend)]) -> Self {
        Self::with(&[], pool, nodes)
    }

    /// The same, with more arguments.
    pub fn with(arguments: &[&str], pool: &str, nodes: &[(&str, &Backend)]) -> Self {
        let pool = nodes
            .iter()
            .fold(pool.to_owned(), |text, (name, node)| text.replace(&format!("[{name}]"), &node.address()));
        on_free_port(|port| {
            let (folder, admin) = (Folder::new(), free_port());
            let text = format!(
                r#"{{
  "admin": {{"listen": "127.0.0.1:{admin}"}},
  "apps": {{
    "http": {{
      "grace_period":   "5s",
      "servers": {{
        "web": {{"listen": ["127.0.0.1:{port}"], "automatic_https": {{"disable": true}}, "routes": [{{"handle": [{{
          "@id": "lb_web", "handler": "reverse_proxy",
          "headers": {{"request": {{"set": {{"X-Upstream-Key": ["{PLANTED}"]}}}}}},
{pool}        }}]}}]}}
      }}
    }}
  }}
}}
"#
            );
            let config = folder.write("caddy.json", &text);
            let console = File::create(folder.file("console.log")).expect("a file can be made");
            let mut command = Command::new("caddy");
            command.arg("run").args(arguments).arg("--config").arg(config);
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.env("HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
            command.stdout(Stdio::null()).stderr(console);
            let mut daemon = Daemon::start(&mut command, folder.path());
            let mut dead = false;
            let up = eventually(Duration::from_secs(20), || {
                dead = !daemon.alive();
                dead || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            assert!(up, "Caddy does not answer: {}", folder.read("console.log"));
            (!dead).then(|| Self { daemon, folder, admin, port })
        })
    }

    /// Where clients go.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Its file as it is now.
    pub fn config(&self) -> String {
        self.folder.read("caddy.json")
    }

    /// Exchanges a text of its file, as an editor would.
    pub fn edit(&self, old: &str, new: &str) {
        let text = self.config();
        assert!(text.contains(old), "`{old}` is in\n{text}");
        self.folder.write("caddy.json", &text.replace(old, new));
    }

    /// Asks its admin endpoint, and gives everything that comes back, trailers included.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut command = Command::new("curl");
        command.args(["-s", "-i", "--raw", "--max-time", "20", "-X", method]);
        if !body.is_empty() {
            command.args(["-H", "Content-Type: application/json", "-d", body]);
        }
        let output = command.arg(format!("http://127.0.0.1:{}{path}", self.admin)).output().expect("curl runs");
        String::from_utf8(output.stdout).expect("Caddy says UTF-8")
    }

    /// The running handler, or a part of it.
    pub fn handler(&self, part: &str) -> serde_json::Value {
        let mut found = serde_json::Value::Null;
        // Its endpoint restarts with every write.
        assert!(eventually(Duration::from_secs(10), || {
            let answer = self.ask("GET", &format!("/id/lb_web{part}"), "");
            let value = answer
                .lines()
                .find_map(|line| serde_json::from_str(line).ok().filter(|v: &serde_json::Value| !v.is_number()));
            value.map(|value| found = value).is_some()
        }));
        found
    }

    /// Sets a part of the running handler, past evenkeel.
    pub fn set(&self, part: &str, value: &str) {
        let answer = self.ask("PATCH", &format!("/id/lb_web{part}"), value);
        assert!(answer.contains("200 OK"), "{answer}");
    }

    /// The policy's target table, by its admin endpoint alone.
    pub fn target(&self) -> String {
        format!("[caddy.web]\nhandler = \"lb_web\"\nadmin = \"http://127.0.0.1:{}\"\n", self.admin)
    }

    /// Where the file is, as a line of that table.
    pub fn file(&self) -> String {
        format!("config = \"{}\"\n", self.folder.file("caddy.json").display())
    }
}
