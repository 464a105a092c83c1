//! A table of definitions, from plain to ugly: each is planned, applied, and planned again to nothing; what stands in the database is planned to nothing;
//! an edit from outside is seen.

use serde_json::{Value, json};

use super::{Place, place};

const TABLES: &str = r#"
create table users (
  id integer primary key, email text not null, name text collate nocase, tenant_id integer, createdAt text,
  is_active integer, "Weird Col" text, "order" integer, "a""b" text, payload text, price real,
  total real generated always as (price * 1.2) virtual, unique (email, tenant_id)
);
create table "odd table" (k text primary key, v blob) without rowid;
create table strict_one (a integer, b text) strict;
create view active as select * from users where is_active;
create virtual table notes using fts5(body);
insert into users (id, email, name, tenant_id, createdAt, is_active, payload, price)
  select value, 'u' || value, 'N' || value, value % 7, '2026-01-01', value % 2, '{"a":1}', value
  from (with recursive s(value) as (select 1 union all select value + 1 from s where value < 200) select value from s);
"#;

#[expect(clippy::needless_pass_by_value, reason = "the table reads best with literals")]
fn on(columns: Value) -> Value {
    json!({ "table": "users", "columns": columns })
}

#[expect(clippy::needless_pass_by_value, reason = "the table reads best with literals")]
fn partial(columns: Value, filter: &str) -> Value {
    json!({ "table": "users", "columns": columns, "where": filter })
}

/// What a policy may say, and the statement that comes of it.
fn definitions() -> Vec<(Value, &'static str)> {
    vec![
        (on(json!(["email"])), "(email)"),
        (on(json!(["EMAIL"])), "(email)"),
        (on(json!([" email "])), "(email)"),
        (on(json!(["\"email\""])), "(email)"),
        (on(json!(["[email]"])), "(email)"),
        (on(json!(["`Email`"])), "(email)"),
        (on(json!(["email asc"])), "(email)"),
        (on(json!(["email DESC"])), "(email desc)"),
        (on(json!(["(email)"])), "(email)"),
        (on(json!(["createdat desc"])), "(createdAt desc)"),
        (on(json!(["tenant_id", "createdAt desc"])), "(tenant_id, createdAt desc)"),
        (on(json!(["tenant_id", "email", "name", "price"])), "(tenant_id, email, name, price)"),
        (on(json!(["email collate nocase"])), "(email collate nocase)"),
        (on(json!(["email COLLATE NoCase desc"])), "(email collate nocase desc)"),
        (on(json!(["email collate \"nocase\""])), "(email collate nocase)"),
        (on(json!(["email collate rtrim"])), "(email collate rtrim)"),
        (on(json!(["name collate nocase"])), "(name collate nocase)"),
        (on(json!(["name collate binary"])), "(name collate binary)"),
        (on(json!(["Weird Col"])), "(\"Weird Col\")"),
        (on(json!(["Weird Col desc"])), "(\"Weird Col\" desc)"),
        (on(json!(["weird col   DESC"])), "(\"Weird Col\" desc)"),
        (on(json!(["\"Weird Col\" collate nocase"])), "(\"Weird Col\" collate nocase)"),
        (on(json!(["order"])), "(\"order\")"),
        (on(json!(["order desc"])), "(\"order\" desc)"),
        (on(json!(["\"a\"\"b\""])), "(\"a\"\"b\")"),
        (on(json!(["\"a\"\"b\" desc"])), "(\"a\"\"b\" desc)"),
        (on(json!(["total"])), "(total)"),
        (on(json!(["rowid"])), "problem at columns: no such column: rowid"),
        (on(json!(["lower(email)"])), "(lower(email))"),
        (on(json!(["LOWER( Email )"])), "(lower(email))"),
        (on(json!(["lower(\"Weird Col\")"])), "(lower(\"Weird Col\"))"),
        (on(json!(["lower(email) desc"])), "(lower(email) desc)"),
        (on(json!(["lower(email) collate nocase"])), "(lower(email) collate nocase)"),
        (on(json!(["price*2+1"])), "(price * 2 + 1)"),
        (on(json!(["-price"])), "(-price)"),
        (on(json!(["- -price"])), "(- -price)"),
        (on(json!(["price - -1"])), "(price - -1)"),
        (on(json!(["price/*comment*/+1"])), "(price + 1)"),
        (on(json!(["(price + 1)"])), "(price + 1)"),
        (on(json!(["((price) + (1))"])), "((price) + (1))"),
        (on(json!(["payload->>'$.a'"])), "(payload ->> '$.a')"),
        (on(json!(["json_extract(payload, '$.a')", "email"])), "(json_extract(payload, '$.a'), email)"),
        (on(json!(["coalesce(name, 'A''B')"])), "(coalesce(name, 'A''B'))"),
        (on(json!(["coalesce(name, 'Über')"])), "(coalesce(name, 'Über'))"),
        (on(json!(["substr(email, 1, 3)"])), "(substr(email, 1, 3))"),
        (on(json!(["cast(price AS INTEGER)"])), "(cast(price as integer))"),
        (
            on(json!(["case when price>10 then 'Big' else 'small' end"])),
            "(case when price > 10 then 'Big' else 'small' end)",
        ),
        (on(json!(["email || ':' || tenant_id"])), "(email || ':' || tenant_id)"),
        (on(json!(["tenant_id % 16", "email"])), "(tenant_id % 16, email)"),
        (on(json!(["date(createdAt)"])), "(date(createdAt))"),
        (on(json!(["x'0A' || email"])), "(x'0A' || email)"),
        (on(json!(["price > 1e3"])), "(price > 1e3)"),
        (partial(json!(["email"]), "is_active"), "(email) where is_active"),
        (
            partial(json!(["email"]), "IS_ACTIVE = 1 AND name IS NOT NULL"),
            "(email) where is_active = 1 and name is not null",
        ),
        (partial(json!(["email"]), "(is_active = 1)"), "(email) where is_active = 1"),
        (partial(json!(["email"]), "(is_active = 1) or (price > 5)"), "(email) where (is_active = 1) or (price > 5)"),
        (partial(json!(["email"]), "name in ('A', 'b')"), "(email) where name in ('A', 'b')"),
        (partial(json!(["email"]), "name<>'Open'"), "(email) where name != 'Open'"),
        (partial(json!(["email"]), "name == 'x;y'"), "(email) where name = 'x;y'"),
        (partial(json!(["email"]), "name like 'A%' escape '\\'"), "(email) where name like 'A%' escape '\\'"),
        (partial(json!(["email"]), "not is_active"), "(email) where not is_active"),
        (partial(json!(["email"]), "price between 1 and 2.50"), "(email) where price between 1 and 2.50"),
        (partial(json!(["email"]), "\"Weird Col\" notnull -- why"), "(email) where \"Weird Col\" notnull"),
        (partial(json!(["email"]), "is_active = TRUE"), "(email) where is_active = true"),
        (json!({ "table": "USERS", "columns": ["email"], "unique": true }), "unique (email)"),
        (
            json!({ "table": "users", "columns": ["lower(email)"], "unique": true, "where": "is_active" }),
            "unique (lower(email)) where is_active",
        ),
        (json!({ "table": "odd table", "columns": ["v", "k"] }), "\"odd table\" (v, k)"),
        (json!({ "table": "strict_one", "columns": ["b", "a desc"] }), "strict_one (b, a desc)"),
        // What SQLite or the policy does not accept.
        (on(json!([])), "problem at columns: an index needs a column (columns = [\"created_at\"])"),
        (on(json!([""])), "problem at columns: a column is empty"),
        (on(json!(["emial"])), "problem at columns: no such column: emial"),
        (on(json!(["\"emial\""])), "problem at columns: table `users` has no column `emial` (did you mean `email`?)"),
        (on(json!(["'email'"])), "problem at columns: `'email'` is a value, not a column"),
        (
            on(json!(["email, name"])),
            "problem at columns: `email, name` is more than one column; write them as two texts",
        ),
        (on(json!(["a); drop table users; --"])), "problem at columns: a `)` closes nothing"),
        (on(json!(["email; drop table users"])), "problem at columns: `;` would end the statement"),
        (on(json!(["lower(email"])), "problem at columns: a `(` is not closed"),
        (on(json!(["email nulls last"])), "problem at columns: unsupported use of NULLS LAST"),
        (on(json!(["random()"])), "problem at columns: non-deterministic functions prohibited in index expressions"),
        (on(json!(["(select 1)"])), "problem at columns: subqueries prohibited in index expressions"),
        (
            on(json!(["nosuch(email)"])),
            "problem at columns: no such function: nosuch (evenkeel has SQLite's own functions only, not those that an application registers)",
        ),
        (on(json!(["email collate klingon"])), "problem at columns: no such collation sequence: klingon"),
        (on(json!(["email email"])), "problem at columns: near \"email\": syntax error"),
        (
            partial(json!(["email"]), "createdAt > current_date"),
            "problem at where: non-deterministic functions prohibited in partial index WHERE clauses",
        ),
        (partial(json!(["email"]), "nosuch = 1"), "problem at where: no such column: nosuch"),
        (
            partial(json!(["email"]), "name = \"Open\""),
            "problem at where: table `users` has no column `Open` (its columns are `id`, `email`, `name`, `tenant_id`, `createdAt`, `is_active`, `Weird Col`, `order`, `a\"b`, `payload`, `price` and `total`; a text goes in single quotes)",
        ),
        (partial(json!(["email"]), "is_active; drop table users"), "problem at where: `;` would end the statement"),
        (partial(json!(["email"]), "is_active)"), "problem at where: a `)` closes nothing"),
        (partial(json!(["email"]), "'open"), "problem at where: a quote `'` is not closed"),
        (partial(json!(["email"]), "  "), "problem at where: a condition is empty; leave `where` out"),
        (
            json!({ "table": "usres", "columns": ["email"] }),
            "problem at table: no such table: usres (did you mean `users`?)",
        ),
        (json!({ "table": "active", "columns": ["email"] }), "problem at table: views may not be indexed"),
        (json!({ "table": "notes", "columns": ["body"] }), "problem at table: virtual tables may not be indexed"),
    ]
}

#[tokio::test]
async fn every_definition_is_made_once_and_never_again() {
    let template = place(TABLES).await;
    let mut wrong = Vec::new();
    for (spec, expected) in definitions() {
        if let Err(why) = check(&template, &spec, expected).await {
            wrong.push(format!("{spec}\n  {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn check(template: &Place, spec: &Value, expected: &str) -> Result<(), String> {
    let same = |what: &str, found: &str, expected: &str| {
        if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
    };
    let place = template.copy();
    let before = place.schema().await;
    let wants = [("index", "the_index", Some(spec.clone()))];
    let look = place.plan(&wants).await;
    if expected.starts_with("problem") {
        same("schema", &place.schema().await.join(";"), &before.join(";"))?;
        return same("problem", &look.text, expected);
    }
    let statement = look.ops.first().map_or_else(|| look.text.clone(), |op| op.statements.join(";"));
    let (unique, rest) = expected.strip_prefix("unique ").map_or(("", expected), |rest| ("unique ", rest));
    let table = if rest.starts_with('(') { "users " } else { "" };
    same("statement", &statement, &format!("create {unique}index the_index on {table}{rest}"))?;
    place.apply(&look).await.map_err(|error| error.to_string())?;
    // The same again, and the same as it would be exported, are nothing to do.
    same("a second plan", &place.plan(&wants).await.text, "")?;
    let export = place.plan(&[("index", "the_index", look.ops[0].after.as_ref().map(exported))]).await;
    same("a plan of its export", &export.text, "")?;
    // An edit from outside is seen, and put right.
    place.edit("drop index the_index; create index the_index on users (is_active, price)").await;
    let drift = place.plan(&wants).await;
    if !drift.text.contains("drop index the_index") {
        return Err(format!("an edit was not seen: {}", drift.text));
    }
    place.apply(&drift).await.map_err(|error| error.to_string())?;
    same("a plan after the repair", &place.plan(&wants).await.text, "")
}

fn exported(spec: &super::Spec) -> Value {
    serde_json::to_value(spec).expect("plain data")["index"].clone()
}

/// Statements that others may have typed, each the same index as the policy's.
#[tokio::test]
async fn the_same_index_in_other_words_is_no_difference() {
    let same = [
        ("create index the_index on users (EMAIL ASC)", on(json!(["email"]))),
        ("create index the_index on users /* by */ (email) -- mail", on(json!(["email"]))),
        ("create index if not exists main.the_index on USERS([email])", on(json!(["email"]))),
        ("create index The_Index on users(name collate NOCASE)", on(json!(["name"]))),
        ("create index the_index on users(name)", on(json!(["name collate nocase"]))),
        ("create index the_index on users(email collate 'binary')", on(json!(["email"]))),
        ("create index the_index on users('email')", on(json!(["email"]))),
        ("create index the_index on users((email))", on(json!(["email"]))),
        ("create index the_index on users(\n\tLower(\"email\")\n)", on(json!(["lower(email)"]))),
        ("create index the_index on users(email) WHERE ((is_active)=1)", partial(json!(["email"]), "(is_active) == 1")),
        (
            "create unique index the_index on users(email)",
            json!({ "table": "users", "columns": ["email"], "unique": true }),
        ),
    ];
    let template = place(TABLES).await;
    for (statement, spec) in same {
        let place = template.copy();
        place.edit(statement).await;
        assert_eq!(place.plan(&[("index", "the_index", Some(spec))]).await.text, "", "{statement}");
    }
}

#[tokio::test]
async fn another_index_is_a_difference() {
    let different = [
        ("create index the_index on users(email desc)", on(json!(["email"]))),
        ("create index the_index on users(name collate binary)", on(json!(["name"]))),
        ("create index the_index on users(email)", partial(json!(["email"]), "is_active")),
        ("create index the_index on users(email) where name = 'open'", partial(json!(["email"]), "name = 'Open'")),
        ("create index the_index on users(\"emial\")", on(json!(["email"]))),
        ("create index the_index on users(email, name)", on(json!(["name", "email"]))),
        ("create unique index the_index on users(email)", on(json!(["email"]))),
        ("create index the_index on strict_one(b)", on(json!(["email"]))),
        ("create index the_index on users(lower(email))", on(json!(["upper(email)"]))),
        ("create index the_index on users(lower(email) collate nocase)", on(json!(["lower(email)"]))),
    ];
    let template = place(TABLES).await;
    for (statement, spec) in different {
        let place = template.copy();
        place.edit(statement).await;
        let wants = [("index", "the_index", Some(spec))];
        let look = place.plan(&wants).await;
        assert!(look.text.starts_with("Shift: rebuild index the_index"), "{statement}\n{}", look.text);
        place.apply(&look).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        assert_eq!(place.plan(&wants).await.text, "", "{statement}");
    }
}
