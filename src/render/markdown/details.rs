//! The changes, collapsed: one block per target, and before them one block for each set of targets with equal changes.

use std::collections::{BTreeMap, HashMap};

use super::escape::{fence, html};
use crate::model::text;
use crate::render::line::Line;
use crate::render::page::{self, Depth, Page};
use crate::render::view::{Counts, Detail, Entry, Group, Item, Matter, Section, View};

/// A set of targets that is longer than this is named by its first ones.
const NAMED: usize = 8;

/// The blocks, each with at most `most` changes.
pub fn blocks(view: &View, depth: Depth, most: usize) -> Vec<String> {
    let (common, rest) = split(view);
    let common = common.into_iter().map(|(targets, group)| block(&title(&targets), &group, depth, most));
    let rest = rest.iter().map(|group| block(&format!("<code>{}</code>", html(&group.target)), group, depth, most));
    common.chain(rest).collect()
}

fn title(targets: &[&str]) -> String {
    let names: Vec<_> = targets.iter().take(NAMED).map(|target| format!("<code>{}</code>", html(target))).collect();
    let more = if targets.len() > NAMED { format!(" and {} more", targets.len() - NAMED) } else { String::new() };
    format!("On each of {}: {}{more}", text::count(targets.len(), "target"), names.join(", "))
}

fn block(title: &str, group: &Group, depth: Depth, most: usize) -> String {
    let mut diff = Diff(String::new());
    let counts = group.counts.brief();
    if group.items.len() > most {
        let some = Group { items: group.items[..most].to_vec(), ..group.clone() };
        page::group(&some, depth, &mut diff);
        diff.line(&format!("  … and {} more", text::thousands((group.items.len() - most) as u64)));
    } else {
        page::group(group, depth, &mut diff);
    }
    let body = fence("diff", diff.0.trim_end_matches('\n'));
    format!("<details><summary>{title}: {counts}</summary>\n\n{body}\n\n</details>")
}

/// Changes that are the same on several targets, gathered by the set of those targets; and what is left of each target.
fn split(view: &View) -> (Vec<(Vec<&str>, Group)>, Vec<Group>) {
    let mut places: HashMap<Signature<'_>, Vec<&str>> = HashMap::new();
    for group in &view.groups {
        for item in &group.items {
            places.entry(signature(item)).or_default().push(&group.target);
        }
    }
    let mut common: BTreeMap<Vec<&str>, Group> = BTreeMap::new();
    let mut rest = Vec::new();
    for group in &view.groups {
        let mut own = Group { items: Vec::new(), counts: Counts::default(), ..group.clone() };
        for item in &group.items {
            // Where commands are shared, taking changes out would leave them unexplained.
            let targets = &places[&signature(item)];
            if targets.len() < 2 || !group.shared.is_empty() {
                own.counts = own.counts.plus(count(item));
                own.items.push(item.clone());
            } else if targets[0] == group.target {
                let empty = || Group {
                    target: String::new(),
                    counts: Counts::default(),
                    items: Vec::new(),
                    shared: Vec::new(),
                };
                let gathered = common.entry(targets.clone()).or_insert_with(empty);
                gathered.counts = gathered.counts.plus(count(item));
                gathered.items.push(without_facts(item));
            }
        }
        if !own.items.is_empty() || !own.shared.is_empty() {
            rest.push(own);
        }
    }
    (common.into_iter().collect(), rest)
}

/// What must be the same for two changes to be told as one: everything but where they are, and what was measured there.
type Signature<'a> = (&'a str, &'a Line, &'a Option<String>, &'a Option<String>, Vec<&'a Detail>);

fn signature(item: &Item) -> Signature<'_> {
    let body = item.body.iter().filter(|detail| detail.topic != Matter::Fact).collect();
    (item.mark, &item.head, &item.aside, &item.blocked, body)
}

fn without_facts(item: &Item) -> Item {
    let body = item.body.iter().filter(|detail| detail.topic != Matter::Fact).cloned().collect();
    Item { body, ..item.clone() }
}

fn count(item: &Item) -> Counts {
    if item.blocked.is_some() { Counts { blocked: 1, ..Counts::default() } } else { Counts::one(item.action) }
}

/// Lines whose first character is what a host colours by.
struct Diff(String);

impl Diff {
    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }
}

impl Page for Diff {
    fn target(&mut self, _: &Group) {}

    fn item(&mut self, item: &Item) {
        let mark = if item.mark == "~" { "!" } else { item.mark };
        let aside = item.aside.as_ref().map(|aside| format!("   {aside}")).unwrap_or_default();
        self.line(&format!("{mark} {}{aside}", item.head.text()));
    }

    fn shared(&mut self, head: &Line) {
        self.line(&format!("  {}", head.text()));
    }

    fn detail(&mut self, line: &Line) {
        match line.side {
            Some(side) => self.line(&format!("{}       {}", side.mark(), line.text())),
            None => self.line(&format!("      {}", line.text())),
        }
    }

    fn section(&mut self, _: &Section) {}

    fn entry(&mut self, _: &Section, _: &Entry) {}
}
