//! Certificates: the one that clients are served, by a look at the listener itself, beside those that the configurations and the policy name.
//! A file that was changed behind the same path is told by that look alone: Caddy reads it when it loads a configuration.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;

use super::cipher;
use super::edit::Edit;
use super::front::{Chosen, Files, Front, word};
use super::op::Rotation;
use super::site::Site;
use crate::model::{Facts, Hazard, ResourceId, text};
use crate::provider::{Delta, Problem, file};
use crate::providers::balancer::certificate::{self, Certificate, Fault};
use crate::providers::balancer::{Spec, Tls, handshake, hazard};

/// How many names are tried to be shown a certificate.
const NAMES: usize = 8;

/// One side: what runs, or what the file says.
#[derive(Clone, Debug)]
pub struct Side {
    /// How its server speaks TLS.
    pub front: Front,
    /// What its certificate's file holds.
    pub disk: Option<Certificate>,
}

/// What is known of how TLS is spoken.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// In the running Caddy.
    pub running: Option<Side>,
    /// In the file.
    pub file: Option<Side>,
    /// What clients are served; `None` where nobody can look.
    pub memory: Option<Certificate>,
    /// Where the listener is.
    address: Option<SocketAddr>,
    /// The name by which it showed its certificate.
    name: Option<String>,
    /// The files that the policy names.
    pub source: Option<Tls>,
    /// What they hold.
    wanted: Option<Certificate>,
    /// Why that must not be served.
    faults: Vec<Fault>,
    /// When it was looked at.
    now: Timestamp,
}

impl Serving {
    /// Looks at the files, and at the listener on `host` of the running Caddy.
    pub async fn read(
        running: Option<Front>,
        file: Option<Front>,
        host: Option<IpAddr>,
        want: Option<&Tls>,
        now: Timestamp,
    ) -> Self {
        let mut found = Self { running: side(running).await, file: side(file).await, now, ..Self::default() };
        if let Some(want) = want {
            found.source = Some(want.clone());
            match Certificate::read(want).await {
                Ok(wanted) => found.wanted = wanted,
                Err(fault) => found.faults.push(fault),
            }
        }
        found.look(host).await;
        // The key is looked at only where it is to be used.
        if let Some(want) = want.filter(|_| found.wanted.as_ref().is_some_and(|wanted| !found.serves(wanted))) {
            found.faults.extend(certificate::faults(want, now).await);
        }
        found
    }

    async fn look(&mut self, host: Option<IpAddr>) {
        let Some(side) = &self.running else { return };
        self.address = host.and_then(|host| side.front.address(host));
        let Some(address) = self.address else { return };
        let known = [side.disk.as_ref(), self.wanted.as_ref()].into_iter().flatten().flat_map(Certificate::asked);
        let mut names: Vec<Option<String>> = match &side.front.name {
            Some(name) => vec![Some(name.clone())],
            None => known.map(Some).collect(),
        };
        names.truncate(NAMES);
        // Whom no name is told shows the one it has, or none.
        for name in names.into_iter().chain([None]) {
            self.memory = handshake::certificate(address, name.clone()).await;
            if self.memory.is_some() {
                self.name = name;
                return;
            }
        }
    }

    fn sides(&self) -> impl Iterator<Item = &Side> {
        self.running.iter().chain(&self.file)
    }

    /// Whether this certificate is served, and will be after a restart.
    fn serves(&self, wanted: &Certificate) -> bool {
        let loaded = self.memory.as_ref().is_none_or(|memory| memory.same(wanted));
        loaded && self.sides().all(|side| side.disk.as_ref().is_some_and(|disk| disk.same(wanted)))
    }

    /// The certificate that clients meet, as far as it is known.
    pub fn served(&self) -> Option<&Certificate> {
        self.memory.as_ref().or_else(|| self.sides().find_map(|side| side.disk.as_ref()))
    }

    /// What is told of it.
    pub fn facts(&self) -> Facts {
        self.served().map(|served| served.facts(self.now)).unwrap_or_default()
    }

    /// How each side speaks TLS.
    pub fn specs(&self) -> Vec<Tls> {
        self.sides().map(|side| side.front.spec()).collect()
    }

    /// The files that are to be served, where they are no longer those of the running Caddy or hold something else.
    fn files(&self, target: &str, want: &Tls) -> Option<Files> {
        let source = self.source.as_ref().unwrap_or(want);
        let certificate = source.certificate.as_ref()?.path.clone();
        let key = source.key.clone().unwrap_or_else(|| certificate.clone());
        Some(Files { certificate, key, tag: format!("evenkeel.{target}") })
    }

    /// The rotation to the wanted certificate.
    pub fn rotation(&self, delta: &Delta<Spec>) -> Option<Rotation> {
        if !changes(delta, "certificate") {
            return None;
        }
        let (source, wanted) = (self.source.clone()?, self.wanted.as_ref()?);
        let files = self.files("", &source)?;
        let same = |side: &Side| matches!(&side.front.chosen, Chosen::File { certificate, key, .. } if *certificate == files.certificate && *key == files.key);
        let name = self.running.as_ref().and_then(|side| side.front.name.clone()).or_else(|| wanted.asked().next());
        let mut names = vec![name];
        names.extend((self.memory.is_some() && names[0] != self.name).then(|| self.name.clone()));
        Some(Rotation {
            content: wanted.content(),
            meets: self
                .address
                .into_iter()
                .flat_map(|address| names.iter().map(move |name| (address, name.clone())))
                .collect(),
            seen: self.memory.is_some(),
            anew: self.running.as_ref().is_some_and(same),
            tls: source,
        })
    }

    /// What keeps the plan's reader from being sure.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let Some(side) = &self.running else { return notes };
        if self.memory.as_ref().zip(side.disk.as_ref()).is_some_and(|(memory, disk)| !memory.same(disk)) {
            notes.push(
                "caddy serves another certificate than its file holds: it has loaded no configuration since".into(),
            );
        }
        if self.memory.is_none() && self.source.as_ref().is_some_and(|want| want.certificate.is_some()) {
            let what = "which certificate is served cannot be seen from here: it is taken to be the one in the file";
            notes.push(what.into());
        }
        notes
    }
}

/// What clients are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The new certificate.
    New,
    /// Another one: where, and which.
    Other(String),
    /// None, or nobody can look.
    Nothing,
}

/// Looks at what clients are shown of a rotation.
pub async fn shown(rotation: &Rotation) -> Shown {
    let mut found = Shown::Nothing;
    for (address, name) in &rotation.meets {
        match handshake::certificate(*address, name.clone()).await.map(|served| served.content()) {
            Some(content) if content == rotation.content => found = Shown::New,
            Some(content) => return Shown::Other(format!("{address} serves another one: {content}")),
            None => {}
        }
    }
    found
}

async fn side(front: Option<Front>) -> Option<Side> {
    let front = front?;
    let disk = match &front.chosen {
        // Who may not read it takes it for another one.
        Chosen::File { certificate, .. } => file::read(certificate.as_ref()).await.ok().flatten(),
        Chosen::Nowhere | Chosen::Unclear(_) => None,
    };
    let disk = disk.and_then(|there| Certificate::parse(&there.bytes).ok());
    Some(Side { front, disk })
}

fn changes(delta: &Delta<Spec>, attribute: &str) -> bool {
    delta.changed.iter().any(|path| path == attribute)
}

/// The server speaks no TLS.
pub fn unspoken(site: &Site, id: &ResourceId) -> Problem {
    let place = if site.running.is_some() && site.tls.running.is_none() { "the running caddy" } else { "the file" };
    let message = format!("in {place} the server that holds the handler has no `tls_connection_policies`");
    Problem::of(id, message).hint("give the server `\"tls_connection_policies\": [{}]`; from then on it is tuned here")
}

/// Brings both sides to one form, and says why what is wanted cannot be had.
pub fn settle(site: &Site, id: &ResourceId, want: &mut Tls, live: &mut Tls) -> Vec<Problem> {
    let serving = &site.tls;
    want.ciphers = want.ciphers.as_deref().map(cipher::sorted);
    if want.certificate.is_some()
        && let Some(why) = serving.sides().find_map(|side| match side.front.chosen {
            Chosen::Unclear(why) => Some(why),
            Chosen::File { .. } | Chosen::Nowhere => None,
        })
    {
        let message = format!("which certificate the server serves cannot be said: {why}");
        let hint = "leave `certificate` out, or let all `tls_connection_policies` of the server choose one file of `load_files` by a tag, \
                    `\"certificate_selection\": {\"any_tag\": [\"web\"]}`";
        return vec![Problem::of(id, message).at("certificate").hint(hint)];
    }
    if let Some(wanted) = serving.wanted.as_ref().filter(|_| want.certificate.is_some()) {
        let other = |served: &&Certificate| !served.same(wanted);
        let disks = serving.sides().filter_map(|side| side.disk.as_ref());
        let told = if serving.serves(wanted) {
            Some(wanted)
        } else {
            serving.memory.as_ref().into_iter().chain(disks).find(other)
        };
        certificate::compare(want, live, wanted, told);
    }
    // The key goes where the certificate goes: what differs is told there, once.
    if want.certificate != live.certificate {
        want.key = None;
    }
    live.key.clone_from(&want.key);
    serving.faults.iter().cloned().map(|fault| fault.problem(id)).collect()
}

/// What is written for this difference.
pub fn edits(site: &Site, delta: &Delta<Spec>, want: &Tls) -> Vec<Edit> {
    let mut edits = Vec::new();
    if changes(delta, "certificate") {
        edits.extend(site.tls.files(&site.target, want).map(Edit::Serve));
    }
    if let Some(spoken) = want.protocols.as_ref().filter(|_| changes(delta, "protocols")) {
        let bounds = [("protocol_min", spoken.first()), ("protocol_max", spoken.last())];
        edits.extend(bounds.into_iter().filter_map(|(key, one)| Some(Edit::Speak(key, word(*one?).into()))));
    }
    if let Some(ciphers) = want.ciphers.as_ref().filter(|_| changes(delta, "ciphers")) {
        edits.push(Edit::Speak("cipher_suites", cipher::write(ciphers).into()));
    }
    edits
}

/// What it does to clients.
pub fn hazards(site: &Site, delta: &Delta<Spec>) -> Vec<Hazard> {
    let (serving, mut found) = (&site.tls, Vec::new());
    if changes(delta, "certificate") {
        let served = serving.served().zip(serving.wanted.as_ref());
        let lost = served.map(|(served, wanted)| wanted.lacks(served)).unwrap_or_default();
        if !lost.is_empty() {
            found.push(hazard::NARROWS_CERTIFICATE.with(format!("{} not in the new one", text::list(lost))));
        }
    }
    let words: Vec<&str> = ["protocols", "ciphers"].into_iter().filter(|word| changes(delta, word)).collect();
    if !words.is_empty() {
        let policies = serving.sides().map(|side| text::count(side.front.policies, "connection policy")).next();
        let places = policies.map(|places| format!("in {places} ")).unwrap_or_default();
        found.push(hazard::LISTENER.with(format!("{} {places}of the server", text::list(words))));
    }
    found
}
