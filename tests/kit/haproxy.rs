//! An HAProxy of the tests' own, with its master, in front of real nodes.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::backend::Backend;
use super::daemon::{Daemon, eventually, on_free_port};
use super::folder::Folder;

/// An HAProxy in a folder of its own, whose file is `haproxy.cfg`.
#[derive(Debug)]
pub struct Haproxy {
    _daemon: Daemon,
    folder: Folder,
    port: u16,
}

impl Haproxy {
    /// Starts it with `pool` as the text behind `backend web` and more lines for its frontend; `[name]` stands for the address of a node.
    pub fn with_frontend(frontend: &str, pool: &str, nodes: &[(&str, &Backend)]) -> Self {
        let pool = nodes
            .iter()
            .fold(pool.to_owned(), |text, (name, node)| text.replace(&format!("[{name}]"), &node.address()));
        Self::of(|place, port| {
            format!(
                "# Edited by hand; do not reorder.\nglobal\n    log stderr local0 # everything\n\
                 \x20   stats socket {place}/admin.sock mode 600 level admin expose-fd listeners\n\
                 \x20   stats socket {place}/user.sock mode 600 level user\n\
                 \x20   server-state-file {place}/state\n\n\
                 defaults\n\tmode http\n\ttimeout connect 1s\n\ttimeout client  20s\n\ttimeout server  20s\n\
                 \toption idle-close-on-response\n\toption redispatch\n\tload-server-state-from-file global\n\n\
                 frontend fe\n    bind 127.0.0.1:{port}\n{frontend}    default_backend web\n\n\
                 backend web\n{pool}\n# The end.\nbackend other\n    server n1 127.0.0.1:9 disabled\n"
            )
        })
    }

    /// Starts it in a folder of its own with the text that is made for that folder and a port.
    pub fn of(text: impl Fn(&str, u16) -> String) -> Self {
        on_free_port(|port| {
            let folder = Folder::new();
            let config = folder.write("haproxy.cfg", &text(&folder.path().display().to_string(), port));
            let console = File::create(folder.file("console.log")).expect("a file can be made");
            let mut command = Command::new("haproxy");
            command.args(["-W", "-S"]).arg(folder.file("master.sock")).arg("-f").arg(config).current_dir(folder.path());
            command.env("PATH", path()).stdout(Stdio::null()).stderr(console);
            let mut daemon = Daemon::start(&mut command, folder.path());
            let socket = folder.file("admin.sock");
            let mut dead = false;
            let up = eventually(Duration::from_secs(20), || {
                dead = !daemon.alive();
                dead || UnixStream::connect(&socket).is_ok()
            });
            assert!(up, "HAProxy does not answer: {}", folder.read("console.log"));
            (!dead).then(|| Self { _daemon: daemon, folder, port })
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

    /// Its file as it is now.
    pub fn config(&self) -> String {
        self.folder.read("haproxy.cfg")
    }

    /// Exchanges a text of its file, as an editor would.
    pub fn edit(&self, old: &str, new: &str) {
        let text = self.config();
        assert!(text.contains(old), "`{old}` is in\n{text}");
        self.folder.write("haproxy.cfg", &text.replace(old, new));
    }

    /// Has it read its file anew, as an administrator would, and waits for the new worker.
    pub fn reload(&self) {
        let worker = || self.ask("show info").lines().find(|line| line.starts_with("Pid:")).map(str::to_owned);
        let before = worker();
        self.master("reload");
        let new = || worker().is_some_and(|now| Some(now) != before);
        assert!(
            eventually(Duration::from_secs(10), new),
            "HAProxy does not reload: {}",
            self.folder.read("console.log")
        );
    }

    /// Asks its runtime socket.
    pub fn ask(&self, command: &str) -> String {
        self.say("admin.sock", command)
    }

    /// Asks its master.
    pub fn master(&self, command: &str) -> String {
        let mut answer = String::new();
        eventually(Duration::from_secs(5), || {
            answer = self.say("master.sock", command);
            !answer.is_empty()
        });
        answer
    }

    fn say(&self, socket: &str, command: &str) -> String {
        // A master that has just started executes itself once more, and a worker that has a successor leaves: both are away for a moment.
        let mut answer = None;
        eventually(Duration::from_secs(5), || {
            answer = self.exchange(socket, command).ok();
            answer.is_some()
        });
        answer.expect("a socket is there and takes a line")
    }

    fn exchange(&self, socket: &str, command: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.folder.file(socket))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        writeln!(stream, "{command}")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        Ok(answer)
    }

    /// Every server with its address, whether somebody put it out of service, and its weight; the times left out.
    pub fn servers(&self) -> Vec<String> {
        let table = self.ask("show servers state web");
        let row = |line: &str| {
            let columns: Vec<&str> = line.split(' ').collect();
            let [_, _, _, name, ip, _, admin, weight, ..] = columns.as_slice() else { return None };
            Some(format!("{name} {ip}:{} admin {admin} weight {weight}", columns.get(18)?))
        };
        table.lines().skip(2).filter_map(row).collect()
    }

    /// The policy's target table.
    pub fn target(&self) -> String {
        let (place, file) = (self.folder.path().display(), self.file_target());
        format!("{file}socket = \"{place}/admin.sock\"\nmaster_socket = \"{place}/master.sock\"\n")
    }

    /// The policy's target table for the file alone.
    pub fn file_target(&self) -> String {
        let place = self.folder.path().display();
        format!("[haproxy.web]\nconfig = \"{place}/haproxy.cfg\"\nbackend = \"web\"\nbinary = \"{}\"\n", binary())
    }
}

/// Debian keeps it where not everybody looks.
fn path() -> String {
    format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default())
}

/// The program.
pub fn binary() -> &'static str {
    if std::path::Path::new("/usr/sbin/haproxy").exists() { "/usr/sbin/haproxy" } else { "haproxy" }
}
