//! The provider: hands each kind its part of the engine's calls. Knows no SQL.

use tokio::sync::Mutex;

use super::connect::{self, Endpoint, Purpose, Session};
use super::{
    Op, Postgres, Settings, Site, Spec, cache_table, catalog, database, hazard, index, invalidation, limits, lock,
    query, role, rows, run, settings, site,
};
use crate::error::Result;
use crate::model::{Check, HazardKind, Kind, ResourceId};
use crate::provider::{
    Breadth, Claim, Context, Delta, Draft, Feed, Gap, Grants, Holder, Live, Pairing, Problem, Progress, Provider,
    Reading, Scope, Sink, Want,
};

/// What the kinds have read so far.
#[derive(Debug, Default)]
pub struct Found {
    /// The resources that are there.
    pub live: Vec<Live<Spec>>,
    /// What could not be read.
    pub incomplete: Vec<Gap>,
    /// Remarks for the plan's reader.
    pub notes: Vec<String>,
}

impl Provider for Postgres {
    const NAME: &'static str = "postgres";
    const DOC: &'static str =
        "PostgreSQL: indexes, settings, limits of roles and databases, query contracts, cache tables, invalidations";
    const KINDS: &'static [Kind] =
        &[index::KIND, settings::KIND, role::KIND, database::KIND, query::KIND, cache_table::KIND, invalidation::KIND];
    const HAZARDS: &'static [HazardKind] = hazard::ALL;
    const GRANTS: Grants = Grants {
        plan: "grant connect, temporary on database {database} to {role};  -- temporary: to compare expressions on an empty copy of the table\n\
            grant usage on schema public to {role};                    -- each of the target's schemas\n\
            grant pg_monitor to {role};                                -- to see who would be waited for, sizes and usage\n\
            grant select on pg_file_settings to {role};                -- for `settings`: to see what waits for a restart\n\
            grant execute on function pg_show_all_file_settings() to {role};\n\
            -- once there is an `invalidation`, to count what waits: grant usage on schema evenkeel to {role}; grant select on evenkeel.outbox to {role};",
        apply: "-- building, changing and dropping an index needs the table's owner\n\
            grant {table_owner} to {role};                             -- the role that owns the tables\n\
            grant create on schema public to {role};                   -- for `cache_table`\n\
            grant create on database {database} to {role};             -- for the first `invalidation`: schema evenkeel with the outbox\n\
            -- `evenkeel invalidate` and `serve` need no more than:\n\
            -- grant usage on schema evenkeel to WORKER; grant select, insert, update, delete on evenkeel.outbox to WORKER;\n\
            grant alter system on parameter work_mem to {role};        -- for `settings`: each one; PostgreSQL 15 or later\n\
            grant execute on function pg_reload_conf() to {role};      -- for `settings`\n\
            alter role {role} createrole;                              -- for `role`",
    };

    const SPEAKS_SQL: bool = true;

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = lock::Lock;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = connect::check(&settings.url) {
            problems.push(Problem {
                id: None,
                attribute: Some("url".to_owned()),
                message: error.message().to_owned(),
                hint: error.next().map(str::to_owned),
            });
        }
        problems.extend(index::check(settings, wants));
        problems.extend(settings::check(wants));
        problems.extend(limits::check(&role::OWNER, wants));
        problems.extend(limits::check(&database::OWNER, wants));
        problems.extend(query::check(wants));
        problems.extend(cache_table::check(settings, wants));
        problems.extend(invalidation::check(settings, wants));
        problems
    }

    async fn connect(settings: Settings, _: Context) -> Result<Self> {
        let endpoint = Endpoint::new(&settings.url)?;
        let session = endpoint.open(Purpose::Read, "evenkeel", settings.lock_timeout.std()).await?;
        Ok(Self { endpoint, settings, session: Mutex::new(session) })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let mut session = self.session.lock().await;
        let session: &mut Session = &mut session;
        let (mut site, identity) = site::read(session, &self.settings, &self.endpoint.server()).await?;
        let mut found = Found { notes: self.endpoint.notes.clone(), ..Found::default() };
        if site.in_recovery {
            found
                .notes
                .push("the server is a standby: it can be planned against, and nothing can be applied".to_owned());
        }
        index::read(session, &self.settings, scope, &mut site, &mut found).await?;
        let tunes = |want: &Want<Spec>| matches!(&*want.id.kind, "settings" | "role" | "database");
        if scope.breadth == Breadth::Everything || scope.wanted.iter().any(tunes) {
            site.catalog = catalog::read(session, site.version).await?;
            settings::read(scope, &site, &mut found);
            limits::read(&role::OWNER, session, scope, &site, &mut found).await?;
            limits::read(&database::OWNER, session, scope, &site, &mut found).await?;
        }
        cache_table::read(session, &self.settings, scope, &mut site, &mut found).await?;
        invalidation::read(session, &self.settings, scope, &mut site, &mut found).await?;
        Ok(Reading { site, identity, live: found.live, incomplete: found.incomplete, notes: found.notes })
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        let mut session = self.session.lock().await;
        let mut problems = index::canonical(&mut session, site, pairs).await?;
        problems.extend(settings::canonical(&mut session, site, pairs).await?);
        problems.extend(limits::canonical(&role::OWNER, &mut session, site, pairs).await?);
        problems.extend(limits::canonical(&database::OWNER, &mut session, site, pairs).await?);
        problems.extend(cache_table::canonical(site, pairs));
        problems.extend(invalidation::canonical(site, pairs));
        Ok(problems)
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        let mut drafts = index::steps(site, deltas);
        drafts.extend(settings::steps(site, deltas));
        drafts.extend(limits::steps(&role::OWNER, site, deltas));
        drafts.extend(limits::steps(&database::OWNER, site, deltas));
        drafts.extend(cache_table::steps(site, deltas));
        drafts.extend(invalidation::steps(site, deltas));
        drafts
    }

    async fn judge(&self, site: &Site, contracts: &[Want<Spec>], deltas: &[Delta<Spec>]) -> Result<Vec<Check>> {
        query::judge(&self.endpoint, &self.settings, site, contracts, deltas).await
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<lock::Lock>> {
        lock::take(&self.endpoint, holder).await
    }

    async fn unlock(&self) -> Result<String> {
        lock::release(&mut *self.session.lock().await).await
    }

    async fn run(&self, op: &Op, progress: &Progress) -> Result<()> {
        run::run(&self.endpoint, op, progress).await
    }

    async fn columns(&self, sql: &str) -> Result<Vec<String>> {
        rows::columns(&self.endpoint, &self.settings, sql).await
    }

    async fn rows(&self, sql: &str, columns: &[String], sink: &mut Sink) -> Result<()> {
        rows::read(&self.endpoint, &self.settings, sql, columns, sink).await
    }

    async fn feed(&self) -> Result<Option<Box<dyn Feed>>> {
        invalidation::feed::open(&self.endpoint).await
    }

    async fn sweep(&self, wants: &[Want<Spec>]) -> Result<Vec<(ResourceId, u64)>> {
        cache_table::sweep(&self.endpoint, &self.settings, wants).await
    }
}
