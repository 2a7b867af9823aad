//! R3: quotas of accounts (held, delegated, available), under races, in words,
//! and healed by whatever makes room.

use std::collections::BTreeMap;

use crate::limits::{OPERATOR, account, acme, after, managed, message, one_wins, quota, tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::authority::account_key;
use tenantry::domain::object::Kind::{DeviceGrant, SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;
use tenantry::domain::tenant::key as tenant_key;

on_both! {
    async fn r3_of_sixteen_writers_exactly_one_gets_the_last_delegated_device(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin, manageableDevices: 1")).await);
        let limit = "spec.manageableDevices of SubAdmin root/kim is 1";
        one_wins(&mut world, |n| managed(&format!("w{n}"), "acme", "kim", "manageableDevices: 1"), limit).await;
    }
}

on_both! {
    async fn r3_a_refused_quota_names_who_has_most_below_the_manager_in_the_own_tenant(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        world.apply(&tenant("south", "acme", "")).await;
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin, manageableDevices: 10")).await);
        all_ready(&world.apply(&managed("nan", "north", "kim", "manageableDevices: 3")).await);
        all_ready(&world.apply(&managed("sue", "south", "kim", "manageableDevices: 5")).await);
        let reports = world.apply(&managed("ned", "north", "kim", "manageableDevices: 4")).await;
        let ned = message(&reports[&account_key("root", "ned")]);
        assert_eq!(ned, "spec.manageableDevices of SubAdmin root/kim is 10 and leaves no room for the 4 that SubAdmin root/ned asks for; \
            the most below it in /acme/north goes to SubAdmin root/nan (3); ask for less, raise that number, or take devices back");
        let reports = world.apply(&managed("tom", "acme", "kim", "manageableDevices: 4")).await;
        let tom = message(&reports[&account_key("root", "tom")]);
        assert!(tom.contains("is 10 (0 held, 8 delegated)"), "{tom}");
        assert!(tom.contains("SubAdmin root/sue (5), SubAdmin root/nan (3)"), "{tom}");
    }
}

on_both! {
    async fn r3_status_shows_what_is_used_delegated_and_available_at_every_level(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        world.apply(&tenant("north", "acme", "limits: {devices: 5}")).await;
        world.apply(&acme("{devices: 10, tenants: 3, accounts: {total: 9, byTier: [{tier: Basic, max: 4}], byRole: [{roleRef: {name: operator}, max: 2}]}}")).await;
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin, manageableDevices: 8, permissions: {allow: [{resources: [device], operations: [view]}]}")).await);
        all_ready(&world.apply(&managed("nan", "north", "kim", "manageableDevices: 3, roles: [{name: operator}]")).await);
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme")), ("d3", Some("/acme"))]).await;
        all_ready(&world.apply("
kind: DeviceGrant
metadata: {namespace: root, name: fleet}
spec: {tenantRef: {name: acme}, mode: Assign, to: {subAdminRefs: [{name: kim}]}, devices: {deviceIds: [d1]}}
---
kind: DeviceGrant
metadata: {namespace: root, name: away}
spec: {tenantRef: {name: acme}, mode: Assign, to: {tenantRef: {name: north}}, devices: {deviceIds: [d2]}}").await);
        let acme = world.again(Tenant, "root", "acme").await;
        assert_eq!(quota(&acme, "devices"), [Some(10), Some(3), Some(1), Some(7)]);
        assert_eq!(quota(&acme, "tenants"), [Some(3), Some(1), Some(1), Some(2)]);
        assert_eq!(quota(&acme, "accounts"), [Some(9), Some(3), Some(1), Some(6)]);
        assert_eq!(quota(&acme, "accounts.Basic"), [Some(4), Some(1), Some(1), Some(3)]);
        assert_eq!(quota(&acme, "accounts.role.root/operator"), [Some(2), Some(1), Some(1), Some(1)]);
        assert_eq!(acme.status["counts"]["grants"], 2);
        let north = world.again(Tenant, "root", "north").await;
        assert_eq!(quota(&north, "devices"), [Some(5), Some(1), Some(0), Some(4)]);
        assert_eq!(quota(&north, "accounts"), [None, Some(1), Some(0), None]);
        let kim = world.again(SubAdmin, "root", "kim").await;
        assert_eq!(quota(&kim, "devices"), [Some(8), Some(1), Some(3), Some(4)]);
        let nan = world.again(SubAdmin, "root", "nan").await;
        assert_eq!(quota(&nan, "devices"), [Some(3), Some(0), Some(0), Some(3)]);
        let ada = world.again(SubAdmin, "root", "ada").await;
        assert_eq!(quota(&ada, "devices"), [None, Some(0), Some(0), None]);
    }
}

on_both! {
    async fn r3_room_under_a_quota_heals_who_waits(world) {
        world.apply(ACME).await;
        let kim = |devices: u8| account("kim", "acme", &format!("tier: Admin, manageableDevices: {devices}"));
        let bob = |manager: &str, devices: u8| managed("bob", "acme", manager, &format!("manageableDevices: {devices}"));
        all_ready(&world.apply(&kim(5)).await);
        all_ready(&world.apply(&account("lee", "acme", "tier: Admin, manageableDevices: 9")).await);
        all_ready(&world.apply(&bob("kim", 3)).await);
        let late = managed("late", "acme", "kim", "manageableDevices: 3");
        assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
        assert_eq!(after(&mut world, &kim(6), "late").await, "Reconciled", "the manager's quota is raised");
        world.delete(SubAdmin, "root", "late").await;
        all_ready(&world.apply(&kim(5)).await);
        assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
        assert_eq!(after(&mut world, &bob("kim", 2), "late").await, "Reconciled", "another's quota is lowered");
        world.delete(SubAdmin, "root", "late").await;
        all_ready(&world.apply(&bob("kim", 3)).await);
        assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
        assert_eq!(after(&mut world, &bob("lee", 3), "late").await, "Reconciled", "another has a new manager");
    }
}

on_both! {
    async fn r3_deleting_the_account_whose_quota_is_full_heals_who_waits_below_somebody_else(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("sam", "acme", "tier: SuperAdmin, manageableDevices: 1")).await);
        all_ready(&world.apply(&managed("kim", "acme", "sam", "tier: Admin")).await);
        let late = managed("late", "acme", "kim", "manageableDevices: 3");
        assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
        assert!(world.delete(SubAdmin, "root", "sam").await.finished);
        assert!(world.again(SubAdmin, "root", "late").await.ready(), "the platform bounds nobody");
    }
}

on_both! {
    async fn r3_an_account_that_is_kept_disabled_gives_its_number_back(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("sam", "acme", "tier: SuperAdmin, manageableDevices: 10")).await);
        all_ready(&world.apply(&managed("kim", "acme", "sam", "tier: Admin, manageableDevices: 10, deletionPolicy: Disable")).await);
        all_ready(&world.apply(&managed("bob", "acme", "kim", "manageableDevices: 6")).await);
        assert!(world.delete(SubAdmin, "root", "kim").await.finished);
        let sam = world.again(SubAdmin, "root", "sam").await;
        assert_eq!(quota(&sam, "devices"), [Some(10), Some(0), Some(6), Some(4)]);
        all_ready(&world.apply(&managed("lee", "acme", "sam", "manageableDevices: 4")).await);
    }
}

on_both! {
    async fn r3_an_account_without_a_quota_counts_against_the_nearest_above_that_has_one(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("sam", "acme", "tier: SuperAdmin, manageableDevices: 4")).await);
        all_ready(&world.apply(&managed("kim", "acme", "sam", "tier: Admin")).await);
        all_ready(&world.apply(&managed("bob", "acme", "kim", "manageableDevices: 3")).await);
        let reports = world.apply(&managed("eve", "acme", "kim", "manageableDevices: 2")).await;
        let eve = message(&reports[&account_key("root", "eve")]);
        assert!(eve.contains("of SubAdmin root/sam is 4 (0 held, 3 delegated)"), "{eve}");
        // A quota of its own may not lie below what it answers for.
        let reports = world.apply(&managed("kim", "acme", "sam", "tier: Admin, manageableDevices: 2")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "LimitBelowUse");
        let reports = world.apply(&managed("kim", "acme", "sam", "tier: Admin, manageableDevices: 3")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "Reconciled");
        let sam = world.again(SubAdmin, "root", "sam").await;
        assert_eq!(quota(&sam, "devices"), [Some(4), Some(0), Some(3), Some(1)]);
    }
}

on_both! {
    async fn r3_a_quota_below_use_keeps_the_old_one_and_heals_when_something_is_taken_back(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin, manageableDevices: 5")).await);
        all_ready(&world.apply(&managed("bob", "acme", "kim", "manageableDevices: 4")).await);
        let reports = world.apply(&account("kim", "acme", "tier: Admin, company: Other, manageableDevices: 3")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "LimitBelowUse");
        assert_eq!(quota(&reports[&account_key("root", "kim")], "devices"), [Some(5), Some(0), Some(4), Some(1)]);
        let healed = after(&mut world, &managed("bob", "acme", "kim", "manageableDevices: 3"), "kim").await;
        assert_eq!(healed, "Reconciled");
    }
}

on_both! {
    async fn r3_devices_that_are_held_count_against_the_quota_beside_what_is_delegated(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin, manageableDevices: 2")).await);
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        let give = |ids: &str| format!("
kind: DeviceGrant
metadata: {{namespace: root, name: fleet}}
spec: {{tenantRef: {{name: acme}}, mode: Assign, to: {{subAdminRefs: [{{name: kim}}]}}, devices: {{deviceIds: {ids}}}}}");
        all_ready(&world.apply(&give("[d1]")).await);
        let bob = managed("bob", "acme", "kim", "manageableDevices: 2");
        assert_eq!(after(&mut world, &bob, "bob").await, "QuotaExceeded");
        all_ready(&world.apply(&managed("bob", "acme", "kim", "manageableDevices: 1")).await);
        let reports = world.apply(&give("[d1, d2]")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "fleet"), "QuotaExceeded");
        assert_eq!(reports[&ObjectKey::new(DeviceGrant, "root", "fleet")].status["devices"]["applied"], 1);
        assert!(world.delete(SubAdmin, "root", "bob").await.finished);
        assert!(world.again(DeviceGrant, "root", "fleet").await.ready());
    }
}

on_both! {
    async fn deleting_a_manager_takes_as_many_statements_whatever_it_managed_and_keeps_the_line_above(world) {
        world.apply(ACME).await;
        let cost = |world: &World| world.engine.store().statements();
        let mut costs = vec![];
        for bearers in [1, 12] {
            all_ready(&world.apply(&managed("sam", "acme", "ada", "tier: SuperAdmin")).await);
            all_ready(&world.apply(&managed("kim", "acme", "sam", "tier: Admin")).await);
            for n in 0..bearers {
                all_ready(&world.apply(&managed(&format!("u{n}"), "acme", "sam", "")).await);
            }
            all_ready(&world.apply(&managed("bob", "acme", "kim", "")).await);
            let mut gone = world.manifest(&managed("sam", "acme", "ada", "tier: SuperAdmin"));
            gone.deleting = true;
            let before = cost(&world);
            assert!(world.pass(&gone).await.finished);
            costs.push(cost(&world) - before);
            let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
            let mut line = vec![];
            for name in ["bob", "kim", "ada"] {
                line.push(tx.account_named(name).await.unwrap().unwrap().account.id);
            }
            assert_eq!(tx.managers_above(line[0]).await.unwrap(), line, "nearest first");
            drop(tx);
            world.settle().await;
        }
        assert_eq!(costs[0], costs[1]);
    }
}

on_both! {
    async fn r3_many_changes_below_cost_each_tenant_above_one_status(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        all_ready(&world.apply(&account("kim", "north", "tier: Admin, manageableDevices: 50")).await);
        let manifests: Vec<_> =
            (0..10).map(|n| world.manifest(&managed(&format!("u{n}"), "north", "kim", "manageableDevices: 1"))).collect();
        for manifest in &manifests {
            assert!(world.pass(manifest).await.ready());
        }
        let now = std::time::Duration::ZERO;
        let woken = world.engine.take_woken(now, 1000).await.unwrap();
        assert_eq!(woken, [], "counts may lag: nothing is due at once");
        let lagging = world.engine.take_woken(std::time::Duration::from_secs(10), 1000).await.unwrap();
        let mut times: BTreeMap<ObjectKey, usize> = BTreeMap::new();
        for key in lagging {
            *times.entry(key).or_default() += 1;
        }
        let each = |key: &ObjectKey| times.get(key).copied();
        assert_eq!(each(&tenant_key("root", "acme")), Some(1));
        assert_eq!(each(&tenant_key("root", "north")), Some(1));
        assert_eq!(each(&account_key("root", "kim")), Some(1));
        assert_eq!(times.len(), 3);
    }
}
