//! From a typed provider to the erased driver: the only code that is generic over providers.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::driver::{Connection, Descriptor, Drafted, Drift, Driver, Later, Pair, Survey, Surveyor, Wanted};
use super::{
    Breadth, Claim, Context, Delta, Evicted, Eviction, Feed, Gap, Held, Holder, Live, Pairing, Problem, Progress,
    Provider, Reading, Scope, Sink, Want,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Attributes, Check, Comparison, Diagnostic, Facts, Kind, ResourceId, Sources, value};
use crate::policy::{self, NodeValue};

/// The registry's entry for a provider.
pub const fn describe<P: Provider>() -> Descriptor {
    Descriptor {
        name: P::NAME,
        doc: P::DOC,
        kinds: P::KINDS,
        hazards: P::HAZARDS,
        grants: P::GRANTS,
        speaks_sql: P::SPEAKS_SQL,
        open: open::<P>,
        schema: |generator| (generator.subschema_for::<P::Settings>(), generator.subschema_for::<P::Spec>()),
        defaults: defaults::<P>,
    }
}

/// The wants of a target, split into what is compared and what is judged.
struct Wants<P: Provider> {
    compared: Vec<Want<P::Spec>>,
    contracts: Vec<Want<P::Spec>>,
}

struct Opened<P: Provider> {
    context: Context,
    settings: P::Settings,
    wants: Arc<Wants<P>>,
    /// For pointing at attributes that the system rejects.
    resources: Arc<HashMap<ResourceId, Arc<policy::Resource>>>,
}

struct Connected<P: Provider> {
    provider: Arc<P>,
    wants: Arc<Wants<P>>,
    resources: Arc<HashMap<ResourceId, Arc<policy::Resource>>>,
}

struct Typed<P: Provider> {
    /// `None` for a replayed live state: nothing can be run or judged then.
    provider: Option<Arc<P>>,
    wants: Arc<Wants<P>>,
    site: P::Site,
    known: HashMap<ResourceId, Known<P::Spec>>,
    deltas: Vec<Delta<P::Spec>>,
    ops: Vec<P::Op>,
}

/// A resource that differs, or that nobody declared.
struct Known<S> {
    want: Option<S>,
    live: Option<S>,
    facts: Facts,
}

/// A resource that is there; its specification leaves for the pairing.
struct There<S> {
    spec: Option<S>,
    facts: Facts,
}

/// What a provider read, to be looked up by resource.
struct Read<P: Provider> {
    site: P::Site,
    identity: String,
    live: HashMap<ResourceId, There<P::Spec>>,
    gaps: Vec<Gap>,
    notes: Vec<String>,
}

impl<P: Provider> Read<P> {
    fn new(reading: Reading<P::Site, P::Spec>) -> Self {
        let Reading { site, identity, live, incomplete: gaps, notes } = reading;
        let live = live.into_iter().map(|Live { id, spec, facts }| (id, There { spec: Some(spec), facts })).collect();
        Self { site, identity, live, gaps, notes }
    }
}

fn kind<P: Provider>(name: &str) -> Option<&'static Kind> {
    P::KINDS.iter().find(|kind| kind.name == name)
}

fn open<P: Provider>(
    target: &policy::Target,
    context: Context,
    sources: &Sources,
) -> Result<Box<dyn Driver>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut wants = Wants::<P> { compared: Vec::new(), contracts: Vec::new() };
    for resource in &target.resources {
        let spec = if resource.absent { Ok(None) } else { policy::decode_resource::<P::Spec>(resource).map(Some) };
        match spec {
            Ok(spec) => {
                let want = Want { id: resource.id.clone(), spec, origin: sources.origin(&resource.place) };
                let contract = kind::<P>(&resource.id.kind).is_some_and(|k| k.comparison == Comparison::Contract);
                if contract { wants.contracts.push(want) } else { wants.compared.push(want) }
            }
            Err(found) => problems.extend(found),
        }
    }
    let resources: HashMap<_, _> = target.resources.iter().map(|r| (r.id.clone(), r.clone())).collect();
    match policy::decode_settings::<P::Settings>(&target.settings, P::KINDS) {
        Ok(settings) => {
            let mut all = wants.compared.clone();
            all.extend(wants.contracts.iter().cloned());
            let mut found = P::check(&settings, &all);
            found.extend(all.iter().filter_map(|want| unfit_source::<P>(want, &context)));
            problems.extend(found.into_iter().map(|p| locate(p, &resources, Some(target))));
            if problems.is_empty() {
                let (wants, resources) = (Arc::new(wants), Arc::new(resources));
                return Ok(Box::new(Opened::<P> { context, settings, wants, resources }));
            }
        }
        Err(found) => problems.extend(found),
    }
    Err(problems)
}

/// What is wrong with the target whose rows `want` asks for.
fn unfit_source<P: Provider>(want: &Want<P::Spec>, context: &Context) -> Option<Problem> {
    let (attribute, target) = P::source(want.spec.as_ref()?)?;
    let error = context.neighbors.speaks_sql(target).err()?;
    let problem = Problem::of(&want.id, error.message()).at(attribute);
    Some(match error.next() {
        Some(hint) => problem.hint(hint),
        None => problem,
    })
}

/// A provider's problem as a diagnostic at the policy's line.
fn locate(
    problem: Problem,
    resources: &HashMap<ResourceId, Arc<policy::Resource>>,
    target: Option<&policy::Target>,
) -> Diagnostic {
    let Problem { id, attribute, message, hint } = problem;
    let place = match id.as_ref().and_then(|id| resources.get(id)) {
        Some(resource) => Some(resource.place_of(attribute.as_deref())),
        None => target.map(|target| match target.settings.table().zip(attribute.as_deref()) {
            Some((table, key)) => table.get(key).map_or(&target.settings.place, |entry| &entry.node.place).clone(),
            None => target.settings.place.clone(),
        }),
    };
    let mut diagnostic = Diagnostic::error("rejected", message, place);
    diagnostic.hint = hint;
    diagnostic
}

fn defaults<P: Provider>(kind: &str, written: &Attributes) -> Attributes {
    let mut out = Attributes::new();
    // What the specification is without an attribute tells the attribute's default; without a required one it does not decode.
    for key in written.keys() {
        let mut rest = written.clone();
        rest.remove(key);
        let tagged = serde_json::json!({ kind: rest });
        if let Ok(spec) = serde_json::from_value::<P::Spec>(tagged)
            && let Ok(attributes) = value::erase(&spec)
            && let Some(default) = attributes.get(key)
        {
            out.insert(key.clone(), default.clone());
        }
    }
    out
}

impl<P: Provider> Driver for Opened<P> {
    fn connect(&self) -> Later<'_, Result<Box<dyn Connection>>> {
        Box::pin(async move {
            let limit = self.context.connect_timeout;
            let connecting = P::connect(self.settings.clone(), self.context.clone());
            let provider = tokio::time::timeout(limit, connecting).await.map_err(|_| {
                Error::new(ErrorKind::Unreachable, format!("no connection within {limit:?}"))
                    .hint("check the address, or give more time with --connect-timeout")
            })??;
            let connected = Connected::<P> {
                provider: Arc::new(provider),
                wants: self.wants.clone(),
                resources: self.resources.clone(),
            };
            Ok(Box::new(connected) as Box<dyn Connection>)
        })
    }

    fn replay(&self, saved: &policy::Target) -> Result<Survey, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut settings = saved.settings.clone();
        let mut site = P::Site::default();
        if let NodeValue::Table(table) = &mut settings.value
            && let Some(entry) = table.shift_remove("site")
        {
            policy::decode(&entry.node).map_or_else(|found| problems.extend(found), |decoded| site = decoded);
        }
        let mut live = Vec::new();
        for resource in &saved.resources {
            let mut resource = policy::Resource::clone(resource);
            let mut facts = Facts::default();
            if let NodeValue::Table(table) = &mut resource.node.value
                && let Some(entry) = table.shift_remove("facts")
            {
                policy::decode(&entry.node).map_or_else(|found| problems.extend(found), |decoded| facts = decoded);
            }
            match policy::decode_resource::<P::Spec>(&resource) {
                Ok(spec) => live.push(Live { id: resource.id, spec, facts }),
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let identity = format!("saved:{}", saved.id);
        let reading = Reading { site, identity, live, incomplete: Vec::new(), notes: Vec::new() };
        let mut read = Read::<P>::new(reading);
        let pairings = pair::<P>(self.wants.compared.iter(), &mut read.live);
        assemble::<P>(None, &self.wants, self.wants.compared.iter(), read, pairings, Vec::new())
            .map_err(|error| vec![Diagnostic::error("live-state", error.to_string(), saved.settings.place.clone())])
    }
}

impl<P: Provider> Connection for Connected<P> {
    fn survey<'a>(&'a self, only: Option<&'a [ResourceId]>, breadth: Breadth) -> Later<'a, Result<Survey>> {
        Box::pin(async move {
            let chosen: Option<HashSet<_>> = only.map(|ids| ids.iter().collect());
            let selected: Cow<'_, [Want<P::Spec>]> = match &chosen {
                None => Cow::Borrowed(&self.wants.compared),
                Some(ids) => self.wants.compared.iter().filter(|want| ids.contains(&want.id)).cloned().collect(),
            };
            let mut read = Read::<P>::new(self.provider.read(&Scope { wanted: &selected, breadth }).await?);
            let gaps = read.gaps.clone();
            let compared = || selected.iter().filter(|want| !gaps.iter().any(|gap| gap.covers(&want.id)));
            let mut pairings = pair::<P>(compared(), &mut read.live);
            let problems = self.provider.canonical(&read.site, &mut pairings).await?;
            let problems = problems.into_iter().map(|p| locate(p, &self.resources, None)).collect();
            let provider = Some(self.provider.clone());
            assemble::<P>(provider, &self.wants, compared(), read, pairings, problems)
        })
    }

    fn lock<'a>(&'a self, holder: &'a Holder) -> Later<'a, Result<Claim<Box<dyn Held>>>> {
        Box::pin(async move {
            Ok(match self.provider.lock(holder).await? {
                Claim::Ours(lock) => Claim::Ours(Box::new(lock) as Box<dyn Held>),
                Claim::Busy(busy) => Claim::Busy(busy),
            })
        })
    }

    fn unlock(&self) -> Later<'_, Result<String>> {
        Box::pin(self.provider.unlock())
    }

    fn columns<'a>(&'a self, sql: &'a str) -> Later<'a, Result<Vec<String>>> {
        Box::pin(self.provider.columns(sql))
    }

    fn rows<'a>(&'a self, sql: &'a str, columns: &'a [String], mut sink: Sink) -> Later<'a, Result<()>> {
        Box::pin(async move {
            let result = self.provider.rows(sql, columns, &mut sink).await;
            let flushed = sink.flush().await;
            result.map_err(|error| error.context(format!("row {}", sink.rows() + 1)))?;
            flushed
        })
    }

    fn feed(&self) -> Later<'_, Result<Option<Box<dyn Feed>>>> {
        Box::pin(self.provider.feed())
    }

    fn evict<'a>(&'a self, evictions: &'a [Eviction]) -> Later<'a, Result<Vec<Evicted>>> {
        Box::pin(self.provider.evict(evictions))
    }

    fn sweep(&self) -> Later<'_, Result<Vec<(ResourceId, u64)>>> {
        Box::pin(self.provider.sweep(&self.wants.compared))
    }
}

/// Every wanted resource beside its live one, which leaves `live`; what was measured stays there.
fn pair<'a, P: Provider>(
    wants: impl Iterator<Item = &'a Want<P::Spec>>,
    live: &mut HashMap<ResourceId, There<P::Spec>>,
) -> Vec<Pairing<P::Spec>> {
    wants
        .filter_map(|want| {
            let spec = want.spec.clone()?;
            let live = live.get_mut(&want.id).and_then(|there| there.spec.take());
            Some(Pairing { id: want.id.clone(), want: spec, live })
        })
        .collect()
}

/// Erases what was read and its canonical pairs, keeping the typed half of what differs for later. Both sides of a pair that does
/// not differ become one value.
fn assemble<'a, P: Provider>(
    provider: Option<Arc<P>>,
    all: &Arc<Wants<P>>,
    wants: impl Iterator<Item = &'a Want<P::Spec>>,
    read: Read<P>,
    pairings: Vec<Pairing<P::Spec>>,
    problems: Vec<Diagnostic>,
) -> Result<Survey> {
    let Read { site, identity, mut live, gaps, notes } = read;
    let erase = |spec: &P::Spec| value::erase(spec).map(Arc::new);
    let mut pairs = Vec::with_capacity(live.len().max(pairings.len()));
    let mut known = HashMap::new();
    // The pairings are those of the wants that want something, in their order.
    let mut pairings = pairings.into_iter().peekable();
    for want in wants {
        let there = live.remove(&want.id);
        let facts = there.as_ref().map(|there| there.facts.clone()).unwrap_or_default();
        let (wanted, live) = match pairings.next_if(|pairing| pairing.id == want.id) {
            Some(pairing) => (Some(pairing.want), pairing.live),
            None => (None, there.and_then(|there| there.spec)),
        };
        let origin = Some(want.origin.clone());
        let here = wanted.as_ref().map(erase).transpose()?;
        let erased = if wanted == live { here.clone() } else { live.as_ref().map(erase).transpose()? };
        let (id, want) = (want.id.clone(), here.map_or(Wanted::Absent, Wanted::Here));
        if wanted != live {
            known.insert(id.clone(), Known { want: wanted, live, facts: facts.clone() });
        }
        pairs.push(Pair { id, want, live: erased, facts, origin });
    }
    // What the policy declares but this look does not cover is not undeclared.
    let declared: HashSet<_> = all.compared.iter().chain(&all.contracts).map(|want| &want.id).collect();
    let mut rest: Vec<_> = live.into_iter().filter(|(id, _)| !declared.contains(id)).collect();
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (id, There { spec, facts }) in rest {
        let live = spec.as_ref().map(erase).transpose()?;
        known.insert(id.clone(), Known { want: None, live: spec, facts: facts.clone() });
        pairs.push(Pair { id, want: Wanted::Undeclared, live, facts, origin: None });
    }
    let surveyor = Typed { provider, wants: all.clone(), site, known, deltas: Vec::new(), ops: Vec::new() };
    Ok(Survey { identity, pairs, gaps, notes, problems, surveyor: Box::new(surveyor) })
}

impl<P: Provider> Surveyor for Typed<P> {
    fn draft(&mut self, drifts: &[Drift]) -> Result<Vec<Drafted>> {
        self.deltas.clear();
        self.ops.clear();
        for Drift { id, action, changed } in drifts {
            let known =
                self.known.get(id).ok_or_else(|| Error::bug(format!("a change of `{id}`, which was not surveyed")))?;
            self.deltas.push(Delta {
                id: id.clone(),
                action: *action,
                want: known.want.clone(),
                live: known.live.clone(),
                changed: changed.clone(),
                facts: known.facts.clone(),
            });
        }
        let mut drafted = Vec::new();
        for draft in P::steps(&self.site, &self.deltas) {
            drafted.push(Drafted {
                stage: draft.stage,
                title: draft.title,
                command: draft.op.to_string(),
                covers: draft.covers,
                hazards: draft.hazards,
                timeout: draft.timeout,
                lock_timeout: draft.lock_timeout,
                impact: draft.impact,
                op: self.ops.len(),
            });
            self.ops.push(draft.op);
        }
        Ok(drafted)
    }

    fn judge(&self) -> Later<'_, Result<Vec<Check>>> {
        Box::pin(async move {
            match &self.provider {
                Some(provider) if !self.wants.contracts.is_empty() => {
                    provider.judge(&self.site, &self.wants.contracts, &self.deltas).await
                }
                _ => Ok(Vec::new()),
            }
        })
    }

    fn run<'a>(&'a self, op: usize, progress: &'a Progress) -> Later<'a, Result<()>> {
        Box::pin(async move {
            match (&self.provider, self.ops.get(op)) {
                (Some(provider), Some(op)) => provider.run(op, progress).await,
                _ => Err(Error::bug(format!("operation {op} was never drafted"))),
            }
        })
    }
}

impl<P: Provider> fmt::Debug for Opened<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened<{}>", P::NAME)
    }
}

impl<P: Provider> fmt::Debug for Connected<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connected<{}>", P::NAME)
    }
}

impl<P: Provider> fmt::Debug for Typed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed<{}>", P::NAME)
    }
}
