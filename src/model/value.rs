//! Plain values: what a typed specification becomes once it has left its provider.

use serde::Serialize;

use crate::error::{Error, Result};

/// A plain value. `null` never occurs: an attribute that is not there is left out.
pub type Value = serde_json::Value;

/// The attributes of one resource, in the order in which the provider declares them. Equality ignores the order.
pub type Attributes = serde_json::Map<String, Value>;

/// Turns a provider's externally tagged specification (`{"index": {…}}`) into its attributes.
///
/// # Errors
/// A specification that does not serialise to one tagged table is a bug of its provider.
pub fn erase<S: Serialize>(spec: &S) -> Result<Attributes> {
    let bug = |what: String| Error::bug(format!("a specification does not serialise to a tagged table: {what}"));
    match serde_json::to_value(spec).map_err(|e| bug(e.to_string()))? {
        Value::Object(tagged) if tagged.len() == 1 => match tagged.into_iter().next() {
            Some((_, Value::Object(attributes))) => Ok(without_nulls(attributes)),
            other => Err(bug(format!("{other:?}"))),
        },
        other => Err(bug(other.to_string())),
    }
}

fn without_nulls(attributes: Attributes) -> Attributes {
    attributes
        .into_iter()
        .filter_map(|(key, value)| match value {
            Value::Null => None,
            Value::Object(inner) => Some((key, Value::Object(without_nulls(inner)))),
            value => Some((key, value)),
        })
        .collect()
}

/// A value as the policy language writes it, on one line: `"a"`, `[1, 2]`, `{ b = true }`.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => show_text(text),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".into(),
        Value::Object(map) => {
            let pairs: Vec<_> = map.iter().map(|(k, v)| format!("{} = {}", show_key(k), show(v))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn show_text(text: &str) -> String {
    // JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
    Value::String(text.to_owned()).to_string().replace('\u{7f}', "\\u007F")
}

/// A key as the policy language writes it: quoted only where it has to be.
pub fn show_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { show_text(key) }
}

/// The value with every map sorted by key: equal values give equal bytes.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(keys.into_iter().map(|(k, v)| (k.clone(), canonical(v))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_policy_text() {
        let check = |value: Value, expected: &str| assert_eq!(show(&value), expected);
        check(json!("a\"b"), r#""a\"b""#);
        check(json!(["a", 1, true]), r#"["a", 1, true]"#);
        check(json!({"a b": {"c": 1}}), r#"{ "a b" = { c = 1 } }"#);
    }

    #[test]
    fn canonical_sorts_keys_at_every_depth() {
        assert_eq!(canonical(&json!({"b": [{"d": 1, "c": 2}], "a": 0})).to_string(), r#"{"a":0,"b":[{"c":2,"d":1}]}"#);
    }
}
