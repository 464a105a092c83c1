//! How a server speaks TLS with clients, read from its JSON and edited in it. What Caddy does where nothing is written is filled in. Does no I/O.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::json;

use super::cipher;
use super::place::{Spot, step};
use crate::model::Value;
use crate::providers::balancer::{Pem, Protocol, Tls};
use crate::providers::json;

/// A server that speaks TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct Front {
    /// How many policies it has, one for each sort of clients.
    pub policies: usize,
    /// The file of the certificate that all of them serve.
    pub chosen: Chosen,
    /// The versions; `None` where the policies differ.
    pub protocols: Option<BTreeSet<Protocol>>,
    /// The ciphers up to TLS 1.2, likewise.
    pub ciphers: Option<String>,
    /// Where clients meet it.
    pub listen: Vec<String>,
    /// A name that the first policy is for, where it is for some only.
    pub name: Option<String>,
}

/// Which certificate is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The one of this element of `load_files`.
    File {
        /// The element.
        at: usize,
        /// The certificate's file.
        certificate: String,
        /// Its key's.
        key: String,
    },
    /// None, and Caddy gets none by itself either: one may be added.
    Nowhere,
    /// Why that cannot be said; a lowercase fragment.
    Unclear(&'static str),
}

/// The files of a certificate that is to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate's.
    pub certificate: String,
    /// Its key's.
    pub key: String,
    /// The tag by which policies choose it, where it was not there before.
    pub tag: String,
}

const POLICIES: &str = "tls_connection_policies";
const SELECTION: &str = "certificate_selection";
const FILES: &str = "load_files";

impl Front {
    /// Reads the server of a configuration; `None` where it speaks no TLS by its own words, or is not at hand.
    pub fn read(root: &Value, spot: &Spot) -> Option<Self> {
        let server = step(root, spot.server.as_ref()?)?;
        let policies = server.get(POLICIES).and_then(Value::as_array).filter(|policies| !policies.is_empty())?;
        let same = |read: &dyn Fn(&Value) -> Value| -> Option<Value> {
            let first = read(policies.first()?);
            policies.iter().all(|policy| read(policy) == first).then_some(first)
        };
        let protocols = same(&|policy| json!(spoken(policy)));
        let ciphers = same(&|policy| json!(cipher::read(words(policy.get("cipher_suites")))));
        let listen = words(server.get("listen")).map(str::to_owned).collect();
        let name = policies[0].pointer("/match/sni/0").and_then(Value::as_str).map(str::to_owned);
        let store = spot.store.as_ref().and_then(|path| step(root, path)).unwrap_or(&Value::Null);
        let by_itself = ["disable", "disable_certificates"]
            .iter()
            .all(|key| server.pointer(&format!("/automatic_https/{key}")) != Some(&json!(true)));
        Some(Self {
            policies: policies.len(),
            chosen: chosen(policies, store, by_itself),
            protocols: protocols.and_then(|found| serde_json::from_value(found).ok()),
            ciphers: ciphers.and_then(|found| found.as_str().map(str::to_owned)),
            listen,
            name,
        })
    }

    /// In the policy's words.
    pub fn spec(&self) -> Tls {
        let certificate = match &self.chosen {
            Chosen::File { certificate, .. } => Some(Pem::from(certificate.clone())),
            Chosen::Nowhere | Chosen::Unclear(_) => None,
        };
        Tls { certificate, key: None, protocols: self.protocols.clone(), ciphers: self.ciphers.clone() }
    }

    /// Where a client finds it, on `host` where it listens everywhere.
    pub fn address(&self, host: IpAddr) -> Option<SocketAddr> {
        self.listen.iter().find_map(|listen| address(listen, host))
    }
}

/// The versions that a policy allows. Caddy passes over words that it does not know.
fn spoken(policy: &Value) -> BTreeSet<Protocol> {
    let bound = |key: &str| policy.get(key).and_then(Value::as_str);
    let from = if bound("protocol_min") == Some(word(Protocol::Tls13)) { Protocol::Tls13 } else { Protocol::Tls12 };
    let to = if bound("protocol_max") == Some(word(Protocol::Tls12)) { Protocol::Tls12 } else { Protocol::Tls13 };
    [Protocol::Tls12, Protocol::Tls13].into_iter().filter(|one| (from..=to).contains(one)).collect()
}

/// Caddy's word for a version.
pub fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tls10 => "tls1.0",
        Protocol::Tls11 => "tls1.1",
        Protocol::Tls12 => "tls1.2",
        Protocol::Tls13 => "tls1.3",
    }
}

fn words(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn chosen(policies: &[Value], store: &Value, by_itself: bool) -> Chosen {
    let files = store.get(FILES).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let other =
        store.as_object().into_iter().flatten().any(|(key, value)| {
            key != FILES && (value.as_array().is_none_or(|all| !all.is_empty()) && !value.is_null())
        });
    if other {
        return Chosen::Unclear("certificates come from elsewhere than `load_files`, too");
    }
    let selection = policies[0].get(SELECTION);
    if policies.iter().any(|policy| policy.get(SELECTION) != selection) {
        return Chosen::Unclear("the policies choose certificates in different ways");
    }
    let tagged = match selection {
        None => files.iter().enumerate().collect::<Vec<_>>(),
        Some(selection) => {
            let tags = |key: &str| words(selection.get(key)).map(str::to_owned).collect::<Vec<_>>();
            let (any, all) = (tags("any_tag"), tags("all_tags"));
            let known =
                selection.as_object().is_some_and(|keys| keys.keys().all(|key| key == "any_tag" || key == "all_tags"));
            if !known || (any.is_empty() && all.is_empty()) {
                return Chosen::Unclear("the policies choose certificates by something else than tags");
            }
            let fits = |file: &&(usize, &Value)| {
                let own = words(file.1.get("tags")).collect::<Vec<_>>();
                let has = |tag: &String| own.contains(&tag.as_str());
                (any.is_empty() || any.iter().any(has)) && all.iter().all(has)
            };
            files.iter().enumerate().filter(|file| fits(&file)).collect()
        }
    };
    match (tagged.as_slice(), selection) {
        ([(at, file)], _) => {
            let path = |key: &str| file.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (certificate, key) = (path("certificate"), path("key"));
            if certificate.contains('{') || !certificate.starts_with('/') {
                return Chosen::Unclear("its file has a placeholder or no whole path");
            }
            Chosen::File { at: *at, certificate, key }
        }
        ([], None) if by_itself => Chosen::Unclear("caddy gets its certificates by itself"),
        ([], None) => Chosen::Nowhere,
        ([], Some(_)) => Chosen::Unclear("the policies choose by a tag that no file has"),
        _ => Chosen::Unclear("more than one file of `load_files` comes into question"),
    }
}

/// Where a client finds a listener of Caddy's, `tcp/:443`, `127.0.0.1:8443-8445`.
fn address(listen: &str, host: IpAddr) -> Option<SocketAddr> {
    let listen = match listen.split_once('/') {
        Some(("tcp" | "tcp4" | "tcp6", rest)) => rest,
        Some(_) => return None,
        None => listen,
    };
    let (name, port) = listen.rsplit_once(':')?;
    let port = port.split('-').next()?.parse().ok()?;
    let ip = match name.trim_matches(['[', ']']) {
        "" => host,
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        name => match name.parse().ok()? {
            IpAddr::V4(ip) if ip.is_unspecified() => host,
            IpAddr::V6(ip) if ip.is_unspecified() && host.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => host,
            ip => ip,
        },
    };
    Some((ip, port).into())
}

/// The text with a key set in every policy of the server.
pub fn speak(text: &str, spot: &Spot, key: &str, value: &Value) -> Option<String> {
    let (mut text, mut at) = (text.to_owned(), 0);
    let server = spot.server.as_ref()?;
    loop {
        let root: Value = serde_json::from_str(&text).ok()?;
        let policies = step(&root, server)?.get(POLICIES)?.as_array()?;
        let Some(policy) = policies.get(at) else { return Some(text) };
        if policy.get(key) != Some(value) {
            let number = at.to_string();
            let path = server.iter().map(String::as_str).chain([POLICIES, &number, key]).collect::<Vec<_>>();
            text = json::set(&text, &path, value)?;
        }
        at += 1;
    }
}

/// The text with these files served: in the place of those that are, or as ones of their own. `None` where that cannot be said.
pub fn serve(text: &str, spot: &Spot, files: &Files) -> Option<String> {
    let root: Value = serde_json::from_str(text).ok()?;
    let store = spot.store.as_ref()?;
    let path =
        |rest: &[&str]| -> Vec<String> { store.iter().cloned().chain(rest.iter().map(ToString::to_string)).collect() };
    let put = |text: &str, path: &[String], value: &str| {
        json::set(text, &path.iter().map(String::as_str).collect::<Vec<_>>(), &json!(value))
    };
    match Front::read(&root, spot)?.chosen {
        Chosen::File { at, certificate, key } => {
            let (mut text, at) = (text.to_owned(), at.to_string());
            for (name, old, new) in [("certificate", &certificate, &files.certificate), ("key", &key, &files.key)] {
                if old != new {
                    text = put(&text, &path(&[FILES, &at, name]), new)?;
                }
            }
            Some(text)
        }
        Chosen::Nowhere => {
            let entry = json!({ "certificate": files.certificate, "key": files.key, "tags": [files.tag] });
            let list = path(&[FILES]);
            let text = json::push(text, &list.iter().map(String::as_str).collect::<Vec<_>>(), &entry)?;
            speak(&text, spot, SELECTION, &json!({ "any_tag": [files.tag] }))
        }
        Chosen::Unclear(_) => None,
    }
}

#[cfg(test)]
mod tests;
