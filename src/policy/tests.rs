//! What people see of a policy that is wrong, and what is made of one that is right.

use std::time::Duration;

use insta::assert_snapshot;

use super::sample::{self, REGISTRY};
use super::*;
use crate::model::Diagnostic;
use crate::provider::Context;
use crate::render::diagnostic::text;
use crate::render::style::{Colour, Style};

fn vocabulary() -> Vocabulary {
    REGISTRY.iter().map(|descriptor| (descriptor.name, descriptor.kinds)).collect()
}

fn files(texts: &[(&str, &str)]) -> Vec<File> {
    texts.iter().map(|(name, text)| File::new(*name, *text)).collect()
}

/// The environment and the files of all tests.
fn lookup() -> Lookup<'static> {
    Lookup::Live {
        env: &|name| match name {
            "DB_URL" => Some("db://app:hunter2@db/shop".into()),
            "SHARD_EU_1_URL" => Some("db://eu".into()),
            "SHARD_US_URL" => Some("db://us".into()),
            "METHOD" => Some("hunter2".into()),
            _ => None,
        },
        file: &|path| match path {
            "/run/url" => Ok("db://file\n".into()),
            _ => Err("no such file or directory".into()),
        },
    }
}

fn load_with(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> (Policy, Vec<Diagnostic>) {
    let (base, overlays, vocabulary) = (files(base), files(overlays), vocabulary());
    load(Input { base: &base, overlays: &overlays, vocabulary: &vocabulary, lookup: lookup() })
}

fn all_problems(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> (Policy, Vec<Diagnostic>) {
    let (policy, mut problems) = load_with(base, overlays);
    for target in &policy.targets {
        let context = Context {
            target: target.id.clone(),
            connect_timeout: Duration::from_secs(1),
            neighbors: crate::provider::Neighbors::default(),
        };
        if let Err(found) = (REGISTRY[0].open)(target, context, &policy.sources) {
            problems.extend(found);
        }
    }
    (policy, problems)
}

fn check_files(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> String {
    let (policy, problems) = all_problems(base, overlays);
    let text = text(&problems, &policy.sources, Style::default());
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
    text
}

fn check(policy: &str) -> String {
    check_files(&[("shop.toml", policy)], &[])
}

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

#[test]
fn unknown_keys() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "db://app:hunter2@db/shop"
schema = ["public"]

[shopdb.shop.index.a]
table = "users"
colums = ["id"]
absnt = true
"#), @r#"
    error[unknown-key]: unknown key `schema`
     --> shop.toml:4:1
      |
    4 | schema = ["public"]
      | ^^^^^^ did you mean `schemas`?
      |
      = hint: possible here: `url`, `schemas`, `lock_timeout`, `publish`, `prune`, `for_each`, `guards`, `index`, `limits`, `rule` and `settings`

    error[unknown-key]: unknown key `colums`
     --> shop.toml:8:1
      |
    8 | colums = ["id"]
      | ^^^^^^ did you mean `columns`?
      |
      = hint: possible here: `table`, `columns`, `where`, `unique`, `method`, `with`, `absent`, `protect`, `ignore` and `after`

    error[unknown-key]: unknown key `absnt`
     --> shop.toml:9:1
      |
    9 | absnt = true
      | ^^^^^ did you mean `absent`?
      |
      = hint: possible here: `table`, `columns`, `where`, `unique`, `method`, `with`, `absent`, `protect`, `ignore` and `after`

    3 errors
    "#);
}

#[test]
fn unknown_providers_and_kinds() {
    assert_snapshot!(check(r#"
[shopdbb.shop]
url = "x"

[nginx.web]
url = "x"

[guard]
max_deletes = 1

[shopdb.shop]
url = "x"

[shopdb.shop.indx.a]
table = "users"
"#), @r#"
    error[unknown-provider]: unknown provider `shopdbb`
     --> shop.toml:2:2
      |
    2 | [shopdbb.shop]
      |  ^^^^^^^ did you mean `shopdb`?
      |
      = hint: providers of this build: `shopdb`

    error[unknown-provider]: unknown provider `nginx`
     --> shop.toml:5:2
      |
    5 | [nginx.web]
      |  ^^^^^
      |
      = hint: providers of this build: `shopdb`

    error[unknown-provider]: unknown provider `guard`
     --> shop.toml:8:2
      |
    8 | [guard]
      |  ^^^^^ did you mean `guards`?
      |
      = hint: providers of this build: `shopdb`

    error[unknown-kind]: unknown table `indx`
      --> shop.toml:14:14
       |
    14 | [shopdb.shop.indx.a]
       |              ^^^^ did you mean `index`?
       |
       = hint: possible here: `url`, `schemas`, `lock_timeout`, `publish`, `prune`, `for_each`, `guards`, `index`, `limits`, `rule` and `settings`

    4 errors
    "#);
}

#[test]
fn wrong_types() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = 5
schemas = "public"
lock_timeout = 3

[shopdb.shop.index.a]
table = ["users"]
columns = [1, "a", true]
unique = "true"

[shopdb.shop.limits]
max_connections = "200"
memory = 1024
share = 1.5
factor = "2"
hsts = true
"#), @r#"
    error[wrong-type]: expected a text, found a whole number
     --> shop.toml:3:7
      |
    3 | url = 5
      |       ^
      |
      = hint: put it into quotes

    error[wrong-type]: expected a list, found a text
     --> shop.toml:4:11
      |
    4 | schemas = "public"
      |           ^^^^^^^^
      |
      = hint: put it into brackets: `[…]`

    error[wrong-type]: expected a duration such as "30s", found a whole number
     --> shop.toml:5:16
      |
    5 | lock_timeout = 3
      |                ^
      |
      = hint: write it as "3s"

    error[wrong-type]: expected a text, found a list
     --> shop.toml:8:9
      |
    8 | table = ["users"]
      |         ^^^^^^^^^

    error[wrong-type]: expected a text, found a whole number
     --> shop.toml:9:12
      |
    9 | columns = [1, "a", true]
      |            ^
      |
      = hint: put it into quotes

    error[wrong-type]: expected a text, found true or false
     --> shop.toml:9:20
      |
    9 | columns = [1, "a", true]
      |                    ^^^^
      |
      = hint: put it into quotes

    error[wrong-type]: expected true or false, found a text
      --> shop.toml:10:10
       |
    10 | unique = "true"
       |          ^^^^^^
       |
       = hint: write it without quotes

    error[wrong-type]: expected a whole number from 0 to 65535, found a text
      --> shop.toml:13:19
       |
    13 | max_connections = "200"
       |                   ^^^^^
       |
       = hint: write it without quotes

    error[wrong-type]: expected a size such as "64MiB", found a whole number
      --> shop.toml:14:10
       |
    14 | memory = 1024
       |          ^^^^
       |
       = hint: write it as "1024B", or in a larger unit

    error[wrong-type]: expected a percentage such as "30%" or 30, found a decimal number
      --> shop.toml:15:9
       |
    15 | share = 1.5
       |         ^^^

    error[wrong-type]: expected a number, found a text
      --> shop.toml:16:10
       |
    16 | factor = "2"
       |          ^^^
       |
       = hint: write it without quotes

    error[wrong-type]: expected a table, found true or false
      --> shop.toml:17:8
       |
    17 | hsts = true
       |        ^^^^

    12 errors
    "#);
}

#[test]
fn bad_durations_sizes_and_numbers() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"
lock_timeout = "soon"

[shopdb.shop.limits]
max_connections = 70000
idle_timeout = "1 month"
memory = "much"
share = "130%"

[shopdb.shop.rule.a]
source = "none"
attempts = [1, 256, -1]
"#), @r#"
    error[bad-value]: `soon` is no duration
     --> shop.toml:4:16
      |
    4 | lock_timeout = "soon"
      |                ^^^^^^
      |
      = hint: write it as "30s", "15m", "1h30m" or "7d"

    error[bad-value]: expected a whole number from 0 to 65535
     --> shop.toml:7:19
      |
    7 | max_connections = 70000
      |                   ^^^^^

    error[bad-value]: `1 month` is no duration
     --> shop.toml:8:16
      |
    8 | idle_timeout = "1 month"
      |                ^^^^^^^^^
      |
      = hint: write it as "30s", "15m", "1h30m" or "7d"

    error[bad-value]: `much` is no size
     --> shop.toml:9:10
      |
    9 | memory = "much"
      |          ^^^^^^
      |
      = hint: write it as "64MiB" or "2GB"

    error[bad-value]: `130%` is no percentage
      --> shop.toml:10:9
       |
    10 | share = "130%"
       |         ^^^^^^
       |
       = hint: write it as "30%"

    error[bad-value]: expected a whole number from 0 to 255
      --> shop.toml:14:16
       |
    14 | attempts = [1, 256, -1]
       |                ^^^

    error[bad-value]: expected a whole number from 0 to 255
      --> shop.toml:14:21
       |
    14 | attempts = [1, 256, -1]
       |                     ^^

    7 errors
    "#);
}

#[test]
fn bad_words() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"

[shopdb.shop.index.a]
table = "users"
columns = ["id"]
method = "btre"

[shopdb.shop.rule.a]
source = { fil = "a" }

[shopdb.shop.rule.b]
source = { file = "a", hot = "b" }

[shopdb.shop.rule.c]
source = "file"

[shopdb.shop.rule.d]
source = 5

[shopdb.shop.rule.e]
source = { hot = { pattern = "p", tpo = 3 } }
"#), @r#"
    error[unknown-value]: unknown value `btre`
     --> shop.toml:8:10
      |
    8 | method = "btre"
      |          ^^^^^^ did you mean `btree`?
      |
      = hint: possible here: `btree`, `hash` and `gin`

    error[unknown-key]: unknown key `fil`
      --> shop.toml:11:12
       |
    11 | source = { fil = "a" }
       |            ^^^ did you mean `file`?
       |
       = hint: possible here: `none`, `file` and `hot`

    error[bad-value]: expected exactly one of `none`, `file` or `hot`
      --> shop.toml:14:10
       |
    14 | source = { file = "a", hot = "b" }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^

    error[wrong-type]: expected a table, found a text
      --> shop.toml:17:10
       |
    17 | source = "file"
       |          ^^^^^^

    error[wrong-type]: expected one of `none`, `file` or `hot`, found a whole number
      --> shop.toml:20:10
       |
    20 | source = 5
       |          ^

    error[unknown-key]: unknown key `tpo`
      --> shop.toml:23:35
       |
    23 | source = { hot = { pattern = "p", tpo = 3 } }
       |                                   ^^^ did you mean `top`?
       |
       = hint: possible here: `pattern` and `top`

    6 errors
    "#);
}

#[test]
fn missing_keys() {
    assert_snapshot!(check(r#"
[shopdb.shop]

[shopdb.shop.index.a]
unique = true

[shopdb.shop.limits]
hsts = { preload = true }

[shopdb.shop.rule.a]
"#), @r#"
    error[missing-key]: `url` is missing
     --> shop.toml:2:1
      |
    2 | [shopdb.shop]
      | ^^^^^^^^^^^^^
      |
      = hint: add `url = …`

    error[missing-key]: `table` and `columns` are missing
     --> shop.toml:4:1
      |
    4 | [shopdb.shop.index.a]
      | ^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: add `table = …`, `columns = …`

    error[missing-key]: `max_age` is missing
     --> shop.toml:8:8
      |
    8 | hsts = { preload = true }
      |        ^^^^^^^^^^^^^^^^^^
      |
      = hint: add `max_age = …`

    error[missing-key]: `source` is missing
      --> shop.toml:10:1
       |
    10 | [shopdb.shop.rule.a]
       | ^^^^^^^^^^^^^^^^^^^^
       |
       = hint: add `source = …`

    4 errors
    "#);
}

#[test]
fn several_problems_at_once_do_not_hide_each_other() {
    assert_snapshot!(check(r#"
[shopdb.shop.limits]
hsts = { preload = 3, max_agee = "1d", nonsense = 1 }
max_connections = -1
memroy = "1GB"
"#), @r#"
    error[missing-key]: `url` is missing
     --> shop.toml:2:9
      |
    2 | [shopdb.shop.limits]
      |         ^^^^
      |
      = hint: add `url = …`

    error[wrong-type]: expected true or false, found a whole number
     --> shop.toml:3:20
      |
    3 | hsts = { preload = 3, max_agee = "1d", nonsense = 1 }
      |                    ^

    error[unknown-key]: unknown key `max_agee`
     --> shop.toml:3:23
      |
    3 | hsts = { preload = 3, max_agee = "1d", nonsense = 1 }
      |                       ^^^^^^^^ did you mean `max_age`?
      |
      = hint: possible here: `max_age` and `preload`

    error[unknown-key]: unknown key `nonsense`
     --> shop.toml:3:40
      |
    3 | hsts = { preload = 3, max_agee = "1d", nonsense = 1 }
      |                                        ^^^^^^^^
      |
      = hint: possible here: `max_age` and `preload`

    error[bad-value]: expected a whole number from 0 to 65535
     --> shop.toml:4:19
      |
    4 | max_connections = -1
      |                   ^^

    error[unknown-key]: unknown key `memroy`
     --> shop.toml:5:1
      |
    5 | memroy = "1GB"
      | ^^^^^^ did you mean `memory`?
      |
      = hint: possible here: `max_connections`, `idle_timeout`, `memory`, `share`, `factor`, `hsts`, `absent`, `protect`, `ignore` and `after`

    6 errors
    "#);
}

#[test]
fn syntax_errors() {
    assert_snapshot!(check(r#"
[shopdb.shop
url = "x"

[shopdb.shop.index.a]
table = users
columns = ["id"
"#), @r#"
    error[syntax]: unclosed table, expected `]`
     --> shop.toml:2:13
      |
    2 | [shopdb.shop
      |             ^

    error[syntax]: string values must be quoted, expected literal string
     --> shop.toml:6:9
      |
    6 | table = users
      |         ^^^^^

    error[syntax]: unclosed array, expected `]`
     --> shop.toml:7:16
      |
    7 | columns = ["id"
      |                ^

    3 errors
    "#);
}

#[test]
fn a_key_written_twice_in_one_file() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"
url = "y"

[shopdb.shop.index.a]
table = "users"

[shopdb.shop.index.a]
table = "users"
"#), @r#"
    error[syntax]: duplicate key
     --> shop.toml:4:1
      |
    3 | url = "x"
      | --- first here
    4 | url = "y"
      | ^^^ again here

    error[syntax]: duplicate key
     --> shop.toml:9:1
      |
    6 | [shopdb.shop.index.a]
      | --------------------- first here
    ...
    9 | [shopdb.shop.index.a]
      | ^^^^^^^^^^^^^^^^^^^^^ again here

    2 errors
    "#);
}

#[test]
fn numbers_that_do_not_fit() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"
[shopdb.shop.limits]
max_connections = 99999999999999999999
factor = nan
"#), @r#"
    error[syntax]: the number is too large for 64 bits
     --> shop.toml:5:19
      |
    5 | max_connections = 99999999999999999999
      |                   ^^^^^^^^^^^^^^^^^^^^

    error[syntax]: a number must be finite
     --> shop.toml:6:10
      |
    6 | factor = nan
      |          ^^^

    2 errors
    "#);
}

#[test]
fn keys_that_belong_to_no_target() {
    assert_snapshot!(check(r#"
[shopdb]
url = "x"
schemas = ["public"]
lock_timeout = { env = "X" }
"#), @r#"
    error[needs-target]: `shopdb.url` belongs to no target
     --> shop.toml:3:1
      |
    3 | url = "x"
      | ^^^ under `[shopdb]` there are targets only
      |
      = hint: name a target: `[shopdb.main]`, and write `url` below it

    1 error
    "#);
}

#[test]
fn lists_of_tables() {
    assert_snapshot!(check(r#"
[[shopdb.shop]]
url = "x"

[[shopdb.cart.index]]
table = "users"

[[shopdb.till.index.a]]
table = "users"
"#), @r#"
    error[wrong-type]: `shopdb.shop` is a table, not a list
     --> shop.toml:2:1
      |
    2 | [[shopdb.shop]]
      | ^^^^^^^^^^^^^^^
      |
      = hint: write `[shopdb.shop]`, in single brackets

    error[wrong-type]: `shopdb.cart.index` is a table, not a list
     --> shop.toml:5:1
      |
    5 | [[shopdb.cart.index]]
      | ^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: write `[shopdb.cart.index]`, in single brackets

    error[missing-key]: `url` is missing
     --> shop.toml:5:10
      |
    5 | [[shopdb.cart.index]]
      |          ^^^^
      |
      = hint: add `url = …`

    error[wrong-type]: `shopdb.till.index.a` is a table, not a list
     --> shop.toml:8:1
      |
    8 | [[shopdb.till.index.a]]
      | ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: write `[shopdb.till.index.a]`, in single brackets

    error[missing-key]: `url` is missing
     --> shop.toml:8:10
      |
    8 | [[shopdb.till.index.a]]
      |          ^^^^
      |
      = hint: add `url = …`

    5 errors
    "#);
}

#[test]
fn top_level_values() {
    assert_snapshot!(check(r#"
shopdb = 1
guards = true
defaults = []
"#), @r#"
    error[wrong-type]: `shopdb` is a table, not a whole number
     --> shop.toml:2:10
      |
    2 | shopdb = 1
      |          ^
      |
      = hint: write `[shopdb]`

    error[wrong-type]: `guards` is a table, not true or false
     --> shop.toml:3:10
      |
    3 | guards = true
      |          ^^^^
      |
      = hint: write `[guards]`

    error[wrong-type]: `defaults` is a table, not a list
     --> shop.toml:4:12
      |
    4 | defaults = []
      |            ^^
      |
      = hint: write `[defaults]`

    3 errors
    "#);
}

#[test]
fn bad_names() {
    assert_snapshot!(check(r#"
[shopdb."my shop"]
url = "x"

[shopdb.""]
url = "x"

[shopdb.-a]
url = "x"

[shopdb.shop]
url = "x"

[shopdb.shop.index.""]
table = "a"
columns = []

[shopdb.shop.index."a\nb"]
table = "a"
columns = []
"#), @r#"
    error[bad-name]: `my shop` cannot name a target
     --> shop.toml:2:9
      |
    2 | [shopdb."my shop"]
      |         ^^^^^^^^^
      |
      = hint: use letters, digits, `-` and `_`, and begin with a letter or a digit

    error[bad-name]: `` cannot name a target
     --> shop.toml:5:9
      |
    5 | [shopdb.""]
      |         ^^
      |
      = hint: use letters, digits, `-` and `_`, and begin with a letter or a digit

    error[bad-name]: `-a` cannot name a target
     --> shop.toml:8:9
      |
    8 | [shopdb.-a]
      |         ^^
      |
      = hint: use letters, digits, `-` and `_`, and begin with a letter or a digit

    error[bad-name]: the name of this `index` is empty
      --> shop.toml:14:20
       |
    14 | [shopdb.shop.index.""]
       |                    ^^

    error[bad-name]: the name of this `index` has a control character
      --> shop.toml:18:20
       |
    18 | [shopdb.shop.index."a\nb"]
       |                    ^^^^^^

    5 errors
    "#);
}

#[test]
fn names_where_there_are_none_and_the_other_way_round() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"

[shopdb.shop.index]
table = "users"
columns = ["id"]

[shopdb.shop.limits.main]
max_connections = 5

[shopdb.shop.rule.a.b]
source = "none"
"#), @r#"
    error[needs-name]: `index` needs a name
     --> shop.toml:6:1
      |
    6 | table = "users"
      | ^^^^^ belongs to no named resource
      |
      = hint: write `[shopdb.shop.index.NAME]` above it

    error[takes-no-name]: `limits` takes no name and has no key `main`
     --> shop.toml:9:21
      |
    9 | [shopdb.shop.limits.main]
      |                     ^^^^ a target has only one `limits`
      |
      = hint: possible here: `max_connections`, `idle_timeout`, `memory`, `share`, `factor`, `hsts`, `absent`, `protect`, `ignore` and `after`

    error[missing-key]: `source` is missing
      --> shop.toml:12:19
       |
    12 | [shopdb.shop.rule.a.b]
       |                   ^
       |
       = hint: add `source = …`

    error[unknown-key]: unknown key `b`
      --> shop.toml:12:21
       |
    12 | [shopdb.shop.rule.a.b]
       |                     ^ a name with a dot is put into quotes: `"a.b"`
       |
       = hint: possible here: `source`, `headers`, `attempts`, `absent`, `protect`, `ignore` and `after`

    4 errors
    "#);
}

#[test]
fn reserved_keys_on_resources() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"

[shopdb.shop.index.a]
table = "users"
columns = ["id"]
absent = "yes"
protect = 1
ignore = "where"
after = [3]

[shopdb.shop.index.b]
table = "users"
columns = ["id"]
ignore = ["wehre", "with.fillfactor"]
"#), @r#"
    error[wrong-type]: expected true or false, found a text
     --> shop.toml:8:10
      |
    8 | absent = "yes"
      |          ^^^^^

    error[wrong-type]: expected true or false, found a whole number
     --> shop.toml:9:11
      |
    9 | protect = 1
      |           ^

    error[wrong-type]: expected a list, found a text
      --> shop.toml:10:10
       |
    10 | ignore = "where"
       |          ^^^^^^^
       |
       = hint: put it into brackets: `[…]`

    error[wrong-type]: expected a text, found a whole number
      --> shop.toml:11:10
       |
    11 | after = [3]
       |          ^
       |
       = hint: put it into quotes

    error[unknown-key]: unknown attribute `wehre`
      --> shop.toml:13:1
       |
    13 | [shopdb.shop.index.b]
       | ^^^^^^^^^^^^^^^^^^^^^ did you mean `where`?
       |
       = hint: `ignore` takes: `table`, `columns`, `where`, `unique`, `method` and `with`

    5 errors
    "#);
}

#[test]
fn reserved_keys_on_targets() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"
prune = ["indexes", "limits", "index", 4]

[shopdb.cart]
url = "x"
prune = true

[shopdb.till]
url = "x"
for_each = "eu"
"#), @r#"
    error[unknown-kind]: unknown kind `indexes`
     --> shop.toml:4:10
      |
    4 | prune = ["indexes", "limits", "index", 4]
      |          ^^^^^^^^^ did you mean `index`?
      |
      = hint: kinds that can be pruned: `index` and `rule`

    error[not-prunable]: `limits` cannot be pruned
     --> shop.toml:4:21
      |
    4 | prune = ["indexes", "limits", "index", 4]
      |                     ^^^^^^^^
      |
      = hint: kinds that can be pruned: `index` and `rule`

    error[wrong-type]: expected a text, found a whole number
     --> shop.toml:4:40
      |
    4 | prune = ["indexes", "limits", "index", 4]
      |                                        ^
      |
      = hint: put it into quotes

    error[wrong-type]: expected a list, found true or false
     --> shop.toml:8:9
      |
    8 | prune = true
      |         ^^^^
      |
      = hint: put it into brackets: `[…]`

    error[wrong-type]: expected a list, found a text
      --> shop.toml:12:12
       |
    12 | for_each = "eu"
       |            ^^^^
       |
       = hint: put it into brackets: `[…]`

    5 errors
    "#);
}

#[test]
fn bad_guards() {
    assert_snapshot!(check(r#"
[guards]
max_delete_percent = 130
max_update_percent = "half"
min_existing = "10"
max_deletes = -1
allow_emtpy = true
allow = ["drops-index:", "Drops Index", 3]

[shopdb.shop]
url = "x"

[shopdb.shop.guards]
max_delete = 1
"#), @r#"
    error[bad-value]: `130` is no percentage
     --> shop.toml:3:22
      |
    3 | max_delete_percent = 130
      |                      ^^^
      |
      = hint: it goes from 0 to 100

    error[bad-value]: `half` is no percentage
     --> shop.toml:4:22
      |
    4 | max_update_percent = "half"
      |                      ^^^^^^
      |
      = hint: write it as "30%"

    error[wrong-type]: expected a whole number, 0 or more, found a text
     --> shop.toml:5:16
      |
    5 | min_existing = "10"
      |                ^^^^
      |
      = hint: write it without quotes

    error[bad-value]: expected a whole number, 0 or more
     --> shop.toml:6:15
      |
    6 | max_deletes = -1
      |               ^^

    error[unknown-key]: unknown key `allow_emtpy`
     --> shop.toml:7:1
      |
    7 | allow_emtpy = true
      | ^^^^^^^^^^^ did you mean `allow_empty`?
      |
      = hint: possible here: `max_delete_percent`, `max_deletes`, `max_update_percent`, `min_existing`, `allow_empty` and `allow`

    error[bad-value]: `drops-index:` allows nothing
     --> shop.toml:8:10
      |
    8 | allow = ["drops-index:", "Drops Index", 3]
      |          ^^^^^^^^^^^^^^
      |
      = hint: write "CODE" or "CODE:ADDRESS"

    error[bad-value]: `Drops Index` allows nothing
     --> shop.toml:8:26
      |
    8 | allow = ["drops-index:", "Drops Index", 3]
      |                          ^^^^^^^^^^^^^
      |
      = hint: write "CODE" or "CODE:ADDRESS"

    error[wrong-type]: expected a text, found a whole number
     --> shop.toml:8:41
      |
    8 | allow = ["drops-index:", "Drops Index", 3]
      |                                         ^
      |
      = hint: put it into quotes

    error[unknown-key]: unknown key `max_delete`
      --> shop.toml:14:1
       |
    14 | max_delete = 1
       | ^^^^^^^^^^ did you mean `max_deletes`?
       |
       = hint: possible here: `max_delete_percent`, `max_deletes`, `max_update_percent`, `min_existing`, `allow_empty` and `allow`

    9 errors
    "#);
}

#[test]
fn bad_defaults() {
    assert_snapshot!(check(r#"
[defaults]
lock_timeout = "3s"

[defaults.shopbd]
url = "x"

[defaults.shopdb]
url = "x"
for_each = ["eu"]
lock_timeout = 3

[defaults.shopdb.index.a]
table = "users"

[shopdb.shop]
"#), @r#"
    error[unknown-provider]: unknown provider `lock_timeout`
     --> shop.toml:3:1
      |
    3 | lock_timeout = "3s"
      | ^^^^^^^^^^^^
      |
      = hint: providers of this build: `shopdb`

    error[unknown-provider]: unknown provider `shopbd`
     --> shop.toml:5:11
      |
    5 | [defaults.shopbd]
      |           ^^^^^^ did you mean `shopdb`?
      |
      = hint: providers of this build: `shopdb`

    error[misplaced]: `for_each` does not belong into `[defaults]`
      --> shop.toml:10:1
       |
    10 | for_each = ["eu"]
       | ^^^^^^^^
       |
       = hint: `[defaults.PROVIDER]` holds settings of targets; write this on the target itself

    error[wrong-type]: expected a duration such as "30s", found a whole number
      --> shop.toml:11:16
       |
    11 | lock_timeout = 3
       |                ^
       |
       = hint: write it as "3s"

    error[misplaced]: the kind `index` does not belong into `[defaults]`
      --> shop.toml:13:18
       |
    13 | [defaults.shopdb.index.a]
       |                  ^^^^^
       |
       = hint: `[defaults.PROVIDER]` holds settings of targets; write this on the target itself

    5 errors
    "#);
}

#[test]
fn after_that_matches_nothing() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"

[shopdb.shop.index.users]
table = "users"
columns = ["id"]

[shopdb.shop.index.b]
table = "users"
columns = ["id"]
after = ["shopdb.shop.index.usres", "*.rule.*", "shopdb.shop.index.b"]
"#), @r#"
    error[after-nothing]: `shopdb.shop.index.usres` matches no declared resource
      --> shop.toml:12:10
       |
    12 | after = ["shopdb.shop.index.usres", "*.rule.*", "shopdb.shop.index.b"]
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `shopdb.shop.index.users`?
       |
       = hint: write the address of a resource, as in `postgres.shop.index.users_by_tenant`, with `*` for any part

    error[after-nothing]: `*.rule.*` matches no declared resource
      --> shop.toml:12:37
       |
    12 | after = ["shopdb.shop.index.usres", "*.rule.*", "shopdb.shop.index.b"]
       |                                     ^^^^^^^^^^
       |
       = hint: write the address of a resource, as in `postgres.shop.index.users_by_tenant`, with `*` for any part

    error[after-cycle]: `shopdb.shop.index.b` waits only for itself
      --> shop.toml:12:49
       |
    12 | after = ["shopdb.shop.index.usres", "*.rule.*", "shopdb.shop.index.b"]
       |                                                 ^^^^^^^^^^^^^^^^^^^^^

    3 errors
    "#);
}

#[test]
fn after_in_a_circle() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"

[shopdb.shop.rule.a]
source = "none"
after = ["shopdb.shop.rule.b"]

[shopdb.shop.rule.b]
source = "none"
after = ["shopdb.shop.rule.c"]

[shopdb.shop.rule.c]
source = "none"
after = ["shopdb.shop.limits", "shopdb.shop.rule.a"]

[shopdb.shop.rule.d]
source = "none"
after = ["shopdb.shop.rule.a"]

[shopdb.shop.limits]
"#), @r#"
    error[after-cycle]: resources wait for each other: `shopdb.shop.rule.a` → `shopdb.shop.rule.b` → `shopdb.shop.rule.c` → `shopdb.shop.rule.a`
      --> shop.toml:7:10
       |
     7 | after = ["shopdb.shop.rule.b"]
       |          ^^^^^^^^^^^^^^^^^^^^
    ...
    11 | after = ["shopdb.shop.rule.c"]
       |          -------------------- `shopdb.shop.rule.b` waits here
    ...
    15 | after = ["shopdb.shop.limits", "shopdb.shop.rule.a"]
       |                                -------------------- `shopdb.shop.rule.c` waits here
       |
       = hint: remove one of these `after`, so that there is a first

    1 error
    "#);
}

#[test]
fn missing_references() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = { env = "NO_SUCH" }

[shopdb.cart]
url = { file = "/no/such" }
schemas = [{ env = "NO_SUCH" }]

[shopdb.till]
url = { env = "DB_URL", default = "x" }

[shopdb.shop.index.a]
table = { env = "NO_SUCH" }
columns = ["id"]

[shopdb.shop.rule.a]
source = { file = "/no/such" }
"#), @r#"
    error[missing-reference]: the environment variable `NO_SUCH` is not set
     --> shop.toml:3:7
      |
    3 | url = { env = "NO_SUCH" }
      |       ^^^^^^^^^^^^^^^^^^^
      |
      = hint: export NO_SUCH=…

    error[missing-reference]: the file `/no/such` cannot be read: no such file or directory
     --> shop.toml:6:7
      |
    6 | url = { file = "/no/such" }
      |       ^^^^^^^^^^^^^^^^^^^^^
      |
      = hint: ls -l /no/such

    error[missing-reference]: the environment variable `NO_SUCH` is not set
     --> shop.toml:7:12
      |
    7 | schemas = [{ env = "NO_SUCH" }]
      |            ^^^^^^^^^^^^^^^^^^^
      |
      = hint: export NO_SUCH=…

    error[wrong-type]: expected a text, found a table
      --> shop.toml:10:7
       |
    10 | url = { env = "DB_URL", default = "x" }
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = hint: a reference is `{ env = "NAME" }` or `{ file = "/path" }`, with nothing else in it

    error[missing-reference]: the environment variable `NO_SUCH` is not set
      --> shop.toml:13:9
       |
    13 | table = { env = "NO_SUCH" }
       |         ^^^^^^^^^^^^^^^^^^^
       |
       = hint: export NO_SUCH=…

    5 errors
    "#);
}

#[test]
fn references_never_show_what_they_stand_for() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = { env = "DB_URL" }
schemas = { env = "DB_URL" }
lock_timeout = { env = "DB_URL" }

[shopdb.shop.index.a]
table = "users"
columns = ["id"]
unique = { env = "DB_URL" }
method = { env = "METHOD" }

[shopdb.shop.limits]
max_connections = { env = "DB_URL" }
memory = { env = "DB_URL" }
share = { env = "DB_URL" }
"#), @r#"
    error[wrong-type]: expected a list, found a text
     --> shop.toml:4:11
      |
    4 | schemas = { env = "DB_URL" }
      |           ^^^^^^^^^^^^^^^^^^
      |
      = hint: put it into brackets: `[…]`

    error[bad-value]: what this stands for is not accepted here
     --> shop.toml:5:16
      |
    5 | lock_timeout = { env = "DB_URL" }
      |                ^^^^^^^^^^^^^^^^^^
      |
      = hint: look at the value itself; it is not shown because it may be secret

    error[wrong-type]: expected true or false, found a text
      --> shop.toml:10:10
       |
    10 | unique = { env = "DB_URL" }
       |          ^^^^^^^^^^^^^^^^^^

    error[unknown-value]: what this stands for is not possible here
      --> shop.toml:11:10
       |
    11 | method = { env = "METHOD" }
       |          ^^^^^^^^^^^^^^^^^^
       |
       = hint: possible here: `btree`, `hash` and `gin`

    error[wrong-type]: expected a whole number from 0 to 65535, found a text
      --> shop.toml:14:19
       |
    14 | max_connections = { env = "DB_URL" }
       |                   ^^^^^^^^^^^^^^^^^^

    error[bad-value]: what this stands for is not accepted here
      --> shop.toml:15:10
       |
    15 | memory = { env = "DB_URL" }
       |          ^^^^^^^^^^^^^^^^^^
       |
       = hint: look at the value itself; it is not shown because it may be secret

    error[bad-value]: what this stands for is not accepted here
      --> shop.toml:16:9
       |
    16 | share = { env = "DB_URL" }
       |         ^^^^^^^^^^^^^^^^^^
       |
       = hint: look at the value itself; it is not shown because it may be secret

    7 errors
    "#);
}

#[test]
fn passwords_in_the_file_are_masked() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = ["db://app:hunter2@db/shop"]
password = "hunter2" # was: token = "hunter2"
"#), @r#"
    error[wrong-type]: expected a text, found a list
     --> shop.toml:3:7
      |
    3 | url = ["db://app:*******@db/shop"]
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    error[unknown-key]: unknown key `password`
     --> shop.toml:4:1
      |
    4 | password = "*******" # was: token = "*******"
      | ^^^^^^^^
      |
      = hint: possible here: `url`, `schemas`, `lock_timeout`, `publish`, `prune`, `for_each`, `guards`, `index`, `limits`, `rule` and `settings`

    2 errors
    "#);
}

#[test]
fn for_each_with_bad_items() {
    assert_snapshot!(check(r#"
[shopdb.shard]
for_each = ["eu", "eu", "", "a b"]
url = "x"

[shopdb.shard-eu]
url = "x"

[shopdb."x-{each}"]
url = "x"

[shopdb."y-{each}"]
for_each = ["eu"]
url = "x"

[shopdb."y-{each}".index."a-{each}"]
table = "a"
columns = []

[shopdb."y-{each}".index.a-eu]
table = "a"
columns = []
"#), @r#"
    error[bad-value]: `eu` is there twice
     --> shop.toml:3:19
      |
    3 | for_each = ["eu", "eu", "", "a b"]
      |                   ^^^^
      |
      = hint: each item names one target

    error[bad-value]: an item is empty
     --> shop.toml:3:25
      |
    3 | for_each = ["eu", "eu", "", "a b"]
      |                         ^^
      |
      = hint: each item names one target

    error[bad-name]: `shard-a b` cannot name a target
     --> shop.toml:3:29
      |
    3 | for_each = ["eu", "eu", "", "a b"]
      |                             ^^^^^
      |
      = hint: use letters, digits, `-` and `_`, and begin with a letter or a digit

    error[duplicate]: `shopdb.shard-eu` is declared twice
     --> shop.toml:6:9
      |
    2 | [shopdb.shard]
      |         ----- first here
    ...
    6 | [shopdb.shard-eu]
      |         ^^^^^^^^ again here
      |
      = hint: rename one of the two; `for_each` joins its items to the target's name

    error[bad-name]: `x-{each}` cannot name a target
     --> shop.toml:9:9
      |
    9 | [shopdb."x-{each}"]
      |         ^^^^^^^^^^
      |
      = hint: `{each}` needs `for_each = ["…"]` on the target

    error[duplicate]: `a-eu` is declared twice for `eu`
      --> shop.toml:20:26
       |
    16 | [shopdb."y-{each}".index."a-{each}"]
       |                          ---------- first here
    ...
    20 | [shopdb."y-{each}".index.a-eu]
       |                          ^^^^ again here

    6 errors
    "#);
}

#[test]
fn dates_are_texts() {
    assert_snapshot!(check(r#"
[shopdb.shop]
url = "x"
lock_timeout = 2026-11-22

[shopdb.shop.rule.a]
source = "none"
headers = { since = 2026-11-22T10:00:00Z, n = 4 }
"#), @r#"
    error[bad-value]: `2026-11-22` is no duration
     --> shop.toml:4:16
      |
    4 | lock_timeout = 2026-11-22
      |                ^^^^^^^^^^
      |
      = hint: write it as "30s", "15m", "1h30m" or "7d"

    error[wrong-type]: expected a text, found a whole number
     --> shop.toml:8:47
      |
    8 | headers = { since = 2026-11-22T10:00:00Z, n = 4 }
      |                                               ^
      |
      = hint: put it into quotes

    2 errors
    "#);
}

#[test]
fn one_resource_in_two_files() {
    let a = "[shopdb.shop]\nurl = \"x\"\n\n[shopdb.shop.index.a]\ntable = \"users\"\ncolumns = [\"id\"]\n\n[shopdb.shop.limits]\n\n[guards]\nmax_deletes = 1\n";
    let b = "[shopdb.shop]\nurl = \"y\"\n\n[shopdb.shop.index.a]\ntable = \"users\"\n\n[shopdb.shop.index.b]\ntable = \"users\"\ncolumns = [\"id\"]\n\n[shopdb.shop.limits]\n\n[guards]\nmax_deletes = 2\nmin_existing = 3\n";
    assert_snapshot!(check_files(&[("a.toml", a), ("b.toml", b)], &[]), @r#"
    error[duplicate]: `shopdb.shop.url` is declared twice
     --> b.toml:2:1
      |
    2 | url = "y"
      | ^^^ again here
      |
     ::: a.toml:2:1
      |
    2 | url = "x"
      | --- first here
      |
      = hint: remove one of the two; what differs by environment goes into an overlay, `--env NAME`

    error[duplicate]: `shopdb.shop.index.a` is declared twice
     --> b.toml:4:20
      |
    4 | [shopdb.shop.index.a]
      |                    ^ again here
      |
     ::: a.toml:4:20
      |
    4 | [shopdb.shop.index.a]
      |                    - first here
      |
      = hint: remove one of the two; what differs by environment goes into an overlay, `--env NAME`

    error[duplicate]: `shopdb.shop.limits` is declared twice
      --> b.toml:11:14
       |
    11 | [shopdb.shop.limits]
       |              ^^^^^^ again here
       |
      ::: a.toml:8:14
       |
     8 | [shopdb.shop.limits]
       |              ------ first here
       |
       = hint: remove one of the two; what differs by environment goes into an overlay, `--env NAME`

    error[duplicate]: `guards.max_deletes` is declared twice
      --> b.toml:14:1
       |
    14 | max_deletes = 2
       | ^^^^^^^^^^^ again here
       |
      ::: a.toml:11:1
       |
    11 | max_deletes = 1
       | ----------- first here
       |
       = hint: remove one of the two; what differs by environment goes into an overlay, `--env NAME`

    4 errors
    "#);
}

#[test]
fn a_file_that_cannot_be_read_hides_nothing_of_the_others() {
    let good = "[shopdb.shop]\nurl = \"x\"\n[shopdb.shop.limits]\nafter = [\"shopdb.shop.index.in_the_other\"]\nmemroy = \"1GB\"\n";
    assert_snapshot!(check_files(&[("a.toml", "[shopdb.shop\n"), ("b.toml", good)], &[]), @r#"
    error[syntax]: unclosed table, expected `]`
     --> a.toml:1:13
      |
    1 | [shopdb.shop
      |             ^

    error[unknown-key]: unknown key `memroy`
     --> b.toml:5:1
      |
    5 | memroy = "1GB"
      | ^^^^^^ did you mean `memory`?
      |
      = hint: possible here: `max_connections`, `idle_timeout`, `memory`, `share`, `factor`, `hsts`, `absent`, `protect`, `ignore` and `after`

    2 errors
    "#);
}

#[test]
fn a_file_that_is_no_text() {
    let base = [File::new("a.toml", b"[shopdb.shop]\nurl = \"caf\xe9\"\n".to_vec())];
    let (policy, problems) =
        load(Input { base: &base, overlays: &[], vocabulary: &vocabulary(), lookup: Lookup::Offline });
    assert_snapshot!(text(&problems, &policy.sources, Style::default()), @r#"
    error[not-utf8]: the file is not UTF-8
     --> a.toml:2:11
      |
    2 | url = "caf�"
      |           ^ these bytes are no text
      |
      = hint: iconv -f latin1 -t utf-8 a.toml

    1 error
    "#);
}

/// A policy as lines: what each value is, and the place where it won.
fn show(base: &[(&str, &str)], overlays: &[(&str, &str)]) -> String {
    let (policy, problems) = all_problems(base, overlays);
    assert_eq!(text(&problems, &policy.sources, Style::default()), "");
    let mut out = String::new();
    for Target { id, settings, prune, guards, resources } in &policy.targets {
        let places = &policy.sources;
        out += &format!("{id}  {}\n", places.origin(&settings.place));
        show_node(settings, places, 1, &mut out);
        if !prune.is_empty() {
            out += &format!("  prune {prune:?}\n");
        }
        if *guards != Guards::default() {
            out += &format!("  {guards:?}\n");
        }
        for Resource { id, node, absent, protect, ignore, after, place } in resources {
            out += &format!("  {id}  {}", places.origin(place));
            out += if *absent { " absent" } else { "" };
            out += if *protect { " protect" } else { "" };
            out += &if ignore.is_empty() { String::new() } else { format!(" ignore {ignore:?}") };
            for (pattern, place) in after {
                out += &format!(" after {} ({})", pattern.as_str(), places.origin(place));
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
            NodeValue::Reference(reference) => {
                reference.secret.as_ref().map_or_else(|p| p.message.clone(), |secret| secret.expose().into())
            }
            _ => plain(&entry.node),
        };
        *out += &format!("{}{key} {value}  {origin}\n", "  ".repeat(depth));
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
    let base =
        files(&[("a.toml", "[shopdb.shop]\nurl = { env = \"NO_SUCH\" }\nschemas = [{ file = \"/no/such\" }]\n")]);
    let (policy, problems) =
        load(Input { base: &base, overlays: &[], vocabulary: &vocabulary(), lookup: Lookup::Offline });
    assert_eq!(problems, []);
    let sample::Settings { url, schemas, .. } = decode(&policy.targets[0].settings).expect("the settings decode");
    assert_eq!((url.expose(), schemas), ("", vec![String::new()]));
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
fn problems_are_also_told_to_machines() {
    let (policy, problems) = load_with(&[("a.toml", "[shopdb.shop]\nurl = \"x\"\nprune = [\"indx\"]\n")], &[]);
    let json = crate::render::diagnostic::json(&problems, &policy.sources);
    assert_snapshot!(serde_json::to_string_pretty(&json).expect("it is plain data"), @r#"
    [
      {
        "severity": "error",
        "code": "unknown-kind",
        "message": "unknown kind `indx`",
        "place": {
          "file": "a.toml",
          "line": 3,
          "column": 10,
          "end_line": 3,
          "end_column": 16
        },
        "label": "did you mean `index`?",
        "related": [],
        "hint": "kinds that can be pruned: `index` and `rule`"
      }
    ]
    "#);
}

proptest::proptest! {
    #[test]
    fn loading_never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), policy in fragments()) {
        for bytes in [bytes, policy.into_bytes()] {
            let base = [File { name: "a.toml".into(), bytes: bytes.clone() }];
            let overlays = [File { name: "b.toml".into(), bytes }];
            let vocabulary = vocabulary();
            let (policy, mut problems) =
                load(Input { base: &base, overlays: &overlays, vocabulary: &vocabulary, lookup: lookup() });
            for target in &policy.targets {
                let context = Context { target: target.id.clone(), connect_timeout: Duration::from_secs(1), neighbors: crate::provider::Neighbors::default() };
                problems.extend((REGISTRY[0].open)(target, context, &policy.sources).err().into_iter().flatten());
            }
            text(&problems, &policy.sources, Style { colour: Colour::Ansi, width: 80 });
            crate::render::diagnostic::json(&problems, &policy.sources);
        }
    }
}

/// Text that is nearly a policy.
fn fragments() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let fragment = prop::sample::select(vec![
        "[shopdb.shop]",
        "[shopdb.shop.index.a]",
        "[shopdb.shop.limits]",
        "[shopdb.shop.rule.\"ä b\"]",
        "[[shopdb.shop.rule]]",
        "[guards]",
        "[defaults.shopdb]",
        "\n",
        "\n",
        "\n",
        "\r\n",
        " ",
        "=",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "\"\"\"",
        "#",
        "ü",
        "url",
        "table",
        "columns",
        "after",
        "for_each",
        "prune",
        "absent",
        "source",
        "hsts",
        "env",
        "file",
        "{each}",
        "\"shopdb.*\"",
        "\"eu\"",
        "true",
        "1",
        "-9999999999999999999",
        "1.5",
        "\"1h\"",
        "{ env = \"DB_URL\" }",
        "[\"a\"]",
        "1979-05-27",
    ]);
    prop::collection::vec(fragment, 0..60).prop_map(|parts| parts.concat())
}
