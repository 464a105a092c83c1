//! `PgBouncer`: its settings and its pools, through the admin console, through its file, or both.
//!
//! With both, the file is written first and the running server follows, so that a change lasts and is in effect. Neither disconnects anybody.

mod catalog;
mod check;
mod conninfo;
mod console;
mod hazard;
mod ini;
mod layer;
mod live;
mod op;
mod run;
mod site;
mod spec;
mod steps;
mod tree;

use crate::error::{ErrorKind, Result};
use crate::model::{Comparison, HazardKind, Kind, Many};
use crate::provider::file;
use crate::provider::{
    Claim, Context, Delta, Draft, Gap, Grants, Holder, Pairing, Problem, Progress, Provider, Reading, Scope, Want,
};

use console::Console;
pub use op::Op;
pub use site::Site;
pub use spec::{Endpoint, Parameters, Pool, PoolMode, Settings, Spec};

/// A `PgBouncer` that has been reached.
#[derive(Debug)]
pub struct Pgbouncer {
    settings: Settings,
    console: Reached,
}

/// How far the console can be used.
#[derive(Debug)]
enum Reached {
    /// It is open.
    Open(Box<Console>),
    /// It does not let this user in; the file can be read all the same.
    Refused { reason: String, hint: Option<String> },
    /// The policy names none.
    None,
}

impl Pgbouncer {
    fn open(&self) -> Option<&Console> {
        match &self.console {
            Reached::Open(console) => Some(console),
            Reached::Refused { .. } | Reached::None => None,
        }
    }

    fn identity(&self) -> String {
        match (&self.console, &self.settings.config) {
            (Reached::Open(console), _) => format!("pgbouncer {}", console.place()),
            (_, Some(config)) => format!("file {}", config.display()),
            _ => String::new(),
        }
    }
}

/// Nothing of this target can be read, for one reason.
fn nothing(reason: &str, hint: Option<&str>) -> Vec<Gap> {
    let gap = |kind: &Kind| Gap {
        kind: kind.name.into(),
        name: None,
        reason: reason.to_owned(),
        hint: hint.map(str::to_owned),
    };
    Pgbouncer::KINDS.iter().map(gap).collect()
}

impl Provider for Pgbouncer {
    const NAME: &'static str = "pgbouncer";
    const DOC: &'static str = "PgBouncer: settings and pools, live and in pgbouncer.ini";
    const KINDS: &'static [Kind] = &[
        Kind {
            name: "settings",
            doc: "settings of [pgbouncer]: pool sizes, client limits, timeouts",
            comparison: Comparison::Partial,
            many: Many::One,
            replaces: &[],
            prunable: false,
        },
        Kind {
            name: "pool",
            doc: "one entry of [databases]: its pool's size and mode, and where it leads",
            comparison: Comparison::Partial,
            many: Many::Named,
            replaces: &[],
            prunable: true,
        },
    ];
    const HAZARDS: &'static [HazardKind] = hazard::ALL;
    const GRANTS: Grants = Grants {
        plan: "; in pgbouncer.ini: may use SHOW in the admin console\nstats_users = {role}\n",
        apply: "; in pgbouncer.ini: may use SET and RELOAD in the admin console\nadmin_users = {role}\n\
                ; on the host, where the file is managed: may write pgbouncer.ini and its folder\n",
    };

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = Option<file::Lock>;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        check::offline(settings, wants)
    }

    async fn connect(settings: Settings, _: Context) -> Result<Self> {
        let console = match &settings.admin_url {
            None => Reached::None,
            Some(url) => match Console::connect(url).await {
                Ok(console) => Reached::Open(Box::new(console)),
                Err(error) if error.kind() == ErrorKind::Denied => {
                    Reached::Refused { reason: error.to_string(), hint: error.next().map(str::to_owned) }
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Self { settings, console })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let config = self.settings.config.clone();
        let mut site = Site { config, console: self.settings.admin_url.is_some(), ..Site::default() };
        let mut incomplete = Vec::new();
        match &self.console {
            Reached::Open(console) => match run::look(console).await {
                Ok(running) => site.running = Some(running),
                Err(error) if error.kind() == ErrorKind::Denied => {
                    incomplete = nothing(&error.to_string(), error.next());
                }
                Err(error) => return Err(error),
            },
            Reached::Refused { reason, hint } => incomplete = nothing(reason, hint.as_deref()),
            Reached::None => {}
        }
        if let Some(config) = &site.config {
            match run::load(config).await {
                Ok(tree) => site.tree = Some(tree),
                Err(error) => incomplete = nothing(&error.to_string(), error.next()),
            }
        }
        let identity = self.identity();
        if !incomplete.is_empty() {
            return Ok(Reading { site, identity, live: Vec::new(), incomplete, notes: Vec::new() });
        }
        let mut composed = live::compose(&site, scope)?;
        for file in site.tree.iter().flat_map(tree::Tree::files).map(|(file, _)| file) {
            composed.notes.extend(file::obstacle(file).await.map(|why| format!("apply cannot write: {why}")));
        }
        Ok(Reading { site, identity, live: composed.live, incomplete: composed.gaps, notes: composed.notes })
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        check::online(site, pairs)
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        steps::steps(site, deltas)
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<Self::Lock>> {
        file::lock_if(self.settings.config.as_deref(), holder).await
    }

    async fn unlock(&self) -> Result<String> {
        file::unlock_if(self.settings.config.as_deref()).await
    }

    async fn run(&self, op: &Op, _: &Progress) -> Result<()> {
        run::run(self.open(), self.settings.config.as_deref(), op).await
    }
}
