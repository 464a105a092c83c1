//! Where a document is published: a file, or a key of Redis.

use std::fmt;
use std::path::PathBuf;

use super::spec::Publish;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::file::{self, Fingerprint};
use crate::provider::{Claim, Context, Held, Holder, Later};

/// A place that has been reached.
#[derive(Debug)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// A key of Redis.
    #[cfg(feature = "redis")]
    Redis(Box<super::redis::Key>),
}

/// Holds a place's lock until it is dropped.
#[derive(Debug)]
pub enum Lock {
    /// Beside the file.
    File(file::Lock),
    /// Beside the key.
    #[cfg(feature = "redis")]
    Redis(crate::providers::key_lock::Lock),
}

impl Held for Lock {
    fn check(&self) -> Later<'_, Result<()>> {
        match self {
            Self::File(lock) => lock.check(),
            #[cfg(feature = "redis")]
            Self::Redis(lock) => lock.check(),
        }
    }
}

impl Place {
    /// Reaches it.
    ///
    /// # Errors
    /// As the file system or Redis says.
    #[cfg_attr(not(feature = "redis"), expect(clippy::unused_async, reason = "Redis is what takes time"))]
    pub async fn reach(publish: Publish, context: &Context) -> Result<Self> {
        match publish {
            Publish { file: Some(path), .. } => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                if folder.is_some_and(|folder| !folder.is_dir()) {
                    let what = format!("there is no folder for `{}`", path.display());
                    return Err(Error::new(ErrorKind::Unreachable, what).hint("make it; evenkeel makes only the file"));
                }
                Ok(Self::File(path))
            }
            #[cfg(feature = "redis")]
            Publish { redis: Some(redis), key: Some(key), channel, .. } => {
                let url = match redis.expose() {
                    url if url.contains("://") => redis.clone(),
                    target => context.neighbors.text(target, "url")?,
                };
                super::redis::Key::connect(&url, key, channel).await.map(|key| Self::Redis(Box::new(key)))
            }
            _ => Err(Error::usage(format!("`{}` says nowhere to publish", context.target))),
        }
    }

    /// What is published.
    ///
    /// # Errors
    /// As the file system or Redis says.
    pub async fn read(&self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::File(path) => Ok(file::read(path).await?.map(|snapshot| snapshot.bytes)),
            #[cfg(feature = "redis")]
            Self::Redis(key) => key.read().await,
        }
    }

    /// Replaces what is published, if it still is `before`, and looks at it again.
    ///
    /// # Errors
    /// `Conflict` where somebody else has changed it.
    pub async fn replace(&self, before: Option<&[u8]>, text: String) -> Result<()> {
        match self {
            Self::File(path) => file::replace(path, before.map(Fingerprint::of).as_ref(), text.into_bytes()).await,
            #[cfg(feature = "redis")]
            Self::Redis(key) => key.replace(before, &text).await,
        }
    }

    /// Why writing would be refused, where that can be seen beforehand.
    pub async fn obstacle(&self) -> Option<String> {
        match self {
            Self::File(path) => file::obstacle(path).await,
            #[cfg(feature = "redis")]
            Self::Redis(_) => None,
        }
    }

    /// What tells it from every other place.
    pub fn identity(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            #[cfg(feature = "redis")]
            Self::Redis(key) => format!("redis {}", key.place()),
        }
    }

    /// Takes its lock, without waiting.
    ///
    /// # Errors
    /// As the file system or Redis says.
    pub async fn lock(&self, holder: &Holder) -> Result<Claim<Lock>> {
        Ok(match self {
            Self::File(path) => match file::lock(path, holder).await? {
                Claim::Ours(lock) => Claim::Ours(Lock::File(lock)),
                Claim::Busy(busy) => Claim::Busy(busy),
            },
            #[cfg(feature = "redis")]
            Self::Redis(key) => match key.lock(holder).await? {
                Claim::Ours(lock) => Claim::Ours(Lock::Redis(lock)),
                Claim::Busy(busy) => Claim::Busy(busy),
            },
        })
    }

    /// Releases a lock that somebody else left behind.
    ///
    /// # Errors
    /// As the file system or Redis says.
    pub async fn unlock(&self) -> Result<String> {
        match self {
            Self::File(path) => file::unlock(path).await,
            #[cfg(feature = "redis")]
            Self::Redis(key) => key.unlock().await,
        }
    }
}

/// How a place is named in a command: `/etc/shop/runtime.json`, or `redis key config:api`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The path, or the key.
    pub text: String,
    /// The channel that is told.
    pub channel: Option<String>,
}

impl Name {
    /// The name of what the policy says.
    pub fn of(publish: &Publish) -> Self {
        let text = match (&publish.file, &publish.key) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(key)) => format!("redis key {key}"),
            (None, None) => String::new(),
        };
        Self { text, channel: publish.channel.clone() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
