//! Reads the live indexes: three statements when all is as declared, a few more when something is to be built.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::catalog::{self, Entry};
use super::name::{self, Relation};
use super::table::{self, Table};
use super::{Index, canonical, lookalike, remark};
use crate::error::Result;
use crate::model::{Facts, ResourceId};
use crate::provider::{Breadth, Gap, Live, Scope, Want};
use crate::providers::postgres::connect::Session;
use crate::providers::postgres::frame::Found;
use crate::providers::postgres::{Settings, Site, Spec};

/// What is known of the indexes beyond what is compared, for judging and drafting.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The tables on which something may have to be built.
    pub tables: BTreeMap<Relation, Table>,
    /// The names of all tables, where one that is wanted is missing.
    pub names: Vec<Relation>,
    /// What replacements left behind, by name.
    pub temporaries: BTreeMap<Relation, Entry>,
    /// The resources that must not be dropped or replaced, and why: ``backs the constraint `users_pkey` ``.
    pub pinned: HashMap<ResourceId, String>,
}

/// Reads all indexes of the target's schemas, and the declared ones.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn read(
    session: &mut Session,
    settings: &Settings,
    scope: &Scope<'_, Spec>,
    site: &mut Site,
    found: &mut Found,
) -> Result<()> {
    let declared = Declared::new(scope.wanted, &site.schema);
    let schemas = match scope.breadth {
        Breadth::Everything => settings.schemas.clone(),
        Breadth::Declared => Vec::new(),
    };
    let entries = catalog::read(session, site.version, &schemas, &declared.names(), &site.schema).await?;
    let present: BTreeSet<Relation> = entries.iter().map(|entry| entry.index.clone()).collect();

    let mut rest = Vec::new();
    for mut entry in entries {
        if name::is_temporary(&entry.index.name) {
            site.indexes.temporaries.insert(entry.index.clone(), entry);
            continue;
        }
        let id = declared.id(&entry.index, &settings.schemas).or_else(|| declared.renamed(&entry.index, &present));
        let Some(id) = id else {
            if settings.schemas.contains(&entry.index.schema) && scope.breadth == Breadth::Everything {
                rest.push(entry);
            }
            continue;
        };
        if let Some(gap) = unplannable(&id, &entry, declared.wants(&id)) {
            found.incomplete.push(gap);
            continue;
        }
        if let Some(reason) = &entry.pinned {
            site.indexes.pinned.insert(id.clone(), reason.clone());
        }
        entry.spec.name = Some(entry.index.name.clone()).filter(|name| name != id.label());
        found.live.push(live(id, &entry));
        // Also what is declared may be a duplicate of something.
        rest.push(entry);
    }
    for (id, index) in &declared.by_id {
        let prefix = name::temporary_prefix(index);
        let building = site.indexes.temporaries.values().find(|entry| {
            entry.index.schema == index.schema && entry.index.name.starts_with(&prefix) && entry.builder.is_some()
        });
        if let Some(gap) = building.and_then(|entry| unplannable(id, entry, true)) {
            found.live.retain(|live| live.id != *id);
            found.incomplete.push(gap);
        }
    }

    look_closer(session, settings, scope.wanted, site, found).await?;
    if scope.breadth == Breadth::Everything {
        found.notes.extend(remark::duplicates(&rest));
        found.notes.extend(remark::leftovers(&rest));
    }
    found.notes.extend(remark::stale(site, &declared.by_id, found));
    let alike = lookalike::find(session, scope.wanted, &mut rest, site, found).await?;
    found.notes.extend(remark::shorten(alike, "index that is there under another name"));
    list_undeclared(rest, &declared, site, found);
    Ok(())
}

/// Reads what building needs to know, of the tables of those that are not as declared.
async fn look_closer(
    session: &mut Session,
    settings: &Settings,
    wanted: &[Want<Spec>],
    site: &mut Site,
    found: &mut Found,
) -> Result<()> {
    let there: HashMap<&ResourceId, &Index> = found
        .live
        .iter()
        .filter_map(|l| if let Spec::Index(index) = &l.spec { Some((&l.id, index)) } else { None })
        .collect();
    let mut tables = BTreeSet::new();
    let mut gaps = Vec::new();
    for want in wanted {
        let Some(Spec::Index(spec)) = &want.spec else { continue };
        let spec = canonical::normal(spec, &want.id, &site.schema);
        let live = there.get(&want.id).copied();
        if live == Some(&spec) {
            continue;
        }
        tables.extend(Relation::parse(&spec.table, &site.schema));
        if live.is_some_and(|live| canonical::needs_server(&spec, live)) && !site.can_shadow() {
            gaps.push(uncomparable(&want.id, site));
        }
    }
    found.live.retain(|live| !gaps.iter().any(|gap: &Gap| gap.covers(&live.id)));
    found.incomplete.extend(gaps);
    let tables: Vec<_> = tables.into_iter().collect();
    site.indexes.tables = table::read(session, &tables).await?;
    if tables.iter().any(|table| !site.indexes.tables.contains_key(table)) {
        let mut schemas = settings.schemas.clone();
        schemas.extend(tables.iter().map(|table| table.schema.clone()));
        site.indexes.names = table::names(session, &schemas).await?;
    }
    found.notes.extend(remark::owners(site));
    Ok(())
}

/// Adds what nobody declared, each under a name of its own; what must stay is left out, for there is nothing to decide about it.
fn list_undeclared(rest: Vec<Entry>, declared: &Declared<'_>, site: &Site, found: &mut Found) {
    let mut taken: BTreeSet<ResourceId> = declared.wanted.iter().map(|want| want.id.clone()).collect();
    taken.extend(found.live.iter().map(|live| live.id.clone()));
    let seen: BTreeSet<Relation> = found
        .live
        .iter()
        .filter_map(|live| {
            if let Spec::Index(spec) = &live.spec { name::index_of(&live.id, spec, &site.schema) } else { None }
        })
        .collect();
    // The first schema's indexes come first, so that theirs are the short names.
    let (home, away): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .filter(|entry| entry.pinned.is_none() && !entry.part && !seen.contains(&entry.index))
        .partition(|entry| entry.index.schema == site.schema);
    for mut entry in home.into_iter().chain(away) {
        let mut id = ResourceId::named("index", entry.index.name.as_str());
        if taken.contains(&id) {
            id = ResourceId::named("index", format!("{}.{}", entry.index.schema, entry.index.name));
            entry.spec.name = Some(entry.index.name.clone());
        }
        taken.insert(id.clone());
        found.live.push(live(id, &entry));
    }
}

fn live(id: ResourceId, entry: &Entry) -> Live<Spec> {
    let mut facts = Facts::default().with("bytes", entry.bytes).with("rows", entry.rows).with("scans", entry.scans);
    if let Some(ago) = entry.last_scan {
        facts = facts.with("last_scan_seconds_ago", ago);
    }
    if entry.partitioned {
        facts = facts.with("partitioned", true);
    }
    if let Some(reason) = &entry.pinned {
        facts = facts.with("stays", format!("it {reason}"));
    }
    Live { id, spec: Spec::Index(entry.spec.clone()), facts }
}

/// Why nothing can be planned for a declared index, where that is so.
fn unplannable(id: &ResourceId, entry: &Entry, wanted: bool) -> Option<Gap> {
    let gap = |reason: String, hint: &str| Gap {
        kind: id.kind.clone(),
        name: id.name.clone(),
        reason,
        hint: Some(hint.to_owned()),
    };
    let name = entry.index.full();
    if let Some(pid) = entry.builder.filter(|_| !entry.spec.valid && !entry.partitioned) {
        let reason = format!("session {pid} is building `{name}`, or holds its table in a way that looks like it");
        return Some(gap(reason, "plan again when it is done"));
    }
    match &entry.pinned {
        Some(reason) if !wanted => Some(gap(
            format!("`{name}` {reason}, so it is not dropped"),
            "drop what it serves first, with `alter table`, or take `absent` out of the policy",
        )),
        _ => None,
    }
}

fn uncomparable(id: &ResourceId, site: &Site) -> Gap {
    let (reason, hint) = if site.in_recovery {
        ("the server is a standby", "give `url` the primary".to_owned())
    } else {
        (
            "the role may not create temporary tables",
            format!("grant temporary on database {} to {}", site.database, site.role),
        )
    };
    Gap {
        kind: id.kind.clone(),
        name: id.name.clone(),
        reason: format!(
            "its expressions are written otherwise than the server's, and {reason}, on which they could be compared"
        ),
        hint: Some(hint),
    }
}

/// The declared indexes, to be found by what they are on the server.
struct Declared<'a> {
    wanted: &'a [Want<Spec>],
    by_id: BTreeMap<ResourceId, Relation>,
    by_index: HashMap<Relation, &'a ResourceId>,
    renames: HashMap<Relation, &'a ResourceId>,
    /// Those that are not to be there: they say no table, so any schema's.
    absent: HashMap<&'a str, &'a ResourceId>,
}

impl<'a> Declared<'a> {
    fn new(wanted: &'a [Want<Spec>], home: &str) -> Self {
        let (mut by_id, mut by_index, mut renames, mut absent) =
            (BTreeMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        for want in wanted.iter().filter(|want| want.id.kind == "index") {
            let Some(Spec::Index(spec)) = &want.spec else {
                absent.insert(want.id.label(), &want.id);
                continue;
            };
            let Some(index) = name::index_of(&want.id, spec, home) else { continue };
            if let Some(from) = &spec.rename_from {
                renames.insert(Relation::new(index.schema.as_str(), from.as_str()), &want.id);
            }
            by_index.insert(index.clone(), &want.id);
            by_id.insert(want.id.clone(), index);
        }
        Self { wanted, by_id, by_index, renames, absent }
    }

    /// All names to look for, wherever they are.
    fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> =
            self.by_index.keys().chain(self.renames.keys()).map(|r| r.name.clone()).collect();
        for label in self.absent.keys() {
            names.insert((*label).to_owned());
            names.extend(label.split_once('.').map(|(_, name)| name.to_owned()));
        }
        names.into_iter().collect()
    }

    /// The resource that speaks of `index`.
    fn id(&self, index: &Relation, schemas: &[String]) -> Option<ResourceId> {
        if let Some(id) = self.by_index.get(index) {
            return Some((*id).clone());
        }
        let qualified = format!("{}.{}", index.schema, index.name);
        let plain = self.absent.get(index.name.as_str()).filter(|_| schemas.contains(&index.schema));
        plain.or_else(|| self.absent.get(qualified.as_str())).map(|id| (*id).clone())
    }

    /// The resource that is to take over `index`, while nothing has its own name yet.
    fn renamed(&self, index: &Relation, present: &BTreeSet<Relation>) -> Option<ResourceId> {
        let id = self.renames.get(index)?;
        self.by_id.get(*id).filter(|own| !present.contains(own)).map(|_| (*id).clone())
    }

    fn wants(&self, id: &ResourceId) -> bool {
        self.by_id.contains_key(id)
    }
}
