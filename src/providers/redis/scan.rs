//! Looking through the keys of one server, page by page, the next page asked for while the last one is worked on. Never KEYS.

use redis::{Cmd, Pipeline, Value};
use tokio::sync::mpsc;

use super::fault::{fault, reply};
use super::pace::Pace;
use super::pass::Place;
use super::servers::Node;
use crate::error::{Error, Result};
use crate::model::text;

/// What evenkeel keeps on a server for itself starts so, and no rule or purge ever touches it.
pub const OWN: &str = "evenkeel:";

/// A key as the server has it: any bytes.
pub type Key = Vec<u8>;

/// Hands every page of a server's keys from `place` on to `work`, and at the end an empty one, for what was put off. A key that is there
/// all along comes at least once, maybe twice. `place` moves on as pages are done: a page is when the work on the one after it is, so
/// that work may put off its writes till then.
///
/// The server has something to do all of the time: while it works on a page, the next one is asked for, and while it looks for that, the
/// work on the one before is made ready. Work goes out one page at a time, as an answer waits for all that was read along with its question.
///
/// # Errors
/// The first that a page or its work meets. Work gives how many bytes it sent, for the pace; 0 where they need not fit.
pub async fn sweep<W: Future<Output = Result<usize>>>(
    node: &Node,
    pattern: Option<&str>,
    pace: &Pace,
    place: &Place,
    mut work: impl FnMut(Vec<Key>) -> W,
) -> Result<()> {
    let (ready, mut pages) = mpsc::channel(1);
    let ahead = look(node, pattern, pace, place.cursor(), ready);
    let behind = async {
        let mut last = None;
        while let Some(Page { keys, asked, next }) = pages.recv().await {
            let count = keys.len() as u64;
            pace.fit(asked, work(keys).await?);
            if let Some((done, keys)) = last.replace((next, count)) {
                place.reach(done, keys);
            }
        }
        work(Vec::new()).await?;
        if let Some((done, keys)) = last {
            place.reach(done, keys);
        }
        Ok(())
    };
    tokio::try_join!(ahead, behind).map(drop)
}

/// Keys, how many were asked for, and where the next page begins: nowhere after the last one.
struct Page {
    keys: Vec<Key>,
    asked: usize,
    next: Option<u64>,
}

/// Asks for the pages from `cursor` on, one after the other, until nobody takes them any more.
async fn look(
    node: &Node,
    pattern: Option<&str>,
    pace: &Pace,
    mut cursor: Option<u64>,
    ready: mpsc::Sender<Page>,
) -> Result<()> {
    while let Some(at) = cursor {
        pace.rest().await;
        let mut scan = redis::cmd("SCAN");
        scan.arg(at);
        if let Some(pattern) = pattern {
            scan.arg("MATCH").arg(pattern);
        }
        let asked = pace.page();
        scan.arg("COUNT").arg(asked);
        let (next, keys) = page(node.link().send_packed_command(&scan).await.map_err(fault)?)?;
        cursor = (next != 0).then_some(next);
        if ready.send(Page { keys, asked, next: cursor }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The answer to a SCAN.
///
/// # Errors
/// When it is none.
pub fn page(answer: Value) -> Result<(u64, Vec<Key>)> {
    let strange = || Error::failed("the server's answer to SCAN cannot be understood");
    let answer = match answer {
        Value::Array(parts) => parts,
        Value::ServerError(error) => return Err(reply(&error)),
        _ => return Err(strange()),
    };
    let Ok([cursor, Value::Array(keys)]) = <[Value; 2]>::try_from(answer) else { return Err(strange()) };
    let cursor = redis::from_redis_value(cursor).map_err(|_| strange())?;
    let own = OWN.as_bytes();
    let keys = keys.into_iter().filter_map(|key| match key {
        Value::BulkString(key) if !key.starts_with(own) => Some(key),
        _ => None,
    });
    Ok((cursor, keys.collect()))
}

/// Sends a pipeline and returns its answers, each by itself: one refusal says nothing about the others.
///
/// # Errors
/// What the connection says.
pub async fn send(node: &Node, pipeline: &Pipeline) -> Result<Vec<Value>> {
    if pipeline.is_empty() {
        return Ok(Vec::new());
    }
    node.link().send_packed_commands(pipeline, 0, pipeline.len()).await.map_err(fault)
}

/// A whole number out of an answer.
///
/// # Errors
/// The server's refusal.
pub fn number(answer: &Value) -> Result<i64> {
    match answer {
        Value::Int(number) => Ok(*number),
        Value::ServerError(error) => Err(reply(error)),
        _ => Err(Error::failed("the server's answer is no number")),
    }
}

/// When each of `keys` expires.
///
/// # Errors
/// The first refusal.
pub async fn expiries<'a>(node: &Node, keys: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<Vec<Expiry>> {
    let mut ask = Pipeline::with_capacity(keys.len());
    for key in keys {
        ask.add_command(about("PTTL", key, 0));
    }
    send(node, &ask).await?.iter().map(|answer| number(answer).map(Expiry::of)).collect()
}

/// What asking when each of `keys` expires sends, in bytes.
pub fn weight<'a>(keys: impl Iterator<Item = &'a [u8]>) -> usize {
    keys.map(|key| key.len() + FRAME).sum()
}

/// What a command about a key has around the key, in bytes: `*2 $4 PTTL $16` and the ends of their lines.
const FRAME: usize = 21;

/// The beginning of a command about `key`, with room for `more` bytes of further arguments. What goes out for every key of millions
/// is made without growing step by step.
pub fn about(name: &str, key: &[u8], more: usize) -> Cmd {
    const MOST_ARGUMENTS: usize = 6;
    let arguments = if more == 0 { 2 } else { MOST_ARGUMENTS };
    let mut command = Cmd::with_capacity(arguments, name.len() + key.len() + more);
    command.arg(name).arg(key);
    command
}

/// Room for the words and numbers that follow a key: `PX 9223372036854775807 NX`.
pub const WORDS: usize = 24;

/// How long a key will live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It is not there.
    Gone,
    /// Until somebody deletes it.
    Never,
    /// So many milliseconds.
    In(u64),
}

impl Expiry {
    /// What the answer to a PTTL means.
    pub fn of(pttl: i64) -> Self {
        match pttl {
            -2 => Self::Gone,
            -1 => Self::Never,
            millis => Self::In(millis.unsigned_abs()),
        }
    }
}

/// `1 key`, `41 203 keys`.
pub fn count_keys(n: u64) -> String {
    text::count(usize::try_from(n).unwrap_or(usize::MAX), "key")
}
