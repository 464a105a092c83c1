//! What the running HAProxy says of itself and of one backend, read from its tables by the names of their columns.

use std::collections::BTreeMap;

use super::layout::Entry;
use super::socket::Socket;
use crate::error::{Error, Result};
use crate::model::Facts;
use crate::providers::balancer::capacity::Serving;
use crate::providers::balancer::{Capacity, NodeState, Version, spec};

/// A running HAProxy.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its version, where it has the form of one.
    pub version: Option<Version>,
    /// Its version as it says it.
    pub release: String,
    /// The host's name.
    pub host: String,
    /// What tells this worker from those before and after it.
    pub process: String,
    /// The algorithm as the configuration calls it; empty where the socket's level is too low.
    pub algorithm: String,
    /// The servers, in their order.
    pub servers: Vec<Server>,
}

/// A server as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: String,
    /// Its port.
    pub port: u16,
    /// Its weight now.
    pub weight: u32,
    /// The bits that say who put it out of service.
    pub admin: u32,
    /// `UP`, `DOWN 1/2`, `DRAIN`, `MAINT`, `no check`.
    pub status: String,
    /// The last check's result, `L7OK`.
    pub check: String,
    /// How many sessions it has.
    pub sessions: u64,
    /// How many it takes; 0: no limit.
    pub limit: u32,
}

/// Bits of `srv_admin_state`.
const MAINTENANCE: u32 = 0x01 | 0x02 | 0x04 | 0x20 | 0x40;
const DRAIN: u32 = 0x08 | 0x10;

impl Running {
    /// Asks for everything: four questions, however many servers there are.
    ///
    /// # Errors
    /// As [`Socket::ask`]; `Failed` where there is no such backend.
    pub async fn read(socket: &Socket, backend: &str) -> Result<Self> {
        let about = socket.ask("show info").await?;
        let about = |key: &str| {
            let found = about.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            found.unwrap_or_default().trim().to_owned()
        };
        let state = socket.ask(&format!("show servers state {backend}")).await.map_err(|error| {
            error.context(format!("backend `{backend}`")).hint("`backend` names a `backend` or `listen` section")
        })?;
        let servers = socket.ask(&format!("show stat {backend} 4 -1")).await?;
        let whole = socket.ask(&format!("show stat {backend} 2 -1")).await?;
        let release = about("Version");
        let mut running = Self {
            version: Version::parse(&release),
            release,
            host: about("node"),
            process: format!("{}@{}", about("Pid"), about("Start_time_sec")),
            algorithm: rows(&whole, ',').first().and_then(|row| row.get("algo").cloned()).unwrap_or_default(),
            servers: Vec::new(),
        };
        let stats = rows(&servers, ',');
        let stats: BTreeMap<&str, _> =
            stats.iter().filter_map(|row| Some((row.get("svname")?.as_str(), row))).collect();
        for row in rows(state.split_once('\n').map_or("", |(_, table)| table), ' ') {
            running.servers.push(Server::of(&row, &stats)?);
        }
        Ok(running)
    }

    /// A server by its name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// How much of the pool serves.
    pub fn capacity(&self) -> Capacity {
        let serving = self.servers.iter().filter(|server| server.serving() == Serving::Yes).count();
        Capacity { nodes: self.servers.len(), serving }
    }
}

impl Server {
    fn of(row: &BTreeMap<String, String>, stats: &BTreeMap<&str, &BTreeMap<String, String>>) -> Result<Self> {
        let text = |key: &str| row.get(key).cloned().unwrap_or_default();
        let number = |key: &str| text(key).parse::<u32>();
        let name = text("srv_name");
        let stat = |key: &str| stats.get(name.as_str()).and_then(|row| row.get(key)).cloned().unwrap_or_default();
        let unread = |_| {
            Error::failed(format!("haproxy describes server `{name}` in a way this version of evenkeel does not know"))
        };
        Ok(Self {
            ip: text("srv_addr"),
            port: text("srv_port").parse().unwrap_or_default(),
            weight: number("srv_uweight").map_err(unread)?,
            admin: number("srv_admin_state").map_err(unread)?,
            status: stat("status"),
            // While a check is in flight, its predecessor's result is marked with a star.
            check: stat("check_status").trim_start_matches("* ").to_owned(),
            sessions: stat("scur").parse().unwrap_or_default(),
            limit: stat("slim").parse().unwrap_or_default(),
            name,
        })
    }

    /// Its address in one form.
    pub fn address(&self) -> String {
        spec::address(&self.ip, self.port)
    }

    /// Whether somebody put it out of service.
    pub fn state(&self) -> NodeState {
        match self.admin {
            admin if admin & MAINTENANCE != 0 => NodeState::Maintenance,
            admin if admin & DRAIN != 0 => NodeState::Drain,
            _ => NodeState::Ready,
        }
    }

    /// Whether it is not as the file says, so that a reload would change it.
    pub fn differs(&self, entry: &Entry) -> bool {
        let written = if entry.disabled { NodeState::Maintenance } else { NodeState::Ready };
        self.weight != entry.weight || self.state() != written || self.limit != entry.limit
    }

    /// Whether it takes new requests.
    pub fn serving(&self) -> Serving {
        let up = self.status.starts_with("UP") || self.status == "no check";
        if self.state() == NodeState::Ready && self.weight > 0 && up { Serving::Yes } else { Serving::No }
    }

    /// Whether its checks say that it is well, whatever state it is in.
    pub fn well(&self) -> bool {
        self.check.ends_with("OK") && (self.status == "DRAIN" || self.status == "UP")
    }

    /// What is measured of it.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default().with("status", self.status.clone());
        if !self.check.is_empty() {
            facts = facts.with("check", self.check.clone());
        }
        facts.with("sessions", self.sessions)
    }
}

/// The rows of a table whose head begins with `# `.
fn rows(table: &str, separator: char) -> Vec<BTreeMap<String, String>> {
    let mut lines = table.lines().filter(|line| !line.is_empty());
    let head: Vec<&str> =
        lines.next().map(|line| line.trim_start_matches("# ").split(separator).collect()).unwrap_or_default();
    lines.map(|line| head.iter().map(|name| (*name).to_owned()).zip(fields(line, separator)).collect()).collect()
}

/// The fields of a row; a quoted one may hold the separator.
fn fields(line: &str, separator: char) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => found.push(String::new()),
            c => found.last_mut().expect("there is always one").push(c),
        }
    }
    found
}
