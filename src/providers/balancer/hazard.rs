//! The hazards of every balancer.

use crate::model::{Approval, HazardKind};

/// A node leaves the pool, or rests.
pub const REMOVES_CAPACITY: HazardKind = HazardKind {
    code: "removes-capacity",
    approval: Approval::Required,
    doc: "A node takes no new requests any more, so the others get its share. It is drained first: what it is working on is finished. \
          Judge whether the nodes that stay can carry the load at its peak; the evidence says how many are healthy.",
};
/// Fewer nodes would serve than the policy demands.
pub const BELOW_MINIMUM: HazardKind = HazardKind {
    code: "below-minimum",
    approval: Approval::Required,
    doc: "With this step fewer nodes would be healthy than `min_healthy` says, or more would be out than `max_unavailable` says. \
          Bring other nodes back first, or take this one out later.",
};
/// No node would serve.
pub const EMPTIES_POOL: HazardKind = HazardKind {
    code: "empties-pool",
    approval: Approval::Required,
    doc: "With this step no node takes requests any more: every request fails. Hardly ever what is wanted; add another node first.",
};
/// Somebody took the node out by hand.
pub const READMITS_NODE: HazardKind = HazardKind {
    code: "readmits-node",
    approval: Approval::Required,
    doc: "Somebody took this node out of service in the running balancer, past its configuration file, and the policy says that it is ready. \
          There may be a reason, such as work on the machine: ask first. Leaving `state` out of the policy leaves it to the operators.",
};
/// The balancer reads its configuration anew.
pub const RELOADS: HazardKind = HazardKind {
    code: "reloads-balancer",
    approval: Approval::Notice,
    doc: "The balancer starts with a new configuration and finishes what it was doing with the old one. New connections are not refused. \
          Idle connections of clients may be closed; clients that do not try again may see one failed request.",
};
/// Only the file is changed.
pub const WAITS_FOR_RELOAD: HazardKind = HazardKind {
    code: "waits-for-reload",
    approval: Approval::Notice,
    doc: "Only the file is changed, because the target does not say how the running balancer is reached. It goes on as it was until somebody \
          reloads it, and nobody sees to it that the reload succeeds: check the file, reload, and look.",
};
/// Clients change nodes.
pub const MOVES_CLIENTS: HazardKind = HazardKind {
    code: "moves-clients",
    approval: Approval::Notice,
    doc: "Clients will be sent to other nodes than before. Where nodes keep sessions or caches of their own in memory, those are cold at first.",
};
/// New connections to a node wait.
pub const LIMITS_CONNECTIONS: HazardKind = HazardKind {
    code: "limits-connections",
    approval: Approval::Notice,
    doc: "A node gets fewer connections at once than now; more requests than that wait in the balancer's queue, up to its queue timeout.",
};
/// The addresses that clients come to, or how TLS is spoken there.
pub const LISTENER: HazardKind = HazardKind {
    code: "listener",
    approval: Approval::Required,
    doc: "How clients are let in changes: the addresses listened on, or the versions and ciphers of TLS. Clients that know none of the new ones \
          are turned away. Balancers do not try to bind before they load: where that fails, some refuse connections for a moment. \
          Look at which clients there are, and do it when few are.",
};
/// Names that were covered are not.
pub const NARROWS_CERTIFICATE: HazardKind = HazardKind {
    code: "narrows-certificate",
    approval: Approval::Required,
    doc: "The new certificate does not have every name of the one that is served. Clients that come by a missing name see an error and go no further. \
          Ask for a certificate with all names, or be sure that nobody uses the missing ones.",
};
