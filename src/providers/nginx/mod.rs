//! nginx: one upstream, through the file that holds it. The file is edited in its place, checked by nginx, read by the running nginx, and new
//! workers are seen to serve; without a running nginx the file alone is managed. Knows nothing of other balancers.

mod capability;
mod change;
mod check;
mod door;
pub mod edit;
mod first;
mod layout;
mod live;
mod master;
mod names;
mod op;
mod probe;
mod run;
mod settings;
mod site;
mod steps;
mod tls;
pub mod token;
pub mod tree;
mod whole;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{HazardKind, Kind};
use crate::provider::file::{self, Snapshot};
use crate::provider::{
    Breadth, Claim, Context, Delta, Draft, Grants, Holder, Pairing, Problem, Progress, Provider, Reading, Scope, Want,
};
use crate::providers::balancer::marker::Marker;
use crate::providers::balancer::{BALANCE, HEALTH, NODE, REUSE, Reuse, STICKY, Spec, TLS, hazard};
use edit::Text;
use layout::Layout;
use master::Master;
use site::Policy;
use tls::Serving;

pub use op::Op;
pub use settings::Settings;
pub use site::Site;

/// An upstream that has been reached.
#[derive(Debug)]
pub struct Nginx {
    settings: Settings,
    /// Where the running nginx leaves its number; `None`: there is none.
    pid: Option<PathBuf>,
    /// The main configuration, where it is known.
    main: Option<PathBuf>,
    prefix: Option<PathBuf>,
    /// Where the running nginx complains, where that is a file.
    log: Option<PathBuf>,
    /// What the program says of itself.
    version: String,
    now: jiff::Timestamp,
    /// What the whole policy says, for looks that cover only a part of it.
    declared: Mutex<Policy>,
}

impl Nginx {
    fn declared(&self) -> Policy {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn load(&self) -> Result<Snapshot> {
        let config = &self.settings.config;
        file::read(config).await?.ok_or_else(|| {
            Error::new(ErrorKind::Unreachable, format!("there is no `{}`", config.display()))
                .hint("`config` names the file that holds the upstream")
        })
    }

    fn identity(&self) -> String {
        let Settings { config, upstream, .. } = &self.settings;
        format!("nginx, file {}, upstream {upstream}", config.display())
    }
}

/// What `nginx -V` says; nothing where it cannot be run.
async fn about(binary: &str) -> String {
    let mut command = tokio::process::Command::new(binary);
    let output = command.arg("-V").stdin(Stdio::null()).kill_on_drop(true).output().await;
    output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default()
}

/// What nginx was built with, `--conf-path=`.
fn built(about: &str, option: &str) -> Option<PathBuf> {
    about.split_whitespace().find_map(|word| word.strip_prefix(option)?.strip_prefix('=')).map(PathBuf::from)
}

fn below(folder: Option<&PathBuf>, path: &Path) -> PathBuf {
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

impl Provider for Nginx {
    const NAME: &'static str = "nginx";
    const DOC: &'static str = "nginx: an upstream's nodes, balance, passive health checks, cookie, certificate and connections, in its file and by reload";
    const KINDS: &'static [Kind] = &[BALANCE, HEALTH, STICKY, TLS, REUSE, NODE];
    const HAZARDS: &'static [HazardKind] = &[
        hazard::REMOVES_CAPACITY,
        hazard::BELOW_MINIMUM,
        hazard::EMPTIES_POOL,
        hazard::LISTENER,
        hazard::NARROWS_CERTIFICATE,
        hazard::RELOADS,
        hazard::WAITS_FOR_RELOAD,
        hazard::MOVES_CLIENTS,
        hazard::LIMITS_CONNECTIONS,
    ];
    const GRANTS: Grants = Grants {
        plan: "# on the host of nginx, the main configuration being readable with all that it includes\n\
               setfacl -R -m u:{role}:rX /etc/nginx\n",
        apply: "# on the host of nginx: only the user that its master runs as may have it reload, which is root for most\n\
                # the file and its folder must be writable, as must the folder of the main configuration, where a candidate is checked\n\
                sudo -u root evenkeel apply\n",
    };

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = file::Lock;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        check::offline(settings, wants)
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self> {
        let about = if settings.pid.is_some() || settings.main.is_some() {
            about(&settings.binary).await
        } else {
            String::new()
        };
        let version = about.lines().next().unwrap_or_default().to_owned();
        let (mut main, mut prefix) = (settings.main.clone(), settings.prefix.clone());
        let mut log = None;
        if let Some(pid) = &settings.pid {
            let master = Master::find(pid).await?;
            prefix = prefix.or_else(|| master.option("-p"));
            let from = prefix.clone().or_else(|| built(&about, "--prefix"));
            main = main.or_else(|| master.option("-c").map(|main| below(from.as_ref(), &main)));
            main = main.or_else(|| built(&about, "--conf-path"));
            if let Some(main) = &main {
                let whole = run::whole(main).await?;
                if !whole.holds(&settings.config) {
                    let (main, config) = (main.display(), settings.config.display());
                    return Err(Error::usage(format!("`{main}` does not include `{config}`"))
                        .hint("correct `config`, or set `main` to the main configuration of the nginx that runs"));
                }
                let said = whole.global("error_log").map(PathBuf::from);
                let said = said.or_else(|| built(&about, "--error-log-path")).map(|path| below(from.as_ref(), &path));
                log = said.filter(|path| path.is_file());
            }
        }
        let pid = settings.pid.clone();
        Ok(Self { settings, pid, main, prefix, log, version, now: context.now, declared: Mutex::default() })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let config = &self.settings.config;
        if scope.breadth == Breadth::Everything {
            *self.declared.lock().unwrap_or_else(PoisonError::into_inner) = declared(scope.wanted);
        }
        let text = Text::new(self.load().await?.bytes);
        let layout = Layout::read(&text, &self.settings.upstream)
            .map_err(|why| Error::failed(format!("`{}`: {why}", config.display())))?;
        let names = self.named(&layout);
        let (mut master, mut marker, mut workers) = (None, Marker::default(), self.settings.workers);
        let mut answers = Vec::new();
        if self.pid.is_some() {
            let running = self.running().await?;
            marker = Marker::read(config, &running.generation()).await?;
            workers = u32::try_from(running.serving().count()).ok();
            let addresses = layout.servers.iter().map(|server| server.address.clone()).collect();
            answers = probe::all(addresses, self.settings.probe.as_deref()).await;
            master = Some(running);
        }
        let tls = Serving::read(self, &text, live::wanted_tls(scope)).await?;
        let site = Site {
            version: self.version.clone(),
            settings: Some(self.settings.clone()),
            text,
            layout,
            names,
            answers,
            master,
            workers,
            marker,
            tls,
            declared: self.declared(),
        };
        let live = live::all(&site, scope);
        let mut notes = live::notes(&site);
        notes.extend(file::obstacle(config).await.map(|why| format!("apply cannot write: {why}")));
        Ok(Reading { site, identity: self.identity(), live, incomplete: Vec::new(), notes })
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        Ok(check::online(site, pairs))
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        steps::draft(site, deltas)
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<file::Lock>> {
        file::lock(&self.settings.config, holder).await
    }

    async fn unlock(&self) -> Result<String> {
        file::unlock(&self.settings.config).await
    }

    async fn run(&self, op: &Op, progress: &Progress) -> Result<()> {
        self.perform(op, progress).await
    }
}

/// What the policy says of nodes and of idle connections.
fn declared(wants: &[Want<Spec>]) -> Policy {
    let mut policy = Policy::default();
    for want in wants {
        match &want.spec {
            Some(Spec::Node(node)) => policy.nodes.push((want.id.label().to_owned(), node.address.clone())),
            None => policy.nodes.push((want.id.label().to_owned(), None)),
            Some(Spec::Reuse(Reuse { idle_connections, .. })) => policy.idle = *idle_connections,
            Some(_) => {}
        }
    }
    policy
}
