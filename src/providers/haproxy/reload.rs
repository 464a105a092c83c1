//! Reloading: the file is written, the master told, the new worker awaited, and what the operators have set in the old one carried over.
//! A worker that does not come leaves the old one serving and the file as it was.

use std::fmt::Write;
use std::time::Duration;

use super::Haproxy;
use super::cfg::Cfg;
use super::layout::Layout;
use super::op::{Op, set_state};
use super::port;
use super::run::{self, PAUSE, Written, looks};
use super::running::{Running, Server};
use super::socket::Socket;
use super::steps::RELOAD;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Progress;
use crate::provider::file;
use crate::providers::balancer::NodeState;
use crate::providers::balancer::marker::Marker;

/// How long a master may be away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes and reloads, unless both are done.
pub async fn run(target: &Haproxy, op: &Op, written: &Written, progress: &Progress) -> Result<()> {
    let master = target.master.as_ref().ok_or_else(|| Error::usage("there is no `master_socket` to reload through"))?;
    let config = &target.settings.config;
    let before = target.running().await?;
    let mut marker = Marker::read(config, &before.process).await?;
    if !written.differs() && !marker.unread {
        return Ok(());
    }
    free(master, &written.after).await?;
    // Before the first write: a state that cannot be carried over is no reason to have half a change.
    carry(target, written, &before).await?;
    marker.unread = true;
    marker.write(config, &before.process).await?;
    target.write(written).await?;
    progress.tell("waiting for the new worker", 0, 0);
    match reloaded(master).await {
        Ok(()) => {}
        Err(error) => {
            let back = Written { before: target.load().await?, after: run::text(&written.before)? };
            target.write(&back).await?;
            Marker::default().write(config, &before.process).await?;
            return Err(error.context("the file is as it was and the old worker serves"));
        }
    }
    let after = await_worker(target, &before).await?;
    restore(target, op, written, &before, &after).await?;
    Marker::default().write(config, &after.process).await
}

/// Refuses to reload where somebody else has a port.
async fn free(master: &Socket, text: &str) -> Result<()> {
    let mut found = Processes::read(master).await;
    for _ in 0..looks(PATIENCE) {
        if found.is_ok() {
            break;
        }
        // A master that has just started executes itself once more, and is away for a moment.
        tokio::time::sleep(PAUSE).await;
        found = Processes::read(master).await;
    }
    let processes = found?.all;
    let cfg = Cfg::parse(text);
    let found = tokio::task::spawn_blocking(move || port::taken(&cfg, &processes)).await;
    match found.map_err(|error| Error::bug("looking at ports panicked").because(error))? {
        Some(port) => {
            let message =
                format!("port {port} is taken by another process, so that haproxy could not bind it; nothing was done");
            Err(Error::failed(message).hint(format!("`ss -ltnp 'sport = :{port}'` says by which one")))
        }
        None => Ok(()),
    }
}

/// Writes the servers' state where the configuration has the new worker look for it.
async fn carry(target: &Haproxy, written: &Written, before: &Running) -> Result<()> {
    let Some(path) = run::layout(&written.before, &target.settings.backend)?.1.state_file else { return Ok(()) };
    let dump = target.socket()?.ask("show servers state").await?;
    let layout = Layout::read(&Cfg::parse(&written.after), &target.settings.backend).map_err(Error::failed)?;
    let mut kept = String::new();
    for line in dump.lines() {
        let columns: Vec<&str> = line.split(' ').collect();
        let ours = columns.get(1).is_some_and(|name| *name == target.settings.backend);
        let server = columns.get(3).filter(|_| ours).and_then(|name| before.server(name));
        // An old address in the dump would win over the new one in the file.
        let stale = server.is_some_and(|server| {
            layout.server(&server.name).is_none_or(|entry| entry.address.as_ref() != Some(&server.address()))
        });
        if !stale {
            writeln!(kept, "{line}").map_err(|error| Error::bug("a text cannot be written").because(error))?;
        }
    }
    let there = file::read(&path).await?;
    file::replace(&path, there.as_ref().map(|there| &there.print), kept.into_bytes()).await
}

/// Has the master reload and waits for its verdict.
async fn reloaded(master: &Socket) -> Result<()> {
    let old = Processes::read(master).await?;
    let answer = master.reload().await?;
    if answer.contains("Success=0") {
        return Err(Error::failed("haproxy could not load the configuration"));
    }
    for _ in 0..looks(RELOAD) {
        tokio::time::sleep(PAUSE).await;
        // The master is away for a moment while it executes itself anew.
        let Ok(now) = Processes::read(master).await else { continue };
        if now.worker != old.worker {
            return Ok(());
        }
        if now.reloads > old.reloads && now.failed > 0 {
            return Err(Error::failed("haproxy could not start with the new configuration")
                .hint("its log says why; an address that is taken is not found by `haproxy -c`"));
        }
    }
    Err(Error::failed(format!("no new worker came within {RELOAD:?}")).hint("look at haproxy's log"))
}

/// What the master says of its processes.
#[derive(Debug, Default)]
struct Processes {
    worker: String,
    reloads: u32,
    failed: u32,
    /// Every process, of whatever sort.
    all: Vec<u32>,
}

impl Processes {
    async fn read(master: &Socket) -> Result<Self> {
        let answer = master.ask("show proc").await?;
        let mut found = Self::default();
        let mut current = true;
        for line in answer.lines() {
            if line.starts_with("# old workers") {
                current = false;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            found.all.extend(words.first().and_then(|pid| pid.parse::<u32>().ok()));
            match words.as_slice() {
                [_, "master", reloads, rest @ ..] => {
                    found.reloads = reloads.parse().unwrap_or_default();
                    let failed = rest.iter().skip_while(|word| **word != "[failed:").nth(1);
                    found.failed = failed.and_then(|word| word.trim_end_matches(']').parse().ok()).unwrap_or_default();
                }
                [pid, "worker", ..] if current && found.worker.is_empty() => (*pid).clone_into(&mut found.worker),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Waits until the runtime socket is the new worker's.
async fn await_worker(target: &Haproxy, before: &Running) -> Result<Running> {
    for _ in 0..looks(RELOAD) {
        match target.running().await {
            Ok(now) if now.process != before.process => return Ok(now),
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    let message = "haproxy was reloaded, and its runtime socket still belongs to the old worker";
    Err(Error::new(ErrorKind::InDoubt, message).hint("bind the socket in `global`, with `expose-fd listeners`"))
}

/// Sets in the new worker what somebody had set in the old one past the file.
async fn restore(target: &Haproxy, op: &Op, written: &Written, before: &Running, after: &Running) -> Result<()> {
    let (_, old) = run::layout(&written.before, &target.settings.backend)?;
    let mut commands = Vec::new();
    for was in &before.servers {
        let (Some(now), Some(entry)) = (after.server(&was.name), old.server(&was.name)) else { continue };
        let of = |server: &Server| format!("{}/{}", op.backend, server.name);
        let by_hand = was.differs(entry);
        if by_hand && was.state() != now.state() && was.state() != NodeState::Ready {
            commands.push(set_state(&op.backend, &was.name, was.state()));
        }
        if by_hand && was.weight != entry.weight && was.weight != now.weight {
            commands.push(format!("set server {} weight {}", of(was), was.weight));
        }
        if by_hand && was.limit != entry.limit && was.limit != now.limit {
            commands.push(format!("set maxconn server {} {}", of(was), was.limit));
        }
    }
    target.socket()?.run(&commands).await
}
