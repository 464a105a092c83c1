//! Certificates: the one that is served, in memory and on the disk, beside the one that the policy names. Rotating it needs no reload.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Haproxy;
use super::layout::Layout;
use super::op::Rotation;
use super::socket::Socket;
use crate::error::{Error, Result};
use crate::model::{Facts, ResourceId};
use crate::provider::{Problem, file};
use crate::providers::balancer::Tls;
use crate::providers::balancer::certificate::{self, Certificate, Fault, Material};

/// What is known of the certificate.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The file of the one certificate that is served; `None` where there is none or more than one.
    pub place: Option<PathBuf>,
    /// What the file holds.
    pub disk: Option<Certificate>,
    /// The serial number of what is in memory; `None` where the socket does not tell.
    pub memory: Option<String>,
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
    /// Looks at both.
    pub async fn read(target: &Haproxy, layout: &Layout, want: Option<&Tls>) -> Result<Self> {
        let mut found = Self { now: target.now, place: place(layout), ..Self::default() };
        if let Some(place) = &found.place {
            // Who may not read the key may not read this file; the memory tells all the same.
            let there = file::read(place).await.ok().flatten();
            found.disk = there.and_then(|there| Certificate::parse(&there.bytes).ok());
            let told = match &target.socket {
                Some(socket) => socket.ask(&format!("show ssl cert {}", place.display())).await.unwrap_or_default(),
                None => String::new(),
            };
            found.memory = told.lines().find_map(|line| line.strip_prefix("Serial: ")).map(serial);
        }
        let Some(want) = want.filter(|want| want.certificate.is_some()) else { return Ok(found) };
        found.source = Some(want.clone());
        (found.wanted, found.faults) = certificate::wanted(want, found.now, |wanted| found.serves(wanted)).await;
        Ok(found)
    }

    /// Whether this certificate is in memory and on the disk.
    pub fn serves(&self, wanted: &Certificate) -> bool {
        let loaded = self.memory.as_ref().is_none_or(|serial| *serial == wanted.serial);
        loaded && self.disk.as_ref().is_some_and(|disk| disk.same(wanted))
    }

    /// What is told of the served one.
    pub fn facts(&self) -> Facts {
        self.disk.as_ref().map(|disk| disk.facts(self.now)).unwrap_or_default()
    }

    /// Brings both sides to one form, and says why what is wanted must not be served.
    pub fn settle(&self, id: &ResourceId, want: &mut Tls, live: &mut Tls) -> Vec<Problem> {
        if let Some(wanted) = self.wanted.as_ref().filter(|_| want.certificate.is_some()) {
            let served = self.disk.as_ref().filter(|disk| !disk.same(wanted) || self.serves(wanted));
            certificate::compare(want, live, wanted, served);
            if let (None, Some(serial), Some(pem)) = (served, &self.memory, &mut live.certificate) {
                pem.content = Some(format!("serial {serial} in memory"));
            }
        }
        // The key goes where the certificate goes: what differs is told there, once.
        if want.certificate != live.certificate {
            want.key = None;
        }
        live.key.clone_from(&want.key);
        self.faults.iter().cloned().map(|fault| fault.problem(id)).collect()
    }
}

/// The file of the one certificate that all lines serve.
fn place(layout: &Layout) -> Option<PathBuf> {
    let mut all = layout.binds.iter().flat_map(|bind| &bind.certificates);
    let first = all.next()?;
    let listed = layout.binds.iter().any(|bind| bind.listed) || first.is_dir();
    (!listed && all.all(|other| other == first)).then(|| first.clone())
}

fn serial(text: &str) -> String {
    text.trim().trim_start_matches('0').to_ascii_uppercase()
}

/// Puts the certificate into memory, which checks it once more, where there is one, and then into its file. Does nothing where both are done.
pub async fn rotate(target: &Haproxy, rotation: &Rotation) -> Result<()> {
    let Rotation { place, tls, content, loaded } = rotation;
    let material = Material::fit(tls, content, target.now).await?;
    let there = file::read(place).await?;
    let bundle = material.bundle();
    if *loaded {
        load(target.socket()?, place, bundle.expose()).await?;
    }
    // The wanted file may be the served one.
    if there
        .as_ref()
        .and_then(|there| Certificate::parse(&there.bytes).ok())
        .is_some_and(|c| c.same(&material.certificate))
    {
        return Ok(());
    }
    file::replace(place, there.as_ref().map(|there| &there.print), bundle.expose().as_bytes().to_vec()).await
}

async fn load(socket: &Socket, place: &Path, pem: &str) -> Result<()> {
    let place = place.display();
    let refused = |said: &str| {
        let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
        Error::failed(format!("haproxy does not take the certificate: {}; the old one is served", said.trim()))
            .hint("the certificate's file is named on the `bind` line as haproxy loaded it; reload haproxy if that has changed")
    };
    let said = socket.ask(&format!("set ssl cert {place} <<\n{pem}")).await.map_err(|_| refused("set ssl cert"))?;
    if !said.contains("Transaction") {
        return Err(refused(&said));
    }
    let said = socket.ask(&format!("commit ssl cert {place}")).await?;
    if said.contains("Success!") {
        return Ok(());
    }
    socket.ask(&format!("abort ssl cert {place}")).await?;
    Err(refused(&said))
}
