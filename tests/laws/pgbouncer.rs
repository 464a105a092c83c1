//! The subjects on PgBouncer: through its console, through its file, and through both.

use std::fmt::Write as _;
use std::fs;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;

use super::subject::{Subject, allow_all, hold_journal, locked};
use crate::kit::{CONSOLE_PASSWORD, Folder, Hold, Pgbouncer, Postgres};

/// The password of an entry that the policy does not name.
const ENTRY_PASSWORD: &str = "planted-entry-pw-8Rm";

/// Which sides of the pooler the policy names.
pub trait Mode {
    /// It gives the console.
    const CONSOLE: bool;
    /// It gives the file.
    const FILE: bool;
    /// How many steps the policy takes.
    const STEPS: usize;
}

/// The running server alone. One resource, for the console changes settings only: an interrupted run has nothing that it could leave.
pub struct ConsoleOnly;

impl Mode for ConsoleOnly {
    const CONSOLE: bool = true;
    const FILE: bool = false;
    const STEPS: usize = 3;
}

/// The file and the one that it includes, each written whole: too short a moment to be interrupted in.
pub struct FileOnly;

impl Mode for FileOnly {
    const CONSOLE: bool = false;
    const FILE: bool = true;
    const STEPS: usize = 2;
}

/// Both files, then RELOAD, without which no resource is done.
pub struct Both;

impl Mode for Both {
    const CONSOLE: bool = true;
    const FILE: bool = true;
    const STEPS: usize = 3;
}

/// A pooler in front of a server, with three entries of its own.
pub struct Pooler<M> {
    folder: Folder,
    server: Pgbouncer,
    _postgres: Postgres,
    mode: PhantomData<M>,
}

const SETTINGS: &str = r#"
[pgbouncer.main.settings]
default_pool_size = 7
query_wait_timeout = "30s"
max_client_conn = 250
"#;

const POOLS: &str = r#"
[pgbouncer.main.pool.shop]
pool_size = 9
pool_mode = "transaction"

[pgbouncer.main.pool.reports]
connection = { host = "127.0.0.1", dbname = "shop" }
pool_size = 3

[pgbouncer.main.pool.old]
absent = true
"#;

impl<M: Mode> Pooler<M> {
    /// Replaces a part of the file, as its owner would, and has the server read it.
    fn edit(&self, from: &str, to: &str) {
        let before = self.server.ini();
        let after = before.replace(from, to);
        assert_ne!(after, before, "`{from}` is there");
        self.server.write_ini(&after);
        self.server.ask("reload");
    }
}

impl<M: Mode> Subject for Pooler<M> {
    const TARGET: &'static str = "pgbouncer.main";
    const LOCKS: bool = M::FILE;
    const STEPS: usize = M::STEPS;

    fn start() -> Self {
        let folder = Folder::new();
        let more = folder.write("more.ini", "; ours\nquery_wait_timeout = 60\n");
        let postgres = Postgres::start();
        let extra = format!(
            "pool_mode = session\n%include {}\n\n[databases]\nold = host=127.0.0.1 dbname=shop pool_size=2\n\
             other = host=127.0.0.1 dbname=shop password={ENTRY_PASSWORD}\n",
            more.display()
        );
        let server = Pgbouncer::start(&postgres, &extra);
        let mut policy = allow_all("pgbouncer") + "[pgbouncer.main]\n";
        if M::CONSOLE {
            policy += "admin_url = { env = \"CONSOLE\" }\n";
        }
        if M::FILE {
            let _ = writeln!(policy, "config = \"{}\"", server.config().display());
        }
        policy += SETTINGS;
        policy += if M::FILE { POOLS } else { "" };
        folder.write("policies/shop.toml", &policy);
        Self { folder, server, _postgres: postgres, mode: PhantomData }
    }

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn env(&self) -> Vec<(String, String)> {
        vec![("CONSOLE".into(), self.server.url("console_admin"))]
    }

    fn fingerprint(&self) -> String {
        let mut found = ["show config", "show databases"].map(|command| self.server.ask(command)).concat();
        for file in [self.server.config(), self.folder.file("more.ini")] {
            let about = fs::metadata(&file).expect("the file is there");
            let text = fs::read_to_string(&file).expect("the file is text");
            let _ = write!(found, "\n{} {} {} {text}", about.ino(), about.mtime(), about.mtime_nsec());
        }
        found
    }

    fn shape(&self) -> String {
        if !M::CONSOLE {
            // What is written has to be what the server reads.
            self.server.ask("reload");
        }
        let mut found = String::new();
        for key in ["default_pool_size", "query_wait_timeout", "max_client_conn"] {
            let _ = writeln!(found, "{key} {}", self.server.setting(key));
        }
        for name in ["shop", "reports", "old", "other"] {
            let _ = writeln!(found, "{name} {:?}", self.server.pool_size(name));
        }
        let ours = |line: &&str| !["listen_port", "auth_file", "%include"].iter().any(|key| line.starts_with(key));
        for line in self.server.ini().lines().filter(ours) {
            let line =
                if line.starts_with("shop") { line.split_once("dbname").map_or("", |(_, rest)| rest) } else { line };
            let _ = writeln!(found, "{line}");
        }
        found + &self.folder.read("more.ini")
    }

    fn meddle(&self) -> &'static str {
        if M::FILE {
            self.edit("pool_size=9", "pool_size=11");
            "pgbouncer.main.pool.shop"
        } else {
            self.server.ask("set max_client_conn = 251");
            "pgbouncer.main.settings"
        }
    }

    fn spoil(&self) -> &'static str {
        if M::FILE {
            self.edit("dbname=shop\n\n[pgbouncer]", "dbname=shop pool_size=5\n\n[pgbouncer]");
            "pgbouncer.main.pool.shop"
        } else {
            self.server.ask("set default_pool_size = 5");
            "pgbouncer.main.settings"
        }
    }

    fn hold(&self) -> Hold {
        hold_journal(&self.folder)
    }

    fn held_up(&self) -> bool {
        locked(&self.server.config())
    }

    fn elsewhere(&self) -> &'static str {
        "[pgbouncer.elsewhere]\nconfig = \"nowhere/pgbouncer.ini\"\n\n[pgbouncer.elsewhere.settings]\nmax_client_conn = 5\n"
    }

    fn secrets(&self) -> Vec<String> {
        vec![CONSOLE_PASSWORD.into(), ENTRY_PASSWORD.into()]
    }
}

/// Killed between the file and RELOAD, the file is whole and the next run does what is left, and no more.
#[cfg(feature = "crash-points")]
#[test]
fn killed_between_the_file_and_reload_only_reload_is_left() {
    use super::subject::commands;

    let subject = Pooler::<Both>::start();
    let planned = commands(&subject.plan());
    let (reload, writes) = planned.split_last().expect("there are steps");
    assert_eq!(reload, "reload");
    let point = format!("{}:after", writes.len());
    subject.run(&["apply", "--yes"]).env("EVENKEEL_CRASH_AT", point).output();
    assert_eq!(subject.server.setting("default_pool_size"), "20", "the running server does not know yet");
    let written = subject.server.ini();
    assert!(written.contains("default_pool_size = 7"), "{written}");
    assert_eq!(commands(&subject.plan()), std::slice::from_ref(reload));
    subject.run(&["drift"]).code(2);
    subject.apply();
    assert_eq!(subject.server.setting("default_pool_size"), "7");
    assert_eq!(subject.server.ini(), written);
    subject.settled();
}
