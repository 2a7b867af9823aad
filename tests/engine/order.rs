//! R12: order changes nothing, twice equals once, there and back restores.

use crate::on_both;
use crate::world::{ACME, World, all_ready};

const REST: [&str; 3] = [
    "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}}",
    "
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, permissions: {allow: [{resources: [device], operations: [view]}]}}",
    "
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: kim, email: kim@example.org, tier: Admin, roles: [{name: operator}]}",
];

async fn rows(world: &World) -> Vec<String> {
    let reports = world.engine.last_reports().await.unwrap();
    reports
        .into_iter()
        .map(|(key, report)| {
            let mut report = report.unwrap();
            for moving in ["accountId", "activation"] {
                report.status.as_object_mut().unwrap().remove(moving);
            }
            format!("{key}: {:?} {}", report.conditions, report.status)
        })
        .collect()
}

on_both! {
    async fn r12_backwards_ends_like_forwards(world) {
        let mut documents: Vec<&str> = ACME.split("\n---\n").chain(REST).collect();
        world.apply(&documents.join("\n---\n")).await;
        let forwards = rows(&world).await;
        let mut other = World::sqlite().await;
        documents.reverse();
        other.apply(&documents.join("\n---\n")).await;
        assert_eq!(forwards, rows(&other).await);
    }
}

on_both! {
    async fn r12_there_and_back_restores(world) {
        world.apply(ACME).await;
        for document in REST {
            all_ready(&world.apply(document).await);
        }
        world.settle().await;
        let before = rows(&world).await;
        let changed = REST[2].replace("tier: Admin", "tier: Basic");
        world.apply(&changed).await;
        world.apply(REST[2]).await;
        assert_eq!(before, rows(&world).await);
    }
}
