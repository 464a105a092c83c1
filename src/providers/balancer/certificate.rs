//! Certificates: read from PEM, held against their key and the clock, and told in words that anybody can check with `openssl x509`.
//! The key never leaves this module but as a [`Secret`].

use std::path::Path;

use jiff::Timestamp;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::conflict;
use super::spec::{Pem, Tls};
use crate::error::{Error, Result};
use crate::model::{Facts, ResourceId, Secret, hex, text};
use crate::provider::{Problem, file};

/// A certificate with its issuers, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its DNS names and addresses; its common name where it has none.
    pub names: Vec<String>,
    /// Its serial number, upper-case hexadecimal without leading zeros.
    pub serial: String,
    /// SHA-256 of it, in hexadecimal, as `openssl x509 -fingerprint -sha256` has it without the colons.
    pub fingerprint: String,
    /// SHA-256 of its issuers' certificates one behind the other; `None` where the file holds none.
    pub issuers: Option<String>,
    /// From when on it is valid.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// What the files of a policy hold.
#[derive(Clone, Debug)]
pub struct Material {
    /// The certificate.
    pub certificate: Certificate,
    /// The certificate and its issuers, then the key, PEM.
    bundle: Secret,
    /// Why the key is not the certificate's.
    mismatch: Option<Fault>,
}

/// What is wrong, and with which attribute of `tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    attribute: &'static str,
    message: String,
    hint: String,
}

const CHAIN: &str = "name a PEM file: the certificate first, then its issuers";

impl Certificate {
    /// Reads the first certificate of a PEM text, and its issuers behind it.
    ///
    /// # Errors
    /// Why there is none, a lowercase fragment.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        Self::of(&chain(pem)?)
    }

    /// The first certificate of a chain, with its issuers behind it.
    ///
    /// # Errors
    /// As [`Certificate::parse`].
    pub fn of(chain: &[CertificateDer<'_>]) -> Result<Self, String> {
        let (leaf, issuers) = chain.split_first().ok_or("there is no certificate in it")?;
        let (_, parsed) =
            X509Certificate::from_der(leaf).map_err(|error| format!("its certificate is broken: {error}"))?;
        let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| "its certificate has an impossible date");
        let serial = parsed.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        Ok(Self {
            names: names(&parsed),
            serial: serial.trim_start_matches('0').to_owned(),
            fingerprint: hex(&Sha256::digest(leaf)),
            issuers: (!issuers.is_empty())
                .then(|| hex(&issuers.iter().fold(Sha256::new(), Sha256::chain_update).finalize())),
            from: moment(parsed.validity().not_before.timestamp())?,
            until: moment(parsed.validity().not_after.timestamp())?,
        })
    }

    /// Reads the file that `tls` names, and leaves its key alone; `None` where it names none.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub async fn read(tls: &Tls) -> Result<Option<Self>, Fault> {
        let Some(Pem { path, .. }) = &tls.certificate else { return Ok(None) };
        let pem = load("certificate", path).await?;
        Self::parse(&pem).map(Some).map_err(|message| Fault { attribute: "certificate", message, hint: CHAIN.into() })
    }

    /// What tells it from every other: `sha256 ab12cd34ef56ab12, until 2026-12-01`.
    pub fn content(&self) -> String {
        let short = |digest: &str| digest.get(..16).unwrap_or(digest).to_owned();
        let issuers = self.issuers.as_deref().map(|digest| format!(", issuers {}", short(digest))).unwrap_or_default();
        format!("sha256 {}{issuers}, until {}", short(&self.fingerprint), day(self.until))
    }

    /// Whether this is the same certificate with the same issuers.
    pub fn same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.issuers == other.issuers
    }

    /// When it ends, seen from `now`: `in 23 days, 2026-12-20`.
    pub fn end(&self, now: Timestamp) -> String {
        let days = (self.until.as_second() - now.as_second()) / 86_400;
        let count = |days: i64| text::count(usize::try_from(days).unwrap_or(usize::MAX), "day");
        match days {
            _ if self.until <= now => format!("{} ago, {}", count(-days), day(self.until)),
            days => format!("in {}, {}", count(days), day(self.until)),
        }
    }

    /// What is told of it beside what is compared.
    pub fn facts(&self, now: Timestamp) -> Facts {
        let verb = if self.until <= now { "expired" } else { "expires" };
        Facts::default().with("names", self.names.join(" ")).with(verb, self.end(now))
    }

    /// Names that a client would ask for to be served this one; none where it has addresses only.
    pub fn asked(&self) -> impl Iterator<Item = String> {
        let hosts = self.names.iter().filter(|name| name.parse::<std::net::IpAddr>().is_err());
        hosts.map(|name| name.strip_prefix("*.").map_or(name.clone(), |rest| format!("evenkeel.{rest}")))
    }

    /// The names of `other` that this one does not cover.
    pub fn lacks<'a>(&self, other: &'a Self) -> Vec<&'a str> {
        let covers = |name: &str| {
            let wild = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
            self.names.iter().any(|own| own == name || wild.as_ref() == Some(own))
        };
        other.names.iter().map(String::as_str).filter(|name| !covers(name)).collect()
    }

    fn lapse(&self, now: Timestamp) -> Option<Fault> {
        let (message, hint) = match () {
            () if self.until <= now => {
                (format!("the certificate expired {}", self.end(now)), "renew it, then plan again")
            }
            () if self.from > now => (
                format!("the certificate is not valid before {}", day(self.from)),
                "wait until then, or look at this machine's clock",
            ),
            () => return None,
        };
        Some(Fault { attribute: "certificate", message, hint: hint.into() })
    }
}

impl Material {
    /// Reads the files that `tls` names; `None` where it names no certificate.
    ///
    /// # Errors
    /// What is wrong with the files themselves; what is wrong with what they hold is [`Material::faults`].
    pub async fn read(tls: &Tls) -> Result<Option<Self>, Fault> {
        let Some(Pem { path, .. }) = &tls.certificate else { return Ok(None) };
        let pem = load("certificate", path).await?;
        let own = tls.key.is_none();
        let key = match &tls.key {
            Some(path) => load("key", path).await?,
            None => pem.clone(),
        };
        Self::parse(&pem, &key, own).map(Some)
    }

    fn parse(pem: &[u8], key: &[u8], own: bool) -> Result<Self, Fault> {
        let broken = |attribute, message, hint: &str| Fault { attribute, message, hint: hint.into() };
        let certificate = Certificate::parse(pem).map_err(|message| {
            broken("certificate", message, "name a PEM file: the certificate first, then its issuers")
        })?;
        let place = if own { "certificate" } else { "key" };
        let hint = if own { "name its file with `key`" } else { "name a PEM file with the key, not encrypted" };
        // What the parser says of a broken key is not shown: it may quote it.
        let der = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| broken(place, "there is no private key in it".into(), hint))?;
        let signing = any_supported_type(&der).map_err(|_| {
            broken(place, "its private key is of no known sort".into(), "use an RSA, ECDSA or Ed25519 key")
        })?;
        let chain = chain(pem).map_err(|message| broken("certificate", message, hint))?;
        let both = [blocks(pem, "CERTIFICATE"), blocks(key, "PRIVATE KEY").into_iter().take(1).collect()].concat();
        let bundle = both.concat();
        let matching = CertifiedKey::new(chain, signing).keys_match();
        let mismatch = matching.is_err().then(|| {
            let message = "the key does not belong to the certificate";
            broken(
                place,
                message.into(),
                "name the key that the certificate was requested with; the certificate comes first in its file",
            )
        });
        Ok(Self { certificate, bundle: Secret::new(bundle), mismatch })
    }

    /// Reads the files once more, before anything is touched: they hold what they held when they were planned, and it may be served.
    ///
    /// # Errors
    /// `Conflict` where they hold something else than `content`, which is [`Certificate::content`]; `Failed` where it must not be served.
    pub async fn fit(tls: &Tls, content: &str, now: Timestamp) -> Result<Self> {
        let material = Self::read(tls).await.map_err(Fault::error)?;
        let material = material.ok_or_else(|| Error::bug("a rotation without a certificate"))?;
        if material.certificate.content() != content {
            return Err(conflict("the certificate's file was changed since it was planned; nothing was done"));
        }
        match material.faults(now).into_iter().next() {
            Some(fault) => Err(fault.error()),
            None => Ok(material),
        }
    }

    /// Why it must not be served.
    pub fn faults(&self, now: Timestamp) -> Vec<Fault> {
        self.certificate.lapse(now).into_iter().chain(self.mismatch.clone()).collect()
    }

    /// The certificate, its issuers and the key in one PEM text.
    pub fn bundle(&self) -> &Secret {
        &self.bundle
    }
}

/// What the files of a policy hold, and why it must not be served. The key is looked at only where the certificate is not what `serves`.
pub async fn wanted(
    tls: &Tls,
    now: Timestamp,
    serves: impl Fn(&Certificate) -> bool,
) -> (Option<Certificate>, Vec<Fault>) {
    let wanted = match Certificate::read(tls).await {
        Ok(wanted) => wanted,
        Err(fault) => return (None, vec![fault]),
    };
    if wanted.as_ref().is_none_or(serves) {
        return (wanted, Vec::new());
    }
    (wanted, faults(tls, now).await)
}

/// Why the files must not be served.
pub async fn faults(tls: &Tls, now: Timestamp) -> Vec<Fault> {
    match Material::read(tls).await {
        Ok(material) => material.into_iter().flat_map(|one| one.faults(now)).collect(),
        Err(fault) => vec![fault],
    }
}

impl Fault {
    /// As a problem of the resource.
    pub fn problem(self, id: &ResourceId) -> Problem {
        Problem::of(id, self.message).at(self.attribute).hint(self.hint)
    }

    /// As an error, where the files have changed since they were planned.
    pub fn error(self) -> Error {
        Error::failed(format!("`{}`: {}; nothing was done", self.attribute, self.message)).hint(self.hint)
    }
}

/// Brings both sides to the form in which `==` is equality: the same content is the same certificate, wherever it is; otherwise both tell
/// what they hold, so that a plan that was approved is stale once a file has changed.
pub fn compare(want: &mut Tls, live: &mut Tls, wanted: &Certificate, served: Option<&Certificate>) {
    let Some(pem) = &mut want.certificate else { return };
    if served.is_some_and(|served| served.same(wanted)) {
        live.certificate = Some(pem.clone());
        return;
    }
    pem.content = Some(wanted.content());
    if let (Some(live), Some(served)) = (&mut live.certificate, served) {
        live.content = Some(served.content());
    }
}

async fn load(attribute: &'static str, path: &str) -> Result<Vec<u8>, Fault> {
    let fault = |message: String, hint: &str| Fault { attribute, message, hint: hint.into() };
    match file::read(Path::new(path)).await {
        Ok(Some(found)) => Ok(found.bytes),
        Ok(None) => Err(fault(format!("there is no `{path}`"), "name a file on the machine that runs evenkeel")),
        Err(error) => Err(fault(error.to_string(), "run as a user who may read it")),
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(|_| "its PEM is broken".to_owned())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        for name in &alternative.value.general_names {
            match name {
                GeneralName::DNSName(name) => found.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress([a, b, c, d]) => found.push(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
                GeneralName::IPAddress(bytes) => {
                    found.extend(<[u8; 16]>::try_from(*bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()));
                }
                _ => {}
            }
        }
    }
    if found.is_empty() {
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        found.extend(common.map(str::to_ascii_lowercase));
    }
    found
}

/// The blocks of a PEM text whose label ends so, each with the end of its last line.
fn blocks(pem: &[u8], label: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(pem);
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----BEGIN ") && line.ends_with(&format!("{label}-----")) {
            inside = true;
            found.push(String::new());
        }
        if let Some(block) = found.last_mut().filter(|_| inside) {
            block.push_str(line);
            block.push('\n');
        }
        inside &= !line.starts_with("-----END ");
    }
    found
}

fn day(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests;
