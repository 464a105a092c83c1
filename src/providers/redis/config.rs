//! Server settings: CONFIG parameters, each in the one form in which `==` is equality, and what changing them does to people.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::parameter;
use super::servers::{Node, Shape};
use super::site::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Hazard, ResourceId, text};
use crate::provider::Problem;

/// CONFIG parameters. What is not written stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Parameters(pub BTreeMap<String, Parameter>);

/// A parameter's value, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Parameter(pub String);

impl JsonSchema for Parameter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "boolean", "array"], "items": { "type": "string" } })
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Parameter;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true or false, or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Parameter, E> {
                Ok(Parameter(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<Parameter, E> {
                Ok(Parameter(if is_on { "yes" } else { "no" }.into()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Parameter, E> {
                Ok(Parameter(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Parameter, E> {
                Ok(Parameter(number.to_string()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parameter, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element::<String>()? {
                    all.push(item);
                }
                Ok(Parameter(all.join(" ")))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Reads the parameters of every node; where nodes differ, the value of the first that is not as `wanted`.
///
/// # Errors
/// `Denied` where the server does not let anybody ask.
pub async fn read(shape: &Shape, wanted: Option<&Parameters>) -> Result<Parameters> {
    let mut found: Option<Parameters> = None;
    for node in &shape.nodes {
        let here = read_node(node).await?;
        let Some(found) = &mut found else {
            found = Some(here);
            continue;
        };
        for (name, value) in here.0 {
            let want = wanted.and_then(|wanted| wanted.0.get(&name));
            let is_as_wanted = |value: &Parameter| {
                want.is_some_and(|want| parameter::form(&name, want, value).is_ok_and(|w| w == *value))
            };
            if want.is_some() && found.0.get(&name).is_some_and(is_as_wanted) {
                found.0.insert(name, value);
            }
        }
    }
    Ok(found.unwrap_or_default())
}

async fn read_node(node: &Node) -> Result<Parameters> {
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg("*");
    let raw: Vec<(String, String)> = node.query(ask).await.map_err(|error| match error.kind() {
        ErrorKind::Failed => Error::new(ErrorKind::Denied, format!("the server does not allow CONFIG: {error}")),
        _ => error,
    })?;
    let known = raw.into_iter().filter(|(name, _)| !parameter::is_secret(name));
    Ok(Parameters(known.map(|(name, value)| (name.clone(), Parameter(parameter::print(&name, &value)))).collect()))
}

/// Brings `want` to the form of `live`, and says what the server would not take.
pub fn canonical(id: &ResourceId, want: &mut Parameters, live: &Parameters) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in &mut want.0 {
        let Some(there) = live.0.get(name) else {
            let mut problem = Problem::of(id, format!("this server has no parameter `{name}`")).at(name.as_str());
            if let Some(near) = text::nearest(name, live.0.keys().map(String::as_str)) {
                problem = problem.hint(format!("did you mean `{near}`?"));
            }
            problems.push(problem);
            continue;
        };
        match parameter::form(name, value, there) {
            Ok(formed) => *value = formed,
            Err(message) => {
                problems.push(Problem::of(id, message).at(name.as_str()));
                continue;
            }
        }
        if value != there && parameter::is_fixed(name) {
            problems.push(
                Problem::of(id, format!("`{name}` is {}, and only a start of the server can change it", there.0))
                    .at(name.as_str())
                    .hint("change it in the server's own configuration file, or leave it out here"),
            );
        }
    }
    problems
}

/// What of `live` an export shows: what can be changed and is no business of one host alone.
pub fn portable(live: &Parameters) -> Parameters {
    let is_portable = |name: &str| !parameter::is_fixed(name) && !parameter::is_local(name);
    Parameters(live.0.iter().filter(|(name, _)| is_portable(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
}

/// Sets parameters, all or none of them on each node, and has the file rewritten.
#[derive(Clone, Debug)]
pub struct Configure {
    /// Names and values, as they are sent.
    pub pairs: Vec<(String, String)>,
    /// Whether the server is to write them to its file.
    pub rewrite: bool,
}

impl Configure {
    /// Sets what differs.
    pub fn new(want: &Parameters, changed: &[String], rewrite: bool) -> Self {
        let pairs = want.0.iter().filter(|(name, _)| changed.contains(name));
        Self { pairs: pairs.map(|(name, value)| (name.clone(), value.0.clone())).collect(), rewrite }
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first refusal. What one node took before stays.
    pub async fn run(&self, shape: &Shape) -> Result<()> {
        for node in &shape.nodes {
            let mut set = redis::cmd("CONFIG");
            set.arg("SET");
            for (name, value) in &self.pairs {
                set.arg(name).arg(value);
            }
            node.query::<()>(set).await.map_err(|error| error.context(&node.address))?;
        }
        if self.rewrite {
            for node in &shape.nodes {
                let mut rewrite = redis::cmd("CONFIG");
                rewrite.arg("REWRITE");
                node.query::<()>(rewrite).await.map_err(|error| {
                    error
                        .context(format!("{}: set, but not written to its file", node.address))
                        .hint("let the server write its file, or say `persist = \"none\"` for this target")
                })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Configure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("config set")?;
        for (name, value) in &self.pairs {
            if value.is_empty() || value.contains(char::is_whitespace) {
                write!(f, " {name} \"{value}\"")?;
            } else {
                write!(f, " {name} {value}")?;
            }
        }
        f.write_str(if self.rewrite { "; config rewrite" } else { "" })
    }
}

/// What setting these parameters may do to people.
pub fn hazards(site: &Site, live: &Parameters, want: &Parameters, changed: &[String]) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let after = |name: &str| {
        let value = want.0.get(name).filter(|_| changed.iter().any(|changed| changed == name));
        value.or_else(|| live.0.get(name)).map_or("", |value| value.0.as_str())
    };
    let policy = after("maxmemory-policy");
    let limit = match parameter::memory(after("maxmemory")) {
        Some(0) | None => u64::MAX,
        Some(bytes) => bytes,
    };
    let touches = |name: &str| changed.iter().any(|changed| changed == name);
    if (touches("maxmemory") || touches("maxmemory-policy")) && site.used_memory > limit {
        let over = site.used_memory - limit;
        let share = u128::from(site.keys) * u128::from(over) / u128::from(site.used_memory.max(1));
        let keys = super::scan::count_keys(u64::try_from(share).unwrap_or(u64::MAX));
        let used = format!("{} used, {} allowed", text::size(site.used_memory), text::size(limit));
        hazards.push(if policy == "noeviction" {
            super::REFUSES_WRITES.with(format!("{used}: every write fails until {} are freed", text::size(over)))
        } else {
            super::EVICTS_KEYS.with(format!("{used}: about {keys} would be evicted at once"))
        });
    }
    let before = live.0.get("maxmemory-policy").map_or("", |value| value.0.as_str());
    // How many keys an eviction policy can take: none, those that expire, all.
    let reach = |policy| parameter::policy_reach(policy).unwrap_or_default();
    if touches("maxmemory-policy") && reach(policy) > reach(before) {
        let endless = site.keys.saturating_sub(site.expiring);
        let which = match reach(policy) {
            1 => format!("{} with an expiry may be evicted early", super::scan::count_keys(site.expiring)),
            _ => format!("{} without an expiry may now be evicted", super::scan::count_keys(endless)),
        };
        hazards.push(super::LOOSENS_POLICY.with(format!("`{before}` to `{policy}`: {which}")));
    }
    hazards
}
