//! The kind `role`: a role's connection limit and the settings its sessions begin with. Never makes or drops a role.

use super::Spec;
use super::limits::{Limits, Owner};
use crate::model::{Comparison, Kind, Many};

/// A role's limits.
pub type Role = Limits;

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "role",
    doc: "a role's connection limit and the settings its sessions begin with",
    comparison: Comparison::Partial,
    many: Many::Named,
    replaces: &[],
    prunable: false,
};

/// Where the catalog keeps a role's limits: settings that hold in every database.
pub const OWNER: Owner = Owner {
    kind: KIND.name,
    read: "select r.rolname::text as name, r.rolconnlimit as connection_limit, coalesce(s.setconfig, '{}') as entries, \
            r.rolsuper as exempt, (select count(*) from pg_stat_activity a where a.usesysid = r.oid and a.backend_type = 'client backend') as sessions \
        from pg_roles r left join pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0 \
        where r.rolname = any($1) or ($2 and r.rolname !~ '^pg_' and (r.rolconnlimit >= 0 or s.setconfig is not null)) \
        order by 1",
    limit: "select rolconnlimit from pg_catalog.pg_roles where rolname = {name}",
    entries: "select unnest(s.setconfig) as entry from pg_catalog.pg_db_role_setting s \
        join pg_catalog.pg_roles r on r.oid = s.setrole where s.setdatabase = 0 and r.rolname = {name}",
    wrap: Spec::Role,
    create: "create role {name} login",
    exempt: "connection limits do not bind a superuser",
};
