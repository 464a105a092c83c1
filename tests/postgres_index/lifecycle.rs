//! What becomes of an index over time: changed, renamed, dropped, left half-done; and who must not be touched.

use super::*;

#[tokio::test]
async fn an_index_is_created_replaced_and_dropped() {
    let shop = Shop::new("lifecycle");
    let provider = shop.connect().await;
    insta::assert_snapshot!(plan(&provider, &email(), &[]).await, @"
    Expand: create index concurrently users_email on public.users (email)
      ! builds-index
    ");
    converge(&provider, &email(), &[]).await;
    let replacing = look(&provider, &lower_email(), &[]).await.expect("a look");
    insta::assert_snapshot!(replacing.plan(), @"
    Expand: create index concurrently evenkeel_f7125521_93e24d70 on public.users (lower(email::text)) where status::text = ANY (ARRAY['open'::character varying::text, 'new'::character varying::text])
      ! builds-index
    Contract: drop index concurrently public.users_email
      ! replaces-index
    Contract: alter index public.evenkeel_f7125521_93e24d70 rename to users_email
    ");
    insta::with_settings!({ filters => vec![(r"up for \d+ s", "up for … s")] }, {
        insta::assert_snapshot!(replacing.evidence(), @"
        builds-index: at most about 98.3 kB, writers are not blocked, waits for older transactions
        replaces-index: 98.3 kB, never used since statistics began, the server is up for … s
        ");
    });
    converge(&provider, &lower_email(), &[]).await;
    let gone = [absent("users_email")];
    insta::assert_snapshot!(plan(&provider, &gone, &[]).await, @"
    Contract: drop index concurrently public.users_email
      ! drops-index
    ");
    converge(&provider, &gone, &[]).await;
    assert_eq!(shop.psql("select count(*) from pg_indexes where indexname ~ 'users_email|evenkeel'"), "0");
}

#[tokio::test]
async fn a_replacement_goes_on_from_every_state() {
    let shop = Shop::new("half_done");
    let provider = shop.connect().await;
    for stop in 1..=3 {
        converge(&provider, &email(), &[]).await;
        let replacing = look(&provider, &lower_email(), &[]).await.expect("a look");
        for draft in replacing.drafts().iter().take(stop) {
            provider.run(&draft.op, &Progress::silent()).await.expect("a step");
            // A step that is already done does nothing.
            provider.run(&draft.op, &Progress::silent()).await.expect("a step, repeated");
        }
        let rest = plan(&provider, &lower_email(), &[]).await;
        insta::allow_duplicates! {
            match stop {
                1 => insta::assert_snapshot!(rest, @"
                Contract: drop index concurrently public.users_email
                  ! replaces-index
                Contract: alter index public.evenkeel_f7125521_93e24d70 rename to users_email
                "),
                2 => insta::assert_snapshot!(rest, @"Expand: alter index public.evenkeel_f7125521_93e24d70 rename to users_email"),
                _ => assert_eq!(rest, ""),
            }
        }
        converge(&provider, &lower_email(), &[]).await;
        assert_eq!(
            shop.psql("select string_agg(indexname, ',') from pg_indexes where indexname ~ 'users_email|evenkeel'"),
            "users_email"
        );
    }
    // The new one was being built when the run was cut off.
    converge(&provider, &email(), &[]).await;
    let replacing = look(&provider, &lower_email(), &[]).await.expect("a look");
    provider.run(&replacing.drafts()[0].op, &Progress::silent()).await.expect("a step");
    invalidate(&shop, "evenkeel_%");
    insta::assert_snapshot!(plan(&provider, &lower_email(), &[]).await, @"
    Expand: drop index concurrently public.evenkeel_f7125521_93e24d70
      ! rebuilds-invalid
    Expand: create index concurrently evenkeel_f7125521_93e24d70 on public.users (lower(email::text)) where status::text = ANY (ARRAY['open'::character varying::text, 'new'::character varying::text])
      ! builds-index
    Contract: drop index concurrently public.users_email
      ! replaces-index
    Contract: alter index public.evenkeel_f7125521_93e24d70 rename to users_email
    ");
    // And then somebody changed his mind.
    insta::assert_snapshot!(notes(&provider, &email()).await, @"`public.evenkeel_f7125521_93e24d70` is what an interrupted replacement left behind; remove it with: drop index concurrently public.evenkeel_f7125521_93e24d70");
    let third = vec![want("users_email", json!({ "table": "users", "columns": ["email desc"] }))];
    insta::assert_snapshot!(plan(&provider, &third, &[]).await, @"
    Expand: drop index concurrently public.evenkeel_f7125521_93e24d70
      ! rebuilds-invalid
    Expand: create index concurrently evenkeel_f7125521_a0f9b3ea on public.users (email desc)
      ! builds-index
    Contract: drop index concurrently public.users_email
      ! replaces-index
    Contract: alter index public.evenkeel_f7125521_a0f9b3ea rename to users_email
    ");
    converge(&provider, &third, &[]).await;
    assert_eq!(
        shop.psql("select string_agg(indexname, ',') from pg_indexes where indexname ~ 'users_email|evenkeel'"),
        "users_email"
    );
}

/// Makes an index look like what a failed build leaves.
fn invalidate(shop: &Shop, pattern: &str) {
    shop.psql(&format!("update pg_index set indisvalid = false where indexrelid in (select oid from pg_class where relname like '{pattern}')"));
}

async fn notes(shop: &Postgres, wants: &[Want<Spec>]) -> String {
    look(shop, wants, &[]).await.expect("a look").reading.notes.join("\n")
}

#[tokio::test]
async fn a_failed_build_is_removed_and_built_again() {
    let shop = Shop::new("invalid");
    let provider = shop.connect().await;
    converge(&provider, &email(), &[]).await;
    invalidate(&shop, "users_email");
    insta::assert_snapshot!(plan(&provider, &email(), &[]).await, @"
    Expand: drop index concurrently public.users_email
      ! rebuilds-invalid
    Expand: create index concurrently users_email on public.users (email)
      ! builds-index
    ");
    converge(&provider, &email(), &[]).await;

    // Rows that are alike: the server's own words, and nothing is left behind.
    let unique = [want("users_status", json!({ "table": "users", "columns": ["status"], "unique": true }))];
    let building = look(&provider, &unique, &[]).await.expect("a look");
    let error = provider.run(&building.drafts()[0].op, &Progress::silent()).await.expect_err("no unique index");
    insta::with_settings!({ filters => vec![(r"\(status\)=\(\w+\)", "(status)=(…)")] }, {
        insta::assert_snapshot!(error, @r#"could not create unique index "users_status": Key (status)=(…) is duplicated; what the failed build left was removed again"#);
    });
    assert_eq!(shop.psql("select count(*) from pg_class where relname = 'users_status'"), "0");
}

#[tokio::test]
async fn a_build_that_takes_too_long_is_called_off() {
    let mut shop = Shop::new("slow");
    shop.settings["build_timeout"] = json!("1s");
    let provider = shop.connect().await;
    let writer = Blocker::begin(&shop, "update users set age = 1 where id = 1");
    let ticks = std::sync::Arc::new(Mutex::new(Vec::new()));
    let seen = ticks.clone();
    let progress = Progress::new(move |tick| seen.lock().expect("a list").push(tick.phase));
    let building = look(&provider, &email(), &[]).await.expect("a look");
    let error = provider.run(&building.drafts()[0].op, &progress).await.expect_err("no time");
    insta::assert_snapshot!(error, @"canceling statement due to statement timeout; `public.users_email` is left there, not valid; the next plan removes it first");
    insta::assert_snapshot!(error.next().unwrap_or_default(), @"it took longer than allowed; give more time with `build_timeout`");
    let phase = ticks.lock().expect("a list").first().cloned().unwrap_or_default();
    assert!(phase.starts_with("waiting for writers before build (session "), "{phase}");
    drop(writer);
    converge(&provider, &email(), &[]).await;
}

#[tokio::test]
async fn a_build_whose_connection_breaks_is_found_out_about() {
    let shop = Shop::new("broken");
    let provider = shop.connect().await;
    let building = look(&provider, &email(), &[]).await.expect("a look");
    let writer = Blocker::begin(&shop, "update users set age = 1 where id = 1");
    let op = &building.drafts()[0].op;
    let silent = Progress::silent();
    let (ended, ()) = tokio::join!(provider.run(op, &silent), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let name = shop.name.clone();
        let ending = tokio::task::spawn_blocking(move || {
            let killed = psql(&name, "select pg_terminate_backend(pid) from pg_stat_progress_create_index");
            assert_eq!(killed, "t");
            drop(writer);
        });
        ending.await.expect("an end");
    });
    let error = ended.expect_err("a broken connection");
    insta::assert_snapshot!(format!("{:?} {error}", error.kind()), @"Transient the connection broke during the build: terminating connection due to administrator command; what the failed build left was removed again");
    assert_eq!(shop.psql("select count(*) from pg_class where relname = 'users_email'"), "0");
    converge(&provider, &email(), &[]).await;
}

/// A transaction that somebody leaves open.
struct Blocker(std::process::Child);

impl Blocker {
    fn begin(shop: &Shop, sql: &str) -> Self {
        use std::io::{BufRead, BufReader, Write};
        let mut child = Command::new("psql")
            .args(["-XAtq", "-d", &server().url(&shop.name)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql");
        let input = child.stdin.as_mut().expect("an input");
        writeln!(input, "begin; {sql}; select 'ready';").expect("a line");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("an output")).read_line(&mut line).expect("an answer");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn somebody_elses_build_is_waited_for() {
    let shop = Shop::new("elsewhere");
    let provider = shop.connect().await;
    let writer = Blocker::begin(&shop, "update users set age = 1 where id = 1");
    let other = Command::new("psql")
        .args([
            "-XAtq",
            "-d",
            &server().url(&shop.name),
            "-c",
            "create index concurrently users_email on users (email)",
        ])
        .spawn()
        .expect("psql");
    while shop.psql("select count(*) from pg_stat_progress_create_index") == "0" {
        std::thread::sleep(Duration::from_millis(50));
    }
    let rest = plan(&provider, &lower_email(), &[]).await;
    insta::with_settings!({ filters => vec![(r"session \d+", "session …")] }, {
        insta::assert_snapshot!(rest, @"incomplete users_email: session … is building `public.users_email`, or holds its table in a way that looks like it");
    });
    drop(writer);
    let mut other = other;
    other.wait().expect("a build");
    converge(&provider, &email(), &[]).await;
}

#[tokio::test]
async fn an_index_is_renamed_rather_than_built() {
    let shop = Shop::new("renames");
    shop.psql("create index old_email on users (lower(email)) where status in ('open', 'new')");
    let provider = shop.connect().await;
    insta::assert_snapshot!(notes(&provider, &email()).await, @"");
    let plain = vec![want("users_mail", json!({ "table": "users", "columns": ["email"] }))];
    shop.psql("create index older_email on users (email)");
    insta::assert_snapshot!(notes(&provider, &plain).await, @r#"`public.older_email` already is what `index.users_mail` is to be; adopt it without a build: rename_from = "older_email""#);
    // Of the same definition, and to be pruned.
    insta::assert_snapshot!(plan(&provider, &lower_email(), &["old_email"]).await, @"
    Expand: alter index public.old_email rename to users_email
      ! locks-briefly
    ");
    // Named in the policy.
    let adopted = [want(
        "users_email",
        json!({ "table": "users", "columns": ["lower(email)"], "where": "status in ('open', 'new')", "rename_from": "old_email" }),
    )];
    insta::assert_snapshot!(plan(&provider, &adopted, &[]).await, @"Shift: alter index public.old_email rename to users_email");
    converge(&provider, &adopted, &[]).await;
    // Named in the policy, and other than declared.
    let changed =
        [want("users_mail", json!({ "table": "users", "columns": ["email desc"], "rename_from": "older_email" }))];
    insta::assert_snapshot!(plan(&provider, &changed, &[]).await, @"
    Expand: create index concurrently evenkeel_3c719772_a0f9b3ea on public.users (email desc)
      ! builds-index
    Contract: drop index concurrently public.older_email
      ! replaces-index
    Contract: alter index public.evenkeel_3c719772_a0f9b3ea rename to users_mail
    ");
    converge(&provider, &changed, &[]).await;
    converge(&provider, &adopted, &["users_mail"]).await;
}

#[tokio::test]
async fn one_name_in_two_schemas_is_two_resources() {
    let mut shop = Shop::new("schemas");
    shop.settings["schemas"] = json!(["public", "sales"]);
    shop.psql(
        "create index by_email on sales.users (email);;create index by_email on users (email);;\
         create index by_email_too on users (email);;create index by_email_and_name on users (email, name);;\
         create unique index by_id on users (id)",
    );
    let provider = shop.connect().await;
    let reading = look(&provider, &[], &[]).await.expect("a look").reading;
    let ids: Vec<_> = reading.live.iter().map(|live| live.id.to_string()).collect();
    assert_eq!(
        ids,
        ["index.by_email", "index.by_email_and_name", "index.by_email_too", "index.by_id", "index.\"sales.by_email\""]
    );
    insta::assert_snapshot!(reading.notes.join("\n"), @"
    `public.by_email` (98.3 kB) is the beginning of `public.by_email_and_name`, which can serve its queries
    `public.by_email_too` (98.3 kB) has the same definition as `public.by_email`
    `public.by_id` (65.5 kB) has the same definition as `public.users_pkey`
    ");
    // Read back as a policy, nothing differs; and each is dropped for itself.
    let exported: Vec<_> =
        reading.live.iter().map(|live| Want { spec: Some(live.spec.clone()), ..absent(live.id.label()) }).collect();
    assert_eq!(plan(&provider, &exported, &[]).await, "");
    insta::assert_snapshot!(plan(&provider, &[absent("sales.by_email"), absent("by_email")], &[]).await, @"
    Contract: drop index concurrently public.by_email
      ! drops-index
    Contract: drop index concurrently sales.by_email
      ! drops-index
    ");
    insta::assert_snapshot!(plan(&provider, &exported[..1], &["sales.by_email"]).await, @"
    Contract: drop index concurrently sales.by_email
      ! drops-index
    ");
    // A look at one sees no other.
    let one = provider.read(&Scope { wanted: &exported[..1], breadth: Breadth::Declared }).await.expect("a look");
    assert_eq!(one.live.iter().map(|live| live.id.label()).collect::<Vec<_>>(), ["by_email"]);
}

#[tokio::test]
async fn storage_is_changed_in_place() {
    let shop = Shop::new("storage");
    shop.psql("create index users_age on users (age) with (fillfactor = 70, deduplicate_items = off);;create index users_data on users using gin (data)");
    let provider = shop.connect().await;
    let wants = [
        want("users_age", json!({ "table": "users", "columns": ["age"], "with": { "fillfactor": 80 } })),
        want(
            "users_data",
            json!({ "table": "users", "columns": ["data"], "method": "gin", "with": { "fastupdate": false } }),
        ),
    ];
    insta::assert_snapshot!(plan(&provider, &wants, &[]).await, @"
    Shift: alter index public.users_age set (fillfactor = 80)
    Shift: alter index public.users_age reset (deduplicate_items)
    Shift: alter index public.users_data set (fastupdate = off)
      ! blocks-writes
    ");
    converge(&provider, &wants, &[]).await;
    assert_eq!(shop.psql("select reloptions from pg_class where relname = 'users_age'"), "{fillfactor=80}");
}

#[tokio::test]
async fn what_others_depend_on_stays() {
    let shop = Shop::new("pinned");
    shop.psql(
        "alter table sales.users add constraint users_key unique (id);;create unique index users_ident on users (tenant_id, id);;\
         alter table users alter tenant_id set not null;;alter table users replica identity using index users_ident;;\
         create index users_shape on users (age);;cluster users using users_shape;;\
         create unique index target on sales.orders (user_id);;create table referrer (u bigint references sales.orders (user_id))",
    );
    let provider = shop.connect().await;
    // Pruning everything finds nothing of these to prune.
    let all = look(&provider, &[], &[]).await.expect("a look");
    let undeclared: Vec<_> = all.reading.live.iter().map(|live| live.id.label()).collect();
    assert_eq!(undeclared, [""; 0]);
    let gone = [absent("users_ident"), absent("users_pkey"), absent("users_shape")];
    insta::assert_snapshot!(plan(&provider, &gone, &[]).await, @"
    incomplete users_ident: `public.users_ident` is its table's replica identity, so it is not dropped
    incomplete users_pkey: `public.users_pkey` backs the constraint `users_pkey`, so it is not dropped
    incomplete users_shape: `public.users_shape` is what its table is clustered on, so it is not dropped
    ");
    let other = [
        want("users_ident", json!({ "table": "users", "columns": ["id", "tenant_id"], "unique": true })),
        want("users_pkey", json!({ "table": "users", "columns": ["id desc"], "unique": true })),
        want("target", json!({ "table": "sales.orders", "columns": ["user_id"] })),
    ];
    insta::assert_snapshot!(plan(&provider, &other, &[]).await, @"
    problem users_ident.: `public.users_ident` is its table's replica identity, so it cannot be replaced, and it is not as declared
      hint: take it out of the policy, or declare it as it is: see `evenkeel export`
    problem users_pkey.: `public.users_pkey` backs the constraint `users_pkey`, so it cannot be replaced, and it is not as declared
      hint: take it out of the policy, or declare it as it is: see `evenkeel export`
    problem target.: `sales.target` is what the foreign key `referrer_u_fkey` refers to, so it cannot be replaced, and it is not as declared
      hint: take it out of the policy, or declare it as it is: see `evenkeel export`
    Expand: create unique index concurrently evenkeel_00c7cafa_90943675 on public.users (id, tenant_id)
      ! builds-index
      ! unique-build
    Expand: create unique index concurrently evenkeel_f5bc817c_7699eff9 on public.users (id desc)
      ! builds-index
      ! unique-build
    Expand: create index concurrently evenkeel_4b2a8903_adbbc997 on sales.orders (user_id)
      ! builds-index
    Contract: drop index concurrently public.users_ident
      ! replaces-index
    Contract: alter index public.evenkeel_00c7cafa_90943675 rename to users_ident
    Contract: drop index concurrently public.users_pkey
      ! replaces-index
    Contract: alter index public.evenkeel_f5bc817c_7699eff9 rename to users_pkey
    Contract: drop index concurrently sales.target
      ! replaces-index
    Contract: alter index sales.evenkeel_4b2a8903_adbbc997 rename to target
    ");
    // As it is, it may be declared.
    let same = [want("users_ident", json!({ "table": "users", "columns": ["tenant_id", "id"], "unique": true }))];
    assert_eq!(plan(&provider, &same, &[]).await, "");
    // Made a replica identity between plan and run, an index is not dropped either: the server would.
    shop.psql("create unique index users_late on users (id, tenant_id)");
    let late = look(&provider, &[absent("users_late")], &[]).await.expect("a look");
    shop.psql("alter table users replica identity using index users_late");
    let error = provider.run(&late.drafts()[0].op, &Progress::silent()).await.expect_err("a refusal");
    insta::assert_snapshot!(error, @"`public.users_late` is its table's replica identity now");
}

#[tokio::test]
async fn one_lock_for_one_database() {
    let shop = Shop::new("locks");
    let (one, other) = (shop.connect().await, shop.connect().await);
    let Claim::Ours(held) = one.lock(&holder()).await.expect("an answer") else { panic!("not ours") };
    let Claim::Busy(busy) = other.lock(&holder()).await.expect("an answer") else { panic!("ours twice") };
    insta::assert_snapshot!(busy.holder, @"ci@runner-7, pid 4711, run 20261123T080000-3f2a, since 2026-11-23T08:00:00Z");
    assert!(busy.since.is_some_and(|since| since.ends_with('Z')));
    // Who may see nothing of others' sessions still sees a name.
    psql("locks", "create role onlooker login");
    let mut narrow = Shop { name: shop.name.clone(), settings: shop.settings.clone() };
    narrow.settings["url"] = json!(format!("postgres://onlooker@127.0.0.1:{}/locks", server().port));
    let Claim::Busy(busy) = narrow.connect().await.lock(&holder()).await.expect("an answer") else {
        panic!("ours twice")
    };
    insta::assert_snapshot!(busy.holder, @"ci@runner-7, pid 4711, run 20261123T080000-3f2a");
    drop(held);
    let mut tries = 0;
    while let Claim::Busy(_) = other.lock(&holder()).await.expect("an answer") {
        tries += 1;
        assert!(tries < 50, "never released");
        std::thread::sleep(Duration::from_millis(20));
    }
    let Claim::Ours(_held) = one.lock(&holder()).await.expect("an answer") else { panic!("not ours") };
    let said = other.unlock().await.expect("an answer");
    insta::with_settings!({ filters => vec![(r"session \d+", "session …")] }, {
        insta::assert_snapshot!(said, @"ended session …, which held the lock: ci@runner-7, pid 4711, run 20261123T080000-3f2a, since 2026-11-23T08:00:00Z");
    });
    assert_eq!(other.unlock().await.expect("an answer"), "nobody holds the lock");
}

#[tokio::test]
async fn an_address_never_shows_its_password() {
    for url in [
        "postgres://joe:hunter2@127.0.0.1:1/x",
        "postgres://joe:hunter2@127.0.0.1:1x/x",
        "mysql://joe:hunter2@h/x",
        "postgres://joe:hunter2@127.0.0.1:1/x?sslmode=hunter2",
    ] {
        let settings: Settings = serde_json::from_value(json!({ "url": url })).expect("settings");
        let error = Postgres::connect(settings, context()).await.expect_err("no server");
        let text = format!("{error} {error:?} {:?}", error.next());
        assert!(!text.contains("hunter2"), "{text}");
    }
}
