//! Application settings: what only the application can change, published where it reads it: a JSON file, or a key of Redis.
//!
//! The document is one object with a key per kind; what else is in it stays as it is, byte for byte.

mod check;
mod document;
mod place;
#[cfg(feature = "redis")]
mod redis;
mod spec;
mod steps;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Comparison, Facts, HazardKind, Kind, Many};
use crate::provider::{
    Breadth, Claim, Context, Delta, Draft, Gap, Grants, Holder, Live, Pairing, Problem, Progress, Provider, Reading,
    Scope, Want,
};

use document::Document;
pub use place::Lock;
use place::{Name, Place};
pub use spec::{Cache, CacheLevel, HttpAgent, Pool, Publish, Settings, Spec};
pub use steps::{Op, Site};

/// An application's settings, where they are published.
#[derive(Debug)]
pub struct App {
    name: Name,
    place: Place,
}

const fn kind(name: &'static str, doc: &'static str, many: Many) -> Kind {
    Kind { name, doc, comparison: Comparison::Partial, many, replaces: &[], prunable: matches!(many, Many::Named) }
}

impl Provider for App {
    const NAME: &'static str = "app";
    const DOC: &'static str = "application settings, published as JSON in a file or a key of Redis";
    const KINDS: &'static [Kind] = &[
        kind("pool", "the connection pool of one instance", Many::One),
        kind("http_agent", "outgoing HTTP connections of one instance", Many::One),
        kind("cache", "how the cache is read and written", Many::One),
        kind("cache_level", "one level of the cache, asked in the order of priority", Many::Named),
    ];
    const HAZARDS: &'static [HazardKind] = steps::HAZARDS;
    const GRANTS: Grants = Grants {
        plan: "# where the settings are a key of Redis\nacl setuser {role} ~config:* +get\n",
        apply: "# where the settings are a key of Redis\n\
                acl setuser {role} ~config:* ~evenkeel:lock:* &config:* +get +set +del +pttl +pexpire +publish +eval +evalsha\n\
                # where they are a file: may write the file and its folder\n",
    };

    type Settings = Settings;
    type Spec = Spec;
    type Site = Site;
    type Op = Op;
    type Lock = Lock;

    fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
        check::offline(settings, wants)
    }

    async fn connect(settings: Settings, context: Context) -> Result<Self> {
        let name = Name::of(&settings.publish);
        Ok(Self { name, place: Place::reach(settings.publish, &context).await? })
    }

    async fn read(&self, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let identity = self.place.identity();
        let bytes = self.place.read().await?;
        let mut site = Site { name: self.name.clone(), bytes, live: Vec::new() };
        let document = match Document::parse(site.bytes.as_deref()) {
            Ok(document) => document,
            Err(why) => {
                let gap = |kind: &Kind| Gap {
                    kind: kind.name.into(),
                    name: None,
                    reason: format!("`{}`: {why}", self.name),
                    hint: Some("correct it by hand, or remove it to have it made anew".into()),
                };
                let incomplete = Self::KINDS.iter().map(gap).collect();
                return Ok(Reading { site, identity, live: Vec::new(), incomplete, notes: Vec::new() });
            }
        };
        let (resources, mut notes) = document.resources()?;
        site.live = resources;
        notes.extend(self.place.obstacle().await.map(|why| format!("apply cannot write: {why}")));
        let declared = |id: &crate::model::ResourceId| {
            scope.breadth == Breadth::Everything || scope.wanted.iter().any(|want| want.id == *id)
        };
        let live = site.live.iter().filter(|(id, _)| declared(id));
        let live =
            live.map(|(id, spec)| Live { id: id.clone(), spec: spec.clone(), facts: Facts::default() }).collect();
        Ok(Reading { site, identity, live, incomplete: Vec::new(), notes })
    }

    async fn canonical(&self, site: &Site, pairs: &mut [Pairing<Spec>]) -> Result<Vec<Problem>> {
        Ok(check::online(pairs, &site.live))
    }

    fn steps(site: &Site, deltas: &[Delta<Spec>]) -> Vec<Draft<Op>> {
        steps::steps(site, deltas)
    }

    async fn lock(&self, holder: &Holder) -> Result<Claim<Lock>> {
        self.place.lock(holder).await
    }

    async fn unlock(&self) -> Result<String> {
        self.place.unlock().await
    }

    async fn run(&self, op: &Op, _: &Progress) -> Result<()> {
        let now = self.place.read().await?;
        let document =
            Document::parse(now.as_deref()).map_err(|why| Error::failed(format!("`{}`: {why}", self.name)))?;
        if now.is_some() && document.has(&op.edits) {
            return Ok(());
        }
        if now != op.before {
            let what = format!("`{}` was changed by somebody else since it was read; nothing was written", self.name);
            return Err(Error::new(ErrorKind::Conflict, what).hint("plan again to see what it holds now"));
        }
        self.place.replace(now.as_deref(), document.edited(&op.edits)?).await
    }
}
