//! A document in a key of Redis: read, exchanged if it is still as it was read, locked while a run lasts.

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, RedisError, Script};

use crate::error::{Error, ErrorKind, Result};
use crate::model::Secret;
use crate::provider::{Claim, Holder};
use crate::providers::key_lock::{self, Door, Lock};

/// Writes if the key is as it was read, keeps its expiry, and tells the channel, all in one go: nobody is told of what was not written,
/// and nothing is written that nobody is told of. ARGV: `1` if there was a value, that value, the new one, the channel or nothing.
const EXCHANGE: &str = "local now = redis.call('get', KEYS[1]) \
    if now == ARGV[3] then return 1 end \
    if (ARGV[1] == '1') ~= (now ~= false) or (now and now ~= ARGV[2]) then return 0 end \
    if redis.call('pttl', KEYS[1]) > 0 then redis.call('set', KEYS[1], ARGV[3], 'keepttl') \
    else redis.call('set', KEYS[1], ARGV[3]) end \
    if ARGV[4] ~= '' then redis.call('publish', ARGV[4], KEYS[1]) end \
    return 1";

/// A key of Redis.
pub struct Key {
    client: Client,
    connection: MultiplexedConnection,
    name: String,
    channel: Option<String>,
    place: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} {})", self.place, self.name)
    }
}

/// An error of the client; its text names no password.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn fault(error: RedisError) -> Error {
    let denied = matches!(error.code(), Some("NOPERM" | "NOAUTH" | "WRONGPASS"));
    let kind = match () {
        () if denied => ErrorKind::Denied,
        () if error.is_connection_refusal() => ErrorKind::Unreachable,
        () if error.is_io_error() || error.is_timeout() => ErrorKind::Transient,
        () => ErrorKind::Failed,
    };
    let error = Error::new(kind, format!("Redis: {error}"));
    if denied { error.hint("`evenkeel grants app` says what this user needs") } else { error }
}

impl key_lock::Door for Client {
    async fn open(&self) -> Result<MultiplexedConnection> {
        self.get_multiplexed_async_connection().await.map_err(|error| {
            let error = fault(error);
            if error.kind() == ErrorKind::Denied {
                error
            } else {
                Error::new(ErrorKind::Unreachable, error.to_string())
            }
        })
    }
}

impl Key {
    /// Connects.
    ///
    /// # Errors
    /// `Usage` for a URL that is none; else as the server or the network says.
    pub async fn connect(url: &Secret, name: String, channel: Option<String>) -> Result<Self> {
        let wrong =
            || Error::usage("this is no URL of a Redis").hint("write it as \"redis://user:password@host:6379/0\"");
        // The parser's own error could quote the URL.
        let info: ConnectionInfo = url.expose().into_connection_info().map_err(|_| wrong())?;
        let place = info.addr().to_string();
        let client = Client::open(info).map_err(|_| wrong())?;
        let connection = client.open().await?;
        Ok(Self { client, connection, name, channel, place })
    }

    /// `host:port`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The document, if there is one.
    ///
    /// # Errors
    /// As the server says.
    pub async fn read(&self) -> Result<Option<Vec<u8>>> {
        let mut connection = self.connection.clone();
        redis::cmd("GET").arg(&self.name).query_async(&mut connection).await.map_err(fault)
    }

    /// Replaces the document, if it still is `before`.
    ///
    /// # Errors
    /// `Conflict` where somebody else has changed it.
    pub async fn replace(&self, before: Option<&[u8]>, text: &str) -> Result<()> {
        let mut connection = self.connection.clone();
        let done: i64 = Script::new(EXCHANGE)
            .key(&self.name)
            .arg(i64::from(before.is_some()))
            .arg(before.unwrap_or_default())
            .arg(text)
            .arg(self.channel.as_deref().unwrap_or_default())
            .invoke_async(&mut connection)
            .await
            .map_err(fault)?;
        if done == 1 && self.read().await?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        let what =
            format!("the key `{}` was changed by somebody else since it was read; nothing was written", self.name);
        Err(Error::new(ErrorKind::Conflict, what).hint("plan again to see what it holds now"))
    }

    fn lock_key(&self) -> String {
        format!("evenkeel:lock:{}", self.name)
    }

    /// Takes the lock, without waiting.
    ///
    /// # Errors
    /// As the server says.
    pub async fn lock(&self, holder: &Holder) -> Result<Claim<Lock>> {
        key_lock::take(self.client.clone(), self.connection.clone(), &self.lock_key(), holder).await.map_err(fault)
    }

    /// Deletes the lock, whoever holds it.
    ///
    /// # Errors
    /// As the server says.
    pub async fn unlock(&self) -> Result<String> {
        key_lock::break_open(self.connection.clone(), &self.lock_key()).await.map_err(fault)
    }
}
