//! Operations: one transaction each. It looks again before it writes, so that nothing is changed that was not planned from,
//! and reads back afterwards. A crash leaves the state before or the state after.

use std::fmt;
use std::path::Path;

use super::schema::Schema;
use super::sql::{Database, Failure};
use super::{Spec, live};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ResourceId;
use crate::provider::Progress;

/// A transaction and what it is based on.
#[derive(Clone, Debug)]
pub struct Op {
    /// The resource that it changes.
    pub id: ResourceId,
    /// The statements between `begin immediate` and `commit`.
    pub statements: Vec<String>,
    /// What was there when this was planned.
    pub before: Option<Spec>,
    /// What will be there.
    pub after: Option<Spec>,
}

/// Takes the write lock at once, so that nothing can change between looking and writing.
const BEGIN: &str = "begin immediate";
const COMMIT: &str = "commit";

/// Up to which length a transaction is shown on one line.
const LINE: usize = 110;

impl Op {
    /// Runs the transaction on `file`.
    pub async fn run(&self, file: &Path, busy_timeout: std::time::Duration, progress: &Progress) -> Result<()> {
        let mut database = Database::writable(file, busy_timeout).await?;
        database.run(BEGIN).await?;
        match self.transact(&mut database, progress).await {
            Ok(()) => {}
            Err(error) => {
                // The connection ends here, and the transaction with it, should this fail as well.
                let _ = database.run("rollback").await;
                database.close().await;
                return Err(error);
            }
        }
        let found = self.look(&mut database).await;
        database.close().await;
        if found? == self.after {
            return Ok(());
        }
        Err(Error::failed(format!("`{}` is not as it was made a moment ago", self.id))
            .hint("somebody else changes this database; plan again"))
    }

    async fn transact(&self, database: &mut Database, progress: &Progress) -> Result<()> {
        let found = self.look(database).await?;
        if found == self.after {
            database.run("rollback").await?;
            return Ok(());
        }
        if found != self.before {
            let message = match (&self.before, &found) {
                (None, _) => format!("`{}` was made by somebody else since the plan", self.id),
                (_, None) => format!("`{}` was removed by somebody else since the plan", self.id),
                _ => format!("`{}` was changed by somebody else since the plan", self.id),
            };
            return Err(Error::new(ErrorKind::Conflict, message).hint("plan again to see what is there now"));
        }
        for statement in &self.statements {
            let phase = statement.split(" on ").next().and_then(|text| text.lines().next()).unwrap_or(statement);
            // SQLite does not tell how far it is.
            progress.tell(phase, 0, 0);
            database.run(statement).await?;
        }
        progress.tell(COMMIT, 0, 0);
        Ok(database.run(COMMIT).await?)
    }

    async fn look(&self, database: &mut Database) -> Result<Option<Spec>, Failure> {
        let schema = Schema::read(database).await?;
        Ok(live::find(&schema, &self.id))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statements = || [BEGIN].into_iter().chain(self.statements.iter().map(String::as_str)).chain([COMMIT]);
        let line = statements().collect::<Vec<_>>().join("; ");
        if line.len() <= LINE && !line.contains('\n') {
            return f.write_str(&line);
        }
        f.write_str(&statements().collect::<Vec<_>>().join(";\n"))
    }
}
