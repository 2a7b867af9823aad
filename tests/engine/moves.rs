//! R4: tenants that move, are switched off, shut out, or lose their owner.

use std::sync::Arc;

use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::authority::account_key;
use tenantry::domain::object::Kind::{DeviceGrant, Role, SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;
use tenantry::domain::tenant::key as tenant_key;
use tenantry::engine::Report;

const GLOBEX: &str = "
kind: Tenant
metadata: {namespace: root, name: globex}
spec: {}";

fn root(name: &str, more: &str) -> String {
    format!(
        "
kind: Tenant
metadata: {{namespace: root, name: {name}}}
spec: {{{more}}}"
    )
}

fn tenant(name: &str, parent: &str, more: &str) -> String {
    root(name, &format!("parentRef: {{name: {parent}}}, {more}"))
}

fn account(name: &str, tenant: &str, more: &str) -> String {
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, username: {name}, email: {name}@example.org, {more}}}"
    )
}

fn grant(name: &str, tenant: &str, mode: &str, to: &str, devices: &str) -> String {
    format!("
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, mode: {mode}, to: {to}, devices: {devices}, permissions: {{allow: [{{resources: [device], operations: [view]}}]}}}}")
}

fn message(report: &Report) -> &str {
    &report.condition("Ready").unwrap().message
}

fn phase(report: &Report) -> &str {
    report.status["phase"].as_str().unwrap()
}

/// `/acme/north/east`, with an account and a device of its own at each.
async fn fill(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(GLOBEX).await);
    all_ready(&world.apply(&tenant("north", "acme", "")).await);
    all_ready(&world.apply(&tenant("east", "north", "")).await);
    all_ready(&world.apply(&account("nan", "north", "tier: Admin")).await);
    all_ready(&world.apply(&account("eve", "east", "")).await);
    world
        .import(&[("a1", Some("/acme")), ("n1", Some("/acme/north")), ("e1", Some("/acme/north/east"))])
        .await;
}

on_both! {
    async fn r4_a_moved_tenant_takes_its_subtree_along_and_counts_on_both_sides_follow(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&tenant("north", "globex", "")).await);
        assert_eq!(world.again(Tenant, "root", "east").await.status["path"], "/globex/north/east");
        let counts = |report: &Report| ["tenants", "accounts", "devices"].map(|what| report.status["counts"][what].as_i64().unwrap());
        assert_eq!(counts(&world.again(Tenant, "root", "acme").await), [0, 1, 1]);
        assert_eq!(counts(&world.again(Tenant, "root", "globex").await), [2, 2, 2]);
        assert_eq!(world.holders().await["e1"], "/globex/north/east");
        all_ready(&world.apply(&tenant("north", "acme", "")).await);
        assert_eq!(counts(&world.again(Tenant, "root", "acme").await), [2, 3, 3], "there and back");
        assert_eq!(counts(&world.again(Tenant, "root", "globex").await), [0, 0, 0]);
    }
}

on_both! {
    async fn r3_what_a_tenant_brings_along_counts_on_each_new_ancestor_and_not_on_common_ones(world) {
        fill(&mut world).await;
        for (limits, brought) in [
            ("{tenants: 1}", "2 tenants"), ("{devices: 1}", "2 devices"), ("{accounts: {total: 1}}", "2 accounts"),
        ] {
            let reports = world.apply(&root("globex", &format!("limits: {limits}"))).await;
            assert_eq!(reason(&reports, Tenant, "root", "globex"), "Reconciled");
            let reports = world.apply(&tenant("north", "globex", "")).await;
            assert_eq!(reason(&reports, Tenant, "root", "north"), "QuotaExceeded");
            let north = message(&reports[&tenant_key("root", "north")]);
            assert!(north.contains("of Tenant root/globex is 1 and leaves no room for Tenant root/north"), "{north}");
            assert!(north.contains(&format!("with its {brought}; the largest consumers in /acme/north are")), "{north}");
            assert_eq!(reports[&tenant_key("root", "north")].status["path"], "/acme/north", "it stays where it was");
        }
        let reports = world.apply(&root("globex", "limits: {tenants: 2, devices: 2, accounts: {total: 2}}")).await;
        assert_eq!(reason(&reports, Tenant, "root", "north"), "Reconciled", "room heals a waiting move");
        all_ready(&world.apply(&tenant("south", "acme", "")).await);
        all_ready(&world.apply(&tenant("north", "acme", "")).await);
        all_ready(&world.apply(&root("acme", "displayName: ACME, limits: {tenants: 3, accounts: {total: 3}, devices: 3}")).await);
        all_ready(&world.apply(&tenant("north", "south", "")).await);
        assert_eq!(world.again(Tenant, "root", "east").await.status["path"], "/acme/south/north/east");
    }
}

on_both! {
    async fn r4_a_nested_tenant_becomes_a_root_and_a_root_with_a_root_account_stays_one(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&root("north", "")).await);
        assert_eq!(world.again(Tenant, "root", "east").await.status["path"], "/north/east");
        all_ready(&world.apply(&account("ruth", "north", "tier: Root")).await);
        let reports = world.apply(&tenant("north", "acme", "")).await;
        assert_eq!(reason(&reports, Tenant, "root", "north"), "RootExists");
        let refused = message(&reports[&tenant_key("root", "north")]);
        assert!(refused.contains("SubAdmin root/ruth"), "{refused}");
        let reports = world.apply(&account("ruth", "north", "tier: SuperAdmin")).await;
        assert_eq!(reason(&reports, Tenant, "root", "north"), "Reconciled");
        assert_eq!(world.again(Tenant, "root", "east").await.status["path"], "/acme/north/east");
    }
}

on_both! {
    async fn r4_two_trees_that_move_below_each_other_at_once_never_make_a_circle(world) {
        for round in 0..4 {
            let (a, b) = (format!("a{round}"), format!("b{round}"));
            world.apply(&root(&a, "")).await;
            world.apply(&root(&b, "")).await;
            let moves = [world.manifest(&tenant(&a, &b, "")), world.manifest(&tenant(&b, &a, ""))];
            let outside = Arc::new(crate::world::Outside::default());
            let mut writers = tokio::task::JoinSet::new();
            for (n, manifest) in (0..).zip(moves) {
                let (engine, outside) = (world.twin(n + 2), outside.clone());
                writers.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
            }
            let reports = writers.join_all().await;
            assert_eq!(reports.iter().filter(|report| report.ready()).count(), 1);
            let loser = reports.iter().find(|report| !report.ready()).unwrap();
            assert_eq!(loser.condition("Ready").unwrap().reason.as_str(), "ParentCycle");
        }
    }
}

on_both! {
    async fn r3_sixteen_tenants_from_as_many_trees_race_for_the_last_place_below_another(world) {
        world.apply(&root("globex", "limits: {tenants: 1}")).await;
        let mut moves = vec![];
        for n in 0..16 {
            let name = format!("t{n}");
            world.apply(&root(&name, "")).await;
            moves.push(world.manifest(&tenant(&name, "globex", "")));
        }
        let outside = Arc::new(crate::world::Outside::default());
        let mut writers = tokio::task::JoinSet::new();
        for (n, manifest) in (0..).zip(moves) {
            let (engine, outside) = (world.twin(n + 2), outside.clone());
            writers.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
        }
        let reports = writers.join_all().await;
        assert_eq!(reports.iter().filter(|report| report.ready()).count(), 1);
        for loser in reports.iter().filter(|report| !report.ready()) {
            assert_eq!(loser.condition("Ready").unwrap().reason.as_str(), "QuotaExceeded");
        }
    }
}

on_both! {
    async fn r2_a_manager_whose_tenant_is_no_longer_above_has_lost_its_authority(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&account("kim", "east", "managedByRef: {name: ada}")).await);
        all_ready(&world.apply(&account("ned", "east", "managedByRef: {name: nan}")).await);
        all_ready(&world.apply("
kind: Role
metadata: {namespace: root, name: viewer}
spec: {tenantRef: {name: east}, managedByRef: {name: ada}, permissions: {allow: [{resources: [device], operations: [view]}]}}").await);
        let reports = world.apply(&tenant("north", "globex", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "AuthorityLost");
        assert_eq!(reason(&reports, Role, "root", "viewer"), "AuthorityLost");
        assert_eq!(reason(&reports, SubAdmin, "root", "ned"), "Reconciled", "who moved along keeps it");
        assert!(reports[&account_key("root", "kim")].status["accountId"].is_string(), "the last good state stays");
        let reports = world.apply(&tenant("north", "acme", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "Reconciled");
        assert_eq!(reason(&reports, Role, "root", "viewer"), "Reconciled");
    }
}

on_both! {
    async fn r6_copies_of_the_roles_of_former_ancestors_stay_and_are_followed_again_on_return(world) {
        let operator = "
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, permissions: {allow: [{resources: [device], operations: [view]}]}}";
        fill(&mut world).await;
        world.apply(operator).await;
        all_ready(&world.apply(&account("eve", "east", "roles: [{name: operator}]")).await);
        world.apply(&tenant("north", "globex", "")).await;
        let eve = world.again(SubAdmin, "root", "eve").await;
        assert!(eve.ready(), "{:?}", eve.conditions);
        let role = eve.status["roles"][0].clone();
        assert!(role["revision"].is_string() && role["latest"].is_null(), "{role}");
        let bearers = world.again(Role, "root", "operator").await.status["assigned"].clone();
        assert_eq!(bearers, 0, "strangers are not counted");
        world.apply(&operator.replace("[view]", "[operate]")).await;
        assert!(world.again(SubAdmin, "root", "eve").await.condition("RolesOutdated").is_none());
        let reports = world.apply(&account("ned", "east", "roles: [{name: operator}]")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "ned"), "RefNotFound", "no new copies");
        let reports = world.apply(&tenant("north", "acme", "")).await;
        assert!(reports[&account_key("root", "eve")].condition("RolesOutdated").unwrap().status);
        assert_eq!(reason(&reports, SubAdmin, "root", "ned"), "Reconciled");
        let role = world.again(Role, "root", "operator").await;
        assert_eq!((role.status["assigned"].clone(), role.status["outdated"].clone()), (2.into(), 1.into()));
    }
}

on_both! {
    async fn r4_what_former_ancestors_granted_ends_and_takes_effect_again_on_return(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&grant("give", "acme", "Assign", "{tenantRef: {name: north}}", "{deviceIds: [a1]}")).await);
        all_ready(&world.apply(&grant("on", "north", "Assign", "{subAdminRefs: [{name: nan}]}", "{deviceIds: [a1, n1]}")).await);
        all_ready(&world.apply(&grant("share", "acme", "Share", "{subAdminRefs: [{name: eve}]}", "{all: true}")).await);
        assert_eq!(world.holders().await["a1"], "/acme/north:nan");
        let reports = world.apply(&tenant("north", "globex", "")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "give"), "RefNotFound");
        assert_eq!(reason(&reports, DeviceGrant, "root", "share"), "RefNotFound");
        let on = &reports[&ObjectKey::new(DeviceGrant, "root", "on")];
        assert_eq!((on.ready(), on.status["devices"]["pending"].clone()), (true, 1.into()));
        let holders = world.holders().await;
        assert_eq!((holders["a1"].as_str(), holders["n1"].as_str()), ("/acme", "/globex/north:nan"));
        let globex = world.again(Tenant, "root", "globex").await;
        assert_eq!(globex.status["counts"]["devices"], 2, "the device of acme did not come along");
        let reports = world.apply(&tenant("north", "acme", "")).await;
        for name in ["give", "on", "share"] {
            assert_eq!(reason(&reports, DeviceGrant, "root", name), "Reconciled", "{name}");
        }
        assert_eq!(world.holders().await["a1"], "/acme/north:nan");
    }
}

on_both! {
    async fn r3_a_device_that_goes_back_is_not_brought_along_and_one_from_a_common_ancestor_is(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&tenant("south", "acme", "limits: {devices: 2}")).await);
        all_ready(&world.apply(&grant("give", "acme", "Assign", "{tenantRef: {name: north}}", "{deviceIds: [a1]}")).await);
        let reports = world.apply(&tenant("north", "south", "")).await;
        assert_eq!(reason(&reports, Tenant, "root", "north"), "QuotaExceeded", "acme stays above: three devices come");
        world.apply(&tenant("north", "acme", "")).await;
        all_ready(&world.apply(&root("globex", "limits: {devices: 2}")).await);
        let reports = world.apply(&tenant("north", "globex", "")).await;
        assert_eq!(reason(&reports, Tenant, "root", "north"), "Reconciled", "two devices come");
    }
}

on_both! {
    async fn r3_a_quota_above_is_freed_when_a_move_takes_devices_from_below_it(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin, manageableDevices: 1")).await);
        all_ready(&world.apply(&account("ned", "east", "managedByRef: {name: kim}")).await);
        all_ready(&world.apply(&grant("give", "acme", "Assign", "{subAdminRefs: [{name: ned}]}", "{deviceIds: [a1]}")).await);
        let reports = world.apply(&account("bob", "acme", "managedByRef: {name: kim}, manageableDevices: 1")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "QuotaExceeded");
        let reports = world.apply(&tenant("north", "globex", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "Reconciled");
    }
}

on_both! {
    async fn r4_a_move_to_a_place_that_is_taken_is_refused(world) {
        fill(&mut world).await;
        world.engine = world.rooted(&["root", "other"]);
        world.apply(&root("globex", "allowedNamespaces: {from: All}")).await;
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: other, name: north}
spec: {parentRef: {name: globex, namespace: root}, deletionPolicy: Retain}").await);
        let reports = world.apply(&tenant("north", "globex", "")).await;
        assert_eq!(reason(&reports, Tenant, "root", "north"), "AlreadyExists");
        assert!(world.delete(Tenant, "other", "north").await.finished);
        world.annotate(Tenant, "root", "north", "adopt", "true");
        let north = world.again(Tenant, "root", "north").await;
        assert_eq!(north.condition("Ready").unwrap().reason.as_str(), "AlreadyExists", "one tenant cannot take over another");
        assert_eq!(north.status["path"], "/acme/north");
    }
}

on_both! {
    async fn r4_a_disabled_tenant_blocks_everything_below_and_enabling_it_restores(world) {
        fill(&mut world).await;
        all_ready(&world.apply(&account("bob", "east", "managedByRef: {name: nan}")).await);
        let reports = world.apply(&tenant("north", "acme", "enabled: false")).await;
        for name in ["nan", "eve", "bob"] {
            assert_eq!(phase(&reports[&account_key("root", name)]), "Blocked", "{name}");
        }
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "AuthorityLost", "a blocked manager answers for nobody");
        assert_eq!(phase(&world.again(SubAdmin, "root", "ada").await), "Pending", "above nothing changes");
        let reports = world.apply(&account("new", "east", "managedByRef: {name: nan}")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "new"), "ManagerDisabled");
        let reports = world.apply(&tenant("north", "acme", "")).await;
        for name in ["nan", "eve", "bob", "new"] {
            assert_eq!(phase(&reports[&account_key("root", name)]), "Pending", "{name}");
            assert_eq!(reason(&reports, SubAdmin, "root", name), "Reconciled", "{name}");
        }
        let reports = world.apply(&root("acme", "displayName: ACME, enabled: false")).await;
        assert_eq!(phase(&reports[&account_key("root", "eve")]), "Blocked", "two levels down");
    }
}

on_both! {
    async fn r4_a_tenant_that_moves_below_a_disabled_one_is_blocked(world) {
        fill(&mut world).await;
        world.apply(&root("globex", "enabled: false")).await;
        let reports = world.apply(&tenant("north", "globex", "")).await;
        assert_eq!(phase(&reports[&account_key("root", "eve")]), "Blocked");
        let reports = world.apply(&tenant("north", "acme", "")).await;
        assert_eq!(phase(&reports[&account_key("root", "eve")]), "Pending");
    }
}

on_both! {
    async fn an_owner_is_an_account_of_this_tenant_and_never_changes(world) {
        fill(&mut world).await;
        let owner = |report: &Report| {
            let condition = report.condition("OwnerFound").unwrap();
            (condition.status, condition.reason.to_string())
        };
        let reports = world.apply(&tenant("north", "acme", "ownerRef: {name: later}")).await;
        let north = &reports[&tenant_key("root", "north")];
        assert!(north.ready(), "a missing owner holds back nothing");
        assert_eq!(owner(north), (false, "OwnerMissing".to_owned()));
        let reports = world.apply(&account("later", "east", "")).await;
        assert_eq!(owner(&reports[&tenant_key("root", "north")]), (false, "OwnerMissing".to_owned()), "of another tenant");
        world.delete(SubAdmin, "root", "later").await;
        let reports = world.apply(&account("later", "north", "")).await;
        assert_eq!(owner(&reports[&tenant_key("root", "north")]), (true, "Reconciled".to_owned()));
        for edit in ["ownerRef: {name: nan}", "displayName: Other"] {
            let reports = world.apply(&tenant("north", "acme", edit)).await;
            assert_eq!(reason(&reports, Tenant, "root", "north"), "Immutable", "{edit}");
            assert_eq!(owner(&reports[&tenant_key("root", "north")]), (true, "Reconciled".to_owned()));
        }
        // It moves along with its tenant.
        world.apply(&tenant("north", "globex", "ownerRef: {name: later}")).await;
        assert_eq!(owner(&world.again(Tenant, "root", "north").await), (true, "Reconciled".to_owned()));
        let reports = world.delete(SubAdmin, "root", "later").await;
        assert!(reports.finished);
        assert_eq!(owner(&world.again(Tenant, "root", "north").await), (false, "OwnerMissing".to_owned()));
    }
}

on_both! {
    async fn r4_an_admission_is_withdrawn_and_given_back_even_while_the_child_cannot_be_read(world) {
        fill(&mut world).await;
        world.engine = world.rooted(&["root", "other"]);
        let open = root("globex", "allowedNamespaces: {from: All}");
        world.apply(&open).await;
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: other, name: far}
spec: {parentRef: {name: globex, namespace: root}}
---
kind: SubAdmin
metadata: {namespace: other, name: fay}
spec: {tenantRef: {name: far}, username: fay, email: fay@example.org}").await);
        let reports = world.apply(GLOBEX).await;
        assert_eq!(reason(&reports, Tenant, "other", "far"), "RefNotPermitted");
        assert_eq!(phase(&reports[&account_key("other", "fay")]), "Blocked");
        let reports = world.apply(&open).await;
        assert_eq!(reason(&reports, Tenant, "other", "far"), "Reconciled");
        assert_eq!(phase(&reports[&account_key("other", "fay")]), "Pending");

        world.break_spec(Tenant, "other", "far", "spec.limits.devices: may not be negative");
        assert_eq!(world.again(Tenant, "other", "far").await.condition("Ready").unwrap().reason.as_str(), "Invalid");
        let reports = world.apply(GLOBEX).await;
        assert_eq!(phase(&reports[&account_key("other", "fay")]), "Blocked");
        let reports = world.apply(&open).await;
        assert_eq!(phase(&reports[&account_key("other", "fay")]), "Pending");
        assert_eq!(reason(&reports, Tenant, "other", "far"), "Invalid");
    }
}
