//! What to run for the differences of indexes: build first, drop last, one build at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::name::{self, Relation};
use super::sql::{self, Build};
use super::{Built, Index, evidence, partition};
use crate::model::{Action, Hazard, Impact, ResourceId, Stage};
use crate::provider::{Delta, Draft};
use crate::providers::postgres::hazard::{BLOCKS_WRITES, DROPS_INDEX, LOCKS_BRIEFLY, REBUILDS_INVALID, REPLACES_INDEX};
use crate::providers::postgres::{Expect, Op, Site, Spec};

/// How long a statement that changes only the catalog may take once it has its lock.
const QUICK: Duration = Duration::from_mins(1);

/// A difference of an index, with its two sides taken out of the provider's types.
pub struct Difference<'a> {
    /// The whole difference.
    pub delta: &'a Delta<Spec>,
    /// What is wanted, and where.
    pub want: Option<(&'a Index, Relation)>,
    /// What is there, and where.
    pub live: Option<(&'a Index, Relation)>,
}

/// Drafts of one target, as they come together.
pub struct Drafting<'a> {
    /// What the target says of itself.
    pub site: &'a Site,
    /// What has been drafted.
    pub drafts: Vec<Draft<Op>>,
    /// What leaves only because nobody declares it, by what it is on the server.
    pub leaving: BTreeMap<Relation, &'a ResourceId>,
    /// What of that turned out to be of use.
    pub kept: BTreeSet<ResourceId>,
}

/// What to run for these differences; those of other kinds are left alone.
pub fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
    let differences: Vec<_> = deltas.iter().filter_map(|delta| difference(site, delta)).collect();
    let leaving = differences
        .iter()
        .filter(|difference| difference.delta.action == Action::Delete)
        .filter_map(|difference| difference.live.as_ref().map(|(_, index)| (index.clone(), &difference.delta.id)))
        .collect();
    let mut drafting = Drafting { site, drafts: Vec::new(), leaving, kept: BTreeSet::new() };
    for difference in &differences {
        match difference.delta.action {
            Action::Create => match twin(difference, &differences, &drafting) {
                Some((twin, id)) => drafting.adopt(difference, &twin, id),
                None => drafting.build(difference),
            },
            Action::Update => drafting.change(difference),
            Action::Replace => drafting.replace(difference),
            Action::Delete => {}
        }
    }
    for difference in differences.iter().filter(|difference| difference.delta.action == Action::Delete) {
        if !drafting.kept.contains(&difference.delta.id) {
            drafting.remove(difference);
        }
    }
    drafting.drafts
}

fn difference<'a>(site: &Site, delta: &'a Delta<Spec>) -> Option<Difference<'a>> {
    let place = |spec: &'a Option<Spec>| match spec {
        Some(Spec::Index(index)) => name::index_of(&delta.id, index, &site.schema).map(|relation| (index, relation)),
        _ => None,
    };
    let (want, live) = (place(&delta.want), place(&delta.live));
    (want.is_some() || live.is_some()).then_some(Difference { delta, want, live })
}

/// An index of the wanted definition that would otherwise be dropped.
fn twin<'a>(
    difference: &Difference<'a>,
    all: &[Difference<'a>],
    drafting: &Drafting<'a>,
) -> Option<(Relation, &'a ResourceId)> {
    let (want, index) = difference.want.as_ref()?;
    let bare = |spec: &Index| Index { name: None, rename_from: None, ..spec.clone() };
    let want = bare(want);
    all.iter()
        .filter(|other| other.delta.action == Action::Delete)
        .filter_map(|other| other.live.as_ref().map(|live| (other, live)))
        .find(|(other, (live, place))| {
            place.schema == index.schema && bare(live) == want && !drafting.kept.contains(&other.delta.id)
        })
        .map(|(other, (_, place))| (place.clone(), &other.delta.id))
}

impl<'a> Drafting<'a> {
    /// Renames what is there already rather than dropping it and building it again.
    fn adopt(&mut self, difference: &Difference<'a>, twin: &Relation, id: &'a ResourceId) {
        let Some((_, index)) = &difference.want else { return };
        let evidence =
            format!("`{}` has this very definition: it is renamed, not dropped and built again", twin.full());
        self.rename(&difference.delta.id, twin, index, Stage::Expand, vec![LOCKS_BRIEFLY.with(evidence)]);
        if let Some(draft) = self.drafts.last_mut() {
            draft.covers.push(id.clone());
        }
        self.kept.insert(id.clone());
    }

    /// Builds what is not there, or goes on with what a replacement that was cut off left.
    fn build(&mut self, difference: &Difference<'a>) {
        let Some((want, index)) = &difference.want else { return };
        let id = &difference.delta.id;
        let temporary = Relation::new(index.schema.as_str(), name::temporary(index, want));
        let ready = self.sweep(id, index, &temporary);
        if self.is_partitioned(want) {
            let begun = self.site.indexes.temporaries.contains_key(&temporary);
            let root = if begun { &temporary } else { index };
            partition::build(self, difference, root);
            if begun {
                self.rename(id, &temporary, index, Stage::Contract, Vec::new());
            }
        } else if ready {
            self.rename(id, &temporary, index, Stage::Expand, Vec::new());
        } else {
            self.create(difference, index);
        }
    }

    /// Makes a new one beside the old one, and only then lets the old one go.
    fn replace(&mut self, difference: &Difference<'a>) {
        let (Some((want, index)), Some((live, old))) = (&difference.want, &difference.live) else { return };
        let id = &difference.delta.id;
        let temporary = Relation::new(index.schema.as_str(), name::temporary(index, want));
        let partitioned = self.is_partitioned(want) || difference.delta.facts.flag("partitioned");
        let unfinished = Index { valid: true, name: want.name.clone(), ..(*live).clone() } == **want && old == index;
        if partitioned && !live.valid && unfinished {
            // The parent's index is there and waits for its partitions'.
            partition::build(self, difference, index);
            return;
        }
        let ready = self.sweep(id, index, &temporary);
        if !live.valid && !partitioned && !ready {
            let evidence = format!("`{}` is not valid: it serves no query, and is built again", old.full());
            self.drop_concurrently(id, old, Stage::Expand, vec![REBUILDS_INVALID.with(evidence)]);
            self.create(difference, index);
            return;
        }
        if partitioned && self.is_partitioned(want) {
            partition::build(self, difference, &temporary);
        } else if !ready {
            self.create(difference, &temporary);
        }
        let mut hazards = vec![REPLACES_INDEX.with(evidence::of_drop(self.site, &difference.delta.facts))];
        if difference.delta.facts.flag("partitioned") {
            hazards.push(BLOCKS_WRITES.with(evidence::of_lock(self.site, &old.full())));
            self.drop_blocking(id, old, hazards);
        } else {
            self.drop_concurrently(id, old, Stage::Contract, hazards);
        }
        self.rename(id, &temporary, index, Stage::Contract, Vec::new());
    }

    /// Changes what can be changed in place: the name and the storage parameters.
    fn change(&mut self, difference: &Difference<'a>) {
        let (Some((want, index)), Some((live, old))) = (&difference.want, &difference.live) else { return };
        let Delta { id, changed, .. } = difference.delta;
        let concerns = |key: &str| changed.iter().any(|path| path == "with" || path.strip_prefix("with.") == Some(key));
        if old != index && changed.iter().any(|path| path == "name") {
            self.rename(id, old, index, Stage::Shift, Vec::new());
        }
        let set: serde_json::Map<_, _> = want
            .with
            .iter()
            .filter(|(key, value)| concerns(key) && live.with.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let reset: Vec<_> =
            live.with.keys().filter(|key| concerns(key) && !want.with.contains_key(*key)).cloned().collect();
        let there = if changed.iter().any(|path| path == "name") { index } else { old };
        for (set, reset) in [(set, Vec::new()), (serde_json::Map::new(), reset)] {
            if set.is_empty() && reset.is_empty() {
                continue;
            }
            let sql = if reset.is_empty() {
                sql::set_parameters(&there.schema, &there.name, &set)
            } else {
                sql::reset_parameters(&there.schema, &there.name, &reset)
            };
            // Only these two change without stopping those who use the index.
            let soft = |key: &String| matches!(key.as_str(), "fillfactor" | "deduplicate_items");
            let hazards = if set.keys().chain(&reset).all(soft) {
                Vec::new()
            } else {
                vec![BLOCKS_WRITES.with(evidence::of_lock(self.site, &there.full()))]
            };
            let title = format!("set storage parameters of `{}`, for pages written from now on", there.full());
            let after = Expect::Stored { schema: there.schema.clone(), name: there.name.clone(), set, reset };
            self.quick(id, Stage::Shift, title, hazards, sql, after);
        }
    }

    /// Drops what is not to be there.
    fn remove(&mut self, difference: &Difference<'a>) {
        let Some((live, index)) = &difference.live else { return };
        let Delta { id, facts, .. } = difference.delta;
        let evidence = if live.valid || facts.flag("partitioned") {
            evidence::of_drop(self.site, facts)
        } else {
            "it is not valid and serves no query".to_owned()
        };
        let mut hazards = vec![DROPS_INDEX.with(evidence)];
        if facts.flag("partitioned") {
            hazards.push(BLOCKS_WRITES.with(evidence::of_lock(self.site, &index.full())));
            self.drop_blocking(id, index, hazards);
        } else {
            self.drop_concurrently(id, index, Stage::Contract, hazards);
        }
    }

    /// Removes what earlier replacements of `index` left that is of no use now; says whether `temporary` is there and finished.
    fn sweep(&mut self, id: &ResourceId, index: &Relation, temporary: &Relation) -> bool {
        let prefix = name::temporary_prefix(index);
        let leftovers = self.site.indexes.temporaries.values();
        let leftovers: Vec<_> = leftovers
            .filter(|entry| entry.index.schema == index.schema && entry.index.name.starts_with(&prefix))
            .collect();
        let mut ready = false;
        for entry in leftovers {
            let wanted = entry.index == *temporary;
            if wanted && (entry.spec.valid || entry.partitioned) {
                ready = entry.spec.valid;
                continue;
            }
            let evidence = format!("`{}` is what an interrupted replacement left behind", entry.index.full());
            if entry.partitioned {
                let lock = BLOCKS_WRITES.with(evidence::of_lock(self.site, &entry.index.full()));
                self.drop_blocking(id, &entry.index, vec![REBUILDS_INVALID.with(evidence), lock]);
            } else {
                self.drop_concurrently(id, &entry.index, Stage::Expand, vec![REBUILDS_INVALID.with(evidence)]);
            }
        }
        ready
    }

    fn is_partitioned(&self, want: &Index) -> bool {
        let table = Relation::parse(&want.table, &self.site.schema);
        table.and_then(|table| self.site.indexes.tables.get(&table)).is_some_and(|table| table.partitioned)
    }

    fn create(&mut self, difference: &Difference<'a>, index: &Relation) {
        let Some((want, _)) = &difference.want else { return };
        let Some(table) = Relation::parse(&want.table, &self.site.schema) else { return };
        let hazards = evidence::of_build(self.site, want, &table, difference);
        self.create_on(&difference.delta.id, want, index, &table, hazards);
    }

    /// Builds `index` on `table`, while readers and writers go on.
    pub fn create_on(
        &mut self,
        id: &ResourceId,
        want: &Index,
        index: &Relation,
        table: &Relation,
        hazards: Vec<Hazard>,
    ) {
        let sql = sql::create(Build::Concurrently, &index.name, &table.full(), want);
        let title = format!("build index `{}`", index.full());
        self.slow(id, Stage::Expand, title, hazards, sql, Expect::Built(Box::new(built(index, want, table))));
    }

    /// Enters `index` for the partitioned `table` alone.
    pub fn create_only(&mut self, id: &ResourceId, want: &Index, index: &Relation, table: &Relation) {
        let sql = sql::create(Build::ParentOnly, &index.name, &table.full(), want);
        let title = format!("enter index `{}` for the partitioned table alone", index.full());
        let hazards = vec![LOCKS_BRIEFLY.with(evidence::of_lock(self.site, &table.full()))];
        self.quick(id, Stage::Expand, title, hazards, sql, Expect::Begun(Box::new(built(index, want, table))));
    }

    /// Makes a partition's index part of its parent's.
    pub fn attach(&mut self, id: &ResourceId, parent: &Relation, child: &Relation) {
        let sql = sql::attach(&parent.schema, &parent.name, &child.schema, &child.name);
        let title = format!("make `{}` part of `{}`", child.full(), parent.full());
        let after = Expect::Attached {
            parent_schema: parent.schema.clone(),
            parent: parent.name.clone(),
            child_schema: child.schema.clone(),
            child: child.name.clone(),
        };
        let hazards = vec![LOCKS_BRIEFLY.with(evidence::of_lock(self.site, &child.full()))];
        self.quick(id, Stage::Expand, title, hazards, sql, after);
        // A part that an earlier run built is nobody's declared index, but it is not to go.
        if let Some(leaving) = self.leaving.get(child) {
            self.kept.insert((*leaving).clone());
            if let Some(draft) = self.drafts.last_mut() {
                draft.covers.push((*leaving).clone());
            }
        }
    }

    fn rename(&mut self, id: &ResourceId, from: &Relation, to: &Relation, stage: Stage, hazards: Vec<Hazard>) {
        let sql = sql::rename(&from.schema, &from.name, &to.name);
        let title = format!("rename index `{}` to `{}`", from.full(), to.name);
        let after = Expect::Renamed { schema: from.schema.clone(), from: from.name.clone(), to: to.name.clone() };
        self.quick(id, stage, title, hazards, sql, after);
    }

    /// Drops an index while readers and writers go on.
    pub fn drop_concurrently(&mut self, id: &ResourceId, index: &Relation, stage: Stage, hazards: Vec<Hazard>) {
        let sql = sql::drop_concurrently(&index.schema, &index.name);
        let title = format!("drop index `{}`", index.full());
        self.slow(id, stage, title, hazards, sql, gone(index));
    }

    fn drop_blocking(&mut self, id: &ResourceId, index: &Relation, hazards: Vec<Hazard>) {
        let sql = sql::drop_blocking(&index.schema, &index.name);
        let title = format!("drop index `{}` and its partitions' parts", index.full());
        self.quick(id, Stage::Contract, title, hazards, sql, gone(index));
    }

    /// A concurrent statement. Its waits make nobody wait, and a lock timeout in one of them would leave an invalid index: only the
    /// whole has a limit.
    fn slow(&mut self, id: &ResourceId, stage: Stage, title: String, hazards: Vec<Hazard>, sql: String, after: Expect) {
        let limit = self.site.build_timeout;
        let op = Op { sql, lock_timeout: Duration::ZERO, statement_timeout: limit, after };
        self.push(id, stage, title, hazards, op, limit + QUICK);
    }

    /// A statement that changes only the catalog, but makes others wait behind it while it waits itself.
    fn quick(
        &mut self,
        id: &ResourceId,
        stage: Stage,
        title: String,
        hazards: Vec<Hazard>,
        sql: String,
        after: Expect,
    ) {
        let op =
            Op { sql, lock_timeout: self.site.lock_timeout, statement_timeout: self.site.lock_timeout + QUICK, after };
        let limit = self.site.lock_timeout + 2 * QUICK;
        self.push(id, stage, title, hazards, op, limit);
    }

    fn push(&mut self, id: &ResourceId, stage: Stage, title: String, hazards: Vec<Hazard>, op: Op, timeout: Duration) {
        let lock_timeout = Some(op.lock_timeout).filter(|timeout| !timeout.is_zero());
        let covers = vec![id.clone()];
        self.drafts.push(Draft { stage, title, covers, hazards, timeout, lock_timeout, impact: Impact::Runtime, op });
    }
}

fn built(index: &Relation, want: &Index, table: &Relation) -> Built {
    Built { index: index.clone(), table: table.clone(), spec: want.clone() }
}

fn gone(index: &Relation) -> Expect {
    Expect::Gone { schema: index.schema.clone(), name: index.name.clone() }
}
