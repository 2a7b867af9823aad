//! One sealer at a time, whoever else writes.

use std::time::Duration;

use crate::{Raw, entry, on_both_raw};
use tenantry::engine::{Engine, Sealing};
use tenantry::store::{Access, Store, StoreError};

/// A transaction that takes its time between two entries.
async fn write_twice(store: &Store, pause: Duration) -> Result<(), StoreError> {
    let mut tx = store.begin(Access::Write).await?;
    tx.audit(&entry("created")).await?;
    tokio::time::sleep(pause).await;
    tx.audit(&entry("updated")).await?;
    tx.commit().await
}

/// One attempt at sealing that nobody gets in the way of.
async fn seal(engine: &Engine) -> Sealing {
    stubborn(|| engine.seal()).await
}

/// Runs again what another transaction got in the way of.
async fn stubborn<T, F>(attempt: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

on_both_raw! {
    async fn r11_sealing_is_quiet_while_nothing_happens_and_goes_in_bounded_batches(place) {
        let store = place.engine().store().clone();
        let (writes, statements) = (store.writes(), store.statements());
        assert_eq!(place.engine().seal().await.unwrap(), Sealing::Nothing);
        assert_eq!((store.writes(), store.statements() - statements), (writes, 2));

        place.append_many(700).await;
        let statements = store.statements();
        assert_eq!(place.engine().seal().await.unwrap(), Sealing::More(500));
        assert!(store.statements() - statements <= 10, "{}", store.statements() - statements);
        assert_eq!(place.engine().seal().await.unwrap(), Sealing::Sealed(200));
        assert_eq!(place.engine().seal().await.unwrap(), Sealing::Nothing);
        assert_eq!(place.prove().await.proved, 700);
    }
}

on_both_raw! {
    async fn r11_of_several_sealers_one_works_at_a_time(place) {
        place.append_many(1200).await;
        let mut sealers = tokio::task::JoinSet::new();
        for n in 0..6 {
            let engine = place.world.twin(n + 2);
            sealers.spawn(async move {
                let mut sealed = 0;
                loop {
                    match seal(&engine).await {
                        Sealing::Nothing => return sealed,
                        Sealing::Elsewhere => tokio::time::sleep(Duration::from_millis(5)).await,
                        Sealing::More(n) | Sealing::Sealed(n) => sealed += n,
                    }
                }
            });
        }
        assert_eq!(sealers.join_all().await.iter().sum::<usize>(), 1200, "each entry was sealed once");
        let proved = place.prove().await;
        assert_eq!((proved.proved, proved.broken), (1200, None));
    }
}

on_both_raw! {
    async fn r11_whoever_finds_another_sealer_at_work_leaves_it_to_that_one(place) {
        place.append_many(1).await;
        let mut other = place.engine().store().begin(Access::Write).await.unwrap();
        assert!(other.become_sealer().await.unwrap());
        if matches!(place.raw, Raw::Postgres(_)) {
            assert_eq!(place.engine().seal().await.unwrap(), Sealing::Elsewhere);
        }
        // Its end, and even its crash, lets the next one go on.
        drop(other);
        assert_eq!(seal(place.engine()).await, Sealing::Sealed(1));
    }
}

on_both_raw! {
    async fn r11_entries_stand_in_the_order_in_which_they_could_be_seen(place) {
        if matches!(place.raw, Raw::Postgres(_)) {
            let mut late = place.engine().store().begin(Access::Write).await.unwrap();
            late.audit(&entry("created")).await.unwrap();
            place.append(&entry("updated")).await;
            assert_eq!(place.seal().await, 1);
            late.commit().await.unwrap();
            assert_eq!(place.seal().await, 1);
            let order = "SELECT action FROM audit ORDER BY sequence";
            assert_eq!(place.look(order).await, ["updated", "created"], "appended first, visible last");
            assert_eq!(place.prove().await.broken, None);
        }
        let base = place.prove().await.proved;

        let mut writers = tokio::task::JoinSet::new();
        for n in 0..4_u64 {
            let store = place.engine().store().clone();
            writers.spawn(async move {
                for turn in 0..10 {
                    let pause = Duration::from_millis((n * 7 + turn * 3) % 10);
                    stubborn(|| write_twice(&store, pause)).await;
                }
            });
        }
        let engine = place.world.twin(9);
        let sealer = tokio::spawn(async move {
            loop {
                seal(&engine).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        writers.join_all().await;
        sealer.abort();
        let _ = sealer.await;
        seal(place.engine()).await;
        let proved = place.prove().await;
        assert_eq!((proved.proved - base, proved.broken, proved.unsealed.count), (80, None, 0));
    }
}
