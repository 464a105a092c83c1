//! Partitioned tables: entered for the parent, built part by part, attached; from every half-done state.

use super::*;

#[tokio::test]
async fn partitioned_tables_are_built_part_by_part() {
    let shop = Shop::new("partitions");
    let provider = shop.connect().await;
    let kind = [want("events_kind", json!({ "table": "events", "columns": ["kind"] }))];
    let first = look(&provider, &kind, &[]).await.expect("a look");
    insta::assert_snapshot!(first.plan(), @"
    Expand: create index events_kind on only public.events (kind)
      ! locks-briefly
    Expand: create index concurrently events_1_dceb3d8b on public.events_1 (kind)
      ! builds-index
    Expand: create index events_2_dceb3d8b on only public.events_2 (kind)
      ! locks-briefly
    Expand: create index concurrently events_2a_dceb3d8b on public.events_2a (kind)
      ! builds-index
    Expand: create index concurrently events_2b_dceb3d8b on public.events_2b (kind)
      ! builds-index
    Expand: alter index public.events_2_dceb3d8b attach partition public.events_2b_dceb3d8b
      ! locks-briefly
    Expand: alter index public.events_2_dceb3d8b attach partition public.events_2a_dceb3d8b
      ! locks-briefly
    Expand: alter index public.events_kind attach partition public.events_2_dceb3d8b
      ! locks-briefly
    Expand: alter index public.events_kind attach partition public.events_1_dceb3d8b
      ! locks-briefly
    ");
    let steps = first.drafts().len();
    for stop in 1..steps {
        let partly = look(&provider, &kind, &[]).await.expect("a look");
        for draft in partly.drafts().iter().take(stop) {
            provider.run(&draft.op, &Progress::silent()).await.expect("a step");
            provider.run(&draft.op, &Progress::silent()).await.expect("a step, repeated");
        }
        let prune: Vec<String> = look(&provider, &kind, &[])
            .await
            .expect("a look")
            .reading
            .live
            .iter()
            .map(|live| live.id.label().to_owned())
            .filter(|l| l != "events_kind")
            .collect();
        let prune: Vec<&str> = prune.iter().map(String::as_str).collect();
        converge(&provider, &kind, &prune).await;
        assert_eq!(
            shop.psql("select bool_and(indisvalid) from pg_index where indexrelid = 'events_kind'::regclass"),
            "t"
        );
        shop.psql("drop index events_kind");
        shop.psql("select format('drop index %I', indexname) from pg_indexes where tablename like 'events%' and indexname ~ '_[0-9a-f]{8}$'").lines().for_each(|drop| {
            shop.psql(drop);
        });
    }
    converge(&provider, &kind, &[]).await;
    let changed = [want("events_kind", json!({ "table": "events", "columns": ["kind", "at desc"] }))];
    insta::assert_snapshot!(plan(&provider, &changed, &[]).await, @"
    Expand: create index evenkeel_5cc3eda2_55f29e10 on only public.events (kind, at desc)
      ! locks-briefly
    Expand: create index concurrently events_1_2bb73597 on public.events_1 (kind, at desc)
      ! builds-index
    Expand: create index events_2_2bb73597 on only public.events_2 (kind, at desc)
      ! locks-briefly
    Expand: create index concurrently events_2a_2bb73597 on public.events_2a (kind, at desc)
      ! builds-index
    Expand: create index concurrently events_2b_2bb73597 on public.events_2b (kind, at desc)
      ! builds-index
    Expand: alter index public.events_2_2bb73597 attach partition public.events_2b_2bb73597
      ! locks-briefly
    Expand: alter index public.events_2_2bb73597 attach partition public.events_2a_2bb73597
      ! locks-briefly
    Expand: alter index public.evenkeel_5cc3eda2_55f29e10 attach partition public.events_2_2bb73597
      ! locks-briefly
    Expand: alter index public.evenkeel_5cc3eda2_55f29e10 attach partition public.events_1_2bb73597
      ! locks-briefly
    Contract: drop index public.events_kind
      ! replaces-index
      ! blocks-writes
    Contract: alter index public.evenkeel_5cc3eda2_55f29e10 rename to events_kind
    ");
    converge(&provider, &changed, &[]).await;
    let gone = [absent("events_kind")];
    insta::assert_snapshot!(plan(&provider, &gone, &[]).await, @"
    Contract: drop index public.events_kind
      ! drops-index
      ! blocks-writes
    ");
    converge(&provider, &gone, &[]).await;
}
