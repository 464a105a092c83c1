//! What `invalidate` and `serve` share: the worker of a policy, its stop signal, and its report.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use super::exit::Result;
use super::session::{self, Opened};
use super::world::World;
use crate::error::Error;
use crate::model::text;
use crate::policy::NodeValue;
use crate::worker::{Cache, Ledger, Source, Until, Worker};

/// The kinds that a worker works for.
const INVALIDATION: &str = "invalidation";
const CACHE_TABLE: &str = "cache_table";

/// Puts a policy's worker together and runs it; the ledger has the final numbers afterwards.
///
/// # Errors
/// `Usage` where the policy gives a worker nothing to do, or names a cache that it does not have; what stays broken.
pub async fn work(
    world: &World,
    opened: &[Opened<'_>],
    ledger: &Ledger,
    stop: watch::Receiver<bool>,
    until: Until,
) -> Result<()> {
    let sources = sources(opened);
    if sources.is_empty() {
        return Err(Error::usage("the policy declares no `invalidation` and no `cache_table`")
            .hint("see `evenkeel explain postgres.invalidation`")
            .into());
    }
    let names: BTreeSet<&String> = sources.iter().flat_map(|source| &source.caches).collect();
    let mut caches = BTreeMap::new();
    for name in names {
        caches.insert(name.clone(), Cache::new(&*session::find(opened, name)?.driver));
    }
    let tell = |line: String| world.say(text::tame(&line));
    let worker = Worker { sources, caches, ledger, stop, now: World::clock, tell: &tell };
    let worked = worker.run(until).await;
    for source in &worker.sources {
        // The last count: what is told at the end is what is there at the end.
        let counted = async {
            match source.driver.connect().await?.feed().await? {
                Some(mut feed) => feed.backlog(&source.caches).await.map(Some),
                None => Ok(None),
            }
        };
        if let (false, Ok(Some(backlog))) = (source.caches.is_empty(), counted.await) {
            ledger.waits(&source.name, backlog, World::clock());
        }
    }
    Ok(worked?)
}

fn sources<'p>(opened: &'p [Opened<'_>]) -> Vec<Source<'p>> {
    let source = |one: &'p Opened<'_>| {
        let own = |kind: &'static str| one.target.resources.iter().filter(move |resource| resource.id.kind == kind);
        let caches: BTreeSet<String> = own(INVALIDATION)
            .filter_map(|resource| match &resource.node.table()?.get("cache")?.node.value {
                NodeValue::Text(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        let name = one.target.id.to_string();
        let works = !caches.is_empty() || own(CACHE_TABLE).next().is_some();
        works.then(|| Source { name, driver: &*one.driver, caches: caches.into_iter().collect() })
    };
    opened.iter().filter_map(source).collect()
}

/// Turns true at the first Ctrl-C or SIGTERM.
pub fn signals() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        match terminate {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(_) => {
                let _ = tokio::signal::ctrl_c().await;
            }
        }
        // Nobody listens any more when all is done anyway.
        let _ = sender.send(true);
        sender.closed().await;
    });
    receiver
}

/// The numbers in words, a line for each source.
pub fn report(ledger: &Ledger) -> String {
    let count = |n: u64, noun: &str| text::count(usize::try_from(n).unwrap_or(usize::MAX), noun);
    let mut out = String::new();
    for (name, tally) in ledger.read() {
        let waits = tally.waits;
        out.push_str(&format!(
            "{name}: {} removed for {} in {}; {} left",
            count(tally.keys, "key"),
            count(tally.rows, "row"),
            count(tally.batches, "batch"),
            count(waits.rows, "row")
        ));
        let mut more = Vec::new();
        if waits.due > 0 {
            more.push(format!("{} due, the oldest for {}", text::thousands(waits.due), text::span(waits.lag)));
        }
        if waits.refused > 0 {
            more.push(format!("{} refused and tried again later", text::thousands(waits.refused)));
        }
        if waits.stranded > 0 {
            more.push(format!("{} for caches that the policy does not name", text::thousands(waits.stranded)));
        }
        if !more.is_empty() {
            out.push_str(&format!(" ({})", more.join(", ")));
        }
        if tally.failures > 0 {
            out.push_str(&format!("; {}", count(tally.failures, "failure")));
        }
        if tally.swept > 0 {
            out.push_str(&format!("; {} swept", count(tally.swept, "row")));
        }
        out.push('\n');
    }
    out
}

/// Whether a cache refused something that still waits.
pub fn is_partial(ledger: &Ledger) -> bool {
    ledger.read().values().any(|tally| tally.waits.refused > 0)
}
