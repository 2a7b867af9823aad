//! What if: a store in which everything can be tried and nothing stays.

use tenantry::domain::activation::LinkKey;
use tenantry::engine::{Engine, RootNamespaces};

use crate::fleet::{account, tenant, to_tenant};
use crate::on_both;
use crate::world::{ACME, Outside, World, all_ready};

/// Everything that the database holds, as far as passes write it.
async fn counts(world: &World) -> Vec<Option<String>> {
    let mut counts = vec![];
    for table in [
        "object",
        "tenant",
        "account",
        "device_grant",
        "outbox",
        "audit",
        "wakeup",
        "subscription",
        "device_assignment",
    ] {
        counts.push(world.by_hand(&format!("SELECT CAST(count(*) AS text) FROM {table}")).await);
    }
    counts
}

on_both! {
    async fn what_is_rehearsed_is_there_in_the_rehearsal_and_nowhere_else(world) {
        all_ready(&world.apply(ACME).await);
        world.import(&[("d1", Some("/acme"))]).await;
        world.settle().await;
        let before = counts(&world).await;
        let rehearsal = world.engine.store().rehearsal().await.unwrap();
        let roots = RootNamespaces::Listed(vec!["root".to_owned()]);
        let engine = Engine::new(rehearsal.clone(), "test", roots, LinkKey::new(vec![7; 32]).unwrap(), [5; 32]);
        for document in [
            tenant("north", "acme", ""),
            account("nora", "north", ""),
            to_tenant("fleet", "acme", "north", "{deviceIds: [d1]}", ""),
        ] {
            let report = engine.reconcile(&world.manifest(&document), &Outside::default()).await.unwrap();
            assert!(report.ready(), "{:?}", report.conditions);
        }
        // A pass that is refused leaves no trace and does not end the rehearsal.
        let twice = world.manifest(&account("twin", "north", "").replace("twin@example.org", "nora@example.org"));
        assert!(!engine.reconcile(&twice, &Outside::default()).await.unwrap().ready());
        drop(rehearsal.begin(tenantry::store::Access::Write).await.unwrap());

        let facts = tenantry::engine::questions::Questions::new(rehearsal.clone());
        let asked = tenantry::engine::questions::Asked::new("nora", "view", "device", Some("d1"), None).unwrap();
        assert_eq!(facts.ask(&asked).await.unwrap().reason.as_str(), "NotAllowed", "she sees it and no rule allows it");
        assert_eq!(facts.ask_all(&[asked.clone(), asked.clone()]).await.unwrap().len(), 2);
        // Others go on meanwhile.
        all_ready(&world.apply(&tenant("south", "acme", "")).await);
        let real = tenantry::engine::questions::Questions::new(world.engine.store().clone());
        assert_eq!(real.ask(&asked).await.unwrap().reason.as_str(), "UnknownAccount");
        drop((engine, facts, rehearsal));
        world.delete(tenantry::domain::object::Kind::Tenant, "root", "south").await;
        let (kept, audit) = (counts(&world).await, 5);
        for (at, (before, after)) in before.iter().zip(&kept).enumerate() {
            assert!(before == after || at == audit, "{before:?} {after:?} at {at}");
        }
        assert_eq!(world.holders().await["d1"], "/acme");
    }
}
