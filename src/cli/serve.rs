//! `evenkeel serve`: the worker as a service, with its numbers and its health over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::args::{Globals, ServeArgs};
use super::exit::{Exit, Result};
use super::load::{self, References};
use super::world::World;
use super::{session, worker};
use crate::error::Error;
use crate::provider::Depth;
use crate::worker::{Ledger, Tally, Until};

/// A number's name, what it says, and where it is.
type Number<T> = (&'static str, &'static str, fn(&Tally) -> T);

/// What a number belongs to.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    source: String,
}

/// How long a worker may be without success before it is not healthy.
const HEALTHY: Duration = Duration::from_mins(1);

/// Runs the verb.
pub async fn run(world: &World, globals: &Globals, args: &ServeArgs) -> Result {
    let policy = load::policy(world, globals, &args.policy.paths, References::Resolved)?;
    let opened = session::open(&policy, globals.connect_timeout, Depth::AsSet)?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Error::usage(format!("`{}` cannot be listened on: {error}", args.listen)).hint("name another with --listen")
    })?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let beyond = if address.ip().is_loopback() { "" } else { ", open to others: nothing here asks who they are" };
    world.say(format!("listening on http://{address}{beyond}"));
    let ledger = Arc::new(Ledger::default());
    let stop = worker::signals();
    let app =
        axum::Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz)).with_state(ledger.clone());
    let (done, served) = watch::channel(false);
    // Asked until the very end: a service that stops still tells how far it is.
    let serving = axum::serve(listener, app).with_graceful_shutdown(wait(served));
    let working = async {
        let worked = worker::work(world, &opened, &ledger, stop, Until::Stopped).await;
        let _ = done.send(true);
        worked
    };
    let (served, worked) = tokio::join!(serving.into_future(), working);
    world.print(worker::report(&ledger));
    worked?;
    served.map_err(|error| Error::failed(format!("`{address}` is not served any more: {error}")))?;
    Ok(Exit::Done)
}

async fn wait(mut done: watch::Receiver<bool>) {
    let _ = done.wait_for(|done| *done).await;
}

async fn metrics(State(ledger): State<Arc<Ledger>>) -> impl IntoResponse {
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = encode(&mut text, &registry(&ledger));
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

async fn healthz(State(ledger): State<Arc<Ledger>>) -> impl IntoResponse {
    let now = World::clock();
    let sick: Vec<String> = ledger.read().iter().filter_map(|(name, tally)| sickness(name, tally, now)).collect();
    if sick.is_empty() { (StatusCode::OK, "ok\n".to_owned()) } else { (StatusCode::SERVICE_UNAVAILABLE, sick.join("")) }
}

fn sickness(name: &str, tally: &Tally, now: Duration) -> Option<String> {
    if let Some((lane, why)) = tally.broken.iter().next() {
        return Some(format!("{name}: {lane}: {why}\n"));
    }
    let silent = now.saturating_sub(tally.last_success.unwrap_or(now));
    (silent > HEALTHY).then(|| format!("{name}: no batch for {} s\n", silent.as_secs()))
}

/// Every number, as it is now.
fn registry(ledger: &Ledger) -> Registry {
    let mut registry = Registry::with_prefix("evenkeel");
    let all = ledger.read();
    let labels = |name: &str| Labels { source: name.to_owned() };
    let counters: [Number<u64>; 6] = [
        ("batches", "Batches that were settled", |tally| tally.batches),
        ("rows", "Outbox rows whose keys are gone", |tally| tally.rows),
        ("keys_removed", "Keys that were removed or will expire", |tally| tally.keys),
        ("refusals", "Rows that a cache refused", |tally| tally.refused),
        ("failures", "Batches that failed and will be tried again", |tally| tally.failures),
        ("swept_rows", "Rows swept from cache tables", |tally| tally.swept),
    ];
    for (name, help, value) in counters {
        let family = Family::<Labels, Counter>::default();
        for (source, tally) in &all {
            family.get_or_create(&labels(source)).inc_by(value(tally));
        }
        registry.register(name, help, family);
    }
    let gauges: [Number<u64>; 5] = [
        ("pending_rows", "Outbox rows that wait", |tally| tally.waits.rows),
        ("due_rows", "Outbox rows that are due", |tally| tally.waits.due),
        ("refused_rows", "Outbox rows that a cache refused and that are tried again", |tally| tally.waits.refused),
        ("stranded_rows", "Outbox rows for caches that the policy does not name", |tally| tally.waits.stranded),
        ("broken_lanes", "Ways from the outbox to a cache that fail now", |tally| tally.broken.len() as u64),
    ];
    for (name, help, value) in gauges {
        let family = Family::<Labels, Gauge>::default();
        for (source, tally) in &all {
            family.get_or_create(&labels(source)).set(i64::try_from(value(tally)).unwrap_or(i64::MAX));
        }
        registry.register(name, help, family);
    }
    let spans: [Number<Duration>; 3] = [
        ("lag_seconds", "How long the oldest due row has been due", |tally| tally.waits.lag),
        ("last_success_timestamp_seconds", "When a batch was last asked for without failure", |tally| {
            tally.last_success.unwrap_or_default()
        }),
        (
            "counted_timestamp_seconds",
            "When the rows that wait were last counted; the numbers of them are that old",
            |tally| tally.counted.unwrap_or_default(),
        ),
    ];
    for (name, help, value) in spans {
        let family = Family::<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
        for (source, tally) in &all {
            family.get_or_create(&labels(source)).set(value(tally).as_secs_f64());
        }
        registry.register(name, help, family);
    }
    registry
}
