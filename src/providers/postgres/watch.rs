//! Watches a running statement from a second session, and tells where it is. Never fails: who cannot watch keeps quiet.

use std::convert::Infallible;
use std::time::Duration;

use super::connect::{Endpoint, Purpose, Session};
use crate::provider::Progress;

/// How often to look.
const PACE: Duration = Duration::from_millis(500);

/// Phase, done and total of a build; or, for any statement, how many sessions it waits for.
const PROGRESS: &str = "select coalesce(p.phase, case when cardinality(b.pids) > 0 then 'waiting' end) \
        || case when p.lockers_total > 0 and p.current_locker_pid > 0 then ' (session ' || p.current_locker_pid || ')' \
            when cardinality(b.pids) > 0 then ' for session ' || array_to_string(b.pids, ', ') else '' end as phase, \
        coalesce(case when p.phase like 'waiting%' then p.lockers_done when p.tuples_total > 0 then p.tuples_done else p.blocks_done end, 0) as done, \
        coalesce(case when p.phase like 'waiting%' then p.lockers_total when p.tuples_total > 0 then p.tuples_total else p.blocks_total end, 0) as total \
    from (select pg_blocking_pids($1) as pids) b left join pg_stat_progress_create_index p on p.pid = $1";

/// Tells the progress of the session `pid` until it is dropped.
pub async fn watch(endpoint: &Endpoint, pid: i32, progress: &Progress) -> Infallible {
    // A statement that is done at once needs no watcher.
    tokio::time::sleep(PACE).await;
    if let Ok(mut session) = endpoint.open(Purpose::Read, "evenkeel", Duration::ZERO).await {
        while let Ok(row) = look(&mut session, pid).await {
            if let (Some(phase), done, total) = row {
                progress.tell(phase, done.unsigned_abs(), total.unsigned_abs());
            }
            tokio::time::sleep(PACE).await;
        }
    }
    std::future::pending().await
}

async fn look(session: &mut Session, pid: i32) -> Result<(Option<String>, i64, i64), sqlx::Error> {
    sqlx::query_as(PROGRESS).bind(pid).fetch_one(&mut session.conn).await
}
