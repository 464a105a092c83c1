//! A lock that is a key of Redis: it holds the holder's name, expires unless it is renewed, and only its holder deletes it. Knows no
//! provider; whoever uses it names the key and says what the server's refusals mean.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script, ScriptInvocation};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Busy, Claim, Held, Holder, Later};

/// How long a lock outlives a holder that died.
const LIFE: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(5);
/// How long letting go may hold up the end of a run.
const LETTING_GO: Duration = Duration::from_secs(1);

/// Deletes, renews or shows what is there, in one go.
const RELEASE: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";
const RENEW: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end \
                     if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end return 0";
const BREAK: &str = "local held = redis.call('get', KEYS[1]) redis.call('del', KEYS[1]) return held";

/// A lock that is ours until dropped. A thread of its own renews it, however long the run thinks.
#[derive(Debug)]
pub struct Lock {
    /// To the thread; it lets go when this is gone.
    questions: Option<mpsc::UnboundedSender<Question>>,
    gone: Mutex<Receiver<()>>,
}

/// Whether the lock is still held; answered with what came of renewing it.
type Question = oneshot::Sender<Result<()>>;

/// The way to the lock's key, for the thread that renews it: it shares no connection with the run. Asked again after a failure, as a
/// server may come back, or another take over.
pub trait Door: Send + Sync + 'static {
    /// A new connection to the server that has the key.
    ///
    /// # Errors
    /// When there is none at the moment.
    fn open(&self) -> impl Future<Output = Result<MultiplexedConnection>> + Send;
}

/// Tries to take the lock `key` for `holder`, without waiting.
///
/// # Errors
/// What the server or the connection says.
pub async fn take(
    door: impl Door,
    mut link: MultiplexedConnection,
    key: &str,
    holder: &Holder,
) -> Result<Claim<Lock>, RedisError> {
    // The run's name makes the text this run's own.
    let text = serde_json::json!(holder).to_string();
    let mut set = redis::cmd("SET");
    set.arg(key).arg(&text).arg("NX").arg("PX").arg(life());
    if set.query_async::<Option<String>>(&mut link).await?.is_none() {
        let held: Option<String> = redis::cmd("GET").arg(key).query_async(&mut link).await?;
        return Ok(Claim::Busy(describe(held.as_deref(), key)));
    }
    let (questions, asked) = mpsc::unbounded_channel();
    let (going, gone) = channel();
    let key = key.to_owned();
    let keep = move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(keep(&door, &key, &text, asked)),
            Err(error) => tracing::warn!(%error, "the lock `{key}` is not renewed"),
        }
        // Nobody may be waiting any more.
        let _ = going.send(());
    };
    std::thread::Builder::new().name("lock".to_owned()).spawn(keep)?;
    Ok(Claim::Ours(Lock { questions: Some(questions), gone: Mutex::new(gone) }))
}

/// Renews the lock now and then, and when it is `asked`, until nobody can ask any more; then releases it.
async fn keep(door: &impl Door, key: &str, text: &str, mut asked: mpsc::UnboundedReceiver<Question>) {
    let (renew, release) = (Script::new(RENEW), Script::new(RELEASE));
    let (mut renewing, mut releasing) = (renew.prepare_invoke(), release.prepare_invoke());
    renewing.key(key).arg(text).arg(life());
    releasing.key(key).arg(text);
    let mut link = None;
    loop {
        let question = tokio::select! {
            question = asked.recv() => match question {
                None => break,
                question => question,
            },
            () = tokio::time::sleep(RENEWAL) => None,
        };
        let renewed = match ask(door, &mut link, &renewing).await {
            Ok(0) => Err(Error::new(
                ErrorKind::Locked,
                format!("another run took the lock `{key}` while its server was away"),
            )
            .hint("run it again once that one has ended")),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(ErrorKind::Transient, format!("the lock `{key}` cannot be renewed: {error}"))),
        };
        match (question, renewed) {
            // Whoever asked may have had enough of waiting.
            (Some(question), renewed) => drop(question.send(renewed)),
            // One that fails leaves two more before the lock is gone.
            (None, Err(error)) => tracing::warn!(%error, "the lock was not renewed"),
            (None, Ok(())) => {}
        }
    }
    if let Err(error) = ask(door, &mut link, &releasing).await {
        tracing::warn!(%error, "the lock was not released and expires by itself");
    }
}

/// What the lock's key lives, in milliseconds.
fn life() -> u64 {
    u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX)
}

/// Runs a script, over a new connection where there is none yet, or the old one fails.
async fn ask(door: &impl Door, link: &mut Option<MultiplexedConnection>, script: &ScriptInvocation<'_>) -> Result<i64> {
    if let Some(old) = link
        && let Ok(answer) = script.invoke_async(old).await
    {
        return Ok(answer);
    }
    let new = link.insert(door.open().await?);
    script.invoke_async(new).await.map_err(|error| Error::failed(error.to_string()))
}

/// Deletes whatever lock there is under `key`, and says whose it was.
///
/// # Errors
/// What the server or the connection says.
pub async fn break_open(mut link: MultiplexedConnection, key: &str) -> Result<String, RedisError> {
    let held: Option<String> = Script::new(BREAK).key(key).invoke_async(&mut link).await?;
    Ok(match held {
        None => format!("there is no lock `{key}`"),
        Some(text) => {
            let Busy { holder, since } = describe(Some(&text), key);
            let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
            format!("released the lock of {holder}{since}")
        }
    })
}

fn describe(held: Option<&str>, key: &str) -> Busy {
    match held.map(serde_json::from_str::<Holder>) {
        Some(Ok(holder)) => holder.busy(),
        _ => Busy { holder: format!("somebody who writes no name into `{key}`"), since: None },
    }
}

impl Held for Lock {
    fn check(&self) -> Later<'_, Result<()>> {
        Box::pin(async {
            let (question, answer) = oneshot::channel();
            // Where its thread is gone, so is the answer.
            let _ = self.questions.as_ref().map(|questions| questions.send(question));
            answer.await.unwrap_or_else(|_| Err(Error::bug("nobody renews the lock")))
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.questions.take().is_some() {
            // Nothing depends on how it ends: the lock expires by itself.
            let _ = self.gone.get_mut().unwrap_or_else(PoisonError::into_inner).recv_timeout(LETTING_GO);
        }
    }
}
