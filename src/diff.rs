//! The only comparison in the program: wanted attributes against live ones, after both have been brought to one form.

use crate::model::{Action, Attributes, Comparison, Field, Kind, Value};

/// What is to become of one resource.
#[derive(Clone, Copy, Debug)]
pub enum Want<'a> {
    /// It is to be like this.
    Here(&'a Attributes),
    /// It is not to be there.
    Absent,
}

/// How one resource differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// What becomes of it; `None` where nothing (that is not ignored) differs.
    pub action: Option<Action>,
    /// The attributes that differ.
    pub fields: Vec<Field>,
    /// The attributes that differ and are to be ignored.
    pub ignored: Vec<Field>,
    /// What is there, as far as it is compared; `None` also where nothing is to become of it.
    pub before: Option<Attributes>,
    /// What is wanted; `None` also where nothing is to become of it.
    pub after: Option<Attributes>,
}

/// Compares one resource. `ignore` holds attribute paths; a path covers everything below it.
pub fn compare(kind: &Kind, want: Want<'_>, live: Option<&Attributes>, ignore: &[String]) -> Difference {
    match (want, live) {
        (Want::Absent, None) => Difference::default(),
        (Want::Absent, Some(live)) => {
            Difference { action: Some(Action::Delete), before: Some(live.clone()), ..Difference::default() }
        }
        (Want::Here(want), None) => {
            let fields = want.iter().map(|(path, value)| field(kind, path, None, Some(value))).collect();
            Difference { action: Some(Action::Create), fields, after: Some(want.clone()), ..Difference::default() }
        }
        (Want::Here(want), Some(live)) if std::ptr::eq(want, live) => Difference::default(),
        (Want::Here(want), Some(live)) => {
            let mut found = Vec::new();
            walk(kind, ignore, "", (want, live), &mut found);
            let (mut ignored, fields): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|field| covered(ignore, &field.path));
            // In one order, whichever side they were found on.
            ignored.sort_by(|a, b| a.path.cmp(&b.path));
            let action = match () {
                // Both states are told of what changes; of the rest they would be copied for nobody.
                () if fields.is_empty() => return Difference { ignored, ..Difference::default() },
                () if fields.iter().any(|field| field.replaces) => Action::Replace,
                () => Action::Update,
            };
            let before = match kind.comparison {
                Comparison::Partial => only(want, live),
                Comparison::Whole | Comparison::Contract => live.clone(),
            };
            Difference { action: Some(action), fields, ignored, before: Some(before), after: Some(want.clone()) }
        }
    }
}

fn walk(
    kind: &Kind,
    ignore: &[String],
    parent: &str,
    (want, live): (&Attributes, &Attributes),
    found: &mut Vec<Field>,
) {
    let nothing = Attributes::new();
    for (key, wanted) in want {
        let path = join(parent, key);
        match (wanted, live.get(key)) {
            (Value::Object(want), Some(Value::Object(live))) => walk(kind, ignore, &path, (want, live), found),
            (wanted, Some(there)) if wanted == there => {}
            (Value::Object(want), None) if holds_ignored(ignore, &path, want) => {
                walk(kind, ignore, &path, (want, &nothing), found);
            }
            (wanted, there) => found.push(field(kind, &path, there, Some(wanted))),
        }
    }
    if kind.comparison == Comparison::Whole {
        for (key, there) in live.iter().filter(|(key, _)| !want.contains_key(*key)) {
            let path = join(parent, key);
            match there {
                Value::Object(live) if holds_ignored(ignore, &path, live) => {
                    walk(kind, ignore, &path, (&nothing, live), found);
                }
                there => found.push(field(kind, &path, Some(there), None)),
            }
        }
    }
}

/// Whether something inside a table is to be ignored, so that a table which only one side has is not compared as one.
fn holds_ignored(ignore: &[String], parent: &str, table: &Attributes) -> bool {
    table.iter().any(|(key, value)| {
        let path = join(parent, key);
        covered(ignore, &path) || value.as_object().is_some_and(|inner| holds_ignored(ignore, &path, inner))
    })
}

fn field(kind: &Kind, path: &str, before: Option<&Value>, after: Option<&Value>) -> Field {
    let root = path.split('.').next().unwrap_or(path);
    Field {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
        replaces: kind.replaces.iter().any(|name| *name == root || *name == path),
    }
}

fn covered(ignore: &[String], path: &str) -> bool {
    ignore
        .iter()
        .any(|name| path.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// The part of `live` that `want` speaks of.
fn only(want: &Attributes, live: &Attributes) -> Attributes {
    want.iter()
        .filter_map(|(key, wanted)| {
            let there = live.get(key)?;
            let there = match (wanted, there) {
                (Value::Object(want), Value::Object(live)) => Value::Object(only(want, live)),
                _ => there.clone(),
            };
            Some((key.clone(), there))
        })
        .collect()
}

fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Many, value};
    use proptest::prelude::*;
    use serde_json::json;

    const WHOLE: Kind = Kind {
        name: "index",
        doc: "",
        comparison: Comparison::Whole,
        many: Many::Named,
        replaces: &["columns"],
        prunable: true,
    };
    const PARTIAL: Kind = Kind { name: "role", comparison: Comparison::Partial, replaces: &[], ..WHOLE };

    fn attributes(value: Value) -> Attributes {
        match value {
            Value::Object(attributes) => attributes,
            _ => Attributes::new(),
        }
    }

    /// `action: path before -> after, …; ignored …`
    fn check(kind: &Kind, want: Option<Value>, live: Option<Value>, ignore: &[&str], expected: &str) {
        let want = want.map(attributes);
        let live = live.map(attributes);
        let ignore: Vec<_> = ignore.iter().map(|&s| s.to_owned()).collect();
        let wanted = want.as_ref().map_or(Want::Absent, Want::Here);
        let found = compare(kind, wanted, live.as_ref(), &ignore);
        let show = |v: &Option<Value>| v.as_ref().map_or("-".into(), value::show);
        let list = |fields: &[Field]| {
            fields
                .iter()
                .map(|f| format!("{} {} -> {}", f.path, show(&f.before), show(&f.after)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let action = found.action.map_or("none", |a| a.mark());
        assert_eq!(format!("{action}: {}; {}", list(&found.fields), list(&found.ignored)), expected);
    }

    #[test]
    fn a_whole_kind_compares_what_is_not_written() {
        check(&WHOLE, Some(json!({"columns": ["a"]})), None, &[], "+: columns - -> [\"a\"]; ");
        check(&WHOLE, Some(json!({"a": 1})), Some(json!({"a": 1})), &[], "none: ; ");
        check(&WHOLE, Some(json!({"a": 1})), Some(json!({"a": 1, "where": "x"})), &[], "~: where \"x\" -> -; ");
        check(
            &WHOLE,
            Some(json!({"columns": ["a"]})),
            Some(json!({"columns": ["b"]})),
            &[],
            "-/+: columns [\"b\"] -> [\"a\"]; ",
        );
        check(&WHOLE, None, Some(json!({"a": 1})), &[], "-: ; ");
        check(&WHOLE, None, None, &[], "none: ; ");
    }

    #[test]
    fn a_partial_kind_leaves_the_rest_alone() {
        check(&PARTIAL, Some(json!({"a": 1})), Some(json!({"a": 1, "b": 2})), &[], "none: ; ");
        let want = json!({"settings": {"x": "1s"}});
        let live = json!({"settings": {"x": "2s", "y": 1}});
        check(&PARTIAL, Some(want), Some(live), &[], "~: settings.x \"2s\" -> \"1s\"; ");
    }

    #[test]
    fn ignored_paths_are_told_and_never_a_change() {
        let (want, live) = (json!({"a": 1, "with": {"f": 1}}), json!({"a": 1, "with": {"f": 2}}));
        check(&WHOLE, Some(want.clone()), Some(live.clone()), &["with"], "none: ; with.f 2 -> 1");
        check(&WHOLE, Some(want.clone()), Some(live.clone()), &["wit"], "~: with.f 2 -> 1; ");
        // Also where only one side has the table that the ignored attribute is in.
        let bare = json!({"a": 1});
        check(&WHOLE, Some(want.clone()), Some(bare.clone()), &["with.f"], "none: ; with.f - -> 1");
        check(&WHOLE, Some(bare.clone()), Some(live.clone()), &["with.f"], "none: ; with.f 2 -> -");
        check(&WHOLE, Some(want), Some(bare.clone()), &["with.g"], "~: with - -> { f = 1 }; ");
        let more = json!({"a": 1, "with": {"f": 2, "g": 3}});
        check(&WHOLE, Some(bare), Some(more), &["with.f"], "~: with.g 3 -> -; with.f 2 -> -");
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        check(&WHOLE, Some(json!({"a": 1, "b": 2})), Some(json!({"b": 2, "a": 1})), &[], "none: ; ");
    }

    /// Attributes of few names and values, so that two of them often have something in common.
    fn few() -> impl Strategy<Value = Attributes> {
        let plain = prop_oneof![
            (0..3).prop_map(|number| json!(number)),
            any::<bool>().prop_map(|flag| json!(flag)),
            prop::collection::vec("[xy]", 0..3).prop_map(|list| json!(list)),
        ];
        let object = |value| prop::collection::hash_map("[abc]", value, 0..4).prop_map(|map| json!(map));
        let value = plain.prop_recursive(2, 12, 3, move |value| object(value.boxed()));
        prop::collection::hash_map("[abcd]|columns", value, 0..5).prop_map(|map| attributes(json!(map)))
    }

    fn paths() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("([abcd]|columns)(\\.[abc]){0,2}", 0..3)
    }

    fn at<'a>(attributes: &'a Attributes, path: &str) -> Option<&'a Value> {
        let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
        let value = attributes.get(key)?;
        rest.map_or(Some(value), |rest| at(value.as_object()?, rest))
    }

    fn set(attributes: &mut Attributes, path: &str, value: Option<&Value>) {
        match (path.split_once('.'), value) {
            (Some((key, rest)), value) => {
                let below = attributes.entry(key).or_insert_with(|| json!({})).as_object_mut();
                set(below.expect("only tables are compared below"), rest, value);
            }
            (None, Some(value)) => drop(attributes.insert(path.to_owned(), value.clone())),
            (None, None) => drop(attributes.remove(path)),
        }
    }

    /// Every path to something, at every depth.
    fn all(attributes: &Attributes, parent: &str, found: &mut Vec<String>) {
        for (key, value) in attributes {
            let path = join(parent, key);
            value.as_object().into_iter().for_each(|below| all(below, &path, found));
            found.push(path);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn with_its_fields_done_a_difference_is_gone(want in few(), live in prop::option::weighted(0.9, few()), ignore in paths()) {
            for kind in [&WHOLE, &PARTIAL] {
                let found = compare(kind, Want::Here(&want), live.as_ref(), &ignore);
                let mut done = live.clone().unwrap_or_default();
                for Field { path, before, after, .. } in &found.fields {
                    prop_assert_eq!(at(&done, path), before.as_ref());
                    prop_assert_ne!(before, after);
                    set(&mut done, path, after.as_ref());
                }
                let again = compare(kind, Want::Here(&want), Some(&done), &ignore);
                prop_assert_eq!((again.action, again.fields.len()), (None, 0), "{:?} became {:?}", live, done);
                prop_assert_eq!(&again.ignored, &found.ignored);

                let Some(live) = &live else { continue };
                // What is wanted or there as a whole is changed as a whole, with all that it holds.
                let changed = |path: &str| found.fields.iter().any(|field| {
                    covered(std::slice::from_ref(&field.path), path) || covered(&[path.to_owned()], &field.path)
                });
                let mut known = Vec::new();
                all(live, "", &mut known);
                for path in known.iter().chain(&ignore).filter(|path| !changed(path)) {
                    prop_assert_eq!(at(&done, path), at(live, path), "`{}` is no change", path);
                }
                prop_assert!(found.fields.iter().all(|field| !covered(&ignore, &field.path)));
                if kind.comparison == Comparison::Partial {
                    prop_assert!(found.fields.iter().all(|field| field.after.is_some()), "a partial kind removes nothing");
                } else if found.ignored.is_empty() {
                    prop_assert_eq!(&done, &want);
                }
                let removed = compare(kind, Want::Absent, Some(live), &ignore);
                prop_assert_eq!((removed.action, removed.before.as_ref()), (Some(Action::Delete), Some(live)));
            }
        }
    }
}
