//! Running the operations, each with a look afterwards whether it took effect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::console::Console;
use super::layer::Layer;
use super::op::Op;
use super::site::Running;
use super::tree::{Edit, Incomplete, Tree};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Value, value};
use crate::provider::file::{self, Fingerprint, Snapshot};

/// How often the console is asked whether RELOAD took effect, and how long between.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Reads the configuration with all that it includes.
///
/// # Errors
/// `Failed` where the server would not read it either, with the file and the line.
pub async fn load(config: &Path) -> Result<Tree> {
    let mut fetched: BTreeMap<PathBuf, Snapshot> = BTreeMap::new();
    let mut wanted = config.to_owned();
    loop {
        let missing = || {
            Error::failed(format!("`{}` is not there", wanted.display()))
                .hint("a relative %include is looked for beside the file that names it; give its whole path")
        };
        let snapshot = file::read(&wanted).await?.ok_or_else(missing)?;
        fetched.insert(wanted, snapshot);
        match Tree::build(config, &fetched) {
            Ok(tree) => return Ok(tree),
            Err(Incomplete::Missing(path)) => wanted = path,
            Err(refused @ Incomplete::Refused(_)) => return Err(Error::failed(refused.to_string())),
        }
    }
}

/// Asks the console for all that a plan needs: four commands, however many entries there are.
///
/// # Errors
/// As [`Console::ask`].
pub async fn look(console: &Console) -> Result<Running> {
    let version = console.ask("show version").await.unwrap_or_default();
    let config = console.ask("show config").await?;
    let databases = console.ask("show databases").await?;
    let pools = console.ask("show pools").await?;
    Ok(Running::new(&version, &config, &databases, &pools))
}

/// Runs one operation.
///
/// # Errors
/// As `Provider::run`.
pub async fn run(console: Option<&Console>, config: Option<&Path>, op: &Op) -> Result<()> {
    match (op, console, config) {
        (Op::Edit { file, expected, edits }, console, Some(config)) => {
            if let Some(console) = console {
                // Before the first write: a file that cannot be put into effect is half a change.
                admit(console).await?;
            }
            edit(config, file, expected.as_ref(), edits).await
        }
        (Op::Set { key, value, .. }, Some(console), _) => {
            console.ask(&op.to_string()).await?;
            let running = look(console).await?;
            held(&differing(&running, &Layer::from([(key.clone(), value.clone())]), &[]), "SET")
        }
        (Op::Reload { settings, pools }, Some(console), _) => {
            console.ask("reload").await?;
            for _ in 1..LOOKS {
                if differing(&look(console).await?, settings, pools).is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
            held(&differing(&look(console).await?, settings, pools), "RELOAD")
        }
        (op, ..) => Err(Error::new(ErrorKind::Usage, format!("`{op}` cannot be run here"))
            .hint("give the target both `config` and `admin_url`")),
    }
}

/// Refuses where the console would refuse what comes after the file.
async fn admit(console: &Console) -> Result<()> {
    let running = look(console).await?;
    let named = |list: &str| list.split([',', ' ']).any(|name| name == console.user());
    let listed = running.settings.get("admin_users").and_then(Value::as_str).is_some_and(named);
    if listed || console.user() == "pgbouncer" {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Denied,
        format!("`{}` may not RELOAD this PgBouncer; nothing was written", console.user()),
    )
    .hint(format!("add `{}` to admin_users, or give an `admin_url` with a user who is there", console.user())))
}

async fn edit(config: &Path, file: &Path, expected: Option<&Fingerprint>, edits: &[Edit]) -> Result<()> {
    let mut tree = load(config).await?;
    if edits.iter().all(|edit| tree.has(edit)) {
        return Ok(());
    }
    if tree.print(file) != expected {
        let what = format!("`{}` was changed by somebody else since it was read; nothing was written", file.display());
        return Err(Error::new(ErrorKind::Conflict, what).hint("plan again to see what it holds now"));
    }
    for edit in edits {
        let landed = tree.edit(edit).map_err(Error::failed)?;
        if landed != file {
            let what = format!("`{edit}` belongs into `{}` now; nothing was written", landed.display());
            return Err(Error::new(ErrorKind::Conflict, what).hint("plan again to see what it holds now"));
        }
    }
    let bytes = tree.bytes(file).unwrap_or_default().to_vec();
    file::replace(file, expected, bytes).await
}

/// What is not as it must be.
fn differing(running: &Running, settings: &Layer, pools: &[(String, Option<Layer>)]) -> Vec<String> {
    let show = |value: Option<&Value>| value.map_or("nothing".into(), value::show);
    let mut found = Vec::new();
    let mut compare = |what: &str, want: &Layer, now: &Layer| {
        for (path, wanted) in want.iter().filter(|(path, wanted)| now.get(*path) != Some(*wanted)) {
            found.push(format!("{what}{path} is {}, not {}", show(now.get(path)), value::show(wanted)));
        }
    };
    compare("", settings, &running.settings);
    let mut presence = Vec::new();
    for (name, want) in pools {
        match (want, running.pools.get(name)) {
            (Some(want), Some(now)) => compare(&format!("{name} "), want, now),
            (Some(_), None) => presence.push(format!("{name} is not there")),
            (None, Some(_)) => presence.push(format!("{name} is still there")),
            (None, None) => {}
        }
    }
    found.extend(presence);
    found
}

fn held(differing: &[String], what: &str) -> Result<()> {
    if differing.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!("PgBouncer accepted {what}, but {}", differing.join("; ")))
        .hint("look into PgBouncer's log: it keeps the old values when it cannot read its file"))
}
