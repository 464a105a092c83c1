//! A small vocabulary for tests: one provider with every sort of kind and of value. It reaches no system.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::units::{Duration, Percent, Size};
use crate::model::{Comparison, Kind, Many, Secret, Value};
use crate::provider::{
    Claim, Context, Delta, Descriptor, Draft, Grants, Holder, Progress, Provider, Reading, Scope, describe,
};

/// The registry with the sample alone.
pub(crate) static REGISTRY: &[Descriptor] = &[describe::<Sample>()];

/// A shop's database.
#[derive(Debug)]
pub(crate) struct Sample;

/// How to reach it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where it is.
    pub(crate) url: Secret,
    /// Where to look.
    #[serde(default)]
    pub(crate) schemas: Vec<String>,
    /// How long to wait for a lock.
    pub(crate) lock_timeout: Option<Duration>,
    /// Where to publish.
    pub(crate) publish: Option<Publish>,
}

/// A place to publish to.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    /// A file's path.
    pub(crate) file: Option<String>,
    /// A key.
    pub(crate) key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spec {
    Index(Index),
    Limits(Limits),
    Rule(Rule),
    Settings(BTreeMap<String, Value>),
}

/// An index.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    /// The table it is on.
    table: String,
    /// What it sorts by.
    columns: Vec<String>,
    /// Which rows it holds.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    predicate: Option<String>,
    /// Whether a value occurs once.
    #[serde(default)]
    unique: bool,
    /// How it is stored.
    #[serde(default)]
    method: Method,
    #[serde(default)]
    with: BTreeMap<String, Value>,
}

/// A way of storing an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Method {
    #[default]
    Btree,
    Hash,
    Gin,
}

/// Limits of the whole.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct Limits {
    /// How many may connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_connections: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<Percent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hsts: Option<Hsts>,
}

/// A nested table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Hsts {
    max_age: Duration,
    #[serde(default)]
    preload: bool,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Where its rows come from.
    source: Source,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    attempts: Vec<u8>,
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Source {
    None,
    File(String),
    Hot { pattern: String, top: u32 },
}

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "index",
        doc: "an index",
        comparison: Comparison::Whole,
        many: Many::Named,
        replaces: &["columns"],
        prunable: true,
    },
    Kind {
        name: "limits",
        doc: "limits of the whole",
        comparison: Comparison::Partial,
        many: Many::One,
        replaces: &[],
        prunable: false,
    },
    Kind {
        name: "rule",
        doc: "a rule",
        comparison: Comparison::Whole,
        many: Many::Named,
        replaces: &[],
        prunable: true,
    },
    Kind {
        name: "settings",
        doc: "server settings",
        comparison: Comparison::Partial,
        many: Many::One,
        replaces: &[],
        prunable: false,
    },
];

/// Nothing is ever run.
#[derive(Debug)]
pub(crate) struct Nothing;

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

fn no_system<T>() -> Result<T> {
    Err(Error::failed("the sample reaches no system"))
}

impl Provider for Sample {
    const NAME: &'static str = "shopdb";
    const DOC: &'static str = "a shop's database";
    const KINDS: &'static [Kind] = KINDS;
    const HAZARDS: &'static [crate::model::HazardKind] = &[];
    const GRANTS: Grants = Grants { plan: "", apply: "" };
    type Settings = Settings;
    type Spec = Spec;
    type Site = ();
    type Op = Nothing;
    type Lock = ();

    async fn connect(_: Settings, _: Context) -> Result<Self> {
        no_system()
    }

    async fn read(&self, _: &Scope<'_, Spec>) -> Result<Reading<(), Spec>> {
        no_system()
    }

    fn steps((): &(), _: &[Delta<Spec>]) -> Vec<Draft<Nothing>> {
        Vec::new()
    }

    async fn lock(&self, _: &Holder) -> Result<Claim<()>> {
        no_system()
    }

    async fn unlock(&self) -> Result<String> {
        no_system()
    }

    async fn run(&self, _: &Nothing, _: &Progress) -> Result<()> {
        no_system()
    }
}
