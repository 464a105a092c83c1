//! The kind `database`: a database's connection limit and the settings its sessions begin with. Never makes or drops a database.

use super::Spec;
use super::limits::{Limits, Owner};
use crate::model::{Comparison, Kind, Many};

/// A database's limits.
pub type Database = Limits;

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "database",
    doc: "a database's connection limit and the settings its sessions begin with",
    comparison: Comparison::Partial,
    many: Many::Named,
    replaces: &[],
    prunable: false,
};

/// Where the catalog keeps a database's limits: settings that hold for every role.
pub const OWNER: Owner = Owner {
    kind: KIND.name,
    read: "select d.datname::text as name, d.datconnlimit as connection_limit, coalesce(s.setconfig, '{}') as entries, \
            false as exempt, (select count(*) from pg_stat_activity a where a.datid = d.oid and a.backend_type = 'client backend') as sessions \
        from pg_database d left join pg_db_role_setting s on s.setdatabase = d.oid and s.setrole = 0 \
        where d.datname = any($1) or ($2 and not d.datistemplate and (d.datconnlimit >= 0 or s.setconfig is not null)) \
        order by 1",
    limit: "select datconnlimit from pg_catalog.pg_database where datname = {name}",
    entries: "select unnest(s.setconfig) as entry from pg_catalog.pg_db_role_setting s \
        join pg_catalog.pg_database d on d.oid = s.setdatabase where s.setrole = 0 and d.datname = {name}",
    wrap: Spec::Database,
    create: "create database {name}",
    exempt: "connection limits do not bind it",
};
