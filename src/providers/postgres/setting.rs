//! Values of server parameters as a policy writes them, and the one form in which both sides are compared.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::quote;

/// The word that takes a setting out of where it was set: `work_mem = "default"`.
pub const DEFAULT: &str = "default";

/// A parameter's value: `true`, `200`, `1.1`, `"64MB"`, `["a", "b"]`.
///
/// After [`super::parameter::Parameter::canonical`] there is one spelling per value, so that `==` is equality.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `true`
    Bool(bool),
    /// `200`: without a unit, or in the parameter's own base unit.
    Int(i64),
    /// `1.1`
    Float(f64),
    /// `"64MB"`
    Text(String),
    /// `["$user", "public"]`
    List(Vec<String>),
}

impl Setting {
    /// Whether it is the word that takes a setting out.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Text(text) if text.eq_ignore_ascii_case(DEFAULT))
    }

    /// The value as it stands after `=` in `alter … set`.
    pub fn sql(&self) -> String {
        match self {
            Self::Bool(true) => "on".into(),
            Self::Bool(false) => "off".into(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => quote::literal(text),
            Self::List(items) if items.is_empty() => quote::literal(""),
            Self::List(items) => items.iter().map(|item| quote::literal(item)).collect::<Vec<_>>().join(", "),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("on"),
            Self::Bool(false) => f.write_str("off"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(", ")),
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Setting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true, false, or a list of texts")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Setting, E> {
                Ok(Setting::Bool(value))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Setting, E> {
                Ok(Setting::Int(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Setting, E> {
                i64::try_from(number).map(Setting::Int).map_err(|_| E::custom("the number is too large"))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Setting, E> {
                Ok(Setting::Float(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Setting, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Setting::List(items))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PostgresSetting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "type": "string" }, { "type": "number" }, { "type": "boolean" },
            { "type": "array", "items": { "type": "string" } }
        ] })
    }
}
