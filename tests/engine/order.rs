//! R12: order changes nothing, twice equals once, there and back restores.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

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

/// Twelve accounts, tenants and grants that compete for names, places and the
/// last units of limits; what exactly depends on the seed.
fn rivals(seed: u64) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pick = |n: usize| random.random_range(0..n);
    let born = |at: usize| format!("2026-01-01T00:00:0{at}Z");
    let mut documents = vec![format!(
        "kind: Tenant\nmetadata: {{namespace: root, name: acme, creationTimestamp: {}}}\nspec: {{limits: {{devices: 3, tenants: {}, accounts: {{total: {}, byTier: [{{tier: Admin, max: 1}}], byRole: [{{roleRef: {{name: operator}}, max: 1}}]}}}}}}",
        born(0),
        1 + pick(2),
        3 + pick(4)
    )];
    documents.push(format!(
        "kind: Role\nmetadata: {{namespace: root, name: operator, creationTimestamp: {}}}\nspec: {{tenantRef: {{name: acme}}, permissions: {{allow: [{{resources: [device], operations: [view]}}]}}}}",
        born(0)
    ));
    for (at, name) in ["north", "south", "east"].into_iter().enumerate() {
        let parent = ["acme", "north", "south"][pick(at + 1)];
        documents.push(format!(
            "kind: Tenant\nmetadata: {{namespace: root, name: {name}, creationTimestamp: {}}}\nspec: {{parentRef: {{name: {parent}}}}}",
            born(pick(3))
        ));
    }
    let accounts = ["zoe", "ann", "kim", "bob", "eve", "max"];
    for (at, name) in accounts.into_iter().enumerate() {
        let tier = if at == 0 { "Root" } else { ["Root", "SuperAdmin", "Admin", "Basic"][pick(4)] };
        let manager = if at == 0 || pick(3) == 0 {
            String::new()
        } else {
            format!("managedByRef: {{name: {}}}, ", accounts[pick(at)])
        };
        let roles = if pick(2) == 0 { "roles: [{name: operator}], " } else { "" };
        let quota =
            if pick(2) == 0 { format!("manageableDevices: {}, ", 1 + pick(3)) } else { String::new() };
        let tenant = if at == 0 { "acme" } else { ["acme", "north", "south"][pick(3)] };
        documents.push(format!(
            "kind: SubAdmin\nmetadata: {{namespace: root, name: {name}, creationTimestamp: {}}}\nspec: {{tenantRef: {{name: {tenant}}}, {manager}{roles}{quota}username: {name}, email: m{}@example.org, tier: {tier}}}",
            born(pick(3)), pick(5)
        ));
    }
    for at in 0..4 {
        let to = match pick(3) {
            0 => format!("tenantRef: {{name: {}}}", ["north", "south"][pick(2)]),
            _ => format!("subAdminRefs: [{{name: {}}}]", accounts[pick(accounts.len())]),
        };
        let manager = if pick(2) == 0 {
            String::new()
        } else {
            format!("managedByRef: {{name: {}}}, ", accounts[pick(accounts.len())])
        };
        let rules = match pick(3) {
            0 => "permissions: {allow: [{resources: [device], operations: [view]}]}, ",
            1 => "permissions: {deny: [{resources: [device], operations: [share]}]}, ",
            _ => "",
        };
        documents.push(format!(
            "kind: DeviceGrant\nmetadata: {{namespace: root, name: g{at}, creationTimestamp: {}}}\nspec: {{tenantRef: {{name: acme}}, {manager}{rules}mode: Assign, to: {{{to}}}, devices: {{deviceIds: [d{}, d{}]}}}}",
            born(pick(3)), pick(3), 2 + pick(3)
        ));
    }
    documents
}

async fn outcome(documents: &[String], order: &[usize]) -> Vec<String> {
    let mut world = World::sqlite().await;
    world.apply_in_order(documents, order).await;
    if world.holders().await.is_empty() {
        world.import(&["d0", "d1", "d2", "d3", "d4"].map(|id| (id, Some("/acme")))).await;
    }
    world.settle().await;
    let mut rows = rows(&world).await;
    rows.extend(world.holders().await.into_iter().map(|(device, holder)| format!("{device} {holder}")));
    let rules = "SELECT group_concat(name || permissions, ' ') FROM (SELECT name, permissions FROM device_grant ORDER BY name)";
    rows.extend(world.by_hand(rules).await);
    rows
}

#[tokio::test]
async fn r12_the_order_of_judging_changes_neither_rows_nor_conditions() {
    let seeds: u64 = std::env::var("TENANTRY_TEST_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut refused = 0;
    for seed in 0..seeds {
        let documents = rivals(seed);
        let mut order: Vec<usize> = (0..documents.len()).collect();
        let expected = outcome(&documents, &order).await;
        refused +=
            expected.iter().filter(|row| row.contains("QuotaExceeded") || row.contains("taken")).count();
        for turn in 0..3 {
            match turn {
                0 => order.reverse(),
                _ => order.shuffle(&mut StdRng::seed_from_u64(seed * 7 + turn)),
            }
            let got = outcome(&documents, &order).await;
            let differ: Vec<_> = expected.iter().zip(&got).filter(|(a, b)| a != b).collect();
            let judged: Vec<_> = order.iter().map(|at| &documents[*at]).collect();
            assert!(expected == got, "seed {seed}: {differ:#?}\nwhen judged in the order {judged:#?}");
        }
    }
    assert!(refused > 10, "the worlds hold no competition: {refused}");
}
