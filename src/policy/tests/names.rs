//! Names that are wrong, unknown or missing.

use insta::assert_snapshot;

use super::*;

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
    assert_snapshot!(check("
shopdb = 1
guards = true
defaults = []
"), @r#"
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
