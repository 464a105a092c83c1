//! What planning knows of a target: the file, the running process, and what they are held against.

use serde::Deserialize;

use super::cfg::Cfg;
use super::layout::Layout;
use super::running::Running;
use super::settings::Settings;
use super::tls::Serving;
use crate::providers::balancer::Capacity;
use crate::providers::balancer::marker::Marker;

/// A target as it was read. A saved state holds nothing of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// HAProxy's version, as far as it is known.
    pub version: String,
    /// How it is reached.
    #[serde(skip)]
    pub settings: Option<Settings>,
    /// Whether HAProxy can be had to check the file, where that alone is managed.
    #[serde(skip)]
    pub checks: bool,
    /// The file.
    #[serde(skip)]
    pub cfg: Cfg,
    /// What the file says of the backend.
    #[serde(skip)]
    pub layout: Layout,
    /// What runs.
    #[serde(skip)]
    pub running: Running,
    /// The certificate.
    #[serde(skip)]
    pub tls: Serving,
    /// What a run before left unfinished.
    #[serde(skip)]
    pub marker: Marker,
}

impl Site {
    /// Whether the target is its file alone, with no running HAProxy.
    pub fn file_only(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.socket.is_none())
    }

    /// The pool as it is: as it runs, or else as the file has it.
    pub fn capacity(&self) -> Capacity {
        if self.file_only() { self.layout.capacity() } else { self.running.capacity() }
    }
}
