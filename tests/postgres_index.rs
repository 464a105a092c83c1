//! The postgres provider's indexes, on a real server: what is built is what was wanted, and nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use evenkeel::error::Result;
use evenkeel::model::{Action, Attributes, Origin, ResourceId, TargetId, value};
use evenkeel::provider::{
    Breadth, Claim, Context, Delta, Draft, Holder, Live, Pairing, Problem, Progress, Provider, Reading, Scope, Want,
};
use evenkeel::providers::postgres::{Op, Postgres, Settings, Site, Spec};
use serde_json::{Value, json};

/// A server of its own, stopped when the tests are over.
struct Server {
    folder: PathBuf,
    port: u16,
    #[expect(dead_code, reason = "lives as long as the server does")]
    watcher: Child,
}

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// Servers refuse to run as root.
fn as_postgres(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", program]);
    command
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("evenkeel-pg").tempdir().expect("a folder").keep();
        run(Command::new("chown").arg("postgres").arg(&folder));
        let data = folder.join("data");
        run(as_postgres(&format!("{BIN}/initdb")).arg("-D").arg(&data).args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "-N",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]));
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_prepared_transactions=5 -c autovacuum=off -c log_statement=all",
            folder.display()
        );
        run(as_postgres(&format!("{BIN}/pg_ctl"))
            .arg("-D")
            .arg(&data)
            .arg("-o")
            .arg(options)
            .arg("-l")
            .arg(folder.join("log"))
            .args(["-w", "start"]));
        Self { watcher: watch_over(&folder), folder, port }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// Statics are never dropped: a child of ours stops the server once this process is gone.
fn watch_over(folder: &Path) -> Child {
    let script = "while [ -d \"/proc/$1\" ]; do sleep 1; done; \"$2/pg_ctl\" -D \"$3/data\" -m immediate stop >/dev/null 2>&1; rm -rf \"$3\"";
    as_postgres("sh")
        .args(["-c", script, "sh", &std::process::id().to_string(), BIN])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a watcher")
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("a program that runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}{text}", String::from_utf8_lossy(&output.stderr));
    text
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// A fresh database with the shop's tables.
struct Shop {
    name: String,
    settings: Value,
}

/// Databases are copied from a template that only one may use at a time.
static CREATING: Mutex<()> = Mutex::new(());

const TABLES: &str = include_str!("postgres_index.sql");

impl Shop {
    fn new(name: &str) -> Self {
        let shop = Self { name: name.to_owned(), settings: json!({ "url": server().url(name) }) };
        let _one_at_a_time = CREATING.lock();
        psql("postgres", &format!("create database {name}"));
        shop.psql(TABLES);
        shop
    }

    fn psql(&self, sql: &str) -> String {
        psql(&self.name, sql)
    }

    fn settings(&self) -> Settings {
        serde_json::from_value(self.settings.clone()).expect("settings")
    }

    async fn connect(&self) -> Postgres {
        Postgres::connect(self.settings(), context()).await.expect("a connection")
    }
}

fn psql(database: &str, sql: &str) -> String {
    let mut command = Command::new("psql");
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &server().url(database)]);
    for statement in sql.split(";;") {
        command.args(["-c", statement]);
    }
    run(&mut command).trim_end().to_owned()
}

fn context() -> Context {
    Context {
        target: TargetId::new("postgres", "shop"),
        connect_timeout: Duration::from_secs(10),
        now: jiff::Timestamp::UNIX_EPOCH,
        depth: evenkeel::provider::Depth::Exact,
        neighbors: evenkeel::provider::Neighbors::default(),
    }
}

fn id(name: &str) -> ResourceId {
    ResourceId::named("index", name)
}

fn want(name: &str, spec: Value) -> Want<Spec> {
    let tagged = Value::Object([("index".to_owned(), spec)].into_iter().collect());
    let spec = serde_json::from_value(tagged).unwrap_or_else(|e| panic!("{name}: {e}"));
    Want { id: id(name), spec: Some(spec), origin: Origin { file: "test.toml".into(), line: 1 } }
}

fn absent(name: &str) -> Want<Spec> {
    Want { id: id(name), spec: None, origin: Origin { file: "test.toml".into(), line: 1 } }
}

/// What one look finds, compared as the engine compares.
struct Look {
    reading: Reading<Site, Spec>,
    problems: Vec<Problem>,
    deltas: Vec<Delta<Spec>>,
}

fn attributes(spec: &Spec) -> Attributes {
    value::erase(spec).expect("attributes")
}

/// Reads, brings to one form, compares. With `prune`, what nobody declares is to go.
async fn look(shop: &Postgres, wants: &[Want<Spec>], prune: &[&str]) -> Result<Look> {
    let mut reading = shop.read(&Scope { wanted: wants, breadth: Breadth::Everything }).await?;
    // Other kinds have tests of their own.
    reading.live.retain(|live| live.id.kind == "index");
    let readable = |id: &ResourceId| !reading.incomplete.iter().any(|gap| gap.covers(id));
    let mut pairs: Vec<_> = wants
        .iter()
        .filter(|want| readable(&want.id))
        .filter_map(|want| {
            let live = reading.live.iter().find(|live| live.id == want.id).map(|live| live.spec.clone());
            want.spec.clone().map(|spec| Pairing { id: want.id.clone(), want: spec, live })
        })
        .collect();
    let problems = shop.canonical(&reading.site, &mut pairs).await?;
    let facts =
        |id: &ResourceId| reading.live.iter().find(|live| live.id == *id).map(|l| l.facts.clone()).unwrap_or_default();
    let mut deltas = Vec::new();
    for pair in pairs {
        let before = pair.live.as_ref().map(attributes).unwrap_or_default();
        let after = attributes(&pair.want);
        let mut changed: Vec<String> = Vec::new();
        for key in before.keys().chain(after.keys()) {
            if before.get(key) != after.get(key) && !changed.contains(key) {
                changed.push(key.clone());
            }
        }
        let replaces = changed.iter().any(|key| Postgres::KINDS[0].replaces.contains(&key.as_str()));
        let action = match (&pair.live, changed.is_empty(), replaces) {
            (None, ..) => Action::Create,
            (_, true, _) => continue,
            (_, _, true) => Action::Replace,
            _ => Action::Update,
        };
        let facts = facts(&pair.id);
        deltas.push(Delta { id: pair.id, action, want: Some(pair.want), live: pair.live, changed, facts });
    }
    for live in &reading.live {
        let wanted = wants.iter().find(|want| want.id == live.id);
        let goes = match wanted {
            Some(want) => want.spec.is_none(),
            None => prune.contains(&live.id.label()),
        };
        if goes && readable(&live.id) {
            let Live { id, spec, facts } = live.clone();
            deltas.push(Delta { id, action: Action::Delete, want: None, live: Some(spec), changed: Vec::new(), facts });
        }
    }
    reading.live.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Look { reading, problems, deltas })
}

impl Look {
    /// The steps, ordered as the engine orders them, and checked as the engine checks them.
    fn drafts(&self) -> Vec<Draft<Op>> {
        let mut drafts = Postgres::steps(&self.reading.site, &self.deltas);
        for delta in &self.deltas {
            let covering: Vec<_> = drafts.iter().filter(|draft| draft.covers.contains(&delta.id)).collect();
            assert!(!covering.is_empty(), "no step covers {}", delta.id);
            if delta.action == Action::Delete {
                assert!(
                    covering.iter().any(|draft| !draft.hazards.is_empty()),
                    "{} is deleted without a hazard",
                    delta.id
                );
            }
        }
        drafts.sort_by_key(|draft| draft.stage);
        drafts
    }

    /// The plan as text: stage, statement, timeouts, hazards.
    fn plan(&self) -> String {
        let mut out = String::new();
        for problem in &self.problems {
            let label = problem.id.as_ref().map(ResourceId::label).unwrap_or_default();
            let place = problem.attribute.as_deref().unwrap_or_default();
            writeln!(out, "problem {label}.{place}: {}", problem.message).expect("text");
            if let Some(hint) = &problem.hint {
                writeln!(out, "  hint: {hint}").expect("text");
            }
        }
        for gap in &self.reading.incomplete {
            writeln!(out, "incomplete {}: {}", gap.name.as_deref().unwrap_or_default(), gap.reason).expect("text");
        }
        for draft in self.drafts() {
            writeln!(out, "{:?}: {}", draft.stage, draft.op).expect("text");
            for hazard in draft.hazards {
                writeln!(out, "  ! {}", hazard.code).expect("text");
            }
        }
        out
    }

    fn evidence(&self) -> String {
        let mut out = String::new();
        for hazard in self.drafts().iter().flat_map(|draft| &draft.hazards) {
            writeln!(out, "{}: {}", hazard.code, hazard.evidence).expect("text");
        }
        out
    }
}

async fn apply(shop: &Postgres, look: &Look) {
    for draft in look.drafts() {
        shop.run(&draft.op, &Progress::silent()).await.unwrap_or_else(|e| panic!("{}: {e}", draft.op));
    }
}

/// Applies, and shows that nothing is left to do.
async fn converge(shop: &Postgres, wants: &[Want<Spec>], prune: &[&str]) {
    let first = look(shop, wants, prune).await.expect("a look");
    assert_eq!(first.problems, []);
    apply(shop, &first).await;
    let second = look(shop, wants, prune).await.expect("a look");
    assert_eq!(second.plan(), "");
}

fn holder() -> Holder {
    Holder {
        who: "ci@runner-7".into(),
        pid: 4711,
        run: "20261123T080000-3f2a".into(),
        since: "2026-11-23T08:00:00Z".into(),
    }
}

fn email() -> Vec<Want<Spec>> {
    vec![want("users_email", json!({ "table": "users", "columns": ["email"] }))]
}

fn lower_email() -> Vec<Want<Spec>> {
    vec![want(
        "users_email",
        json!({ "table": "users", "columns": ["lower(email)"], "where": "status in ('open', 'new')" }),
    )]
}

async fn plan(shop: &Postgres, wants: &[Want<Spec>], prune: &[&str]) -> String {
    look(shop, wants, prune).await.expect("a look").plan()
}

mod definitions;
mod injection;
mod lifecycle;
mod partitions;
mod problems;
