//! HAProxy: one backend, through its runtime socket and its configuration file together. What can change while it runs does; the file says the
//! same, edited in its place; a reload happens only for what needs one. Without a socket the file alone is managed. Knows nothing of other
//! balancers.

mod bind;
mod capability;
mod cfg;
mod change;
mod check;
pub mod editor;
mod layout;
mod live;
mod op;
mod port;
mod reload;
mod run;
mod running;
mod settings;
mod site;
mod socket;
mod steps;
mod tls;
mod word;

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::model::{HazardKind, Kind};
use crate::provider::file::{self, Fingerprint};
use crate::provider::{
    Breadth, Claim, Context, Delta, Draft, Gap, Grants, Holder, Pairing, Problem, Progress, Provider, Reading, Scope,
    Want,
};
use crate::providers::balancer::marker::Marker;
use crate::providers::balancer::{BALANCE, HEALTH, NODE, REUSE, STICKY, Spec, TLS, hazard};
use running::Running;
use socket::Socket;
use tls::Serving;

pub use op::Op;
pub use settings::Settings;
pub use site::Site;

/// A backend that has been reached.
#[derive(Debug)]
pub struct Haproxy {
    settings: Settings,
    /// The running one; `None`: the file alone is managed.
    socket: Option<Socket>,
    master: Option<Socket>,
    /// What the program that checks a configuration says of itself, where the file alone is managed; `None` where it cannot be run.
    checker: Option<String>,
    now: jiff::Timestamp,
    /// The file as it was planned from, or written since.
    seen: Mutex<Option<Fingerprint>>,
}

impl Provider for Haproxy {
    const NAME: &'static str = "haproxy";
    const DOC: &'static str = "HAProxy: a backend's nodes, balance, health checks, cookie, certificate and connections, at run time and in the file";
    const KINDS: &'static [Kind] = &[BALANCE, HEALTH, STICKY, TLS, REUSE, NODE];
    const HAZARDS: &'static [HazardKind] = &[
        hazard::REMOVES_CAPACITY,
        hazard::BELOW_MINIMUM,
        hazard::EMPTIES_POOL,
        hazard::READMITS_NODE,
        hazard::LISTENER,
        hazard::NARROWS_CERTIFICATE,
        hazard::RELOADS,
        hazard::WAITS_FOR_RELOAD,
        hazard::MOVES_CLIENTS,
        hazard::LIMITS_CONNECTIONS,
    ];
    const GRANTS: Grants = Grants {
        plan: "# in the global section of haproxy.cfg; the file itself must be readable, and is all that is needed without `socket`\n\
               stats socket /run/haproxy/plan.sock user {role} mode 600 level operator\n",
        apply: "# in the global section of haproxy.cfg; the file and its folder must be writable\n\
                stats socket /run/haproxy/admin.sock user {role} mode 600 level admin expose-fd listeners\n\
                # for what needs a reload: start with -W -S /run/haproxy-master.sock,user,{role},mode,600\n",
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
        let socket = settings.socket.as_deref().map(Socket::parse);
        let master = settings.master_socket.as_deref().map(Socket::parse);
        let mut checker = None;
        match &socket {
            Some(socket) => drop(socket.ask("show version").await?),
            None => checker = run::about(&settings.binary).await,
        }
        Ok(Self { settings, socket, master, checker, now: context.now, seen: Mutex::new(None) })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let snapshot = self.load().await?;
        let (cfg, layout) = run::layout(&snapshot, &self.settings.backend)?;
        let (mut running, mut marker) = (Running::default(), Marker::default());
        if let Some(socket) = &self.socket {
            running = Running::read(socket, &self.settings.backend).await?;
            marker = Marker::read(&self.settings.config, &running.process).await?;
        }
        if scope.breadth == Breadth::Everything {
            *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(snapshot.print.clone());
        }
        let identity = self.identity(&running);
        // At the lowest level of a socket HAProxy leaves out what it would not tell, without a word.
        let silent = self.socket.as_ref().filter(|_| running.algorithm.is_empty());
        let gaps = silent.map(|socket| gaps(&socket.place())).unwrap_or_default();
        let version = self.checker.clone().unwrap_or_else(|| running.release.clone());
        let (settings, checks) = (Some(self.settings.clone()), self.checker.is_some());
        let tls = Serving::read(self, &layout, live::wanted_tls(scope)).await?;
        let site = Site { version, settings, checks, cfg, layout, running, tls, marker };
        let live = if gaps.is_empty() { live::all(&site, scope) } else { Vec::new() };
        let mut notes = live::notes(&site, scope);
        notes.extend(file::obstacle(&self.settings.config).await.map(|why| format!("apply cannot write: {why}")));
        Ok(Reading { site, identity, live, incomplete: gaps, notes })
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

impl Haproxy {
    /// The runtime socket.
    fn socket(&self) -> Result<&Socket> {
        self.socket.as_ref().ok_or_else(|| Error::bug("a target without a running haproxy is asked for one"))
    }

    fn identity(&self, running: &Running) -> String {
        let Settings { config, backend, .. } = &self.settings;
        match &self.socket {
            Some(socket) => format!("haproxy on {}, {}, backend {backend}", running.host, socket.place()),
            None => format!("haproxy, file {}, backend {backend}", config.display()),
        }
    }
}

fn gaps(place: &str) -> Vec<Gap> {
    let gap = |kind: &Kind| Gap {
        kind: kind.name.into(),
        name: None,
        reason: format!("the socket `{place}` tells too little"),
        hint: Some("planning needs `level operator` on the `stats socket` line".into()),
    };
    Haproxy::KINDS.iter().map(gap).collect()
}
