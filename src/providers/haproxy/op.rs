//! Operations: what a step does to the running HAProxy, and what it writes into the file. `Display` is both, in the order in which they happen.

use std::fmt;
use std::path::PathBuf;

use super::cfg::Edit;
use crate::model::units::Duration;
use crate::providers::balancer::{NodeState, Tls};

/// One operation on a backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The backend.
    pub backend: String,
    /// The file.
    pub config: PathBuf,
    /// What happens while it runs.
    pub act: Act,
    /// What is written.
    pub edits: Vec<Edit>,
}

/// What happens to the running HAProxy.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A node comes into service, if it is seen healthy; new, where there is something to add.
    Admit(Admit),
    /// A node goes to another address, and is out of service meanwhile.
    Move(Move),
    /// A node leaves.
    Retire(Retire),
    /// Values that take effect at once.
    Set {
        /// The commands.
        commands: Vec<String>,
        /// How many nodes must serve afterwards; less, and nothing is done.
        floor: usize,
    },
    /// Another certificate is served, without a reload.
    Rotate(Rotation),
    /// The file is read anew; how clients are let in stays as it is.
    Reload,
    /// The file is read anew, and how clients are let in changes.
    Listen,
    /// Nothing: the file alone is managed.
    Write {
        /// Whether HAProxy checks it first.
        checked: bool,
    },
}

/// A certificate that takes another's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    /// The file that HAProxy loads.
    pub place: PathBuf,
    /// Where the new one and its key are.
    pub tls: Tls,
    /// What was planned, so that nothing else is served.
    pub content: String,
    /// Whether a running HAProxy takes it into its memory.
    pub loaded: bool,
}

/// A node that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admit {
    /// Its name.
    pub node: String,
    /// Where it is and its parameters, where it is new.
    pub add: Option<(String, String)>,
    /// What state it is to end in.
    pub end: NodeState,
    /// Whether it is checked.
    pub checked: bool,
    /// Whether its cookie is to be computed.
    pub cookie: bool,
    /// Within how long it must be seen healthy.
    pub within: Duration,
}

/// A node that changes its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its name.
    pub node: String,
    /// Its new address.
    pub address: String,
    /// What else changes meanwhile.
    pub commands: Vec<String>,
    /// What state it is to end in.
    pub end: NodeState,
    /// Whether it is checked.
    pub checked: bool,
    /// How many nodes must serve meanwhile.
    pub floor: usize,
    /// How long it may finish what it is working on.
    pub drain: Duration,
    /// Within how long it must be seen healthy.
    pub within: Duration,
}

/// A node that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retire {
    /// Its name.
    pub node: String,
    /// How many nodes must serve afterwards.
    pub floor: usize,
    /// How long it may finish what it is working on.
    pub drain: Duration,
}

/// The word for a state on the socket.
pub fn word(state: NodeState) -> &'static str {
    match state {
        NodeState::Ready => "ready",
        NodeState::Drain => "drain",
        NodeState::Maintenance => "maint",
    }
}

/// The command for a state.
pub fn set_state(backend: &str, node: &str, state: NodeState) -> String {
    format!("set server {backend}/{node} state {}", word(state))
}

/// The command for an address.
pub fn set_address(backend: &str, node: &str, address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    format!("set server {backend}/{node} addr {} port {port}", host.trim_matches(['[', ']']))
}

/// The command that makes HAProxy forget that a node was well, so that only new checks can say so.
fn set_down(backend: &str, node: &str) -> String {
    format!("set server {backend}/{node} health down")
}

impl Move {
    /// What was found at the old address says nothing of the new one.
    pub fn doubt(&self, backend: &str) -> Vec<String> {
        let watched = self.checked && self.end == NodeState::Ready;
        if watched { vec![set_down(backend, &self.node)] } else { Vec::new() }
    }
}

impl Admit {
    /// The commands before the node is watched.
    pub fn before(&self, backend: &str) -> Vec<String> {
        let node = &self.node;
        let mut commands = Vec::new();
        if let Some((address, arguments)) = &self.add {
            commands.push(format!("add server {backend}/{node} {address} {arguments}").trim_end().to_owned());
        }
        if self.checked || self.end == NodeState::Drain {
            commands.push(set_state(backend, node, NodeState::Drain));
        }
        if self.checked {
            commands.push(match self.add {
                Some(_) => format!("enable health {backend}/{node}"),
                None => set_down(backend, node),
            });
        }
        if self.cookie && self.add.is_some() {
            commands.push(format!("enable dynamic-cookie backend {backend}"));
        }
        commands
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = &self.backend;
        let watch = |within: &Duration| format!("wait until it is healthy, {within} at most");
        let drained = |drain: &Duration| format!("wait for its sessions to end, {drain} at most");
        let mut file = Vec::new();
        if !self.edits.is_empty() {
            let edits: Vec<String> = self.edits.iter().map(ToString::to_string).collect();
            file.push(format!("edit {}: {}", self.config.display(), edits.join(", ")));
        }
        let parts = match &self.act {
            Act::Admit(admit) => {
                let mut parts = admit.before(backend);
                if admit.checked && admit.end == NodeState::Ready {
                    parts.push(watch(&admit.within));
                }
                if admit.end == NodeState::Ready {
                    parts.push(set_state(backend, &admit.node, admit.end));
                }
                [parts, file].concat()
            }
            Act::Move(to @ Move { node, address, commands, end, checked, floor: _, drain, within }) => {
                let mut parts = vec![set_state(backend, node, NodeState::Drain), drained(drain)];
                parts.push(set_address(backend, node, address));
                parts.extend(commands.iter().cloned());
                parts.extend(to.doubt(backend));
                if *checked && *end == NodeState::Ready {
                    parts.push(watch(within));
                }
                if *end != NodeState::Drain {
                    parts.push(set_state(backend, node, *end));
                }
                [parts, file].concat()
            }
            Act::Retire(Retire { node, floor: _, drain }) => {
                let drain = vec![
                    set_state(backend, node, NodeState::Drain),
                    drained(drain),
                    set_state(backend, node, NodeState::Maintenance),
                ];
                [drain, file, vec![format!("del server {backend}/{node}")]].concat()
            }
            Act::Set { commands, floor: _ } => [commands.clone(), file].concat(),
            Act::Rotate(Rotation { place, tls, content, loaded }) => {
                let place = place.display();
                let from = tls.certificate.as_ref().map(|pem| pem.path.as_str()).unwrap_or_default();
                let key = tls.key.as_ref().map(|key| format!(" and {key}")).unwrap_or_default();
                if *loaded {
                    vec![
                        format!("set ssl cert {place} << {from}{key} ({content})"),
                        format!("commit ssl cert {place}"),
                        format!("write {place}"),
                    ]
                } else {
                    vec![format!("write {place} << {from}{key} ({content})")]
                }
            }
            Act::Write { checked } => [if *checked { vec!["haproxy -c".into()] } else { Vec::new() }, file].concat(),
            Act::Reload | Act::Listen => [file, vec!["haproxy -c".into(), "reload".into()]].concat(),
        };
        f.write_str(&parts.join("; "))
    }
}
