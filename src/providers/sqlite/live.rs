//! From the schema to live resources.

use super::cache_table::{self, CacheTable};
use super::index::Index;
use super::schema::Schema;
use super::site::Site;
use super::{CACHE_TABLE, INDEX, Spec};
use crate::model::{Facts, ResourceId};
use crate::provider::{Breadth, Live, Scope};

/// Every resource that `scope` asks for.
pub fn all(schema: &Schema, site: &Site, scope: &Scope<'_, Spec>) -> Vec<Live<Spec>> {
    let declared = |kind: &str, name: &str| {
        let same =
            |id: &&ResourceId| id.kind == kind && id.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name));
        scope.wanted.iter().map(|want| &want.id).find(same)
    };
    let mut found = Vec::new();
    for table in &schema.tables {
        let Some(cache) = CacheTable::of(table, schema) else { continue };
        let id = match declared(CACHE_TABLE, &table.name) {
            Some(id) => id.clone(),
            None if scope.breadth == Breadth::Everything => ResourceId::named(CACHE_TABLE, &table.name),
            None => continue,
        };
        let facts = rows(&table.name, site);
        found.push(Live { id, spec: Spec::CacheTable(cache), facts });
    }
    for stored in schema.indexes.iter().filter(|stored| !cache_table::owns(stored, schema)) {
        // SQLite does not tell names apart by case; the policy's spelling is the resource's name.
        let id = match declared(INDEX, &stored.name) {
            Some(id) => id.clone(),
            None if scope.breadth == Breadth::Everything => ResourceId::named(INDEX, &stored.name),
            None => continue,
        };
        let Some(index) = Index::of(stored, schema) else { continue };
        let facts = facts(&index.table, &stored.name, site);
        found.push(Live { id, spec: Spec::Index(index), facts });
    }
    found
}

/// One resource.
pub fn find(schema: &Schema, id: &ResourceId) -> Option<Spec> {
    let name = id.name.as_deref()?;
    match id.kind.as_str() {
        INDEX => {
            let stored = schema.indexes.iter().find(|stored| stored.name.eq_ignore_ascii_case(name))?;
            Index::of(stored, schema).map(Spec::Index)
        }
        CACHE_TABLE => CacheTable::of(schema.table(name)?, schema).map(Spec::CacheTable),
        _ => None,
    }
}

fn facts(table: &str, index: &str, site: &Site) -> Facts {
    let mut facts = rows(table, site);
    let mut statistics = site.schema.statistics.iter().flatten();
    if let Some(found) = statistics.find(|s| s.index.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(index))) {
        facts = facts.with("stat1", found.stat.clone());
    }
    facts
}

fn rows(table: &str, site: &Site) -> Facts {
    match site.rows(table).known() {
        Some(rows) => Facts::default().with("rows", rows),
        None => Facts::default(),
    }
}
