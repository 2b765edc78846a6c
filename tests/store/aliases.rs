//! Aliases: moved by one at a time, in one step; the models they name stay; what their shadows differ in adds up.

use evenkeel::records::{AliasRecord, ModelId, ModelRecord, ShadowCounts, ShadowPair};
use evenkeel::store::{AliasFilter, DeleteAlias, DeleteModel, NewAlias, Page, SetAlias};
use futures::future::join_all;

use crate::support::{Engine, TestStore, on_both_engines};

on_both_engines!(
    an_alias_is_read_as_it_was_set,
    a_change_needs_what_it_changes,
    only_one_of_many_moves_is_made,
    a_model_that_is_named_stays,
    a_model_that_is_gone_is_not_named,
    a_deletion_and_a_move_at_once_leave_no_alias_of_nothing,
    lists_filter_and_page,
    there_are_no_more_than_allowed,
    every_change_rings_and_is_numbered,
    counts_of_many_processes_add_up,
    counts_stay_as_long_as_their_pair,
);

const MOST: u64 = 100;

async fn trained(test: &TestStore, name: &str) -> ModelRecord {
    let (_, lease) = test.running().await;
    let finish = test.store.finish(&lease, test.new_model(name).await.into(), &[]).await.unwrap();
    test.model_of(finish).await
}

fn to(name: &str, model: ModelId) -> NewAlias {
    NewAlias {
        name: name.to_owned(),
        targets: vec![(model, 1)],
        shadow: None,
        prevalence: None,
        set_by: "someone".to_owned(),
    }
}

async fn set(test: &TestStore, expected: Option<&AliasRecord>, new: NewAlias) -> AliasRecord {
    match test.store.set_alias(expected, new, MOST).await.unwrap() {
        SetAlias::Created(alias) if expected.is_none() => *alias,
        SetAlias::Moved(alias) if expected.is_some() => *alias,
        other => panic!("{other:?}"),
    }
}

async fn an_alias_is_read_as_it_was_set(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two, three) = (trained(&test, "a").await, trained(&test, "a").await, trained(&test, "b").await);
    let split = NewAlias {
        targets: vec![(two.id, 19), (one.id, 1)],
        shadow: Some(three.id),
        prevalence: Some(0.1 + 0.2),
        ..to("champion", one.id)
    };
    let created = set(&test, None, split).await;
    assert_eq!(test.store.alias("champion").await.unwrap().as_ref(), Some(&created));
    let targets: Vec<_> =
        created.targets.iter().map(|target| (target.model.id, target.model.version, target.weight)).collect();
    assert_eq!(targets, [(two.id, 2, 19), (one.id, 1, 1)]);
    assert_eq!(created.shadow.as_ref().map(|model| (model.id, model.name.as_str())), Some((three.id, "b")));
    assert_eq!((created.prevalence, created.updated_by.as_str()), (Some(0.1 + 0.2), "someone"));
    test.clock.advance(5.0);
    let moved = set(&test, Some(&created), to("champion", three.id)).await;
    assert_eq!(test.store.alias("champion").await.unwrap().as_ref(), Some(&moved));
    assert_eq!((moved.id, moved.created_at, moved.shadow.as_ref()), (created.id, created.created_at, None));
    assert!(moved.revision > created.revision && moved.updated_at.seconds_since(created.updated_at) == 5.0);
    assert_eq!(test.store.alias("Champion").await.unwrap(), None);
}

async fn a_change_needs_what_it_changes(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two) = (trained(&test, "a").await, trained(&test, "a").await);
    let first = set(&test, None, to("champion", one.id)).await;
    let change = async |expected: Option<&AliasRecord>| {
        test.store.set_alias(expected, to("champion", two.id), MOST).await.unwrap()
    };
    assert_eq!(change(None).await, SetAlias::Changed, "it is there already");
    let second = set(&test, Some(&first), to("champion", two.id)).await;
    assert_eq!(change(Some(&first)).await, SetAlias::Changed);
    assert_eq!(test.store.delete_alias(&first).await.unwrap(), DeleteAlias::Changed);
    assert_eq!(test.store.delete_alias(&second).await.unwrap(), DeleteAlias::Deleted);
    assert_eq!(test.store.delete_alias(&second).await.unwrap(), DeleteAlias::NotFound);
    assert_eq!(change(Some(&second)).await, SetAlias::Changed, "it is there no more");
    let again = set(&test, None, to("champion", one.id)).await;
    assert!(again.id != first.id && again.revision > second.revision + 1, "the deletion had a number, too");
}

async fn only_one_of_many_moves_is_made(engine: Engine) {
    let test = TestStore::new(engine).await;
    let mut models = Vec::new();
    for _ in 0..6 {
        models.push(trained(&test, "a").await.id);
    }
    let first = set(&test, None, to("champion", models[0])).await;
    let moves = models.iter().map(|&model| {
        let (store, first) = (test.store.clone(), first.clone());
        tokio::spawn(async move { store.set_alias(Some(&first), to("champion", model), MOST).await.unwrap() })
    });
    let made: Vec<SetAlias> = join_all(moves).await.into_iter().map(|made| made.unwrap()).collect();
    assert_eq!(made.iter().filter(|made| matches!(made, SetAlias::Moved(_))).count(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|made| **made == SetAlias::Changed).count(), 5);
}

async fn a_model_that_is_named_stays(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (target, shadow, other) = (trained(&test, "a").await, trained(&test, "a").await, trained(&test, "a").await);
    let new = NewAlias { shadow: Some(shadow.id), ..to("champion", target.id) };
    let alias = set(&test, None, new).await;
    let in_use = DeleteModel::InUse { alias: "champion".to_owned() };
    for model in [&target, &shadow] {
        assert_eq!(test.store.delete_model(model.id).await.unwrap(), in_use);
        assert!(test.store.model(model.id).await.unwrap().is_some());
    }
    let moved = set(&test, Some(&alias), to("champion", other.id)).await;
    for model in [&target, &shadow] {
        assert_eq!(test.store.delete_model(model.id).await.unwrap(), DeleteModel::Deleted);
    }
    assert_eq!(test.store.delete_alias(&moved).await.unwrap(), DeleteAlias::Deleted);
    assert_eq!(test.store.delete_model(other.id).await.unwrap(), DeleteModel::Deleted);
}

async fn a_model_that_is_gone_is_not_named(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (there, gone) = (trained(&test, "a").await.id, ModelId::new());
    for new in [to("champion", gone), NewAlias { shadow: Some(gone), ..to("champion", there) }] {
        assert_eq!(test.store.set_alias(None, new, MOST).await.unwrap(), SetAlias::NoModel(gone));
    }
    assert_eq!(test.store.alias("champion").await.unwrap(), None);
}

async fn a_deletion_and_a_move_at_once_leave_no_alias_of_nothing(engine: Engine) {
    let test = TestStore::new(engine).await;
    for round in 0..8 {
        let (old, new) = (trained(&test, "a").await.id, trained(&test, "a").await.id);
        let name = format!("champion-{round}");
        let alias = set(&test, None, to(&name, old)).await;
        let mover = {
            let (store, alias, change) = (test.store.clone(), alias.clone(), to(&name, new));
            tokio::spawn(async move { store.set_alias(Some(&alias), change, MOST).await.unwrap() })
        };
        let deleter = {
            let store = test.store.clone();
            tokio::spawn(async move { store.delete_model(new).await.unwrap() })
        };
        match (mover.await.unwrap(), deleter.await.unwrap()) {
            (SetAlias::Moved(alias), DeleteModel::InUse { .. }) => assert!(alias.names(new)),
            (SetAlias::NoModel(gone), DeleteModel::Deleted) => assert_eq!(gone, new),
            other => panic!("{other:?}"),
        }
    }
}

async fn lists_filter_and_page(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two) = (trained(&test, "a").await.id, trained(&test, "a").await.id);
    let first = set(&test, None, NewAlias { targets: vec![(one, 1), (two, 1)], ..to("first", one) }).await;
    let second = set(&test, None, NewAlias { shadow: Some(two), ..to("second", one) }).await;
    let third = set(&test, None, to("third", one)).await;
    let found = async |model_id: Option<ModelId>, page: &Page| -> Vec<String> {
        let aliases = test.store.aliases(&AliasFilter { model_id }, page).await.unwrap();
        aliases.into_iter().map(|alias| alias.name).collect()
    };
    assert_eq!(found(None, &Page::first(10)).await, ["third", "second", "first"]);
    assert_eq!(found(None, &Page::first(2)).await, ["third", "second"], "a page counts aliases and not their targets");
    let after = Page { size: 2, before: Some(second.id.to_string().parse().unwrap()) };
    assert_eq!(found(None, &after).await, ["first"]);
    assert_eq!(found(Some(two), &Page::first(10)).await, ["second", "first"]);
    assert_eq!(test.store.all_aliases().await.unwrap(), [third, second, first]);
}

async fn there_are_no_more_than_allowed(engine: Engine) {
    let test = TestStore::new(engine).await;
    let model = trained(&test, "a").await.id;
    let names = (0..6).map(|number| format!("alias-{number}"));
    let creations = names.map(|name| {
        let store = test.store.clone();
        tokio::spawn(async move { store.set_alias(None, to(&name, model), 2).await.unwrap() })
    });
    let made: Vec<SetAlias> = join_all(creations).await.into_iter().map(|made| made.unwrap()).collect();
    assert_eq!(made.iter().filter(|made| **made == SetAlias::TooMany).count(), 4, "{made:?}");
    let there = test.store.all_aliases().await.unwrap();
    assert_eq!(there.len(), 2);
    let moved = test.store.set_alias(Some(&there[0]), to(&there[0].name, model), 2).await.unwrap();
    assert!(matches!(moved, SetAlias::Moved(_)), "those that are there can be moved: {moved:?}");
}

async fn every_change_rings_and_is_numbered(engine: Engine) {
    let test = TestStore::new(engine).await;
    let other = test.again().await;
    let mut heard = match engine {
        // SQLite tells nobody in another process.
        Engine::Sqlite => test.store.alias_changes(),
        Engine::Postgres => other.alias_changes(),
    };
    if matches!(engine, Engine::Postgres) {
        // The listener rings once when it begins to listen.
        heard.changed().await.unwrap();
    }
    let model = trained(&test, "a").await.id;
    let mut seen = other.alias_revision().await.unwrap();
    let alias = set(&test, None, to("champion", model)).await;
    heard.changed().await.unwrap();
    for revision in [other.alias_revision().await.unwrap(), alias.revision] {
        assert!(revision > seen);
    }
    seen = other.alias_revision().await.unwrap();
    test.store.delete_alias(&alias).await.unwrap();
    heard.changed().await.unwrap();
    assert!(other.alias_revision().await.unwrap() > seen);
}

async fn counts_of_many_processes_add_up(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (model, shadow) = (trained(&test, "a").await.id, trained(&test, "a").await.id);
    let alias = set(&test, None, NewAlias { shadow: Some(shadow), ..to("champion", model) }).await;
    assert_eq!(test.store.shadow_comparisons(alias.id).await.unwrap(), []);
    let pair = ShadowPair { alias: alias.id, model, shadow };
    let counts = ShadowCounts::of(&[(0.75, true), (0.5, false)], &[(0.25, false), (0.75, true)]);
    let writes = (0..8).map(|process| {
        let store = test.store.clone();
        let mut counts = counts;
        counts.largest_difference += f64::from(process) / 64.0;
        tokio::spawn(async move { store.add_shadow_counts(&pair, &counts).await.unwrap() })
    });
    assert!(join_all(writes).await.into_iter().all(|written| written.unwrap()));
    assert!(test.store.add_shadow_counts(&pair, &ShadowCounts::dropped()).await.unwrap());
    assert!(test.store.add_shadow_counts(&pair, &ShadowCounts::failed()).await.unwrap());
    let found = test.store.shadow_comparisons(alias.id).await.unwrap();
    let expected = ShadowCounts {
        requests: 8,
        rows: 16,
        only_model_positive: 8,
        only_shadow_positive: 8,
        difference_sum: -2.0,
        absolute_difference_sum: 6.0,
        largest_difference: 0.5 + 7.0 / 64.0,
        dropped: 1,
        failed: 1,
    };
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].model.id, found[0].shadow.id, found[0].counts), (model, shadow, expected));
}

async fn counts_stay_as_long_as_their_pair(engine: Engine) {
    let test = TestStore::new(engine).await;
    let (one, two, shadow) = (trained(&test, "a").await.id, trained(&test, "a").await.id, trained(&test, "a").await.id);
    let with = |targets: Vec<(ModelId, u32)>, shadow: ModelId| NewAlias {
        targets,
        shadow: Some(shadow),
        ..to("champion", one)
    };
    let first = set(&test, None, with(vec![(one, 1), (two, 1)], shadow)).await;
    let pair = |model| ShadowPair { alias: first.id, model, shadow };
    let counts = ShadowCounts::of(&[(0.5, true)], &[(0.5, true)]);
    for model in [one, two] {
        assert!(test.store.add_shadow_counts(&pair(model), &counts).await.unwrap());
    }
    let compared = async || -> Vec<ModelId> {
        let found = test.store.shadow_comparisons(first.id).await.unwrap();
        found.iter().map(|comparison| comparison.model.id).collect()
    };
    assert_eq!(compared().await, [one, two]);
    let second = set(&test, Some(&first), with(vec![(two, 9)], shadow)).await;
    assert_eq!(compared().await, [two]);
    assert!(!test.store.add_shadow_counts(&pair(one), &counts).await.unwrap(), "a late count of a pair that is gone");
    let third = set(&test, Some(&second), with(vec![(two, 9)], one)).await;
    assert_eq!(compared().await, []);
    assert_eq!(test.store.delete_alias(&third).await.unwrap(), DeleteAlias::Deleted);
    assert!(!test.store.add_shadow_counts(&pair(two), &counts).await.unwrap());
}
