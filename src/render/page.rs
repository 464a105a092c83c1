//! The walk over a view, the same for every format of lines: targets with their changes, then the findings.

use super::line::{Line, Role};
use super::view::{Detail, Entry, Group, Item, Matter, Section, View};

/// What a format of lines must be able to write.
pub trait Page {
    /// The heading of a target.
    fn target(&mut self, group: &Group);
    /// The head of a change.
    fn item(&mut self, item: &Item);
    /// A line below a change.
    fn detail(&mut self, line: &Line);
    /// For which changes of the target the lines that follow are run.
    fn shared(&mut self, head: &Line);
    /// The heading of findings.
    fn section(&mut self, section: &Section);
    /// A finding.
    fn entry(&mut self, section: &Section, entry: &Entry);
}

/// How much of a change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Only its head.
    Heads,
    /// Also what it may do to others.
    Hazards,
    /// Also what differs and what is run.
    Full,
}

/// Writes everything.
pub fn walk(view: &View, page: &mut impl Page) {
    for group in &view.groups {
        self::group(group, Depth::Full, page);
    }
    for section in &view.sections {
        self::section(section, page);
    }
}

/// Writes one target with its changes.
pub fn group(group: &Group, depth: Depth, page: &mut impl Page) {
    page.target(group);
    for item in &group.items {
        self::item(item, depth, page);
    }
    for shared in &group.shared {
        if wanted(&shared.body, depth).next().is_some() {
            page.shared(&shared.head);
            wanted(&shared.body, depth).for_each(|detail| page.detail(&detail.line));
        }
    }
}

/// Writes one change.
pub fn item(item: &Item, depth: Depth, page: &mut impl Page) {
    page.item(item);
    if let Some(why) = &item.blocked {
        page.detail(&Line::new(Role::Danger, "blocked").with(Role::Plain, format!(": {why}")));
    }
    wanted(&item.body, depth).for_each(|detail| page.detail(&detail.line));
}

/// Writes the findings of one sort.
pub fn section(section: &Section, page: &mut impl Page) {
    page.section(section);
    section.entries.iter().for_each(|entry| page.entry(section, entry));
}

fn wanted(body: &[Detail], depth: Depth) -> impl Iterator<Item = &Detail> {
    body.iter().filter(move |detail| match detail.topic {
        Matter::Notice | Matter::Danger => depth >= Depth::Hazards,
        Matter::Field | Matter::Command | Matter::Fact => depth == Depth::Full,
    })
}
