//! Cache tables: a table whose triggers bound its age and its size, for SQLite has no jobs. What bounds it is written in the triggers,
//! so that the database itself says what is in force.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::index::Fault;
use super::schema::{Schema, Stored, Table};
use super::token::{self, Token, quote};
use crate::model::units::Duration;

/// A table for a cache: `key text primary key, value, created_at, expires_at`, times in seconds since 1970.
///
/// A row leaves when it has expired or when `max_rows` newer ones were written; a reader asks for
/// `expires_at > unixepoch()`, for a row is swept with the writes that follow its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheTable {
    /// How long a row lives that does not say so itself in `expires_at`. Live, `0s` says that nothing enforces it.
    pub ttl: Duration,
    /// How many rows stay at most; the oldest leave first. Live, 0 says that nothing enforces it.
    pub max_rows: u32,
}

/// How many expired rows a write takes with it, so that no write is slow.
const SWEEP: u32 = 100;

const NOW: &str = "cast(strftime('%s', 'now') as integer)";

impl CacheTable {
    /// What can be said without the database.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.ttl.as_micros() == 0 || !self.ttl.as_micros().is_multiple_of(1_000_000) {
            faults.push(Fault::new("ttl", "a row lives for whole seconds, and for at least one").hint("ttl = \"24h\""));
        }
        if self.max_rows == 0 {
            faults.push(Fault::new("max_rows", "a cache without rows is none").hint("max_rows = 100000"));
        }
        faults
    }

    /// The statements that make it.
    pub fn create(&self, name: &str) -> Vec<String> {
        [vec![table_text(name), index_text(name, "")], self.trigger_texts(name).to_vec()].concat()
    }

    /// The statements that put its bounds in force, whatever is left of them.
    pub fn bound(&self, name: &str) -> Vec<String> {
        let drop = |suffix| format!("drop trigger if exists {}", quote(&format!("{name}_{suffix}")));
        let drops = vec![drop("bound"), drop("renew"), index_text(name, "if not exists ")];
        [drops, self.trigger_texts(name).to_vec()].concat()
    }

    fn trigger_texts(&self, name: &str) -> [String; 2] {
        let (table, ttl, max_rows) = (quote(name), self.ttl.as_secs(), self.max_rows);
        let (bound, renew) = (quote(&format!("{name}_bound")), quote(&format!("{name}_renew")));
        [
            format!(
                "create trigger {bound} after insert on {table} begin\n  \
                 update {table} set expires_at = new.created_at + {ttl} where rowid = new.rowid and expires_at is null;\n  \
                 delete from {table} where rowid <= new.rowid - {max_rows};\n  \
                 delete from {table} where rowid in (select rowid from {table} where expires_at <= {NOW} limit {SWEEP});\n\
                 end"
            ),
            format!(
                "create trigger {renew} after update of value on {table} when new.expires_at is old.expires_at begin\n  \
                 update {table} set expires_at = {NOW} + {ttl} where rowid = new.rowid;\n\
                 end"
            ),
        ]
    }

    /// The cache table that `table` is, if it is one. What of its bounds is not in force is nought.
    pub fn of(table: &Table, schema: &Schema) -> Option<Self> {
        let name = &table.name;
        if !same(&table.sql, &table_text(name)) {
            return None;
        }
        let unbounded = Self { ttl: Duration::default(), max_rows: 0 };
        let trigger = |suffix: &str| find(&schema.triggers, name, suffix);
        let (Some(bound), Some(renew), Some(index)) =
            (trigger("bound"), trigger("renew"), find(&schema.indexes, name, "expires_at"))
        else {
            return Some(unbounded);
        };
        let numbers = numbers(&bound.sql);
        let [seconds, max_rows, ..] = numbers.as_slice() else { return Some(unbounded) };
        let Ok(max_rows) = u32::try_from(*max_rows) else { return Some(unbounded) };
        let found = Self { ttl: Duration::from_secs(*seconds), max_rows };
        let [bound_text, renew_text] = found.trigger_texts(name);
        let intact =
            same(&bound.sql, &bound_text) && same(&renew.sql, &renew_text) && same(&index.sql, &index_text(name, ""));
        Some(if intact { found } else { unbounded })
    }

    /// What stands where a cache table `name` would have to be made.
    pub fn obstacle(name: &str, schema: &Schema) -> Option<String> {
        if schema.table(name).is_some() {
            return Some(format!("there is already a table `{name}`, and it is no cache table"));
        }
        let index = find(&schema.indexes, name, "expires_at");
        let triggers = ["bound", "renew"].iter().find_map(|suffix| find(&schema.triggers, name, suffix));
        index.or(triggers).map(|stored| format!("there is already something named `{}`", stored.name))
    }
}

/// Whether `name` is the index of a cache table.
pub fn owns(index: &Stored, schema: &Schema) -> bool {
    let table = schema.table(&index.table);
    table.is_some_and(|table| same(&index.sql, &index_text(&table.name, "")) && CacheTable::of(table, schema).is_some())
}

fn table_text(name: &str) -> String {
    let table = quote(name);
    format!(
        "create table {table} (\n  key text primary key not null,\n  value blob,\n  \
         created_at integer not null default ({NOW}),\n  expires_at integer\n)"
    )
}

fn index_text(name: &str, condition: &str) -> String {
    format!("create index {condition}{} on {} (expires_at)", quote(&format!("{name}_expires_at")), quote(name))
}

fn find<'a>(all: &'a [Stored], name: &str, suffix: &str) -> Option<&'a Stored> {
    let wanted = format!("{name}_{suffix}");
    all.iter().find(|stored| stored.name.eq_ignore_ascii_case(&wanted))
}

fn same(a: &str, b: &str) -> bool {
    let print = |text: &str| token::split(text).map(|tokens| token::print(&tokens, &[]));
    print(a).is_ok_and(|a| print(b) == Ok(a))
}

fn numbers(text: &str) -> Vec<u64> {
    let number = |token: &Token| match token {
        Token::Literal(literal) => literal.parse().ok(),
        _ => None,
    };
    token::split(text).unwrap_or_default().iter().filter_map(number).collect()
}
