//! Files that are wrong as a whole, or together.

use insta::assert_snapshot;

use super::*;

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
                let context = Context { target: target.id.clone(), connect_timeout: Duration::from_secs(1), now: jiff::Timestamp::UNIX_EPOCH, depth: crate::provider::Depth::Exact, neighbors: crate::provider::Neighbors::default() };
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
