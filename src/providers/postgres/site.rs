//! What a server says of itself: version, role, and what stands in the way of its locks.

use std::time::Duration;

use serde::Deserialize;
use sqlx::Row;

use super::Settings;
use super::connect::Session;
use super::failure;
use crate::error::Result;
use crate::model::{text, units};

/// What a server says of itself. A saved live state may give any part of it in its `site` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Site {
    /// The version as a number: `150018`.
    pub version: i32,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// Whether the role is a superuser.
    pub is_superuser: bool,
    /// The role of the session.
    pub role: String,
    /// The database.
    pub database: String,
    /// Whether the role may create temporary tables.
    pub may_use_temp: bool,
    /// The version of `hypopg`, where it is installed in this database.
    pub hypopg: Option<String>,
    /// When usage was last counted from zero, in seconds before now.
    pub stats_age: Option<i64>,
    /// How many standbys are connected, as far as the role may see.
    pub replicas: i64,
    /// How long the server has been up, in seconds.
    pub uptime: i64,
    /// The database's own tablespace, which is not named.
    pub tablespace: String,
    /// All tablespaces.
    pub tablespaces: Vec<String>,
    /// Who would be waited for by a concurrent build, in words.
    pub blockers: Vec<String>,
    /// The target's schemas; in the first, names need no schema.
    pub schemas: Vec<String>,
    /// The first of them.
    pub schema: String,
    /// What is known of the indexes beyond what is compared.
    #[serde(skip)]
    pub indexes: super::index::Known,
    /// The target's own `lock_timeout`.
    #[serde(skip)]
    pub lock_timeout: Duration,
    /// The target's own `build_timeout`.
    #[serde(skip)]
    pub build_timeout: Duration,
    /// The server's parameters, where a kind needs them.
    pub catalog: super::catalog::Catalog,
    /// Relations that stand where a cache table should, by the resource's name, each with why it is none.
    #[serde(skip)]
    pub foreign: std::collections::BTreeMap<String, String>,
    /// What is known of the invalidations beyond what is compared.
    #[serde(skip)]
    pub invalidation: super::invalidation::Known,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            version: 0,
            in_recovery: false,
            is_superuser: false,
            role: String::new(),
            database: String::new(),
            may_use_temp: true,
            hypopg: None,
            stats_age: None,
            replicas: 0,
            uptime: 0,
            tablespace: "pg_default".to_owned(),
            tablespaces: Vec::new(),
            blockers: Vec::new(),
            schemas: vec!["public".to_owned()],
            schema: "public".to_owned(),
            indexes: super::index::Known::default(),
            lock_timeout: super::default_lock_timeout().std(),
            build_timeout: super::default_build_timeout().std(),
            catalog: super::catalog::Catalog::default(),
            foreign: std::collections::BTreeMap::new(),
            invalidation: super::invalidation::Known::default(),
        }
    }
}

impl Site {
    /// Whether definitions can be tried out on an empty copy of their table.
    pub fn can_shadow(&self) -> bool {
        !self.in_recovery && self.may_use_temp
    }
}

const SITE: &str = "select current_setting('server_version_num')::int4 as version, pg_is_in_recovery() as in_recovery, \
    current_setting('is_superuser') = 'on' as is_superuser, current_user::text as role, current_database()::text as database, \
    has_database_privilege(current_database(), 'temporary') as may_use_temp, \
    (select extversion from pg_extension where extname = 'hypopg') as hypopg, \
    (select extract(epoch from now() - stats_reset)::int8 from pg_stat_database where datname = current_database()) as stats_age, \
    (select count(*) from pg_stat_replication) as replicas, \
    (select system_identifier from pg_control_system()) as system, \
    extract(epoch from now() - pg_postmaster_start_time())::int8 as uptime, \
    (select t.spcname::text from pg_database d join pg_tablespace t on t.oid = d.dattablespace where d.datname = current_database()) as tablespace, \
    array(select spcname::text from pg_tablespace order by 1) as tablespaces";

/// What a concurrent build would wait for: sessions whose transaction has been open for a while, and prepared transactions.
const BLOCKERS: &str = "select 'waits for session ' || pid || ' of ' || coalesce(usename, '?') || \
        coalesce(' (' || nullif(application_name, '') || ')', '') as who, extract(epoch from now() - xact_start)::int8 as age from pg_stat_activity \
        where datname = current_database() and xact_start < now() - interval '30 s' and pid <> pg_backend_pid() \
            and backend_type in ('client backend', 'autovacuum worker') \
    union all select 'waits for the prepared transaction ' || gid, extract(epoch from now() - prepared)::int8 from pg_prepared_xacts \
        where database = current_database() \
    order by 2 desc limit 5";

/// Asks the server about itself, in two round trips; also what tells this database from every other.
///
/// # Errors
/// As any statement.
pub async fn read(session: &mut Session, settings: &Settings, server: &str) -> Result<(Site, String)> {
    let row = sqlx::query(SITE).fetch_one(&mut session.conn).await.map_err(failure::explain)?;
    let built = || -> Result<Site, sqlx::Error> {
        Ok(Site {
            version: row.try_get("version")?,
            in_recovery: row.try_get("in_recovery")?,
            is_superuser: row.try_get("is_superuser")?,
            role: row.try_get("role")?,
            database: row.try_get("database")?,
            may_use_temp: row.try_get("may_use_temp")?,
            hypopg: row.try_get("hypopg")?,
            stats_age: row.try_get("stats_age")?,
            replicas: row.try_get("replicas")?,
            uptime: row.try_get("uptime")?,
            tablespace: row.try_get("tablespace")?,
            tablespaces: row.try_get("tablespaces")?,
            blockers: Vec::new(),
            schemas: settings.schemas.clone(),
            schema: settings.schemas.first().cloned().unwrap_or_default(),
            indexes: super::index::Known::default(),
            lock_timeout: units::Duration::std(settings.lock_timeout),
            build_timeout: units::Duration::std(settings.build_timeout),
            ..Site::default()
        })
    };
    let system: i64 = row.try_get("system").map_err(failure::explain)?;
    let mut site = built().map_err(failure::explain)?;
    let blockers: Vec<(String, i64)> =
        sqlx::query_as(BLOCKERS).fetch_all(&mut session.conn).await.map_err(failure::explain)?;
    site.blockers = blockers
        .into_iter()
        .map(|(who, age)| {
            format!("{}, open for {}", text::tame(&who), text::span(Duration::from_secs(age.unsigned_abs())))
        })
        .collect();
    // A copy of the server's files has the same identifier, so where it is reached tells it from the original.
    let identity = format!("{system}/{} at {server}", site.database);
    Ok((site, identity))
}
