//! The executor: wave by wave, stage by stage, the lanes of the targets side by side. Never edits a plan, never prints.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::watch;

use super::crash::{self, CrashPoint, Moment};
use super::event::{Ending, Event, Outcome, StepOutcome};
use super::journal::{Fact, Journal};
use super::readback;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Kind, ResourceId, Step, TargetId};
use crate::plan::Plan;
use crate::policy::Target;
use crate::provider::{Connection, Held, Progress, Surveyor};

/// How much longer than its own timeout a step may take before the engine stops waiting for it.
const GRACE: Duration = Duration::from_secs(10);
/// How often a step that failed in a way that may pass is tried again.
const RETRIES: usize = 3;

/// What runs the steps of one target.
#[derive(Debug)]
pub struct Lane<'a> {
    /// The policy's target.
    pub target: &'a Target,
    /// Its provider's kinds.
    pub kinds: &'static [Kind],
    /// For reading back.
    pub connection: &'a dyn Connection,
    /// For running.
    pub surveyor: Box<dyn Surveyor>,
    /// The target's lock: nothing is tried without it.
    pub lock: Option<&'a dyn Held>,
}

/// What a run is told from outside.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a failure on one target keeps the others from starting further steps in the same stage.
    pub on_failure: OnFailure,
    /// Where to die or to fail, for the tests.
    pub crash_at: Option<CrashPoint>,
    /// Turns true when the run is called off.
    pub cancel: watch::Receiver<bool>,
    /// The clock: RFC 3339 in UTC.
    pub now: fn() -> String,
}

/// What a failure on one target means for the others in the same stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They finish the stage.
    FinishStage,
    /// They start nothing more.
    StopAll,
}

/// A run in progress.
pub struct Run<'a> {
    plan: &'a Plan,
    lanes: BTreeMap<TargetId, Lane<'a>>,
    options: Options,
    record: Arc<Mutex<Record<'a>>>,
}

/// The one place through which everything that happens goes, in order: the journal first, then whoever watches.
struct Record<'a> {
    journal: Journal,
    watcher: Box<dyn FnMut(&Event<'_>) + Send + 'a>,
    now: fn() -> String,
    started: u32,
}

/// How a stage went.
#[derive(Clone, Debug, Default)]
struct Trouble {
    /// The step that failed first.
    failed: Option<String>,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("lanes", &self.lanes).finish_non_exhaustive()
    }
}

impl Record<'_> {
    fn watch(&mut self, event: &Event<'_>) {
        (self.watcher)(event);
    }

    /// Journals the intent to run a step; it must not run if this fails.
    fn intend(&mut self, step: &Step, of: usize) -> Result<u32> {
        let intent = Fact::Intent {
            step: step.id.0,
            target: step.target.to_string(),
            covers: step.covers.iter().map(ToString::to_string).collect(),
            command: step.command.clone(),
        };
        self.journal.write((self.now)(), intent)?;
        self.started += 1;
        self.watch(&Event::Started { step, of });
        Ok(self.started)
    }

    /// Tells how a step ended. What ran has run: a journal that cannot take it is added to the message.
    fn end(&mut self, step: &Step, mut outcome: StepOutcome) -> StepOutcome {
        let end = Fact::End {
            step: step.id.0,
            ending: outcome.ending,
            message: outcome.message.clone(),
            elapsed_ms: u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        if let Err(error) = self.journal.write((self.now)(), end) {
            let said = outcome.message.take().map(|message| format!("{message}; ")).unwrap_or_default();
            outcome.message = Some(format!("{said}{error}"));
            outcome.hint = error.next().map(str::to_owned);
        }
        self.watch(&Event::Ended { outcome: &outcome, step });
        outcome
    }
}

impl<'a> Run<'a> {
    /// A run of `plan`, whose every target has a lane.
    pub fn new(
        plan: &'a Plan,
        lanes: BTreeMap<TargetId, Lane<'a>>,
        journal: Journal,
        watcher: impl FnMut(&Event<'_>) + Send + 'a,
        options: Options,
    ) -> Self {
        let record = Record { journal, watcher: Box::new(watcher), now: options.now, started: 0 };
        Self { plan, lanes, options, record: Arc::new(Mutex::new(record)) }
    }

    /// Runs it. What went wrong is in the outcome; nothing here is an error.
    pub async fn run(self, run: &str) -> Outcome {
        let mut outcomes: BTreeMap<u32, StepOutcome> = BTreeMap::new();
        let mut trouble = Trouble::default();
        let steps = &self.plan.steps;
        for stage in steps.chunk_by(|a, b| (a.wave, a.stage) == (b.wave, b.stage)) {
            if let Some(cause) = &trouble.failed {
                outcomes.extend(stage.iter().map(|step| (step.id.0, skipped(step, cause))));
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let lanes =
                stage.chunk_by(|a, b| a.target == b.target).map(|steps| self.lane(steps, &stop, stopped.clone()));
            for (ended, failed) in futures_util::future::join_all(lanes).await {
                outcomes.extend(ended.into_iter().map(|outcome| (outcome.id.0, outcome)));
                if trouble.failed.is_none() {
                    trouble.failed = failed;
                }
            }
        }
        let interrupted = *self.options.cancel.borrow();
        Outcome { run: run.to_owned(), steps: outcomes.into_values().collect(), interrupted }
    }

    /// The steps of one target in one stage, one after the other; the first failure stops the rest.
    async fn lane(
        &self,
        steps: &[Step],
        stop: &watch::Sender<bool>,
        stopped: watch::Receiver<bool>,
    ) -> (Vec<StepOutcome>, Option<String>) {
        let mut ended = Vec::with_capacity(steps.len());
        let mut failed: Option<String> = None;
        for step in steps {
            let elsewhere = self.options.on_failure == OnFailure::StopAll && *stopped.borrow();
            let outcome = match &failed {
                Some(cause) => skipped(step, cause),
                None if *self.options.cancel.borrow() => not_run(step, Ending::Canceled, "the run was called off"),
                None if elsewhere => skipped(step, "a step on another target"),
                None => self.step(step).await,
            };
            if failed.is_none() && matches!(outcome.ending, Ending::Failed | Ending::InDoubt) {
                failed = Some(format!("step {} on `{}`", step.id.0, step.target));
                stop.send_replace(true);
            }
            ended.push(outcome);
        }
        (ended, failed)
    }

    async fn step(&self, step: &Step) -> StepOutcome {
        let begun = Instant::now();
        let intended = self.record(|record| record.intend(step, self.plan.steps.len()));
        let position = match intended {
            Ok(position) => position,
            // The journal is what failed, so the outcome is only told to the watcher.
            Err(error) => {
                let outcome = outcome(step, Ending::Failed, begun, Some(&error));
                self.record(|record| record.watch(&Event::Ended { outcome: &outcome, step }));
                return outcome;
            }
        };
        crash::reach(self.options.crash_at, CrashPoint { step: position, moment: Moment::Before });
        let Some(lane) = self.lanes.get(&step.target) else {
            let error = Error::bug(format!("no lane for `{}`", step.target));
            return self.record(|record| record.end(step, outcome(step, Ending::Failed, begun, Some(&error))));
        };
        let result = match crash::fail(self.options.crash_at, position) {
            Ok(()) => self.attempt(step, lane).await,
            failed => failed,
        };
        crash::reach(self.options.crash_at, CrashPoint { step: position, moment: Moment::After });
        let ended = match result {
            Ok(()) => match self.read_back(step, lane).await {
                Ok(None) => outcome(step, Ending::Done, begun, None),
                Ok(Some(rest)) => {
                    let error = Error::failed(format!("it ran, but reading back shows that {rest}"));
                    outcome(step, Ending::Failed, begun, Some(&error))
                }
                Err(error) => {
                    let error = error.context("it ran, but could not be read back");
                    outcome(step, Ending::InDoubt, begun, Some(&error))
                }
            },
            Err(error) if error.kind() == ErrorKind::InDoubt => outcome(step, Ending::InDoubt, begun, Some(&error)),
            Err(error) if error.kind() == ErrorKind::Partly => outcome(step, Ending::Partly, begun, Some(&error)),
            Err(error) => outcome(step, Ending::Failed, begun, Some(&error)),
        };
        self.record(|record| record.end(step, ended))
    }

    /// Runs the operation, again after a failure that may pass.
    async fn attempt(&self, step: &Step, lane: &Lane<'a>) -> Result<()> {
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .with_max_times(RETRIES)
            .with_jitter()
            .build();
        loop {
            let error = match self.once(step, lane).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let called_off = *self.options.cancel.borrow();
            match delays.next() {
                Some(delay) if error.kind() == ErrorKind::Transient && !called_off => {
                    self.record(|record| record.watch(&Event::Retrying { step, error: &error.to_string(), delay }));
                    tokio::time::sleep(delay).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn once(&self, step: &Step, lane: &Lane<'a>) -> Result<()> {
        if let Some(lock) = lane.lock {
            lock.check().await?;
        }
        let (ticks, mut ticked) = tokio::sync::mpsc::unbounded_channel();
        let progress = Progress::new(move |tick| {
            // Nobody listens any more once the step is over.
            let _ = ticks.send(tick);
        });
        let running = tokio::time::timeout(step.timeout + GRACE, lane.surveyor.run(step.op, &progress));
        tokio::pin!(running);
        loop {
            tokio::select! {
                result = &mut running => return result.unwrap_or_else(|_| Err(Error::new(
                    ErrorKind::InDoubt,
                    format!("no answer within {:?}", step.timeout + GRACE),
                ).hint("run `evenkeel plan` to see what is there now"))),
                Some(tick) = ticked.recv() => self.record(|record| record.watch(&Event::Ticked { step, tick: &tick })),
            }
        }
    }

    /// Compares what this step completes: the resources that no later step of the plan covers.
    async fn read_back(&self, step: &Step, lane: &Lane<'a>) -> Result<Option<String>> {
        let later =
            |resource| self.plan.steps.iter().any(|other| other.id > step.id && other.covers.contains(resource));
        let complete: Vec<ResourceId> = step
            .covers
            .iter()
            .filter(|address| !later(*address))
            .map(|address| address.resource.clone())
            .filter(|id| lane.target.resources.iter().any(|resource| resource.id == *id))
            .collect();
        if complete.is_empty() {
            return Ok(None);
        }
        readback::remaining(lane.connection, lane.target, lane.kinds, &complete).await
    }

    fn record<T>(&self, tell: impl FnOnce(&mut Record<'a>) -> T) -> T {
        // A watcher that panicked has told all it could; what is being run matters more.
        let mut record = self.record.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tell(&mut record)
    }
}

fn outcome(step: &Step, ending: Ending, begun: Instant, error: Option<&Error>) -> StepOutcome {
    StepOutcome {
        id: step.id,
        ending,
        message: error.map(ToString::to_string),
        hint: error.and_then(Error::next).map(str::to_owned),
        elapsed: begun.elapsed(),
    }
}

fn skipped(step: &Step, cause: &str) -> StepOutcome {
    not_run(step, Ending::Skipped, &format!("{cause} did not succeed"))
}

fn not_run(step: &Step, ending: Ending, message: &str) -> StepOutcome {
    StepOutcome { id: step.id, ending, message: Some(message.to_owned()), hint: None, elapsed: Duration::ZERO }
}
