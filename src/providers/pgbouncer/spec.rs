//! What a policy says of a `PgBouncer`: the `settings`, and the entries of `[databases]` as `pool`s.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::catalog::{self, Unit};
use crate::model::units::Duration;
use crate::model::{Secret, Value};

/// How to reach a `PgBouncer`: through its admin console, through its file, or both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The admin console: `postgres://stats@host:6432/pgbouncer`. Without it the file alone is read and written.
    pub admin_url: Option<Secret>,
    /// The ini file. Without it changes last until the next restart or RELOAD.
    pub config: Option<PathBuf>,
    /// The target behind it, `postgres.shop`, for the checks across targets.
    pub upstream: Option<String>,
}

/// A resource of a `PgBouncer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spec {
    /// `[pgbouncer]` of the file; `SHOW CONFIG` of the console.
    Settings(Parameters),
    /// One line of `[databases]`; `SHOW DATABASES` of the console.
    Pool(Box<Pool>),
}

/// Settings by name, each in the one form in which it is compared: durations, sizes, numbers, words.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Parameters(pub BTreeMap<String, Value>);

/// One entry of `[databases]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Where it leads. Needed to add an entry.
    pub connection: Option<Endpoint>,
    /// The most server connections of each user.
    #[schemars(range(min = 1))]
    pub pool_size: Option<i64>,
    /// How many server connections to keep open.
    #[schemars(range(min = 0))]
    pub min_pool_size: Option<i64>,
    /// How many more are allowed to clients that have waited for `reserve_pool_timeout`.
    #[schemars(range(min = 0))]
    pub reserve_pool_size: Option<i64>,
    /// When a server connection goes back to the pool.
    pub pool_mode: Option<PoolMode>,
    /// The most server connections of all users together; 0: no limit.
    #[schemars(range(min = 0))]
    pub max_db_connections: Option<i64>,
    /// The most client connections; 0: no limit. `PgBouncer` 1.24 and later.
    #[schemars(range(min = 0))]
    pub max_db_client_connections: Option<i64>,
    /// After how long an unused server connection is closed. Whole seconds; `PgBouncer` 1.24 and later.
    pub server_lifetime: Option<Duration>,
    /// A statement to run on every new server connection.
    pub connect_query: Option<String>,
    /// How several hosts are used. `PgBouncer` 1.24 and later.
    pub load_balance_hosts: Option<Balance>,
}

/// Where an entry leads, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::manual_non_exhaustive, reason = "the last field is there to refuse a password")]
pub struct Endpoint {
    /// A name, an address, a socket's folder, or several of them with commas.
    pub host: Option<String>,
    /// Default 5432.
    pub port: Option<u16>,
    /// The database behind; default: the entry's own name.
    pub dbname: Option<String>,
    /// Log in as this user, whoever the client is.
    pub user: Option<String>,
    /// Look passwords up as this user.
    pub auth_user: Option<String>,
    /// Look passwords up in this database. `PgBouncer` 1.19 and later.
    pub auth_dbname: Option<String>,
    /// `client_encoding` of the session.
    pub client_encoding: Option<String>,
    /// `datestyle` of the session.
    pub datestyle: Option<String>,
    /// `timezone` of the session.
    pub timezone: Option<String>,
    /// `application_name` of the session.
    pub application_name: Option<String>,
    #[serde(default, skip_serializing, deserialize_with = "refuse_password")]
    #[schemars(skip)]
    password: (),
}

/// When a server connection goes back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When the transaction ends.
    Transaction,
    /// When the statement ends.
    Statement,
}

/// How several hosts are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// The first one that answers.
    Disable,
    /// In turn.
    RoundRobin,
}

fn refuse_password<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(de::Error::custom("a password does not belong in a policy; keep it in PgBouncer's `auth_file`"))
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut written = BTreeMap::<String, Value>::deserialize(deserializer)?;
        // What is not valid stays as it is written: the check says so, at its key.
        for (key, value) in &mut written {
            if let Ok(canonical) = catalog::unit(key).canonical(value) {
                *value = canonical;
            }
        }
        Ok(Self(written))
    }
}

impl JsonSchema for Parameters {
    fn schema_name() -> Cow<'static, str> {
        "PgbouncerSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known: serde_json::Map<String, Value> = catalog::KEYS
            .iter()
            .filter(|key| key.unit != Unit::Private)
            .map(|key| (key.name.to_owned(), unit_schema(key.unit, generator).to_value()))
            .collect();
        json_schema!({
            "description": "settings of [pgbouncer], by their own names",
            "type": "object",
            "properties": known,
            "additionalProperties": { "type": ["string", "integer", "boolean"] }
        })
    }
}

fn unit_schema(unit: Unit, generator: &mut SchemaGenerator) -> Schema {
    match unit {
        Unit::Count(low, high) => json_schema!({ "type": "integer", "minimum": low, "maximum": high }),
        Unit::Flag => json_schema!({ "type": "boolean" }),
        Unit::Seconds(_) | Unit::WholeSeconds | Unit::Millis => generator.subschema_for::<Duration>(),
        Unit::Bytes(..) => generator.subschema_for::<crate::model::units::Size>(),
        Unit::Word(words) => json_schema!({ "enum": words }),
        Unit::Octal | Unit::Text | Unit::Private => json_schema!({ "type": "string" }),
    }
}
