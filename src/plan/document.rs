//! The saved plan, `plan.json`: what a reviewer approves and what every renderer shows.
//!
//! Plain data, made of nothing but the plan itself, so that equal plans give equal bytes. Minor versions of the format only
//! add; a reader ignores what it does not know and refuses another major version.

mod make;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Action, Approval, Attributes, Check, Facts, Field, Impact, Origin, Stage};

/// The version of the format that is written. Its major part is the only one that is read.
pub const FORMAT: &str = "1.0";

/// A plan as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The format's version, `1.0`.
    pub format_version: String,
    /// The version of the program that wrote it.
    pub evenkeel_version: String,
    /// The digest over everything that is approved, in hex.
    pub plan_id: String,
    /// The digest of the policy it was made from, in hex. Not part of what is approved.
    pub policy_digest: String,
    /// What the plan amounts to.
    pub summary: Summary,
    /// Every target, also those in which nothing changes.
    pub targets: Vec<Target>,
    /// What differs.
    pub resource_changes: Vec<ResourceChange>,
    /// What would be run, in the order of running.
    pub steps: Vec<Step>,
    /// Addresses that are there and not declared.
    pub unmanaged: Vec<String>,
    /// Differences that the policy says to ignore.
    pub suppressed: Vec<Suppressed>,
    /// What could not be read.
    pub incomplete: Vec<Incomplete>,
    /// Contracts and cross-target rules.
    pub checks: Vec<Check>,
    /// Limits that the plan breaks.
    pub guards: Vec<Guard>,
    /// Remarks.
    pub notes: Vec<Note>,
}

/// Counts, for readers that want nothing else. Changes that are blocked count under `blocked` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Changes that create.
    pub create: usize,
    /// Changes in place.
    pub update: usize,
    /// Changes that make something anew.
    pub replace: usize,
    /// Changes that delete.
    pub delete: usize,
    /// Changes that must not be applied.
    pub blocked: usize,
    /// Declared resources that are as declared.
    pub unchanged: usize,
    /// Resources that are not declared.
    pub unmanaged: usize,
    /// Resources with ignored differences.
    pub suppressed: usize,
    /// Things that could not be read.
    pub incomplete: usize,
    /// Checks that do not hold.
    pub failing: usize,
    /// Limits broken.
    pub guards: usize,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its address, `postgres.shop`.
    pub id: String,
    /// Its provider, `postgres`.
    pub provider: String,
    /// Its name, `shop`.
    pub name: String,
    /// What tells this system from every other; empty where it could not be reached.
    pub identity: String,
    /// How many declared resources are as declared.
    pub unchanged: usize,
}

/// A resource that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceChange {
    /// Its address, `postgres.shop.index.users_by_tenant`.
    pub address: String,
    /// Its provider, `postgres`.
    pub provider: String,
    /// Its target's address, `postgres.shop`.
    pub target: String,
    /// Its kind, `index`.
    pub kind: String,
    /// Its name; `null` where there can be only one of the kind.
    pub name: Option<String>,
    /// Why, where no line of the policy says so: `prune`, `absent`.
    pub reason: Option<String>,
    /// The line of the policy that says so.
    pub origin: Option<Origin>,
    /// What becomes of it.
    pub change: Change,
    /// The attributes that differ.
    pub fields: Vec<Field>,
    /// Why it must not be applied.
    pub blocked: Option<String>,
    /// What the steps that cover it may do to others.
    pub hazards: Vec<Hazard>,
    /// Measurements.
    pub facts: Facts,
}

/// What becomes of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// As a list: `["create"]`, `["update"]`, `["delete"]`, `["delete", "create"]`.
    #[serde(with = "actions")]
    pub actions: Action,
    /// The resource as it is; `null` before a creation.
    pub before: Option<Attributes>,
    /// The resource as it will be; `null` after a deletion.
    pub after: Option<Attributes>,
}

/// What a step may do to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// Its code, `drops-index`.
    pub code: String,
    /// Whether `apply` refuses it until it is allowed.
    pub approval: Approval,
    /// Code and evidence in one line.
    pub message: String,
    /// What was found.
    pub evidence: String,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its number, from 1, in the order of running.
    pub id: u32,
    /// The address of the target it runs on.
    pub target: String,
    /// All steps of a wave run before those of the next.
    pub wave: u32,
    /// When it runs inside its wave.
    pub stage: Stage,
    /// What it does, in words.
    pub title: String,
    /// What it runs; secrets masked.
    pub command: String,
    /// The addresses it covers.
    pub covers: Vec<String>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long it may wait for a lock, in milliseconds.
    pub lock_timeout_ms: Option<u64>,
    /// How far it reaches.
    pub impact: Impact,
    /// What it may do to others.
    pub hazards: Vec<Hazard>,
}

/// A resource with ignored differences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suppressed {
    /// Its address.
    pub address: String,
    /// What is ignored.
    pub fields: Vec<Field>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// A target, or a pattern over its resources.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What to type next.
    pub hint: Option<String>,
}

/// A limit that the plan breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The limit's name, `max-delete-percent`.
    pub code: String,
    /// The kind on its target, `postgres.shop.index`.
    pub subject: String,
    /// The evidence.
    pub message: String,
}

/// A remark about a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The target's address.
    pub target: String,
    /// The remark.
    pub message: String,
}

impl Document {
    /// The document as it is saved: indented, with a final newline.
    ///
    /// # Panics
    /// Never: every key of every map is a text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("every key of every map is a text");
        text.push('\n');
        text
    }

    /// Reads a saved plan. Says nothing about whether it was edited: see [`super::digest::verify`].
    ///
    /// # Errors
    /// `Usage` for a text that is no plan, or one of another major version of the format.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            format_version: String,
            evenkeel_version: String,
        }
        let again = "make a new one with `evenkeel plan -o plan.json`";
        let head: Head =
            serde_json::from_str(text).map_err(|e| Error::usage("the file is no saved plan").because(e).hint(again))?;
        if major(&head.format_version) != major(FORMAT) {
            let Head { format_version, evenkeel_version } = head;
            return Err(Error::usage(format!(
                "the plan has format `{format_version}`; this evenkeel reads `{}.x`",
                major(FORMAT)
            ))
            .hint(format!("use evenkeel {evenkeel_version}, which wrote it, or {again}")));
        }
        serde_json::from_str(text).map_err(|e| {
            let Head { format_version, evenkeel_version } = head;
            Error::new(ErrorKind::Usage, format!("the saved plan (format {format_version}) cannot be read"))
                .because(e)
                .hint(format!("it was written by evenkeel {evenkeel_version}; {again}"))
        })
    }

    /// The target with this address.
    pub fn target(&self, id: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == id)
    }

    /// Whether the plan would do nothing at all.
    pub fn is_empty(&self) -> bool {
        self.resource_changes.is_empty() && self.steps.is_empty()
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

/// An action as the list of names that policy-as-code tools read.
mod actions {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Action;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub fn serialize<S: Serializer>(action: &Action, serializer: S) -> Result<S::Ok, S::Error> {
        action.names().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        [Action::Create, Action::Update, Action::Replace, Action::Delete]
            .into_iter()
            .find(|action| action.names() == names)
            .ok_or_else(|| D::Error::custom(format!("unknown actions {names:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples;

    #[test]
    fn a_saved_plan_reads_back_as_it_was() {
        for document in samples::all() {
            let text = document.to_json();
            let read = Document::from_json(&text).expect("it was just written");
            assert_eq!(read, document);
            assert_eq!(read.to_json(), text, "equal documents give equal bytes");
        }
    }

    #[test]
    fn every_number_survives_saving() {
        for number in [0.1 + 0.2, 1.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, 123_456_789.123_456_79, -0.0] {
            let mut document = samples::shop();
            let after = document.resource_changes[0].change.after.as_mut().expect("an update has one");
            after.insert("number".into(), number.into());
            after.insert("large".into(), u64::MAX.into());
            document.plan_id = crate::plan::digest::digest(&document);
            let read = Document::from_json(&document.to_json()).expect("it was just written");
            crate::plan::digest::verify(&read).expect("nobody edited it");
        }
    }

    #[test]
    fn the_format_is_kept() {
        insta::assert_snapshot!(samples::shop().to_json());
    }

    #[test]
    fn readers_ignore_what_they_do_not_know() {
        let text = samples::shop().to_json().replacen(
            "\"format_version\": \"1.0\"",
            "\"format_version\": \"1.7\", \"invented_later\": [1]",
            1,
        );
        let read = Document::from_json(&text).expect("a minor version only adds");
        assert_eq!(Document { format_version: FORMAT.into(), ..read }, samples::shop());
    }

    #[test]
    fn other_files_are_refused_with_what_to_do() {
        let check = |text: &str| {
            let error = Document::from_json(text).expect_err("it is no plan");
            format!("{error}\nhint: {}", error.next().unwrap_or_default())
        };
        insta::assert_snapshot!(check("hello"), @r"
        the file is no saved plan: expected value at line 1 column 1
        hint: make a new one with `evenkeel plan -o plan.json`
        ");
        insta::assert_snapshot!(check("{}"), @r"
        the file is no saved plan: missing field `format_version` at line 1 column 2
        hint: make a new one with `evenkeel plan -o plan.json`
        ");
        insta::assert_snapshot!(check(r#"{"format_version": "2.0", "evenkeel_version": "3.1.4"}"#), @r"
        the plan has format `2.0`; this evenkeel reads `1.x`
        hint: use evenkeel 3.1.4, which wrote it, or make a new one with `evenkeel plan -o plan.json`
        ");
        insta::assert_snapshot!(check(r#"{"format_version": "1.0", "evenkeel_version": "0.1.0"}"#), @r"
        the saved plan (format 1.0) cannot be read: missing field `plan_id` at line 1 column 54
        hint: it was written by evenkeel 0.1.0; make a new one with `evenkeel plan -o plan.json`
        ");
    }
}
