//! The editor by itself, without an HAProxy: what a policy wants, written into a text, and taken back. For tests of what it leaves alone.

use super::cfg::{Cfg, Edit};
use super::change;
use super::layout::Layout;
use crate::model::Secret;
use crate::providers::balancer::Spec;

/// A text with what was wanted written into it.
#[derive(Debug)]
pub struct Edited {
    /// The text.
    pub text: String,
    edits: Vec<Edit>,
}

/// Writes these resources into the section of `backend`: a node by its name, the others by an empty one; without a specification, a node goes.
///
/// # Errors
/// Why the text cannot be read, a lowercase fragment.
pub fn edit(text: &str, backend: &str, wants: &[(&str, Option<Spec>)]) -> Result<Edited, String> {
    let mut cfg = Cfg::parse(text);
    for (name, want) in wants {
        let layout = Layout::read(&cfg, backend)?;
        let section = &layout.section;
        match want {
            None => change::gone(&mut cfg, section, name),
            Some(Spec::Balance(want)) => change::balance(&mut cfg, section, want),
            Some(Spec::Health(want)) => change::health(&mut cfg, section, want),
            Some(Spec::Reuse(want)) => change::reuse(&mut cfg, section, want),
            Some(Spec::Sticky(want)) => change::sticky(&mut cfg, &layout, want, Some(&Secret::new("key"))),
            Some(Spec::Tls(want)) => change::tls(&mut cfg, &layout.binds, want),
            Some(Spec::Node(want)) => change::node(&mut cfg, &layout, name, want),
        }
    }
    Ok(Edited { text: cfg.text(), edits: cfg.take_edits() })
}

impl Edited {
    /// The text with every edit taken back, the last one first.
    ///
    /// # Errors
    /// What was not found any more.
    pub fn reverted(&self) -> Result<String, String> {
        let mut cfg = Cfg::parse(&self.text);
        for Edit { section, before, after } in self.edits.iter().rev() {
            let back = Edit { section: section.clone(), before: after.clone(), after: before.clone() };
            cfg.apply(&back)?;
        }
        Ok(cfg.text())
    }
}
