//! A session: the policy's targets opened, connected, looked at, and planned. What plan, apply, drift and export share.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::exit::{Failure, Result};
use crate::error;
use crate::model::{Diagnostic, Kind, Severity, TargetId, text};
use crate::plan::make::{self, Looked, Planned, Purpose, Selection};
use crate::policy::{Policy, Target};
use crate::provider::{Breadth, Connection, Context, Depth, Driver, Neighbors, Survey};
use crate::providers::REGISTRY;

/// How many targets are connected to and read at the same time.
const ABREAST: usize = 16;

/// A target of the policy with its driver.
#[derive(Debug)]
pub struct Opened<'p> {
    /// The policy's target.
    pub target: &'p Target,
    /// Its provider's kinds.
    pub kinds: &'static [Kind],
    /// Its driver.
    pub driver: Box<dyn Driver>,
}

/// The target of a name, `postgres.shop`.
///
/// # Errors
/// `Usage`, with what was probably meant.
pub fn find<'o, 'p>(opened: &'o [Opened<'p>], name: &str) -> Result<&'o Opened<'p>> {
    let names: Vec<_> = opened.iter().map(|one| one.target.id.to_string()).collect();
    opened.iter().zip(&names).find(|(_, known)| *known == name).map(|(one, _)| one).ok_or_else(|| {
        let error = error::Error::usage(format!("the policy has no target `{name}`"));
        let hint = match text::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", text::either(&names)),
        };
        error.hint(hint).into()
    })
}

/// The connections of a session, by target; why not, where there is none.
pub type Connections = BTreeMap<TargetId, error::Result<Box<dyn Connection>>>;

/// Decodes every target of the policy, offline.
///
/// # Errors
/// Every problem of every target, together.
pub fn open(policy: &Policy, connect_timeout: Duration, depth: Depth) -> Result<Vec<Opened<'_>>> {
    let mut opened = Vec::with_capacity(policy.targets.len());
    let mut problems = Vec::new();
    let now = jiff::Timestamp::now();
    let neighbors = Neighbors::of(policy, REGISTRY, connect_timeout, now);
    for target in &policy.targets {
        let Some(descriptor) = REGISTRY.iter().find(|descriptor| descriptor.name == target.id.provider) else {
            continue;
        };
        let context = Context { target: target.id.clone(), connect_timeout, now, depth, neighbors: neighbors.clone() };
        match (descriptor.open)(target, context, &policy.sources) {
            Ok(driver) => opened.push(Opened { target, kinds: descriptor.kinds, driver }),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(opened) } else { Err(Failure::Policy(problems, policy.sources.clone())) }
}

/// Connects to the targets that `selection` can be about.
pub async fn connect(opened: &[Opened<'_>], selection: &Selection) -> Connections {
    let chosen = opened.iter().filter(|one| concerns(selection, one));
    stream::iter(chosen)
        .map(|one| async { (one.target.id.clone(), one.driver.connect().await) })
        .buffer_unordered(ABREAST)
        .collect()
        .await
}

/// Whether a selection can be about this target: by one of its declared resources, or by its kinds as a whole.
fn concerns(selection: &Selection, one: &Opened<'_>) -> bool {
    let id = &one.target.id;
    let declared =
        one.target.resources.iter().any(|resource| selection.takes(&id.resource(resource.id.clone()).to_string()));
    let prefix = format!("{id}.");
    let named = selection.only.iter().any(|pattern| {
        let fixed = pattern.as_str().split(['*', '?']).next().unwrap_or_default();
        fixed.starts_with(&prefix) || prefix.starts_with(fixed)
    });
    declared || ((selection.only.is_empty() || named) && selection.takes(&format!("{prefix}?")))
}

/// Looks at every connected target and makes a plan of what is found.
///
/// # Errors
/// What the systems say of the policy's values, as problems of the policy; defects.
pub async fn plan(
    policy: &Policy,
    opened: &[Opened<'_>],
    connections: &Connections,
    selection: &Selection,
    purpose: Purpose,
) -> Result<Planned> {
    let connected = opened.iter().filter_map(|one| Some((one, connections.get(&one.target.id)?)));
    let mut looked: Vec<Looked<'_>> = stream::iter(connected)
        .map(|(one, connection)| async move {
            let survey = match connection {
                Ok(connection) => connection.survey(None, Breadth::Everything).await,
                Err(error) => Err(error.again()),
            };
            Looked { target: one.target, kinds: one.kinds, survey }
        })
        .buffer_unordered(ABREAST)
        .collect()
        .await;
    looked.sort_by(|a, b| a.target.id.cmp(&b.target.id));
    made(policy, looked, selection, purpose).await
}

/// Makes a plan against a live state saved as policy text.
///
/// # Errors
/// What of the saved state cannot be used; defects.
pub async fn replay(policy: &Policy, opened: &[Opened<'_>], saved: &Policy, selection: &Selection) -> Result<Planned> {
    let mut looked = Vec::new();
    let mut problems = Vec::new();
    for one in opened.iter().filter(|one| concerns(selection, one)) {
        let survey = match saved
            .targets
            .iter()
            .find(|target| target.id == one.target.id)
            .map(|saved| one.driver.replay(saved))
        {
            Some(Ok(survey)) => Ok(survey),
            Some(Err(found)) => {
                problems.extend(found);
                continue;
            }
            None => {
                Err(error::Error::new(error::ErrorKind::Unreachable, "the saved live state does not hold this target"))
            }
        };
        looked.push(Looked { target: one.target, kinds: one.kinds, survey });
    }
    if !problems.is_empty() {
        return Err(Failure::Policy(problems, saved.sources.clone()));
    }
    made(policy, looked, selection, Purpose::Apply).await
}

async fn made(
    policy: &Policy,
    mut looked: Vec<Looked<'_>>,
    selection: &Selection,
    purpose: Purpose,
) -> Result<Planned> {
    let problems: Vec<Diagnostic> =
        looked.iter_mut().filter_map(|one| one.survey.as_mut().ok()).flat_map(take_problems).collect();
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Failure::Policy(problems, policy.sources.clone()));
    }
    Ok(make::make(policy, looked, selection, purpose).await?)
}

fn take_problems(survey: &mut Survey) -> Vec<Diagnostic> {
    std::mem::take(&mut survey.problems)
}
