//! Attributes that differ, as lines: `weight 1 -> 3` where it is short, a comparison of items, lines or words where it is not.

use similar::{ChangeTag, TextDiff};

use super::line::{Line, Role, Side};
use super::view::Topic;
use crate::model::{Field, Value, value};

/// Two values that together are longer than this are compared piece by piece.
const LONG: usize = 100;

/// A stretch of equal words that is longer than this is cut in the middle.
const STRETCH: usize = 64;

/// The attribute on one line, where that is short enough to read at a glance.
pub fn short(topic: Topic, field: &Field) -> Option<Line> {
    let length = |value: &Option<Value>| value.as_ref().map_or(0, |value| value::show(value).chars().count());
    let multiline = [&field.before, &field.after].into_iter().flatten().any(is_multiline);
    (!multiline && length(&field.before) + length(&field.after) <= LONG).then(|| one(topic, field, field.path.len()))
}

/// The attributes, one or more lines each, their paths in one column.
pub fn lines(topic: Topic, fields: &[Field]) -> Vec<Line> {
    let column = fields.iter().map(|field| field.path.chars().count()).max().unwrap_or(0).min(32);
    fields
        .iter()
        .flat_map(|field| short_at(topic, field, column).map_or_else(|| long(field), |line| vec![line]))
        .collect()
}

/// The attributes of something that is not there yet: `weight = 3`.
pub fn assignments(fields: &[Field]) -> Vec<Line> {
    let known = fields.iter().filter_map(|field| field.after.as_ref().map(|after| (field, after)));
    known
        .map(|(field, after)| {
            Line::new(Role::Plain, format!("{} = ", field.path)).with(Role::Create, value::show(after))
        })
        .collect()
}

fn short_at(topic: Topic, field: &Field, column: usize) -> Option<Line> {
    short(topic, field).map(|_| one(topic, field, column))
}

fn one(topic: Topic, field: &Field, column: usize) -> Line {
    let shown = |value: &Option<Value>, missing: &str| value.as_ref().map_or_else(|| missing.into(), value::show);
    let line = Line::new(Role::Plain, format!("{:<column$} ", field.path));
    let line = match topic {
        Topic::Plan => line
            .with(Role::Delete, shown(&field.before, "(not set)"))
            .with(Role::Plain, " -> ")
            .with(Role::Create, shown(&field.after, "(not set)")),
        Topic::Drift => line
            .with(Role::Plain, "is ")
            .with(Role::Delete, shown(&field.before, "not set"))
            .with(Role::Plain, ", policy says ")
            .with(Role::Create, shown(&field.after, "nothing")),
    };
    line.join(replaces(field))
}

fn replaces(field: &Field) -> Line {
    let words = if field.replaces { "  (forces replacement)" } else { "" };
    Line::new(Role::Replace, words)
}

fn is_multiline(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim_end().contains('\n'))
}

fn long(field: &Field) -> Vec<Line> {
    let head = |remark: &str| Line::new(Role::Plain, &field.path).with(Role::Quiet, remark).join(replaces(field));
    match (&field.before, &field.after) {
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            let show = |items: &[Value]| items.iter().map(value::show).collect::<Vec<_>>();
            let (before, after) = (show(before), show(after));
            let (kept, lines) = compared(&before, &after, Context::None);
            let mut all = vec![head(&if kept > 0 { format!("  ({kept} kept)") } else { String::new() })];
            all.extend(lines);
            all
        }
        (Some(Value::String(before)), Some(Value::String(after))) if before.contains('\n') || after.contains('\n') => {
            let split = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (kept, lines) = compared(&split(before), &split(after), Context::All);
            if kept == lines.len() {
                // What differs is how the lines end.
                return whole(head(""), field);
            }
            let mut all = vec![head("")];
            all.extend(lines);
            all
        }
        (Some(Value::String(before)), Some(Value::String(after))) => vec![head("  ").join(words(before, after))],
        _ => whole(head(""), field),
    }
}

/// Both values, one below the other.
fn whole(head: Line, field: &Field) -> Vec<Line> {
    let side =
        |value: &Option<Value>, role, side| value.as_ref().map(|value| Line::new(role, value::show(value)).side(side));
    let mut all = vec![head];
    all.extend(side(&field.before, Role::Delete, Side::Before));
    all.extend(side(&field.after, Role::Create, Side::After));
    all
}

/// Whether pieces that are on both sides are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    None,
    All,
}

/// How many pieces stay, and the lines.
fn compared(before: &[String], after: &[String], context: Context) -> (usize, Vec<Line>) {
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let after: Vec<&str> = after.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&before, &after);
    let mut kept = 0;
    let mut lines = Vec::new();
    for change in diff.iter_all_changes() {
        let (role, side) = match change.tag() {
            ChangeTag::Delete => (Role::Delete, Side::Before),
            ChangeTag::Insert => (Role::Create, Side::After),
            ChangeTag::Equal => {
                kept += 1;
                if context == Context::None {
                    continue;
                }
                (Role::Quiet, Side::Both)
            }
        };
        lines.push(Line::new(role, change.value()).side(side));
    }
    (kept, lines)
}

/// One long line: what goes in `[-…-]`, what comes in `{+…+}`, and what stays shortened in the middle.
fn words(before: &str, after: &str) -> Line {
    let diff = TextDiff::from_words(before, after);
    let mut runs: Vec<(ChangeTag, String)> = Vec::new();
    for change in diff.iter_all_changes() {
        match runs.last_mut() {
            Some((tag, text)) if *tag == change.tag() => text.push_str(change.value()),
            _ => runs.push((change.tag(), change.value().to_owned())),
        }
    }
    let last = runs.len().saturating_sub(1);
    let mut line = Line::default();
    for (i, (tag, text)) in runs.iter().enumerate() {
        line = match tag {
            ChangeTag::Delete => line.with(Role::Delete, format!("[-{text}-]")),
            ChangeTag::Insert => line.with(Role::Create, format!("{{+{text}+}}")),
            ChangeTag::Equal => line.with(Role::Plain, stretch(text, i == 0, i == last)),
        };
    }
    line
}

fn stretch(text: &str, first: bool, last: bool) -> String {
    if text.chars().count() <= STRETCH {
        return text.to_owned();
    }
    let half = STRETCH / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(text.chars().count() - half).collect();
    // Cut between words where there are any.
    let head = head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head);
    let tail = tail.split_once(' ').map_or(tail.as_str(), |(_, tail)| tail);
    match (first, last) {
        (true, _) => format!("… {tail}"),
        (_, true) => format!("{head} …"),
        _ => format!("{head} … {tail}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(before: Option<Value>, after: Option<Value>) -> String {
        let field = Field { path: "x".into(), before, after, replaces: false };
        let shown = lines(Topic::Plan, &[field]).into_iter().map(|line| {
            let mark = line.side.map(|side| format!("  {} ", side.mark())).unwrap_or_default();
            format!("{mark}{}", line.text())
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_differs_is_always_seen() {
        let long = "lorem ipsum dolor sit amet ".repeat(5);
        let all = [
            check(Some(json!(1)), Some(json!(3))),
            check(None, Some(json!(false))),
            check(Some(json!("a")), None),
            check(Some(json!(["a", "b"])), Some(json!(["b", "a"]))),
            check(Some(json!(vec!["0123456789"; 6])), Some(json!(vec!["0123456789"; 8]))),
            check(Some(json!("a\nb\n")), Some(json!("a\nc\n"))),
            check(Some(json!("a\nb\n")), Some(json!("a\nb"))),
            check(Some(json!("a\nb")), Some(json!("a\r\nb"))),
            check(Some(json!(format!("{long}old {long}"))), Some(json!(format!("{long}new {long}")))),
            check(Some(json!(long)), Some(json!(12))),
            check(Some(json!(long)), None),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
