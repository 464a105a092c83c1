//! Running the operations: nodes that come are asked, the candidate is checked by nginx in its place, the file is written if nobody else has,
//! nginx reads it, and new workers are seen. What goes wrong before the reload leaves no trace; a reload that fails gives the file back.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::edit::Text;
use super::layout::Layout;
use super::master::Master;
use super::op::Op;
use super::probe;
use super::site::Answer;
use super::steps::RELOAD;
use super::whole::Whole;
use super::{Nginx, names, tls};
use crate::error::{Error, ErrorKind, Result};
use crate::model::text;
use crate::provider::Progress;
use crate::provider::file::{self, Fingerprint};
use crate::providers::balancer::marker::Marker;
use crate::providers::balancer::{NodeState, conflict};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

fn looks(limit: Duration) -> u128 {
    (limit.as_millis() / PAUSE.as_millis()).max(1)
}

impl Nginx {
    /// Runs one operation.
    ///
    /// # Errors
    /// As `Provider::run`.
    pub async fn perform(&self, op: &Op, progress: &Progress) -> Result<()> {
        let there = self.load().await?.bytes;
        if there != op.before && there != op.after {
            let message = format!("`{}` was changed by somebody else since it was read", op.config.display());
            return Err(conflict(message));
        }
        if let Some(rotation) = &op.rotation {
            tls::fits(self, rotation).await?;
        }
        if !op.reloads {
            self.test(op).await?;
            return self.write(&op.config, &op.before, &op.after).await;
        }
        let master = self.running().await?;
        let unread = Marker::read(&op.config, &master.generation()).await?.unread;
        if there == op.after && !unread {
            match &op.rotation {
                Some(rotation) if rotation.meets.is_empty() || tls::behind(rotation).await.is_some() => {}
                _ => return Ok(()),
            }
        }
        if let Some(drain) = op.drain {
            self.drained(drain.std(), progress).await?;
        }
        self.answers(op, progress).await?;
        self.keeps(op).await?;
        self.test(op).await?;
        let master = self.running().await?;
        let marker = Marker { unread: true, ..Marker::default() };
        marker.write(&op.config, &master.generation()).await?;
        self.write(&op.config, &op.before, &op.after).await?;
        self.reloaded(op, &master, progress).await?;
        let Some((address, content)) = (match &op.rotation {
            Some(rotation) => tls::behind(rotation).await,
            None => None,
        }) else {
            return Ok(());
        };
        let message = format!("nginx reads the new certificate, and {address} serves another one: {content}");
        Err(Error::failed(message).hint("look for another `server` block with the same address and name"))
    }

    /// The master that runs.
    pub(super) async fn running(&self) -> Result<Master> {
        match &self.pid {
            Some(pid) => Master::find(pid).await,
            None => Err(Error::bug("a target without a running nginx is asked for one")),
        }
    }

    async fn write(&self, config: &Path, before: &[u8], after: &[u8]) -> Result<()> {
        // What is written already is not written again, which `replace` sees by itself.
        file::replace(config, Some(&Fingerprint::of(before)), after.to_vec()).await
    }

    /// Waits until the nodes that come answer.
    async fn answers(&self, op: &Op, progress: &Progress) -> Result<()> {
        let mut sick: Vec<(String, String)> = Vec::new();
        for _ in 0..looks(op.within.std()) {
            let addresses = op.comers.iter().map(|(_, address)| Some(address.clone())).collect();
            let found = probe::all(addresses, op.probe.as_deref()).await;
            let sickness = |((name, _), answer): (&(String, String), Option<Answer>)| match answer {
                Some(Answer::Sick(why)) => Some((name.clone(), why)),
                _ => None,
            };
            sick = op.comers.iter().zip(found).filter_map(sickness).collect();
            let Some((name, why)) = sick.first() else { return Ok(()) };
            progress.tell(format!("asking {name}: {why}"), 0, 0);
            tokio::time::sleep(PAUSE).await;
        }
        let told: Vec<_> = sick.iter().map(|(name, why)| format!("`{name}`: {why}")).collect();
        Err(Error::failed(format!("not healthy within {}: {}; nothing was changed", op.within, told.join(", ")))
            .hint("look at what the node answers, or raise `health_timeout`"))
    }

    /// Refuses where fewer would serve afterwards than the plan said.
    async fn keeps(&self, op: &Op) -> Result<()> {
        if op.floor == 0 {
            return Ok(());
        }
        let text = Text::new(op.after.clone());
        let layout = Layout::read(&text, &op.upstream).map_err(conflict)?;
        let ready = layout.servers.iter().filter(|server| server.state == NodeState::Ready && !server.backup);
        let addresses = ready.map(|server| server.address.clone()).collect();
        let answers = probe::all(addresses, op.probe.as_deref()).await;
        let left = answers.iter().filter(|answer| !matches!(answer, Some(Answer::Sick(_)))).count();
        if left >= op.floor {
            return Ok(());
        }
        let message = format!(
            "without {} only {left} nodes of `{}` would be healthy, not {}; nothing was done",
            text::list(&op.leavers),
            op.upstream,
            op.floor
        );
        Err(conflict(message))
    }

    /// Waits until the workers of before have finished what they were doing, or the time for that is over.
    async fn drained(&self, within: Duration, progress: &Progress) -> Result<()> {
        for _ in 0..looks(within) {
            let leaving = self.running().await?.leaving();
            if leaving == 0 {
                break;
            }
            progress.tell(format!("{} still finish what they were doing", text::count(leaving, "worker")), 0, 0);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Has nginx check the configuration as it would be: the main file with the candidate in its place, in a file of its own beside it.
    async fn test(&self, op: &Op) -> Result<()> {
        let Some(main) = self.main.clone().filter(|_| op.tested && op.before != op.after) else { return Ok(()) };
        let whole = whole(&main).await?;
        let candidate = whole.with(&op.config, &op.after);
        let name = main.file_name().unwrap_or_default().to_string_lossy();
        let beside = main.with_file_name(format!(".{name}.evenkeel-check"));
        let _ = tokio::fs::remove_file(&beside).await;
        let written = write_private(&beside, &candidate).await;
        let verdict = match written {
            Ok(()) => self.ask_nginx(&beside).await,
            Err(error) => Err(Error::failed(format!("cannot write `{}`", beside.display())).because(error)),
        };
        let _ = tokio::fs::remove_file(&beside).await;
        verdict
    }

    async fn ask_nginx(&self, config: &Path) -> Result<()> {
        let binary = &self.settings.binary;
        let mut command = tokio::process::Command::new(binary);
        command.args(["-t", "-q", "-c"]).arg(config).kill_on_drop(true).stdin(Stdio::null());
        if let Some(prefix) = &self.prefix {
            command.arg("-p").arg(prefix);
        }
        let output = command.output().await.map_err(|error| {
            Error::usage(format!("cannot run `{binary}` to check the configuration"))
                .because(error)
                .hint("set `binary` to the path of the nginx that runs, such as /usr/sbin/nginx")
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let why = said.lines().find(|line| line.contains("[emerg]")).or(said.lines().next()).unwrap_or_default();
        let why = why.split_once("[emerg] ").map_or(why, |(_, words)| words);
        let why = why.replace(&config.display().to_string(), "the whole configuration");
        Err(Error::failed(format!(
            "nginx does not accept the configuration: {}; nothing was changed",
            text::tame(&why)
        ))
        .hint("run `nginx -t` as a user who may read everything that the configuration names"))
    }

    /// Has nginx read the file, and waits until none but new workers serve.
    async fn reloaded(&self, op: &Op, before: &Master, progress: &Progress) -> Result<()> {
        let mut log = Log::open(self).await;
        before.reload()?;
        progress.tell("waiting for new workers", 0, 0);
        for _ in 0..looks(RELOAD) {
            tokio::time::sleep(PAUSE).await;
            let now = self.running().await.map_err(|error| doubt(&error.context("nginx was told to reload")))?;
            if now.pid == before.pid && before.succeeded_by(&now) {
                return Marker::default().write(&op.config, &now.generation()).await;
            }
            if let Some(why) = log.refusal(before.pid).await {
                self.write(&op.config, &op.after, &op.before).await?;
                Marker::default().write(&op.config, &now.generation()).await?;
                let message = format!("nginx could not start with the new configuration: {}", text::tame(&why));
                return Err(Error::failed(format!("{message}; the file is as it was and the old workers serve"))
                    .hint("an address that is taken is not found by `nginx -t`"));
            }
        }
        let message = format!("nginx was told to reload, and no new workers came within {RELOAD:?}");
        Err(Error::new(ErrorKind::InDoubt, message).hint("look at nginx's error log; the next apply reloads again"))
    }

    /// What the file says of the nodes that the policy declares.
    pub(super) fn named(&self, layout: &Layout) -> Vec<String> {
        names::assign(layout, &self.declared().nodes)
    }
}

/// Reads the whole configuration.
pub async fn whole(main: &Path) -> Result<Whole> {
    let path = main.to_owned();
    let read = tokio::task::spawn_blocking(move || Whole::read(&path)).await;
    let read = read.map_err(|error| Error::bug("reading a configuration panicked").because(error))?;
    read.map_err(|error| {
        Error::usage(format!("cannot read `{}`", main.display()))
            .because(error)
            .hint("set `main` to nginx's main configuration")
    })
}

async fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = tokio::fs::OpenOptions::new();
    let mut open = options.write(true).create_new(true).mode(0o600).open(path).await?;
    open.write_all(bytes).await?;
    open.flush().await
}

/// What nginx adds to its error log from now on.
struct Log {
    path: Option<PathBuf>,
    from: u64,
}

impl Log {
    async fn open(target: &Nginx) -> Self {
        let path = target.log.clone();
        let from = match &path {
            Some(path) => tokio::fs::metadata(path).await.map_or(0, |about| about.len()),
            None => 0,
        };
        Self { path, from }
    }

    /// Why the master `pid` gave up, if it did. An address that is taken is tried a few times, so that alone says nothing yet.
    async fn refusal(&mut self, pid: i32) -> Option<String> {
        let bytes = tokio::fs::read(self.path.as_ref()?).await.ok()?;
        let from = usize::try_from(self.from).ok().filter(|from| *from <= bytes.len()).unwrap_or(0);
        let added = String::from_utf8_lossy(&bytes[from..]).into_owned();
        let ours = format!("[emerg] {pid}#");
        let lines: Vec<&str> = added.lines().filter(|line| line.contains(&ours)).collect();
        let tried = |line: &&&str| line.contains("bind() to");
        let last = lines.iter().find(|line| !tried(line))?;
        let why = lines.iter().find(tried).unwrap_or(last);
        Some(
            why.split_once('#').and_then(|(_, rest)| rest.split_once(": ")).map_or(*why, |(_, words)| words).to_owned(),
        )
    }
}

fn doubt(error: &Error) -> Error {
    Error::new(ErrorKind::InDoubt, error.to_string()).hint("look at nginx; the next apply reloads again")
}
