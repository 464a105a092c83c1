//! A server process that cannot outlive its test.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Kills the server and removes its folder when the pipe from the test breaks; does nothing after `done`.
const WATCH: &str = r#"read -r word; [ "$word" = done ] && exit; kill -KILL -"$1"; sleep 0.2; rm -rf "$2""#;

/// A running server in a process group of its own, as workers outlive a master that is killed. Stopped with all of them when dropped,
/// and also when the test process dies in whatever way.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    watchdog: Child,
    rope: Option<ChildStdin>,
}

impl Daemon {
    /// Starts `command`, whose own files are all in `folder`.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()));
        // Its own process group: a signal to the test's group must not take the watchdog along.
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCH, "watchdog", &child.id().to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let rope = watchdog.stdin.take();
        Self { child, watchdog, rope }
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal by its name, `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) {
        let ended = eventually(Duration::from_secs(20), || !self.alive());
        assert!(ended, "server {} does not end", self.pid());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Once it was waited for, its number may be somebody else's.
        if self.alive() {
            let pid = self.pid().to_string();
            let _ = Command::new("sh").args(["-c", r#"kill -KILL -"$1""#, "kill", &pid]).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
        if let Some(mut rope) = self.rope.take() {
            let _ = rope.write_all(b"done\n");
        }
        let _ = self.watchdog.wait();
    }
}

/// Sends a signal to a process by its id.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to {pid}");
}

/// Asks again and again until it is so, or the time is over.
pub fn eventually(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if so() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago. Whoever uses it must be ready to find it taken.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// Starts a server on a free port, on another one where somebody was faster.
pub fn on_free_port<T>(start: impl Fn(u16) -> Option<T>) -> T {
    (0..5).find_map(|_| start(free_port())).expect("the server starts on one of five ports")
}

/// The user the tests run as. Some servers refuse 0.
pub fn uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("a process knows itself").uid()
}

#[test]
fn a_server_dies_with_its_test() {
    let folder = super::Folder::new();
    let mut server = Command::new("sleep");
    let mut daemon = Daemon::start(server.arg("600"), folder.path());
    assert!(daemon.alive());
    // What happens to the rope when the test process is killed.
    daemon.rope.take();
    assert!(eventually(Duration::from_secs(10), || !daemon.alive()), "it is killed");
    assert!(eventually(Duration::from_secs(10), || !folder.path().exists()), "its folder is removed");
}
