//! R3 under concurrency: the last unit of a quota goes to exactly one.

use std::sync::Arc;

use crate::fleet::{account, tenant, to_account, to_tenant};
use crate::on_both;
use crate::world::{ACME, Outside, World, all_ready};

const WRITERS: u8 = 16;

on_both! {
    async fn r3_of_sixteen_writers_exactly_one_gets_the_last_account(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, limits: {accounts: {total: 2}}}").await);
        let mut manifests = vec![];
        for n in 0..WRITERS {
            manifests.push(world.manifest(&format!("
kind: SubAdmin
metadata: {{namespace: root, name: w{n}}}
spec: {{tenantRef: {{name: acme}}, username: w{n}, email: w{n}@example.org, tier: Basic}}")));
        }
        let outside = Arc::new(std::mem::take(&mut world.outside));
        let mut writers = tokio::task::JoinSet::new();
        for (n, manifest) in (0..WRITERS).zip(manifests) {
            let engine = world.twin(n + 2);
            let outside = outside.clone();
            writers.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
        }
        let reports = writers.join_all().await;
        let won = reports.iter().filter(|r| r.ready()).count();
        assert_eq!(won, 1);
        for loser in reports.iter().filter(|r| !r.ready()) {
            let ready = loser.condition("Ready").unwrap();
            assert_eq!(ready.reason.as_str(), "QuotaExceeded");
            assert!(ready.message.contains("limits.accounts.total of Tenant root/acme is 2"), "{}", ready.message);
        }
    }
}

on_both! {
    async fn of_sixteen_writers_exactly_one_gets_a_device(world) {
        all_ready(&world.apply(ACME).await);
        let mut manifests = vec![];
        for n in 0..WRITERS {
            world.apply(&format!("
kind: Tenant
metadata: {{namespace: root, name: t{n}}}
spec: {{parentRef: {{name: acme}}}}")).await;
            manifests.push(world.manifest(&format!("
kind: DeviceGrant
metadata: {{namespace: root, name: g{n}, creationTimestamp: '2026-01-01T00:00:00Z'}}
spec: {{tenantRef: {{name: acme}}, mode: Assign, to: {{tenantRef: {{name: t{n}}}}}, devices: {{deviceIds: [d1]}}}}")));
        }
        world.import(&[("d1", Some("/acme"))]).await;
        let outside = Arc::new(std::mem::take(&mut world.outside));
        let mut writers = tokio::task::JoinSet::new();
        for (n, manifest) in (0..WRITERS).zip(manifests.clone()) {
            let engine = world.twin(n + 2);
            let outside = outside.clone();
            writers.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
        }
        writers.join_all().await;
        let mut ready = vec![];
        for manifest in &manifests {
            let report = world.engine.reconcile(manifest, &*outside).await.unwrap();
            if report.ready() {
                ready.push(manifest.key.name.clone());
            } else {
                assert_eq!(report.condition("Ready").unwrap().reason.as_str(), "Conflict");
            }
        }
        assert_eq!(ready, ["g0"], "the same age: the first name holds (R12)");
        assert_eq!(world.holders().await["d1"], "/acme/t0");
    }
}

/// Sixteen Assigns of one device each, judged at once by processes of their
/// own: exactly one finds room, and the others say which limit left none.
async fn race(mut world: World, grants: impl Fn(u8) -> String, limit: &str) {
    let ids: Vec<String> = (0..WRITERS).map(|n| format!("d{n:02}")).collect();
    let batch: Vec<(&str, Option<&str>)> = ids.iter().map(|id| (id.as_str(), Some("/acme"))).collect();
    world.import(&batch).await;
    let manifests: Vec<_> = (0..WRITERS).map(|n| world.manifest(&grants(n))).collect();
    let outside = Arc::new(std::mem::take(&mut world.outside));
    let mut writers = tokio::task::JoinSet::new();
    for (n, manifest) in (0..WRITERS).zip(manifests) {
        let engine = world.twin(n + 2);
        let outside = outside.clone();
        writers.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
    }
    let reports = writers.join_all().await;
    assert_eq!(reports.iter().filter(|report| report.ready()).count(), 1);
    for loser in reports.iter().filter(|report| !report.ready()) {
        let ready = loser.condition("Ready").unwrap();
        assert_eq!(ready.reason.as_str(), "QuotaExceeded");
        assert!(ready.message.contains(limit), "{}", ready.message);
        assert_eq!(loser.status["refusedIds"].as_array().unwrap().len(), 1);
    }
    let moved = world.holders().await.into_values().filter(|holder| holder != "/acme").count();
    assert_eq!(moved, 1);
}

on_both! {
    async fn r3_of_sixteen_grants_exactly_one_gets_the_last_device_of_a_tenant(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&tenant("north", "acme", "limits: {devices: 1}")).await);
        // Each into a tenant of its own, below the one that has the limit.
        for n in 0..WRITERS {
            all_ready(&world.apply(&tenant(&format!("t{n}"), "north", "")).await);
        }
        let grants = |n| to_tenant(&format!("g{n}"), "acme", &format!("t{n}"), &format!("{{deviceIds: [d{n:02}]}}"), "");
        race(world, grants, "limits.devices of Tenant root/north is 1 (1 used); the largest consumers in /acme/north are /acme/north/t").await;
    }
}

on_both! {
    async fn r3_of_sixteen_grants_exactly_one_gets_the_last_device_that_an_account_may_manage(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&account("anna", "acme", "tier: Admin, manageableDevices: 1")).await);
        // Each to an account of its own, which counts against the one above.
        for n in 0..WRITERS {
            all_ready(&world.apply(&account(&format!("a{n}"), "acme", "managedByRef: {name: anna}")).await);
        }
        let grants = |n| to_account(&format!("g{n}"), "acme", &format!("a{n}"), &format!("{{deviceIds: [d{n:02}]}}"), "");
        race(world, grants, "spec.manageableDevices of SubAdmin root/anna is 1 (1 used); the largest consumers in /acme are SubAdmin root/a").await;
    }
}

/// How often two passes run side by side: each time they meet elsewhere.
const MEETINGS: u8 = 40;

on_both! {
    async fn who_waits_is_woken_however_close_what_it_waits_for_comes(world) {
        all_ready(&world.apply(ACME).await);
        let engines = [world.twin(100), world.twin(101)];
        for n in 0..MEETINGS {
            let manifests = [
                world.introduce(&tenant(&format!("t{n}"), "acme", "")),
                world.introduce(&account(&format!("a{n}"), &format!("t{n}"), "")),
            ];
            let outside = Arc::new(Outside::default());
            let mut passes = tokio::task::JoinSet::new();
            for (engine, manifest) in engines.iter().cloned().zip(manifests) {
                let outside = outside.clone();
                passes.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
            }
            passes.join_all().await;
            world.settle().await;
            let state = world.by_hand(&format!("SELECT CAST(count(*) AS text) FROM account WHERE name = 'a{n}'")).await;
            assert_eq!(state.as_deref(), Some("1"), "a{n} waits for a tenant that is there");
        }
    }
}

on_both! {
    async fn a_grant_gets_a_device_however_close_it_comes(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&tenant("north", "acme", "")).await);
        let engine = world.twin(100);
        for n in 0..MEETINGS {
            let device = format!("d{n:02}");
            let manifest = world.introduce(&to_tenant(&format!("g{n}"), "acme", "north", &format!("{{deviceIds: [{device}]}}"), ""));
            let engine = engine.clone();
            let pass = tokio::spawn(async move { engine.reconcile(&manifest, &Outside::default()).await.unwrap() });
            world.import(&[(device.as_str(), Some("/acme"))]).await;
            pass.await.unwrap();
            world.settle().await;
            assert_eq!(world.holders().await[&device], "/acme/north", "the grant waits for a device that is there");
        }
    }
}
