//! Somebody else's open transaction.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A database shell in the middle of a transaction; what it holds is let go when dropped, or when the test dies.
#[derive(Debug)]
pub struct Hold {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Hold {
    /// Starts `shell` and has it run `sql`, without ending the session.
    pub fn open(shell: &mut Command, sql: &str) -> Self {
        let mut child =
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the shell starts");
        let mut stdin = child.stdin.take().expect("piped");
        writeln!(stdin, "{sql}").and_then(|()| stdin.flush()).expect("the shell reads");
        Self { child, stdin: Some(stdin) }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // At the end of its input the shell leaves, and its transaction is rolled back.
        self.stdin.take();
        let _ = self.child.wait();
    }
}
