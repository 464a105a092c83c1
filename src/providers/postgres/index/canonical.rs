//! Brings a wanted index and the live one to one form: locally where the text decides, else by the server's own word.

use std::collections::BTreeMap;

use super::name::{self, Relation};
use super::shadow::{self, Answer, Job, Refusal};
use super::{Index, sql, text};
use crate::error::{Error, Result};
use crate::model::text as grammar;
use crate::model::{ResourceId, Value};
use crate::provider::{Pairing, Problem};
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::{Site, Spec, failure, quote};

/// A wanted index as the catalog would say it, as far as its text alone tells.
pub fn normal(spec: &Index, id: &ResourceId, home: &str) -> Index {
    let mut out = spec.clone();
    out.name = out.name.filter(|name| name != id.label());
    if let Some(table) = Relation::parse(&spec.table, home) {
        out.table = table.brief(home);
    }
    out.columns = spec.columns.iter().map(|column| text::tidy(column)).collect();
    out.predicate = spec.predicate.as_ref().map(|predicate| predicate.trim().to_owned());
    out.include =
        spec.include.iter().map(|column| text::plain(column).map_or(column.clone(), |c| quote::ident(&c))).collect();
    out.include.sort();
    let mut with: Vec<_> = spec.with.iter().map(|(key, value)| (key.to_lowercase(), parameter(value))).collect();
    with.sort_by(|a, b| a.0.cmp(&b.0));
    out.with = with.into_iter().collect();
    out.method = text::plain(&spec.method).unwrap_or_else(|| spec.method.clone());
    out
}

fn parameter(value: &Value) -> Value {
    match value {
        Value::String(text) => sql::parse_parameter(&text.to_lowercase()),
        other => other.clone(),
    }
}

/// Whether nothing of the definition needs the server to be understood.
pub fn is_plain(want: &Index, live: Option<&Index>) -> bool {
    let stored = want.with.is_empty() || live.is_some_and(|live| live.with == want.with);
    want.columns.iter().all(|column| text::plain(column).is_some())
        && want.predicate.is_none()
        && want.method == "btree"
        && stored
}

/// Whether comparing `want` with `live` takes the server's word.
pub fn needs_server(want: &Index, live: &Index) -> bool {
    (want.columns != live.columns || want.predicate != live.predicate) && !is_plain(want, Some(live))
}

/// Brings all pairs to one form, in a constant number of round trips, none of them where the texts decide.
///
/// # Errors
/// When the server cannot be asked.
pub async fn canonical(session: &mut Session, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut first = Vec::new();
    for (number, pair) in pairs.iter_mut().enumerate() {
        let Spec::Index(want) = &mut pair.want else { continue };
        let live = match &pair.live {
            Some(Spec::Index(live)) => Some(live),
            _ => None,
        };
        *want = normal(want, &pair.id, &site.schema);
        want.rename_from = None;
        if want.tablespace.as_deref() == Some(&site.tablespace) {
            want.tablespace = None;
        }
        if live.is_some_and(|live| live.name.is_some()) && want.name.is_none() {
            want.name = Some(pair.id.label().to_owned());
        }
        if live == Some(want) {
            continue;
        }
        let Some(table) = Relation::parse(&want.table, &site.schema) else { continue };
        let found = missing(&pair.id, want, &table, site);
        if !found.is_empty() {
            problems.extend(found);
        } else if !is_plain(want, live) && site.can_shadow() {
            // Beside a live one, one round mostly tells; what is new is followed to where it stays the same.
            let rounds = if live.is_some() { 1 } else { shadow::FIXPOINT };
            first.push((number, Side::Want, Job { table, spec: want.clone(), path: path(want, site), rounds }));
        }
    }
    let asked: Vec<usize> = first.iter().map(|(number, ..)| *number).collect();
    problems.extend(ask(session, pairs, first).await?);

    // What still differs may only be spelled otherwise: the live text is not always what the server would make of it again.
    let mut second = Vec::new();
    for number in asked {
        let Pairing { want: Spec::Index(want), live: Some(Spec::Index(live)), id } = &pairs[number] else { continue };
        let refused = problems.iter().any(|problem| problem.id.as_ref() == Some(id));
        if refused || live.table != want.table || !needs_server(want, live) {
            continue;
        }
        let Some(table) = Relation::parse(&want.table, &site.schema) else { continue };
        for (side, spec) in [(Side::Want, want), (Side::Live, live)] {
            // Both are the server's own texts by now, in which every name is complete.
            let job = Job { table: table.clone(), spec: spec.clone(), path: Vec::new(), rounds: shadow::FIXPOINT };
            second.push((number, side, job));
        }
    }
    problems.extend(ask(session, pairs, second).await?);
    problems.extend(pairs.iter().filter_map(|pair| pinned(pair, site)));
    Ok(problems)
}

/// Where names without a schema are looked for: beside the table, in the target's schemas, and where extensions mostly are.
pub fn path(want: &Index, site: &Site) -> Vec<String> {
    let mut path: Vec<String> =
        Relation::parse(&want.table, &site.schema).map(|table| table.schema).into_iter().collect();
    for schema in site.schemas.iter().map(String::as_str).chain(["public"]) {
        if !path.iter().any(|known| known == schema) {
            path.push(schema.to_owned());
        }
    }
    path
}

/// Asks about `jobs`, each for one side of a numbered pair, and puts the answers there.
async fn ask(
    session: &mut Session,
    pairs: &mut [Pairing<Spec>],
    jobs: Vec<(usize, Side, Job)>,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    if jobs.is_empty() {
        return Ok(problems);
    }
    let (sides, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().map(|(number, side, job)| ((number, side), job)).unzip();
    let answers = shadow::ask(session, &jobs).await?;
    for ((number, side), answer) in sides.into_iter().zip(answers) {
        let pair = &mut pairs[number];
        let spec = match side {
            Side::Want => Some(&mut pair.want),
            Side::Live => pair.live.as_mut(),
        };
        match (answer, spec) {
            (Answer::Fine(parts), Some(Spec::Index(spec))) => settle(spec, parts),
            (Answer::Refused(refusal), _) if side == Side::Want => problems.extend(refused(pair, refusal)?),
            // What is there was accepted once; a copy that is not leaves it as it is read.
            _ => {}
        }
    }
    Ok(problems)
}

/// One of the two sides of a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Want,
    Live,
}

/// Puts what the server reads back into a definition.
pub fn settle(spec: &mut Index, parts: text::Parts) {
    spec.columns = parts.columns;
    spec.predicate = parts.predicate;
    spec.include = parts.include;
    spec.include.sort();
}

/// What the catalog already shows to be missing.
fn missing(id: &ResourceId, want: &Index, table: &Relation, site: &Site) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(tablespace) = want.tablespace.as_ref().filter(|name| !site.tablespaces.contains(name)) {
        let near = grammar::nearest(tablespace, site.tablespaces.iter().map(String::as_str));
        problems.push(hinted(Problem::of(id, format!("no tablespace `{tablespace}`")).at("tablespace"), near));
    }
    let Some(there) = site.indexes.tables.get(table) else {
        let names: BTreeMap<String, &Relation> =
            site.indexes.names.iter().map(|relation| (relation.brief(&site.schema), relation)).collect();
        let near = grammar::nearest(&want.table, names.keys().map(String::as_str));
        let what = format!("no table or materialized view `{}`", table.full());
        problems.push(hinted(Problem::of(id, what).at("table"), near));
        return problems;
    };
    let columns = want.columns.iter().map(|column| ("columns", column));
    for (attribute, text) in columns.chain(want.include.iter().map(|column| ("include", column))) {
        let Some(column) = text::plain(text).filter(|column| !there.columns.contains_key(column)) else { continue };
        let near = grammar::nearest(&column, there.columns.keys().map(String::as_str));
        let what = format!("`{}` has no column `{column}`", table.full());
        problems.push(hinted(Problem::of(id, what).at(attribute), near));
    }
    problems
}

fn hinted(problem: Problem, near: Option<&str>) -> Problem {
    match near {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// What a refusal means: a problem of the policy, nothing at all, or a failure of the asking.
fn refused(pair: &Pairing<Spec>, refusal: Refusal) -> Result<Option<Problem>> {
    let Spec::Index(want) = &pair.want else { return Ok(None) };
    let Refusal { state, message, hint, culprit } = refusal;
    if failure::is_passing(&state) {
        return Err(Error::new(failure::kind(&state), message).context("comparing definitions"));
    }
    // A function of the table's row type knows the table, not its copy: only the real build can tell.
    let table = quote::split(&want.table).and_then(|mut parts| parts.pop()).unwrap_or_default();
    if state == "42883" && message.contains(&format!("({table})")) {
        return Ok(None);
    }
    let attribute = match culprit.as_str() {
        "rest" if !want.with.is_empty() => "with",
        "rest" if !want.include.is_empty() => "include",
        "rest" => "method",
        // An access method or a uniqueness that does not fit fails with the columns already.
        "columns" if message.starts_with("access method") && message.contains("does not exist") => "method",
        "columns" if message.contains("does not support unique") => "unique",
        other => other,
    };
    let hint = match state.as_str() {
        "42883" | "42704" if attribute != "method" => {
            Some("name what is not PostgreSQL's own with its schema, as in `public.f(x)`".to_owned())
        }
        "42601" if attribute == "columns" => {
            Some("put an expression that is no function call in brackets: `(a + b)`".to_owned())
        }
        _ => hint,
    };
    Ok(Some(Problem { id: Some(pair.id.clone()), attribute: Some(attribute.to_owned()), message, hint }))
}

/// A difference that only a replacement could settle, of an index that must not be replaced.
fn pinned(pair: &Pairing<Spec>, site: &Site) -> Option<Problem> {
    let reason = site.indexes.pinned.get(&pair.id)?;
    let (Spec::Index(want), Some(Spec::Index(live))) = (&pair.want, &pair.live) else { return None };
    let stays = Index { name: live.name.clone(), with: live.with.clone(), rename_from: None, ..want.clone() };
    if stays == *live {
        return None;
    }
    let name = name::index_of(&pair.id, live, &site.schema)?.full();
    Some(
        Problem::of(&pair.id, format!("`{name}` {reason}, so it cannot be replaced, and it is not as declared"))
            .hint("take it out of the policy, or declare it as it is: see `evenkeel export`"),
    )
}
