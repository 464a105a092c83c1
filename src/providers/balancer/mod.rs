//! What the balancers share: one vocabulary, its hazards, what each can do, certificates, and the arithmetic of capacity and of connections.
//! Knows no balancer.

pub mod capability;
pub mod capacity;
pub mod certificate;
pub mod handshake;
pub mod hazard;
pub mod marker;
pub mod reuse;
pub mod spec;
pub mod version;

pub use capacity::Capacity;
pub use spec::{Algorithm, Balance, Health, Node, NodeState, Pem, Protocol, Reuse, Spec, Sticky, Tls};
pub use version::Version;

use crate::error::{Error, ErrorKind};
use crate::model::{Comparison, Kind, Many};

/// How requests are spread.
pub const BALANCE: Kind = Kind { name: "balance", doc: "how requests are spread over the nodes", ..SINGLE };
/// How nodes are watched.
pub const HEALTH: Kind = Kind { name: "health", doc: "how nodes are checked, and when one is taken out", ..SINGLE };
/// How connections to the nodes are kept.
pub const REUSE: Kind =
    Kind { name: "reuse", doc: "how many connections a node gets, and how they are kept", ..SINGLE };
/// What binds clients to nodes.
pub const STICKY: Kind = Kind { name: "sticky", doc: "the cookie that keeps a client on one node", ..SINGLE };
/// How TLS is spoken with clients.
pub const TLS: Kind = Kind { name: "tls", doc: "the certificate, the versions and the ciphers of TLS", ..SINGLE };
/// A node.
pub const NODE: Kind = Kind {
    name: "node",
    doc: "one node: where it is, its share, and whether it takes requests",
    many: Many::Named,
    prunable: true,
    ..SINGLE
};

const SINGLE: Kind =
    Kind { name: "", doc: "", comparison: Comparison::Partial, many: Many::One, replaces: &[], prunable: false };

/// The target is not as planned.
pub fn conflict(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Conflict, message).hint("plan again to see what is there now")
}
