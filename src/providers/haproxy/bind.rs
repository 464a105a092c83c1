//! What the file says of how TLS is spoken with the clients of one backend: the `bind … ssl` lines of every frontend that leads to it.
//! Reads lines; changes none.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use super::cfg::Cfg;
use super::word::{self, Parameter};
use crate::providers::balancer::Protocol;

/// A line that speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its section, `frontend fe`.
    pub section: String,
    /// Its line.
    pub at: usize,
    /// Its certificates' files.
    pub certificates: Vec<PathBuf>,
    /// Whether there is a list of certificates beside them.
    pub listed: bool,
    /// The versions; `None` where they are said in words that have no name in the policy.
    pub protocols: Option<BTreeSet<Protocol>>,
    /// The ciphers up to TLS 1.2.
    pub ciphers: Option<String>,
    /// Those of TLS 1.3.
    pub suites: Option<String>,
}

/// Every line that speaks TLS for `backend`.
pub fn read(cfg: &Cfg, sections: &[(String, String, Range<usize>)], backend: &str) -> Vec<Bind> {
    let leads = |(keyword, name, range): &&(String, String, Range<usize>)| match keyword.as_str() {
        "listen" => name == backend,
        "frontend" => {
            ["default_backend", "use_backend"].iter().any(|word| !cfg.find(range, &[word, backend]).is_empty())
        }
        _ => false,
    };
    let global = sections.iter().find(|(keyword, ..)| keyword == "global").map_or(0..0, |(.., range)| range.clone());
    let told =
        |key: &str| cfg.find(&global, &[key]).last().and_then(|at| cfg.words(*at).into_iter().nth(1)).map(|w| w.text);
    let options = cfg.find(&global, &["ssl-default-bind-options"]);
    let options = options.last().map(|at| word::parameters(cfg.line(*at), 1)).unwrap_or_default();
    let base = told("crt-base");
    let mut found = Vec::new();
    for (keyword, name, range) in sections.iter().filter(leads) {
        for at in cfg.find(range, &["bind"]) {
            let own = word::parameters(cfg.line(at), 2);
            if !own.iter().any(|parameter| parameter.key == "ssl") {
                continue;
            }
            let text = |key: &str| value(&own, key);
            found.push(Bind {
                section: format!("{keyword} {name}"),
                at,
                certificates: own
                    .iter()
                    .filter(|parameter| parameter.key == "crt")
                    .filter_map(|parameter| Some(PathBuf::from(&parameter.value.as_ref()?.text)))
                    .map(|path| base.as_ref().map_or(path.clone(), |base| PathBuf::from(base).join(path)))
                    .collect(),
                listed: own.iter().any(|parameter| parameter.key == "crt-list"),
                protocols: protocols(&own, &options),
                ciphers: text("ciphers").or_else(|| told("ssl-default-bind-ciphers")),
                suites: text("ciphersuites").or_else(|| told("ssl-default-bind-ciphersuites")),
            });
        }
    }
    found
}

fn value(parameters: &[Parameter], key: &str) -> Option<String> {
    parameters.iter().rev().find(|p| p.key == key)?.value.as_ref().map(|word| word.text.clone())
}

/// What HAProxy makes of what the line says, and else of what holds for all lines.
fn protocols(own: &[Parameter], shared: &[Parameter]) -> Option<BTreeSet<Protocol>> {
    let old = |p: &Parameter| ["no-tlsv", "no-sslv", "force-"].iter().any(|start| p.key.starts_with(start));
    if own.iter().chain(shared).any(old) {
        return None;
    }
    let said = |key: &str, otherwise: Protocol| {
        let text = value(own, key).or_else(|| value(shared, key));
        text.map_or(Some(otherwise), |text| Protocol::ALL.into_iter().find(|one| one.as_str() == text))
    };
    let (least, most) = (said("ssl-min-ver", Protocol::Tls12)?, said("ssl-max-ver", Protocol::Tls13)?);
    Some(Protocol::ALL.into_iter().filter(|one| (least..=most).contains(one)).collect())
}

impl Bind {
    /// The ciphers as the policy writes them: of the two sorts, those that `like` speaks of, or else all.
    pub fn spoken(&self, like: Option<&str>) -> Option<String> {
        let (old, new) = like.map_or((true, true), |like| {
            let (old, new) = sorts(like);
            (!old.is_empty(), !new.is_empty())
        });
        let parts = [self.ciphers.as_deref().filter(|_| old), self.suites.as_deref().filter(|_| new)];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(":"))
    }
}

/// Ciphers up to TLS 1.2, and those of TLS 1.3.
pub fn sorts(ciphers: &str) -> (String, String) {
    let (new, old): (Vec<&str>, Vec<&str>) = ciphers.split(':').partition(|name| name.starts_with("TLS_"));
    (old.join(":"), new.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_lead_to_a_backend_are_read() {
        let text = "global\n crt-base /certs\n ssl-default-bind-options ssl-min-ver TLSv1.1\n ssl-default-bind-ciphers A:B\n\
                    frontend fe\n bind :80\n bind :443 ssl crt site.pem alpn h2 ciphersuites TLS_X # s\n use_backend web if { path / }\n\
                    frontend other\n bind :444 ssl crt other.pem\n default_backend api\n\
                    listen web\n bind :445 ssl crt /abs.pem no-tlsv12\n";
        let cfg = Cfg::parse(text);
        let found = read(&cfg, &cfg.sections(), "web");
        let show = |bind: &Bind| {
            let protocols = bind.protocols.as_ref().map(|all| all.iter().map(|one| one.as_str()).collect::<Vec<_>>());
            format!("{} {:?} {protocols:?} {:?}", bind.section, bind.certificates, bind.spoken(None))
        };
        assert_eq!(
            found.iter().map(show).collect::<Vec<_>>(),
            [
                r#"frontend fe ["/certs/site.pem"] Some(["TLSv1.1", "TLSv1.2", "TLSv1.3"]) Some("A:B:TLS_X")"#,
                r#"listen web ["/abs.pem"] None Some("A:B")"#,
            ]
        );
        assert_eq!(found[0].spoken(Some("TLS_Y")), Some("TLS_X".into()));
        assert_eq!(sorts("A:TLS_X:B"), ("A:B".into(), "TLS_X".into()));
    }
}
