//! Resources as policy text, for `export`: it loads back to equal attributes. The opposite of loading.

use std::fmt::Write as _;

use crate::model::value::{show, show_key};
use crate::model::{Attributes, ResourceId, TargetId, Value};

/// How long a line may be before its list is broken up.
const WIDTH: usize = 100;

/// A target as policy text: its settings, then each of its resources under its own header.
///
/// A setting that must not be in a file is given as the reference that stands for it, `{"env": "DATABASE_URL"}`.
pub fn write(target: &TargetId, settings: &Attributes, resources: &[(ResourceId, Attributes)]) -> String {
    let mut out = String::new();
    section(&mut out, &target.to_string(), settings);
    for (id, attributes) in resources {
        out.push('\n');
        section(&mut out, &target.resource(id.clone()).to_string(), attributes);
    }
    out
}

/// One table: its header and its keys.
pub(super) fn section(out: &mut String, header: &str, attributes: &Attributes) {
    // Writing to a text cannot fail.
    let _ = writeln!(out, "[{header}]");
    for (key, value) in attributes {
        let key = show_key(key);
        let _ = writeln!(out, "{key} = {}", pretty(value, key.len() + 3));
    }
}

/// A value as it stands after `indent` columns: on one line if that is short enough, long texts and lists on several.
pub(super) fn pretty(value: &Value, indent: usize) -> String {
    let line = show(value);
    match value {
        Value::String(text) if text.trim_end_matches('\n').contains('\n') => many_lines(text),
        Value::Array(items) if !items.is_empty() && indent + line.chars().count() > WIDTH => {
            let items: Vec<_> = items.iter().map(|item| format!("  {},\n", show(item))).collect();
            format!("[\n{}]", items.concat())
        }
        _ => line,
    }
}

/// A text in triple quotes, so that what was written on several lines can be read on several.
fn many_lines(text: &str) -> String {
    let escaped: Vec<_> = text
        .split('\n')
        .map(|line| {
            let quoted = show(&Value::String(line.to_owned()));
            // The quotes around it go; those within may stay as they are, but for three in a row.
            quoted[1..quoted.len() - 1].replace("\\\"", "\"").replace("\"\"\"", "\"\"\\\"")
        })
        .collect();
    let body = escaped.join("\n");
    let end = if body.ends_with('"') { "\\\n" } else { "" };
    format!("\"\"\"\n{body}{end}\"\"\"")
}

#[cfg(test)]
pub(super) mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::{Comparison, Kind, Many};
    use crate::policy::{File, Input, Lookup, Vocabulary, decode, load};

    const KINDS: &[Kind] = &[
        Kind {
            name: "index",
            doc: "",
            comparison: Comparison::Whole,
            many: Many::Named,
            replaces: &[],
            prunable: true,
        },
        Kind {
            name: "settings",
            doc: "",
            comparison: Comparison::Partial,
            many: Many::One,
            replaces: &[],
            prunable: false,
        },
    ];

    /// What a policy holds once it has been written and loaded.
    fn load_back(text: &str) -> Vec<(ResourceId, Attributes)> {
        let vocabulary = Vocabulary::from([("db", KINDS)]);
        let base = [File::new("a.toml", text)];
        let input = Input { base: &base, overlays: &[], vocabulary: &vocabulary, lookup: Lookup::Offline };
        let (policy, problems) = load(input);
        assert_eq!(problems, [], "{text}");
        let resources = policy.targets.into_iter().flat_map(|target| target.resources);
        resources.map(|r| (r.id.clone(), decode::<Attributes>(&r.node).expect("plain values decode"))).collect()
    }

    fn object(value: Value) -> Attributes {
        match value {
            Value::Object(attributes) => attributes,
            other => panic!("{other} is no table"),
        }
    }

    fn check(resources: &[(ResourceId, Attributes)]) -> String {
        let settings = object(json!({ "url": { "env": "DATABASE_URL" } }));
        let text = write(&TargetId::new("db", "shop"), &settings, resources);
        assert_eq!(load_back(&text), resources, "{text}");
        text
    }

    #[test]
    fn resources_are_written_as_people_would() {
        let index = object(json!({
            "table": "users",
            "columns": ["tenant_id", "created_at desc"],
            "where": "name <> 'a\"b'",
            "unique": false,
            "with": { "fillfactor": 90, "a b": [1.5, true] },
            "sql": "select *\n  from \"users\"\n where a = '\\'",
            "ends": "two lines\nwith \"quotes\"",
            "odd": "a \"\"\"\" b\n\u{7f}\u{1}\tc\n",
            "long": (0..12).map(|i| format!("column_number_{i}")).collect::<Vec<_>>(),
        }));
        let resources = [
            (ResourceId::named("index", "users_by_tenant"), index),
            (ResourceId::named("index", "Weird \"name\".x"), Attributes::new()),
            (ResourceId::only("settings"), object(json!({ "work_mem": "64MiB", "a.b": 1e300 }))),
        ];
        assert_snapshot!(check(&resources), @r#"
        [db.shop]
        url = { env = "DATABASE_URL" }

        [db.shop.index.users_by_tenant]
        table = "users"
        columns = ["tenant_id", "created_at desc"]
        where = "name <> 'a\"b'"
        unique = false
        with = { fillfactor = 90, "a b" = [1.5, true] }
        sql = """
        select *
          from "users"
         where a = '\\'"""
        ends = """
        two lines
        with "quotes"\
        """
        odd = """
        a ""\"" b
        \u007F\u0001\tc
        """
        long = [
          "column_number_0",
          "column_number_1",
          "column_number_2",
          "column_number_3",
          "column_number_4",
          "column_number_5",
          "column_number_6",
          "column_number_7",
          "column_number_8",
          "column_number_9",
          "column_number_10",
          "column_number_11",
        ]

        [db.shop.index."Weird \"name\".x"]

        [db.shop.settings]
        work_mem = "64MiB"
        "a.b" = 1e+300
        "#);
    }

    /// Any value that a policy can hold.
    pub(crate) fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![".*", "[a\"\\\\\n\r\t '=]*"];
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e12..1e12).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-zA-Z .\"é]{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_loads_back_equal(
            all in prop::collection::btree_map("[a-z.\" ]{1,8}", prop::collection::btree_map("[b-z \"]{0,5}", values(), 0..5), 0..4),
        ) {
            let resources: Vec<_> = all
                .into_iter()
                .map(|(name, attributes)| (ResourceId::named("index", name), attributes.into_iter().collect()))
                .collect();
            check(&resources);
        }
    }
}
