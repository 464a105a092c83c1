//! A table of definitions from plain to ugly: created by steps, they are as wanted; read back, they are as read; edited outside, they differ.

use super::*;

/// Name, and what a policy says.
fn table() -> Vec<(String, Value)> {
    let mut out: Vec<(String, Value)> = Vec::new();
    let mut add = |spec: Value| out.push((format!("i{:03}", out.len()), spec));
    let users = |columns: Value| json!({ "table": "users", "columns": columns });
    let users_where =
        |columns: Value, predicate: &str| json!({ "table": "users", "columns": columns, "where": predicate });
    // Plain columns, orders, quoting.
    for column in [
        "tenant_id",
        "created_at desc",
        "created_at DESC NULLS LAST",
        "name asc nulls first",
        "Name",
        "\"Weird Col\"",
        "\"Weird Col\" desc",
        "\"order\"",
        "\"naïve\" nulls first",
        "nick",
        "ci",
        "mood",
        "code",
        "uid",
        "ip",
        "net",
        "c",
        "bits",
        "raw",
        "took",
        "born",
        "at_time",
        "updated_at",
        "score desc",
        "tags",
        "data",
        "span",
        "tenant_id asc nulls last",
        "ids desc nulls last",
    ] {
        add(users(json!([column])));
    }
    add(users(json!(["tenant_id", "created_at desc", "id"])));
    add(users(json!(["tenant_id", "lower(email) text_pattern_ops"])));
    // Operator classes and collations.
    for column in [
        "email text_pattern_ops",
        "email varchar_pattern_ops desc",
        "name text_ops",
        "name collate \"C\"",
        "name COLLATE \"C\" text_pattern_ops desc nulls last",
        "name collate pg_catalog.\"C\"",
        "name collate \"default\"",
        "nick collate \"default\"",
        "name collate numeric_order",
        "name collate public.numeric_order desc",
        "nick collate \"C\"",
        "c bpchar_pattern_ops",
        "lower(name) collate \"C\"",
        "lower(nick)",
        "(name || nick) collate \"C\"",
        "ip inet_ops",
        "data jsonb_ops",
    ] {
        add(users(json!([column])));
    }
    // Expressions.
    for column in [
        "lower(email)",
        "LOWER( email )",
        "upper(name) desc",
        "(age + 1)",
        "( age+1 ) DESC NULLS LAST",
        "(age * 2 - tenant_id % 7)",
        "(data->>'k')",
        "((data->'a'->>'b')::int)",
        "coalesce(name, 'none')",
        "COALESCE (name, nick)",
        "(cast(age as bigint))",
        "(age::text)",
        "date_trunc('day', updated_at)",
        "(date_trunc('hour', created_at at time zone 'UTC'))",
        "(extract(year from born))",
        "(extract(epoch from took))",
        "(case when age > 18 then 'adult' else 'child' end)",
        "(email = 'a''b')",
        "(name like 'a%')",
        "(not is_active)",
        "(age between 1 and 5)",
        "(status in ('open','new'))",
        "(is_active is true)",
        "(name is null)",
        "md5(name)",
        "substring(name from 1 for 3)",
        "(substring(name, 2))",
        "(trim(both from name))",
        "(position('x' in name))",
        "(name || ', ' || coalesce(nick, ')'))",
        "shout(name)",
        "public.shout(name) desc",
        "(\"Weird Col\" || 'x')",
        "(\"order\" + 1)",
        "(users.age + 2)",
        "(tags[1])",
        "(array_length(ids, 1))",
        "(row(age, tenant_id) is null)",
        "(nullif(age, 0))",
        "greatest(age, tenant_id)",
        "(name ~ '^\\w+$')",
        "(mood = 'ok')",
        "(mood = 'happy'::mood)",
        "(span @> '2024-01-01'::timestamptz)",
        "(bits & B'10101010')",
        "(raw || '\\xdead'::bytea)",
        "(born + 1)",
        "(updated_at + interval '1 day')",
        "(ratio / 3.0)",
        "(score * 1e3)",
        "(age is distinct from 3)",
        "(age = any (array[1,2,3]))",
        "(- age)",
        "(@ age)",
        "(age ^ 2)",
        "(c || 'x')",
        "(code || 'y')",
        "(ci || 'z')",
        "(data @> '{\"a\": 1}')",
        "(data ? 'k')",
    ] {
        add(users(json!([column])));
    }
    // Predicates.
    for predicate in [
        "is_active",
        "not is_active",
        "is_active = true",
        "status = 'open'",
        "status in ('open', 'new')",
        "status IN ('open')",
        "status not in ('closed', 'gone')",
        "status = any (array['a','b'])",
        "created_at > '2024-01-01'",
        "created_at >= timestamptz '2024-01-01 00:00:00+02'",
        "created_at between '2024-01-01' and '2024-02-01'",
        "updated_at > timestamp '2024-01-01'",
        "born > date '2000-01-01'",
        "took > interval '1 day 2 hours'",
        "email is not null and status <> 'x'",
        "age > 18 or age < 3 and is_active",
        "(age > 18 or age < 3) and is_active",
        "not (age = 3)",
        "email like '%@example.com'",
        "email ilike 'A%'",
        "email ~* '^a.*\\.com$'",
        "name = ') where ('",
        "name = 'a;b--c/*d*/'",
        "name = 'it''s'",
        "\"Weird Col\" = 'x'",
        "score > 1.50",
        "ratio > 0.1",
        "ratio = 1e-7",
        "mood = 'ok'",
        "mood in ('ok', 'happy')",
        "data ? 'k'",
        "data @> '{\"a\": [1, 2]}'",
        "(data->>'n')::int > 5",
        "tags && array['x', 'y']",
        "'x' = any (tags)",
        "ip << '10.0.0.0/8'",
        "span && '[2024-01-01,2025-01-01)'",
        "uid = '00000000-0000-0000-0000-000000000000'",
        "ci = 'A'",
        "code = 'z'",
        "c = 'ab'",
        "coalesce(age, 0) > 0",
        "case when age > 1 then true else false end",
        "length(name) > 10",
        "shout(name) = 'X'",
        "age is null",
        "age % 2 = 0",
        "at_time > '12:00'",
        "bits = B'00000001'",
        "name collate \"C\" > 'm'",
        "(name, nick) > ('a', 'b')",
        "users.age > 3",
        "position('x' in name) > 0",
        "name similar to 'a(b|c)'",
        "status::text = 'open'",
        "status = 'open'::text",
        "status = 'open'::varchar",
        "id > 9999999999",
        "age = -1",
        "age in (1, 2, 3)",
        "code in ('a', 'b')",
        "c in ('a', 'b')",
        "name in ('a', 'b')",
    ] {
        add(users_where(json!(["id"]), predicate));
    }
    add(users_where(
        json!(["lower(email)", "tenant_id desc"]),
        "status in ('open', 'new') and created_at > '2024-01-01'",
    ));
    // Include, unique, nulls, storage, tablespace, methods.
    add(json!({ "table": "users", "columns": ["tenant_id"], "include": ["name", "email"] }));
    add(
        json!({ "table": "users", "columns": ["tenant_id"], "include": ["\"Weird Col\"", "order"], "where": "age > 1" }),
    );
    add(json!({ "table": "users", "columns": ["id"], "unique": true }));
    add(json!({ "table": "users", "columns": ["id", "email"], "unique": true, "nulls_distinct": false }));
    add(json!({ "table": "users", "columns": ["id"], "unique": true, "where": "is_active", "include": ["age"] }));
    add(json!({ "table": "users", "columns": ["lower(email)"], "unique": true }));
    add(json!({ "table": "users", "columns": ["age"], "with": { "fillfactor": 70 } }));
    add(json!({ "table": "users", "columns": ["age"], "with": { "deduplicate_items": false, "fillfactor": "90" } }));
    add(json!({ "table": "users", "columns": ["age"], "with": { "deduplicate_items": "ON" }, "where": "age > 7" }));
    add(json!({ "table": "users", "columns": ["age"], "tablespace": "fast" }));
    add(json!({ "table": "users", "columns": ["age", "id"], "tablespace": "pg_default" }));
    add(json!({ "table": "users", "columns": ["name"], "method": "hash" }));
    add(json!({ "table": "users", "columns": ["name text_pattern_ops"], "method": "hash" }));
    add(json!({ "table": "users", "columns": ["created_at"], "method": "brin" }));
    add(
        json!({ "table": "users", "columns": ["created_at timestamptz_minmax_multi_ops"], "method": "brin", "with": { "pages_per_range": 32, "autosummarize": true } }),
    );
    add(json!({ "table": "users", "columns": ["id int8_bloom_ops (n_distinct_per_range = 1000)"], "method": "brin" }));
    add(json!({ "table": "users", "columns": ["data"], "method": "gin" }));
    add(
        json!({ "table": "users", "columns": ["data jsonb_path_ops"], "method": "GIN", "with": { "fastupdate": "off" } }),
    );
    add(json!({ "table": "users", "columns": ["tags"], "method": "gin" }));
    add(json!({ "table": "users", "columns": ["name gin_trgm_ops"], "method": "gin" }));
    add(json!({ "table": "users", "columns": ["name public.gin_trgm_ops", "age"], "method": "gin" }));
    add(json!({ "table": "users", "columns": ["to_tsvector('english', body)"], "method": "gin" }));
    add(json!({ "table": "users", "columns": ["tsv"], "method": "gist" }));
    add(json!({ "table": "users", "columns": ["span"], "method": "gist" }));
    add(json!({ "table": "users", "columns": ["tenant_id", "span"], "method": "gist", "include": ["id"] }));
    add(json!({ "table": "users", "columns": ["name gist_trgm_ops(siglen=32)"], "method": "gist" }));
    add(json!({ "table": "users", "columns": ["pos"], "method": "gist", "with": { "buffering": "off" } }));
    add(json!({ "table": "users", "columns": ["box(pos, pos)"], "method": "gist" }));
    add(json!({ "table": "users", "columns": ["ip inet_ops"], "method": "gist" }));
    add(json!({ "table": "users", "columns": ["pos"], "method": "spgist" }));
    add(json!({ "table": "users", "columns": ["pos kd_point_ops"], "method": "spgist" }));
    add(json!({ "table": "users", "columns": ["area"], "method": "spgist", "where": "age > 1" }));
    // Other tables.
    add(json!({ "table": "sales.orders", "columns": ["user_id", "placed desc"] }));
    add(json!({ "table": "Sales.Orders", "columns": ["total"], "where": "total > 100" }));
    add(json!({ "table": "public.users", "columns": ["ids"], "method": "gin" }));
    add(json!({ "table": "\"Weird \"\"T\"", "columns": ["\"B c\"", "a desc"] }));
    add(json!({ "table": "totals", "columns": ["tenant_id"], "unique": true }));
    add(json!({ "table": "totals", "columns": ["(n % 10)"], "where": "n > 1" }));
    add(json!({ "table": "events", "columns": ["at desc"] }));
    add(json!({ "table": "events", "columns": ["lower(kind)"], "where": "kind in ('a', 'b')", "include": ["id"] }));
    add(json!({ "table": "events", "columns": ["at"], "method": "brin" }));
    add(json!({ "table": "events_1", "columns": ["kind", "id"] }));
    out.push(("Weird \"Index\" name".to_owned(), json!({ "table": "users", "columns": ["age", "tenant_id"] })));
    out.push(("n".repeat(63), json!({ "table": "users", "columns": ["tenant_id", "age"] })));
    out
}

#[tokio::test]
async fn what_is_built_is_what_was_wanted() {
    psql("postgres", &format!("create tablespace fast location '{}'", folder("fast").display()));
    let shop = Shop::new("definitions");
    shop.psql("create collation if not exists public.numeric_order (provider = icu, locale = 'en-u-kn-true')");
    let provider = shop.connect().await;
    let table = table();
    assert!(table.len() > 120, "{}", table.len());
    let wants: Vec<_> = table.iter().map(|(name, spec)| want(name, spec.clone())).collect();
    assert_eq!(Postgres::check(&shop.settings(), &wants), []);

    converge(&provider, &wants, &[]).await;

    // What is read is, as it stands, a policy of which nothing differs.
    let reading = look(&provider, &wants, &[]).await.expect("a look").reading;
    let exported: Vec<_> = reading
        .live
        .iter()
        .map(|live| Want { id: live.id.clone(), spec: Some(live.spec.clone()), origin: wants[0].origin.clone() })
        .collect();
    assert!(exported.len() >= wants.len(), "{} of {}", exported.len(), wants.len());
    assert_eq!(Postgres::check(&shop.settings(), &exported), []);
    assert_eq!(look(&provider, &exported, &[]).await.expect("a look").plan(), "");

    // What is edited outside differs, and nothing else.
    for (position, (name, _)) in
        table.iter().enumerate().filter(|(_, (name, spec))| spec["table"] != "events" && name.starts_with('i'))
    {
        if position % 10 != 0 {
            continue;
        }
        shop.psql(&format!("drop index if exists public.{name};;drop index if exists sales.{name};;create index {name} on users ((age + 77), id)"));
        let found = look(&provider, &wants, &[]).await.expect("a look");
        let differing: Vec<_> = found.deltas.iter().map(|delta| delta.id.label()).collect();
        assert_eq!(differing, [name.as_str()]);
        apply(&provider, &found).await;
    }
    assert_eq!(look(&provider, &wants, &[]).await.expect("a look").plan(), "");
}

/// A folder that the server may use.
fn folder(name: &str) -> PathBuf {
    let folder: &Path = &server().folder;
    let folder = folder.join(name);
    run(as_postgres("mkdir").arg("-p").arg(&folder));
    folder
}
