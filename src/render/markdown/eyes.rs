//! What needs somebody's eyes before the plan is approved, worst first, never collapsed.

use super::escape::{code, cut, prose};
use crate::model::{Action, text};
use crate::render::line::Role;
use crate::render::view::{Detail, Entry, Group, Item, Matter, Topic, View, Weight};

/// More than this nobody reads.
const MOST: usize = 10;

/// A longer text is cut; the whole of it is in the details.
const LONG: usize = 240;

/// The list under its heading, or nothing.
pub fn list(view: &View) -> Option<String> {
    let mut found: Vec<(u8, String)> = Vec::new();
    for section in view.sections.iter().filter(|section| section.weight == Weight::Bad) {
        found.extend(section.entries.iter().map(|entry| (1, self::entry(entry))));
    }
    // Drift does nothing to anybody: what differs is in the details.
    for group in view.groups.iter().filter(|_| view.topic == Topic::Plan) {
        found.extend(group.items.iter().flat_map(|item| of_item(group, item)));
        let shared =
            group.shared.iter().flat_map(|shared| &shared.body).filter(|detail| detail.topic == Matter::Danger);
        found.extend(shared.map(|detail| (4, danger(&group.target, detail))));
    }
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|(rank, _)| *rank);
    let more = found.len().saturating_sub(MOST);
    let mut lines: Vec<_> = found.into_iter().take(MOST).map(|(_, line)| line).collect();
    if more > 0 {
        lines.push(format!("- and {} more", text::thousands(more as u64)));
    }
    Some(format!("**Needs your eyes**\n\n{}", lines.join("\n")))
}

/// A finding as an item of a list.
pub fn entry(entry: &Entry) -> String {
    let text = entry.line.text();
    let rest = text.strip_prefix(entry.subject.as_str()).unwrap_or(&text).trim_start();
    let more: Vec<_> = entry.more.iter().map(|line| prose(&cut(&line.text(), LONG))).collect();
    let more = if more.is_empty() { String::new() } else { format!("<br>{}", more.join("<br>")) };
    format!("- {} {}{more}", code(&cut(&entry.subject, LONG)), prose(&cut(rest, LONG)))
}

fn of_item(group: &Group, item: &Item) -> Vec<(u8, String)> {
    let address = format!("{}.{}", group.target, item.name);
    if let Some(why) = &item.blocked {
        return vec![(0, line(&address, &format!("blocked: {why}")))];
    }
    let rank = match item.action {
        Action::Delete => 2,
        Action::Replace => 3,
        Action::Create | Action::Update => 4,
    };
    let dangers: Vec<_> = item.body.iter().filter(|detail| detail.topic == Matter::Danger).collect();
    match (&dangers[..], item.action) {
        // A removal is looked at also where its provider sees no hazard in it.
        ([], Action::Delete | Action::Replace) => {
            let what = if item.action == Action::Delete { "is deleted" } else { "is made anew" };
            vec![(rank, line(&address, what))]
        }
        (dangers, _) => dangers.iter().map(|detail| (rank, danger(&address, detail))).collect(),
    }
}

fn line(address: &str, text: &str) -> String {
    format!("- {} {}", code(&cut(address, LONG)), prose(&cut(text, LONG)))
}

/// A hazard without the words that say what allows it: those are in the command at the end.
fn danger(address: &str, detail: &Detail) -> String {
    let spans = &detail.line.spans;
    let of = |wanted: Role| spans.iter().filter(move |span| span.role == wanted).map(|span| span.text.as_str());
    let what: String = of(Role::Danger).collect();
    let evidence: String = of(Role::Plain).collect();
    let what = prose(what.trim_start_matches("! "));
    format!("- {} **{what}** {}", code(&cut(address, LONG)), prose(&cut(evidence.trim(), LONG)))
}
