//! Indexes of partitioned tables, which cannot be built concurrently as a whole: entered for the parent alone, built on each partition,
//! and attached from the leaves up. What an earlier run has done is not done again.

use super::name::{self, Relation};
use super::steps::{Difference, Drafting};
use super::table::{Part, Partition};
use super::{Index, evidence};
use crate::model::Stage;
use crate::providers::postgres::hazard::REBUILDS_INVALID;

/// Drafts what is missing of the index `root` and its parts.
pub fn build(drafting: &mut Drafting<'_>, difference: &Difference<'_>, root: &Relation) {
    let Some((want, declared)) = &difference.want else { return };
    let Some(table) = Relation::parse(&want.table, &drafting.site.schema) else { return };
    let Some(known) = drafting.site.indexes.tables.get(&table) else { return };
    let id = &difference.delta.id;
    let there = difference.live.as_ref().is_some_and(|(_, live)| live == root)
        || drafting.site.indexes.temporaries.contains_key(root);
    if !there {
        drafting.create_only(id, want, root, &table);
    }
    for partition in &known.partitions {
        let index = index_of(partition, declared, want);
        match existing(partition, &index) {
            Some(part) if part.valid || part.attached || partition.partitioned => {}
            leftover => {
                if leftover.is_some() {
                    let why = format!("`{}` is not valid: it serves no query, and is built again", index.full());
                    drafting.drop_concurrently(id, &index, Stage::Expand, vec![REBUILDS_INVALID.with(why)]);
                }
                if partition.partitioned {
                    drafting.create_only(id, want, &index, &partition.table);
                } else {
                    let hazards = evidence::of_build(drafting.site, want, &partition.table, difference);
                    drafting.create_on(id, want, &index, &partition.table, hazards);
                }
            }
        }
    }
    // From the leaves up: a parent is valid once all of its parts are attached.
    for partition in known.partitions.iter().rev() {
        let index = index_of(partition, declared, want);
        if existing(partition, &index).is_some_and(|part| part.attached) {
            continue;
        }
        let above = known.partitions.iter().find(|above| above.table == partition.parent);
        let parent = above.map_or_else(|| root.clone(), |above| index_of(above, declared, want));
        drafting.attach(id, &parent, &index);
    }
}

fn index_of(partition: &Partition, declared: &Relation, want: &Index) -> Relation {
    let Relation { schema, name } = &partition.table;
    Relation::new(schema.as_str(), name::of_partition(name, &declared.name, want))
}

fn existing<'a>(partition: &'a Partition, index: &Relation) -> Option<&'a Part> {
    partition.indexes.iter().find(|part| part.name == index.name)
}
