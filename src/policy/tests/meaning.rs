//! What is made of a policy that is right.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::*;

#[test]
fn a_good_policy_has_no_problems() {
    assert_snapshot!(check(r#"
[guards]
max_delete_percent = 20
allow = ["drops-index:shopdb.shop.index.old_*"]

[defaults.shopdb]
lock_timeout = "3s"

[shopdb.shop]
url = { env = "DB_URL" }
prune = ["index"]
publish = { file = "/not/there/yet.json" }

[shopdb.shop.guards]
max_deletes = 3

[shopdb.shop.index.users_by_tenant]
table = "users"
columns = ["tenant_id", "created_at desc"]
with = { fillfactor = 90 }
protect = true
ignore = ["where"]

[shopdb.shop.limits]
max_connections = 200
factor = 2
share = 30
after = ["shopdb.shop.index.*"]

[shopdb.shop.settings]
work_mem = "64MiB"

[shopdb.shop.rule.top]
source = { hot = { pattern = "p:*", top = 3 } }
"#), @"");
}

/// A policy as lines: what each value is, and the place where it won.
fn show(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> String {
    let (policy, problems) = all_problems(base, overlays);
    assert_eq!(text(&problems, &policy.sources, Style::default()), "");
    let mut out = String::new();
    for Target { id, settings, prune, guards, resources } in &policy.targets {
        let places = &policy.sources;
        _ = writeln!(out, "{id}  {}", places.origin(&settings.place));
        show_node(settings, places, 1, &mut out);
        if !prune.is_empty() {
            _ = writeln!(out, "  prune {prune:?}");
        }
        if *guards != Guards::default() {
            _ = writeln!(out, "  {guards:?}");
        }
        for Resource { id, node, absent, protect, ignore, after, place } in resources.iter().map(|resource| &**resource)
        {
            _ = write!(out, "  {id}  {}", places.origin(place));
            out += if *absent { " absent" } else { "" };
            out += if *protect { " protect" } else { "" };
            if !ignore.is_empty() {
                _ = write!(out, " ignore {ignore:?}");
            }
            for (pattern, place) in after {
                _ = write!(out, " after {} ({})", pattern.as_str(), places.origin(place));
            }
            out += "\n";
            show_node(node, places, 2, &mut out);
        }
    }
    out
}

fn show_node(node: &Node, sources: &Sources, depth: usize, out: &mut String) {
    for (key, entry) in node.table().into_iter().flatten() {
        let origin = sources.origin(&entry.node.place);
        let value = match &entry.node.value {
            NodeValue::Table(_) => String::new(),
            NodeValue::Reference(reference) => match &reference.meaning {
                Meaning::Known(secret) => secret.expose().to_owned(),
                Meaning::Unknown => "?".to_owned(),
                Meaning::Missing(problem) => problem.message.clone(),
            },
            _ => plain(&entry.node),
        };
        _ = writeln!(out, "{}{key} {value}  {origin}", "  ".repeat(depth));
        show_node(&entry.node, sources, depth + 1, out);
    }
}

fn plain(node: &Node) -> String {
    match &node.value {
        NodeValue::Bool(value) => value.to_string(),
        NodeValue::Int(value) => value.to_string(),
        NodeValue::Float(value) => value.to_string(),
        NodeValue::Text(text) => format!("{text:?}"),
        NodeValue::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        NodeValue::Reference(_) | NodeValue::Table(_) => "…".into(),
    }
}

const BASE: &str = r#"
[guards]
max_delete_percent = 20
max_deletes = 5

[defaults.shopdb]
lock_timeout = "3s"
schemas = ["public"]

[shopdb.shop]
url = "db://base"
schemas = ["shop"]

[shopdb.shop.guards]
max_deletes = 9
allow_empty = true

[shopdb.shop.index.a]
table = "users"
columns = ["id", "name"]
with = { fillfactor = 90, fast = true }

[shopdb.cart]
url = { file = "/run/url" }
prune = ["rule"]

[shopdb.cart.rule.z]
source = { file = "/no/such" }
[shopdb.cart.limits]
[shopdb.cart.rule.a]
source = "none"
"#;

#[test]
fn defaults_guards_and_references() {
    assert_snapshot!(show(&[("base.toml", BASE)], &[]), @r#"
    shopdb.cart  base.toml:23
      lock_timeout "3s"  base.toml:7
      schemas ["public"]  base.toml:8
      url db://file  base.toml:24
      prune ["rule"]
      Guards { max_delete_percent: 20, max_deletes: Some(5), max_update_percent: 50, min_existing: 10, allow_empty: false, allow: [] }
      rule.z  base.toml:27
        source   base.toml:28
          file "/no/such"  base.toml:28
      limits  base.toml:29
      rule.a  base.toml:30
        source "none"  base.toml:31
    shopdb.shop  base.toml:10
      lock_timeout "3s"  base.toml:7
      schemas ["shop"]  base.toml:12
      url "db://base"  base.toml:11
      Guards { max_delete_percent: 20, max_deletes: Some(9), max_update_percent: 50, min_existing: 10, allow_empty: true, allow: [] }
      index.a  base.toml:18
        table "users"  base.toml:19
        columns ["id", "name"]  base.toml:20
        with   base.toml:21
          fillfactor 90  base.toml:21
          fast true  base.toml:21
    "#);
}

#[test]
fn an_overlay_wins_attribute_by_attribute() {
    let overlay = r#"
[guards]
max_delete_percent = "50%"

[defaults.shopdb]
lock_timeout = "9s"

[shopdb.shop]
url = { env = "DB_URL" }

[shopdb.shop.index.a]
columns = ["id"]
unique = true
protect = true
with = { fillfactor = 70 }

[shopdb.cart]
url = { env = "SHARD_US_URL" }

[shopdb.cart.rule.z]
absent = true

[shopdb.shop.index.new]
table = "orders"
columns = ["id"]

[shopdb.new]
url = "db://new"
"#;
    let last = "[shopdb.shop.index.a]\ntable = \"people\"\n";
    assert_snapshot!(show(&[("base.toml", BASE)], &[("env/live.toml", overlay), ("env/last.toml", last)]), @r#"
    shopdb.cart  base.toml:23
      lock_timeout "9s"  env/live.toml:6
      schemas ["public"]  base.toml:8
      url db://us  env/live.toml:18
      prune ["rule"]
      Guards { max_delete_percent: 50, max_deletes: Some(5), max_update_percent: 50, min_existing: 10, allow_empty: false, allow: [] }
      rule.z  base.toml:27 absent
        source   base.toml:28
          file "/no/such"  base.toml:28
      limits  base.toml:29
      rule.a  base.toml:30
        source "none"  base.toml:31
    shopdb.new  env/live.toml:27
      lock_timeout "9s"  env/live.toml:6
      schemas ["public"]  base.toml:8
      url "db://new"  env/live.toml:28
      Guards { max_delete_percent: 50, max_deletes: Some(5), max_update_percent: 50, min_existing: 10, allow_empty: false, allow: [] }
    shopdb.shop  base.toml:10
      lock_timeout "9s"  env/live.toml:6
      schemas ["shop"]  base.toml:12
      url db://app:hunter2@db/shop  env/live.toml:9
      Guards { max_delete_percent: 50, max_deletes: Some(9), max_update_percent: 50, min_existing: 10, allow_empty: true, allow: [] }
      index.a  base.toml:18 protect
        table "people"  env/last.toml:2
        columns ["id"]  env/live.toml:12
        with   base.toml:21
          fillfactor 70  env/live.toml:15
          fast true  base.toml:21
        unique true  env/live.toml:13
      index.new  env/live.toml:23
        table "orders"  env/live.toml:24
        columns ["id"]  env/live.toml:25
    "#);
}

#[test]
fn for_each_makes_one_target_per_item() {
    assert_snapshot!(show(&[("shop.toml", r#"
[defaults.shopdb]
schemas = ["s_{each}"]

[shopdb.shard]
for_each = ["eu-1", "us"]
url = { env = "SHARD_{each}_URL" }

[shopdb.shard.index."users_{each}"]
table = "users_{each}"
columns = ["id"]

[shopdb.shard.limits]
after = ["shopdb.shard-{each}.index.*"]

[shopdb."{each}-copy"]
for_each = ["us"]
url = "db://{each}"
"#)], &[]), @r#"
    shopdb.shard-eu-1  shop.toml:5
      schemas ["s_eu-1"]  shop.toml:3
      url db://eu  shop.toml:7
      index.users_eu-1  shop.toml:9
        table "users_eu-1"  shop.toml:10
        columns ["id"]  shop.toml:11
      limits  shop.toml:13 after shopdb.shard-eu-1.index.* (shop.toml:14)
    shopdb.shard-us  shop.toml:5
      schemas ["s_us"]  shop.toml:3
      url db://us  shop.toml:7
      index.users_us  shop.toml:9
        table "users_us"  shop.toml:10
        columns ["id"]  shop.toml:11
      limits  shop.toml:13 after shopdb.shard-us.index.* (shop.toml:14)
    shopdb.us-copy  shop.toml:16
      schemas ["s_us"]  shop.toml:3
      url "db://us"  shop.toml:18
    "#);
}

#[test]
fn files_declare_one_policy_together() {
    let a =
        "[shopdb.shop]\nurl = \"x\"\n[shopdb.shop.index.b]\ntable = \"t\"\ncolumns = []\n[guards]\nmax_deletes = 1\n";
    let b = "[shopdb.shop]\nschemas = []\n[shopdb.shop.limits]\nmax_connections = 1\n[shopdb.shop.index.a]\ntable = \"t\"\ncolumns = []\n";
    assert_snapshot!(show(&[("a.toml", a), ("b.toml", b)], &[]), @r#"
    shopdb.shop  a.toml:1
      url "x"  a.toml:2
      schemas []  b.toml:2
      Guards { max_delete_percent: 30, max_deletes: Some(1), max_update_percent: 50, min_existing: 10, allow_empty: false, allow: [] }
      index.b  a.toml:3
        table "t"  a.toml:4
        columns []  a.toml:5
      limits  b.toml:3
        max_connections 1  b.toml:4
      index.a  b.toml:5
        table "t"  b.toml:6
        columns []  b.toml:7
    "#);
}

#[test]
fn offline_every_reference_is_an_empty_text() {
    let base = files(&[(
        "a.toml",
        "[shopdb.shop]\nurl = { env = \"NO_SUCH\" }\nschemas = [{ file = \"/no/such\" }]\nlock_timeout = { env = \"NO_SUCH\" }\n",
    )]);
    let (policy, problems) =
        load(Input { base: &base, overlays: &[], vocabulary: &vocabulary(), lookup: Lookup::Offline });
    assert_eq!(problems, []);
    let settings = decode(&policy.targets[0].settings).expect("nothing is wrong with what is not known");
    let sample::Settings { url, schemas, lock_timeout, .. } = settings;
    assert_eq!((url.expose(), schemas, lock_timeout), ("", vec![String::new()], None));
}

#[test]
fn a_table_that_looks_like_a_reference_is_a_table_where_one_is_wanted() {
    let (policy, problems) =
        load_with(&[("a.toml", "[shopdb.shop]\nurl = \"x\"\npublish = { file = \"/not/yet\" }\n")], &[]);
    assert_eq!(problems, []);
    let sample::Settings { publish, lock_timeout, .. } =
        decode(&policy.targets[0].settings).expect("the settings decode");
    let sample::Publish { file, key } = publish.expect("it is written");
    assert_eq!((file.as_deref(), key, lock_timeout), (Some("/not/yet"), None, None));
}

#[test]
fn the_digest_tells_names_texts_and_roles_apart() {
    let digest = |base: &[(&str, &str)], overlays: &[(&str, &str)]| load_with(base, overlays).0.digest;
    let one = digest(&[("a.toml", "# a")], &[]);
    assert_snapshot!(one, @r#"e7cb28501146f7cac9610b3842f39df1ca913696940488e00d1feb2fb3a7dbbb"#);
    assert_eq!(one, digest(&[("a.toml", "# a")], &[]));
    for other in [
        digest(&[("a.toml", "# b")], &[]),
        digest(&[("b.toml", "# a")], &[]),
        digest(&[("a.toml#", " a")], &[]),
        digest(&[], &[("a.toml", "# a")]),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn attributes_are_found_at_their_place() {
    let (policy, _) = load_with(
        &[(
            "a.toml",
            "[shopdb.shop]\n[shopdb.shop.settings]\na = { b = 1,\nc = 2 }\n\"pg_stat.max\" = 5\nlist = [1,\n{ d = 2 }]\n",
        )],
        &[],
    );
    let settings = &policy.targets[0].resources[0];
    let line = |path: &str| policy.sources.origin(&settings.place_of(Some(path))).line;
    let lines = [
        "a",
        "a.b",
        "a.c",
        "a.c.d",
        "pg_stat.max",
        "pg_stat.max.x",
        "pg_stat",
        "other",
        "list.0",
        "list.1",
        "list.1.d",
        "list.2",
        "list.x",
    ]
    .map(line);
    assert_eq!(lines, [3, 3, 4, 4, 5, 5, 2, 2, 6, 7, 7, 6, 6]);
    assert_eq!(settings.place_of(None), settings.place);
}

#[test]
fn numbers_are_read_in_every_notation() {
    let (policy, problems) = load_with(
        &[("a.toml", "[shopdb.shop]\n[shopdb.shop.settings]\na = [1_000, 0xff, -5, +7, 0b11, 1_0.5, 1e3, -0.0]\n")],
        &[],
    );
    assert_eq!(problems, []);
    let table = policy.targets[0].resources[0].node.table().expect("it is a table");
    assert_eq!(plain(&table["a"].node), "[1000, 255, -5, 7, 3, 10.5, 1000, -0]");
}
