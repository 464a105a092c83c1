//! Operations: one write of the file and one reload for all that goes together. `Display` is what happens, in the order in which it does.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::edit;
use crate::model::units::Duration;
use crate::providers::balancer::Tls;

/// One operation on an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The upstream.
    pub upstream: String,
    /// The file.
    pub config: PathBuf,
    /// What it holds before.
    pub before: Vec<u8>,
    /// What it holds afterwards.
    pub after: Vec<u8>,
    /// The nodes that come into service, with their addresses: each has to answer first.
    pub comers: Vec<(String, String)>,
    /// What they are asked for; a connection where there is none.
    pub probe: Option<String>,
    /// Within how long they have to answer.
    pub within: Duration,
    /// The nodes that leave.
    pub leavers: Vec<String>,
    /// How many nodes must serve afterwards; less, and nothing is done.
    pub floor: usize,
    /// How long workers that leave are waited for, before anything is written.
    pub drain: Option<Duration>,
    /// Whether nginx checks the configuration first.
    pub tested: bool,
    /// Whether a running nginx reads it afterwards.
    pub reloads: bool,
    /// What was reckoned.
    pub sums: Vec<String>,
    /// The certificate that is served from then on.
    pub rotation: Option<Rotation>,
}

/// Another certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The files that hold it.
    pub tls: Tls,
    /// What they hold, in words.
    pub content: String,
    /// Where clients meet it, with the names that they ask for.
    pub meets: Vec<(SocketAddr, Option<String>)>,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(drain) = self.drain {
            parts.push(format!("wait for the workers that leave, {drain} at most"));
        }
        for (name, address) in &self.comers {
            let what = self.probe.as_ref().map_or("for a connection".to_owned(), |path| format!("for GET {path}"));
            parts.push(format!("ask {name} at {address} {what}, {} at most", self.within));
        }
        if self.rotation.is_some() {
            parts.push("check the key against the certificate".into());
        }
        if self.tested && self.before != self.after {
            parts.push("nginx -t".into());
        }
        let edits = edit::difference(&self.before, &self.after);
        if !edits.is_empty() {
            parts.push(format!("edit {}: {}", self.config.display(), edits.join(", ")));
        }
        parts.extend(self.sums.iter().cloned());
        if self.reloads {
            parts.push("kill -HUP".into());
        }
        if let Some(Rotation { content, meets, .. }) = self.rotation.as_ref().filter(|_| self.reloads) {
            let places: Vec<String> = meets.iter().map(|(address, _)| address.to_string()).collect();
            if !places.is_empty() {
                parts.push(format!("see that {} serves {content}", places.join(", ")));
            }
        }
        f.write_str(&parts.join("; "))
    }
}
