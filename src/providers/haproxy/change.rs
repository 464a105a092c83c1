//! From wanted attributes to edited lines. Works on a copy of the file; what it edits, the copy records.

use super::bind::{self, Bind};
use super::cfg::Cfg;
use super::layout::{Layout, written};
use super::word::{self, Setting};
use crate::model::Secret;
use crate::providers::balancer::{Algorithm, Balance, Health, Node, NodeState, Reuse, Sticky, Tls};

/// The word for an algorithm.
pub fn word_for(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RoundRobin | Algorithm::Weighted => "roundrobin",
        Algorithm::LeastConnections => "leastconn",
        Algorithm::IpHash => "source",
        Algorithm::Random => "random",
    }
}

/// Sets what a backend's `balance` wants.
pub fn balance(cfg: &mut Cfg, section: &str, want: &Balance) {
    let Some(algorithm) = want.algorithm else { return };
    directive(cfg, section, &["balance"], Some(&format!("balance {}", word_for(algorithm))));
    if algorithm == Algorithm::IpHash {
        directive(cfg, section, &["hash-type"], Some("hash-type consistent"));
    }
}

/// Sets what a backend's `health` wants.
pub fn health(cfg: &mut Cfg, section: &str, want: &Health) {
    let Health { enabled, path, interval, timeout, unhealthy_threshold, healthy_threshold } = want;
    match enabled {
        Some(true) => {
            spread(cfg, section, "no-check", Setting::Gone);
            spread(cfg, section, "check", Setting::Flag);
        }
        Some(false) => {
            spread(cfg, section, "check", Setting::Gone);
            spread(cfg, section, "no-check", Setting::Flag);
        }
        None => {}
    }
    if let Some(path) = path {
        check_path(cfg, section, path);
    }
    if let Some(interval) = interval {
        spread(cfg, section, "inter", Setting::Value(&written(*interval)));
    }
    if let Some(timeout) = timeout {
        directive(cfg, section, &["timeout", "check"], Some(&format!("timeout check {}", written(*timeout))));
    }
    for (key, count) in [("fall", unhealthy_threshold), ("rise", healthy_threshold)] {
        if let Some(count) = count {
            spread(cfg, section, key, Setting::Value(&count.to_string()));
        }
    }
}

/// Sets what a backend's `reuse` wants.
pub fn reuse(cfg: &mut Cfg, section: &str, want: &Reuse) {
    let Reuse { max_connections, idle_connections, idle_timeout, keepalive_interval } = want;
    for (key, count) in [("maxconn", max_connections), ("pool-max-conn", idle_connections)] {
        if let Some(count) = count {
            spread(cfg, section, key, Setting::Value(&count.to_string()));
        }
    }
    if let Some(timeout) = idle_timeout {
        spread(cfg, section, "pool-purge-delay", Setting::Value(&written(*timeout)));
    }
    if let Some(interval) = keepalive_interval {
        directive(cfg, section, &["option", "srvtcpka"], Some("option srvtcpka"));
        directive(cfg, section, &["srvtcpka-intvl"], Some(&format!("srvtcpka-intvl {}", written(*interval))));
    }
}

/// Sets what a backend's `sticky` wants; `key` is for a file that has none.
pub fn sticky(cfg: &mut Cfg, layout: &Layout, want: &Sticky, key: Option<&Secret>) {
    let section = &layout.section;
    let Some(range) = cfg.section(section) else { return };
    let now = layout.sticky();
    let Some(name) = want.cookie.as_ref().or(now.cookie.as_ref()) else { return };
    let own = cfg.find(&range, &["cookie"]).last().copied();
    let mut line = own.map_or_else(|| format!("cookie {name}"), |at| cfg.line(at).to_owned());
    if let Some(there) = word::split(&line).get(1) {
        line.replace_range(there.span.clone(), &word::quote(name));
    }
    for gone in ["rewrite", "prefix"] {
        line = word::set(&line, 2, gone, Setting::Gone);
    }
    let fresh: &[&str] =
        if own.is_none() { &["insert", "indirect", "nocache", "dynamic"] } else { &["insert", "dynamic"] };
    for flag in fresh {
        line = word::set(&line, 2, flag, Setting::Flag);
    }
    if let Some(ttl) = want.ttl.or(now.ttl) {
        line = word::set(&line, 2, "maxlife", Setting::Value(&written(ttl)));
    }
    match own {
        Some(at) => cfg.replace(section, at, &line),
        None => cfg.insert(section, &line),
    }
    if let Some(key) = key.filter(|_| !layout.cookie_key) {
        cfg.insert(section, &format!("dynamic-cookie-key {}", word::quote(key.expose())));
    }
}

/// Sets on every line that speaks TLS what `tls` wants of its versions and ciphers.
pub fn tls(cfg: &mut Cfg, binds: &[Bind], want: &Tls) {
    for Bind { section, at, .. } in binds {
        let mut line = cfg.line(*at).to_owned();
        let mut set = |key: &str, value: &str| line = word::set(&line, 2, key, Setting::Value(value));
        if let Some((least, most)) = want.protocols.as_ref().and_then(|all| Some((all.first()?, all.last()?))) {
            set("ssl-min-ver", least.as_str());
            set("ssl-max-ver", most.as_str());
        }
        let (ciphers, suites) = want.ciphers.as_deref().map(bind::sorts).unwrap_or_default();
        for (key, value) in [("ciphers", ciphers), ("ciphersuites", suites)] {
            if !value.is_empty() {
                set(key, &value);
            }
        }
        cfg.replace(section, *at, &line);
    }
}

/// Sets what a node wants; a node that is not there gets a line like its siblings'.
pub fn node(cfg: &mut Cfg, layout: &Layout, name: &str, want: &Node) {
    let found = layout.server(name).map(|entry| entry.at);
    let mut line = match found {
        Some(at) => cfg.line(at).to_owned(),
        None => sibling(cfg, layout, name),
    };
    if let Some(address) = &want.address {
        let words = word::split(&line);
        if words.get(2).is_some_and(|word| word.text != *address) {
            line.replace_range(words[2].span.clone(), address);
        }
    }
    if let Some(weight) = want.weight {
        line = word::set(&line, 3, "weight", Setting::Value(&weight.to_string()));
    }
    match want.state {
        Some(NodeState::Maintenance) => line = word::set(&line, 3, "disabled", Setting::Flag),
        Some(NodeState::Ready | NodeState::Drain) => line = word::set(&line, 3, "disabled", Setting::Gone),
        None => {}
    }
    match found {
        Some(at) => cfg.replace(&layout.section, at, &line),
        None => cfg.insert(&layout.section, &line),
    }
}

/// Takes a node's line out.
pub fn gone(cfg: &mut Cfg, section: &str, name: &str) {
    let Some(range) = cfg.section(section) else { return };
    if let Some(at) = cfg.find(&range, &["server", name]).first() {
        cfg.remove(section, *at);
    }
}

/// A line for a new node: with the parameters that all servers have alike, but for those that are a server's own.
fn sibling(cfg: &Cfg, layout: &Layout, name: &str) -> String {
    const OWN: [&str; 6] = ["weight", "cookie", "id", "backup", "disabled", "enabled"];
    let mut line = format!("server {name} 0.0.0.0:0");
    let Some(first) = layout.servers.first() else { return line };
    let all = |at: usize| word::parameters(cfg.line(at), 3);
    let said = |parameter: &word::Parameter| parameter.value.as_ref().map(|word| word.text.clone());
    for parameter in all(first.at).iter().filter(|parameter| !OWN.contains(&parameter.key.as_str())) {
        let alike = |theirs: &word::Parameter| theirs.key == parameter.key && said(theirs) == said(parameter);
        if layout.servers.iter().all(|other| all(other.at).iter().any(alike)) {
            line += " ";
            line += &cfg.line(first.at)[parameter.span.clone()];
        }
    }
    line
}

/// Sets a parameter for every server: where they have it themselves there, for the others in `default-server`.
fn spread(cfg: &mut Cfg, section: &str, key: &str, setting: Setting<'_>) {
    let Some(range) = cfg.section(section) else { return };
    let servers = cfg.find(&range, &["server"]);
    let has = |cfg: &Cfg, at: usize, fixed| word::parameters(cfg.line(at), fixed).iter().any(|p| p.key == key);
    let (with, without): (Vec<usize>, Vec<usize>) = servers.iter().partition(|at| has(cfg, **at, 3));
    for at in with {
        let line = word::set(cfg.line(at), 3, key, setting);
        cfg.replace(section, at, &line);
    }
    let shared = cfg.find(&range, &["default-server"]);
    let said: Vec<usize> = shared.iter().copied().filter(|at| has(cfg, *at, 1)).collect();
    for at in said.iter().rev() {
        let line = word::set(cfg.line(*at), 1, key, setting);
        if word::split(&line).len() == 1 { cfg.remove(section, *at) } else { cfg.replace(section, *at, &line) }
    }
    // A `default-server` line is for the servers behind it.
    let told = |at: usize| said.first().is_some_and(|said| *said < at);
    let untold = without.iter().any(|at| !told(*at)) || servers.is_empty() && said.is_empty();
    if setting == Setting::Gone || !untold {
        return;
    }
    let limit = servers.first().copied().unwrap_or(range.end);
    match shared.iter().rev().find(|at| **at < limit) {
        Some(at) => {
            let line = word::set(cfg.line(*at), 1, key, setting);
            cfg.replace(section, *at, &line);
        }
        None => cfg.insert(section, &word::set("default-server", 1, key, setting)),
    }
}

/// Sets a directive: its last line says the new, or it gets one, or its lines go.
fn directive(cfg: &mut Cfg, section: &str, start: &[&str], text: Option<&str>) {
    let Some(range) = cfg.section(section) else { return };
    let found = cfg.find(&range, start);
    match (found.last(), text) {
        (Some(at), Some(text)) => {
            let (line, words) = (cfg.line(*at).to_owned(), cfg.words(*at));
            let said = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            if let (Some(first), Some(last)) = (words.first(), words.last())
                && said != text
            {
                cfg.replace(section, *at, &format!("{}{text}{}", &line[..first.span.start], &line[last.span.end..]));
            }
        }
        (None, Some(text)) => cfg.insert(section, text),
        (_, None) => {
            for at in found.into_iter().rev() {
                cfg.remove(section, at);
            }
        }
    }
}

/// Sets the path of the checks where it is said, whatever else is asked.
fn check_path(cfg: &mut Cfg, section: &str, path: &str) {
    let Some(range) = cfg.section(section) else { return };
    let exchange = |cfg: &mut Cfg, at: usize, span: std::ops::Range<usize>| {
        let mut line = cfg.line(at).to_owned();
        line.replace_range(span, &word::quote(path));
        cfg.replace(section, at, &line);
    };
    for at in cfg.find(&range, &["http-check", "send"]) {
        let words = cfg.words(at);
        if let Some(uri) = words.iter().position(|word| word.text == "uri").and_then(|at| words.get(at + 1)) {
            return exchange(cfg, at, uri.span.clone());
        }
    }
    match cfg.find(&range, &["option", "httpchk"]).last() {
        Some(&at) => {
            let words = cfg.words(at);
            match words.as_slice() {
                [_, _, only] | [_, _, _, only, ..] => exchange(cfg, at, only.span.clone()),
                _ => {
                    let line = format!("{} GET {}", cfg.line(at), word::quote(path));
                    cfg.replace(section, at, &line);
                }
            }
        }
        None => cfg.insert(section, &format!("option httpchk GET {}", word::quote(path))),
    }
}

#[cfg(test)]
mod tests;
