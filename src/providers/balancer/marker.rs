//! The marker: what a run has begun with these workers and not finished, in a file beside the configuration. It speaks of one worker only:
//! once the balancer was reloaded by whomever, it says nothing any more.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::provider::file;

/// What is unfinished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marker {
    /// The worker it speaks of.
    pub process: String,
    /// The nodes that were taken out of service to be brought back.
    pub resting: Vec<String>,
    /// Whether the file holds something that this worker has not read.
    pub unread: bool,
}

impl Marker {
    /// What is unfinished with the worker `process`.
    pub async fn read(config: &Path, process: &str) -> Result<Self> {
        let Some(found) = file::read(&place(config)).await? else { return Ok(Self::default()) };
        // What a crash tore is worth nothing, like what speaks of another worker.
        let marker: Self = serde_json::from_slice(&found.bytes).unwrap_or_default();
        Ok(if marker.process == process { marker } else { Self::default() })
    }

    /// Writes it down; nothing unfinished leaves no file.
    pub async fn write(mut self, config: &Path, process: &str) -> Result<()> {
        let place = place(config);
        process.clone_into(&mut self.process);
        if self.resting.is_empty() && !self.unread {
            return match tokio::fs::remove_file(&place).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::failed(format!("cannot remove `{}`", place.display())).because(error))
                }
                _ => Ok(()),
            };
        }
        let bytes = serde_json::to_vec(&self).map_err(|error| Error::bug("a marker").because(error))?;
        let there = file::read(&place).await?;
        file::replace(&place, there.as_ref().map(|there| &there.print), bytes).await
    }
}

fn place(config: &Path) -> PathBuf {
    let name = config.file_name().unwrap_or_default().to_string_lossy();
    config.with_file_name(format!(".{name}.evenkeel-unfinished"))
}
