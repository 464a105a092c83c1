//! The seam: what a provider is, and what it must and must not do.
//!
//! A provider is one folder under `src/providers/` and one line in the registry. It decodes its own specifications with serde,
//! reads the live system into the same types, says what to run for a difference, and runs it. It knows `model`, `error`, this module and
//! its own transport; it never sees a plan, a diff, a renderer or another provider.

mod context;
mod driver;
mod erase;
mod feed;
pub mod file;
mod progress;
mod rows;
mod schema;

use std::fmt::{self, Display};
use std::future::Future;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::model::{Action, Check, Facts, Hazard, HazardKind, Impact, Kind, Origin, ResourceId, Stage};

pub use context::{Context, Depth, Holder, Neighbors};
pub use driver::{Connection, Descriptor, Drafted, Drift, Driver, Later, Pair, Survey, Surveyor, Wanted};
pub use erase::describe;
pub use feed::{Ask, Backlog, Entry, Evicted, Eviction, Feed, Sort};
pub use progress::{Progress, Tick};
pub use rows::{Sink, sink};
pub use schema::policy_schema;

/// One system that evenkeel can tune. The order of the methods is the order in which the engine calls them.
pub trait Provider: Sized + Send + Sync + 'static {
    /// The provider's name in a policy, `postgres`.
    const NAME: &'static str;
    /// One line for people.
    const DOC: &'static str;
    /// Its kinds. Each is a variant of [`Self::Spec`], named by serde as the kind is.
    const KINDS: &'static [Kind];
    /// The hazards its steps may carry.
    const HAZARDS: &'static [HazardKind];
    /// The least privileges, as text ready to paste: for planning, then what applying needs more.
    const GRANTS: Grants;
    /// Whether it answers queries in SQL: see [`Provider::rows`].
    const SPEAKS_SQL: bool = false;

    /// How to reach a target: everything in `[provider.target]` that is neither a kind nor the engine's own. Never seen by a plan.
    /// Every field that may hold a password is a [`crate::model::Secret`].
    type Settings: DeserializeOwned + JsonSchema + Clone + Send + Sync;
    /// An enum with one variant per kind, externally tagged. What it serialises to is exactly what is compared:
    /// every attribute with its default filled in for whole kinds, `None` skipped for partial ones, sets sorted, units canonical.
    /// Values that are `==` serialise alike.
    type Spec: DeserializeOwned + Serialize + JsonSchema + Clone + PartialEq + Send + Sync;
    /// What the target says of itself: version, limits, usage. Deserialises from the `site` table of a saved live state.
    type Site: Default + DeserializeOwned + Send + Sync;
    /// What a step runs. Its `Display` *is* the command: one value is both printed and sent, secrets masked.
    type Op: Display + Send + Sync;
    /// Holds the target's lock until it is dropped.
    type Lock: Held;

    /// Checks what can be checked without the system: names, lengths, ranges, references. Default: nothing.
    /// MUST NOT do I/O.
    fn check(settings: &Self::Settings, wants: &[Want<Self::Spec>]) -> Vec<Problem> {
        let _ = (settings, wants);
        Vec::new()
    }

    /// The other target whose rows a specification asks for with a query, and the attribute that names it: `("source.target", "postgres.shop")`.
    /// The engine sees to it that the policy has that target, and that it speaks SQL. Default: none.
    fn source(spec: &Self::Spec) -> Option<(&'static str, &str)> {
        let _ = spec;
        None
    }

    /// Connects, read-only as far as the system allows. MUST NOT change anything.
    ///
    /// # Errors
    /// `Unreachable`, `Denied`, or `Usage` for settings that make no sense, with a hint.
    fn connect(settings: Self::Settings, context: Context) -> impl Future<Output = Result<Self>> + Send;

    /// Reads the live state. MUST write nothing, take no lock that blocks others, and cost a constant number of round trips.
    /// What cannot be read is told in [`Reading::incomplete`], never guessed and never an error of the whole.
    ///
    /// # Errors
    /// Only when nothing could be read.
    fn read(
        &self,
        scope: &Scope<'_, Self::Spec>,
    ) -> impl Future<Output = Result<Reading<Self::Site, Self::Spec>>> + Send;

    /// Brings both sides of each pair to the form in which `==` is equality, by asking the system what it makes of the wanted value.
    /// Called once per target with all pairs; leaves what it cannot canonicalise as it is. MUST leave no trace on the system.
    /// Default: as written.
    ///
    /// # Errors
    /// A wanted value the system rejects is a [`Problem`], not an error.
    fn canonical(
        &self,
        site: &Self::Site,
        pairs: &mut [Pairing<Self::Spec>],
    ) -> impl Future<Output = Result<Vec<Problem>>> + Send {
        let _ = (site, pairs);
        async { Ok(Vec::new()) }
    }

    /// What to run for these differences, in the order within a stage in which it must run. No `self`: planning cannot do I/O.
    /// Every delta MUST be covered by a step, every step MUST cover only deltas, every deletion MUST carry a hazard.
    fn steps(site: &Self::Site, deltas: &[Delta<Self::Spec>]) -> Vec<Draft<Self::Op>>;

    /// Judges contracts against the state that `deltas` lead to. MUST leave no trace. Default: none.
    ///
    /// # Errors
    /// Only when nothing could be judged; one contract that could not is [`crate::model::Verdict::Unknown`].
    fn judge(
        &self,
        site: &Self::Site,
        contracts: &[Want<Self::Spec>],
        deltas: &[Delta<Self::Spec>],
    ) -> impl Future<Output = Result<Vec<Check>>> + Send {
        let _ = (site, contracts, deltas);
        async { Ok(Vec::new()) }
    }

    /// Takes the lock that lives on the target, without waiting.
    ///
    /// # Errors
    /// Only when the lock could be neither taken nor seen to be held.
    fn lock(&self, holder: &Holder) -> impl Future<Output = Result<Claim<Self::Lock>>> + Send;

    /// Releases a lock that somebody else left behind, and says what was done.
    ///
    /// # Errors
    /// When it cannot, with what the user can do instead.
    fn unlock(&self) -> impl Future<Output = Result<String>> + Send;

    /// Runs one operation and reads back that it took effect. MUST be safe to repeat: an operation that is already done succeeds.
    ///
    /// # Errors
    /// `Transient` when trying again may help, `Conflict` when the target is not as planned, `InDoubt` when nobody knows,
    /// `Partly` when everything was tried and some of it cannot be done, which holds up nothing else; `Failed` otherwise.
    fn run(&self, op: &Self::Op, progress: &Progress) -> impl Future<Output = Result<()>> + Send;

    /// The columns of a query's result, without running it. Only asked where [`Provider::SPEAKS_SQL`].
    ///
    /// # Errors
    /// `Usage` where the system does not take the query as it stands, in its own words.
    fn columns(&self, sql: &str) -> impl Future<Output = Result<Vec<String>>> + Send {
        let _ = sql;
        async { Err(Error::bug(format!("`{}` does not speak SQL", Self::NAME))) }
    }

    /// Runs a query and puts its rows into `sink` as they come, each an object with the named columns, all of them where none is named.
    /// MUST NOT be able to write, hold more than a few rows at a time, or wait for the system without end.
    /// A number, a truth value and null are JSON's own; JSON is itself; a moment is ISO 8601; bytes are `\\x` and hexadecimal digits.
    ///
    /// # Errors
    /// As running a query does; what came before is in the sink.
    fn rows(&self, sql: &str, columns: &[String], sink: &mut Sink) -> impl Future<Output = Result<()>> + Send {
        let _ = (sql, columns, sink);
        async { Err(Error::bug(format!("`{}` does not speak SQL", Self::NAME))) }
    }

    /// Opens the changes that wait to be told to caches. Default: there never are any.
    ///
    /// # Errors
    /// As connecting.
    fn feed(&self) -> impl Future<Output = Result<Option<Box<dyn Feed>>>> + Send {
        async { Ok(None) }
    }

    /// Removes keys from this cache; one answer each, in order. MUST be safe to repeat. Default: this is no cache.
    ///
    /// # Errors
    /// `Transient` or `Unreachable` when nobody knows which are gone and all are to be tried again.
    fn evict(&self, evictions: &[Eviction]) -> impl Future<Output = Result<Vec<Evicted>>> + Send {
        let _ = evictions;
        async { Err(crate::error::Error::usage(format!("`{}` is no cache that keys can be removed from", Self::NAME))) }
    }

    /// Deletes what has expired from the declared tables that do not do so themselves, and says how much of each. Default: there are none.
    ///
    /// # Errors
    /// The first that could not be swept.
    fn sweep(&self, wants: &[Want<Self::Spec>]) -> impl Future<Output = Result<Vec<(ResourceId, u64)>>> + Send {
        let _ = wants;
        async { Ok(Vec::new()) }
    }
}

/// The least privileges of a provider, as text ready to paste. `{role}` stands for the role's name, `{database}` for the database's,
/// `{table_owner}` for that of the role that owns the tables.
#[derive(Debug, PartialEq, Eq)]
pub struct Grants {
    /// What planning needs.
    pub plan: &'static str,
    /// What applying needs beyond planning.
    pub apply: &'static str,
}

/// A resource that the policy declares.
#[derive(Clone, Debug)]
pub struct Want<S> {
    /// Which one.
    pub id: ResourceId,
    /// What it should be; `None` says that it should not be (`absent = true`).
    pub spec: Option<S>,
    /// Where the policy says so.
    pub origin: Origin,
}

/// What a reading is to cover.
#[derive(Debug)]
pub struct Scope<'a, S> {
    /// The declared resources.
    pub wanted: &'a [Want<S>],
    /// Whether more than the declared ones is of interest.
    pub breadth: Breadth,
}

/// How far a reading looks beyond what is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// Only the declared resources: a look again after a write.
    Declared,
    /// Also what is not declared, where the target is responsible for it: for `unmanaged`, `prune` and `export`.
    Everything,
}

/// What was read.
#[derive(Debug)]
pub struct Reading<Site, S> {
    /// What the target says of itself.
    pub site: Site,
    /// What tells this system from every other, stable over restarts: a saved plan is bound to it.
    pub identity: String,
    /// The resources that are there, each once.
    pub live: Vec<Live<S>>,
    /// What could not be read. A declared resource it covers is neither planned nor compared.
    pub incomplete: Vec<Gap>,
    /// Remarks for the plan's reader: duplicates, leftovers, blockers.
    pub notes: Vec<String>,
}

/// A resource that is there.
#[derive(Clone, Debug)]
pub struct Live<S> {
    /// Which one.
    pub id: ResourceId,
    /// What it is.
    pub spec: S,
    /// What was measured about it.
    pub facts: Facts,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The kind.
    pub kind: String,
    /// The resource, or `None` for all of the kind.
    pub name: Option<String>,
    /// Why, a lowercase fragment.
    pub reason: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// A wanted resource beside the live one, to be brought to one form.
#[derive(Clone, Debug)]
pub struct Pairing<S> {
    /// Which resource.
    pub id: ResourceId,
    /// What is wanted.
    pub want: S,
    /// What is there, if anything.
    pub live: Option<S>,
}

/// A declared resource that the policy or the system cannot accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The resource; `None` for the target's own settings.
    pub id: Option<ResourceId>,
    /// The attribute, as a path: `where`, `columns`, `settings.work_mem`; `None` for the whole.
    pub attribute: Option<String>,
    /// What is wrong, a lowercase fragment; a server's message goes in as it is.
    pub message: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// A difference, typed, for [`Provider::steps`].
#[derive(Clone, Debug)]
pub struct Delta<S> {
    /// Which resource.
    pub id: ResourceId,
    /// What becomes of it.
    pub action: Action,
    /// What is wanted; `None` for a deletion.
    pub want: Option<S>,
    /// What is there; `None` for a creation.
    pub live: Option<S>,
    /// The paths of the attributes that differ.
    pub changed: Vec<String>,
    /// What was measured about the live resource.
    pub facts: Facts,
}

/// A step before the engine has ordered and numbered it.
#[derive(Debug)]
pub struct Draft<Op> {
    /// When it runs.
    pub stage: Stage,
    /// What it does, in words.
    pub title: String,
    /// The resources it covers.
    pub covers: Vec<ResourceId>,
    /// What it may do to others.
    pub hazards: Vec<Hazard>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long it may wait for a lock, where the target knows such a thing.
    pub lock_timeout: Option<Duration>,
    /// How far it reaches.
    pub impact: Impact,
    /// What to run.
    pub op: Op,
}

/// The answer to a try for the lock.
#[derive(Debug)]
pub enum Claim<L> {
    /// It is ours until this is dropped.
    Ours(L),
    /// Somebody else has it.
    Busy(Busy),
}

/// A lock that is held until it is dropped, unless somebody else takes it: a server that was away may have forgotten it.
pub trait Held: fmt::Debug + Send + Sync + 'static {
    /// Asks whether it is still held; asked before every try of every step. Default: it is, as with a lock that the kernel keeps.
    ///
    /// # Errors
    /// `Locked` where somebody else has it or may have it, `Transient` where the target cannot say at the moment.
    fn check(&self) -> Later<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Held for () {}

impl<L: Held> Held for Option<L> {
    fn check(&self) -> Later<'_, Result<()>> {
        match self {
            Some(lock) => lock.check(),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }
}

/// Somebody else's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Who holds it, as far as the target tells: `ci@runner-7, pid 4711, run 20261123T080000-3f2a`.
    pub holder: String,
    /// Since when, RFC 3339 in UTC, where the target tells.
    pub since: Option<String>,
}

impl Problem {
    /// A problem with the whole of a resource.
    pub fn of(id: &ResourceId, message: impl Into<String>) -> Self {
        Self { id: Some(id.clone()), attribute: None, message: message.into(), hint: None }
    }

    /// At one attribute of it.
    #[must_use]
    pub fn at(mut self, attribute: impl Into<String>) -> Self {
        self.attribute = Some(attribute.into());
        self
    }

    /// With what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Gap {
    /// Whether this gap covers `id`.
    pub fn covers(&self, id: &ResourceId) -> bool {
        self.kind == id.kind && (self.name.is_none() || self.name == id.name)
    }
}
