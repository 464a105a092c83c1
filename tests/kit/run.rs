//! The real binary, run in a folder with nothing of ours in its environment.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::daemon::signal;
use super::folder::Folder;

/// How long a run may take; whatever takes longer hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// A command line of evenkeel. Home and state are in the folder, the environment is empty but for `PATH`, there is no terminal.
#[derive(Debug)]
pub struct Run {
    command: Command,
    stdin: String,
}

/// A run that has not ended yet; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    started: Instant,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    line: String,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Run {
    /// evenkeel in `folder`.
    pub fn new(folder: &Folder) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.file("home"))
            .env("XDG_STATE_HOME", folder.file("state"));
        Self { command, stdin: String::new() }
    }

    /// In this folder of its folder.
    #[must_use]
    pub fn below(mut self, folder: &str) -> Self {
        let place = self.command.get_current_dir().map(|place| place.join(folder));
        self.command.current_dir(place.unwrap_or_default());
        self
    }

    /// With these arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// With this variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With these variables.
    #[must_use]
    pub fn envs(mut self, variables: &[(String, String)]) -> Self {
        self.command.envs(variables.iter().map(|(name, value)| (name, value)));
        self
    }

    /// With this on standard input.
    #[must_use]
    pub fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        let words: Vec<OsString> = self.command.get_args().map(OsStr::to_owned).collect();
        let line = words.iter().fold("evenkeel".to_owned(), |line, word| line + " " + &word.to_string_lossy());
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("evenkeel starts");
        let mut stdin = child.stdin.take().expect("piped");
        // A program that does not read its input breaks the pipe; that is its right.
        let _ = stdin.write_all(self.stdin.as_bytes());
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running { child, line, started: Instant::now(), stdout, stderr }
    }

    /// Runs it to its end, however it ends.
    pub fn output(self) -> Output {
        self.start().wait()
    }

    /// Runs it and expects this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Output {
        self.output().expect(code)
    }
}

impl Running {
    /// Sends a signal by its name, `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break Some(status),
                None if self.started.elapsed() > LIMIT => break None,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        if status.is_none() {
            let _ = self.child.kill();
        }
        let text =
            |handle: Option<JoinHandle<String>>| handle.map(|h| h.join().expect("a reader ends")).unwrap_or_default();
        let output = Output {
            line: self.line.clone(),
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        };
        assert!(status.is_some(), "not done within {LIMIT:?}\n{output}");
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    /// Expects this exit code, and that nothing was coloured, since there was no terminal.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        assert!(!self.both().contains('\u{1b}'), "coloured without a terminal\n{self}");
        self
    }

    /// Expects `text` on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.both().contains(text), "expected to read {text:?}\n{self}");
        self
    }

    /// Expects that `text` is on neither stream.
    #[track_caller]
    pub fn hides(self, text: &str) -> Self {
        assert!(!self.both().contains(text), "expected not to read {text:?}\n{self}");
        self
    }

    /// Both streams.
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\n{}", self.line, self.stdout)?;
        for line in self.stderr.lines() {
            writeln!(f, "2> {line}")?;
        }
        match (self.code, self.signal) {
            (Some(code), _) => writeln!(f, "exit code {code}"),
            (None, Some(signal)) => writeln!(f, "ended by signal {signal}"),
            (None, None) => writeln!(f, "killed"),
        }
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
