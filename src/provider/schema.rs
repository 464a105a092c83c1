//! The JSON Schema of a policy file, with which an editor completes and checks one. Made from what the providers declare; knows none of them.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Descriptor;
use crate::model::{Kind, Many};
use crate::policy::{Limits, ResourceKeys};

/// Where definitions stand in the schema.
const DEFINITIONS: &str = "#/$defs/";

/// The schema of one policy file, draft 2020-12. A file may be one of several, so what another file can add is not required of it.
/// An overlay that writes a resource in part is an exception: of that, an editor says what is missing.
pub fn policy_schema(registry: &[Descriptor]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let guards = generator.subschema_for::<Limits>().to_value();
    let engine = Keys { target: guards.clone(), resource: properties_of::<ResourceKeys>(&mut generator) };
    let schemas: Vec<(Schema, Schema)> = registry.iter().map(|provider| (provider.schema)(&mut generator)).collect();

    let mut definitions = generator.take_definitions(true);
    let (mut top, mut defaults) = (Map::new(), Map::new());
    for (provider, (settings, spec)) in registry.iter().zip(&schemas) {
        for kind in provider.kinds {
            let resource = resource(kind, spec.as_value(), &engine, &definitions);
            definitions.insert(format!("{}.{}", provider.name, kind.name), resource);
        }
        let (target, shared) = target(provider, settings.as_value(), &engine, &definitions);
        definitions.insert(provider.name.to_owned(), target);
        let targets = json!({ "$ref": format!("{DEFINITIONS}{}", provider.name) });
        top.insert(provider.name.to_owned(), table_of(provider.doc, &targets));
        defaults.insert(provider.name.to_owned(), shared);
    }
    top.insert("guards".into(), described(guards, "Limits for all targets."));
    top.insert("defaults".into(), closed("Settings for every target of a provider.", &defaults));

    let mut schema = closed("A policy: what is wanted of the systems that it names.", &top);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "evenkeel policy".into();
    let used = used(&schema, &definitions);
    definitions.retain(|name, _| used.contains(name));
    schema["$defs"] = Value::Object(definitions);
    without_null(schema)
}

/// The schemas of the engine's own keys.
struct Keys {
    /// Of `guards` on a target.
    target: Value,
    resource: Map<String, Value>,
}

fn properties_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = T::json_schema(generator).to_value();
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// A table with these keys and no others.
fn closed(description: &str, properties: &Map<String, Value>) -> Value {
    json!({ "type": "object", "description": description, "properties": properties, "additionalProperties": false })
}

/// A table with names for keys.
fn table_of(description: &str, items: &Value) -> Value {
    json!({ "type": "object", "description": description, "additionalProperties": items })
}

/// A schema with a description, unless it has one.
fn described(mut schema: Value, description: &str) -> Value {
    if let Value::Object(keys) = &mut schema {
        keys.entry("description").or_insert_with(|| description.into());
    }
    schema
}

/// The schema itself, where it only says under which name it is.
fn resolve<'a>(mut schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    while let Some(found) = reference(schema).and_then(|name| definitions.get(name)) {
        schema = found;
    }
    schema
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(DEFINITIONS)
}

/// `[provider.target]`, and what of it may stand in `[defaults.provider]`.
fn target(provider: &Descriptor, settings: &Value, engine: &Keys, definitions: &Map<String, Value>) -> (Value, Value) {
    let settings = resolve(settings, definitions);
    let mut properties = settings.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let prunable: Vec<_> = provider.kinds.iter().filter(|kind| kind.prunable).map(|kind| kind.name).collect();
    if !prunable.is_empty() {
        let prune = json!({
            "type": "array", "items": { "enum": prunable }, "uniqueItems": true,
            "description": "Kinds whose whole set this policy owns: what it does not declare is deleted.",
        });
        properties.insert("prune".into(), prune);
    }
    properties.insert("guards".into(), described(engine.target.clone(), "Limits for this target."));
    let shared = closed(provider.doc, &properties);
    let for_each = json!({
        "type": "array", "items": { "type": "string" }, "uniqueItems": true,
        "description": "One target per item; `{each}` stands for the item in names and texts.",
    });
    properties.insert("for_each".into(), for_each);
    for kind in provider.kinds {
        let resource = json!({ "$ref": format!("{DEFINITIONS}{}.{}", provider.name, kind.name) });
        let schema = match kind.many {
            Many::One => resource,
            Many::Named => table_of(kind.doc, &resource),
        };
        properties.insert(kind.name.to_owned(), schema);
    }
    (closed(provider.doc, &properties), shared)
}

/// A resource of a kind: its variant of the specification, with the engine's own keys.
fn resource(kind: &Kind, spec: &Value, engine: &Keys, definitions: &Map<String, Value>) -> Value {
    let spec = resolve(spec, definitions);
    let variants = ["oneOf", "anyOf"].into_iter().filter_map(|key| spec.get(key)?.as_array()).flatten();
    let variant = variants.chain([spec]).find_map(|variant| variant.get("properties")?.get(kind.name));
    let variant = variant.map(|variant| resolve(variant, definitions)).cloned();
    let Value::Object(mut resource) = variant.unwrap_or_else(|| json!({ "type": "object" })) else {
        return json!({ "type": "object" });
    };
    resource.insert("description".into(), kind.doc.into());
    if let Some(required) = resource.remove("required") {
        // What is not to be there need not be described.
        resource.insert("if".into(), json!({ "properties": { "absent": { "const": true } }, "required": ["absent"] }));
        resource.insert("then".into(), true.into());
        resource.insert("else".into(), json!({ "required": required }));
    }
    let properties = resource.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.extend(engine.resource.clone());
    }
    Value::Object(resource)
}

/// The names of the definitions that a schema uses, and that those use.
fn used(schema: &Value, definitions: &Map<String, Value>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        if let Some(name) = reference(value)
            && let Some(definition) = definitions.get(name)
            && used.insert(name.to_owned())
        {
            open.push(definition);
        }
        match value {
            Value::Object(map) => open.extend(map.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    used
}

/// TOML has no null, so a key that may be left out does not take one.
fn without_null(schema: Value) -> Value {
    match schema {
        Value::Array(items) => Value::Array(items.into_iter().map(without_null).collect()),
        Value::Object(mut map) => {
            if map.get("default").is_some_and(Value::is_null) {
                map.shift_remove("default");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
            if let Some(Value::Array(mut choices)) = map.shift_remove("anyOf") {
                choices.retain(|choice| !is_null(choice));
                match choices.pop() {
                    Some(Value::Object(only)) if choices.is_empty() => {
                        only.into_iter().for_each(|(key, value)| {
                            map.entry(key).or_insert(value);
                        });
                    }
                    last => {
                        choices.extend(last);
                        map.insert("anyOf".into(), Value::Array(choices));
                    }
                }
            }
            Value::Object(map.into_iter().map(|(key, value)| (key, without_null(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::sample::REGISTRY;

    #[test]
    fn a_policy_has_one_schema() {
        let schema = policy_schema(REGISTRY);
        insta::assert_snapshot!(serde_json::to_string_pretty(&schema).expect("it is plain data"));
    }

    #[test]
    fn every_reference_is_there_and_none_is_null() {
        let schema = policy_schema(REGISTRY);
        let definitions = schema["$defs"].as_object().expect("there are definitions");
        let text = schema.to_string();
        for name in text.split(DEFINITIONS).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(definitions.contains_key(name), "{name}");
        }
        assert!(!text.contains("null"), "{text}");
    }
}
