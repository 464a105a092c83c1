//! Layers: what the file says and what the running server does, attribute by attribute, and how the two become one live state.

use std::collections::BTreeMap;

use serde_json::json;

use super::catalog::{self, Unit};
use super::conninfo::{self, Pair};
use super::spec::{Parameters, Pool, Spec};
use crate::error::{Error, Result};
use crate::model::{Attributes, Value, value};

/// The attributes of one resource by path (`connection.host`), in the one form in which they are compared.
pub type Layer = BTreeMap<String, Value>;

/// One row of the console, by column.
pub type Row = BTreeMap<String, String>;

/// An attribute of a `pool`, as the file and the console name it.
#[derive(Debug)]
pub struct Attribute {
    /// The attribute's path in the policy.
    pub path: &'static str,
    /// Its keys in the file; the first is what every version reads.
    pub keys: &'static [&'static str],
    /// Its columns in `SHOW DATABASES`.
    pub columns: &'static [&'static str],
    /// How its values are written.
    pub unit: Unit,
    /// The setting that stands in where the entry does not say.
    pub fallback: Option<&'static str>,
    /// The first version that reads it in the file; an older one refuses the whole file.
    pub since: (u32, u32),
}

const fn attribute(path: &'static str, keys: &'static [&'static str], columns: &'static [&'static str]) -> Attribute {
    Attribute { path, keys, columns, unit: Unit::Text, fallback: None, since: (0, 0) }
}

const COUNT: Unit = Unit::Count(0, i32::MAX as i64);

/// The attributes of a `pool`.
pub static POOL: &[Attribute] = &[
    attribute("connection.host", &["host"], &["host"]),
    Attribute { unit: Unit::Count(1, 65_535), ..attribute("connection.port", &["port"], &["port"]) },
    attribute("connection.dbname", &["dbname"], &["database"]),
    attribute("connection.user", &["user"], &["force_user"]),
    attribute("connection.auth_user", &["auth_user"], &[]),
    Attribute { since: (1, 19), ..attribute("connection.auth_dbname", &["auth_dbname"], &[]) },
    attribute("connection.client_encoding", &["client_encoding"], &[]),
    attribute("connection.datestyle", &["datestyle"], &[]),
    attribute("connection.timezone", &["timezone"], &[]),
    attribute("connection.application_name", &["application_name"], &[]),
    Attribute {
        unit: Unit::Count(1, i32::MAX as i64),
        fallback: Some("default_pool_size"),
        ..attribute("pool_size", &["pool_size"], &["pool_size"])
    },
    Attribute {
        unit: COUNT,
        fallback: Some("min_pool_size"),
        ..attribute("min_pool_size", &["min_pool_size"], &["min_pool_size"])
    },
    Attribute {
        unit: COUNT,
        fallback: Some("reserve_pool_size"),
        ..attribute("reserve_pool_size", &["reserve_pool", "reserve_pool_size"], &["reserve_pool_size", "reserve_pool"])
    },
    Attribute {
        unit: Unit::Word(&["session", "transaction", "statement"]),
        ..attribute("pool_mode", &["pool_mode"], &["pool_mode"])
    },
    Attribute {
        unit: COUNT,
        fallback: Some("max_db_connections"),
        ..attribute("max_db_connections", &["max_db_connections"], &["max_connections"])
    },
    Attribute {
        unit: COUNT,
        fallback: Some("max_db_client_connections"),
        since: (1, 24),
        ..attribute("max_db_client_connections", &["max_db_client_connections"], &["max_client_connections"])
    },
    Attribute {
        unit: Unit::WholeSeconds,
        fallback: Some("server_lifetime"),
        since: (1, 24),
        ..attribute("server_lifetime", &["server_lifetime"], &["server_lifetime"])
    },
    attribute("connect_query", &["connect_query"], &[]),
    Attribute {
        unit: Unit::Word(&["disable", "round-robin"]),
        since: (1, 24),
        ..attribute("load_balance_hosts", &["load_balance_hosts"], &["load_balance_hosts"])
    },
];

/// A `pool`'s attribute by path.
pub fn pool_attribute(path: &str) -> Option<&'static Attribute> {
    POOL.iter().find(|attribute| attribute.path == path)
}

/// How the values of an attribute of either kind are written.
pub fn unit(kind: &str, path: &str) -> Unit {
    if kind == "pool" {
        pool_attribute(path).map_or(Unit::Text, |attribute| attribute.unit)
    } else {
        catalog::unit(path)
    }
}

/// A wanted or live specification as a layer.
///
/// # Errors
/// None in practice; a specification that does not serialise is a defect.
pub fn of(spec: &Spec) -> Result<Layer> {
    fn walk(parent: &str, attributes: Attributes, layer: &mut Layer) {
        for (key, value) in attributes {
            let path = if parent.is_empty() { key } else { format!("{parent}.{key}") };
            match value {
                Value::Object(inner) => walk(&path, inner, layer),
                value => drop(layer.insert(path, value)),
            }
        }
    }
    let mut layer = Layer::new();
    walk("", value::erase(spec)?, &mut layer);
    Ok(layer)
}

/// A layer of settings as a specification.
pub fn settings(layer: Layer) -> Spec {
    Spec::Settings(Parameters(layer))
}

/// A layer of a `pool` as a specification; what the file says and no policy can say is left out.
///
/// # Errors
/// None in practice; the paths are the specification's own.
pub fn pool(layer: Layer) -> Result<Spec> {
    let mut attributes = Attributes::new();
    for (path, value) in layer {
        match path.split_once('.') {
            None => drop(attributes.insert(path, value)),
            Some((parent, key)) => {
                let inner = attributes.entry(parent).or_insert_with(|| json!({}));
                if let Value::Object(inner) = inner {
                    inner.insert(key.to_owned(), value);
                }
            }
        }
    }
    let pool: Pool = serde_json::from_value(Value::Object(attributes))
        .map_err(|error| Error::bug("an entry of [databases] does not decode").because(error))?;
    Ok(Spec::Pool(Box::new(pool)))
}

/// The settings that the file writes.
pub fn settings_of_file(written: &BTreeMap<String, String>) -> Layer {
    let readable = written.iter().filter(|(key, _)| catalog::unit(key) != Unit::Private);
    readable.map(|(key, text)| (key.clone(), catalog::unit(key).read(text))).collect()
}

/// An entry that the file writes; `None` where the server would not read it either.
pub fn pool_of_file(line: &str) -> Option<Layer> {
    let pairs = conninfo::parse(line)?;
    Some(POOL.iter().filter_map(|attribute| Some((attribute.path.to_owned(), in_file(attribute, &pairs)?))).collect())
}

fn in_file(attribute: &Attribute, pairs: &[Pair]) -> Option<Value> {
    let Pair { value, .. } = conninfo::find(pairs, attribute.keys)?;
    readable(
        attribute,
        &match attribute.unit {
            // The server reads these with C's `atoi`: as many digits as there are, else 0.
            Unit::Count(..) | Unit::WholeSeconds => leading_number(value).to_string(),
            _ => value.clone(),
        },
    )
}

fn leading_number(text: &str) -> i64 {
    let digits: String = text.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

/// A value, if a policy could say it.
fn readable(attribute: &Attribute, text: &str) -> Option<Value> {
    let value = attribute.unit.read(text);
    let valid = match attribute.unit {
        Unit::Count(..) => value.is_i64(),
        unit => unit.canonical(&value).is_ok(),
    };
    (valid && !(attribute.path == "connection.port" && value == json!(0))).then_some(value)
}

/// An entry as `SHOW DATABASES` tells it; what the entry does not say itself is told with what stands in for it.
pub fn pool_of_row(row: &Row) -> Layer {
    let told = |attribute: &'static Attribute| {
        let column = attribute.columns.iter().find_map(|column| row.get(*column))?;
        if column.is_empty() { None } else { readable(attribute, column) }
    };
    POOL.iter().filter_map(|attribute| Some((attribute.path.to_owned(), told(attribute)?))).collect()
}

/// Whether `SHOW DATABASES` tells this attribute, given one of its rows.
pub fn shown(attribute: &Attribute, row: &Row) -> bool {
    attribute.columns.iter().any(|column| row.contains_key(*column))
}

/// The one live value of an attribute that two layers tell: where they differ, the one that is not as wanted.
pub fn merged<'a>(want: Option<&Value>, file: Option<&'a Value>, running: Option<&'a Value>) -> Option<&'a Value> {
    if file == running || (want.is_some() && want == running) { file } else { running }
}
