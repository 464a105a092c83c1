//! The postgres provider against a real server, through the engine as a library: policy text in, plan text out.

mod cache_table;
mod encrypted;
mod limits;
mod query;
mod settings;
mod standby;

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel::model::{Verdict, value};
use evenkeel::plan::make::{Looked, Planned, Purpose, Selection, make};
use evenkeel::policy::{File, Input, Lookup, Policy, Target, load};
use evenkeel::provider::{Breadth, Connection, Context, Descriptor, Progress};
use evenkeel::providers::REGISTRY;

use crate::kit::Postgres;

/// A server, and the target `postgres.shop` on it.
struct Shop {
    server: Postgres,
    url: String,
    runtime: tokio::runtime::Runtime,
}

impl Shop {
    fn start() -> Self {
        let server = Postgres::start();
        let url = server.url();
        Self {
            server,
            url,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        }
    }

    /// What planning `resources` prints: what is wrong with them, or changes, steps, hazards and everything else.
    fn plan(&self, resources: &str) -> String {
        self.runtime.block_on(async {
            match self.make(resources).await {
                Ok((planned, _)) => show(&planned),
                Err(problems) => problems,
            }
        })
    }

    /// Runs the plan to its end, and says what was run, or what stopped it.
    fn apply(&self, resources: &str) -> String {
        self.runtime.block_on(async {
            let (planned, _connection) = match self.make(resources).await {
                Ok(planned) => planned,
                Err(problems) => return problems,
            };
            let mut said = String::new();
            for step in &planned.plan.steps {
                let lane = &planned.lanes[&step.target];
                match lane.run(step.op, &Progress::silent()).await {
                    Ok(()) => writeln!(said, "{}", step.command).expect("memory"),
                    Err(error) => {
                        let hint = error.next().map(|hint| format!(" ({hint})")).unwrap_or_default();
                        return format!("{said}{:?}: {error}{hint}", error.kind());
                    }
                }
            }
            said
        })
    }

    /// Applies, and asserts that nothing is left to do afterwards.
    fn settle(&self, resources: &str) -> String {
        let said = self.apply(resources);
        let left = self.changes(resources);
        assert_eq!(left, "", "after\n{said}");
        said
    }

    /// Only the lines of a plan that say what changes and what is run.
    fn changes(&self, resources: &str) -> String {
        let kept = |line: &&str| !line.starts_with("note") && !line.starts_with("unmanaged");
        self.plan(resources).lines().filter(kept).collect::<Vec<_>>().join("\n")
    }

    async fn make(&self, resources: &str) -> Result<(Planned, Box<dyn Connection>), String> {
        let text = format!("[postgres.shop]\nurl = \"{}\"\n{resources}", self.url);
        let (policy, target) = read(&text)?;
        let descriptor = postgres();
        let context = Context {
            target: target.id.clone(),
            connect_timeout: Duration::from_secs(10),
            now: jiff::Timestamp::UNIX_EPOCH,
            depth: evenkeel::provider::Depth::Exact,
            neighbors: evenkeel::provider::Neighbors::default(),
        };
        let driver = (descriptor.open)(&target, context, &policy.sources).map_err(|found| tell(&policy, &found))?;
        let connection = driver.connect().await.map_err(|error| format!("{:?}: {error}", error.kind()))?;
        let survey = connection
            .survey(None, Breadth::Everything)
            .await
            .map_err(|error| format!("{:?}: {error}", error.kind()))?;
        if !survey.problems.is_empty() {
            return Err(tell(&policy, &survey.problems));
        }
        let looked = Looked { target: &target, kinds: descriptor.kinds, survey: Ok(survey) };
        let planned = make(&policy, vec![looked], &Selection::default(), Purpose::Apply).await.expect("no defect");
        Ok((planned, connection))
    }

    /// What `export` would write: the live state of one kind as attributes.
    fn live(&self, kind: &str) -> String {
        self.runtime.block_on(async {
            let (policy, target) = read(&format!("[postgres.shop]\nurl = \"{}\"\n", self.url)).expect("a policy");
            let context = Context {
                target: target.id.clone(),
                connect_timeout: Duration::from_secs(10),
                now: jiff::Timestamp::UNIX_EPOCH,
                depth: evenkeel::provider::Depth::Exact,
                neighbors: evenkeel::provider::Neighbors::default(),
            };
            let driver = (postgres().open)(&target, context, &policy.sources).expect("a target");
            let connection = driver.connect().await.expect("a connection");
            let survey = connection.survey(None, Breadth::Everything).await.expect("a survey");
            let mut out = String::new();
            for pair in survey.pairs.iter().filter(|pair| pair.id.kind == kind) {
                writeln!(out, "[postgres.shop.{}]", pair.id).expect("memory");
                for (key, there) in pair.live.iter().flat_map(|live| live.iter()) {
                    writeln!(out, "\"{key}\" = {}", value::show(there)).expect("memory");
                }
            }
            out
        })
    }
}

fn postgres() -> &'static Descriptor {
    REGISTRY.iter().find(|descriptor| descriptor.name == "postgres").expect("the provider is built in")
}

fn read(text: &str) -> Result<(Policy, Target), String> {
    let vocabulary = REGISTRY.iter().map(|descriptor| (descriptor.name, descriptor.kinds)).collect();
    let base = [File::new("shop.toml", text)];
    let (policy, problems) =
        load(Input { base: &base, overlays: &[], vocabulary: &vocabulary, lookup: Lookup::Offline });
    if !problems.is_empty() {
        return Err(tell(&policy, &problems));
    }
    let target = policy.targets.first().expect("one target").clone();
    Ok((policy, target))
}

/// Problems, each with the text that it points at.
fn tell(policy: &Policy, problems: &[evenkeel::model::Diagnostic]) -> String {
    let mut out = String::new();
    for problem in problems {
        let at = problem.place.as_ref().and_then(|place| policy.sources.text(&place.file)?.get(place.span.clone()));
        writeln!(out, "problem at {}: {}", at.unwrap_or("nowhere"), problem.message).expect("memory");
        if let Some(hint) = &problem.hint {
            writeln!(out, "  hint: {hint}").expect("memory");
        }
    }
    out
}

fn show(planned: &Planned) -> String {
    let mut out = String::new();
    let plan = &planned.plan;
    let shown = |side: &Option<_>| side.as_ref().map_or("nothing".to_owned(), value::show);
    for change in &plan.changes {
        writeln!(out, "{} {}", change.action.mark(), change.address.resource).expect("memory");
        for field in &change.fields {
            writeln!(out, "    {}: {} -> {}", field.path, shown(&field.before), shown(&field.after)).expect("memory");
        }
    }
    for step in &plan.steps {
        writeln!(
            out,
            "{}: {}\n    {}",
            format!("{:?}", step.stage).to_lowercase(),
            step.title,
            step.command.replace('\n', "\n    ")
        )
        .expect("memory");
        for hazard in &step.hazards {
            writeln!(out, "    ! {} ({:?}): {}", hazard.code, hazard.approval, hazard.evidence).expect("memory");
        }
    }
    for check in &plan.checks {
        let verdict = match check.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Unknown => "unknown",
        };
        writeln!(out, "{verdict} {}: {}", check.name, check.message).expect("memory");
        if let Some(hint) = &check.hint {
            writeln!(out, "    hint: {hint}").expect("memory");
        }
    }
    for gap in &plan.incomplete {
        writeln!(out, "incomplete {}: {}", gap.what, gap.reason).expect("memory");
    }
    for note in &plan.notes {
        writeln!(out, "note: {}", note.message).expect("memory");
    }
    for address in &plan.unmanaged {
        writeln!(out, "unmanaged: {}", address.resource).expect("memory");
    }
    out
}
