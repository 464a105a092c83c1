//! What a configuration says of one upstream: its servers, its method, its connections, and what leads to it. Does no I/O.

use super::edit::Text;
use super::tree::Statement;
use crate::model::units::Duration;
use crate::providers::balancer::{Algorithm, NodeState, Sticky, spec};

/// An upstream. Statements are told by their numbers in the text that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Its block.
    pub block: usize,
    /// Whether it is for streams, not for HTTP.
    pub stream: bool,
    /// Its servers in their order.
    pub servers: Vec<Server>,
    /// The statements that choose a way of spreading; nginx takes the last one.
    pub methods: Vec<usize>,
    /// The way of spreading, where the policy has a name for it.
    pub algorithm: Option<Algorithm>,
    /// The statement that keeps connections, and how many for each worker.
    pub keepalive: Option<(usize, u32)>,
    /// The statement that says how long, and how long.
    pub keepalive_timeout: Option<(usize, Duration)>,
    /// The statement that binds clients to servers by a cookie of nginx's own, and what it says.
    pub sticky: Option<(usize, Sticky)>,
    /// Whether the workers share what they know of the servers.
    pub zone: bool,
    /// What nginx or evenkeel would stumble over.
    pub lints: Vec<String>,
}

/// One `server` of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The statement.
    pub at: usize,
    /// Where it is, as it is written.
    pub written: String,
    /// The same in the one form that addresses have; `None` where it is a socket's path or a variable.
    pub address: Option<String>,
    /// The name that it is marked with.
    pub mark: Option<String>,
    /// Its share.
    pub weight: u32,
    /// Whether it takes requests.
    pub state: NodeState,
    /// Whether it does only when no other one can.
    pub backup: bool,
    /// How many connections it gets; 0: as many as there are.
    pub limit: u32,
    /// After how many failures it is left alone; 0: never.
    pub fails: u32,
    /// For how long.
    pub pause: Duration,
}

/// What nginx takes where a server does not say.
const PAUSE: Duration = Duration::from_secs(10);

/// Statements that choose a way of spreading.
const METHODS: &[&str] = &["fair", "hash", "ip_hash", "least_conn", "least_time", "random"];

/// Statements that lead to an upstream.
const PASSES: &[&str] = &["fastcgi_pass", "grpc_pass", "memcached_pass", "proxy_pass", "scgi_pass", "uwsgi_pass"];

impl Layout {
    /// Reads the upstream `name`.
    ///
    /// # Errors
    /// Where there is none, or nginx would not read the text.
    pub fn read(text: &Text, name: &str) -> Result<Self, String> {
        let tree = text.tree();
        if let Some(fault) = &tree.fault {
            return Err(format!("line {}: {}", fault.line, fault.message));
        }
        let is =
            |(_, s): &(usize, &Statement)| s.name() == "upstream" && s.body.is_some() && s.argument() == Some(name);
        let mut found = tree.statements.iter().enumerate().filter(is);
        let Some((block, _)) = found.next() else { return Err(format!("there is no `upstream {name}`")) };
        let stream = tree.around(block).any(|(_, around)| around.name() == "stream");
        let mut layout = Self { block, stream, algorithm: Some(Algorithm::RoundRobin), ..Self::default() };
        if found.next().is_some() {
            layout.lints.push(format!("there is more than one `upstream {name}`; the first one is meant"));
        }
        for (at, statement) in tree.children(Some(block)) {
            layout.take(text, at, statement);
        }
        if layout.methods.len() > 1 {
            layout.lints.push(format!("`upstream {name}` has more than one method; nginx takes the last one"));
        }
        Ok(layout)
    }

    fn take(&mut self, text: &Text, at: usize, statement: &Statement) {
        match statement.name() {
            "server" => self.servers.push(Server::read(text, at, statement)),
            "keepalive" => {
                self.keepalive = statement.argument().and_then(|n| n.parse().ok()).map(|count| (at, count));
            }
            "keepalive_timeout" => {
                self.keepalive_timeout = statement.argument().and_then(time).map(|time| (at, time));
            }
            "sticky" if statement.argument() == Some("cookie") => {
                let ttl = statement.arguments().find_map(|word| time(word.strip_prefix("expires=")?));
                self.sticky = Some((at, Sticky { cookie: statement.words.get(2).map(|word| word.text.clone()), ttl }));
            }
            "sticky" => self.lints.push("`sticky` that is no `sticky cookie` has no name in the policy".into()),
            "zone" => self.zone = true,
            "include" => self.lints.push(format!(
                "`{}` is included into the upstream: what it holds is not looked at",
                statement.argument().unwrap_or_default()
            )),
            name if METHODS.contains(&name) => {
                if self.keepalive.is_some() {
                    self.lints.push(format!("`keepalive` stands before `{name}`: nginx forgets it"));
                }
                self.methods.push(at);
                let key = statement.argument().unwrap_or_default();
                self.algorithm = match name {
                    "least_conn" => Some(Algorithm::LeastConnections),
                    "ip_hash" => Some(Algorithm::IpHash),
                    "hash" if matches!(key, "$remote_addr" | "$binary_remote_addr") => Some(Algorithm::IpHash),
                    "random" => Some(Algorithm::Random),
                    _ => None,
                };
            }
            _ => {}
        }
    }

    /// What all servers agree in.
    pub fn common<T: PartialEq>(&self, of: impl Fn(&Server) -> T) -> Option<T> {
        let mut all = self.servers.iter().map(of);
        let first = all.next()?;
        all.all(|one| one == first).then_some(first)
    }
}

impl Server {
    fn read(text: &Text, at: usize, statement: &Statement) -> Self {
        let written = statement.argument().unwrap_or_default().to_owned();
        let value = |key: &str| statement.arguments().skip(1).find_map(|w| w.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str, default: u32| value(key).and_then(|text| text.parse().ok()).unwrap_or(default);
        let flag = |name: &str| statement.arguments().skip(1).any(|word| word == name);
        let state = match (flag("down"), flag("drain")) {
            (true, _) => NodeState::Maintenance,
            (_, true) => NodeState::Drain,
            _ => NodeState::Ready,
        };
        Self {
            at,
            address: address(&written),
            written,
            mark: text.mark(at),
            weight: number("weight", 1),
            state,
            backup: flag("backup"),
            limit: number("max_conns", 0),
            fails: number("max_fails", 1),
            pause: value("fail_timeout").and_then(time).unwrap_or(PAUSE),
        }
    }
}

/// An address in its one form; nginx takes port 80 where there is none.
fn address(written: &str) -> Option<String> {
    if written.starts_with("unix:") || written.contains('$') {
        return None;
    }
    let with_port = |text: &str| spec::endpoint(text).map(|(host, port)| spec::address(host, port));
    with_port(written).or_else(|| with_port(&format!("{written}:80")))
}

/// A time as nginx writes it: `30`, `30s`, `1m30s`, `500ms`.
pub fn time(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut micros = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = match &rest[..letters] {
            "ms" => 1_000,
            "" | "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            "w" => 7 * 86_400_000_000,
            "M" => 30 * 86_400_000_000,
            "y" => 365 * 86_400_000_000,
            _ => return None,
        };
        rest = rest[letters..].trim_start();
        micros = micros.checked_add(number.checked_mul(unit)?)?;
    }
    (!text.is_empty()).then_some(Duration::from_micros(micros))
}

/// The statements that lead to an upstream.
pub fn passes(text: &Text, upstream: &str) -> Vec<usize> {
    let leads = |statement: &Statement| {
        let to = statement.argument().unwrap_or_default();
        let to = to.split_once("://").map_or(to, |(_, rest)| rest);
        PASSES.contains(&statement.name()) && to.split(['/', ':', '$']).next() == Some(upstream)
    };
    let all = text.tree().statements.iter().enumerate();
    all.filter(|(_, statement)| leads(statement)).map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> Result<Layout, String> {
        Layout::read(&Text::new(text.into()), "web")
    }

    #[test]
    fn servers_are_read_with_nginxs_defaults() {
        let check = |line: &str, expected: &str| {
            let layout = layout(&format!("upstream web {{ {line}\n}}")).expect("an upstream");
            let Server { address, mark, weight, state, backup, limit, fails, pause, .. } = &layout.servers[0];
            let address = address.as_deref().unwrap_or("-");
            let mark = mark.as_deref().unwrap_or("-");
            assert_eq!(format!("{address} {mark} {weight} {state} {backup} {limit} {fails} {pause}"), expected);
        };
        check("server 10.0.0.1:81;", "10.0.0.1:81 - 1 ready false 0 1 10s");
        check("server App.internal weight=3 down;", "app.internal:80 - 3 maintenance false 0 1 10s");
        check(
            "server [::0:1]:80 backup max_conns=5 max_fails=0 fail_timeout=1m30s; # a # evenkeel: n1",
            "[::1]:80 n1 1 ready true 5 0 1m30s",
        );
        check("server \"unix:/run/a b.sock\" drain;", "- - 1 drain false 0 1 10s");
    }

    #[test]
    fn methods_have_names() {
        let check = |lines: &str, expected: Option<Algorithm>, lints: usize| {
            let layout = layout(&format!("http {{ upstream web {{ {lines} server a; }} }}")).expect("an upstream");
            assert_eq!((layout.algorithm, layout.lints.len()), (expected, lints), "{lines}");
        };
        check("", Some(Algorithm::RoundRobin), 0);
        check("least_conn;", Some(Algorithm::LeastConnections), 0);
        check("ip_hash;", Some(Algorithm::IpHash), 0);
        check("hash $remote_addr consistent;", Some(Algorithm::IpHash), 0);
        check("random two least_conn;", Some(Algorithm::Random), 0);
        check("hash $request_uri;", None, 0);
        check("least_conn; ip_hash;", Some(Algorithm::IpHash), 1);
        check("keepalive 8; least_conn;", Some(Algorithm::LeastConnections), 1);
        check("include servers.conf;", Some(Algorithm::RoundRobin), 1);
    }

    #[test]
    fn what_is_not_there_is_told() {
        assert_eq!(layout("upstream other { server a; }"), Err("there is no `upstream web`".into()));
        assert_eq!(layout("upstream web { server a }"), Err("line 1: a `;` is missing".into()));
    }

    #[test]
    fn times_are_nginxs() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(time(text), expected.map(Duration::from_millis), "{text}");
        check("30", Some(30_000));
        check("1m30s", Some(90_000));
        check("1h 30m", Some(5_400_000));
        check("500ms", Some(500));
        check("off", None);
        check("", None);
    }

    #[test]
    fn the_ways_to_an_upstream_are_found() {
        let text =
            "server { listen 1; location / { proxy_pass http://web; } location /a { proxy_pass https://web/b; } }
                    server { location / { proxy_pass http://website; } } server { location / { grpc_pass web; } }";
        let text = Text::new(text.into());
        assert_eq!(passes(&text, "web").len(), 3);
    }
}
