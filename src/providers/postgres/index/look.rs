//! Looks whether an operation on an index took effect: always by the catalog, never by what the server answered.

use super::catalog::{self, Entry};
use super::name::Relation;
use super::{Built, Index, text};
use crate::error::Result;
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::run::{Moment, Standing};

/// The index, if it is there.
async fn find(session: &mut Session, index: &Relation) -> Result<Option<Entry>> {
    let version = session.version();
    let entries = catalog::read(session, version, &[], std::slice::from_ref(&index.name), &index.schema).await?;
    Ok(entries.into_iter().find(|entry| entry.index == *index))
}

/// Whether an index is built, valid and ready.
///
/// # Errors
/// As any statement.
pub async fn built(session: &mut Session, built: &Built, moment: Moment) -> Result<Standing> {
    let Some(entry) = find(session, &built.index).await? else { return Ok(Standing::Open) };
    let name = built.index.full();
    if !entry.spec.valid {
        return Ok(match entry.builder {
            Some(pid) => Standing::Busy(format!("session {pid} is building `{name}`")),
            None => Standing::Leftover(format!("`{name}` is there but not valid")),
        });
    }
    Ok(agree(&entry, built, moment))
}

/// Whether an index is entered for a partitioned table, be its parts there or not.
///
/// # Errors
/// As any statement.
pub async fn begun(session: &mut Session, built: &Built, moment: Moment) -> Result<Standing> {
    Ok(find(session, &built.index).await?.map_or(Standing::Open, |entry| agree(&entry, built, moment)))
}

fn agree(entry: &Entry, built: &Built, moment: Moment) -> Standing {
    let Index { columns, predicate, include, unique, method, nulls_distinct, .. } = &built.spec;
    let there = &entry.spec;
    let shape = entry.table == built.table.name
        && there.unique == *unique
        && there.method == *method
        && there.nulls_distinct == *nulls_distinct
        && there.include.len() == include.len()
        && there.columns.len() == columns.len()
        && there.predicate.is_some() == predicate.is_some();
    let texts = there.columns == *columns && there.predicate == *predicate && there.include == *include;
    // An expression that could not be asked about beforehand is spelled anew by the server, right after the very statement was run.
    let spelling = columns.iter().zip(&there.columns).all(|(a, b)| a == b || text::plain(a).is_none());
    if shape && (texts || (moment == Moment::After && spelling)) {
        Standing::Done
    } else {
        Standing::Changed(format!("`{}` is there, but it is not as planned", built.index.full()))
    }
}

/// Whether an index is gone.
///
/// # Errors
/// As any statement.
pub async fn gone(session: &mut Session, schema: &str, name: &str) -> Result<Standing> {
    let index = Relation::new(schema, name);
    Ok(match find(session, &index).await? {
        None => Standing::Done,
        // The server itself would drop a replica identity without a word.
        Some(Entry { pinned: Some(reason), .. }) => Standing::Changed(format!("`{}` {reason} now", index.full())),
        Some(Entry { builder: Some(pid), spec: Index { valid: false, .. }, .. }) => {
            Standing::Busy(format!("session {pid} is building `{}`", index.full()))
        }
        Some(_) => Standing::Open,
    })
}

/// Whether an index has its new name.
///
/// # Errors
/// As any statement.
pub async fn renamed(session: &mut Session, schema: &str, from: &str, to: &str) -> Result<Standing> {
    let (from, to) = (Relation::new(schema, from), Relation::new(schema, to));
    Ok(match (find(session, &from).await?, find(session, &to).await?) {
        (None, Some(_)) => Standing::Done,
        (Some(_), None) => Standing::Open,
        (Some(_), Some(_)) => {
            Standing::Changed(format!("`{}` is there already, and so is `{}`", to.full(), from.full()))
        }
        (None, None) => Standing::Changed(format!("neither `{}` nor `{}` is there", from.full(), to.full())),
    })
}

/// Whether a partition's index belongs to its parent's.
///
/// # Errors
/// As any statement.
pub async fn attached(session: &mut Session, schema: &str, name: &str) -> Result<Standing> {
    let index = Relation::new(schema, name);
    Ok(match find(session, &index).await? {
        Some(entry) if entry.part => Standing::Done,
        Some(_) => Standing::Open,
        None => Standing::Changed(format!("`{}` is not there", index.full())),
    })
}

/// Whether an index has these storage parameters.
///
/// # Errors
/// As any statement.
pub async fn stored(
    session: &mut Session,
    schema: &str,
    name: &str,
    set: &serde_json::Map<String, serde_json::Value>,
    reset: &[String],
) -> Result<Standing> {
    let index = Relation::new(schema, name);
    let Some(entry) = find(session, &index).await? else {
        return Ok(Standing::Changed(format!("`{}` is not there", index.full())));
    };
    let with = &entry.spec.with;
    let done =
        set.iter().all(|(key, value)| with.get(key) == Some(value)) && reset.iter().all(|key| !with.contains_key(key));
    Ok(if done { Standing::Done } else { Standing::Open })
}
