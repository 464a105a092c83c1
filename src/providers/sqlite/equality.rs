//! Equality: brings what is wanted to the words of what is there, where SQLite says that both are the same.

use super::Spec;
use super::cache_table::CacheTable;
use super::clone::Clone;
use super::index::{Fault, Index};
use super::schema::Schema;
use crate::error::Result;
use crate::model::ResourceId;
use crate::provider::{Pairing, Problem};

/// Settles every pair, and says what SQLite would not accept.
pub async fn settle(schema: &Schema, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut clone = Clone::of(schema).await?;
    for pair in pairs {
        let name = pair.id.label().to_owned();
        let settled = match (&pair.want, &pair.live) {
            (Spec::Index(want), Some(Spec::Index(live))) => index(&mut clone, schema, &name, want, Some(live)).await?,
            (Spec::Index(want), _) => index(&mut clone, schema, &name, want, None).await?,
            (Spec::CacheTable(_), None) => {
                if let Some(obstacle) = CacheTable::obstacle(&name, schema) {
                    problems.push(Problem::of(&pair.id, obstacle).hint("choose another name, or rename what is there"));
                }
                continue;
            }
            (Spec::CacheTable(_) | Spec::Query(_), _) => continue,
        };
        match settled {
            Ok(index) => pair.want = Spec::Index(index),
            Err(fault) => problems.push(problem(&pair.id, fault)),
        }
    }
    Ok(problems)
}

async fn index(
    clone: &mut Clone<'_>,
    schema: &Schema,
    name: &str,
    want: &Index,
    live: Option<&Index>,
) -> Result<Result<Index, Fault>> {
    if schema.table(name).is_some() {
        // Not an attribute's fault, so it is told of the table that the index is for.
        return Ok(Err(Fault::new("table", format!("there is already a table named {name}"))));
    }
    let normal = match schema.table(&want.table).map(|table| want.normal(table)) {
        Some(Ok(normal)) => normal,
        Some(Err(fault)) => return Ok(Err(fault)),
        None => want.clone(),
    };
    if live == Some(&normal) {
        return Ok(Ok(normal));
    }
    Ok(match clone.compare(name, &normal, live).await? {
        Ok(true) => Ok(live.cloned().unwrap_or(normal)),
        Ok(false) => Ok(normal),
        Err(fault) => Err(fault),
    })
}

/// A fault as a problem of `id`.
pub fn problem(id: &ResourceId, Fault { attribute, message, hint }: Fault) -> Problem {
    Problem { id: Some(id.clone()), attribute: Some(attribute.to_owned()), message, hint }
}
