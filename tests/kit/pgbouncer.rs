//! A `PgBouncer` of the tests' own, in front of a PostgreSQL of theirs.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::daemon::{Daemon, eventually, on_free_port};
use super::folder::Folder;
use super::postgres::{ADMIN_PASSWORD, Postgres, as_owner, own};

/// The console users' password: planted, so that it can be looked for in every output.
pub const CONSOLE_PASSWORD: &str = "planted-console-pw-3Kd";

/// A server in a temporary folder with the entry `shop`, and the users `console_admin`, `console_stats` and `stranger`.
#[derive(Debug)]
pub struct Pgbouncer {
    daemon: Option<Daemon>,
    folder: Folder,
    port: u16,
}

impl Pgbouncer {
    /// A fresh server whose entry `shop` leads to `postgres`; `extra` is added to `[pgbouncer]`.
    pub fn start(postgres: &Postgres, extra: &str) -> Self {
        on_free_port(|port| {
            let folder = Folder::new();
            let users = ["console_admin", "console_stats", "stranger"]
                .map(|user| format!("\"{user}\" \"{CONSOLE_PASSWORD}\"\n"))
                .concat();
            let users = folder.write("users.txt", &format!("{users}\"admin\" \"{ADMIN_PASSWORD}\"\n"));
            let config = format!(
                "; the shop's pooler\n[databases]\nshop = host=127.0.0.1 port={} dbname=shop\n\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {}\n\
                 admin_users = console_admin\nstats_users = console_stats\nignore_startup_parameters = extra_float_digits\n{extra}",
                postgres.port(),
                users.display()
            );
            let config = folder.write("pgbouncer.ini", &config);
            own(&users);
            own(&config);
            let mut server = Self { daemon: None, folder, port };
            server.boot().then_some(server)
        })
    }

    fn boot(&mut self) -> bool {
        let console = File::create(self.folder.file("console.log")).expect("a file can be made");
        let mut command = as_owner("pgbouncer");
        command.arg(self.config()).stdout(Stdio::null()).stderr(console);
        let mut daemon = Daemon::start(&mut command, self.folder.path());
        let mut dead = false;
        let up = eventually(Duration::from_secs(20), || {
            dead = !daemon.alive();
            dead || self.try_ask("show version").is_ok()
        });
        self.daemon = Some(daemon);
        assert!(up, "PgBouncer does not answer: {}", self.folder.read("console.log"));
        !dead
    }

    /// Stops it and starts it again, on the same file.
    pub fn restart(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("TERM");
            daemon.wait();
        }
        assert!(self.boot(), "PgBouncer does not come back: {}", self.folder.read("console.log"));
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.file("pgbouncer.ini")
    }

    /// The configuration file's content.
    pub fn ini(&self) -> String {
        self.folder.read("pgbouncer.ini")
    }

    /// Writes the configuration file anew, as its owner would.
    pub fn write_ini(&self, text: &str) {
        fs::write(self.config(), text).expect("the configuration can be written");
    }

    /// The console's URL for one of its users.
    pub fn url(&self, user: &str) -> String {
        format!("postgres://{user}:{CONSOLE_PASSWORD}@127.0.0.1:{}/pgbouncer", self.port)
    }

    /// The URL of the database `shop` through it.
    pub fn shop_url(&self) -> String {
        format!("postgres://admin:{ADMIN_PASSWORD}@127.0.0.1:{}/shop", self.port)
    }

    /// Runs one command of the console: rows as lines, columns split by `|`.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn try_ask(&self, command: &str) -> Result<String, String> {
        let output = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", command])
            .arg(self.url("console_admin"))
            .stdin(Stdio::null())
            .output()
            .expect("psql starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The running value of a setting.
    pub fn setting(&self, key: &str) -> String {
        let rows = self.ask("show config");
        let row = rows.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('|'));
        row.and_then(|row| row.split('|').next()).unwrap_or_default().to_owned()
    }

    /// The running pool size of an entry, if there is such an entry.
    pub fn pool_size(&self, name: &str) -> Option<String> {
        let rows = self.ask("show databases");
        let row = rows.lines().find(|line| line.split('|').next() == Some(name))?;
        row.split('|').nth(5).map(str::to_owned)
    }
}
