//! The outbox as a feed: rows are deleted in a transaction that is committed only when their keys are gone from the cache.
//!
//! Never by a last number seen: transactions commit in another order than they draw numbers, and such a cursor skips the late ones.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::{PgListener, PgRow};

use crate::error::Result;
use crate::provider::{Ask, Backlog, Entry, Eviction, Feed, Later, Sort};
use crate::providers::postgres::connect::{Endpoint, Purpose, Session};
use crate::providers::postgres::failure;

/// A session of its own, in which one claim at a time is open.
#[derive(Debug)]
pub struct Outbox {
    session: Session,
    listener: Option<PgListener>,
    claimed: Vec<PgRow>,
}

/// How long a claim or an answer may wait for a lock: longer than any commit takes.
const LOCK: Duration = Duration::from_secs(10);

const THERE: &str = "select to_regclass('evenkeel.outbox') is not null";

/// Rows that another worker has claimed are passed over.
const CLAIM: &str = "with picked as (select due, seq from evenkeel.outbox where due <= clock_timestamp() and cache = any($1) and pattern = $2 \
        order by due, seq limit $3 for update skip locked) \
    delete from evenkeel.outbox o using picked p where o.due = p.due and o.seq = p.seq \
    returning o.born::text as born, o.rule, o.cache, o.key, o.pattern, o.within_ms, o.tries";

/// A row that was refused is tried again ever more seldom, so that it holds up no other.
const REFUSE: &str = "insert into evenkeel.outbox (due, born, rule, cache, key, pattern, within_ms, tries, fault) \
    select clock_timestamp() + least(power(2, least(tries, 20)), 300) * interval '1 s', born::timestamptz, rule, cache, key, pattern, within_ms, tries + 1, fault \
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::int8[], $7::int4[], $8::text[]) \
        r(born, rule, cache, key, pattern, within_ms, tries, fault)";

const BACKLOG: &str = "select count(*) as rows, count(*) filter (where due <= clock_timestamp() and cache = any($1)) as due, \
        count(*) filter (where tries > 0) as refused, count(*) filter (where cache <> all($1)) as stranded, \
        coalesce(extract(epoch from clock_timestamp() - min(case when tries > 0 then born else due end) \
            filter (where (due <= clock_timestamp() or tries > 0) and cache = any($1))) * 1000, 0)::int8 as lag \
    from (select due, born, cache, tries from evenkeel.outbox order by due, seq limit 1000000) w";

/// Opens the outbox; none where there is none.
///
/// # Errors
/// As connecting and any statement.
pub async fn open(endpoint: &Endpoint) -> Result<Option<Box<dyn Feed>>> {
    let mut session = endpoint.open(Purpose::Write, "evenkeel worker", LOCK).await?;
    if !session.ask(THERE).await.map_err(failure::explain)? {
        return Ok(None);
    }
    // Hints are a convenience: where nobody may listen, the worker looks by itself.
    let mut listener = endpoint.listen("evenkeel worker").await.ok();
    if let Some(ears) = &mut listener
        && ears.listen("evenkeel_outbox").await.is_err()
    {
        listener = None;
    }
    Ok(Some(Box::new(Outbox { session, listener, claimed: Vec::new() })))
}

impl Feed for Outbox {
    fn claim<'a>(&'a mut self, ask: &'a Ask) -> Later<'a, Result<Vec<Entry>>> {
        Box::pin(async move {
            self.session.send("begin").await.map_err(failure::explain)?;
            let claimed = sqlx::query(CLAIM)
                .bind(&ask.caches)
                .bind(ask.sort == Sort::Pattern)
                .bind(i64::from(ask.most))
                .fetch_all(&mut self.session.conn)
                .await
                .map_err(failure::explain)?;
            let entries = claimed.iter().map(entry).collect::<Result<Vec<_>, _>>().map_err(failure::explain)?;
            self.claimed = claimed;
            if entries.is_empty() {
                self.session.send("rollback").await.map_err(failure::explain)?;
            }
            Ok(entries)
        })
    }

    fn settle<'a>(&'a mut self, refused: &'a [(usize, String)]) -> Later<'a, Result<()>> {
        Box::pin(async move {
            self.put_back(refused).await.map_err(failure::explain)?;
            self.claimed.clear();
            // A commit that breaks off may have happened: then the rows are gone, and rightly so, for their keys are.
            self.session.send("commit").await.map_err(failure::explain)
        })
    }

    fn abandon(&mut self) -> Later<'_, Result<()>> {
        Box::pin(async move {
            self.claimed.clear();
            self.session.send("rollback").await.map_err(failure::explain)
        })
    }

    fn backlog<'a>(&'a mut self, caches: &'a [String]) -> Later<'a, Result<Backlog>> {
        Box::pin(async move {
            let row =
                sqlx::query(BACKLOG).bind(caches).fetch_one(&mut self.session.conn).await.map_err(failure::explain)?;
            let number = |name| row.try_get::<i64, _>(name).map(i64::unsigned_abs).map_err(failure::explain);
            Ok(Backlog {
                rows: number("rows")?,
                due: number("due")?,
                lag: Duration::from_millis(number("lag")?),
                refused: number("refused")?,
                stranded: number("stranded")?,
            })
        })
    }

    fn rest(&mut self, patience: Duration) -> Later<'_, Result<()>> {
        Box::pin(async move {
            match &mut self.listener {
                Some(listener) => {
                    // An ear that fell off is no failure: the claim that follows will say what is wrong.
                    if let Ok(Err(_)) = tokio::time::timeout(patience, listener.recv()).await {
                        self.listener = None;
                        tokio::time::sleep(patience).await;
                    }
                }
                None => tokio::time::sleep(patience).await,
            }
            Ok(())
        })
    }
}

impl Outbox {
    async fn put_back(&mut self, refused: &[(usize, String)]) -> Result<(), sqlx::Error> {
        let rows: Vec<(&PgRow, &str)> =
            refused.iter().filter_map(|(at, why)| Some((self.claimed.get(*at)?, why.as_str()))).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let texts =
            |name: &str| rows.iter().map(|(row, _)| row.try_get::<String, _>(name)).collect::<Result<Vec<_>, _>>();
        let (born, rule, cache, key) = (texts("born")?, texts("rule")?, texts("cache")?, texts("key")?);
        let pattern = rows.iter().map(|(row, _)| row.try_get("pattern")).collect::<Result<Vec<bool>, _>>()?;
        let within = rows.iter().map(|(row, _)| row.try_get("within_ms")).collect::<Result<Vec<Option<i64>>, _>>()?;
        let tries = rows.iter().map(|(row, _)| row.try_get("tries")).collect::<Result<Vec<i32>, _>>()?;
        let faults: Vec<&str> = rows.iter().map(|(_, why)| *why).collect();
        sqlx::query(REFUSE)
            .bind(born)
            .bind(rule)
            .bind(cache)
            .bind(key)
            .bind(pattern)
            .bind(within)
            .bind(tries)
            .bind(faults)
            .execute(&mut self.session.conn)
            .await
            .map(drop)
    }
}

fn entry(row: &PgRow) -> Result<Entry, sqlx::Error> {
    let within: Option<i64> = row.try_get("within_ms")?;
    let sort = if row.try_get("pattern")? { Sort::Pattern } else { Sort::Key };
    let within = within.map(|millis| Duration::from_millis(millis.unsigned_abs()));
    Ok(Entry { cache: row.try_get("cache")?, eviction: Eviction { key: row.try_get("key")?, sort, within } })
}
