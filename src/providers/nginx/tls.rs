//! Certificates: the one that clients are served, by a look at the listener itself, beside the one that the policy names. A file that was changed
//! behind the same path is told by that look alone: nginx reads it when it reloads, and says nowhere what it has read.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;

use super::Nginx;
use super::door::{self, Door};
use super::edit::Text;
use super::op::Rotation;
use super::run::whole;
use super::site::Site;
use super::whole::{Whole, real};
use crate::error::Result;
use crate::model::{Facts, ResourceId};
use crate::provider::{Problem, file};
use crate::providers::balancer::certificate::{self, Certificate, Fault, Material};
use crate::providers::balancer::{Pem, Tls, Version, handshake};

/// What is known of how TLS is spoken.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The blocks that do.
    pub doors: Vec<Door>,
    /// The file of the one certificate that they all name; `None` where there is none or more than one.
    pub place: Option<PathBuf>,
    /// What the file holds.
    pub disk: Option<Certificate>,
    /// What clients are served; `None` where nobody can look.
    pub memory: Option<Certificate>,
    /// The files that the policy names.
    pub source: Option<Tls>,
    /// What they hold.
    pub wanted: Option<Certificate>,
    /// Why that must not be served.
    pub faults: Vec<Fault>,
    /// When it was looked at.
    pub now: Timestamp,
}

impl Serving {
    /// Looks at the files and at the listeners.
    pub async fn read(target: &Nginx, text: &Text, want: Option<&Tls>) -> Result<Self> {
        let config = &target.settings.config;
        let whole = match &target.main {
            Some(main) => {
                let mut whole = whole(main).await?;
                whole.put(config, text);
                whole
            }
            None => Whole::alone(config, text),
        };
        let version = Version::parse(&target.version);
        let doors = door::all(&whole, &real(config), &target.settings.upstream, version);
        let mut found = Self { now: target.now, place: place(&doors), doors, ..Self::default() };
        if let Some(place) = &found.place {
            let there = file::read(place).await.ok().flatten();
            found.disk = there.and_then(|there| Certificate::parse(&there.bytes).ok());
        }
        if target.pid.is_some() {
            for door in &found.doors {
                let Some((address, name)) = door.meets.clone() else { continue };
                let served = handshake::certificate(address, name).await;
                let behind = served.as_ref().zip(found.disk.as_ref()).is_some_and(|(served, disk)| !served.same(disk));
                if found.memory.is_none() || behind {
                    found.memory = served.or(found.memory);
                }
            }
        }
        let Some(want) = want else { return Ok(found) };
        found.source = Some(want.clone());
        (found.wanted, found.faults) = certificate::wanted(want, found.now, |wanted| found.serves(wanted)).await;
        Ok(found)
    }

    /// Whether this certificate is served, and in the file.
    fn serves(&self, wanted: &Certificate) -> bool {
        let loaded = self.memory.as_ref().is_none_or(|memory| memory.same(wanted));
        loaded && self.disk.as_ref().is_some_and(|disk| disk.same(wanted))
    }

    /// The certificate that clients meet, as far as it is known.
    pub fn served(&self) -> Option<&Certificate> {
        self.memory.as_ref().or(self.disk.as_ref())
    }

    /// What is told of it.
    pub fn facts(&self) -> Facts {
        self.served().map(|served| served.facts(self.now)).unwrap_or_default()
    }

    /// How TLS is spoken, as far as all blocks agree.
    pub fn spec(&self) -> Tls {
        let mut all = self.doors.iter();
        let Some(first) = all.next() else { return Tls::default() };
        let (mut protocols, mut ciphers) = (first.protocols.clone(), first.ciphers.clone());
        for door in all {
            protocols = protocols.filter(|found| Some(found) == door.protocols.as_ref());
            ciphers = ciphers.filter(|found| Some(found) == door.ciphers.as_ref());
        }
        let certificate = self.place.as_ref().map(|place| Pem::from(place.display().to_string()));
        Tls { certificate, key: None, protocols, ciphers }
    }

    /// The rotation to the wanted certificate.
    pub fn rotation(&self) -> Option<Rotation> {
        let (source, wanted) = (self.source.clone()?, self.wanted.as_ref()?);
        let meets = self.doors.iter().filter_map(|door| door.meets.clone()).collect();
        Some(Rotation { tls: source, content: wanted.content(), meets })
    }
}

/// The one certificate that all blocks name.
fn place(doors: &[Door]) -> Option<PathBuf> {
    let (first, rest) = doors.split_first()?;
    let [path] = first.certificates.as_slice() else { return None };
    let plain = !path.to_string_lossy().contains('$');
    (plain && rest.iter().all(|door| door.certificates == first.certificates)).then(|| path.clone())
}

/// Brings both sides to one form, and says why what is wanted cannot be had.
pub fn settle(site: &Site, id: &ResourceId, want: &mut Tls, live: &mut Tls) -> Vec<Problem> {
    let serving = &site.tls;
    if want.certificate.is_some() && serving.place.is_none() {
        let message =
            "the `server` blocks that lead to the upstream name no one certificate for all, or name it with a variable";
        let hint = "leave `certificate` out, or have one `ssl_certificate` in each of them";
        return vec![Problem::of(id, message).at("certificate").hint(hint)];
    }
    if let Some(wanted) = serving.wanted.as_ref().filter(|_| want.certificate.is_some()) {
        let known = !site.marker.unread || serving.memory.is_some();
        let agreed = known && serving.serves(wanted);
        let differs = |served: &&Certificate| agreed || !served.same(wanted);
        let told = [serving.memory.as_ref(), serving.disk.as_ref()].into_iter().flatten().find(differs);
        certificate::compare(want, live, wanted, told);
        if told.is_none()
            && let Some(pem) = &mut live.certificate
        {
            pem.content = Some("not read by nginx".into());
        }
    }
    // The key goes where the certificate goes: what differs is told there, once.
    if want.certificate != live.certificate {
        want.key = None;
    }
    live.key.clone_from(&want.key);
    let mut problems: Vec<Problem> = serving.faults.iter().cloned().map(|fault| fault.problem(id)).collect();
    let mut changed = Vec::new();
    for (attribute, differs) in [
        ("certificate", want.certificate != live.certificate),
        ("protocols", want.protocols.is_some() && want.protocols != live.protocols),
        ("ciphers", want.ciphers.is_some() && want.ciphers != live.ciphers),
    ] {
        if differs {
            changed.push(attribute.to_owned());
        }
    }
    let source = serving.source.as_ref().unwrap_or(want);
    for door in &serving.doors {
        for saying in door.sayings(source, &changed) {
            if let Some(place) = door.elsewhere(&saying) {
                let line = saying.words.join(" ");
                let message = format!("`{}` is said in {place}, which is not the target's file", saying.words[0]);
                let hint = format!(
                    "write `{line};` there and reload nginx, or move the `server` block to the upstream's file"
                );
                problems.push(Problem::of(id, message).at(saying.attribute).hint(hint));
            }
        }
    }
    problems
}

/// Looks once more at the certificate that is to be served, before anything is touched.
pub async fn fits(target: &Nginx, rotation: &Rotation) -> Result<()> {
    Material::fit(&rotation.tls, &rotation.content, target.now).await.map(drop)
}

/// The first listener that serves another certificate, with what it serves.
pub async fn behind(rotation: &Rotation) -> Option<(SocketAddr, String)> {
    for (address, name) in &rotation.meets {
        if let Some(served) = handshake::certificate(*address, name.clone()).await
            && served.content() != rotation.content
        {
            return Some((*address, served.content()));
        }
    }
    None
}
