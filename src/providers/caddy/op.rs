//! The operation: all changes of a target, in one write. `Display` is it, in the order in which it happens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::edit::Edit;
use super::place::Part;
use crate::model::units::Duration;
use crate::providers::balancer::Tls;

/// All changes of a handler.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Where the admin endpoint has what is written; `None` where only the file is.
    pub url: Option<String>,
    /// What that is.
    pub part: Part,
    /// The file.
    pub config: Option<PathBuf>,
    /// The addresses that must be well first.
    pub gate: Vec<String>,
    /// Within how long.
    pub within: Duration,
    /// How many of the nodes that stay must be well; less, and nothing is written.
    pub floor: usize,
    /// What changes.
    pub edits: Vec<Edit>,
    /// Another certificate.
    pub rotation: Option<Rotation>,
}

/// Another certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    /// Its files, as the policy names them.
    pub tls: Tls,
    /// What was in them when it was planned.
    pub content: String,
    /// Where clients meet it, and the names that they ask for; nowhere where nobody can look.
    pub meets: Vec<(SocketAddr, Option<String>)>,
    /// Whether a certificate was seen there when it was planned.
    pub seen: bool,
    /// Whether Caddy has to read the files anew that it names already.
    pub anew: bool,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = self.edits.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !self.gate.is_empty() {
            parts.push(format!("wait until {} is healthy, {} at most", self.gate.join(", "), self.within));
        }
        match (&self.url, &self.config) {
            (Some(url), config) => {
                let anew = self.rotation.as_ref().is_some_and(|rotation| rotation.anew);
                let anew = if anew { ", Cache-Control: must-revalidate" } else { "" };
                parts.push(format!("PATCH {url} If-Match{anew}: {edits}"));
                parts.extend(config.iter().map(|config| format!("edit {} likewise", config.display())));
            }
            (None, Some(config)) => parts.push(format!("edit {}: {edits}", config.display())),
            (None, None) => parts.push(edits),
        }
        f.write_str(&parts.join("; "))
    }
}
