//! Values that are wrong.

use insta::assert_snapshot;

use super::*;

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
    assert_snapshot!(check("
[shopdb.shop]

[shopdb.shop.index.a]
unique = true

[shopdb.shop.limits]
hsts = { preload = true }

[shopdb.shop.rule.a]
"), @r#"
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
