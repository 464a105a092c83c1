//! Reading back: after a write, the live state is compared once more, by the same diff.

use crate::diff::{self, Want};
use crate::error::Result;
use crate::model::{Kind, ResourceId, text, value};
use crate::policy::Target;
use crate::provider::{Breadth, Connection, Wanted};

/// What still differs of `ids`, as a sentence; `None` where all is as wanted.
///
/// # Errors
/// When the target cannot be read.
pub async fn remaining(
    connection: &dyn Connection,
    target: &Target,
    kinds: &'static [Kind],
    ids: &[ResourceId],
) -> Result<Option<String>> {
    let survey = connection.survey(Some(ids), Breadth::Declared).await?;
    let mut found = Vec::new();
    for gap in survey.gaps.iter().filter(|gap| ids.iter().any(|id| gap.covers(id))) {
        found.push(format!("`{}` could not be read: {}", gap.kind, gap.reason));
    }
    for pair in survey.pairs.iter().filter(|pair| ids.contains(&pair.id)) {
        let Some(kind) = kinds.iter().find(|kind| kind.name == pair.id.kind) else { continue };
        let want = match &pair.want {
            Wanted::Here(attributes) => Want::Here(attributes),
            Wanted::Absent | Wanted::Undeclared => Want::Absent,
        };
        let resource = target.resources.iter().find(|resource| resource.id == pair.id);
        let ignore = resource.map(|resource| resource.ignore.as_slice()).unwrap_or_default();
        let difference = diff::compare(kind, want, pair.live.as_deref(), ignore);
        let show = |value: &Option<_>| value.as_ref().map_or("nothing".to_owned(), value::show);
        match difference.action {
            None => {}
            Some(_) if difference.fields.is_empty() || difference.before.is_none() => {
                found.push(format!("`{}` is {}there", pair.id, if pair.live.is_some() { "still " } else { "not " }));
            }
            Some(_) => found.extend(difference.fields.iter().map(|field| {
                format!("`{}` of `{}` is {}, not {}", field.path, pair.id, show(&field.before), show(&field.after))
            })),
        }
    }
    Ok((!found.is_empty()).then(|| text::tame(&found.join("; "))))
}
