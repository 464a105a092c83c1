//! A document laid out for people, once, for every format: groups of changes, sections of findings, and the closing words.
//!
//! Made from the document alone, so that a plan just made and one read from a file look the same.

mod findings;
mod group;

use std::collections::BTreeSet;

use serde::Serialize;

use super::allow;
use super::line::{Line, Role};
use crate::model::{Action, Verdict, text};
use crate::plan::Document;

/// What the view is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// What would be done.
    #[default]
    Plan,
    /// What differs, with no word of what would be run.
    Drift,
}

/// A document laid out.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// What it is for.
    pub topic: Topic,
    /// What it amounts to, in one or two sentences.
    pub headline: String,
    /// How many changes of which sort.
    pub counts: Counts,
    /// The targets that something changes on, sorted.
    pub groups: Vec<Group>,
    /// Everything else there is to know, worst first.
    pub sections: Vec<Section>,
    /// What stands in the way of applying, in words.
    pub obstacles: Vec<Line>,
    /// The flags that `apply` will ask for, each ready to paste.
    pub allow: Vec<String>,
    /// What approves exactly this plan, in hex.
    pub plan_id: String,
}

/// How many changes there are of each sort; the blocked ones count only as that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// To create.
    pub create: usize,
    /// To update in place.
    pub update: usize,
    /// To make anew.
    pub replace: usize,
    /// To delete.
    pub delete: usize,
    /// Not to be applied.
    pub blocked: usize,
}

/// The changes of one target.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// The target's address.
    pub target: String,
    /// How many.
    pub counts: Counts,
    /// The changes.
    pub items: Vec<Item>,
    /// Commands that serve several changes at once.
    pub shared: Vec<Shared>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Item {
    /// The whole address.
    pub address: String,
    /// The address inside its target, `index.users_by_tenant`.
    pub name: String,
    /// What becomes of it.
    pub action: Action,
    /// Its mark, `+`.
    pub mark: &'static str,
    /// The name, and what changes where that is short.
    pub head: Line,
    /// Where it comes from: a line of the policy, or a reason.
    pub aside: Option<String>,
    /// What changes, what is run, what that may do.
    pub body: Vec<Detail>,
    /// Why it must not be applied.
    pub blocked: Option<String>,
}

/// One line of a change, by what it tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Detail {
    /// What it tells.
    pub topic: Matter,
    /// The line.
    pub line: Line,
}

/// What a line of a change tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Matter {
    /// What differs.
    Field,
    /// What is run.
    Command,
    /// What it may do to others; apply goes on.
    Notice,
    /// What it may do to others; apply refuses until it is allowed.
    Danger,
    /// What was measured.
    Fact,
}

/// Commands that serve several changes of a target.
#[derive(Clone, Debug, Serialize)]
pub struct Shared {
    /// For which.
    pub head: Line,
    /// The commands and what they may do.
    pub body: Vec<Detail>,
}

/// Findings of one sort.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// The title.
    pub title: String,
    /// The findings.
    pub entries: Vec<Entry>,
    /// How bad they are.
    pub weight: Weight,
}

/// How bad a finding is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// It stands in the way.
    Bad,
    /// Nobody knows.
    Unknown,
    /// It is only told.
    Remark,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// What it is about.
    pub subject: String,
    /// What was found.
    pub line: Line,
    /// Where, or why, or what to do.
    pub more: Vec<Line>,
}

impl View {
    /// A plan: what would be done, and what that may do to others.
    pub fn plan(document: &Document) -> Self {
        Self::of(document, Topic::Plan)
    }

    /// Drift: what differs from the policy, with no word of what would be run.
    pub fn drift(document: &Document) -> Self {
        Self::of(document, Topic::Drift)
    }

    /// The document laid out for `topic`.
    pub fn of(document: &Document, topic: Topic) -> Self {
        let changed = document.resource_changes.iter().map(|change| change.target.as_str());
        let run = document.steps.iter().filter(|_| topic == Topic::Plan).map(|step| step.target.as_str());
        let targets: BTreeSet<&str> = changed.chain(run).collect();
        let groups: Vec<_> = targets.into_iter().map(|target| group::lay_out(document, topic, target)).collect();
        let counts = groups.iter().fold(Counts::default(), |sum, group| sum.plus(group.counts));
        Self {
            topic,
            headline: headline(document, topic, counts),
            counts,
            sections: findings::lay_out(document, topic),
            obstacles: if topic == Topic::Plan { obstacles(document, counts) } else { Vec::new() },
            allow: if topic == Topic::Plan { allow::flags(document) } else { Vec::new() },
            plan_id: document.plan_id.clone(),
            groups,
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The beginning of the plan's digest, for telling two plans apart at a glance; approving takes all of it.
    pub fn short_id(&self) -> String {
        self.plan_id.chars().take(12).collect()
    }
}

impl Counts {
    /// One change of this sort.
    pub fn one(action: Action) -> Self {
        let none = Self::default();
        match action {
            Action::Create => Self { create: 1, ..none },
            Action::Update => Self { update: 1, ..none },
            Action::Replace => Self { replace: 1, ..none },
            Action::Delete => Self { delete: 1, ..none },
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            create: self.create + other.create,
            update: self.update + other.update,
            replace: self.replace + other.replace,
            delete: self.delete + other.delete,
            blocked: self.blocked + other.blocked,
        }
    }

    /// How many in all.
    pub fn total(self) -> usize {
        self.create + self.update + self.replace + self.delete + self.blocked
    }

    /// `2 to create, 1 to delete`: what there is none of is left out.
    pub fn brief(self) -> String {
        let Self { create, update, replace, delete, blocked } = self;
        let all = [
            (create, "to create"),
            (update, "to update"),
            (replace, "to replace"),
            (delete, "to delete"),
            (blocked, "blocked"),
        ];
        let some = all.into_iter().filter(|(n, _)| *n > 0);
        some.map(|(n, what)| format!("{} {what}", text::thousands(n as u64))).collect::<Vec<_>>().join(", ")
    }

    /// `2 to create, 1 to update, 0 to replace, 1 to delete`, and `1 blocked` where there is any.
    pub fn sentence(self) -> String {
        let Self { create, update, replace, delete, blocked } = self;
        let [create, update, replace, delete] = [create, update, replace, delete].map(|n| text::thousands(n as u64));
        let blocked =
            if blocked > 0 { format!(", {} blocked", text::thousands(blocked as u64)) } else { String::new() };
        format!("{create} to create, {update} to update, {replace} to replace, {delete} to delete{blocked}")
    }
}

fn headline(document: &Document, topic: Topic, counts: Counts) -> String {
    let first = match (counts.total(), topic) {
        (0, _) => unchanged(document, topic),
        (_, Topic::Plan) => format!("Plan: {}.", counts.sentence()),
        (1, Topic::Drift) => "Drift: 1 resource differs from the policy.".into(),
        (n, Topic::Drift) => format!("Drift: {} differ from the policy.", text::count(n, "resource")),
    };
    let mut sentences = vec![first];
    let gaps = document.incomplete.len();
    if gaps > 0 {
        let was = if gaps == 1 { "was" } else { "were" };
        sentences.push(format!("{} {was} not checked.", text::count(gaps, "part")));
    }
    match document.checks.iter().filter(|check| check.verdict == Verdict::Fail).count() {
        0 => {}
        1 => sentences.push("1 check fails.".into()),
        n => sentences.push(format!("{} fail.", text::count(n, "check"))),
    }
    match document.unmanaged.len() {
        0 => {}
        n => sentences.push(format!("{} unmanaged.", text::thousands(n as u64))),
    }
    sentences.join(" ")
}

/// What is said where nothing differs: never that all is well when not all was seen.
fn unchanged(document: &Document, topic: Topic) -> String {
    let no = if topic == Topic::Plan { "No changes" } else { "No drift" };
    if !document.incomplete.is_empty() {
        return format!("{no} in what could be read.");
    }
    let ignored = match document.suppressed.iter().map(|suppressed| suppressed.fields.len()).sum() {
        0 => String::new(),
        n => format!(", but for {}", text::count(n, "ignored difference")),
    };
    format!("{no}. The live state matches the policy{ignored}.")
}

fn obstacles(document: &Document, counts: Counts) -> Vec<Line> {
    let mut lines = Vec::new();
    let refuses = |what: &str, ending: &str| {
        Line::new(Role::Danger, what).with(Role::Plain, format!(": apply refuses until {ending}"))
    };
    if counts.blocked > 0 {
        let (what, ending) = match counts.blocked {
            1 => ("1 change is blocked".into(), "the policy permits it or `--exclude` leaves it out"),
            n => (format!("{n} changes are blocked"), "the policy permits them or `--exclude` leaves them out"),
        };
        lines.push(refuses(&what, ending));
    }
    match document.guards.len() {
        0 => {}
        1 => lines.push(refuses("1 limit is broken", "it is allowed")),
        n => lines.push(refuses(&format!("{n} limits are broken"), "they are allowed")),
    }
    lines
}
