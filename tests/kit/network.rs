//! A network of a test's own, so that the kernel can be told something there that this machine's other networks do not see.

use std::path::Path;
use std::process::{Command, Stdio};

/// How a test goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// This is the test, in that network.
    Inside,
    /// The test has run in that network, and passed.
    Passed,
    /// This machine lets nobody make one.
    Unavailable,
}

const MARK: &str = "EVENKEEL_TEST_NETWORK";
const INSIDE: &str = r#"ip link set lo up && echo "$2" > "/proc/sys/net/$1" && shift 2 && exec "$@""#;

/// Runs the test of this name once more, in a network where `key` of `/proc/sys/net` has this value.
#[track_caller]
pub fn in_a_network_that(key: &str, value: &str, test: &str) -> Network {
    if std::env::var_os(MARK).is_some() {
        return Network::Inside;
    }
    let unshare = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.arg("--net");
        if super::daemon::uid() != 0 {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", INSIDE, "inside", key, value]).arg(program).args(arguments);
        command.stdin(Stdio::null());
        command
    };
    if !unshare(Path::new("true"), &[]).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Network::Unavailable;
    }
    let own = std::env::current_exe().expect("a program knows itself");
    let output = unshare(&own, &["--exact", test, "--nocapture"]).env(MARK, "1").output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "in a network of its own:\n{text}");
    Network::Passed
}
