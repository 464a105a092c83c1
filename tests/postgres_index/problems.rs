//! What cannot be: problems at their place, and little privilege.

use super::*;

#[tokio::test]
async fn what_the_server_refuses_is_a_problem_at_its_place() {
    let shop = Shop::new("problems");
    let provider = shop.connect().await;
    let wants = [
        want("a", json!({ "table": "userz", "columns": ["id"] })),
        want("b", json!({ "table": "users", "columns": ["emial"] })),
        want("c", json!({ "table": "users", "columns": ["lower(emial)"] })),
        want("d", json!({ "table": "users", "columns": ["id"], "where": "statuss = 'open'" })),
        want("e", json!({ "table": "users", "columns": ["id"], "where": "status = " })),
        want("f", json!({ "table": "users", "columns": ["age + 1"] })),
        want("g", json!({ "table": "users", "columns": ["id"], "where": "created_at > now()" })),
        want("h", json!({ "table": "users", "columns": ["id"], "method": "btre" })),
        want("i", json!({ "table": "users", "columns": ["id"], "with": { "fillfactr": 3 } })),
        want("j", json!({ "table": "users", "columns": ["id"], "with": { "fillfactor": 3 } })),
        want("k", json!({ "table": "users", "columns": ["id"], "tablespace": "slow" })),
        want("l", json!({ "table": "users", "columns": ["id"], "include": ["agee"] })),
        want("m", json!({ "table": "users", "columns": ["data"], "method": "gin", "unique": true })),
        want("n", json!({ "table": "users", "columns": ["nosuch(id)"] })),
        want("o", json!({ "table": "users", "columns": ["name nosuch_ops"] })),
        want("p", json!({ "table": "users", "columns": ["data"], "method": "gin", "include": ["age"] })),
    ];
    insta::assert_snapshot!(plan_problems(&look(&provider, &wants, &[]).await.expect("a look")), @r#"
    problem a.table: no table or materialized view `public.userz`
      hint: did you mean `users`?
    problem b.columns: `public.users` has no column `emial`
      hint: did you mean `email`?
    problem k.tablespace: no tablespace `slow`
    problem l.include: `public.users` has no column `agee`
      hint: did you mean `age`?
    problem c.columns: column "emial" does not exist
      hint: Perhaps you meant to reference the column "users.email".
    problem d.where: column "statuss" does not exist
      hint: Perhaps you meant to reference the column "users.status".
    problem e.where: syntax error at end of input
    problem f.columns: syntax error at or near "+"
      hint: put an expression that is no function call in brackets: `(a + b)`
    problem g.where: functions in index predicate must be marked IMMUTABLE
    problem h.method: access method "btre" does not exist
    problem i.with: unrecognized parameter "fillfactr"
    problem j.with: value 3 out of bounds for option "fillfactor"
    problem m.unique: access method "gin" does not support unique indexes
    problem n.columns: function nosuch(bigint) does not exist
      hint: name what is not PostgreSQL's own with its schema, as in `public.f(x)`
    problem o.columns: operator class "nosuch_ops" does not exist for access method "btree"
      hint: name what is not PostgreSQL's own with its schema, as in `public.f(x)`
    problem p.include: access method "gin" does not support included columns
    "#);
}

fn plan_problems(look: &Look) -> String {
    Look {
        reading: Reading {
            site: Site::default(),
            identity: String::new(),
            live: vec![],
            incomplete: vec![],
            notes: vec![],
        },
        problems: look.problems.clone(),
        deltas: vec![],
    }
    .plan()
}

#[tokio::test]
async fn little_privilege_makes_an_incomplete_plan_not_a_wrong_one() {
    let mut shop = Shop::new("privileges");
    shop.psql(
        "create index users_email on users (lower(email)) where status in ('open', 'new');;create index users_age on users (age);;\
         create role reader login;;revoke temporary on database privileges from public",
    );
    shop.settings["url"] = json!(format!("postgres://reader@127.0.0.1:{}/privileges", server().port));
    let provider = shop.connect().await;
    let mut wants = lower_email();
    wants.push(want("users_age", json!({ "table": "users", "columns": ["AGE"] })));
    wants.push(want("users_name", json!({ "table": "users", "columns": ["name"] })));
    let found = look(&provider, &wants, &[]).await.expect("a look");
    insta::assert_snapshot!(found.plan(), @"
    incomplete users_email: its expressions are written otherwise than the server's, and the role may not create temporary tables, on which they could be compared
    Expand: create index concurrently users_name on public.users (name)
      ! builds-index
    ");
    insta::assert_snapshot!(found.reading.notes.join("\n"), @"`public.users` belongs to `postgres`, and `reader` is no member: applying will be refused until: grant postgres to reader");
    let error = provider.run(&found.drafts()[0].op, &Progress::silent()).await.expect_err("no owner");
    insta::assert_snapshot!(format!("{:?} {error} / {}", error.kind(), error.next().unwrap_or_default()), @"Denied must be owner of table users / see what the role needs with `evenkeel grants postgres`");
}
