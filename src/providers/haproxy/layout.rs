//! What the configuration file says of one backend, its `defaults` laid under it. Reads lines; changes none.

use std::ops::Range;
use std::path::PathBuf;

use super::bind::{self, Bind};
use super::cfg::Cfg;
use super::word::{self, Parameter};
use crate::model::units::Duration;
use crate::providers::balancer::capacity::Serving;
use crate::providers::balancer::{Algorithm, Capacity, Sticky, Tls, spec};

/// A backend as the file has it.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Its section, `backend web`.
    pub section: String,
    /// Its servers, in their order.
    pub servers: Vec<Entry>,
    /// The algorithm; `None` for one that has no name in the policy.
    pub algorithm: Option<Algorithm>,
    /// The algorithm in the file's words.
    pub balance: String,
    /// The path that checks ask for.
    pub path: Option<String>,
    /// How long a check may take.
    pub check_timeout: Option<Duration>,
    /// How often the kernel probes idle connections to the servers.
    pub keepalive: Option<Duration>,
    /// Where servers' state is kept over a reload, where it is.
    pub state_file: Option<PathBuf>,
    /// The words behind `cookie`.
    pub cookie: Vec<String>,
    /// Whether it has a key for cookies.
    pub cookie_key: bool,
    /// The lines that speak TLS with its clients.
    pub binds: Vec<Bind>,
    /// Whether the frontends close idle connections only after their next answer.
    pub closes_late: bool,
}

/// A server as the file has it, every default filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its line.
    pub at: usize,
    /// Its address in one form; `None` where a variable holds it.
    pub address: Option<String>,
    /// Its weight.
    pub weight: u32,
    /// Whether it starts in maintenance.
    pub disabled: bool,
    /// Whether it is checked.
    pub check: bool,
    /// How often.
    pub interval: Option<Duration>,
    /// After how many successes it is up.
    pub rise: Option<u32>,
    /// After how many failures it is down.
    pub fall: Option<u32>,
    /// How many connections it takes; 0: no limit.
    pub limit: u32,
    /// How many idle connections are kept; `None`: no limit.
    pub pool: Option<u32>,
    /// How long they are kept.
    pub purge: Option<Duration>,
    /// Everything that holds for it, as `add server` takes it.
    pub arguments: String,
}

impl Layout {
    /// Reads a backend.
    ///
    /// # Errors
    /// Why it cannot be read, a lowercase fragment.
    pub fn read(cfg: &Cfg, backend: &str) -> Result<Self, String> {
        let sections = cfg.sections();
        let ours = |(keyword, name, _): &&(String, String, Range<usize>)| {
            matches!(keyword.as_str(), "backend" | "listen") && name == backend
        };
        let (keyword, _, range) = sections
            .iter()
            .find(ours)
            .ok_or_else(|| format!("it has no `backend {backend}` and no `listen {backend}`"))?;
        if let Some(at) = range.clone().find(|at| cfg.line(*at).trim_start().starts_with('.')) {
            return Err(format!("line {} makes part of `{keyword} {backend}` conditional", at + 1));
        }
        let from =
            cfg.words(range.start).iter().skip(2).map(|word| word.text.clone()).skip_while(|w| w != "from").nth(1);
        let earlier = sections.iter().rev().filter(|(keyword, _, at)| keyword == "defaults" && at.start < range.start);
        let defaults = match from {
            Some(name) => earlier.clone().find(|(_, found, _)| *found == name),
            None => earlier.clone().next(),
        };
        let defaults = defaults.map_or(0..0, |(_, _, range)| range.clone());
        let shared = [range, &defaults].map(|range| cfg.find(range, &["default-server"]));
        let view = View { cfg, own: range.clone(), defaults, shared };
        let global =
            sections.iter().find(|(keyword, ..)| keyword == "global").map_or(0..0, |(_, _, range)| range.clone());
        let balance = view.directive(&["balance"]).map_or("roundrobin".to_owned(), |words| words.join(" "));
        let hash = view.directive(&["hash-type"]).map(|words| words.join(" ")).unwrap_or_default();
        let state = cfg.find(&global, &["server-state-file"]).last().and_then(|at| cfg.words(*at).into_iter().nth(1));
        let loads = view
            .directive(&["load-server-state-from-file"])
            .is_some_and(|words| words.first().is_some_and(|w| w == "global"));
        let base = cfg.find(&global, &["server-state-base"]).last().and_then(|at| cfg.words(*at).into_iter().nth(1));
        let late = &["option", "idle-close-on-response"];
        let closes_late = sections
            .iter()
            .filter(|(keyword, ..)| matches!(keyword.as_str(), "frontend" | "listen" | "defaults"))
            .any(|(.., range)| !cfg.find(range, late).is_empty());
        Ok(Self {
            section: format!("{keyword} {backend}"),
            servers: cfg.find(range, &["server"]).into_iter().filter_map(|at| view.entry(at)).collect(),
            algorithm: algorithm(&balance, &hash),
            balance: if hash.is_empty() { balance } else { format!("{balance}, hash-type {hash}") },
            path: view.path(),
            check_timeout: view.directive(&["timeout", "check"]).and_then(|words| time(words.first()?, 1_000)),
            keepalive: view
                .directive(&["option", "srvtcpka"])
                .and_then(|_| view.directive(&["srvtcpka-intvl"]))
                .and_then(|words| time(words.first()?, 1_000_000)),
            state_file: state.filter(|_| loads).map(|word| match &base {
                Some(base) if !word.text.starts_with('/') => PathBuf::from(&base.text).join(&word.text),
                _ => PathBuf::from(&word.text),
            }),
            cookie: view.directive(&["cookie"]).unwrap_or_default(),
            cookie_key: view.directive(&["dynamic-cookie-key"]).is_some(),
            binds: bind::read(cfg, &sections, backend),
            closes_late,
        })
    }

    /// The backend's own name.
    pub fn name(&self) -> &str {
        self.section.split(' ').next_back().unwrap_or_default()
    }

    /// A server by its name.
    pub fn server(&self, name: &str) -> Option<&Entry> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The cookie by which clients are bound to nodes, and for how long. A cookie whose values stand in the servers' lines has no name in
    /// the policy: a server that is added while it runs cannot have one.
    pub fn sticky(&self) -> Sticky {
        let words = self.dynamic_cookie().then_some(&self.cookie);
        let after = |key: &str| words?.iter().skip_while(|word| *word != key).nth(1);
        Sticky {
            cookie: words.and_then(|words| words.first().cloned()),
            ttl: after("maxlife").and_then(|text| time(text, 1_000_000)),
        }
    }

    /// Whether HAProxy inserts a cookie that it computes from the node's address.
    pub fn dynamic_cookie(&self) -> bool {
        ["insert", "dynamic"].iter().all(|wanted| self.cookie.iter().skip(1).any(|word| word == wanted))
    }

    /// What all lines that speak TLS agree in.
    pub fn tls(&self, like: Option<&Tls>) -> Tls {
        let like = like.and_then(|tls| tls.ciphers.as_deref());
        let all = |bind: &Bind| (bind.protocols.clone(), bind.spoken(like));
        let mut said = self.binds.iter().map(all);
        let Some((mut protocols, mut ciphers)) = said.next() else { return Tls::default() };
        for (other, spoken) in said {
            protocols = protocols.filter(|found| Some(found) == other.as_ref());
            ciphers = ciphers.filter(|found| Some(found) == spoken.as_ref());
        }
        Tls { protocols, ciphers, ..Tls::default() }
    }

    /// Whether servers and weights can change while it runs. What lays out a fixed map cannot take that.
    pub fn takes_changes(&self) -> bool {
        let first = self.balance.split([' ', '(', ',']).next().unwrap_or_default();
        let hashed = ["source", "uri", "url_param", "hdr", "rdp-cookie", "hash"].contains(&first);
        first != "static-rr" && (!hashed || self.balance.contains("hash-type consistent"))
    }

    /// The pool as HAProxy would begin with it.
    pub fn capacity(&self) -> Capacity {
        let serving = self.servers.iter().filter(|entry| entry.serving() == Serving::Yes).count();
        Capacity { nodes: self.servers.len(), serving }
    }

    /// What all servers agree in; `None` where they do not, or where there are none.
    pub fn common<T: PartialEq>(&self, of: impl Fn(&Entry) -> Option<T>) -> Option<T> {
        let mut all = self.servers.iter().map(of);
        let first = all.next()??;
        all.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }
}

impl Entry {
    /// Whether it takes requests from the start, if it is well.
    pub fn serving(&self) -> Serving {
        if self.disabled || self.weight == 0 { Serving::No } else { Serving::Yes }
    }
}

/// A section with its defaults.
struct View<'a> {
    cfg: &'a Cfg,
    own: Range<usize>,
    defaults: Range<usize>,
    /// The `default-server` lines of both.
    shared: [Vec<usize>; 2],
}

impl View<'_> {
    /// The words behind the last directive that begins so, in the section or else in its defaults.
    fn directive(&self, start: &[&str]) -> Option<Vec<String>> {
        let words = |at: usize| self.cfg.words(at).into_iter().skip(start.len()).map(|word| word.text).collect();
        let negated: Vec<&str> = ["no"].iter().chain(start).copied().collect();
        for range in [&self.own, &self.defaults] {
            if let Some(at) = self.cfg.find(range, start).last() {
                return Some(words(*at));
            }
            if !self.cfg.find(range, &negated).is_empty() {
                return None;
            }
        }
        None
    }

    /// The parameters that hold for the server on line `at`, the strongest first.
    fn parameters(&self, at: usize) -> Vec<Parameter> {
        let mut found: Vec<Parameter> = Vec::new();
        let mut add = |line: &str, fixed| found.extend(word::parameters(line, fixed).into_iter().rev());
        add(self.cfg.line(at), 3);
        let [own, inherited] = &self.shared;
        // A `default-server` line is for the servers behind it.
        for line in own.iter().rev().filter(|line| **line < at).chain(inherited.iter().rev()) {
            add(self.cfg.line(*line), 1);
        }
        found
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let words = self.cfg.words(at);
        let (name, place) = (words.get(1)?, words.get(2)?);
        let parameters = self.parameters(at);
        let find = |key: &str| parameters.iter().find(|parameter| parameter.key == key);
        let text = |key: &str| find(key)?.value.as_ref().map(|word| word.text.as_str());
        let number = |key: &str| text(key)?.parse::<u32>().ok();
        let flag =
            |yes: &str, no: &str| parameters.iter().find(|p| p.key == yes || p.key == no).is_some_and(|p| p.key == yes);
        let address = || {
            let (host, port) = spec::endpoint(place.text.trim_start_matches("ipv4@"))?;
            Some(spec::address(host, port))
        };
        Some(Entry {
            name: name.text.clone(),
            at,
            address: if place.variable { None } else { address() },
            weight: number("weight").unwrap_or(1),
            disabled: flag("disabled", "enabled"),
            check: flag("check", "no-check"),
            interval: text("inter").map_or(Some(Duration::from_secs(2)), |text| time(text, 1_000)),
            rise: Some(number("rise").unwrap_or(2)),
            fall: Some(number("fall").unwrap_or(3)),
            limit: number("maxconn").unwrap_or(0),
            pool: number("pool-max-conn"),
            purge: text("pool-purge-delay").map_or(Some(Duration::from_secs(5)), |text| time(text, 1_000)),
            arguments: arguments(&parameters),
        })
    }

    fn path(&self) -> Option<String> {
        let words = self.directive(&["option", "httpchk"])?;
        let send = self.directive(&["http-check", "send"]).unwrap_or_default();
        if let Some(uri) = send.iter().skip_while(|word| *word != "uri").nth(1) {
            return Some(uri.clone());
        }
        match words.as_slice() {
            [] => Some("/".into()),
            [path] | [_, path, ..] => Some(path.clone()),
        }
    }
}

/// What `add server` takes of these parameters, of which the first of each name holds.
fn arguments(parameters: &[Parameter]) -> String {
    // Not accepted while it runs, or said by the state of the new server.
    const LEFT_OUT: [&str; 11] = [
        "cookie",
        "disabled",
        "enabled",
        "id",
        "init-addr",
        "max-reuse",
        "no-check",
        "resolve-net",
        "resolve-opts",
        "resolve-prefer",
        "resolvers",
    ];
    let mut said: Vec<&str> = Vec::new();
    let mut words = Vec::new();
    for Parameter { key, value, .. } in parameters {
        let negated = key.strip_prefix("no-").is_some_and(|key| said.contains(&key));
        let opposed = said.iter().any(|said| said.strip_prefix("no-") == Some(key));
        if !said.contains(&key.as_str()) && !negated && !opposed && !LEFT_OUT.contains(&key.as_str()) {
            let value = value.as_ref().map(|word| format!(" {}", word::quote(&word.text))).unwrap_or_default();
            words.push(format!("{key}{value}"));
        }
        said.push(key);
    }
    words.sort_unstable();
    words.join(" ")
}

fn algorithm(balance: &str, hash: &str) -> Option<Algorithm> {
    match (balance, hash.split(' ').next()) {
        ("roundrobin", _) => Some(Algorithm::RoundRobin),
        ("leastconn", _) => Some(Algorithm::LeastConnections),
        // The map-based hash moves nearly all clients when a node comes or goes, and takes no node while it runs.
        ("source", Some("consistent")) => Some(Algorithm::IpHash),
        ("random" | "random(2)", _) => Some(Algorithm::Random),
        _ => None,
    }
}

/// A time as HAProxy writes it; without a unit, `unit` microseconds each.
fn time(text: &str, unit: u64) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let micros = match &text[digits.len()..] {
        "" => unit,
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(micros).map(Duration::from_micros)
}

/// A duration as HAProxy reads it.
pub fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
}
