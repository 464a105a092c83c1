//! What a policy must not say of a `PgBouncer`: first what can be known offline, then what only the server knows.

use super::layer::{self, Layer};
use super::site::Site;
use super::spec::{Settings, Spec};
use super::steps;
use super::{catalog, ini};
use crate::error::Result;
use crate::model::{ResourceId, Value, text};
use crate::provider::{Pairing, Problem, Want};

/// Checks without the server.
pub fn offline(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if settings.admin_url.is_none() && settings.config.is_none() {
        problems.push(Problem {
            id: None,
            attribute: None,
            message: "neither `admin_url` nor `config` says where this PgBouncer is".into(),
            hint: Some("add config = \"/etc/pgbouncer/pgbouncer.ini\", or admin_url, or both".into()),
        });
    }
    for Want { id, spec, .. } in wants {
        match spec {
            None if id.kind == "settings" => {
                problems.push(Problem::of(id, "settings cannot be absent").hint("leave the table out instead"));
            }
            None if settings.config.is_none() => problems.push(needs_file(id, "removing an entry")),
            None => {}
            Some(Spec::Settings(parameters)) => {
                problems.extend(parameters.0.iter().filter_map(|(key, value)| parameter(settings, id, key, value)));
                let number = |key: &str| parameters.0.get(key).and_then(Value::as_i64);
                if let (Some(least), Some(most)) = (number("min_pool_size"), number("default_pool_size"))
                    && least > most
                {
                    problems.push(
                        Problem::of(id, format!("min_pool_size {least} is over default_pool_size {most}"))
                            .at("min_pool_size"),
                    );
                }
            }
            Some(spec @ Spec::Pool(_)) => problems.extend(pool(id, spec)),
        }
    }
    problems
}

fn needs_file(id: &ResourceId, what: &str) -> Problem {
    Problem::of(id, format!("{what} is possible in the file only"))
        .hint("add config = \"/etc/pgbouncer/pgbouncer.ini\" to the target")
}

fn parameter(settings: &Settings, id: &ResourceId, key: &str, value: &Value) -> Option<Problem> {
    if catalog::READ_ONLY.contains(&key) {
        return Some(Problem::of(id, format!("`{key}` is not for anybody to set")).at(key));
    }
    let Some(known) = catalog::key(key) else {
        let near = text::nearest(key, catalog::KEYS.iter().map(|key| key.name));
        // A server newer than this table knows more; it is asked later.
        if settings.admin_url.is_some() && near.is_none() {
            return None;
        }
        let problem = Problem::of(id, format!("PgBouncer has no setting `{key}`")).at(key);
        return Some(match near {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint("with `admin_url`, settings of newer versions are known too"),
        });
    };
    known.unit.canonical(value).err().map(|why| Problem::of(id, format!("`{key}`: {why}")).at(key))
}

fn pool(id: &ResourceId, spec: &Spec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if id.name.as_deref() == Some("pgbouncer") {
        problems.push(Problem::of(id, "`pgbouncer` is the admin console's own name"));
    }
    let Ok(layer) = layer::of(spec) else { return problems };
    for (path, value) in &layer {
        let unit = layer::unit("pool", path);
        let why = match unit.canonical(value) {
            Err(why) => why,
            Ok(_) if value == "" => "the server takes no empty value".into(),
            Ok(_) => continue,
        };
        problems.push(Problem::of(id, format!("`{path}`: {why}")).at(path.clone()));
    }
    let number = |key: &str| layer.get(key).and_then(Value::as_i64);
    if let (Some(least), Some(most)) = (number("min_pool_size"), number("pool_size"))
        && least > most
    {
        problems.push(Problem::of(id, format!("min_pool_size {least} is over pool_size {most}")).at("min_pool_size"));
    }
    problems
}

/// Checks what only the system knows.
///
/// # Errors
/// None in practice; a specification that does not serialise is a defect.
pub fn online(site: &Site, pairs: &[Pairing<Spec>]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for Pairing { id, want, live } in pairs {
        let layer = layer::of(want)?;
        let live = live.as_ref().map(layer::of).transpose()?;
        let differs = |path: &str| live.as_ref().and_then(|live| live.get(path)) != layer.get(path);
        match want {
            Spec::Settings(_) => {
                for key in layer.keys() {
                    problems.extend(known_setting(site, id, key, differs(key)));
                }
            }
            Spec::Pool(_) => problems.extend(possible_pool(site, id, &layer, live.as_ref())),
        }
        if let Some(refusal) = steps::refusal(site, id, &layer, live.as_ref()) {
            problems.push(Problem::of(id, refusal));
        }
    }
    Ok(problems)
}

fn known_setting(site: &Site, id: &ResourceId, key: &str, differs: bool) -> Option<Problem> {
    let running = site.running.as_ref()?;
    if !running.settings.contains_key(key) && catalog::unit(key) != catalog::Unit::Private {
        let (major, minor) = running.version;
        let problem = Problem::of(id, format!("PgBouncer {major}.{minor} has no setting `{key}`")).at(key);
        let near = text::nearest(key, running.settings.keys().map(String::as_str));
        return Some(match near {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        });
    }
    (differs && site.config.is_none() && site.fixed(key)).then(|| {
        Problem::of(id, format!("`{key}` is read at the start only, and the console cannot change it"))
            .at(key)
            .hint("add `config` to the target, so that the file can be changed")
    })
}

fn possible_pool(site: &Site, id: &ResourceId, want: &Layer, live: Option<&Layer>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let differs = live.is_none_or(|live| want.iter().any(|(path, value)| live.get(path) != Some(value)));
    if differs && site.config.is_none() {
        problems.push(needs_file(id, "changing an entry of [databases]"));
    }
    let in_file = site.tree.as_ref().is_some_and(|tree| tree.databases().contains_key(id.label()));
    if site.tree.is_some() && !in_file {
        if !ini::plain(id.label()) {
            let message = "the file takes only letters, digits and `_.-*` in the name of an entry";
            problems.push(Problem::of(id, message));
        }
        if !want.keys().any(|path| path.starts_with("connection.")) {
            problems.push(
                Problem::of(id, format!("there is no entry `{}` yet, and nothing says where it leads", id.label()))
                    .hint("add connection = { host = \"…\", port = 5432, dbname = \"…\" }"),
            );
        }
    }
    let version = site.running.as_ref().map(|running| running.version).filter(|version| *version != (0, 0));
    for path in want.keys() {
        if let (Some(attribute), Some(version)) = (layer::pool_attribute(path), version)
            && version < attribute.since
        {
            let (major, minor) = attribute.since;
            let message = format!(
                "`{path}` needs PgBouncer {major}.{minor}; this is {}.{}, which would not start with it",
                version.0, version.1
            );
            problems.push(Problem::of(id, message).at(path.clone()));
        }
    }
    problems
}
