//! HAProxy: one backend, through its runtime socket and its configuration file together. What can change while it runs does; the file says the
//! same, edited in its place; a reload happens only for what needs one. Knows nothing of other balancers.

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

use crate::error::Result;
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
    socket: Socket,
    master: Option<Socket>,
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
        hazard::MOVES_CLIENTS,
        hazard::LIMITS_CONNECTIONS,
    ];
    const GRANTS: Grants = Grants {
        plan: "# in the global section of haproxy.cfg; the file itself must be readable\n\
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
        let socket = Socket::parse(&settings.socket);
        let master = settings.master_socket.as_deref().map(Socket::parse);
        socket.ask("show version").await?;
        Ok(Self { settings, socket, master, now: context.now, seen: Mutex::new(None) })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let snapshot = self.load().await?;
        let (cfg, layout) = run::layout(&snapshot, &self.settings.backend)?;
        let running = Running::read(&self.socket, &self.settings.backend).await?;
        let marker = Marker::read(&self.settings.config, &running.process).await?;
        if scope.breadth == Breadth::Everything {
            *self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(snapshot.print.clone());
        }
        let place = self.socket.place();
        let identity = format!("haproxy on {}, {place}, backend {}", running.host, self.settings.backend);
        let version = running.release.clone();
        // At the lowest level of a socket HAProxy leaves out what it would not tell, without a word.
        let gaps = if running.algorithm.is_empty() { gaps(&place) } else { Vec::new() };
        let settings = Some(self.settings.clone());
        let tls = Serving::read(self, &layout, live::wanted_tls(scope)).await?;
        let site = Site { version, settings, cfg, layout, running, tls, marker };
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

fn gaps(place: &str) -> Vec<Gap> {
    let gap = |kind: &Kind| Gap {
        kind: kind.name.into(),
        name: None,
        reason: format!("the socket `{place}` tells too little"),
        hint: Some("planning needs `level operator` on the `stats socket` line".into()),
    };
    Haproxy::KINDS.iter().map(gap).collect()
}
