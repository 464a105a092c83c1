//! The provider on real files: what it plans, what it does, and that it does nothing else.

mod contracts;
mod definitions;
mod harmless;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::sql::Database;
use super::{Op, Settings, Sqlite};
use crate::error::Result;
use crate::model::{Action, Facts, Origin, ResourceId, TargetId, units, value};
use crate::provider::{Breadth, Context, Delta, Pairing, Problem, Progress, Provider, Scope, Want};

type Spec = super::Spec;

/// A database in a folder of its own.
struct Place {
    folder: TempDir,
    file: PathBuf,
}

/// What planning found.
struct Look {
    notes: Vec<String>,
    ops: Vec<Op>,
    text: String,
}

async fn place(setup: &str) -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.db");
    std::fs::write(&file, "").expect("an empty file is an empty database");
    let place = Place { folder, file };
    place.edit(setup).await;
    place
}

impl Place {
    /// Another database with the same content.
    fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("shop.db");
        std::fs::copy(&self.file, &file).expect("a copy");
        Self { folder, file }
    }

    /// Changes the database from outside.
    async fn edit(&self, statements: &str) {
        let mut database = Database::writable(&self.file, Duration::from_secs(1)).await.expect("a database");
        database.run(statements).await.expect("valid statements");
        database.close().await;
    }

    async fn provider(&self) -> Sqlite {
        self.try_provider().await.expect("a connection")
    }

    async fn try_provider(&self) -> Result<Sqlite> {
        let context = Context {
            target: TargetId::new("sqlite", "shop"),
            connect_timeout: Duration::from_secs(5),
            now: jiff::Timestamp::UNIX_EPOCH,
            depth: crate::provider::Depth::Exact,
            neighbors: crate::provider::Neighbors::default(),
        };
        Sqlite::connect(settings(&self.file.display().to_string()), context).await
    }

    /// Plans for `wants`, each a kind, a name and a specification or nothing.
    async fn plan(&self, wants: &[(&str, &str, Option<serde_json::Value>)]) -> Look {
        let wants: Vec<_> = wants.iter().map(|(kind, name, spec)| want(kind, name, spec.clone())).collect();
        let mut problems = Sqlite::check(&settings("shop.db"), &wants);
        if !problems.is_empty() {
            return Look { text: told(&problems), notes: Vec::new(), ops: Vec::new() };
        }
        let provider = self.provider().await;
        let reading = provider.read(&Scope { wanted: &wants, breadth: Breadth::Everything }).await.expect("a reading");
        let live = |id: &ResourceId| reading.live.iter().find(|live| live.id == *id);
        let contract = |want: &Want<Spec>| want.id.kind == "query";
        let pair = |want: &Want<Spec>| {
            let live = live(&want.id).map(|live| live.spec.clone());
            Some(Pairing { id: want.id.clone(), want: want.spec.clone()?, live })
        };
        let mut pairs: Vec<_> = wants.iter().filter(|want| !contract(want)).filter_map(pair).collect();
        problems.extend(provider.canonical(&reading.site, &mut pairs).await.expect("an answer"));
        if !problems.is_empty() {
            return Look { text: told(&problems), notes: reading.notes, ops: Vec::new() };
        }
        let mut deltas = Vec::new();
        for Pairing { id, want, live } in pairs {
            let erased = |spec: &Spec| value::erase(spec).expect("a tagged table");
            let action = match &live {
                None => Action::Create,
                Some(live) if erased(live) == erased(&want) => continue,
                Some(_) if id.kind == "index" => Action::Replace,
                Some(_) => Action::Update,
            };
            deltas.push(Delta { id, action, want: Some(want), live, changed: Vec::new(), facts: Facts::default() });
        }
        for want in wants.iter().filter(|want| want.spec.is_none()) {
            if let Some(live) = live(&want.id) {
                let (live, facts) = (Some(live.spec.clone()), live.facts.clone());
                let (id, action) = (want.id.clone(), Action::Delete);
                deltas.push(Delta { id, action, want: None, live, changed: Vec::new(), facts });
            }
        }
        let mut text = String::new();
        let mut ops = Vec::new();
        for draft in Sqlite::steps(&reading.site, &deltas) {
            text += &format!("{:?}: {}\n{}\n", draft.stage, draft.title, draft.op);
            for hazard in &draft.hazards {
                text += &format!("! {} {}\n", hazard.code, hazard.evidence);
            }
            ops.push(draft.op);
        }
        assert_eq!(ops.len(), deltas.len(), "every difference has its step");
        Look { notes: reading.notes, ops, text }
    }

    async fn apply(&self, look: &Look) -> Result<()> {
        let provider = self.provider().await;
        for op in &look.ops {
            provider.run(op, &Progress::silent()).await?;
        }
        Ok(())
    }

    /// The one text that a query gives.
    async fn ask(&self, query: &str) -> String {
        let mut database = Database::read_only(&self.file, Duration::from_secs(1)).await.expect("a database");
        let rows = database.rows(query, &[]).await.expect("an answer");
        let answer = rows.first().map(|row| super::schema::text_at(row, 0)).unwrap_or_default();
        database.close().await;
        answer
    }

    /// The texts of everything in the database.
    async fn schema(&self) -> Vec<String> {
        let mut database = Database::read_only(&self.file, Duration::from_secs(1)).await.expect("a database");
        let rows = database.rows("select sql from sqlite_schema where sql is not null order by name", &[]).await;
        let texts = rows.expect("a schema").iter().map(|row| super::schema::text_at(row, 0)).collect();
        database.close().await;
        texts
    }
}

fn settings(path: &str) -> Settings {
    Settings { path: path.into(), busy_timeout: units::Duration::from_millis(200) }
}

fn want(kind: &str, name: &str, spec: Option<serde_json::Value>) -> Want<Spec> {
    let spec = spec.map(|spec| serde_json::from_value(serde_json::json!({ kind: spec })).expect("a specification"));
    Want { id: ResourceId::named(kind, name), spec, origin: Origin { file: "shop.toml".into(), line: 1 } }
}

fn told(problems: &[Problem]) -> String {
    let tell = |problem: &Problem| {
        let at = problem.attribute.as_deref().unwrap_or("-");
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("problem at {at}: {}{hint}", problem.message)
    };
    problems.iter().map(tell).collect::<Vec<_>>().join("\n")
}

/// Every file of a folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
        .collect();
    files.sort();
    files
}
