//! The engine's own keys, used wrongly.

use insta::assert_snapshot;

use super::*;

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
fn what_targets_share_is_told_once() {
    assert_snapshot!(check(r#"
[defaults.shopdb]
lock_timeout = 3

[shopdb.a]
url = "x"

[shopdb.b]
for_each = ["1", "2"]
url = "x"

[shopdb.b.limits]
memory = "much"
"#), @r#"
    error[wrong-type]: expected a duration such as "30s", found a whole number
     --> shop.toml:3:16
      |
    3 | lock_timeout = 3
      |                ^
      |
      = hint: write it as "3s"

    error[bad-value]: `much` is no size
      --> shop.toml:13:10
       |
    13 | memory = "much"
       |          ^^^^^^
       |
       = hint: write it as "64MiB" or "2GB"

    2 errors
    "#);
}
