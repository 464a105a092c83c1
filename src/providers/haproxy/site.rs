//! What planning knows of a target: the file, the running process, and what they are held against.

use serde::Deserialize;

use super::cfg::Cfg;
use super::layout::Layout;
use super::running::Running;
use super::settings::Settings;
use super::tls::Serving;
use crate::providers::balancer::marker::Marker;

/// A target as it was read. A saved state holds nothing of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Site {
    /// HAProxy's version.
    pub version: String,
    /// How it is reached.
    #[serde(skip)]
    pub settings: Option<Settings>,
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
