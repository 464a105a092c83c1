//! The `server` blocks that speak TLS and lead to one upstream, wherever in the whole configuration they are. Does no I/O of its own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::first;
use super::layout::passes;
use super::tree::Statement;
use super::whole::{Spot, Whole};
use crate::providers::balancer::{Protocol, Tls, Version};

/// A block that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Where it is, for people: its file and its line.
    pub place: String,
    /// Which of the blocks called `server` of the managed file it is; `None` where it is in another file.
    pub nth: Option<usize>,
    /// Its certificates' files.
    pub certificates: Vec<PathBuf>,
    /// The versions; `None` where nobody says and the version of nginx is not known.
    pub protocols: Option<BTreeSet<Protocol>>,
    /// The ciphers up to TLS 1.2; `None` likewise.
    pub ciphers: Option<String>,
    /// Directives of it that a file says which it includes, with that file.
    pub included: Vec<(&'static str, PathBuf)>,
    /// The addresses where nginx takes the versions of TLS from another block, their default server, with the place of that one.
    pub overruled: Vec<(String, String)>,
    /// Where a client meets it, and the name that the client asks for; `None` where evenkeel cannot be sure to meet this one.
    pub meets: Option<(SocketAddr, Option<String>)>,
}

/// One directive that is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// The attribute of the policy.
    pub attribute: &'static str,
    /// The directive, its name first.
    pub words: Vec<String>,
}

const CERTIFICATE: &str = "ssl_certificate";
const KEY: &str = "ssl_certificate_key";
const PROTOCOLS: &str = "ssl_protocols";
const CIPHERS: &str = "ssl_ciphers";

/// Every block that speaks TLS and leads to `upstream`; `managed` is the file that may be edited.
pub fn all(whole: &Whole, managed: &std::path::Path, upstream: &str, version: Option<Version>) -> Vec<Door> {
    let speaking = |spot: &Spot| !listens(whole, spot).is_empty();
    let crowd = whole.spots("server").into_iter().filter(speaking).count();
    let mut spots: Vec<Spot> = Vec::new();
    for (path, text) in whole.files() {
        for at in passes(text, upstream) {
            for spot in whole.enclosing(path, at, "server") {
                if !spots.contains(&spot) && speaking(&spot) {
                    spots.push(spot);
                }
            }
        }
    }
    spots.sort();
    let firsts = first::of(whole);
    // A default server that is one of them says what the others do.
    let other =
        |listen: &Statement| firsts.get(&first::socket(listen.argument()?)).filter(|first| !spots.contains(first));
    let doors = spots.iter().map(|spot| {
        let listens = listens(whole, spot);
        let shared =
            listens.iter().filter_map(|listen| Some((listen.argument()?.to_owned(), place(whole, other(listen)?))));
        Door { overruled: shared.collect(), ..door(whole, managed, spot, version, crowd) }
    });
    doors.collect()
}

/// Where a block is, for people.
fn place(whole: &Whole, spot: &Spot) -> String {
    let start = whole.at(spot).map_or(0, |block| block.span.start);
    let line = whole.text(&spot.0).map_or(0, |text| text.bytes()[..start].split(|byte| *byte == b'\n').count());
    format!("`{}` line {line}", spot.0.display())
}

/// Its `listen` statements that speak TLS.
fn listens(whole: &Whole, spot: &Spot) -> Vec<Statement> {
    let speaks = |s: &Statement| s.arguments().skip(1).any(|word| ["ssl", "quic"].contains(&word));
    let said = whole.said(spot, "listen").into_iter().filter_map(|at| whole.at(&at).cloned());
    let all: Vec<Statement> = said.collect();
    let on = whole.said(spot, "ssl").last().and_then(|at| whole.at(at)).is_some_and(|s| s.argument() == Some("on"));
    all.into_iter().filter(|s| on || speaks(s)).collect()
}

fn door(whole: &Whole, managed: &std::path::Path, spot: &Spot, version: Option<Version>, crowd: usize) -> Door {
    let (path, at) = spot;
    let text = whole.text(path);
    let blocks = text.into_iter().flat_map(|text| &text.tree().statements[..*at]);
    let before = blocks.filter(|s| s.name() == "server" && s.body.is_some()).count();
    let words = |name: &str| -> Option<Vec<String>> {
        let last = whole.said(spot, name).pop()?;
        Some(whole.at(&last)?.arguments().map(str::to_owned).collect())
    };
    let protocols = match words(PROTOCOLS) {
        Some(said) => Some(said.iter().filter_map(|word| protocol(word)).collect()),
        None => version.map(spoken_by),
    };
    let certificates = whole
        .said(spot, CERTIFICATE)
        .iter()
        .filter_map(|at| whole.at(at)?.argument())
        .map(|path| whole.path(path))
        .collect();
    let inside = |name: &&'static str| {
        let said = whole.said(spot, name).pop()?;
        let parent = whole.at(&said)?.parent;
        // What is said around the block can be said otherwise in it; what it includes cannot.
        (said.0 != *path && parent.is_none() && whole.includes(spot, &said.0)).then_some((*name, said.0))
    };
    let name = words("server_name").and_then(|names| names.iter().find_map(|name| asked(name)));
    let listens = listens(whole, spot);
    let sure = |s: &&Statement| name.is_some() || crowd == 1 || first::says(s);
    let plain = |s: &&Statement| !s.arguments().any(|word| ["proxy_protocol", "quic"].contains(&word));
    let address = listens.iter().filter(plain).filter(sure).find_map(|s| address(s.argument()?));
    Door {
        place: place(whole, spot),
        nth: (path == managed).then_some(before),
        certificates,
        protocols,
        ciphers: words(CIPHERS).and_then(|said| said.first().cloned()).or(version.map(|_| "HIGH:!aNULL:!MD5".into())),
        included: [CERTIFICATE, KEY, PROTOCOLS, CIPHERS].iter().filter_map(inside).collect(),
        overruled: Vec::new(),
        meets: address.map(|address| (address, name)),
    }
}

/// What nginx speaks where nothing is said.
fn spoken_by(version: Version) -> BTreeSet<Protocol> {
    let from = if version >= Version(1, 27, 3) { Protocol::Tls12 } else { Protocol::Tls10 };
    let to = if version >= Version(1, 23, 4) { Protocol::Tls13 } else { Protocol::Tls12 };
    Protocol::ALL.into_iter().filter(|one| (from..=to).contains(one)).collect()
}

fn word(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Tls10 { "TLSv1" } else { protocol.as_str() }
}

fn protocol(text: &str) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|one| word(*one) == text)
}

/// A name that a client would ask for to meet the block.
fn asked(name: &str) -> Option<String> {
    let whole = match name.strip_prefix("*.") {
        Some(rest) => format!("evenkeel.{rest}"),
        None => name.strip_prefix('.').unwrap_or(name).to_owned(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    (!whole.is_empty() && whole.chars().all(plain)).then_some(whole)
}

/// Where a client on the same machine finds a listener.
fn address(listen: &str) -> Option<SocketAddr> {
    if let Ok(port) = listen.parse() {
        return Some((Ipv4Addr::LOCALHOST, port).into());
    }
    let local = listen.strip_prefix("*:").or_else(|| listen.strip_prefix("localhost:"));
    if let Some(port) = local {
        return Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into());
    }
    let mut address: SocketAddr = listen.parse().ok()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(address)
}

impl Door {
    /// What this block has to say for `changed` of `want`, as far as it does not yet.
    pub fn sayings(&self, want: &Tls, changed: &[String]) -> Vec<Saying> {
        let changes = |attribute: &str| changed.iter().any(|path| path == attribute);
        let mut found = Vec::new();
        let mut say = |attribute, words: &[&str]| {
            found.push(Saying { attribute, words: words.iter().map(ToString::to_string).collect() });
        };
        if let Some(pem) = want.certificate.as_ref().filter(|_| changes("certificate"))
            && self.certificates != [PathBuf::from(&pem.path)]
        {
            say("certificate", &[CERTIFICATE, &pem.path]);
            say("certificate", &[KEY, want.key.as_ref().unwrap_or(&pem.path)]);
        }
        if let Some(spoken) = want.protocols.as_ref().filter(|_| changes("protocols"))
            && self.protocols.as_ref() != Some(spoken)
        {
            let words: Vec<&str> = std::iter::once(PROTOCOLS).chain(spoken.iter().map(|one| word(*one))).collect();
            say("protocols", &words);
        }
        if let Some(ciphers) = want.ciphers.as_ref().filter(|_| changes("ciphers"))
            && self.ciphers.as_ref() != Some(ciphers)
        {
            say("ciphers", &[CIPHERS, ciphers]);
        }
        found
    }

    /// Why it cannot be said in the managed file: the place where it is said.
    pub fn elsewhere(&self, saying: &Saying) -> Option<String> {
        let included = self.included.iter().find(|(name, _)| saying.words.first().is_some_and(|word| word == name));
        match included {
            Some((_, file)) => Some(format!("`{}`, which {} includes", file.display(), self.place)),
            None => self.nth.is_none().then(|| self.place.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_met_on_this_machine() {
        let check = |listen: &str, expected: &str| {
            assert_eq!(address(listen).map_or("-".to_owned(), |found| found.to_string()), expected, "{listen}");
        };
        check("443", "127.0.0.1:443");
        check("*:443", "127.0.0.1:443");
        check("[::]:443", "[::1]:443");
        check("0.0.0.0:8443", "127.0.0.1:8443");
        check("10.0.0.5:443", "10.0.0.5:443");
        check("unix:/run/nginx.sock", "-");
        check("10.0.0.5", "-");
    }

    #[test]
    fn the_default_server_of_an_address_rules_the_versions() {
        let text = "server { listen 443 ssl; server_name a; location / { proxy_pass http://other; } }\n\
                    server { listen *:443 ssl; listen 127.0.0.1:8443 ssl; server_name b; location / { proxy_pass http://web; } }\n\
                    server { listen 8443 ssl default_server; listen 127.0.0.1:8443 ssl default_server; location / { return 404; } }\n";
        let config = std::path::Path::new("/nowhere/web.conf");
        let doors = |text: &str| {
            let whole = Whole::alone(config, &super::super::edit::Text::new(text.into()));
            all(&whole, config, "web", Some(Version(1, 22, 1)))
        };
        let found = doors(text);
        let told: Vec<_> = found.iter().flat_map(|door| &door.overruled).map(|(a, p)| format!("{a} {p}")).collect();
        assert_eq!(told, ["*:443 `/nowhere/web.conf` line 1", "127.0.0.1:8443 `/nowhere/web.conf` line 3"]);
        // Where the default server leads to the same pool, it is told the same.
        let found = doors(&text.replace("http://other", "http://web").replace(" default_server", ""));
        assert_eq!(found.iter().map(|door| door.overruled.len()).sum::<usize>(), 0, "{found:?}");
    }

    #[test]
    fn a_name_is_one_that_a_client_may_ask_for() {
        let check = |name: &str, expected: Option<&str>| assert_eq!(asked(name).as_deref(), expected, "{name}");
        check("a.example", Some("a.example"));
        check("*.a.example", Some("evenkeel.a.example"));
        check(".a.example", Some("a.example"));
        check("_", None);
        check("~^www", None);
        check("", None);
    }

    #[test]
    fn what_is_not_said_is_what_the_version_does() {
        let check = |version, expected: &[Protocol]| {
            assert_eq!(spoken_by(version).into_iter().collect::<Vec<_>>(), expected);
        };
        check(Version(1, 22, 1), &[Protocol::Tls10, Protocol::Tls11, Protocol::Tls12]);
        check(Version(1, 25, 0), &Protocol::ALL);
        check(Version(1, 28, 0), &[Protocol::Tls12, Protocol::Tls13]);
    }
}
