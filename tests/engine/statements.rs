//! Reconciling one object costs a bounded number of statements, whatever the
//! size of the database and of the tree: a small world and a large one need
//! the same.

use std::collections::BTreeMap;

use crate::fleet::{account, grant, tenant, to_account, to_tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::object::Kind::{self, DeviceGrant, SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;

const VIEW: &str = "permissions: {allow: [{resources: [device], operations: [view]}]}";

/// How large a world is.
struct Size {
    deep: usize,
    wide: usize,
    members: usize,
    devices: usize,
    grants: usize,
}

const SMALL: Size = Size { deep: 1, wide: 1, members: 1, devices: 1, grants: 1 };
const LARGE: Size = Size { deep: 8, wide: 12, members: 12, devices: 60, grants: 8 };

fn role(more: &str) -> String {
    format!("
kind: Role
metadata: {{namespace: root, name: operator}}
spec: {{tenantRef: {{name: acme}}, {more}permissions: {{allow: [{{resources: [device], operations: [view]}}]}}}}")
}

/// Fills a world: a line of tenants down to `home`, where the objects under
/// test live, siblings beside them, members of a group, a chain of managers,
/// devices and grants on all of them.
async fn fill(world: &mut World, size: &Size) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(&role("")).await);
    let mut above = "acme".to_owned();
    for n in 0..size.deep {
        let name = format!("deep-{n}");
        all_ready(
            &world
                .apply(&tenant(&name, &above, "limits: {devices: 500, tenants: 500, accounts: {total: 500}}"))
                .await,
        );
        above = name;
    }
    all_ready(&world.apply(&tenant("home", &above, "limits: {devices: 400}")).await);
    for n in 0..size.wide {
        all_ready(&world.apply(&tenant(&format!("wide-{n}"), "home", "")).await);
    }
    let mut manager = "ada".to_owned();
    for (n, tier) in [(0, "SuperAdmin".to_owned()), (1, format!("Admin, {VIEW}"))] {
        let name = format!("boss-{n}");
        let more =
            format!("tier: {tier}, managedByRef: {{name: {manager}}}, manageableDevices: {}", 300 - 10 * n);
        all_ready(&world.apply(&account(&name, "acme", &more)).await);
        manager = name;
    }
    for n in 0..size.members {
        all_ready(
            &world
                .apply(&account(
                    &format!("member-{n}"),
                    "home",
                    &format!(
                        "managedByRef: {{name: {manager}}}, groups: [staff], roles: [{{name: operator}}]"
                    ),
                ))
                .await,
        );
    }
    let ids: Vec<String> = (0..size.devices).map(|n| format!("d{n:03}")).collect();
    let batch: Vec<(&str, Option<&str>)> = ids.iter().map(|id| (id.as_str(), Some("/acme"))).collect();
    world.import(&batch).await;
    let path =
        format!("/acme/{}/home", (0..size.deep).map(|n| format!("deep-{n}")).collect::<Vec<_>>().join("/"));
    for n in 0..size.members {
        world.import(&[(&format!("h{n}"), Some(&path))]).await;
        all_ready(
            &world
                .apply(&to_account(
                    &format!("held-{n}"),
                    "home",
                    &format!("member-{n}"),
                    &format!("{{deviceIds: [h{n}]}}"),
                    VIEW,
                ))
                .await,
        );
    }
    for n in 0..size.grants {
        all_ready(
            &world
                .apply(&grant(
                    &format!("share-{n}"),
                    "acme",
                    "Share",
                    "{groups: [staff]}",
                    "{all: true}",
                    VIEW,
                ))
                .await,
        );
    }
    all_ready(
        &world.apply(&to_tenant("other", "acme", "home", &format!("{{deviceIds: [{}]}}", ids[0]), "")).await,
    );
}

/// What one look at an object costs, and nothing else.
async fn cost(world: &World, manifest: &tenantry::engine::Manifest) -> u64 {
    // Whoever was woken by what came before is not part of it.
    world.engine.take_woken(std::time::Duration::from_secs(3600), 100_000).await.unwrap();
    let before = world.engine.store().statements();
    let report = world.pass(manifest).await;
    assert!(report.ready() || report.finished, "{}: {:?}", report.key, report.conditions);
    world.engine.store().statements() - before
}

/// What creating, seeing unchanged, updating and deleting each kind costs.
async fn costs(world: &mut World, size: &Size) -> BTreeMap<String, u64> {
    fill(world, size).await;
    let ids: Vec<String> = (0..size.devices).map(|n| format!("d{n:03}")).collect();
    let receivers: Vec<String> = (0..size.members).map(|n| format!("{{name: member-{n}}}")).collect();
    let devices = format!(
        "{{deviceIds: {ids:?}, unitIds: {:?}}}",
        ids.iter().map(|id| format!("u-{id}")).collect::<Vec<_>>()
    );
    let documents: Vec<(&str, Kind, String, String)> = vec![
        ("Tenant", Tenant, tenant("x", "home", ""), tenant("x", "home", "limits: {devices: 9}")),
        (
            "SubAdmin",
            SubAdmin,
            account(
                "x",
                "home",
                "managedByRef: {name: boss-1}, groups: [staff], roles: [{name: operator}], manageableDevices: 1",
            ),
            account(
                "x",
                "home",
                "managedByRef: {name: boss-1}, groups: [more], roles: [{name: operator}], manageableDevices: 2",
            ),
        ),
        (
            "Assign",
            DeviceGrant,
            to_tenant("x", "acme", "home", "{all: true}", ""),
            to_tenant("x", "acme", "deep-0", "{all: true}", ""),
        ),
        (
            "Assign of ids",
            DeviceGrant,
            to_account("x", "acme", "boss-1", &devices, ""),
            to_account("x", "acme", "boss-1", "{all: true}", ""),
        ),
        (
            "Assign by an account",
            DeviceGrant,
            to_account("x", "acme", "boss-1", &devices, "managedByRef: {name: boss-0}"),
            to_account(
                "x",
                "acme",
                "boss-1",
                "{all: true}",
                &format!("managedByRef: {{name: boss-0}}, {VIEW}"),
            ),
        ),
        (
            "Share",
            DeviceGrant,
            grant("x", "acme", "Share", "{groups: [staff]}", &devices, VIEW),
            grant(
                "x",
                "acme",
                "Share",
                "{tenantRef: {name: home}}",
                "{selector: {matchLabels: {site: north}}}",
                VIEW,
            ),
        ),
        (
            "Share to oneself",
            DeviceGrant,
            grant(
                "x",
                "acme",
                "Share",
                "{subAdminRefs: [{name: boss-0}]}",
                "{all: true}",
                &format!("managedByRef: {{name: boss-0}}, {VIEW}"),
            ),
            grant(
                "x",
                "acme",
                "Share",
                "{subAdminRefs: [{name: boss-0}]}",
                &devices,
                &format!("managedByRef: {{name: boss-0}}, {VIEW}"),
            ),
        ),
        (
            "Share to accounts",
            DeviceGrant,
            grant(
                "x",
                "acme",
                "Share",
                &format!("{{subAdminRefs: [{}]}}", receivers[0]),
                "{all: true}",
                VIEW,
            ),
            grant("x", "acme", "Share", &format!("{{subAdminRefs: [{}]}}", receivers[0]), &devices, VIEW),
        ),
    ];
    let mut costs = BTreeMap::new();
    for (what, kind, created, updated) in documents {
        if what == "Assign" || what == "Assign of ids" {
            // What stands in its way goes first.
            let other = ObjectKey::new(DeviceGrant, "root", "other");
            if world.keys().contains(&other) {
                world.delete(DeviceGrant, "root", "other").await;
            }
        }
        let mut manifest = world.manifest(&created);
        let key = ObjectKey::new(kind, "root", "x");
        costs.insert(format!("{what} created"), cost(world, &manifest).await);
        world.settle().await;
        cost(world, &manifest).await;
        costs.insert(format!("{what} unchanged"), cost(world, &manifest).await);
        let spec = world.manifest(&updated).spec;
        manifest.spec = spec;
        manifest.generation += 1;
        costs.insert(format!("{what} updated"), cost(world, &manifest).await);
        world.settle().await;
        manifest.deleting = true;
        costs.insert(format!("{what} deleted"), cost(world, &manifest).await);
        world.settle().await;
        assert!(!world.keys().contains(&key));
    }
    let mut manifest = world.manifest(&role("displayName: Other, "));
    manifest.generation += 1;
    costs.insert("Role updated".to_owned(), cost(world, &manifest).await);
    world.settle().await;
    costs.insert("Role unchanged".to_owned(), cost(world, &manifest).await);
    for (kind, name) in
        [(Tenant, "home"), (SubAdmin, "boss-0"), (SubAdmin, "member-0"), (DeviceGrant, "share-0")]
    {
        world.again(kind, "root", name).await;
        let before = world.engine.store().statements();
        world.again(kind, "root", name).await;
        costs.insert(format!("{kind} {name} again"), world.engine.store().statements() - before);
    }
    let before = world.engine.store().statements();
    let mut manifest = world.manifest(&account("boss-1", "acme", "tier: Admin"));
    manifest.deleting = true;
    world.pass(&manifest).await;
    costs.insert("Manager deleted".to_owned(), world.engine.store().statements() - before);
    let mut manifest = world.manifest(&tenant("deep-0", "acme", "deletionPolicy: Cascade"));
    manifest.deleting = true;
    let report = world.pass(&manifest).await;
    manifest
        .annotations
        .insert("tenantry.dev/confirm-delete".to_owned(), report.impact_digest().unwrap().to_owned());
    let before = world.engine.store().statements();
    world.pass(&manifest).await;
    costs.insert("Tenant cascaded".to_owned(), world.engine.store().statements() - before);
    costs
}

on_both! {
    async fn reconciling_one_object_costs_a_bounded_number_of_statements(world) {
        let small = costs(&mut world, &SMALL).await;
        let version = world.engine.store().version().await.unwrap();
        let mut other = match version.starts_with("SQLite") {
            true => World::sqlite().await,
            false => World::postgres("statements_large").await,
        };
        let large = costs(&mut other, &LARGE).await;
        for (what, cost) in &large {
            println!("{what:<40} {:>4} {cost:>4}", small[what]);
        }
        assert_eq!(small, large);
    }
}
