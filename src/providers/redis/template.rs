//! Templates of keys and values: text with `{column}` and `{row}`, filled from one line of JSON without reading more of it than is asked for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A compiled template.
#[derive(Clone, Debug, Default)]
pub struct Template {
    parts: Arc<[Part]>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Column(String),
    Row,
}

impl Template {
    /// Compiles `text`; `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, tail) = rest[at..].split_at(1);
            if let Some(tail) = tail.strip_prefix(brace) {
                plain.push_str(brace);
                rest = tail;
                continue;
            }
            let Some((name, tail)) = (brace == "{").then(|| tail.split_once('}')).flatten() else {
                return Err(format!("`{text}` has a lone `{brace}`; write `{brace}{brace}` for the character itself"));
            };
            if name.is_empty() {
                return Err(format!("`{text}` has empty braces; name a column, or `row`"));
            }
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(if name == "row" { Part::Row } else { Part::Column(name.to_owned()) });
            rest = tail;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts: parts.into() })
    }

    /// The template of the empty text.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether it takes in the whole row.
    pub fn takes_row(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Row))
    }

    /// Whether every row gives the same.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The columns it names.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            _ => None,
        })
    }

    fn fill<'a>(&'a self, row: &'a str, columns: &'a [(&str, Option<Cow<'_, str>>)]) -> Result<Vec<u8>, String> {
        let text = |part: &'a Part| match part {
            Part::Text(text) => Ok(text.as_str()),
            Part::Row => Ok(row),
            Part::Column(name) => match columns.iter().find(|(column, _)| column == name) {
                Some((_, Some(value))) => Ok(value.as_ref()),
                _ => Err(format!("the row has no `{name}`")),
            },
        };
        // Keys and values wait by the thousand: each has the size that it needs and no more.
        let mut size = 0;
        for part in &*self.parts {
            size += text(part)?.len();
        }
        let mut out = Vec::with_capacity(size);
        for part in &*self.parts {
            out.extend_from_slice(text(part)?.as_bytes());
        }
        Ok(out)
    }
}

/// Fills a key's and a value's template from one line of JSON.
#[derive(Debug)]
pub struct Filler {
    key: Template,
    value: Template,
    columns: Vec<String>,
}

impl Filler {
    /// For these templates.
    pub fn new(key: Template, value: Template) -> Self {
        let mut columns: Vec<String> = key.columns().chain(value.columns()).map(str::to_owned).collect();
        columns.sort();
        columns.dedup();
        Self { key, value, columns }
    }

    /// The key and the value of a row.
    ///
    /// # Errors
    /// Why the row gives none.
    pub fn fill(&self, row: &str) -> Result<(Vec<u8>, Vec<u8>), String> {
        let row = row.trim();
        let mut columns: Vec<(&str, Option<Cow<'_, str>>)> =
            self.columns.iter().map(|name| (name.as_str(), None)).collect();
        let mut json = serde_json::Deserializer::from_str(row);
        Pick(&mut columns).deserialize(&mut json).and_then(|()| json.end()).map_err(|error| error.to_string())?;
        Ok((self.key.fill(row, &columns)?, self.value.fill(row, &columns)?))
    }
}

/// Reads a JSON object and keeps some of its members as text.
struct Pick<'a, 'b>(&'b mut [(&'a str, Option<Cow<'a, str>>)]);

impl<'de: 'a, 'a> DeserializeSeed<'de> for Pick<'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Pick<'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            match self.0.iter_mut().find(|(column, _)| *column == name) {
                Some((_, slot)) => *slot = map.next_value_seed(Cell)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A member's name, borrowed where it can be.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A member's value as text; `None` for null.
struct Cell;

impl<'de> DeserializeSeed<'de> for Cell {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // As it is written: no number goes through a float, and nothing is built to be printed again.
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        match raw.as_bytes() {
            b"null" => Ok(None),
            [b'"', text @ .., b'"'] if !text.contains(&b'\\') => Ok(Some(Cow::Borrowed(&raw[1..raw.len() - 1]))),
            [b'"', ..] => serde_json::from_str(raw).map(|text: String| Some(text.into())).map_err(D::Error::custom),
            _ => Ok(Some(Cow::Borrowed(raw))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fill_templates() {
        let check = |key: &str, value: &str, row: &str, expected: &str| {
            let filled = Template::new(key)
                .and_then(|key| Ok(Filler::new(key, Template::new(value)?)))
                .and_then(|filler| filler.fill(row));
            let shown = filled
                .map(|(key, value)| format!("{} = {}", String::from_utf8_lossy(&key), String::from_utf8_lossy(&value)));
            assert_eq!(shown.unwrap_or_else(|e| e), expected);
        };
        let row = r#" {"id": 7, "name": "a\"b", "tags": [1, "x"], "none": null, "price": 1.5, "in": {"stock": true}} "#;
        check("product:{id}", "{name}", row, "product:7 = a\"b");
        check("product:{id}", "{row}", r#" {"id":7} "#, "product:7 = {\"id\":7}");
        check(
            "n:{n}",
            "{n}",
            r#"{"n": 12345678901234567890.10}"#,
            "n:12345678901234567890.10 = 12345678901234567890.10",
        );
        check("p:{id}:{price}", "{tags}|{in}|{{}}", row, "p:7:1.5 = [1, \"x\"]|{\"stock\": true}|{}");
        check("p:{none}", "x", row, "the row has no `none`");
        check("p:{nope}", "x", row, "the row has no `nope`");
        check("p:{id}", "x", r#"{"id": 7"#, "EOF while parsing an object at line 1 column 8");
        check("p:{id}", "x", r#"{"id": 7} x"#, "trailing characters at line 1 column 11");
        check("p:{id}", "x", "[1]", "invalid type: sequence, expected a JSON object at line 1 column 0");
        check("p:{id", "x", row, "`p:{id` has a lone `{`; write `{{` for the character itself");
        check("p:{}", "x", row, "`p:{}` has empty braces; name a column, or `row`");
    }
}
