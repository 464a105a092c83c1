//! Where a handler is in a configuration, by its `@id` or by its path, and what stands around it.

use crate::model::Value;

/// A handler, as the policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its `@id`.
    Id(String),
    /// By its path.
    Path(Vec<String>),
}

/// How much of a configuration is at hand: the less is written at once, the less of what others do is in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The handler alone.
    Handler,
    /// The server that holds it.
    Server,
    /// All apps: certificates are not the server's.
    Apps,
    /// Everything.
    Whole,
}

/// The paths of what matters, from the root of a [`Part`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The handler.
    pub handler: Vec<String>,
    /// The server that holds it, where that is at hand.
    pub server: Option<Vec<String>>,
    /// What the certificates are loaded from, likewise.
    pub store: Option<Vec<String>>,
}

const SERVERS: [&str; 3] = ["apps", "http", "servers"];
const STORE: [&str; 3] = ["apps", "tls", "certificates"];

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

    /// Where it is in a part of a configuration; `None` where there is no such object.
    pub fn locate(&self, part: Part, value: &Value) -> Option<Spot> {
        let handler = match self {
            Self::Id(id) => search(value, id)?,
            Self::Path(path) => path.get(part.depth(path.len())..)?.to_vec(),
        };
        step(value, &handler).filter(|value| value.is_object())?;
        let above = |path: &[&str]| -> Vec<String> {
            path[part.depth(path.len()).min(path.len())..].iter().map(ToString::to_string).collect()
        };
        let servers = above(&SERVERS);
        let server = match part {
            Part::Server => Some(Vec::new()),
            Part::Apps | Part::Whole if handler.starts_with(&servers) => {
                handler.get(..=servers.len()).map(<[String]>::to_vec)
            }
            Part::Handler | Part::Apps | Part::Whole => None,
        };
        let store = matches!(part, Part::Apps | Part::Whole).then(|| above(&STORE));
        Some(Spot { handler, server, store })
    }
}

impl Part {
    /// How far below the root of everything it begins; a handler is `deepest`.
    fn depth(self, deepest: usize) -> usize {
        match self {
            Self::Handler => deepest,
            Self::Server => SERVERS.len() + 1,
            Self::Apps => 1,
            Self::Whole => 0,
        }
    }
}

impl Spot {
    /// Where the admin endpoint has the server, of a spot among all apps.
    pub fn server_url(&self) -> Option<String> {
        self.server.as_ref().map(|path| format!("{APPS}/{}", path.join("/")))
    }

    /// Where it has the handler, likewise.
    pub fn handler_url(&self) -> String {
        format!("{APPS}/{}", self.handler.join("/"))
    }
}

/// Where the admin endpoint has all apps.
pub const APPS: &str = "/config/apps";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_found_by_id_and_by_path_in_every_part() {
        let config = serde_json::json!({ "apps": { "http": { "servers": { "web": { "routes": [{}, { "handle": [{ "@id": "lb" }] }] } } } } });
        let check = |text: &str, part: Part, value: &str, expected: Option<(&str, Option<&str>, Option<&str>)>| {
            let value = config.pointer(value).expect("a part");
            let found = Place::parse(text).locate(part, value);
            let found = found.map(|spot| {
                (spot.handler.join("/"), spot.server.map(|path| path.join("/")), spot.store.map(|path| path.join("/")))
            });
            let expected = expected
                .map(|(handler, server, store)| (handler.into(), server.map(str::to_owned), store.map(str::to_owned)));
            assert_eq!(found, expected, "{text} {part:?}");
        };
        let path = "apps/http/servers/web/routes/1/handle/0";
        for name in ["lb", path, &format!("/config/{path}")] {
            check(name, Part::Whole, "", Some((path, Some("apps/http/servers/web"), Some("apps/tls/certificates"))));
            check(name, Part::Apps, "/apps", Some((&path[5..], Some("http/servers/web"), Some("tls/certificates"))));
            check(name, Part::Server, "/apps/http/servers/web", Some(("routes/1/handle/0", Some(""), None)));
            check(name, Part::Handler, &format!("/{path}"), Some(("", None, None)));
        }
        check("apps/http/servers/web/routes/2", Part::Whole, "", None);
        check("other", Part::Whole, "", None);
    }
}
