//! Remarks for the plan's reader: indexes that say the same, and what the planner has to guess.

use super::index::Index;
use super::schema::{Rows, Schema};
use super::site::Site;
use super::token::{self, Token};

/// How many remarks of one sort are made.
const MOST: usize = 10;

/// Every remark about `site`.
pub fn all(site: &Site) -> Vec<String> {
    let schema = &site.schema;
    let indexes: Vec<_> =
        schema.indexes.iter().filter_map(|stored| Some((&stored.name, Index::of(stored, schema)?))).collect();
    let mut notes: Vec<String> =
        indexes.iter().filter_map(|(name, index)| covered(schema, name, index, &indexes)).take(MOST).collect();
    notes.extend(indexes.iter().filter_map(|(name, index)| constant(schema, name, index)).take(MOST));
    let used = site.rows.values().any(|rows| !matches!(rows, Rows::Exact(0) | Rows::Unknown));
    if !site.analyzed && used && !indexes.is_empty() {
        notes.push("there are no statistics, so SQLite guesses which index is best; run `analyze` once".into());
    }
    notes
}

/// An index that another one makes superfluous.
fn covered(schema: &Schema, name: &str, index: &Index, all: &[(&String, Index)]) -> Option<String> {
    if index.unique {
        return None;
    }
    let others = all.iter().filter(|(other, _)| other.as_str() != name);
    for (other, wider) in others {
        if wider.table != index.table || wider.filter != index.filter || !wider.columns.starts_with(&index.columns) {
            continue;
        }
        if wider.columns.len() > index.columns.len() {
            return Some(format!("index `{name}` is the beginning of `{other}`, which serves the same queries"));
        }
        // Of two that are the same, only one is remarked on.
        if wider.unique || name > other.as_str() {
            return Some(format!("index `{name}` is the same as `{other}`"));
        }
    }
    let columns = index.plain_columns(schema.table(&index.table)?)?;
    let constraint = schema.constraints.iter().find(|constraint| {
        constraint.table == index.table
            && index.filter.is_none()
            && constraint.columns.iter().map(String::as_str).take(columns.len()).eq(columns.iter().copied())
    })?;
    Some(format!("index `{name}` is the beginning of `{}`, which serves the same queries", constraint.name))
}

/// An index on a text, which somebody took for a column: SQLite accepts `"nosuch"` as one.
fn constant(schema: &Schema, name: &str, index: &Index) -> Option<String> {
    let columns = &schema.table(&index.table)?.columns;
    let taken = index.columns.iter().find_map(|column| match token::split(column).ok()?.first()? {
        Token::Word(word) | Token::Quoted(word) => {
            let known = columns.iter().any(|known| known.eq_ignore_ascii_case(word));
            let alone = token::quote(word) == column.strip_suffix(" desc").unwrap_or(column);
            (alone && !known && !columns.is_empty()).then(|| word.clone())
        }
        _ => None,
    })?;
    Some(format!("index `{name}` is on the text \"{taken}\", for `{}` has no such column", index.table))
}
