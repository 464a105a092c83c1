//! What a `PgBouncer` says of itself: its configuration file, its running state, and who is connected now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::catalog;
use super::layer::{self, Layer, Row};
use super::tree::Tree;
use crate::model::{Facts, Value, text};

/// What a target says of itself. A saved live state has only what can be written down.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// The configuration file; `None`: changes are made through the console alone.
    pub config: Option<PathBuf>,
    /// Whether there is a console.
    pub console: bool,
    /// The configuration as it was read.
    #[serde(skip)]
    pub tree: Option<Tree>,
    /// The running server.
    #[serde(skip)]
    pub running: Option<Running>,
}

/// The running server.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its version; zeros where it tells none.
    pub version: (u32, u32),
    /// `SHOW CONFIG`.
    pub settings: Layer,
    /// The built-in defaults.
    pub defaults: Layer,
    /// The settings that need a restart.
    pub fixed: BTreeSet<String>,
    /// `SHOW DATABASES`, without the console itself.
    pub pools: BTreeMap<String, Layer>,
    /// One row of it, for what this version tells at all.
    pub sample: Row,
    /// `SHOW POOLS`, added up by database.
    pub load: BTreeMap<String, Load>,
}

/// Who is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Clients that are being served.
    pub active: u64,
    /// Clients that wait for a server connection.
    pub waiting: u64,
    /// Server connections in use.
    pub used: u64,
    /// Server connections at rest.
    pub idle: u64,
}

impl Running {
    /// Makes sense of what the console told.
    pub fn new(version: &[Row], config: &[Row], databases: &[Row], pools: &[Row]) -> Self {
        let column = |row: &Row, name: &str| row.get(name).cloned().unwrap_or_default();
        let mut running = Self { version: version_of(version), ..Self::default() };
        for row in config {
            let key = column(row, "key");
            let unit = catalog::unit(&key);
            if unit == catalog::Unit::Private {
                continue;
            }
            running.settings.insert(key.clone(), unit.read(&column(row, "value")));
            // 1.12 and older tell no default.
            if row.contains_key("default") && !catalog::WITHOUT_DEFAULT.contains(&key.as_str()) {
                running.defaults.insert(key.clone(), unit.read(&column(row, "default")));
            }
            if row.get("changeable").is_some_and(|changeable| changeable == "no") {
                running.fixed.insert(key);
            }
        }
        for row in databases.iter().filter(|row| column(row, "name") != "pgbouncer") {
            running.pools.insert(column(row, "name"), layer::pool_of_row(row));
            running.sample = row.clone();
        }
        if let (true, Some(row)) = (running.sample.is_empty(), databases.first()) {
            running.sample = row.clone();
        }
        for row in pools.iter().filter(|row| column(row, "database") != "pgbouncer") {
            let count = |name: &str| row.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
            let load = running.load.entry(column(row, "database")).or_default();
            load.active += count("cl_active");
            load.waiting += count("cl_waiting");
            load.used += count("sv_active");
            load.idle += count("sv_idle") + count("sv_used") + count("sv_tested");
        }
        running
    }

    /// Everybody, over all databases.
    pub fn total(&self) -> Load {
        self.load.values().fold(Load::default(), |sum, load| Load {
            active: sum.active + load.active,
            waiting: sum.waiting + load.waiting,
            used: sum.used + load.used,
            idle: sum.idle + load.idle,
        })
    }
}

/// `PgBouncer 1.18.0` as numbers.
fn version_of(rows: &[Row]) -> (u32, u32) {
    let text = rows.first().and_then(|row| row.values().next()).map(String::as_str).unwrap_or_default();
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

impl Load {
    /// As facts, in reading order.
    pub fn facts(self) -> Facts {
        Facts::default()
            .with("clients_active", self.active)
            .with("clients_waiting", self.waiting)
            .with("servers_used", self.used)
            .with("servers_idle", self.idle)
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        write!(
            f,
            "{} in use and {} idle, {} active and {} waiting now",
            text::count(n(self.used), "server connection"),
            self.idle,
            text::count(n(self.active), "client"),
            self.waiting
        )
    }
}

impl Site {
    /// What a setting will be once the server has read the file: what the file writes, else the built-in default.
    pub fn promised(&self, key: &str) -> Option<Value> {
        let tree = self.tree.as_ref()?;
        match tree.setting(key) {
            Some(text) => Some(catalog::unit(key).read(&text)),
            None => self.running.as_ref().and_then(|running| {
                // Without a default, what is not written stays as it is.
                running.defaults.get(key).or_else(|| running.settings.get(key)).cloned()
            }),
        }
    }

    /// Whether a setting takes effect at the next start only.
    pub fn fixed(&self, key: &str) -> bool {
        match &self.running {
            Some(running) if running.settings.contains_key(key) => running.fixed.contains(key),
            _ => catalog::key(key).is_some_and(|known| known.restart),
        }
    }

    /// The entries that the file writes, as layers.
    pub fn written(&self) -> BTreeMap<String, Layer> {
        let lines = self.tree.as_ref().map(Tree::databases).unwrap_or_default();
        lines.into_iter().map(|(name, line)| (name, layer::pool_of_file(&line).unwrap_or_default())).collect()
    }

    /// What RELOAD would change in the running server if nobody touched the file: `max_client_conn 300 -> 100`. Those `spare` says yes to are left out.
    pub fn pending(&self, spare: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let (Some(_), Some(running)) = (&self.tree, &self.running) else { return Vec::new() };
        let mut found = Vec::new();
        let show = |value: Option<&Value>| value.map_or("nothing".into(), crate::model::value::show);
        for (key, now) in &running.settings {
            let then = self.promised(key);
            if !self.fixed(key)
                && !catalog::READ_ONLY.contains(&key.as_str())
                && then.as_ref() != Some(now)
                && !spare("", key)
            {
                found.push(format!("{key} {} -> {}", show(Some(now)), show(then.as_ref())));
            }
        }
        let written = self.written();
        for (name, now) in &running.pools {
            let Some(entry) = written.get(name) else {
                if !written.contains_key("*") && !spare(name, "") {
                    found.push(format!("{name} leaves"));
                }
                continue;
            };
            for attribute in layer::POOL.iter().filter(|attribute| layer::shown(attribute, &running.sample)) {
                // What follows from a spared setting is spared with it.
                let follows = |setting: &str| !entry.contains_key(attribute.path) && spare("", setting);
                if attribute.fallback.is_some_and(follows) {
                    continue;
                }
                let (now, then) = (now.get(attribute.path), self.entry_promised(name, entry, attribute));
                if now != then.as_ref() && !spare(name, attribute.path) {
                    found.push(format!("{name} {} {} -> {}", attribute.path, show(now), show(then.as_ref())));
                }
            }
        }
        let unknown = written.keys().filter(|name| *name != "*" && !running.pools.contains_key(*name));
        found.extend(unknown.filter(|name| !spare(name, "")).map(|name| format!("{name} comes")));
        found
    }

    /// What `SHOW DATABASES` will tell of an attribute once the server has read the file.
    fn entry_promised(&self, name: &str, entry: &Layer, attribute: &layer::Attribute) -> Option<Value> {
        if let Some(value) = entry.get(attribute.path) {
            return Some(value.clone());
        }
        match (attribute.fallback, attribute.path) {
            (Some(setting), _) => self.promised(setting),
            (None, "connection.dbname") => Some(name.into()),
            (None, "connection.port") => Some(5432.into()),
            // The server says itself that it cannot forget a forced user before a restart.
            (None, "connection.user") => self.running.as_ref()?.pools.get(name)?.get("connection.user").cloned(),
            _ => None,
        }
    }
}
