//! A PostgreSQL server of the tests' own, its log readable as data.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::daemon::{Daemon, eventually, on_free_port, uid};
use super::folder::Folder;
use super::hold::Hold;

/// The superuser's and the plain role's passwords: planted, so that they can be looked for in every output.
pub const ADMIN_PASSWORD: &str = "planted-admin-pw-7Qx";
/// The plain role's password.
pub const READER_PASSWORD: &str = "planted-reader-pw-9Zk";

/// What all servers share. Durable they need not be; every statement is logged, as JSON lines.
const CONFIG: &str = "
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
autovacuum = off
shared_buffers = '32MB'
max_connections = 40
max_wal_senders = 4
timezone = 'UTC'
logging_collector = on
log_destination = 'jsonlog'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_statement = 'all'
";

/// A server in a temporary folder, with the database `shop`, the superuser `admin` and the role `reader`, who may only connect.
#[derive(Debug)]
pub struct Postgres {
    daemon: Option<Daemon>,
    folder: Folder,
    port: u16,
}

/// A read-only copy of a server, following it.
#[derive(Debug)]
pub struct Standby(Postgres);

/// A statement as the server logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The session.
    pub session: u64,
    /// Who sent it.
    pub user: String,
    /// The name the client gave itself.
    pub application: String,
    /// The text, as sent.
    pub text: String,
}

impl Postgres {
    /// A fresh server.
    pub fn start() -> Self {
        let template = template();
        on_free_port(|port| {
            let folder = Folder::new();
            own(folder.path());
            let data = folder.file("data");
            succeed(as_owner("cp").arg("--archive").arg("--reflink=auto").arg(&template).arg(&data), "cp");
            Self::launch(folder, port)
        })
    }

    /// A fresh server that shares nothing with the others: they are all copies of one, down to its system identifier.
    pub fn start_stranger() -> Self {
        on_free_port(|port| {
            let folder = Folder::new();
            own(folder.path());
            initialise(folder.path(), &folder.file("data"));
            Self::launch(folder, port)
        })
    }

    /// Starts the server whose data are in `folder`; none if it does not come up.
    fn launch(folder: Folder, port: u16) -> Option<Self> {
        let sockets = folder.file("sockets");
        fs::create_dir_all(&sockets).expect("a folder can be made");
        own(&sockets);
        let mut server = Self { daemon: None, folder, port };
        server.boot().then_some(server)
    }

    /// Starts the process and waits until it answers.
    fn boot(&mut self) -> bool {
        let data = self.data();
        let config =
            format!("{CONFIG}port = {}\nunix_socket_directories = '{}'\n", self.port, self.sockets().display());
        fs::write(data.join("postgresql.conf"), config).expect("the configuration can be written");
        own(&data.join("postgresql.conf"));
        let console = File::create(self.folder.file("console.log")).expect("a file can be made");
        let mut command = as_owner(&program("postgres"));
        command.arg("-D").arg(&data).stdout(Stdio::null()).stderr(console);
        let mut daemon = Daemon::start(&mut command, self.folder.path());
        let mut dead = false;
        let up = eventually(Duration::from_secs(30), || {
            dead = !daemon.alive();
            dead || self.try_sql("select 1").is_ok()
        });
        self.daemon = Some(daemon);
        assert!(up, "PostgreSQL does not answer: {}", self.folder.read("console.log"));
        !dead
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("QUIT");
            daemon.wait();
        }
    }

    /// Stops it in order and starts it again, on the same data and port.
    pub fn restart(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.signal("INT");
            daemon.wait();
        }
        assert!(self.boot(), "PostgreSQL does not come back: {}", self.folder.read("console.log"));
    }

    /// A standby that follows this server and has caught up with it.
    pub fn standby(&self) -> Standby {
        let standby = on_free_port(|port| {
            let folder = Folder::new();
            own(folder.path());
            let mut copy = as_owner(&program("pg_basebackup"));
            copy.args(["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--pgdata"])
                .arg(folder.file("data"))
                .arg("--dbname")
                .arg(self.url());
            succeed(&mut copy, "pg_basebackup");
            Self::launch(folder, port)
        });
        let standby = Standby(standby);
        standby.catch_up(self);
        standby
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's URL of the database `shop`.
    pub fn url(&self) -> String {
        self.url_of("admin", ADMIN_PASSWORD, "shop")
    }

    /// The plain role's URL of the database `shop`.
    pub fn reader_url(&self) -> String {
        self.url_of("reader", READER_PASSWORD, "shop")
    }

    /// A URL.
    pub fn url_of(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.file("data")
    }

    /// Its socket folder.
    pub fn sockets(&self) -> PathBuf {
        self.folder.file("sockets")
    }

    /// Runs SQL as the superuser: rows as lines, columns split by `|`.
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
    }

    /// Runs SQL as the superuser, or gives the server's message.
    pub fn try_sql(&self, sql: &str) -> Result<String, String> {
        psql(&self.url(), sql)
    }

    /// Runs SQL as the plain role, or gives the server's message.
    pub fn sql_as_reader(&self, sql: &str) -> Result<String, String> {
        psql(&self.reader_url(), sql)
    }

    /// A session that has run `sql`, which begins a transaction, and stays as it is.
    pub fn hold(&self, sql: &str) -> Hold {
        let mut shell = Command::new("psql");
        shell.args(["--no-psqlrc", "--quiet", "--dbname", &self.url()]).env("PGAPPNAME", "tests");
        let hold = Hold::open(&mut shell, sql);
        let idle =
            "select count(*) from pg_stat_activity where state = 'idle in transaction' and application_name = 'tests'";
        let open = eventually(Duration::from_secs(10), || self.sql(idle) != "0");
        assert!(open, "no transaction after {sql}");
        hold
    }

    /// Everything that has been logged until now, as JSON lines.
    pub fn log(&self) -> String {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        // The collector writes a little later, but in order: what is before our own mark is complete.
        let mark = format!("mark-{}-{}", std::process::id(), MARKS.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("select '{mark}'"));
        let file = self.data().join("log/server.json");
        let mut log = String::new();
        let complete = eventually(Duration::from_secs(10), || {
            log = fs::read_to_string(&file).unwrap_or_default();
            log.contains(&mark)
        });
        assert!(complete, "the log does not show {mark}");
        log
    }

    /// The statements that have been logged until now, in order, without those of the tests themselves.
    pub fn statements(&self) -> Vec<Statement> {
        self.log().lines().filter_map(Statement::parse).filter(|statement| statement.application != "tests").collect()
    }
}

impl Standby {
    /// Waits until it has replayed all that its primary has written.
    pub fn catch_up(&self, primary: &Postgres) {
        let written = primary.sql("select pg_current_wal_lsn()");
        let so = format!("select pg_last_wal_replay_lsn() >= '{written}'");
        let caught = eventually(Duration::from_secs(20), || self.0.try_sql(&so).as_deref() == Ok("t"));
        assert!(caught, "the standby does not catch up");
    }
}

impl std::ops::Deref for Standby {
    type Target = Postgres;

    fn deref(&self) -> &Postgres {
        &self.0
    }
}

impl Statement {
    /// A line of the log, where it holds a statement.
    fn parse(line: &str) -> Option<Self> {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| line.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let message = field("message");
        let (what, text) = message.split_once(": ")?;
        let sent = what == "statement" || what.starts_with("execute ");
        let session = line.get("pid").and_then(serde_json::Value::as_u64).unwrap_or_default();
        sent.then(|| Self {
            session,
            user: field("user"),
            application: field("application_name"),
            text: text.to_owned(),
        })
    }
}

/// A server program, where Debian puts it or on the path.
pub fn program(name: &str) -> String {
    let debian = format!("/usr/lib/postgresql/15/bin/{name}");
    if Path::new(&debian).exists() { debian } else { name.to_owned() }
}

/// A command under the user that owns the servers: our own, or `postgres` where we are root.
pub fn as_owner(program: &str) -> Command {
    let mut command = if uid() == 0 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", program]);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

/// Gives a file or folder to the user that owns the servers.
pub fn own(path: &Path) {
    if uid() == 0 {
        succeed(Command::new("chown").arg("postgres:postgres").arg(path), "chown");
    }
}

/// An initialised data folder to copy, made once and kept between runs: initialising takes a second, copying a tenth of that.
fn template() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("evenkeel-postgres-15-for-{}", uid()));
    let template = folder.join("data");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let lock = File::create(folder.join("lock")).expect("a file can be made");
    lock.lock().expect("a file can be locked");
    if !template.exists() {
        let draft = folder.join("draft");
        let _ = fs::remove_dir_all(&draft);
        own(&folder);
        initialise(&folder, &draft);
        fs::rename(&draft, &template).expect("a folder can be renamed");
    }
    template
}

fn initialise(folder: &Path, data: &Path) {
    let password = folder.join("password");
    fs::write(&password, ADMIN_PASSWORD).expect("a file can be written");
    own(&password);
    let mut init = as_owner(&program("initdb"));
    init.args(["--username=admin", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
        .args(["--no-sync", "--no-instructions", "--wal-segsize=1"])
        .arg("--pwfile")
        .arg(&password)
        .arg(data);
    succeed(&mut init, "initdb");
    let sql = format!("create database shop;\ncreate role reader login password '{READER_PASSWORD}';\n");
    let script = folder.join("first.sql");
    fs::write(&script, sql).expect("a file can be written");
    let mut single = as_owner(&program("postgres"));
    single.arg("--single").arg("-D").arg(data).args(["-c", "fsync=off", "-j", "postgres"]);
    // Single-user mode with -j ends a statement at an empty line.
    single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = single.spawn().expect("postgres starts");
    let text = fs::read_to_string(&script).expect("a file can be read").replace('\n', "\n\n");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), text.as_bytes()).expect("postgres reads");
    let output = child.wait_with_output().expect("postgres ends");
    assert!(output.status.success(), "postgres --single: {}", String::from_utf8_lossy(&output.stderr));
}

fn psql(url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", "--dbname", url])
        .args(["--command", sql])
        .env("PGAPPNAME", "tests")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("PGOPTIONS")
        .stdin(Stdio::null())
        .output()
        .expect("psql starts");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }
}

fn succeed(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_server_starts_logs_and_follows() {
    let mut server = Postgres::start();
    assert_eq!(server.sql("select current_user, current_database()"), "admin|shop");
    server.sql("create table t (a int); create extension hypopg");
    let denied = server.sql_as_reader("create table public.u ()").expect_err("a reader may not");
    assert!(denied.contains("permission denied"), "{denied}");
    assert!(server.log().contains("create extension hypopg"));
    assert_eq!(server.statements(), []);

    let standby = server.standby();
    assert_eq!(standby.sql("select pg_is_in_recovery()"), "t");
    server.sql("insert into t values (7)");
    standby.catch_up(&server);
    assert_eq!(standby.sql("select a from t"), "7");

    server.sql("alter system set work_mem = '5MB'");
    server.restart();
    assert_eq!(server.sql("show work_mem"), "5MB");
    server.stop();
    server.try_sql("select 1").expect_err("it is stopped");
}
