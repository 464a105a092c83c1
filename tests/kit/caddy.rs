//! A Caddy of the tests' own, from Debian, in front of real nodes.

use std::fs::File;
use std::path::PathBuf;
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
    admin: Door,
    port: u16,
}

/// What a Caddy has beside its pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// More arguments.
    pub arguments: &'a [&'a str],
    /// More members of its server, each with a comma behind it.
    pub server: &'a str,
    /// More apps, likewise.
    pub apps: &'a str,
    /// Where its admin endpoint is.
    pub admin: Admin,
}

/// Where an admin endpoint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admin {
    /// On a port of loopback.
    #[default]
    Port,
    /// On a socket in its folder.
    Socket,
}

/// An admin endpoint that was started.
#[derive(Clone, Debug)]
enum Door {
    Port(u16),
    Socket(PathBuf),
}

impl Caddy {
    /// Starts it with `pool` as the members of its handler, and more; `[name]` stands for the address of a node.
    pub fn with(extra: &Extra<'_>, pool: &str, nodes: &[(&str, &Backend)]) -> Self {
        let pool = nodes
            .iter()
            .fold(pool.to_owned(), |text, (name, node)| text.replace(&format!("[{name}]"), &node.address()));
        on_free_port(|port| {
            let folder = Folder::new();
            let admin = match extra.admin {
                Admin::Port => Door::Port(free_port()),
                Admin::Socket => Door::Socket(folder.file("admin.sock")),
            };
            let endpoint = match &admin {
                Door::Port(port) => format!("127.0.0.1:{port}"),
                Door::Socket(path) => format!("unix/{}", path.display()),
            };
            let (server, apps) = (extra.server, extra.apps);
            let text = format!(
                r#"{{
  "admin": {{"listen": "{endpoint}"}},
  "apps": {{
    {apps}"http": {{
      "grace_period":   "5s",
      "servers": {{
        "web": {{{server}"listen": ["127.0.0.1:{port}"], "automatic_https": {{"disable": true}}, "routes": [{{"handle": [{{
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
            command.arg("run").args(extra.arguments).arg("--config").arg(config);
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
        match &self.admin {
            Door::Port(port) => command.arg(format!("http://127.0.0.1:{port}{path}")),
            // An empty name of the host is the only one that Caddy takes there.
            Door::Socket(socket) => {
                command.args(["-H", "Host;", "--unix-socket"]).arg(socket).arg(format!("http://127.0.0.1{path}"))
            }
        };
        let output = command.output().expect("curl runs");
        String::from_utf8(output.stdout).expect("Caddy says UTF-8")
    }

    /// The running handler, or a part of it.
    pub fn handler(&self, part: &str) -> serde_json::Value {
        self.get(&format!("/id/lb_web{part}"))
    }

    /// What runs at a path of its admin endpoint.
    pub fn get(&self, path: &str) -> serde_json::Value {
        let mut found = serde_json::Value::Null;
        // Its endpoint restarts with every write.
        assert!(eventually(Duration::from_secs(10), || {
            let answer = self.ask("GET", path, "");
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
        let admin = match &self.admin {
            Door::Port(port) => format!("http://127.0.0.1:{port}"),
            Door::Socket(path) => format!("unix/{}", path.display()),
        };
        format!("[caddy.web]\nhandler = \"lb_web\"\nadmin = \"{admin}\"\n")
    }

    /// The port of its admin endpoint, where that has one.
    pub fn admin_port(&self) -> u16 {
        match self.admin {
            Door::Port(port) => port,
            Door::Socket(_) => 0,
        }
    }

    /// Where the file is, as a line of that table.
    pub fn file(&self) -> String {
        format!("config = \"{}\"\n", self.folder.file("caddy.json").display())
    }
}
