//! Where a handler is in a configuration: by its `@id`, or by its path.

use crate::model::Value;

/// A handler, as the policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its `@id`.
    Id(String),
    /// By its path.
    Path(Vec<String>),
}

impl Place {
    /// Reads what the policy says.
    pub fn parse(text: &str) -> Self {
        let path = text.trim_matches('/');
        let path = path.strip_prefix("config/").unwrap_or(path);
        if path.starts_with("apps/") {
            Self::Path(path.split('/').map(str::to_owned).collect())
        } else {
            Self::Id(text.to_owned())
        }
    }

    /// Where the admin endpoint has it.
    pub fn url(&self) -> String {
        match self {
            Self::Id(id) => format!("/id/{id}"),
            Self::Path(path) => format!("/config/{}", path.join("/")),
        }
    }

    /// Its path in a whole configuration; `None` where there is no such object.
    pub fn locate(&self, config: &Value) -> Option<Vec<String>> {
        match self {
            Self::Path(path) => step(config, path).filter(|value| value.is_object()).map(|_| path.clone()),
            Self::Id(id) => search(config, id),
        }
    }
}

/// The value at a path.
pub fn step<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    })
}

fn search(value: &Value, id: &str) -> Option<Vec<String>> {
    let inside = |key: String, value: &Value| {
        let rest = search(value, id)?;
        Some(std::iter::once(key).chain(rest).collect())
    };
    match value {
        Value::Object(members) if members.get("@id").and_then(Value::as_str) == Some(id) => Some(Vec::new()),
        Value::Object(members) => members.iter().find_map(|(key, value)| inside(key.clone(), value)),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, value)| inside(at.to_string(), value)),
        _ => None,
    }
}

#[test]
fn handlers_are_found_by_id_and_by_path() {
    let config = serde_json::json!({ "apps": { "http": { "routes": [{}, { "handle": [{ "@id": "lb" }] }] } } });
    let check = |text: &str, expected: Option<&str>| {
        let found = Place::parse(text).locate(&config).map(|path| path.join("/"));
        assert_eq!(found.as_deref(), expected, "{text}");
    };
    check("lb", Some("apps/http/routes/1/handle/0"));
    check("/config/apps/http/routes/1/handle/0", Some("apps/http/routes/1/handle/0"));
    check("apps/http/routes/2", None);
    check("other", None);
}
