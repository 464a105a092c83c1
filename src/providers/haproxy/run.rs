//! Running the operations. What is written is checked before anything is touched; every wait has an end; what fails is put back.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::cfg::Cfg;
use super::layout::Layout;
use super::op::{Act, Admit, Move, Op, Retire, set_address, set_state};
use super::running::{Running, Server};
use super::{Haproxy, reload, tls};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Progress;
use crate::provider::file::{self, Fingerprint, Snapshot};
use crate::providers::balancer::capacity::Serving;
use crate::providers::balancer::marker::Marker;
use crate::providers::balancer::{NodeState, conflict};

/// Between two looks.
pub const PAUSE: Duration = Duration::from_millis(100);

/// The file before and after an operation.
#[derive(Debug)]
pub struct Written {
    /// As it was read.
    pub before: Snapshot,
    /// As it will be.
    pub after: String,
}

impl Written {
    /// Whether there is anything to write.
    pub fn differs(&self) -> bool {
        self.before.bytes != self.after.as_bytes()
    }
}

/// How many looks fit into `limit`, one at least.
pub fn looks(limit: Duration) -> u128 {
    (limit.as_millis() / PAUSE.as_millis()).max(1)
}

impl Haproxy {
    /// Runs one operation.
    ///
    /// # Errors
    /// As `Provider::run`.
    pub async fn perform(&self, op: &Op, progress: &Progress) -> Result<()> {
        let written = self.prepare(op).await?;
        match &op.act {
            Act::Admit(admit) => self.admit(op, admit, &written, progress).await,
            Act::Move(node) => self.relocate(op, node, &written, progress).await,
            Act::Retire(retire) => self.retire(op, retire, &written, progress).await,
            Act::Set { commands, floor } => {
                if *floor > 0 {
                    let running = self.running().await?;
                    self.keeps(&running, &leaving(commands, &running), *floor)?;
                }
                self.socket()?.run(commands).await?;
                self.write(&written).await
            }
            Act::Rotate(rotation) => tls::rotate(self, rotation).await,
            Act::Write { .. } => self.write(&written).await,
            Act::Reload | Act::Listen => reload::run(self, op, &written, progress).await,
        }
    }

    pub(super) async fn running(&self) -> Result<Running> {
        Running::read(self.socket()?, &self.settings.backend).await
    }

    /// Makes the edits on what the file holds now, and has HAProxy check the result.
    async fn prepare(&self, op: &Op) -> Result<Written> {
        let before = self.load().await?;
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if seen.as_ref().is_some_and(|seen| *seen != before.print) {
            return Err(conflict(format!("`{}` was changed by somebody else since it was read", op.config.display())));
        }
        let mut cfg = Cfg::parse(&text(&before)?);
        for edit in &op.edits {
            cfg.apply(edit).map_err(conflict)?;
        }
        let written = Written { after: cfg.text(), before };
        let (unchecked, always) =
            (matches!(op.act, Act::Write { checked: false }), matches!(op.act, Act::Reload | Act::Listen));
        if always || written.differs() && !unchecked {
            self.validate(&written.after).await?;
        }
        Ok(written)
    }

    /// The configuration file.
    pub(super) async fn load(&self) -> Result<Snapshot> {
        let config = &self.settings.config;
        file::read(config).await?.ok_or_else(|| {
            Error::new(ErrorKind::Unreachable, format!("there is no `{}`", config.display()))
                .hint("`config` names haproxy's configuration file")
        })
    }

    /// Has HAProxy itself check a configuration, without its leaving this process.
    async fn validate(&self, text: &str) -> Result<()> {
        let binary = &self.settings.binary;
        let mut command = tokio::process::Command::new(binary);
        command.args(["-c", "-f", "/dev/stdin"]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            Error::usage(format!("cannot run `{binary}` to check the configuration"))
                .because(error)
                .hint("set `binary` to the path of the haproxy that runs")
        })?;
        let mut stdin = child.stdin.take().ok_or_else(|| Error::bug("a piped child has no input"))?;
        let failed = |error| Error::failed(format!("cannot run `{binary}`")).because(error);
        // A haproxy that has seen enough closes its input; what it says about that is what counts.
        let _ = stdin.write_all(text.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let alert =
            said.lines().filter_map(|line| line.strip_prefix("[ALERT]")).find_map(|line| line.split_once(" : "));
        let alert = alert.map_or("it does not say why", |(_, words)| words.trim());
        Err(Error::failed(format!("haproxy does not accept the configuration: {alert}; nothing was changed"))
            .hint("run `haproxy -c -f` on the file as a user who may read everything that it names"))
    }

    /// Writes the file, unless somebody else has meanwhile.
    pub(super) async fn write(&self, written: &Written) -> Result<()> {
        if !written.differs() {
            return Ok(());
        }
        let bytes = written.after.clone().into_bytes();
        let print = Fingerprint::of(&bytes);
        file::replace(&self.settings.config, Some(&written.before.print), bytes).await?;
        *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(print);
        Ok(())
    }

    async fn admit(&self, op: &Op, admit: &Admit, written: &Written, progress: &Progress) -> Result<()> {
        let (backend, node) = (&op.backend, &admit.node);
        let there = self.running().await?.server(node).cloned();
        let mut commands = admit.before(backend);
        if let (Some(there), Some((address, _))) = (&there, &admit.add) {
            // A run before has added it; it may be in service by now.
            commands.remove(0);
            if there.address() != *address {
                commands.insert(0, set_state(backend, node, NodeState::Maintenance));
                commands.insert(1, set_address(backend, node, address));
            } else if there.serving() == Serving::Yes && admit.end == NodeState::Ready {
                return self.write(written).await;
            }
        }
        self.socket()?.run(&commands).await?;
        if admit.checked
            && admit.end == NodeState::Ready
            && let Err(error) = self.healthy(node, admit.within.std(), progress).await
        {
            if admit.add.is_some() {
                let back = [set_state(backend, node, NodeState::Maintenance), format!("del server {backend}/{node}")];
                self.socket()?.run(&back).await?;
                return Err(error.context(format!("`{node}` was taken out again")));
            }
            return Err(error.context(format!("`{node}` stays drained")));
        }
        if admit.end == NodeState::Ready {
            self.socket()?.run(&[set_state(backend, node, NodeState::Ready)]).await?;
        }
        self.write(written).await
    }

    async fn relocate(&self, op: &Op, node: &Move, written: &Written, progress: &Progress) -> Result<()> {
        let (backend, name) = (&op.backend, &node.node);
        let running = self.running().await?;
        let server = running.server(name).ok_or_else(|| conflict(format!("`{name}` does not run any more")))?.clone();
        let process = running.process.clone();
        let config = &self.settings.config;
        if server.serving() == Serving::Yes {
            self.keeps(&running, std::slice::from_ref(name), node.floor)?;
        }
        let mut marker = Marker::read(config, &process).await?;
        if node.end == NodeState::Ready && !marker.resting.contains(name) {
            // Whoever finds it drained after a crash is to know that it is to come back.
            marker.resting.push(name.clone());
            marker.clone().write(config, &process).await?;
        }
        self.socket()?.run(&[set_state(backend, name, NodeState::Drain)]).await?;
        self.drained(name, node.drain.std(), progress).await?;
        let there =
            [vec![set_address(backend, name, &node.address)], node.commands.clone(), node.doubt(backend)].concat();
        self.socket()?.run(&there).await?;
        let mut moved = Ok(());
        if node.checked && node.end == NodeState::Ready {
            moved = self.healthy(name, node.within.std(), progress).await;
        }
        if moved.is_err() {
            let weight = format!("set server {backend}/{name} weight {}", server.weight);
            self.socket()?.run(&[set_address(backend, name, &server.address()), weight]).await?;
        }
        self.socket()?.run(&[set_state(backend, name, node.end)]).await?;
        if moved.is_ok() {
            self.write(written).await?;
        }
        marker.resting.retain(|resting| resting != name);
        marker.write(config, &process).await?;
        moved.map_err(|error| error.context(format!("`{name}` is back at {}", server.address())))
    }

    async fn retire(&self, op: &Op, retire: &Retire, written: &Written, progress: &Progress) -> Result<()> {
        let (backend, node) = (&op.backend, &retire.node);
        let running = self.running().await?;
        let Some(server) = running.server(node) else { return self.write(written).await };
        if server.serving() == Serving::Yes {
            self.keeps(&running, std::slice::from_ref(node), retire.floor)?;
        }
        // Who takes no requests has nothing to drain.
        if server.state() != NodeState::Maintenance {
            self.socket()?.run(&[set_state(backend, node, NodeState::Drain)]).await?;
            self.drained(node, retire.drain.std(), progress).await?;
            self.socket()?.run(&[set_state(backend, node, NodeState::Maintenance)]).await?;
        }
        self.write(written).await?;
        let delete = format!("del server {backend}/{node}");
        for _ in 0..looks(retire.drain.std()) {
            match self.socket()?.run(std::slice::from_ref(&delete)).await {
                Err(error) if error.to_string().contains("still has connections") => {
                    progress.tell(format!("waiting for the last connections of {node}"), 0, 0);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) if error.to_string().contains("No such server") => return Ok(()),
                Err(error) if error.to_string().contains("configuration elements") => {
                    return Err(
                        error.hint("it is in maintenance and not in the file any more; the next reload forgets it")
                    );
                }
                done => return done,
            }
        }
        let message = format!("`{node}` still has connections after {}; it is in maintenance", retire.drain);
        Err(Error::failed(message).hint("apply again later, or give more time with `drain_timeout`"))
    }

    /// Waits until the checks of a drained node say that it is well.
    async fn healthy(&self, node: &str, within: Duration, progress: &Progress) -> Result<()> {
        let mut last = Server::default();
        for _ in 0..looks(within) {
            last = self.running().await?.server(node).cloned().unwrap_or_default();
            if last.well() {
                return Ok(());
            }
            progress.tell(format!("checking {node}: {} {}", last.status, last.check), 0, 0);
            tokio::time::sleep(PAUSE).await;
        }
        let message = format!("`{node}` was not healthy within {within:?}: {} {}", last.status, last.check);
        Err(Error::failed(message.trim_end())
            .hint("look at what the node answers to its checks, or raise `health_timeout`"))
    }

    /// Waits until a node has finished what it is working on, or the time for that is over.
    async fn drained(&self, node: &str, within: Duration, progress: &Progress) -> Result<()> {
        for _ in 0..looks(within) {
            let running = self.running().await?;
            let sessions = running.server(node).map_or(0, |server| server.sessions);
            if sessions == 0 {
                break;
            }
            progress.tell(format!("draining {node}: {sessions} left"), 0, 0);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Refuses where fewer would serve without `leaving` than the plan said.
    fn keeps(&self, running: &Running, leaving: &[String], floor: usize) -> Result<()> {
        let serving = |server: &&Server| server.serving() == Serving::Yes && !leaving.contains(&server.name);
        let left = running.servers.iter().filter(serving).count();
        if left >= floor {
            return Ok(());
        }
        let names = crate::model::text::list(leaving);
        let message = format!(
            "without {names} only {left} nodes of `{}` would be healthy, not {floor}; nothing was done",
            self.settings.backend
        );
        Err(conflict(message))
    }
}

/// What a program says of itself; `None` where it cannot be run.
pub async fn about(binary: &str) -> Option<String> {
    let mut command = tokio::process::Command::new(binary);
    let output = command.arg("-v").stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| said.lines().next().unwrap_or_default().to_owned())
}

/// The nodes that these commands take out of service.
fn leaving(commands: &[String], running: &Running) -> Vec<String> {
    let named = |server: &&Server| commands.iter().any(|command| command.contains(&format!("/{} ", server.name)));
    running.servers.iter().filter(named).map(|server| server.name.clone()).collect()
}

/// The text of a file.
pub fn text(snapshot: &Snapshot) -> Result<String> {
    String::from_utf8(snapshot.bytes.clone())
        .map_err(|error| Error::failed(format!("`{}` is not UTF-8", snapshot.path.display())).because(error))
}

/// What the file says of the backend.
pub fn layout(snapshot: &Snapshot, backend: &str) -> Result<(Cfg, Layout)> {
    let cfg = Cfg::parse(&text(snapshot)?);
    let layout =
        Layout::read(&cfg, backend).map_err(|why| Error::failed(format!("`{}`: {why}", snapshot.path.display())))?;
    Ok((cfg, layout))
}
