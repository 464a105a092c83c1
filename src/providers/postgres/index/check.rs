//! What can be said of declared indexes without a server: names, lengths, texts that could not be laid into a statement.

use std::collections::BTreeMap;

use super::name::{self, LONGEST, Relation};
use super::{Index, text};
use crate::model::{ResourceId, Value};
use crate::provider::{Problem, Want};
use crate::providers::postgres::{Settings, Spec, quote};

/// Checks all declared indexes.
pub fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let home = settings.schemas.first().map_or("public", String::as_str);
    let mut problems = Vec::new();
    let mut seen: BTreeMap<Relation, &ResourceId> = BTreeMap::new();
    for want in wants {
        let Some(Spec::Index(spec)) = &want.spec else { continue };
        one(&want.id, spec, &mut problems);
        let Some(index) = name::index_of(&want.id, spec, home) else { continue };
        if let Some(other) = seen.insert(index.clone(), &want.id) {
            problems.push(Problem::of(&want.id, format!("is the index `{}`, as is `{other}`", index.full())));
        }
    }
    for want in wants {
        let Some(Spec::Index(spec)) = &want.spec else { continue };
        let (Some(from), Some(index)) = (&spec.rename_from, name::index_of(&want.id, spec, home)) else { continue };
        if let Some(other) = seen.get(&Relation::new(index.schema, from.as_str())) {
            let what = if **other == want.id {
                "is renamed to its own name".to_owned()
            } else {
                format!("takes its name from `{other}`, which is declared itself")
            };
            problems
                .push(Problem::of(&want.id, what).at("rename_from").hint("leave `rename_from` out once it is renamed"));
        }
    }
    problems
}

fn one(id: &ResourceId, spec: &Index, problems: &mut Vec<Problem>) {
    let Index {
        name,
        table,
        columns,
        predicate,
        include,
        unique,
        method,
        with,
        nulls_distinct,
        tablespace,
        rename_from,
        valid,
    } = spec;
    let mut tell = |attribute: &str, message: String| problems.push(Problem::of(id, message).at(attribute));
    let names =
        [("name", name.as_deref()), ("rename_from", rename_from.as_deref()), ("tablespace", tablespace.as_deref())];
    for (attribute, name) in names {
        if let Some(why) = name.and_then(bad_name) {
            tell(attribute, why);
        }
    }
    if name.is_none()
        && let Some(why) = bad_name(id.label())
    {
        problems.push(Problem::of(id, why));
    }
    let mut tell = |attribute: &str, message: String| problems.push(Problem::of(id, message).at(attribute));
    if Relation::parse(table, "").is_none() {
        tell(
            "table",
            format!("`{table}` is no table's name; write it as \"users\", \"sales.orders\" or '\"Weird Name\"'"),
        );
    }
    if columns.is_empty() {
        tell("columns", "an index has at least one column".to_owned());
    }
    if columns.len() + include.len() > 32 {
        tell("columns", "an index has at most 32 columns, those in `include` counted".to_owned());
    }
    let texts = columns.iter().map(|column| ("columns", column)).chain(predicate.iter().map(|text| ("where", text)));
    for (attribute, text) in texts {
        if let Err(why) = text::check(text) {
            tell(attribute, format!("`{text}` {why}"));
        }
    }
    for column in include {
        if !matches!(quote::split(column).as_deref(), Some([_])) {
            tell("include", format!("`{column}` is no column's name"));
        }
    }
    if !matches!(quote::split(method).as_deref(), Some([_])) {
        tell("method", format!("`{method}` is no access method's name"));
    }
    for (key, value) in with {
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !bare || matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
            tell("with", format!("`{key}` is no storage parameter with a plain value"));
        }
    }
    if !nulls_distinct && !unique {
        tell("nulls_distinct", "only a unique index can tell nulls apart or not".to_owned());
    }
    if !valid {
        tell("valid", "`valid` is only read: false is what a failed build left behind".to_owned());
    }
}

fn bad_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("a name is empty".to_owned());
    }
    if name.contains('\0') {
        return Some(format!("`{name}` has a control character"));
    }
    (name.len() > LONGEST).then(|| format!("`{name}` has {} bytes, and the server keeps only {LONGEST}", name.len()))
}
