//! The hazards of this provider, as `evenkeel explain` tells them.

use crate::model::{Approval, HazardKind};

/// All of them, for the registry.
pub const ALL: &[HazardKind] = &[
    BUILDS_INDEX,
    UNIQUE_BUILD,
    DISK_SPACE,
    DROPS_INDEX,
    REPLACES_INDEX,
    REBUILDS_INVALID,
    LOCKS_BRIEFLY,
    BLOCKS_WRITES,
    NEEDS_RESTART,
    RISKS_DATA,
    REFUSES_CONNECTIONS,
    DROPS_DATA,
    EVICTS_ROWS,
    SHORTENS_TTL,
    REWRITES_TABLE,
    ADDS_TRIGGER,
    DROPS_TRIGGER,
];

/// A concurrent build.
pub const BUILDS_INDEX: HazardKind = HazardKind {
    code: "builds-index",
    approval: Approval::Notice,
    doc: "An index is built while readers and writers go on. It reads the whole table twice, takes disk space and I/O, and waits for every \
        transaction that was open before it; one that stays open keeps it waiting. Run it in quiet hours, and end old transactions first.",
};

/// A concurrent build of a unique index.
pub const UNIQUE_BUILD: HazardKind = HazardKind {
    code: "unique-build",
    approval: Approval::Notice,
    doc: "A unique index fails to build when two rows have the same key, and from its second phase on refuses writes that would make some. \
        Look for duplicates first; a failed build is removed again.",
};

/// A build that takes much of the disk.
pub const DISK_SPACE: HazardKind = HazardKind {
    code: "disk-space",
    approval: Approval::Notice,
    doc: "The new index, and while it is sorted about as much again in temporary files, need room on the server's disk. \
        PostgreSQL does not tell how much is free; look before you start.",
};

/// An index leaves.
pub const DROPS_INDEX: HazardKind = HazardKind {
    code: "drops-index",
    approval: Approval::Required,
    doc: "Queries that use the index become slow at once, and building it again takes as long as it took. The evidence shows how often it was \
        read since the statistics began; standbys count their own reads, and checks of uniqueness or plans that only profit from its statistics are not counted.",
};

/// An index gives way to another of the same name.
pub const REPLACES_INDEX: HazardKind = HazardKind {
    code: "replaces-index",
    approval: Approval::Required,
    doc: "The new definition is built beside the old one, and only then the old one is dropped: there is always one of the two. \
        Queries that only the old definition serves become slow once it is gone.",
};

/// What a failed build left is removed and built again.
pub const REBUILDS_INVALID: HazardKind = HazardKind {
    code: "rebuilds-invalid",
    approval: Approval::Notice,
    doc: "A build that failed or was called off left an index that serves no query but may cost every write. It is dropped and built again.",
};

/// A lock that others may have to wait behind, for an instant.
pub const LOCKS_BRIEFLY: HazardKind = HazardKind {
    code: "locks-briefly",
    approval: Approval::Notice,
    doc: "The statement changes only the catalog, but writers queue behind it while it waits for its lock, for no longer than `lock_timeout`.",
};

/// A lock that stops writers.
pub const BLOCKS_WRITES: HazardKind = HazardKind {
    code: "blocks-writes",
    approval: Approval::Required,
    doc: "PostgreSQL offers no concurrent way for this statement: writers, and for a drop readers too, wait until it is done, and queue while it waits \
        for its own lock. `lock_timeout` bounds the queueing.",
};

/// A setting that waits for a restart.
pub const NEEDS_RESTART: HazardKind = HazardKind {
    code: "needs-restart",
    approval: Approval::Notice,
    doc: "The value is written at once and takes effect only when the server is restarted, which evenkeel does not do. Until then plans show it as \
        restart pending. A value that the machine cannot satisfy keeps the server from starting: check memory before you restart.",
};

/// A setting that gives up safety.
pub const RISKS_DATA: HazardKind = HazardKind {
    code: "risks-data",
    approval: Approval::Required,
    doc: "Without `fsync` or `full_page_writes` a crash of the machine can leave the database corrupt beyond repair. \
        Right for servers whose data can be made again, and for nothing else.",
};

/// A connection limit below what is in use.
pub const REFUSES_CONNECTIONS: HazardKind = HazardKind {
    code: "refuses-connections",
    approval: Approval::Required,
    doc: "More sessions are open than the new limit allows. They stay, but every new connection is refused until enough have ended. \
        Shrink the application's pool first.",
};

/// Rows that nobody can bring back.
pub const DROPS_DATA: HazardKind = HazardKind {
    code: "drops-data",
    approval: Approval::Required,
    doc: "The table is dropped with everything in it. For a cache this means that every entry is computed anew: expect load on what it shields.",
};

/// A cache that becomes smaller than what it holds.
pub const EVICTS_ROWS: HazardKind = HazardKind {
    code: "evicts-rows",
    approval: Approval::Required,
    doc: "The cache holds more live rows than it may from now on. The next sweep deletes those that would expire first: expect load on what the cache \
        shields, or lower the limit in several runs.",
};

/// Entries that will expire sooner.
pub const SHORTENS_TTL: HazardKind = HazardKind {
    code: "shortens-ttl",
    approval: Approval::Notice,
    doc: "New rows expire sooner than they did, so that entries are computed anew more often. Rows that are there keep their time.",
};

/// A table that is written anew.
pub const REWRITES_TABLE: HazardKind = HazardKind {
    code: "rewrites-table",
    approval: Approval::Required,
    doc: "The whole table is copied under a lock that neither readers nor writers pass. Do it while nobody needs the table.",
};

/// Triggers that every writer pays for.
pub const ADDS_TRIGGER: HazardKind = HazardKind {
    code: "adds-trigger",
    approval: Approval::Notice,
    doc: "From now on every statement that changes the table also writes into the outbox, in its own transaction. Measured on two cores: no \
        difference for one writer that waits for its disk, a third fewer transactions for eight at full speed, and a statement that changes many rows \
        takes two to three times as long. If no worker runs, the outbox grows: start `evenkeel serve` or `evenkeel invalidate --follow` first.",
};

/// Keys that nobody removes any more.
pub const DROPS_TRIGGER: HazardKind = HazardKind {
    code: "drops-trigger",
    approval: Approval::Required,
    doc: "Changes no longer remove these keys from the cache: readers get old values until the keys expire. Give the keys a short life first, \
        or let the application remove them itself. What already waits in the outbox still goes.",
};
