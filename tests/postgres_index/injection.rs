//! Texts that try to do more than be an index: none gets further than a problem of the policy.

use super::*;

#[tokio::test]
async fn a_text_runs_nothing_but_its_index() {
    let shop = Shop::new("injection");
    shop.psql("create table victim (a int)");
    let provider = shop.connect().await;
    let attempts = [
        json!({ "columns": ["age); drop table victim; --"] }),
        json!({ "columns": ["age); drop table victim"] }),
        json!({ "columns": ["age; drop table victim"] }),
        json!({ "columns": ["age) where (age > 1"] }),
        json!({ "columns": ["age, id"] }),
        json!({ "columns": ["age -- "], "where": "is_active" }),
        json!({ "columns": ["age /*"], "where": "*/ is_active" }),
        json!({ "columns": ["'", "'"] }),
        json!({ "columns": ["E'\\\\'' || '); drop table victim --'"] }),
        json!({ "columns": ["$$)$$"] }),
        json!({ "columns": ["(age)"], "where": "true; drop table victim" }),
        json!({ "columns": ["(age)"], "where": "age > 1 tablespace fast" }),
        json!({ "columns": ["(age)"], "where": "(select count(*) from victim) > 0" }),
        json!({ "columns": ["(pg_advisory_lock(1))"] }),
        json!({ "columns": ["age"], "include": ["id) where (age > 1"] }),
        json!({ "columns": ["age"], "method": "btree (id); drop table victim; --" }),
        json!({ "columns": ["age"], "with": { "fillfactor) ; drop table victim; --": 1 } }),
        json!({ "columns": ["age"], "with": { "fillfactor": "70); drop table victim; --" } }),
        json!({ "columns": ["age"], "tablespace": "x; drop table victim" }),
        json!({ "columns": ["age"], "table": "users; drop table victim" }),
        json!({ "columns": ["age"], "table": "\"users; drop table victim\"" }),
        json!({ "columns": ["age"], "method": "%I%s" }),
    ];
    let mut told = String::new();
    for (number, attempt) in attempts.into_iter().enumerate() {
        let mut spec = json!({ "table": "users" });
        spec.as_object_mut().expect("a table").extend(attempt.as_object().cloned().expect("a table"));
        let wants = [want(&format!("x{number:02}"), spec)];
        // Offline first; and then as if that check were not there.
        let problems = Postgres::check(&shop.settings(), &wants);
        let (when, problems) = if problems.is_empty() {
            ("server ", look(&provider, &wants, &[]).await.expect("a look").problems)
        } else {
            ("offline", problems)
        };
        for problem in problems.iter().take(1) {
            writeln!(
                told,
                "{number:02} {when} {}: {}",
                problem.attribute.as_deref().unwrap_or_default(),
                problem.message
            )
            .expect("text");
        }
        assert!(!problems.is_empty(), "{number} passed");
    }
    assert_eq!(shop.psql("select count(*) from victim"), "0");
    insta::assert_snapshot!(told, @r#"
    00 offline columns: `age); drop table victim; --` has brackets that do not match
    01 offline columns: `age); drop table victim` has brackets that do not match
    02 offline columns: `age; drop table victim` has a semicolon
    03 offline columns: `age) where (age > 1` has brackets that do not match
    04 server  columns: each text must be one column or expression, and nothing more
    05 offline columns: `age -- ` has a comment
    06 offline columns: `age /*` has a comment
    07 offline columns: `'` has a quote that does not close
    08 offline columns: `E'\\'' || '); drop table victim --'` has brackets that do not match
    09 offline columns: `$$)$$` has brackets that do not match
    10 offline where: `true; drop table victim` has a semicolon
    11 server  where: syntax error at or near "tablespace"
    12 server  where: cannot use subquery in index predicate
    13 server  columns: functions in index expression must be marked IMMUTABLE
    14 offline include: `id) where (age > 1` is no column's name
    15 offline method: `btree (id); drop table victim; --` is no access method's name
    16 offline with: `fillfactor) ; drop table victim; --` is no storage parameter with a plain value
    17 server  with: invalid value for integer option "fillfactor": 70); drop table victim; --
    18 server  tablespace: no tablespace `x; drop table victim`
    19 offline table: `users; drop table victim` is no table's name; write it as "users", "sales.orders" or '"Weird Name"'
    20 server  table: no table or materialized view `public."users; drop table victim"`
    21 offline method: `%I%s` is no access method's name
    "#);
}

#[tokio::test]
async fn a_name_is_only_a_name() {
    let shop = Shop::new("names");
    let provider = shop.connect().await;
    let wants = [
        want("x\"; drop table users; --", json!({ "table": "users", "columns": ["age"] })),
        want(
            "x'); select pg_sleep(9); --",
            json!({ "table": "\"Weird \"\"T\"", "columns": ["a"], "where": "\"B c\" = ';'" }),
        ),
    ];
    assert_eq!(Postgres::check(&shop.settings(), &wants), []);
    let first = look(&provider, &wants, &[]).await.expect("a look");
    insta::assert_snapshot!(first.plan(), @r#"
    Expand: create index concurrently "x""; drop table users; --" on public.users (age)
      ! builds-index
    Expand: create index concurrently "x'); select pg_sleep(9); --" on public."Weird ""T" (a) where "B c" = ';'::text
      ! builds-index
    "#);
    converge(&provider, &wants, &[]).await;
    assert_eq!(shop.psql("select count(*) > 0 from users"), "t");
}
