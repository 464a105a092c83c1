//! The kind `settings`: the server's settings, through `alter system` and a reload.
//!
//! What is compared is the value that will be in force once the server has read its files and restarted where it must:
//! a value that only waits for a restart is no difference, and is told as a note.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::{self, Catalog, Strange};
use super::connect::Session;
use super::frame::Found;
use super::parameter::Parameter;
use super::setting::{DEFAULT, Setting};
use super::{Expect, Op, Site, Spec, hazard, parameter, quote};
use crate::error::Result;
use crate::model::{Comparison, Facts, Hazard, Impact, Kind, Many, ResourceId, Stage, text};
use crate::provider::{Breadth, Delta, Draft, Gap, Live, Pairing, Problem, Scope, Want};

/// The kind, as the registry holds it.
pub const KIND: Kind = Kind {
    name: "settings",
    doc: "the server's settings, through alter system and a reload",
    comparison: Comparison::Partial,
    many: Many::One,
    replaces: &[],
    prunable: false,
};

/// The server's settings: any parameter that `alter system` can set, each as PostgreSQL writes it.
///
/// A number without a unit is in the parameter's own base unit, as in postgresql.conf; `"default"` takes out what `alter system` has set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ServerSettings(pub BTreeMap<String, Setting>);

/// How long a statement of this kind may take.
const PATIENCE: Duration = Duration::from_secs(30);

fn id() -> ResourceId {
    ResourceId::only(KIND.name)
}

/// The declared settings, if there are any.
fn declared(wanted: &[Want<Spec>]) -> Option<&BTreeMap<String, Setting>> {
    wanted.iter().find_map(|want| match &want.spec {
        Some(Spec::Settings(settings)) => Some(&settings.0),
        _ => None,
    })
}

/// What can be said of the policy without a server.
pub fn check(wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for want in wants.iter().filter(|want| want.id.kind == KIND.name) {
        if want.spec.is_none() {
            problems.push(
                Problem::of(&want.id, "a server always has settings, so they cannot be absent")
                    .hint("write `name = \"default\"` to take single settings out again"),
            );
        }
    }
    for key in declared(wants).into_iter().flatten().map(|(key, _)| key).filter(|key| parameter::is_secret(key)) {
        problems.push(
            Problem::of(&id(), format!("`{key}` may hold a secret, and evenkeel does not manage such settings"))
                .at(key)
                .hint("set it in the server's own configuration"),
        );
    }
    problems
}

/// Reads what is declared, or else what a file has set away from its default.
pub fn read(scope: &Scope<'_, Spec>, site: &Site, found: &mut Found) {
    let catalog = &site.catalog;
    let wanted = declared(scope.wanted);
    if wanted.is_none() && scope.breadth == Breadth::Declared {
        return;
    }
    if !catalog.reads_files {
        // Nobody who manages other things wants to hear of it at every plan.
        if wanted.is_some() {
            found.incomplete.push(unreadable(site));
        }
        return;
    }
    let values: BTreeMap<String, Setting> = match wanted {
        Some(wanted) => wanted
            .iter()
            .filter(|(key, _)| !parameter::is_secret(key))
            .filter_map(|(key, value)| {
                let known = catalog.get(key)?;
                let is_out = value.is_default() && !known.is_altered;
                Some((key.clone(), if is_out { Setting::Text(DEFAULT.into()) } else { known.coming() }))
            })
            .collect(),
        None => catalog
            .known
            .values()
            .filter(|known| !parameter::is_secret(&known.parameter.name))
            .filter_map(|known| Some((known.parameter.name.clone(), known.chosen()?)))
            .collect(),
    };
    found
        .notes
        .extend(catalog.errors.iter().map(|error| format!("a configuration file is wrong: {}", text::tame(error))));
    for known in catalog.known.values() {
        if let Some((running, coming)) = known.pending() {
            found.notes.push(text::tame(&format!(
                "{}: {coming} is set, restart pending (still {running})",
                known.parameter.name
            )));
        }
    }
    for key in wanted.into_iter().flatten().map(|(key, _)| key) {
        if catalog.get(key).is_some_and(|known| !known.may_alter) {
            found.notes.push(format!("{key}: role `{}` may look, but not alter it", site.role));
        }
    }
    if wanted.is_some() || !values.is_empty() {
        let spec = Spec::Settings(ServerSettings(values));
        found.live.push(Live { id: id(), spec, facts: Facts::default() });
    }
}

fn unreadable(site: &Site) -> Gap {
    Gap {
        kind: KIND.name.into(),
        name: None,
        reason: format!("role `{}` may not read pg_file_settings, so what waits for a restart cannot be seen", site.role),
        hint: Some(
            "see `evenkeel grants postgres`; a managed service sets its parameters in its own console, not with alter system"
                .into(),
        ),
    }
}

/// Brings the wanted values to the server's form, and says what it would not take.
///
/// # Errors
/// When the server cannot be asked.
pub async fn canonical(session: &mut Session, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
    let catalog = &site.catalog;
    let mut problems = Vec::new();
    for pair in pairs {
        let Spec::Settings(ServerSettings(wanted)) = &mut pair.want else { continue };
        let mut forms = catalog.canonical(wanted, Strange::Refused);
        let mut none = BTreeMap::new();
        let live = match &mut pair.live {
            Some(Spec::Settings(live)) => &mut live.0,
            _ => &mut none,
        };
        forms.rejected.extend(catalog::ask(session, catalog, &mut forms.values, live).await?);
        for (key, value) in &forms.values {
            if live.get(key) != Some(value) {
                problems.extend(refusal(catalog, &pair.id, key, value));
            }
        }
        problems.extend(forms.rejected.into_iter().map(|rejection| {
            let problem = Problem::of(&pair.id, rejection.message).at(rejection.key);
            Problem { hint: rejection.hint, ..problem }
        }));
        *wanted = forms.values;
    }
    Ok(problems)
}

/// Why a difference could never be applied, if so.
fn refusal(catalog: &Catalog, id: &ResourceId, key: &str, value: &Setting) -> Option<Problem> {
    let known = catalog.get(key)?;
    let problem = |message: String, hint: &str| Some(Problem::of(id, message).at(key).hint(hint));
    if let Some(place) = known.fixed_by() {
        let running = known.coming();
        return problem(
            format!("`{key}` is fixed to `{running}` {place}, and alter system cannot change that"),
            "change how the server is started, or take the setting out of the policy",
        );
    }
    if catalog.is_locked {
        return problem(
            format!("`{key}` differs, and the server does not allow alter system (allow_alter_system = off)"),
            "change it where this server's configuration is kept, or take it out of the policy",
        );
    }
    if !known.parameter.can_say(value) {
        return problem(
            format!("alter system cannot write an empty list for `{key}`"),
            "write \"default\" to take out what alter system has set",
        );
    }
    None
}

/// What to run for these differences: one statement a setting, then one reload.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let mut drafts = Vec::new();
    for delta in deltas {
        let Some(Spec::Settings(wanted)) = &delta.want else { continue };
        let changed: Vec<_> = wanted
            .0
            .iter()
            .filter(|(key, _)| delta.live.is_none() || delta.changed.iter().any(|path| path == *key))
            .collect();
        if changed.is_empty() {
            continue;
        }
        drafts.extend(changed.iter().map(|(key, value)| alter(site, &delta.id, key, value)));
        drafts.push(reload(site, &delta.id, &changed));
    }
    drafts
}

fn alter(site: &Site, id: &ResourceId, key: &str, value: &Setting) -> Draft<Op> {
    let parameter = site.catalog.get(key).map(|known| known.parameter.clone()).unwrap_or_default();
    let name = parameter::quoted(key);
    let (title, sql) = if value.is_default() {
        (format!("take {key} out of postgresql.auto.conf"), format!("alter system reset {name}"))
    } else {
        (format!("set {key} to {value}"), format!("alter system set {name} = {}", value.sql()))
    };
    Draft {
        stage: Stage::Shift,
        title,
        covers: vec![id.clone()],
        hazards: hazards(&parameter, value),
        timeout: PATIENCE,
        lock_timeout: None,
        impact: if parameter.needs_restart() { Impact::Restart } else { Impact::Reload },
        op: Op {
            sql,
            lock_timeout: Duration::ZERO,
            statement_timeout: PATIENCE,
            after: Expect::Holds(in_file(&parameter, key, value)),
        },
    }
}

fn hazards(parameter: &Parameter, value: &Setting) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    if parameter.needs_restart() {
        hazards
            .push(hazard::NEEDS_RESTART.with("takes effect when the server is restarted, which evenkeel does not do"));
    }
    let is_off = matches!(value, Setting::Bool(false));
    if is_off && matches!(parameter.name.as_str(), "fsync" | "full_page_writes") {
        hazards.push(
            hazard::RISKS_DATA
                .with(format!("{} = off: a crash of the machine can corrupt the database", parameter.name)),
        );
    }
    hazards
}

/// What is true once `alter system` has written a setting.
fn in_file(parameter: &Parameter, key: &str, value: &Setting) -> String {
    let lines = format!(
        "from pg_catalog.pg_file_settings f where lower(f.name) = {} and f.sourcefile like '%postgresql.auto.conf'",
        quote::literal(&key.to_lowercase())
    );
    if value.is_default() {
        return format!("select not exists (select {lines})");
    }
    format!(
        "select coalesce((select f.setting = {} {lines} order by f.seqno desc limit 1), false)",
        quote::literal(&parameter.stored(value))
    )
}

fn reload(site: &Site, id: &ResourceId, changed: &[(&String, &Setting)]) -> Draft<Op> {
    let proofs: Vec<_> = changed.iter().filter_map(|(key, value)| in_force(site, key, value)).collect();
    let proof = if proofs.is_empty() { "true".to_owned() } else { proofs.join(" and ") };
    Draft {
        stage: Stage::Shift,
        title: "make the server read its files".into(),
        covers: vec![id.clone()],
        hazards: Vec::new(),
        timeout: PATIENCE,
        lock_timeout: None,
        impact: Impact::Reload,
        op: Op {
            sql: "select pg_reload_conf()".into(),
            lock_timeout: Duration::ZERO,
            statement_timeout: PATIENCE,
            after: Expect::Reloaded(format!("select {proof}")),
        },
    }
}

/// What is true once the server has read a setting, where a session can see that.
fn in_force(site: &Site, key: &str, value: &Setting) -> Option<String> {
    let parameter = &site.catalog.get(key)?.parameter;
    if parameter.needs_restart() || parameter.is_per_session() || value.is_default() {
        return None;
    }
    let same = match parameter.base(value) {
        Some(number) => format!("s.reset_val::float8 = {number}"),
        None => format!("s.reset_val = {}", quote::literal(&parameter.stored(value))),
    };
    Some(format!(
        "exists (select from pg_catalog.pg_settings s where s.name = {} and ({same} or s.source not in ('default', 'configuration file')))",
        quote::literal(&parameter.name)
    ))
}
