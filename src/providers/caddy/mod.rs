//! Caddy: one `reverse_proxy` handler, through the admin endpoint, in the JSON file that Caddy starts with, or both. All changes of a target
//! are one write, for every write is a reload; it carries the tag of what was read, so that nobody's change is overwritten. It is as small as the
//! changes allow: the handler, the server that holds it, or all apps. Knows no other balancer.

mod admin;
mod capability;
mod check;
mod cipher;
mod edit;
mod front;
mod live;
mod notice;
mod op;
mod place;
mod pool;
mod probe;
mod release;
mod run;
mod settings;
mod site;
mod steps;
mod tag;
mod time;
mod tls;

use std::sync::Mutex;

use jiff::Timestamp;

use crate::error::Result;
use crate::model::{HazardKind, Kind, Value};
use crate::provider::file::{self, Fingerprint};
use crate::provider::{
    Breadth, Claim, Context, Delta, Draft, Grants, Holder, Pairing, Problem, Progress, Provider, Reading, Scope, Want,
};
use crate::providers::balancer::{BALANCE, HEALTH, NODE, REUSE, STICKY, Spec, TLS, Version, hazard};
use admin::Admin;
use front::Front;
use place::{APPS, Part, Place};
use release::Release;
use tls::Serving;

pub use op::Op;
pub use settings::Settings;
pub use site::Site;

/// A handler that has been reached.
#[derive(Debug)]
pub struct Caddy {
    settings: Settings,
    target: String,
    place: Place,
    admin: Option<Admin>,
    now: Timestamp,
    /// What was planned from, or written since.
    seen: Mutex<Seen>,
}

/// What was there.
#[derive(Clone, Debug, Default)]
struct Seen {
    handler: Option<Fingerprint>,
    server: Option<Fingerprint>,
    apps: Option<Fingerprint>,
    file: Option<Fingerprint>,
}

impl Provider for Caddy {
    const NAME: &'static str = "caddy";
    const DOC: &'static str =
        "Caddy: a reverse proxy's nodes, balance, health checks, cookie, TLS and connections, in one write";
    const KINDS: &'static [Kind] = &[BALANCE, HEALTH, STICKY, TLS, REUSE, NODE];
    const HAZARDS: &'static [HazardKind] = &[
        hazard::REMOVES_CAPACITY,
        hazard::BELOW_MINIMUM,
        hazard::EMPTIES_POOL,
        hazard::RELOADS,
        hazard::WAITS_FOR_RELOAD,
        hazard::MOVES_CLIENTS,
        hazard::LIMITS_CONNECTIONS,
        hazard::LISTENER,
        hazard::NARROWS_CERTIFICATE,
    ];
    const GRANTS: Grants = Grants {
        plan: "# caddy's admin endpoint knows no users: whoever reaches it may change everything. In the Caddyfile's global options:\n\
               {\n    admin unix//run/caddy/admin.sock|0660\n}\n\
               # let {role} reach it by the group that owns the socket; a file that is given as `config` must be readable\n",
        apply: "# nothing more at the endpoint; where `config` is given, the file and its folder must be writable; a certificate's key must be\n\
                # readable, by {role} and by caddy itself\n",
    };

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = Option<file::Lock>;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        check::offline(settings, wants)
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self> {
        let place = Place::parse(&settings.handler);
        let admin = settings.admin.as_deref().map(|admin| Admin::open(admin, &settings)).transpose()?;
        let target = context.target.to_string();
        let target = target.split_once('.').map_or(target.as_str(), |(_, name)| name).to_owned();
        let caddy = Self { settings, target, place, admin, now: context.now, seen: Mutex::default() };
        if let Some(admin) = &caddy.admin {
            admin.part(&caddy.place, Part::Apps, APPS).await?;
        }
        caddy.load().await?;
        Ok(caddy)
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let mut site = Site { target: self.target.clone(), settings: Some(self.settings.clone()), ..Site::default() };
        let mut seen = Seen::default();
        let told = self.settings.version.as_deref().and_then(Version::parse).map(Release::Told);
        let (mut running, mut said) = (None, None);
        if let Some(admin) = &self.admin {
            let body = admin.part(&self.place, Part::Apps, APPS).await?;
            let apps: Value = serde_json::from_str(&body.text).unwrap_or_default();
            let print = |path: &[String]| place::step(&apps, path).map(|value| run::print_of(&value.to_string()));
            seen.handler = print(&body.spot.handler);
            seen.server = body.spot.server.as_deref().and_then(print);
            seen.apps = print(&[]);
            running = Front::read(&apps, &body.spot);
            site.running = Some(run::pool(&body.text, &body.spot.handler));
            site.spot = Some(body.spot);
            site.about = admin.about().await;
            site.release = match body.tag.as_ref().map(|tag| tag.found) {
                Some(tag::Found::Header) => Release::Newer,
                Some(tag::Found::Trailer) => Release::Older,
                Some(tag::Found::Computed) | None => Release::Unknown,
            };
            site.migrate = if admin.local() { migrates().await } else { None };
        }
        let itself = site.about.version.as_deref().and_then(Version::parse).map(Release::Told);
        site.release = told.or(itself).unwrap_or(site.release);
        let mut notes = Vec::new();
        if let Some((snapshot, text, spot)) = self.load().await? {
            seen.file = Some(snapshot.print.clone());
            site.file = Some(run::pool(&text, &spot.handler));
            said = Front::read(&serde_json::from_str(&text).unwrap_or_default(), &spot);
            notes.extend(file::obstacle(&snapshot.path).await.map(|why| format!("apply cannot write: {why}")));
        }
        if scope.breadth == Breadth::Everything {
            *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = seen;
        }
        let pool = site.pool();
        site.found = probe::all(&pool.check, pool.upstreams.iter().filter_map(pool::Upstream::address)).await;
        let host = self.admin.as_ref().and_then(Admin::host);
        site.tls = Serving::read(running, said, host, live::wanted_tls(scope), self.now).await;
        notes.extend(live::notes(&site));
        let live = live::all(&site, scope)?;
        Ok(Reading { identity: self.identity(), live, incomplete: Vec::new(), notes, site })
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        Ok(check::online(site, pairs))
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        steps::draft(site, deltas)
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<Self::Lock>> {
        file::lock_if(self.settings.config.as_deref(), holder).await
    }

    async fn unlock(&self) -> Result<String> {
        file::unlock_if(self.settings.config.as_deref()).await
    }

    async fn run(&self, op: &Op, progress: &Progress) -> Result<()> {
        self.perform(op, progress).await
    }
}

impl Caddy {
    fn identity(&self) -> String {
        let handler = &self.settings.handler;
        match (&self.admin, &self.settings.config) {
            (Some(admin), _) => format!("caddy {}, handler {handler}", admin.place()),
            (None, Some(config)) => format!("file {}, handler {handler}", config.display()),
            (None, None) => format!("handler {handler}"),
        }
    }
}

/// Whether this machine hands waiting connections from an old listener to a new one; `None` where it does not know of that.
async fn migrates() -> Option<bool> {
    let text = tokio::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").await.ok()?;
    Some(text.trim() == "1")
}
