//! An nginx of the tests' own, in front of real nodes.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::backend::Backend;
use super::daemon::{Daemon, eventually, on_free_port, signal};
use super::folder::Folder;

/// An nginx in a folder of its own, whose upstream is in `conf.d/web.conf`.
#[derive(Debug)]
pub struct Nginx {
    daemon: Daemon,
    folder: Folder,
    port: u16,
}

/// Its worker processes.
const WORKERS: usize = 2;

/// What the location that leads to the pool says.
const LOCATION: &str = "            proxy_http_version 1.1;\n            proxy_set_header Connection \"\";\n            \
                        proxy_next_upstream error timeout;\n            proxy_connect_timeout 1s;\n";

impl Nginx {
    /// Starts it with `pool` as `conf.d/web.conf`; `[name]` stands for the address of a node.
    pub fn start(pool: &str, nodes: &[(&str, &Backend)]) -> Self {
        let pool = nodes
            .iter()
            .fold(pool.to_owned(), |text, (name, node)| text.replace(&format!("[{name}]"), &node.address()));
        on_free_port(|port| {
            let folder = Folder::new();
            let text = format!(
                "# Edited by hand.\nworker_processes {WORKERS};\npid nginx.pid;\nerror_log error.log notice;\nevents {{ worker_connections 256; }}\n\
                 http {{\n    access_log off;\n    client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c;\n    \
                 uwsgi_temp_path tmp/d; scgi_temp_path tmp/e;\n    include conf.d/*.conf;\n    server {{\n        listen 127.0.0.1:{port};\n        \
                 location / {{\n            proxy_pass http://web;\n{LOCATION}        }}\n    }}\n}}\n"
            );
            let main = folder.write("nginx.conf", &text);
            folder.write("conf.d/web.conf", &pool);
            std::fs::create_dir_all(folder.file("tmp")).expect("a folder can be made");
            let console = File::create(folder.file("console.log")).expect("a file can be made");
            let mut command = Command::new(binary());
            command.arg("-p").arg(folder.path()).arg("-c").arg(main).args(["-g", "daemon off;"]);
            command.stdout(Stdio::null()).stderr(console);
            let mut daemon = Daemon::start(&mut command, folder.path());
            let mut dead = false;
            let up = eventually(Duration::from_secs(20), || {
                dead = !daemon.alive();
                // It listens before there is anybody to serve.
                let serves =
                    || TcpStream::connect(("127.0.0.1", port)).is_ok() && workers_of(daemon.pid()).len() == WORKERS;
                dead || (folder.file("nginx.pid").exists() && serves())
            });
            assert!(up, "nginx does not answer: {}", folder.read("console.log"));
            (!dead).then(|| Self { daemon, folder, port })
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

    /// Everything in its folder but what it logs by itself, at a time of its own.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = self.folder.files();
        files.retain(|(path, _)| path.extension().is_none_or(|extension| extension != "log"));
        files
    }

    /// The upstream's file as it is now.
    pub fn config(&self) -> String {
        self.folder.read("conf.d/web.conf")
    }

    /// Exchanges a text of a file, as an editor would.
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let text = self.folder.read(file);
        assert!(text.contains(old), "`{old}` is in\n{text}");
        self.folder.write(file, &text.replace(old, new));
    }

    /// Has it read its files anew, as an administrator would, and waits for the new workers.
    pub fn reload(&self) {
        let before = self.workers();
        signal(self.daemon.pid(), "HUP");
        let new = || self.workers().iter().all(|worker| !before.contains(worker)) && !self.workers().is_empty();
        assert!(eventually(Duration::from_secs(10), new), "nginx does not reload: {}", self.folder.read("error.log"));
    }

    /// The process ids of the workers that serve, sorted.
    pub fn workers(&self) -> Vec<u32> {
        workers_of(self.daemon.pid())
    }

    /// How often its configuration was read anew.
    pub fn reloads(&self) -> usize {
        self.folder.read("error.log").matches("(SIGHUP) received").count()
    }

    /// Ends it, as a crash of its machine would: the pid file stays.
    pub fn kill(&mut self) {
        // The workers outlive it, and it would replace those that end before it.
        let workers = self.workers();
        for pid in [self.daemon.pid()].into_iter().chain(workers) {
            signal(pid, "KILL");
        }
        self.daemon.wait();
    }

    /// The policy's target table.
    pub fn target(&self) -> String {
        format!("{}pid = \"{}/nginx.pid\"\nprobe = \"/health\"\n", self.upstream(), self.folder.path().display())
    }

    /// The policy's target table for the file alone, checked by nginx.
    pub fn file_target(&self) -> String {
        let place = self.folder.path().display();
        format!("{}main = \"{place}/nginx.conf\"\nprefix = \"{place}\"\nworkers = 2\n", self.upstream())
    }

    fn upstream(&self) -> String {
        let (place, binary) = (self.folder.path().display(), binary());
        format!("[nginx.web]\nconfig = \"{place}/conf.d/web.conf\"\nupstream = \"web\"\nbinary = \"{binary}\"\n")
    }
}

fn workers_of(master: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("processes can be listed");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let ours = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent == Some(master) && title.starts_with("nginx: worker") && !title.contains("shutting")
    };
    let mut found: Vec<u32> = pids.filter(ours).collect();
    found.sort_unstable();
    found
}

/// Debian keeps it where not everybody looks.
pub fn binary() -> &'static str {
    if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}
