//! An SQLite database of the tests' own, worked on from outside by SQLite's own shell.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::daemon::eventually;
use super::hold::Hold;

/// A database file; its folder belongs to somebody else.
#[derive(Debug)]
pub struct Sqlite(PathBuf);

impl Sqlite {
    /// The database at `path`; the first write makes it.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs SQL: rows as lines, columns split by `|`.
    pub fn sql(&self, sql: &str) -> String {
        let output = Command::new("sqlite3")
            .args(["-batch", "-bail", "-init", "/dev/null"])
            .arg(&self.0)
            .arg(sql)
            .stdin(Stdio::null())
            .output()
            .expect("sqlite3 starts");
        assert!(output.status.success(), "{sql}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A session that has begun to write, and does not go on: nobody else can write meanwhile.
    pub fn hold(&self) -> Hold {
        let mut shell = Command::new("sqlite3");
        shell.args(["-batch", "-init", "/dev/null"]).arg(&self.0);
        // The probe below takes the same lock for a moment; the holder waits for it rather than giving up.
        let hold = Hold::open(&mut shell, "pragma busy_timeout = 10000; begin immediate;");
        let locked = eventually(Duration::from_secs(10), || {
            let mut other = Command::new("sqlite3");
            other.args(["-batch", "-bail", "-init", "/dev/null"]).arg(&self.0).arg("begin immediate; rollback;");
            !other.stderr(Stdio::null()).status().expect("sqlite3 starts").success()
        });
        assert!(locked, "somebody else can still write");
        hold
    }
}

#[test]
fn a_database_is_written_and_read() {
    let folder = super::Folder::new();
    let database = Sqlite::at(folder.file("shop.db"));
    database.sql("create table t (a); insert into t values (1), (2);");
    assert_eq!(database.sql("select a, a + 1 from t"), "1|2\n2|3");
    assert!(database.path().exists());
}
