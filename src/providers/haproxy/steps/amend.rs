//! Differences of the whole backend, written into the copy of the file that steps are drafted on, with what is to be told of them.

use super::{Drafting, tls_words};
use crate::model::{Hazard, text};
use crate::provider::Delta;
use crate::providers::balancer::reuse::Unit;
use crate::providers::balancer::{Reuse, Spec, hazard};
use crate::providers::haproxy::change;

/// What is told of a change of the file.
#[derive(Default)]
pub struct Amended {
    /// What it may do to others.
    pub hazards: Vec<Hazard>,
    /// What more there is to say of a reload.
    pub evidence: Vec<String>,
    /// Whether clients are let in otherwise.
    pub listens: bool,
}

impl Drafting<'_> {
    /// What a difference of the whole backend makes of the file; whether it makes anything of it.
    pub fn amend(&mut self, delta: &Delta<Spec>, told: &mut Amended) -> bool {
        let section = self.site.layout.section.clone();
        match &delta.want {
            Some(Spec::Balance(want)) => {
                change::balance(&mut self.cfg, &section, want);
                let before = format!("from `balance {}`", self.site.layout.balance);
                told.hazards.push(hazard::MOVES_CLIENTS.with(before));
            }
            Some(Spec::Health(want)) => change::health(&mut self.cfg, &section, want),
            Some(Spec::Reuse(want)) if delta.changed.iter().any(|path| path != "max_connections") => {
                change::reuse(&mut self.cfg, &section, &Reuse { max_connections: None, ..want.clone() });
                told.evidence.extend(want.idle_connections.map(|idle| Unit::Node.translate("pool-max-conn", idle).sum));
            }
            Some(Spec::Sticky(want)) => {
                let layout = self.layout();
                let key = self.site.settings.as_ref().and_then(|settings| settings.cookie_key.as_ref());
                change::sticky(&mut self.cfg, &layout, want, key);
                if delta.changed.iter().any(|path| path == "cookie") {
                    let old = layout.cookie.first().map_or("nothing".into(), |name| format!("cookie `{name}`"));
                    told.hazards.push(hazard::MOVES_CLIENTS.with(format!("bound by {old} now")));
                }
            }
            Some(Spec::Tls(want)) if !tls_words(delta).is_empty() => {
                let binds = self.layout().binds;
                change::tls(&mut self.cfg, &binds, want);
                let mut places: Vec<String> = binds.into_iter().map(|bind| bind.section).collect();
                places.dedup();
                let what = format!("{} of {}", text::list(tls_words(delta)), text::list(places));
                told.hazards.push(hazard::LISTENER.with(what));
                told.listens = true;
            }
            _ => return false,
        }
        true
    }

    /// How many connections a node takes, where that differs.
    pub fn limit(&mut self, delta: &Delta<Spec>, hazards: &mut Vec<Hazard>) -> Option<u32> {
        let Some(Spec::Reuse(Reuse { max_connections: Some(most), .. })) = delta.want else { return None };
        if !delta.changed.iter().any(|path| path == "max_connections") {
            return None;
        }
        let want = Reuse { max_connections: Some(most), ..Reuse::default() };
        change::reuse(&mut self.cfg, &self.site.layout.section, &want);
        let before = match &delta.live {
            Some(Spec::Reuse(Reuse { max_connections: Some(before), .. })) if *before != 0 => *before,
            _ => u32::MAX,
        };
        if most != 0 && most < before {
            hazards.push(hazard::LIMITS_CONNECTIONS.with(format!("{most} for each node")));
        }
        Some(most)
    }
}
