//! Tiers and authority: who may write what, and for whom (R1, R2).

use std::collections::BTreeMap;

use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::object::Kind::{self, DeviceGrant, Role, SubAdmin, Tenant};
use tenantry::domain::object::ObjectKey;
use tenantry::engine::Report;

type Reports = BTreeMap<ObjectKey, Report>;

/// An account of tenant `acme` in namespace `root`.
pub(crate) fn account(name: &str, manager: &str, more: &str) -> String {
    in_tenant("acme", name, manager, more)
}

pub(crate) fn in_tenant(tenant: &str, name: &str, manager: &str, more: &str) -> String {
    let manager =
        if manager.is_empty() { String::new() } else { format!("managedByRef: {{name: {manager}}}, ") };
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, {manager}username: {name}, email: {name}@example.org, {more}}}"
    )
}

pub(crate) fn tenant(name: &str, parent: &str, more: &str) -> String {
    format!(
        "
kind: Tenant
metadata: {{namespace: root, name: {name}}}
spec: {{parentRef: {{name: {parent}}}, {more}}}"
    )
}

pub(crate) fn role(name: &str, manager: &str, more: &str) -> String {
    format!(
        "
kind: Role
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, managedByRef: {{name: {manager}}}, {more}}}"
    )
}

pub(crate) fn grant(name: &str, manager: &str, more: &str) -> String {
    format!(
        "
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, managedByRef: {{name: {manager}}}, {more}}}"
    )
}

const VIEW: &str = "permissions: {allow: [{resources: [device], operations: [view]}]}";

/// The refusal of one object: its reason, and that it says all of `words`.
pub(crate) fn refused(reports: &Reports, kind: Kind, name: &str, why: &str, words: &[&str]) {
    assert_eq!(reason(reports, kind, "root", name), why, "{name}: {reports:?}");
    let message = &reports[&ObjectKey::new(kind, "root", name)].condition("Ready").unwrap().message;
    for word in words {
        assert!(message.contains(word), "{name} does not say {word:?}: {message}");
    }
}

/// Whose authority an account stands on now.
async fn manager_of(world: &World, name: &str) -> Option<String> {
    let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
    let id = tx.account_named(name).await.unwrap().unwrap().account.managed_by?;
    Some(tx.account(id).await.unwrap().unwrap().account.settings.username)
}

on_both! {
    async fn r1_every_tier_creates_exactly_those_below_it(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("superadmin", "ada", "tier: SuperAdmin")).await);
        all_ready(&world.apply(&account("admin", "superadmin", "tier: Admin")).await);
        all_ready(&world.apply(&account("basic", "admin", "capabilities: {from: List, names: [ManageUsers]}")).await);
        let matrix = [
            ("ada", vec!["SuperAdmin", "Admin", "Basic"]),
            ("superadmin", vec!["Admin", "Basic"]),
            ("admin", vec!["Basic"]),
            ("basic", vec![]),
        ];
        for (manager, created) in matrix {
            for tier in ["Root", "SuperAdmin", "Admin", "Basic"] {
                let name = format!("{manager}-{}", tier.to_lowercase());
                let reports = world.apply(&account(&name, manager, &format!("tier: {tier}, capabilities: {{from: List, names: []}}"))).await;
                let expected = if created.contains(&tier) { "Reconciled" } else { "TierNotAllowed" };
                assert_eq!(reason(&reports, SubAdmin, "root", &name), expected, "{manager} creates {tier}");
            }
        }
        let reports = world.apply(&account("eve", "admin", "tier: Admin")).await;
        refused(&reports, SubAdmin, "eve", "TierNotAllowed", &[
            "SubAdmin root/admin is Admin and may create Basic", "spec.tier of SubAdmin root/eve", "choose a lower tier",
        ]);
    }
}

on_both! {
    async fn r1_a_root_belongs_to_a_root_tenant_and_is_alone_there(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        let reports = world.apply(&in_tenant("north", "nan", "", "tier: Root")).await;
        refused(&reports, SubAdmin, "nan", "RootExists", &["/acme/north is not a root tenant", "belongs to /acme", "Choose SuperAdmin"]);
        let reports = world.apply(&account("second", "", "tier: Root")).await;
        refused(&reports, SubAdmin, "second", "RootExists", &["has a Root already: SubAdmin root/ada", "Choose another tier"]);
        // The place is free when the other one steps down.
        let reports = world.apply(&account("ada", "", "tier: SuperAdmin")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "second"), "Reconciled");
        let reports = world.apply(&account("ada", "", "tier: Root")).await;
        refused(&reports, SubAdmin, "ada", "RootExists", &["SubAdmin root/second"]);
    }
}

on_both! {
    async fn r1_a_root_tenant_with_a_root_stays_a_root(world) {
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: globex}
spec: {}").await;
        let reports = world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, parentRef: {name: globex}}").await;
        refused(&reports, Tenant, "acme", "RootExists", &["SubAdmin root/ada is its Root", "change spec.tier"]);
        assert_eq!(world.again(Tenant, "root", "acme").await.status["path"], "/acme");
        let reports = world.apply(&account("ada", "", "tier: SuperAdmin")).await;
        let acme = &reports[&tenantry::domain::tenant::key("root", "acme")];
        assert_eq!(acme.status["path"], "/globex/acme", "the move goes on by itself");
    }
}

on_both! {
    async fn r1_a_root_that_was_kept_disabled_is_adopted_or_replaced_by_none(world) {
        world.apply(ACME).await;
        world.apply(&account("ada", "", "tier: Root, deletionPolicy: Disable")).await;
        assert!(world.delete(SubAdmin, "root", "ada").await.finished);
        let reports = world.apply(&account("second", "", "tier: Root")).await;
        refused(&reports, SubAdmin, "second", "RootExists", &["was kept", "adopt it"]);
    }
}

on_both! {
    async fn r1_a_tier_changes_later_under_the_same_rule(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("kim", "ada", "tier: SuperAdmin")).await);
        all_ready(&world.apply(&account("bob", "kim", "tier: Basic")).await);
        all_ready(&world.apply(&account("bob", "kim", "tier: Admin")).await);
        let reports = world.apply(&account("bob", "kim", "tier: SuperAdmin")).await;
        refused(&reports, SubAdmin, "bob", "TierNotAllowed", &["may create Admin and Basic"]);
        // Nobody takes down whom they do not outrank.
        all_ready(&world.apply(&account("bob", "ada", "tier: SuperAdmin")).await);
        let reports = world.apply(&account("bob", "kim", "tier: Basic")).await;
        refused(&reports, SubAdmin, "bob", "TierNotAllowed", &["is or was SuperAdmin"]);
        assert_eq!(manager_of(&world, "bob").await.as_deref(), Some("ada"));
    }
}

on_both! {
    async fn r2_each_act_needs_its_own_right(world) {
        world.apply(ACME).await;
        let all = ["ManageTenants", "ManageUsers", "ManageUserGroups", "ManageRoles", "AssignAssetPermissions"];
        for missing in all {
            let names: Vec<&str> = all.into_iter().filter(|name| *name != missing).collect();
            let lead = missing.to_lowercase();
            all_ready(&world.apply(&account(&lead, "ada", &format!("tier: SuperAdmin, capabilities: {{from: List, names: [{}]}}", names.join(", ")))).await);
            let acts = [
                ("ManageTenants", Tenant, format!("t-{lead}"), tenant(&format!("t-{lead}"), "acme", &format!("managedByRef: {{name: {lead}}}"))),
                ("ManageUsers", SubAdmin, format!("u-{lead}"), account(&format!("u-{lead}"), &lead, "")),
                ("ManageUserGroups", SubAdmin, format!("g-{lead}"), account(&format!("g-{lead}"), &lead, "groups: [field]")),
                ("ManageRoles", Role, format!("r-{lead}"), role(&format!("r-{lead}"), &lead, "")),
                ("AssignAssetPermissions", DeviceGrant, format!("d-{lead}"), grant(&format!("d-{lead}"), &lead, &format!("mode: Share, to: {{groups: [field]}}, {VIEW}"))),
            ];
            for (right, kind, name, document) in acts {
                let reports = world.apply(&document).await;
                // Groups are written on accounts, which takes that right too.
                let lacks = right == missing || (right == "ManageUserGroups" && missing == "ManageUsers");
                if lacks {
                    refused(&reports, kind, &name, "CapabilityMissing", &[&format!("SubAdmin root/{lead} lacks the capability {missing}"), "spec.capabilities"]);
                } else {
                    assert_eq!(reason(&reports, kind, "root", &name), "Reconciled", "{right} without {missing}");
                }
            }
        }
    }
}

on_both! {
    async fn r2_taking_an_account_out_of_a_group_needs_the_right_for_groups(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("kim", "ada", "tier: Admin, capabilities: {from: List, names: [ManageUsers]}")).await);
        all_ready(&world.apply(&account("bob", "ada", "groups: [field]")).await);
        // Handed on as it is, it needs nothing; out of the group, it does.
        all_ready(&world.apply(&account("bob", "kim", "groups: [field]")).await);
        let reports = world.apply(&account("bob", "kim", "")).await;
        refused(&reports, SubAdmin, "bob", "CapabilityMissing", &["ManageUserGroups"]);
    }
}

on_both! {
    async fn r2_a_manager_speaks_for_its_own_tenant_and_below_only(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        world.apply(&tenant("south", "acme", "")).await;
        all_ready(&world.apply(&in_tenant("north", "nan", "ada", "tier: SuperAdmin")).await);
        all_ready(&world.apply(&in_tenant("north", "nick", "nan", "")).await);
        for (name, document) in [
            ("sue", in_tenant("south", "sue", "nan", "")),
            ("al", account("al", "nan", "")),
        ] {
            let reports = world.apply(&document).await;
            refused(&reports, SubAdmin, name, "OutOfScope", &["neither the object's nor above it", "spec.managedByRef"]);
        }
        // Neither a tenant for itself, nor a sibling, nor one moved over from there.
        for name in ["north", "south"] {
            let reports = world.apply(&tenant(name, "acme", "managedByRef: {name: nan}")).await;
            refused(&reports, Tenant, name, "OutOfScope", &["SubAdmin root/nan"]);
        }
        let reports = world.apply(&tenant("south", "north", "managedByRef: {name: nan}")).await;
        refused(&reports, Tenant, "south", "OutOfScope", &["SubAdmin root/nan"]);
        assert_eq!(world.again(Tenant, "root", "south").await.status["path"], "/acme/south");
        let reports = world.apply(&tenant("east", "north", "managedByRef: {name: nan}")).await;
        assert_eq!(reason(&reports, Tenant, "root", "east"), "Reconciled");
    }
}

on_both! {
    async fn r2_root_tenants_are_the_platforms(world) {
        world.apply(ACME).await;
        let reports = world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: Mine, managedByRef: {name: ada}}").await;
        refused(&reports, Tenant, "acme", "OutOfScope", &["is a root tenant", "remove spec.managedByRef"]);
    }
}

on_both! {
    async fn r2_every_kind_needs_a_manager_outside_root_namespaces(world) {
        world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, allowedNamespaces: {from: All}}
---
kind: SubAdmin
metadata: {namespace: root, name: ada}
spec: {tenantRef: {name: acme}, username: ada, email: ada@example.org, tier: Root}").await;
        // The platform opens the namespace and leaves it to itself.
        let wider = world.rooted(&["root", "customer"]);
        let outer = std::mem::replace(&mut world.engine, wider);
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: customer, name: north}
spec: {parentRef: {name: acme, namespace: root}}
---
kind: SubAdmin
metadata: {namespace: customer, name: nan}
spec: {tenantRef: {name: north}, username: nan, email: nan@example.org, tier: SuperAdmin}").await);
        world.engine = outer;
        let kinds = [
            ("Tenant", "parentRef: {name: north}"),
            ("SubAdmin", "tenantRef: {name: north}, username: x, email: x@example.org"),
            ("Role", "tenantRef: {name: north}"),
            ("DeviceGrant", "tenantRef: {name: north}, mode: Share, to: {groups: [g]}"),
        ];
        for (kind, spec) in kinds {
            let document = |manager: &str| format!("
kind: {kind}
metadata: {{namespace: customer, name: x}}
spec: {{{spec}{manager}}}");
            for (manager, words) in [
                ("", "has no managedByRef, and namespace customer is not a root namespace"),
                (", managedByRef: {name: ada, namespace: root}", "must name an account in the object's own namespace customer"),
                (", managedByRef: {name: nobody, namespace: root}", "must name an account in the object's own namespace customer"),
            ] {
                let reports = world.apply(&document(manager)).await;
                let report = &reports[&ObjectKey::new(kind.parse().unwrap(), "customer", "x")];
                let ready = report.condition("Ready").unwrap();
                assert_eq!(ready.reason.as_str(), "ManagerRequired", "{kind}{manager}");
                assert!(ready.message.contains(words), "{}", ready.message);
                assert!(report.condition("Stalled").unwrap().status, "only an edit helps");
            }
            let reports = world.apply(&document(", managedByRef: {name: nan}")).await;
            assert_eq!(reason(&reports, kind.parse().unwrap(), "customer", "x"), "Reconciled");
        }
    }
}

on_both! {
    async fn r2_nobody_takes_over_what_lies_outside_their_authority(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        all_ready(&world.apply(&account("kim", "ada", "tier: SuperAdmin, manageableScope: {from: List, groups: [field], roles: [{name: operator}]}, capabilities: {from: List, names: [ManageUsers, ManageUserGroups, ManageRoles, ManageTenants, AssignAssetPermissions]}")).await);
        all_ready(&world.apply(&role("operator", "ada", "")).await);
        all_ready(&world.apply(&role("boss", "ada", "")).await);
        all_ready(&world.apply(&account("bob", "ada", "")).await);
        all_ready(&world.apply(&account("lea", "ada", "tier: Admin")).await);
        all_ready(&world.apply(&grant("g", "ada", &format!("mode: Share, to: {{subAdminRefs: [{{name: lea}}]}}, {VIEW}"))).await);
        // Writing oneself into the scope with the same change does not help.
        for more in ["", "groups: [field]", "roles: [{name: operator}]"] {
            let reports = world.apply(&account("bob", "kim", more)).await;
            refused(&reports, SubAdmin, "bob", "OutOfScope", &["SubAdmin root/bob lies outside the manageable scope of SubAdmin root/kim"]);
        }
        let reports = world.apply(&role("boss", "kim", "")).await;
        refused(&reports, Role, "boss", "OutOfScope", &["neither created by SubAdmin root/kim nor assigned to it", "spec.manageableScope.roles"]);
        let reports = world.apply(&tenant("north", "acme", "managedByRef: {name: kim}")).await;
        refused(&reports, Tenant, "north", "OutOfScope", &["Tenant root/north", "spec.manageableScope.tenants"]);
        // Not even a grant: it would end what the receiver has.
        all_ready(&world.apply(&account("tim", "ada", "groups: [field]")).await);
        let reports = world.apply(&grant("g", "kim", &format!("mode: Share, to: {{subAdminRefs: [{{name: tim}}]}}, {VIEW}"))).await;
        refused(&reports, DeviceGrant, "g", "OutOfScope", &["SubAdmin root/lea"]);
        assert_eq!(manager_of(&world, "bob").await.as_deref(), Some("ada"));
        // What is in scope may be taken over.
        let reports = world.apply(&role("operator", "kim", "")).await;
        assert_eq!(reason(&reports, Role, "root", "operator"), "Reconciled");
        let reports = world.apply(&account("tim", "kim", "groups: [field], manageableScope: {from: List}")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "tim"), "Reconciled");
        assert_eq!(manager_of(&world, "tim").await.as_deref(), Some("kim"));
    }
}

on_both! {
    async fn r2_nobody_manages_themselves_or_those_above(world) {
        world.apply(ACME).await;
        world.apply(&account("kim", "ada", "tier: SuperAdmin")).await;
        world.apply(&account("bob", "kim", "tier: Admin")).await;
        for (name, manager) in [("kim", "kim"), ("kim", "bob")] {
            let reports = world.apply(&account(name, manager, "tier: SuperAdmin")).await;
            refused(&reports, SubAdmin, name, "Invalid", &["which is SubAdmin root/kim itself or below it", "name an account above"]);
        }
        assert_eq!(manager_of(&world, "kim").await.as_deref(), Some("ada"));
    }
}

on_both! {
    async fn r2_managers_in_a_circle_are_told_so_even_if_none_was_ever_in_force(world) {
        world.apply(ACME).await;
        let reports = world.apply(&account("me", "me", "")).await;
        refused(&reports, SubAdmin, "me", "Invalid", &["itself or below it"]);
        for (name, manager) in [("x", "y"), ("y", "z"), ("z", "x")] {
            world.apply(&account(name, manager, "tier: Admin")).await;
        }
        for name in ["x", "y", "z"] {
            let report = world.again(SubAdmin, "root", name).await;
            assert_eq!(report.condition("Ready").unwrap().reason.as_str(), "Invalid", "{name}");
        }
        let reports = world.apply(&account("x", "ada", "tier: SuperAdmin")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "x"), "Reconciled");
        assert_eq!(reason(&reports, SubAdmin, "root", "z"), "Reconciled", "the circle is open");
    }
}

on_both! {
    async fn r2_a_manager_whose_object_goes_answers_for_nothing_new(world) {
        world.apply(ACME).await;
        world.apply(&account("kim", "ada", "tier: Admin")).await;
        world.apply(&account("bob", "kim", "")).await;
        assert!(world.delete(SubAdmin, "root", "kim").await.finished);
        let bob = world.again(SubAdmin, "root", "bob").await;
        let ready = bob.condition("Ready").unwrap();
        assert_eq!(ready.reason.as_str(), "RefNotFound");
        assert!(ready.message.contains("spec.managedByRef of SubAdmin root/bob names SubAdmin root/kim"), "{}", ready.message);
        assert!(bob.status["accountId"].is_string(), "the account stays");
        let reports = world.apply(&account("new", "kim", "")).await;
        refused(&reports, SubAdmin, "new", "RefNotFound", &["spec.managedByRef"]);
        let reports = world.apply(&account("kim", "ada", "tier: Admin")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "new"), "Reconciled");
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "Reconciled");
    }
}

on_both! {
    async fn r2_what_is_written_for_others_never_exceeds_the_manager(world) {
        world.apply(ACME).await;
        let archive = "permissions: {allow: [{resources: [cameras.archive], operations: ['*']}], deny: [{resources: [cameras.archive], operations: [share]}]}";
        all_ready(&world.apply(&account("kim", "ada", &format!("tier: Admin, capabilities: {{from: List, names: [ManageUsers, ManageRoles, AssignAssetPermissions]}}, {archive}"))).await);
        let rules = |resource: &str, operation: &str| format!("permissions: {{allow: [{{resources: ['{resource}'], operations: ['{operation}']}}]}}");
        for (resource, operation) in [("cameras.*", "view"), ("*", "view"), ("cameras", "view"), ("cameras.archive", "*"), ("cameras.archive", "share"), ("device", "view")] {
            let reports = world.apply(&account("bob", "kim", &rules(resource, operation))).await;
            refused(&reports, SubAdmin, "bob", "ExceedsManager", &["spec.permissions.allow of SubAdmin root/bob", resource, "narrow the rule"]);
            let reports = world.apply(&role("wide", "kim", &rules(resource, operation))).await;
            refused(&reports, Role, "wide", "ExceedsManager", &["spec.permissions.allow of Role root/wide"]);
            let reports = world.apply(&grant("wide", "kim", &format!("mode: Share, to: {{groups: [field]}}, {}", rules(resource, operation)))).await;
            refused(&reports, DeviceGrant, "wide", "ExceedsManager", &["spec.permissions.allow of DeviceGrant root/wide"]);
        }
        all_ready(&world.apply(&account("bob", "kim", &rules("cameras.archive", "view"))).await);
        // A role counts by what it holds, whoever wrote it.
        all_ready(&world.apply(&role("viewer", "ada", &rules("device", "view"))).await);
        all_ready(&world.apply(&role("chief", "ada", "capabilities: [ManageTenants]")).await);
        let reports = world.apply(&account("eve", "kim", "roles: [{name: viewer}]")).await;
        refused(&reports, SubAdmin, "eve", "ExceedsManager", &["spec.roles[0] (root/viewer)", "view on device"]);
        let reports = world.apply(&account("eve", "kim", "roles: [{name: chief}]")).await;
        refused(&reports, SubAdmin, "eve", "ExceedsManager", &["spec.roles[0] (root/chief)", "gives ManageTenants"]);
        let reports = world.apply(&role("mine", "kim", "capabilities: [ManageBranding]")).await;
        refused(&reports, Role, "mine", "ExceedsManager", &["spec.capabilities of Role root/mine gives ManageBranding"]);
    }
}

on_both! {
    async fn r2_an_assign_without_rules_gives_what_its_giver_may_do(world) {
        world.apply(ACME).await;
        world.import(&[("d1", Some("/acme"))]).await;
        all_ready(&world.apply(&account("kim", "ada", "tier: Admin, permissions: {allow: [{resources: [device], operations: ['*']}], deny: [{resources: [device], operations: [share]}]}")).await);
        all_ready(&world.apply(&account("bob", "kim", "")).await);
        all_ready(&world.apply(&grant("g", "kim", "mode: Assign, to: {subAdminRefs: [{name: bob}]}, devices: {deviceIds: [d1]}")).await);
        let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        let given = tx.grant_of("test", &ObjectKey::new(DeviceGrant, "root", "g")).await.unwrap().unwrap();
        assert_eq!(given.permissions.allow.len(), 1);
        assert_eq!(given.permissions.deny, [tenantry::domain::permission::Rule::single("device", "share")]);
    }
}

on_both! {
    async fn r2_receivers_are_outranked_and_an_account_shares_to_itself_what_those_below_hold(world) {
        world.apply(ACME).await;
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        all_ready(&world.apply(&account("kim", "ada", &format!("tier: Admin, {VIEW}"))).await);
        all_ready(&world.apply(&account("lea", "ada", "tier: Admin")).await);
        all_ready(&world.apply(&account("bob", "kim", VIEW)).await);
        let reports = world.apply(&grant("up", "kim", &format!("mode: Share, to: {{subAdminRefs: [{{name: bob}}, {{name: lea}}]}}, {VIEW}"))).await;
        refused(&reports, DeviceGrant, "up", "TierNotAllowed", &["SubAdmin root/lea, named in spec.to.subAdminRefs of DeviceGrant root/up, has tier Admin"]);
        let reports = world.apply(&grant("own", "kim", "mode: Assign, to: {subAdminRefs: [{name: kim}]}, devices: {deviceIds: [d1]}")).await;
        refused(&reports, DeviceGrant, "own", "TierNotAllowed", &[]);
        let reports = world.apply(&grant("both", "kim", &format!("mode: Share, to: {{subAdminRefs: [{{name: kim}}, {{name: bob}}]}}, {VIEW}"))).await;
        refused(&reports, DeviceGrant, "both", "Invalid", &["spec.to.subAdminRefs", "of its own"]);
        // Bob may operate d1, which kim may not by its own rules.
        all_ready(&world.apply("
kind: DeviceGrant
metadata: {namespace: root, name: to-bob}
spec: {tenantRef: {name: acme}, mode: Assign, to: {subAdminRefs: [{name: bob}]}, devices: {deviceIds: [d1]}, permissions: {allow: [{resources: [device], operations: [view, operate]}]}}").await);
        let mine = |operation: &str, device: &str| grant("mine", "kim", &format!("mode: Share, to: {{subAdminRefs: [{{name: kim}}]}}, devices: {{deviceIds: [{device}]}}, permissions: {{allow: [{{resources: [device], operations: [{operation}]}}]}}"));
        all_ready(&world.apply(&mine("operate", "d1")).await);
        let reports = world.apply(&mine("manage", "d1")).await;
        refused(&reports, DeviceGrant, "mine", "ExceedsManager", &["manage on device", "nor every account below it"]);
        let reports = world.apply(&mine("operate", "d2")).await;
        refused(&reports, DeviceGrant, "mine", "ExceedsManager", &["operate on device"]);
    }
}
