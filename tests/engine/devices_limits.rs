//! R3 for devices: limits of tenants over their subtrees, and what accounts
//! may hold and delegate.

use crate::fleet::{account, counts, holder, lands, said, tenant, to_account, to_tenant, why};
use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::object::Kind::{DeviceGrant, SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;

async fn stock(world: &mut World, devices: usize) {
    let ids: Vec<String> = (1..=devices).map(|n| format!("d{n}")).collect();
    let batch: Vec<(&str, Option<&str>)> = ids.iter().map(|id| (id.as_str(), Some("/acme"))).collect();
    world.import(&batch).await;
    world.settle().await;
}

async fn message(world: &World, name: &str) -> String {
    said(world, name).await.condition("Ready").unwrap().message.clone()
}

on_both! {
    async fn r3_a_refusal_names_the_limit_who_holds_it_and_the_largest_consumers_that_may_be_seen(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&tenant("north", "acme", "limits: {devices: 4}")).await);
        for name in ["east", "west"] {
            all_ready(&world.apply(&tenant(name, "north", "")).await);
        }
        stock(&mut world, 9).await;
        all_ready(&world.apply(&to_tenant("e", "acme", "east", "{deviceIds: [d1, d2, d3]}", "")).await);
        world.apply(&to_tenant("w", "acme", "west", "{deviceIds: [d4, d5, d6]}", "")).await;
        assert_eq!((why(&world, "w").await.as_str(), counts(&world, "w").await), ("QuotaExceeded", [1, 0, 2]));
        let text = message(&world, "w").await;
        assert!(text.contains("limits.devices of Tenant root/north is 4 (4 used); the largest consumers in /acme/north are /acme/north/east (3 devices), /acme/north/west (1 devices)"), "{text}");
        let refused = said(&world, "w").await.status["refusedIds"].clone();
        assert_eq!((refused[0]["id"].as_str(), refused[1]["id"].as_str()), (Some("d5"), Some("d6")));
        // Room is made: what waits is given, in order of id.
        world.apply(&to_tenant("e", "acme", "east", "{deviceIds: [d1, d2]}", "")).await;
        assert_eq!((counts(&world, "w").await, holder(&world, "d5").await.as_str()), ([2, 0, 1], "/acme/north/west"));
        world.apply(&tenant("north", "acme", "limits: {devices: 5}")).await;
        assert_eq!(why(&world, "w").await, "Reconciled");
    }
}

on_both! {
    async fn r4_what_an_account_above_has_given_to_others_is_not_told_below(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&account("boss", "acme", "tier: Admin, manageableDevices: 2")).await);
        for (name, home) in [("ned", "north"), ("sue", "south")] {
            all_ready(&world.apply(&account(name, home, "managedByRef: {name: boss}")).await);
        }
        world.import(&[("n1", Some("/acme/north")), ("n2", Some("/acme/north")), ("s1", Some("/acme/south"))]).await;
        all_ready(&world.apply(&to_account("s", "south", "sue", "{all: true}", "")).await);
        world.apply(&to_account("n", "north", "ned", "{all: true}", "")).await;
        let text = message(&world, "n").await;
        assert!(text.contains("spec.manageableDevices of SubAdmin root/boss is 2; the largest consumers in /acme/north are SubAdmin root/ned (1 devices);"), "{text}");
    }
}

on_both! {
    async fn r3_devices_that_move_within_a_subtree_take_no_room_under_its_limit(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&tenant("north", "acme", "limits: {devices: 2}")).await);
        all_ready(&world.apply(&tenant("deep", "north", "limits: {devices: 2}")).await);
        stock(&mut world, 3).await;
        all_ready(&world.apply(&to_tenant("in", "acme", "north", "{deviceIds: [d1, d2]}", "")).await);
        all_ready(&world.apply(&to_tenant("on", "north", "deep", "{all: true}", "")).await);
        assert_eq!(holder(&world, "d2").await, "/acme/north/deep");
    }
}

on_both! {
    async fn r3_an_import_is_never_refused_but_leaves_no_room(world) {
        lands(&mut world).await;
        all_ready(&world.apply(&tenant("north", "acme", "limits: {devices: 1}")).await);
        stock(&mut world, 1).await;
        world.import(&[("n1", Some("/acme/north")), ("n2", Some("/acme/north"))]).await;
        world.settle().await;
        let tenant = world.again(Tenant, "root", "north").await;
        assert!(tenant.ready());
        assert_eq!(tenant.status["quota"][1], serde_json::json!({"name": "devices", "used": 2, "limit": 1, "available": 0, "delegated": 0}));
        world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1]}", "")).await;
        assert_eq!((why(&world, "g").await.as_str(), holder(&world, "d1").await.as_str()), ("QuotaExceeded", "/acme"));
        assert!(message(&world, "g").await.contains("limits.devices of Tenant root/north is 1 (2 used)"));
    }
}

on_both! {
    async fn r3_a_tenant_moves_with_its_devices_only_where_there_is_room(world) {
        lands(&mut world).await;
        stock(&mut world, 2).await;
        all_ready(&world.apply(&tenant("moving", "north", "")).await);
        all_ready(&world.apply(&tenant("south", "acme", "limits: {devices: 1}")).await);
        all_ready(&world.apply(&to_tenant("g", "acme", "moving", "{all: true}", "")).await);
        let reports = world.apply(&tenant("moving", "south", "")).await;
        assert_eq!(reason(&reports, Tenant, "root", "moving"), "QuotaExceeded");
        let text = reports[&ObjectKey::new(Tenant, "root", "moving")].condition("Ready").unwrap().message.clone();
        assert!(text.contains("limits.devices of Tenant root/south is 1"), "{text}");
        assert_eq!(holder(&world, "d1").await, "/acme/north/moving", "the last good state stays");
        let reports = world.apply(&tenant("south", "acme", "limits: {devices: 2}")).await;
        assert_eq!(reason(&reports, Tenant, "root", "moving"), "Reconciled");
        assert_eq!(holder(&world, "d1").await, "/acme/south/moving");
        assert_eq!(why(&world, "g").await, "Reconciled");
    }
}

on_both! {
    async fn r3_held_and_delegated_devices_never_exceed_what_an_account_may_manage(world) {
        all_ready(&world.apply(ACME).await);
        stock(&mut world, 5).await;
        all_ready(&world.apply(&account("anna", "acme", "tier: Admin, manageableDevices: 4")).await);
        all_ready(&world.apply(&account("bob", "acme", "managedByRef: {name: anna}, manageableDevices: 2")).await);
        // Who has no number of its own counts against the nearest above.
        all_ready(&world.apply(&account("ben", "acme", "managedByRef: {name: anna}")).await);
        all_ready(&world.apply(&to_account("to-ben", "acme", "ben", "{deviceIds: [d1]}", "")).await);
        world.apply(&to_account("to-anna", "acme", "anna", "{deviceIds: [d2, d3, d4]}", "")).await;
        assert_eq!((why(&world, "to-anna").await.as_str(), counts(&world, "to-anna").await), ("QuotaExceeded", [1, 0, 2]));
        let text = message(&world, "to-anna").await;
        assert!(text.contains("spec.manageableDevices of SubAdmin root/anna is 4 (4 used); the largest consumers in /acme are SubAdmin root/bob (2 devices), SubAdmin root/anna (1 devices), SubAdmin root/ben (1 devices)"), "{text}");
        // What bob gets is delegated to him already.
        world.apply(&to_account("to-bob", "acme", "bob", "{deviceIds: [d5]}", "")).await;
        assert_eq!(why(&world, "to-bob").await, "Reconciled");
        world.apply(&account("bob", "acme", "managedByRef: {name: anna}, manageableDevices: 1")).await;
        assert_eq!(counts(&world, "to-anna").await, [2, 0, 1]);
        world.apply(&account("anna", "acme", "tier: Admin, manageableDevices: 5")).await;
        assert_eq!(why(&world, "to-anna").await, "Reconciled");
    }
}

on_both! {
    async fn r3_what_comes_back_to_an_account_without_room_goes_back_further(world) {
        all_ready(&world.apply(ACME).await);
        stock(&mut world, 3).await;
        all_ready(&world.apply(&account("anna", "acme", "tier: Admin, manageableDevices: 3")).await);
        all_ready(&world.apply(&account("bob", "acme", "managedByRef: {name: anna}, manageableDevices: 2")).await);
        world.apply(&to_account("hub", "acme", "anna", "{all: true}", "")).await;
        let before = (world.holders().await, counts(&world, "hub").await);
        assert_eq!(before.1, [1, 0, 2]);
        // As she hands on, she has room for more.
        all_ready(&world.apply(&to_account("hand", "acme", "bob", "{deviceIds: [d1, d2]}", "managedByRef: {name: anna}")).await);
        assert_eq!((counts(&world, "hub").await, counts(&world, "hand").await), ([3, 0, 0], [2, 0, 0]));
        assert_eq!(holder(&world, "d3").await, "/acme:anna");
        world.delete(DeviceGrant, "root", "hand").await;
        assert_eq!((world.holders().await, counts(&world, "hub").await), before, "there and back restores");
    }
}

on_both! {
    async fn r3_an_account_with_devices_changes_its_manager_only_where_there_is_room(world) {
        all_ready(&world.apply(ACME).await);
        stock(&mut world, 3).await;
        all_ready(&world.apply(&account("anna", "acme", "tier: Admin, manageableDevices: 3")).await);
        all_ready(&world.apply(&account("arno", "acme", "tier: Admin, manageableDevices: 1")).await);
        all_ready(&world.apply(&account("bob", "acme", "managedByRef: {name: anna}")).await);
        all_ready(&world.apply(&to_account("g", "acme", "bob", "{deviceIds: [d1, d2]}", "")).await);
        let reports = world.apply(&account("bob", "acme", "managedByRef: {name: arno}")).await;
        let bob = &reports[&ObjectKey::new(SubAdmin, "root", "bob")];
        assert_eq!(bob.condition("Ready").unwrap().reason.as_str(), "QuotaExceeded");
        let text = &bob.condition("Ready").unwrap().message;
        assert!(text.contains("spec.manageableDevices of SubAdmin root/arno is 1"), "{text}");
        world.apply(&to_account("g", "acme", "bob", "{deviceIds: [d1]}", "")).await;
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert!(bob.ready(), "{:?}", bob.conditions);
        world.apply(&to_account("g", "acme", "bob", "{deviceIds: [d1, d3]}", "")).await;
        assert!(message(&world, "g").await.contains("spec.manageableDevices of SubAdmin root/arno is 1"));
    }
}
