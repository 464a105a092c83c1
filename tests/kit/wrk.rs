//! wrk: many connections that stay open, and no request is tried again.

use std::process::{Child, Command, Stdio};

use super::daemon::signal;

/// One at work.
#[derive(Debug)]
pub struct Wrk(Option<Child>);

/// Has every connection wait five milliseconds between its requests.
const PACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kit/pace.lua");

impl Wrk {
    /// Starts it for so many seconds, with a connection for each request.
    pub fn single(url: &str, seconds: u32) -> Self {
        Self::with(&["-H", "Connection: close"], url, seconds)
    }

    /// Starts it for so many seconds. Every connection pauses a little between its requests: health checks are to fail because of what is
    /// tested, not for want of a processor.
    pub fn paced(url: &str, seconds: u32) -> Self {
        Self::with(&["-s", PACE], url, seconds)
    }

    fn with(arguments: &[&str], url: &str, seconds: u32) -> Self {
        let mut command = Command::new("wrk");
        command.args(arguments);
        command.args(["-t1", "-c16", &format!("-d{seconds}s"), "--timeout", "10s", url]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(Some(child.expect("wrk is installed")))
    }

    /// Has it end now, however many seconds are left.
    #[must_use]
    pub fn end(self) -> Self {
        signal(self.0.as_ref().expect("it runs").id(), "INT");
        self
    }

    /// Waits for its end; how many requests went well. Panics with its report where one failed.
    #[track_caller]
    pub fn none_failed(mut self) -> u64 {
        let output = self.0.take().expect("it runs").wait_with_output().expect("wrk ends");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!report.contains("Socket errors") && !report.contains("Non-2xx"), "{report}");
        let line = report.lines().find(|line| line.contains(" requests in ")).expect("wrk says how many");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
