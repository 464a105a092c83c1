//! Limits of a role or of a database: how many connections, and the settings its new sessions begin with.
//!
//! The two kinds differ only in where the catalog keeps them; that is in `role` and `database`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::catalog::{self, Catalog, Strange};
use super::connect::Session;
use super::frame::Found;
use super::setting::{DEFAULT, Setting};
use super::{Expect, Op, Site, Spec, failure, hazard, parameter, quote};
use crate::error::Result;
use crate::model::{Facts, Impact, ResourceId, Stage, text};
use crate::provider::{Breadth, Delta, Draft, Live, Pairing, Problem, Scope, Want};

/// Limits of a role or a database. What is not written is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How many connections it may have at once; -1 for no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i32>,
    /// The settings that its new sessions begin with; `"default"` takes one out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Setting>,
}

/// Whose limits they are.
#[derive(Debug)]
pub struct Owner {
    /// The kind, and the word in `alter role`.
    pub kind: &'static str,
    /// Reads name, limit, settings, sessions, whether it is exempt from the limit, and whether it is of interest undeclared.
    pub read: &'static str,
    /// What is true of `$name` in the catalog: the row's limit and settings, with `{name}` for the quoted name.
    pub limit: &'static str,
    /// The stored settings, as rows `entry`, with `{name}` for the quoted name.
    pub entries: &'static str,
    /// A specification of this kind.
    pub wrap: fn(Limits) -> Spec,
    /// What makes one.
    pub create: &'static str,
    /// Why a limit does not bind it, where the catalog says it is exempt.
    pub exempt: &'static str,
}

/// How long a statement of these kinds may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Spec {
    /// The limits of a role or a database.
    fn limits(&self) -> Option<&Limits> {
        match self {
            Self::Role(limits) | Self::Database(limits) => Some(limits),
            _ => None,
        }
    }
}

/// What can be said of the policy without a server.
pub fn check(owner: &Owner, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for want in wants.iter().filter(|want| want.id.kind == owner.kind) {
        let Some(limits) = want.spec.as_ref().and_then(Spec::limits) else {
            problems.push(
                Problem::of(&want.id, format!("evenkeel does not drop a {}", owner.kind))
                    .hint("take `absent = true` out; write `\"default\"` to take single settings out"),
            );
            continue;
        };
        if let Some(limit) = limits.connection_limit.filter(|limit| *limit < -1) {
            problems.push(
                Problem::of(&want.id, format!("`{limit}` is no number of connections"))
                    .at("connection_limit")
                    .hint("write -1 for no limit"),
            );
        }
        for key in limits.settings.keys().filter(|key| parameter::is_secret(key)) {
            problems.push(
                Problem::of(&want.id, format!("`{key}` may hold a secret, and evenkeel does not manage such settings"))
                    .at(format!("settings.{key}")),
            );
        }
    }
    problems
}

/// Reads the declared ones, and with `Breadth::Everything` those with any limit of their own, in one round trip.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    owner: &Owner,
    session: &mut Session,
    scope: &Scope<'_, Spec>,
    site: &Site,
    found: &mut Found,
) -> Result<()> {
    let wanted: HashMap<&str, &Limits> = scope
        .wanted
        .iter()
        .filter(|want| want.id.kind == owner.kind)
        .filter_map(|want| Some((want.id.name.as_deref()?, want.spec.as_ref()?.limits()?)))
        .collect();
    if wanted.is_empty() && scope.breadth == Breadth::Declared {
        return Ok(());
    }
    let names: Vec<&str> = wanted.keys().copied().collect();
    let rows = sqlx::query(owner.read)
        .bind(names)
        .bind(scope.breadth == Breadth::Everything)
        .fetch_all(&mut session.conn)
        .await
        .map_err(failure::explain)?;
    for row in rows {
        let live = row_to_live(owner, &row, &wanted, &site.catalog, found);
        found.live.push(live.map_err(failure::explain)?);
    }
    Ok(())
}

fn row_to_live(
    owner: &Owner,
    row: &sqlx::postgres::PgRow,
    wanted: &HashMap<&str, &Limits>,
    catalog: &Catalog,
    found: &mut Found,
) -> Result<Live<Spec>, sqlx::Error> {
    let name: String = row.try_get("name")?;
    let limit: i32 = row.try_get("connection_limit")?;
    let entries: Vec<String> = row.try_get("entries")?;
    let mut stored: BTreeMap<String, (String, Setting)> = BTreeMap::new();
    for (key, value) in entries.iter().filter_map(|entry| entry.split_once('=')) {
        if parameter::is_secret(key) {
            continue;
        }
        let text = Setting::Text(value.to_owned());
        let form = catalog.get(key).and_then(|known| known.parameter.canonical(&text).ok()).unwrap_or(text);
        stored.insert(key.to_lowercase(), (key.to_owned(), form));
    }
    let want = wanted.get(name.as_str());
    let spec = match want {
        // Under the keys as the policy writes them.
        Some(want) => Limits {
            connection_limit: Some(limit),
            settings: want
                .settings
                .iter()
                .filter_map(|(key, value)| match stored.remove(&key.to_lowercase()) {
                    Some((_, live)) => Some((key.clone(), live)),
                    None if value.is_default() => Some((key.clone(), Setting::Text(DEFAULT.into()))),
                    None => None,
                })
                .collect(),
        },
        None => Limits {
            connection_limit: (limit != -1).then_some(limit),
            settings: stored
                .into_values()
                .filter(|(key, value)| catalog.get(key).is_none_or(|known| known.parameter.can_say(value)))
                .collect(),
        },
    };
    let limited = want.is_some_and(|want| want.connection_limit.is_some_and(|limit| limit >= 0));
    if limited && row.try_get::<bool, _>("exempt")? {
        found.notes.push(text::tame(&format!("{} `{name}`: {}", owner.kind, owner.exempt)));
    }
    let sessions: i64 = row.try_get("sessions")?;
    let facts = Facts::default().with("sessions", sessions);
    Ok(Live { id: ResourceId::named(owner.kind, name), spec: (owner.wrap)(spec), facts })
}

/// Brings the wanted settings to the server's form, and says what it would not take.
///
/// # Errors
/// When the server cannot be asked.
pub async fn canonical(
    owner: &Owner,
    session: &mut Session,
    site: &Site,
    pairs: &mut [Pairing<Spec>],
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for pair in pairs.iter_mut().filter(|pair| pair.id.kind == owner.kind) {
        let Some(limits) = pair.want.limits() else { continue };
        if pair.live.is_none() {
            let name = pair.id.label();
            problems.push(
                Problem::of(&pair.id, format!("there is no {} `{name}`, and evenkeel does not make one", owner.kind))
                    .hint(owner.create.replace("{name}", &quote::ident(name))),
            );
            continue;
        }
        let mut forms = site.catalog.canonical(&limits.settings, Strange::Kept);
        let mut none = BTreeMap::new();
        let live = match &mut pair.live {
            Some(Spec::Role(live) | Spec::Database(live)) => &mut live.settings,
            _ => &mut none,
        };
        forms.rejected.extend(catalog::ask(session, &site.catalog, &mut forms.values, live).await?);
        for (key, value) in &forms.values {
            let Some(known) = site.catalog.get(key) else { continue };
            let at = |message: String| Problem::of(&pair.id, message).at(format!("settings.{key}"));
            if !known.parameter.is_session_wide() {
                problems.push(
                    at(format!("`{key}` belongs to the whole server, not to one {}", owner.kind))
                        .hint("move it to the target's `settings`"),
                );
            } else if !known.parameter.can_say(value) {
                problems.push(at(format!("an empty list cannot be written for `{key}`")).hint("write \"default\""));
            }
        }
        problems.extend(forms.rejected.into_iter().map(|rejection| {
            let problem = Problem::of(&pair.id, rejection.message).at(format!("settings.{}", rejection.key));
            Problem { hint: rejection.hint, ..problem }
        }));
        let limits = Limits { connection_limit: limits.connection_limit, settings: forms.values };
        pair.want = (owner.wrap)(limits);
    }
    Ok(problems)
}

/// What to run for these differences: one statement an attribute.
pub fn steps(owner: &Owner, site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let mut drafts = Vec::new();
    for delta in deltas.iter().filter(|delta| delta.id.kind == owner.kind) {
        let Some(want) = delta.want.as_ref().and_then(Spec::limits) else { continue };
        let differs = |path: &str| delta.live.is_none() || delta.changed.iter().any(|changed| changed == path);
        if let Some(limit) = want.connection_limit.filter(|_| differs("connection_limit")) {
            drafts.push(limit_step(owner, delta, limit));
        }
        for (key, value) in &want.settings {
            let whole = differs("settings")
                && delta.live.as_ref().and_then(Spec::limits).is_none_or(|live| live.settings.get(key) != Some(value));
            if whole || differs(&format!("settings.{key}")) {
                drafts.push(setting_step(owner, site, &delta.id, key, value));
            }
        }
    }
    drafts
}

fn draft(id: &ResourceId, title: String, sql: String, proof: String) -> Draft<Op> {
    Draft {
        stage: Stage::Shift,
        title,
        covers: vec![id.clone()],
        hazards: Vec::new(),
        timeout: PATIENCE,
        lock_timeout: None,
        impact: Impact::Runtime,
        op: Op { sql, lock_timeout: Duration::ZERO, statement_timeout: PATIENCE, after: Expect::Holds(proof) },
    }
}

fn limit_step(owner: &Owner, delta: &Delta<Spec>, limit: i32) -> Draft<Op> {
    let (kind, name) = (owner.kind, delta.id.label());
    let sql = format!("alter {kind} {} connection limit {limit}", quote::ident(name));
    let proof = format!("select coalesce(({}) = {limit}, false)", owner.limit.replace("{name}", &quote::literal(name)));
    let title = match usize::try_from(limit) {
        Ok(limit) => format!("limit {kind} {name} to {}", text::count(limit, "connection")),
        Err(_) => format!("take the connection limit from {kind} {name}"),
    };
    let mut draft = draft(&delta.id, title, sql, proof);
    let sessions = delta.facts.int("sessions").unwrap_or(0);
    if limit >= 0 && sessions > i64::from(limit) {
        let now = text::count(usize::try_from(sessions).unwrap_or_default(), "session");
        draft.hazards.push(
            hazard::REFUSES_CONNECTIONS.with(format!("{now} now, at most {limit} then; those that are open stay")),
        );
    }
    draft
}

fn setting_step(owner: &Owner, site: &Site, id: &ResourceId, key: &str, value: &Setting) -> Draft<Op> {
    let (kind, name) = (owner.kind, id.label());
    let parameter = site.catalog.get(key).map(|known| known.parameter.clone()).unwrap_or_default();
    let entries = owner.entries.replace("{name}", &quote::literal(name));
    let head = format!("alter {kind} {}", quote::ident(name));
    let is_key = format!("lower(split_part(entry, '=', 1)) = {}", quote::literal(&key.to_lowercase()));
    let (title, sql, proof) = if value.is_default() {
        let sql = format!("{head} reset {}", parameter::quoted(key));
        (
            format!("take {key} from {kind} {name}"),
            sql,
            format!("select not exists (select from ({entries}) e where {is_key})"),
        )
    } else {
        let sql = format!("{head} set {} = {}", parameter::quoted(key), value.sql());
        let stored = quote::literal(&parameter.stored(value));
        let proof = format!(
            "select exists (select from ({entries}) e where {is_key} and substr(entry, strpos(entry, '=') + 1) = {stored})"
        );
        (format!("set {key} to {value} for new sessions of {kind} {name}"), sql, proof)
    };
    draft(id, title, sql, proof)
}
