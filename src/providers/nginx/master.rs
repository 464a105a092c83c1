//! The running nginx as the kernel knows it: the master, its workers, whether they are leaving, and since when they are there.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, ErrorKind, Result};

/// A master with its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its process id.
    pub pid: i32,
    /// The words that it was started with.
    pub started: Vec<String>,
    /// Its workers.
    pub workers: Vec<Worker>,
    /// Whether the program that it runs is no longer the one on the disk.
    pub replaced: bool,
    born: u64,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its process id.
    pub pid: i32,
    /// When it began, in the kernel's ticks.
    pub born: u64,
    /// Whether it only finishes what it was doing.
    pub leaving: bool,
}

/// How nginx calls its processes.
const MASTER: &str = "nginx: master process";
const WORKER: &str = "nginx: worker process";

impl Master {
    /// The master that a pid file names.
    ///
    /// # Errors
    /// `Unreachable` where there is none.
    pub async fn find(file: &Path) -> Result<Self> {
        let file = file.to_owned();
        let found = tokio::task::spawn_blocking(move || look(&file)).await;
        found.unwrap_or_else(|error| Err(Error::bug("looking at processes panicked").because(error)))
    }

    /// The value of an option that it was started with, `-c`.
    pub fn option(&self, name: &str) -> Option<PathBuf> {
        let at = self.started.iter().position(|word| word == name)?;
        self.started.get(at + 1).map(PathBuf::from)
    }

    /// What tells the workers that serve now from those before and after a reload.
    pub fn generation(&self) -> String {
        let oldest = self.serving().map(|worker| worker.born).min().unwrap_or_default();
        format!("{}@{}, workers since {oldest}", self.pid, self.born)
    }

    /// The workers that take new connections.
    pub fn serving(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(|worker| !worker.leaving)
    }

    /// How many workers finish what they were doing.
    pub fn leaving(&self) -> usize {
        self.workers.iter().filter(|worker| worker.leaving).count()
    }

    /// Whether `now` is this master with none but new workers serving.
    pub fn succeeded_by(&self, now: &Self) -> bool {
        let old = |worker: &Worker| self.workers.iter().any(|w| (w.pid, w.born) == (worker.pid, worker.born));
        now.serving().next().is_some() && !now.serving().any(old)
    }

    /// Has it read its configuration anew.
    ///
    /// # Errors
    /// `Denied` where only its owner may.
    pub fn reload(&self) -> Result<()> {
        let pid = Pid::from_raw(self.pid).ok_or_else(|| Error::bug("a process has the number 0"))?;
        kill_process(pid, Signal::HUP).map_err(|error| {
            let kind = if error == rustix::io::Errno::PERM { ErrorKind::Denied } else { ErrorKind::Failed };
            Error::new(kind, format!("cannot signal nginx, process {}", self.pid))
                .because(std::io::Error::from(error))
                .hint("run as the user that nginx's master runs as")
        })
    }
}

fn look(file: &Path) -> Result<Master> {
    let shown = file.display();
    let gone = |what: String| {
        Error::new(ErrorKind::Unreachable, what)
            .hint("start nginx, or correct `pid`; without `pid` the file alone is managed")
    };
    let text = std::fs::read_to_string(file).map_err(|error| gone(format!("cannot read `{shown}`")).because(error))?;
    let pid: i32 = text.trim().parse().map_err(|_| gone(format!("`{shown}` holds no process id")))?;
    let title = title(pid).unwrap_or_default();
    let started = title.strip_prefix(MASTER).ok_or_else(|| {
        gone(format!(
            "`{shown}` names process {pid}, which is no nginx master: the file is left from one that has ended"
        ))
    })?;
    let (_, born) = stat(pid).ok_or_else(|| gone(format!("process {pid} has just ended")))?;
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let mut workers = Vec::new();
    let entries = std::fs::read_dir("/proc").map_err(|error| Error::failed("cannot list processes").because(error))?;
    for entry in entries.flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Some((parent, born)) = stat(child) else { continue };
        if parent != pid {
            continue;
        }
        let Some(title) = self::title(child).filter(|title| title.starts_with(WORKER)) else { continue };
        workers.push(Worker { pid: child, born, leaving: title.contains("shutting down") });
    }
    workers.sort_by_key(|worker| worker.pid);
    let started = started.split_whitespace().map(str::to_owned).collect();
    let replaced = program.to_string_lossy().ends_with(" (deleted)");
    Ok(Master { pid, started, workers, replaced, born })
}

fn title(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// The parent of a process and when it began.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}
