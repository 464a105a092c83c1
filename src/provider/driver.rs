//! Drivers: what the engine sees of a provider, its types erased, so that one engine serves them all.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Breadth, Claim, Context, Evicted, Eviction, Feed, Gap, Grants, Held, Holder, Progress, Sink};
use crate::error::Result;
use crate::model::{
    Action, Attributes, Check, Diagnostic, Facts, Hazard, HazardKind, Impact, Kind, Origin, ResourceId, Stage,
};
use crate::policy;

/// A future that a driver returns.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Decodes a target offline; what is wrong with it otherwise.
pub type Open = fn(&policy::Target, Context, &policy::Sources) -> Result<Box<dyn Driver>, Vec<Diagnostic>>;

/// What the registry holds of a provider.
#[derive(Debug)]
pub struct Descriptor {
    /// The provider's name.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// Its kinds.
    pub kinds: &'static [Kind],
    /// Its hazards.
    pub hazards: &'static [HazardKind],
    /// The least privileges.
    pub grants: Grants,
    /// Whether it answers queries in SQL.
    pub speaks_sql: bool,
    /// Decodes a target of the policy and checks it offline.
    pub open: Open,
    /// The JSON Schemas of its settings and of its specifications.
    pub schema: fn(&mut schemars::SchemaGenerator) -> (schemars::Schema, schemars::Schema),
    /// The attributes that a table of this kind has when only its required ones are written, for leaving defaults out of an export.
    pub defaults: fn(kind: &str, written: &Attributes) -> Attributes,
}

/// A target of the policy, decoded, not yet connected.
pub trait Driver: Send + Sync + fmt::Debug {
    /// Connects.
    fn connect(&self) -> Later<'_, Result<Box<dyn Connection>>>;
    /// Surveys against a live state that was saved as policy text, with no system at all.
    ///
    /// # Errors
    /// What of the saved state does not decode.
    fn replay(&self, saved: &policy::Target) -> Result<Survey, Vec<Diagnostic>>;
}

/// A connected target.
pub trait Connection: Send + Sync + fmt::Debug {
    /// Reads and brings to one form; `only` limits it to some declared resources.
    fn survey<'a>(&'a self, only: Option<&'a [ResourceId]>, breadth: Breadth) -> Later<'a, Result<Survey>>;
    /// Takes the target's lock, without waiting.
    fn lock<'a>(&'a self, holder: &'a Holder) -> Later<'a, Result<Claim<Box<dyn Held>>>>;
    /// Releases a lock that somebody else left behind.
    fn unlock(&self) -> Later<'_, Result<String>>;
    /// The columns of a query's result.
    fn columns<'a>(&'a self, sql: &'a str) -> Later<'a, Result<Vec<String>>>;
    /// Runs a query; every row that came is in the sink's blocks when this ends, also where it ends in an error, which says how far it came.
    fn rows<'a>(&'a self, sql: &'a str, columns: &'a [String], sink: Sink) -> Later<'a, Result<()>>;
    /// Opens the changes that wait to be told to caches; none where there never are any.
    fn feed(&self) -> Later<'_, Result<Option<Box<dyn Feed>>>>;
    /// Removes keys from this cache.
    fn evict<'a>(&'a self, evictions: &'a [Eviction]) -> Later<'a, Result<Vec<Evicted>>>;
    /// Deletes what has expired from the declared tables that do not do so themselves.
    fn sweep(&self) -> Later<'_, Result<Vec<(ResourceId, u64)>>>;
}

/// One look at a target: what is wanted beside what is there.
#[derive(Debug)]
pub struct Survey {
    /// What tells this system from every other.
    pub identity: String,
    /// Every declared resource, in the policy's order, then every undeclared one, sorted.
    pub pairs: Vec<Pair>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Remarks for the plan's reader.
    pub notes: Vec<String>,
    /// What the system cannot accept, as problems of the policy.
    pub problems: Vec<Diagnostic>,
    /// Goes on from here with the provider's own types.
    pub surveyor: Box<dyn Surveyor>,
}

/// A resource, wanted and live, in the form in which `==` is equality. Where both sides are equal, they are one value in memory.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Which one.
    pub id: ResourceId,
    /// What the policy says.
    pub want: Wanted,
    /// What is there.
    pub live: Option<Arc<Attributes>>,
    /// What was measured.
    pub facts: Facts,
    /// Where the policy says it.
    pub origin: Option<Origin>,
}

/// What the policy says of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// It is to be like this.
    Here(Arc<Attributes>),
    /// It is not to be there.
    Absent,
    /// Nothing.
    Undeclared,
}

/// A difference, as the engine names it to the provider.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Which resource.
    pub id: ResourceId,
    /// What becomes of it.
    pub action: Action,
    /// The paths of the attributes that differ.
    pub changed: Vec<String>,
}

/// A step as its provider drafted it; the operation stays with the surveyor under the number `op`.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// When it runs.
    pub stage: Stage,
    /// What it does, in words.
    pub title: String,
    /// What it runs.
    pub command: String,
    /// The resources it covers.
    pub covers: Vec<ResourceId>,
    /// What it may do to others.
    pub hazards: Vec<Hazard>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long it may wait for a lock.
    pub lock_timeout: Option<Duration>,
    /// How far it reaches.
    pub impact: Impact,
    /// The operation's number.
    pub op: usize,
}

/// The typed half of a survey.
pub trait Surveyor: Send + Sync + fmt::Debug {
    /// Says what to run for these differences, and keeps the operations.
    ///
    /// # Errors
    /// A difference that the survey does not know is a bug of the engine.
    fn draft(&mut self, drifts: &[Drift]) -> Result<Vec<Drafted>>;
    /// Judges the declared contracts against the state that the drafted differences lead to.
    fn judge(&self) -> Later<'_, Result<Vec<Check>>>;
    /// Runs a drafted operation.
    fn run<'a>(&'a self, op: usize, progress: &'a Progress) -> Later<'a, Result<()>>;
}
