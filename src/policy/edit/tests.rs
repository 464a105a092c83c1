//! What an edit changes, and that it changes nothing else.

use insta::assert_snapshot;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::*;
use crate::model::{ResourceId, TargetId};

const POLICY: &str = r#"# The shop's policy.
# Ask the database team before you change it.

[defaults.db]
lock_timeout = '3s'   # short

[db.shop]
url = { env = "DATABASE_URL" }

# Logins of one tenant.
[db.shop.index.users]
table   =   "users"          # public
columns = [
  "tenant_id",   # first
  "created_at desc" # second
]
with = { fillfactor = 90, fast = true } # tuned
ttl = "1800s"

# unique = true

[db.shop.index.orders]
  table = "orders"
  columns = ["id", "total"]
  opts.a = 1
  opts.b = "x"
  [db.shop.index.orders.nested]
  deep = [ 1, 2 ]

[db.shop.settings]
work_mem = "64MiB"
"pg_stat.max" = 5
share = 30

# The end."#;

fn index(name: &str) -> Address {
    TargetId::new("db", "shop").resource(ResourceId::named("index", name))
}

fn settings() -> Address {
    TargetId::new("db", "shop").resource(ResourceId::only("settings"))
}

fn set_to(address: Address, path: &str, value: Value) -> Edit {
    Edit::Set { address, path: path.into(), value }
}

fn unset_of(address: Address, path: &str) -> Edit {
    Edit::Unset { address, path: path.into() }
}

/// The lines that differ.
fn check(edits: &[Edit]) -> String {
    let edited = edit(POLICY, edits).expect("the edits fit the policy");
    Document::parse(&edited).expect("what comes out is TOML");
    let diff = TextDiff::from_lines(POLICY, &edited);
    let lines = diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    let shown = lines.map(|change| format!("{} {}", change.tag(), change.value()).trim_end().to_owned());
    shown.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_value_is_replaced_and_its_comment_stays() {
    assert_snapshot!(check(&[
        set_to(index("users"), "table", json!("people")),
        set_to(index("users"), "with.fillfactor", json!(70)),
        set_to(settings(), "work_mem", json!("128MiB")),
        set_to(settings(), "pg_stat.max", json!(9)),
        set_to(index("orders"), "opts.b", json!(["y"])),
        set_to(index("orders"), "nested.deep", json!([1, 2, 3])),
    ]), @r#"
    - table   =   "users"          # public
    + table   =   "people"          # public
    - with = { fillfactor = 90, fast = true } # tuned
    + with = { fillfactor = 70, fast = true } # tuned
    -   opts.b = "x"
    +   opts.b = ["y"]
    -   deep = [ 1, 2 ]
    +   deep = [ 1, 2, 3 ]
    - work_mem = "64MiB"
    - "pg_stat.max" = 5
    + work_mem = "128MiB"
    + "pg_stat.max" = 9
    "#);
}

#[test]
fn lists_keep_what_stays() {
    assert_snapshot!(check(&[
        set_to(index("users"), "columns", json!(["tenant_id", "created_at desc", "id"])),
        set_to(index("orders"), "columns", json!(["a", "id", "total"])),
    ]), @r#"
    -   "created_at desc" # second
    +   "created_at desc", # second
    +   "id"
    -   columns = ["id", "total"]
    +   columns = ["a", "id", "total"]
    "#);
    assert_snapshot!(check(&[
        set_to(index("users"), "columns", json!(["created_at desc"])),
        set_to(index("orders"), "columns", json!(["total"])),
        set_to(index("orders"), "nested.deep", json!([])),
    ]), @r#"
    -   "tenant_id",   # first
    -   columns = ["id", "total"]
    +   columns = ["total"]
    -   deep = [ 1, 2 ]
    +   deep = []
    "#);
    assert_snapshot!(check(&[
        set_to(index("users"), "columns", json!(["tenant_id", "name"])),
        set_to(index("orders"), "columns", json!(["x", "y", "z"])),
        set_to(index("orders"), "nested.deep", json!([2])),
    ]), @r#"
    -   "created_at desc" # second
    +   "name" # second
    -   columns = ["id", "total"]
    +   columns = ["x", "y", "z"]
    -   deep = [ 1, 2 ]
    +   deep = [ 2 ]
    "#);
    assert_snapshot!(check(&[
        set_to(index("users"), "columns", json!(["tenant_id"])),
        set_to(index("orders"), "columns", json!([])),
    ]), @r#"
    -   "tenant_id",   # first
    -   "created_at desc" # second
    +   "tenant_id"   # first
    -   columns = ["id", "total"]
    +   columns = []
    "#);
}

#[test]
fn new_attributes_go_where_their_table_is() {
    assert_snapshot!(check(&[
        set_to(index("users"), "unique", json!(true)),
        set_to(index("users"), "with.buffering", json!("auto")),
        set_to(index("orders"), "opts.c", json!({ "d": 1 })),
        set_to(index("orders"), "method", json!("hash")),
        set_to(index("orders"), "nested.deeper", json!(3)),
        set_to(settings(), "other.max", json!("a\nb")),
    ]), @r#"
    - with = { fillfactor = 90, fast = true } # tuned
    + with = { fillfactor = 90, fast = true, buffering = "auto" } # tuned
    + unique = true
    +   opts.c = { d = 1 }
    +   method = "hash"
    +   deeper = 3
    + "other.max" = """
    + a
    + b"""
    "#);
}

#[test]
fn tables_are_made_equal_key_by_key() {
    assert_snapshot!(check(&[
        set_to(index("users"), "with", json!({ "fast": true, "slow": false })),
        set_to(index("orders"), "opts", json!({ "b": "x", "c": 3 })),
        set_to(index("orders"), "nested", json!("flat")),
    ]), @r#"
    - with = { fillfactor = 90, fast = true } # tuned
    + with = { fast = true, slow = false } # tuned
    -   opts.a = 1
    -   [db.shop.index.orders.nested]
    -   deep = [ 1, 2 ]
    -
    +   opts.c = 3
    +   nested = "flat"
    "#);
}

#[test]
fn attributes_are_removed_with_their_line() {
    assert_snapshot!(check(&[
        unset_of(index("users"), "table"),
        unset_of(index("users"), "columns"),
        unset_of(index("users"), "with.fast"),
        unset_of(index("orders"), "opts.a"),
        unset_of(index("orders"), "nested"),
        unset_of(index("orders"), "no_such"),
    ]), @r#"
    - table   =   "users"          # public
    - columns = [
    -   "tenant_id",   # first
    -   "created_at desc" # second
    - ]
    - with = { fillfactor = 90, fast = true } # tuned
    + with = { fillfactor = 90 } # tuned
    -   opts.a = 1
    -   [db.shop.index.orders.nested]
    -   deep = [ 1, 2 ]
    -
    "#);
}

#[test]
fn resources_are_removed_with_the_comment_above_them() {
    assert_snapshot!(check(&[Edit::Remove { address: index("users") }]), @r#"
    - # Logins of one tenant.
    - [db.shop.index.users]
    - table   =   "users"          # public
    - columns = [
    -   "tenant_id",   # first
    -   "created_at desc" # second
    - ]
    - with = { fillfactor = 90, fast = true } # tuned
    - ttl = "1800s"
    -
    "#);
    assert_snapshot!(check(&[Edit::Remove { address: index("orders") }]), @r#"
    - [db.shop.index.orders]
    -   table = "orders"
    -   columns = ["id", "total"]
    -   opts.a = 1
    -   opts.b = "x"
    -   [db.shop.index.orders.nested]
    -   deep = [ 1, 2 ]
    -
    "#);
    assert_snapshot!(check(&[Edit::Remove { address: settings() }]), @r#"
    - [db.shop.settings]
    - work_mem = "64MiB"
    - "pg_stat.max" = 5
    - share = 30
    -
    "#);
}

#[test]
fn resources_are_added_behind_their_kind() {
    let attributes = |value: Value| value.as_object().cloned().expect("a table");
    assert_snapshot!(check(&[
        Edit::Add { address: index("new.one"), attributes: attributes(json!({ "table": "t", "columns": ["id"] })) },
        Edit::Add {
            address: TargetId::new("cache", "main").resource(ResourceId::only("settings")),
            attributes: attributes(json!({ "maxmemory": "2GB" })),
        },
    ]), @r#"
    + [db.shop.index."new.one"]
    + table = "t"
    + columns = ["id"]
    +
    + [cache.main.settings]
    + maxmemory = "2GB"
    +
    "#);
}

#[test]
fn equal_values_keep_the_authors_notation() {
    assert_eq!(
        check(&[
            set_to(index("users"), "ttl", json!("30m")),
            set_to(index("users"), "with", json!({ "fast": true, "fillfactor": 90 })),
            set_to(settings(), "share", json!("30%")),
            set_to(index("orders"), "nested", json!({ "deep": [1, 2] })),
            set_to(index("orders"), "opts", json!({ "b": "x", "a": 1 })),
        ]),
        ""
    );
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let check = |text: &str, edit: Edit| {
        let error = super::edit(text, &[edit]).expect_err("it does not fit");
        format!("{error}; {}", error.next().unwrap_or_default())
    };
    assert_snapshot!(check(POLICY, set_to(index("other"), "table", json!("x"))), @r#"`db.shop.index.other` is not declared in this file; a target that comes from `for_each`, or a default, is edited by hand"#);
    assert_snapshot!(check("a = ", set_to(index("other"), "table", json!("x"))), @r#"the file is no TOML: string values must be quoted, expected literal string; run `evenkeel check`"#);
    assert_snapshot!(check("[db.shop.index.a]\ntable = { env = \"T\" }", set_to(index("a"), "table", json!("x"))), @r#"`db.shop.index.a.table` refers to a value outside of the file; change it where it comes from, or write the value itself into the policy first"#);
    assert_snapshot!(check("[db.shop]\nindex = {}", Edit::Add { address: index("a"), attributes: Attributes::new() }), @r#"`index` is written inline; write it as a table with a header, then add `db.shop.index.a`"#);
    assert_snapshot!(check(POLICY, Edit::Add { address: index("users"), attributes: Attributes::new() }), @r#"`db.shop.index.users` is declared already; change its attributes instead, one by one"#);
    assert_snapshot!(check(POLICY, Edit::Remove { address: index("nobody") }), @r#"`db.shop.index.nobody` is not declared in this file; a target that comes from `for_each`, or a default, is edited by hand"#);
}

#[test]
fn other_ways_of_writing_a_policy_are_edited_as_well() {
    let check = |text: &str, edits: &[Edit]| edit(text, edits).expect("the edits fit the policy");
    let inline = "db.shop.index = { a = { table = \"t\" }, b = { table = \"u\", unique = true } }\n";
    assert_snapshot!(check(inline, &[set_to(index("a"), "table", json!("x")), unset_of(index("b"), "unique")]), @r#"db.shop.index = { a = { table = "x" }, b = { table = "u" } }"#);
    assert_snapshot!(check(inline, &[Edit::Remove { address: index("b") }]), @r#"db.shop.index = { a = { table = "t" } }"#);
    assert_snapshot!(check(inline, &[Edit::Remove { address: index("a") }]), @r#"db.shop.index = { b = { table = "u", unique = true } }"#);
    assert_snapshot!(check(inline, &[set_to(index("b"), "with.x", json!(1))]), @r#"db.shop.index = { a = { table = "t" }, b = { table = "u", unique = true, "with.x" = 1 } }"#);
    let dotted = "[db.shop]\nindex.a.table = \"t\"\nindex.a.unique = true\nurl = \"x\"\n";
    assert_snapshot!(check(dotted, &[set_to(index("a"), "where", json!("x")), unset_of(index("a"), "unique")]), @r#"
    [db.shop]
    index.a.table = "t"
    index.a.where = "x"
    url = "x"
    "#);
    assert_snapshot!(check(dotted, &[Edit::Remove { address: index("a") }]), @r#"
    [db.shop]
    url = "x"
    "#);
    let implicit = "# top\n\n# with\n[db.shop.index.a.with]\nx = 1\n";
    assert_snapshot!(check(implicit, &[set_to(index("a"), "table", json!("t"))]), @r#"
    # top

    [db.shop.index.a]
    table = "t"

    # with
    [db.shop.index.a.with]
    x = 1
    "#);
    assert_snapshot!(check("", &[Edit::Add { address: index("a"), attributes: Attributes::new() }]), @r#"[db.shop.index.a]"#);
}

#[test]
fn comments_in_lists_stay_with_their_items() {
    let check = |list: &str, value: Value| {
        let text = format!("[db.shop.index.a]\nx = {list}\n");
        let edited = edit(&text, &[set_to(index("a"), "x", value)]).expect("the edit fits");
        edited.trim_start_matches("[db.shop.index.a]\nx = ").to_owned()
    };
    let list = "[\n  # about a\n  \"a\", # a\n  # about b\n  \"b\", # b\n  \"c\", # c\n]";
    assert_snapshot!(check(list, json!(["a", "b", "c", "d"])), @r#"
    [
      # about a
      "a", # a
      # about b
      "b", # b
      "c", # c
      "d",
    ]
    "#);
    assert_snapshot!(check(list, json!(["b", "c"])), @r#"
    [
      # about b
      "b", # b
      "c", # c
    ]
    "#);
    assert_snapshot!(check(list, json!(["a", "c"])), @r#"
    [
      # about a
      "a", # a
      "c", # c
    ]
    "#);
    assert_snapshot!(check(list, json!(["a", "b"])), @r#"
    [
      # about a
      "a", # a
      # about b
      "b", # b
    ]
    "#);
    assert_snapshot!(check(list, json!(["a", "x", "c"])), @r#"
    [
      # about a
      "a", # a
      # about b
      "x", # b
      "c", # c
    ]
    "#);
    assert_snapshot!(check(list, json!(["x", "a", "b", "c"])), @r#"
    [
      "x",
      # about a
      "a", # a
      # about b
      "b", # b
      "c", # c
    ]
    "#);
    assert_snapshot!(check("[]", json!(["a", "b"])), @r#"["a", "b"]"#);
    assert_snapshot!(check("[ ]", json!(["a"])), @r#"["a"]"#);
    assert_snapshot!(check("[\n]", json!(["a"])), @r#"["a"]"#);
    assert_snapshot!(check("[{ a = 1 }, { b = 2 }]", json!([{ "a": 1, "c": 3 }, { "b": 2 }, {}])), @r#"[{ a = 1, c = 3 }, { b = 2 }, {}]"#);
    assert_snapshot!(check("{}", json!({ "a": 1 })), @r#"{ a = 1 }"#);
    assert_snapshot!(check("{\n  a = 1, # a\n  b = 2,\n}", json!({ "a": 1, "b": 2, "c": 3 })), @r#"
    {
      a = 1, # a
      b = 2,
      c = 3,
    }
    "#);
    assert_snapshot!(check("{\n  a = 1, # a\n  b = 2\n}", json!({ "b": 2, "c": 3 })), @r#"
    {
      b = 2,
      c = 3
    }
    "#);
}

proptest::proptest! {
    #[test]
    fn an_edit_does_what_it_says_and_nothing_else(
        value in crate::policy::write::tests::values(),
        path in proptest::sample::select(vec!["table", "columns", "with", "with.fast", "ttl", "new", "with.new"]),
    ) {
        let edited = edit(POLICY, &[set_to(index("users"), path, value.clone())]).expect("the edit fits the policy");
        let attributes = |text: &str| -> Value {
            let mut all: Value = toml::from_str(text).expect("it is TOML");
            all["db"]["shop"]["index"]["users"].take()
        };
        let mut expected = attributes(POLICY);
        match path.split_once('.') {
            Some((table, key)) => expected[table][key] = value,
            None => expected[path] = value,
        }
        proptest::prop_assert_eq!(attributes(&edited), expected, "{}", edited);
        let around = |text: &str| {
            let before = text.split("[db.shop.index.users]").next().map(str::to_owned);
            (before, text.split("# unique = true").last().map(str::to_owned))
        };
        proptest::prop_assert_eq!(around(&edited), around(POLICY));
    }
}

#[test]
fn line_breaks_stay_as_they_are() {
    let windows = POLICY.replace('\n', "\r\n");
    let edits = [
        set_to(index("users"), "columns", json!(["tenant_id", "created_at desc", "id"])),
        set_to(index("users"), "unique", json!(true)),
        Edit::Remove { address: index("orders") },
        Edit::Add { address: index("new"), attributes: Attributes::new() },
    ];
    let edited = edit(&windows, &edits).expect("the edits fit the policy");
    assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count(), "{edited:?}");
    assert_eq!(edited.replace("\r\n", "\n"), edit(POLICY, &edits).expect("the edits fit the policy"));
}
