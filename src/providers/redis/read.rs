//! Reading a target: what is checked without it, what is found on it, and what it would not take.

use std::collections::HashMap;

use super::census::{self, Question};
use super::rows::{self, Reach};
use super::scan::count_keys;
use super::servers::Shape;
use super::site::Site;
use super::{Redis, Settings, Spec, config, parameter, purge};
use crate::error::{ErrorKind, Result};
use crate::model::{Facts, ResourceId};
use crate::provider::{Breadth, Gap, Live, Pairing, Problem, Reading, Scope, Want};

/// What is wrong whatever the server says.
pub fn check(settings: &Settings, wants: &[Want<Spec>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Offline, what a reference stands for is not known, and empty.
    if !settings.url.expose().is_empty()
        && let Err(error) = settings.route()
    {
        let hint = error.next().map(str::to_owned);
        problems.push(Problem { id: None, attribute: Some("url".into()), message: error.to_string(), hint });
    }
    if settings.sample.is_some_and(|sample| sample < 1_000) {
        let message = "a sample of less than 1000 keys says nothing".into();
        problems.push(Problem { id: None, attribute: Some("sample".into()), message, hint: None });
    }
    let rules: Vec<_> = wants
        .iter()
        .filter_map(|want| match &want.spec {
            Some(Spec::Ttl(rule)) => Some((&want.id, rule)),
            _ => None,
        })
        .collect();
    for want in wants {
        let id = &want.id;
        match &want.spec {
            None => {}
            Some(Spec::Settings(parameters)) => {
                for name in parameters.0.keys().filter(|name| parameter::is_secret(name)) {
                    problems.push(
                        Problem::of(id, format!("`{name}` is a secret, and settings are shown in plans"))
                            .at(name.as_str())
                            .hint("set it in the server's own configuration"),
                    );
                }
            }
            Some(Spec::Ttl(rule)) => {
                let mut wrong = |at: &str, message: String| problems.push(Problem::of(id, message).at(at));
                let (max, low) = rule.ceiling();
                if max == 0 {
                    wrong("max_ttl", "`max_ttl` must be longer than nothing".into());
                }
                if rule.jitter.get() > 90 {
                    wrong("jitter", "`jitter` goes up to 90%".into());
                }
                for (other, with) in &rules {
                    // What one rule raises must not be too long for another, nor what one shortens too short.
                    let Some(min) = with.min_ttl else { continue };
                    if min.as_millis() + 1_000 + min.as_millis() * u64::from(with.jitter.get()) / 100 <= low {
                        continue;
                    }
                    if *other == id {
                        wrong("min_ttl", "`min_ttl` plus `jitter` must stay below `max_ttl` less `jitter`".into());
                    } else if rule.glob().meets(&with.glob()) {
                        wrong(
                            "max_ttl",
                            format!(
                                "a key can match `{other}` too, whose `min_ttl` is {min}: one would undo the other"
                            ),
                        );
                    }
                }
            }
            Some(Spec::Purge(purge)) => {
                let mut wrong = |at: &str, message: &str| problems.push(Problem::of(id, message).at(at));
                if purge.patterns.is_empty() && purge.keys.is_empty() {
                    wrong("match", "nothing is named; write `match` or `keys`");
                }
                match purge.mode {
                    purge::Mode::Immediate if purge.delay.is_some() => {
                        wrong("delay", "`delay` belongs to `mode = \"delayed\"` or `\"lazy\"`");
                    }
                    purge::Mode::Delayed if purge.delay().as_secs() > 600 => {
                        wrong(
                            "delay",
                            "the run waits for `delay`, at most 10m; `mode = \"lazy\"` lets the server wait",
                        );
                    }
                    _ => {}
                }
            }
            Some(Spec::Warm(warm)) => problems.extend(warm.check(id)),
        }
    }
    problems
}

/// Brings a pair to one form, and says what the server would not take.
pub fn canonical(site: &Site, pairing: &mut Pairing<Spec>) -> Vec<Problem> {
    let Pairing { id, want, live } = pairing;
    match (want, live) {
        (Spec::Settings(want), Some(Spec::Settings(live))) => config::canonical(id, want, live),
        (Spec::Ttl(_), _) if site.version < 7 => {
            vec![Problem::of(id, "this server is older than Redis 7 and has no conditional PEXPIRE")]
        }
        (Spec::Ttl(rule), _) if rule.min_ttl.is_some() && site.counts_use() => {
            let message = format!("under `{}` the server does not know when a key was used last", site.policy);
            vec![Problem::of(id, message).at("min_ttl").hint("leave `min_ttl` out, or choose a policy that is not LFU")]
        }
        // Declared, and not to be done yet: whatever is found is fine.
        (Spec::Ttl(want), Some(Spec::Ttl(live))) if !want.enforced => {
            live.enforced = false;
            Vec::new()
        }
        (Spec::Warm(want), Some(Spec::Warm(live))) if !want.warmed => {
            live.warmed = false;
            Vec::new()
        }
        (Spec::Purge(want), Some(Spec::Purge(live))) if want.token.is_empty() => {
            live.token.clear();
            Vec::new()
        }
        _ => Vec::new(),
    }
}

impl Redis {
    pub(super) async fn look(&self, shape: &Shape, scope: &Scope<'_, Spec>) -> Result<Reading<Site, Spec>> {
        let mut site = Site::read(shape, &self.target.name).await?;
        let mut reading = Reading {
            identity: self.identity.clone(),
            site: Site::default(),
            live: Vec::new(),
            incomplete: Vec::new(),
            notes: Vec::new(),
        };
        let can_rewrite = site.rewrites;
        site.rewrites &= self.settings.persist == super::Persist::Rewrite;
        self.look_at_settings(shape, scope, &mut reading).await?;
        let wants_settings = scope.wanted.iter().any(|want| matches!(want.spec, Some(Spec::Settings(_))));
        if wants_settings && !can_rewrite {
            reading.notes.push("started without a configuration file: settings hold until the next restart".into());
        }
        if wants_settings && site.cluster {
            reading.notes.push("settings are compared and set on primaries; replicas keep theirs".into());
        }
        let settled = std::mem::take(&mut *self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        // Only a look at what a run has just done may take its word; any other looks for itself.
        let is_settled = |id: &ResourceId| scope.breadth == Breadth::Declared && settled.contains(id);
        let mut asked: Vec<(&ResourceId, Spec)> = Vec::new();
        for want in scope.wanted {
            match &want.spec {
                Some(spec @ (Spec::Ttl(_) | Spec::Warm(_))) if is_settled(&want.id) => {
                    reading.live.push(Live { id: want.id.clone(), spec: spec.clone(), facts: Facts::default() });
                }
                Some(Spec::Ttl(rule)) => {
                    let mut rule = rule.clone();
                    // Said as a problem a little later; the rest can be counted.
                    rule.min_ttl = rule.min_ttl.filter(|_| !site.counts_use());
                    asked.push((&want.id, Spec::Ttl(rule)));
                }
                Some(Spec::Purge(purge)) => {
                    if site.policy.starts_with("allkeys") {
                        let note = format!(
                            "`{}` may evict the mark of `{}`; it would then be purged again",
                            site.policy, want.id
                        );
                        reading.notes.push(note);
                    }
                    asked.push((&want.id, Spec::Purge(purge.clone())));
                }
                Some(Spec::Warm(warm)) => {
                    let reach = self.reach();
                    let counted = match rows::faults(&want.id, warm, &reach.neighbors).await {
                        Ok(faults) if faults.is_empty() => warm.count(shape, &reach).await,
                        Ok(faults) => {
                            site.faults.extend(faults);
                            continue;
                        }
                        Err(error) => Err(error),
                    };
                    match counted {
                        Ok(count) => {
                            let spec =
                                Spec::Warm(Box::new(super::warm::Warm { warmed: count.is_warm(), ..(**warm).clone() }));
                            reading.live.push(Live { id: want.id.clone(), spec, facts: count.facts() });
                        }
                        Err(error) => reading.incomplete.push(gap(&want.id, &error)),
                    }
                }
                Some(Spec::Settings(_)) | None => {}
            }
        }
        self.look_at_keys(shape, asked, scope, &mut reading).await?;
        reading.site = site;
        Ok(reading)
    }

    /// What reading rows needs to know.
    pub(super) fn reach(&self) -> Reach {
        Reach { latency: self.settings.max_latency.std(), neighbors: self.neighbors.clone() }
    }

    async fn look_at_settings(
        &self,
        shape: &Shape,
        scope: &Scope<'_, Spec>,
        reading: &mut Reading<Site, Spec>,
    ) -> Result<()> {
        let wanted = scope.wanted.iter().find_map(|want| match &want.spec {
            Some(Spec::Settings(parameters)) => Some(parameters),
            _ => None,
        });
        if wanted.is_none() && scope.breadth == Breadth::Declared {
            return Ok(());
        }
        let id = ResourceId::only("settings");
        match config::read(shape, wanted).await {
            Ok(live) => {
                let live = if wanted.is_some() { live } else { config::portable(&live) };
                reading.live.push(Live { id, spec: Spec::Settings(live), facts: Facts::default() });
            }
            Err(error) if error.kind() == ErrorKind::Denied => reading.incomplete.push(gap(&id, &error)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// One look over all keys for every rule and every purge that is due.
    async fn look_at_keys(
        &self,
        shape: &Shape,
        asked: Vec<(&ResourceId, Spec)>,
        scope: &Scope<'_, Spec>,
        reading: &mut Reading<Site, Spec>,
    ) -> Result<()> {
        let mut questions = Vec::new();
        let mut about = Vec::new();
        let mut purged: HashMap<&ResourceId, u64> = HashMap::new();
        for (id, spec) in asked {
            match spec {
                Spec::Ttl(rule) => {
                    questions.push(Question::Rule(rule.clone()));
                    about.push((id, Spec::Ttl(rule), None));
                }
                Spec::Purge(purge) => {
                    let mark = purge::mark(shape, &purge::field(&self.target.name, id)).await?;
                    if mark.as_ref() == Some(&purge.token) {
                        reading.live.push(Live { id: id.clone(), spec: Spec::Purge(purge), facts: Facts::default() });
                    } else {
                        purged.insert(id, purge::count_named(shape, &purge.keys).await?);
                        questions.push(Question::Match(purge.patterns.clone()));
                        about.push((id, Spec::Purge(purge), mark));
                    }
                }
                Spec::Settings(_) | Spec::Warm(_) => {}
            }
        }
        if questions.is_empty() {
            return Ok(());
        }
        let census = census::take(shape, &questions, self.settings.sample, self.settings.max_latency.std()).await?;
        if let Some(sampled) = census.sampled {
            let of = count_keys(census.keys);
            reading.notes.push(format!(
                "estimated from {} of {of}; a rule that few keys break may look kept",
                crate::model::text::thousands(sampled)
            ));
        }
        for ((id, spec, mark), tally) in about.into_iter().zip(&census.tallies) {
            let want = scope.wanted.iter().find(|want| want.id == *id).and_then(|want| want.spec.clone());
            let (spec, facts) = match (spec, want) {
                (Spec::Ttl(_), Some(Spec::Ttl(want))) => {
                    let enforced = tally.broken() == 0;
                    (Spec::Ttl(super::ttl::Rule { enforced, ..want }), census.rule_facts(tally))
                }
                (Spec::Purge(purge), _) => {
                    let named = purged.get(id).copied().unwrap_or_default();
                    let facts = census.match_facts(tally).with("keys", census.scaled(tally.matched) + named);
                    // Without a mark it was never purged; the mark says with which token it was.
                    let token = mark.unwrap_or_default();
                    (Spec::Purge(purge::Purge { token, ..purge }), facts)
                }
                _ => continue,
            };
            reading.live.push(Live { id: id.clone(), spec, facts });
        }
        Ok(())
    }
}

fn gap(id: &ResourceId, error: &crate::error::Error) -> Gap {
    Gap {
        kind: id.kind.clone(),
        name: id.name.clone(),
        reason: error.to_string(),
        hint: error.next().map(str::to_owned),
    }
}
