//! Manageable scope and the six administrative rights within it (R2), and
//! what a giver with a narrow scope can see (R4, R5).

use std::collections::BTreeMap;

use crate::authority::{account, grant, in_tenant, refused, role, tenant};
use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::object::Kind::{DeviceGrant, Role, SubAdmin, Tenant};
use tenantry::store::Access;

const SIX: &str = "capabilities: {from: List, names: [ManageApplications, ManageUsers, ManageUserGroups, ManageRoles, AssignAssetPermissions, ManageAuditLogs]}";
const VIEW: &str = "permissions: {allow: [{resources: [device], operations: [view]}]}";

/// `acme` with `north` (and `east` in it) and `south`, and a sub-administrator
/// `kim` with this scope and all six rights.
async fn organisation(world: &mut World, scope: &str) {
    all_ready(&world.apply(ACME).await);
    for (name, parent) in [("north", "acme"), ("south", "acme"), ("east", "north")] {
        all_ready(&world.apply(&tenant(name, parent, "")).await);
    }
    all_ready(&world.apply(&kim(scope)).await);
}

fn kim(scope: &str) -> String {
    account("kim", "ada", &format!("tier: SuperAdmin, {SIX}, manageableScope: {{from: List, {scope}}}"))
}

async fn ok(world: &mut World, document: &str) {
    let manifest = world.manifest(document);
    let reports = world.apply(document).await;
    let report = &reports[&manifest.key];
    assert!(report.ready(), "{:?}", report.conditions);
}

/// The groups of `acme`, each with who created it: `kim` or below, else `ada`.
async fn groups(world: &World) -> Vec<(String, &'static str)> {
    let mut tx = world.engine.store().begin(Access::Read).await.unwrap();
    let acme = tx.tenant_at("/acme").await.unwrap().unwrap().id;
    let names = ["field", "office", "night"].map(str::to_owned).into();
    let mut created = BTreeMap::new();
    for who in ["ada", "kim"] {
        let by = tx.account_named(who).await.unwrap().unwrap().account.id;
        let own = tx.groups_created(acme, &names, by).await.unwrap().into_iter().filter(|(_, own)| *own);
        created.extend(own.map(|(name, _)| (name, who)));
    }
    created.into_iter().collect()
}

on_both! {
    async fn r2_a_scope_of_tenants_covers_them_and_what_lies_below(world) {
        organisation(&mut world, "tenants: [{name: north}]").await;
        for (tenant, name) in [("north", "nan"), ("east", "eva")] {
            ok(&mut world, &in_tenant(tenant, name, "kim", "tier: Admin")).await;
        }
        for (tenant, name) in [("acme", "al"), ("south", "sue")] {
            let reports = world.apply(&in_tenant(tenant, name, "kim", "")).await;
            refused(&reports, SubAdmin, name, "OutOfScope", &[
                &format!("SubAdmin root/{name} would lie in a tenant"), "spec.manageableScope.tenants of SubAdmin root/kim does not cover",
            ]);
        }
        // Others' accounts there are in scope, too; elsewhere they are not.
        ok(&mut world, &in_tenant("east", "old", "ada", "")).await;
        ok(&mut world, &in_tenant("east", "old", "kim", "")).await;
        ok(&mut world, &in_tenant("south", "other", "ada", "")).await;
        let reports = world.apply(&in_tenant("south", "other", "kim", "")).await;
        refused(&reports, SubAdmin, "other", "OutOfScope", &["not in its tenants, its groups or its roles"]);
        // The scope grows, and what waited goes on.
        let reports = world.apply(&kim("tenants: [{name: north}, {name: south}]")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "sue"), "Reconciled");
        assert_eq!(reason(&reports, SubAdmin, "root", "other"), "Reconciled");
        assert_eq!(reason(&reports, SubAdmin, "root", "al"), "OutOfScope");
    }
}

on_both! {
    async fn r2_a_scope_of_groups_or_roles_covers_their_members_as_they_are(world) {
        organisation(&mut world, "groups: [field], roles: [{name: operator}]").await;
        ok(&mut world, &role("operator", "ada", "")).await;
        ok(&mut world, &account("member", "ada", "groups: [field]")).await;
        ok(&mut world, &account("bearer", "ada", "roles: [{name: operator}]")).await;
        ok(&mut world, &in_tenant("east", "afar", "ada", "roles: [{name: operator}]")).await;
        // A group is a tenant and a name: another tenant's is another group.
        ok(&mut world, &in_tenant("north", "namesake", "ada", "groups: [field]")).await;
        ok(&mut world, &account("member", "kim", "groups: [field]")).await;
        ok(&mut world, &account("bearer", "kim", "roles: [{name: operator}]")).await;
        ok(&mut world, &in_tenant("east", "afar", "kim", "roles: [{name: operator}]")).await;
        let reports = world.apply(&in_tenant("north", "namesake", "kim", "groups: [field]")).await;
        refused(&reports, SubAdmin, "namesake", "OutOfScope", &["lies outside the manageable scope of SubAdmin root/kim"]);
        // Nothing can be created where only groups and roles are listed.
        let reports = world.apply(&account("new", "kim", "groups: [field]")).await;
        refused(&reports, SubAdmin, "new", "OutOfScope", &["would lie in a tenant"]);
    }
}

on_both! {
    async fn r2_an_empty_list_covers_nothing_but_own_creations(world) {
        organisation(&mut world, "tenants: [{name: acme}]").await;
        ok(&mut world, &account("mine", "kim", "tier: Admin, manageableScope: {from: List, tenants: [{name: acme}]}")).await;
        ok(&mut world, &account("below", "mine", "manageableScope: {from: List}")).await;
        ok(&mut world, &account("mine", "kim", "tier: Admin, manageableScope: {from: List}")).await;
        ok(&mut world, &account("other", "ada", "")).await;
        let reports = world.apply(&kim("tenants: []")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "mine"), "Reconciled", "users created by themselves stay in scope");
        ok(&mut world, &account("mine", "kim", "tier: Admin, company: Mine, manageableScope: {from: List}")).await;
        // Those created further below are, too.
        ok(&mut world, &account("below", "kim", "manageableScope: {from: List}")).await;
        for document in [account("new", "kim", ""), account("other", "kim", "")] {
            let name = world.manifest(&document).key.name;
            let reports = world.apply(&document).await;
            assert_eq!(reason(&reports, SubAdmin, "root", &name), "OutOfScope");
        }
    }
}

on_both! {
    async fn r2_nobody_gives_a_scope_wider_than_their_own(world) {
        organisation(&mut world, "tenants: [{name: north}], groups: [field], roles: [{name: operator}]").await;
        // In a tenant that is covered, everything is.
        ok(&mut world, &in_tenant("north", "nan", "kim", "tier: Admin")).await;
        ok(&mut world, &in_tenant("north", "nick", "kim", "tier: Admin, manageableScope: {from: List, groups: [any], tenants: [{name: east}]}")).await;
        // An account of another tenant, taken over because of its group.
        ok(&mut world, &account("lea", "ada", "tier: Admin, groups: [field]")).await;
        let lea = |scope: &str| account("lea", "kim", &format!("tier: Admin, groups: [field]{scope}"));
        let reports = world.apply(&lea("")).await;
        refused(&reports, SubAdmin, "lea", "ExceedsManager", &["has no spec.manageableScope, which means its whole tenant", "write from: List"]);
        for (scope, words) in [
            ("tenants: [{name: south}]", "spec.manageableScope.tenants of SubAdmin root/lea lists root/south"),
            ("tenants: [{name: nowhere}]", "lists root/nowhere"),
            ("groups: [office]", "spec.manageableScope.groups of SubAdmin root/lea lists office"),
            ("roles: [{name: chief}]", "spec.manageableScope.roles of SubAdmin root/lea lists root/chief"),
        ] {
            let reports = world.apply(&lea(&format!(", manageableScope: {{from: List, {scope}}}"))).await;
            refused(&reports, SubAdmin, "lea", "ExceedsManager", &[words, "remove it or name a manager whose scope does"]);
        }
        // A tenant below a listed one is narrower.
        let narrow = lea(", manageableScope: {from: List, tenants: [{name: east}], groups: [field], roles: [{name: operator}]}");
        ok(&mut world, &narrow).await;
        // It is not any more when it moves away, and is again when it returns.
        let reports = world.apply(&tenant("east", "south", "")).await;
        refused(&reports, SubAdmin, "lea", "AuthorityLost", &["root/east"]);
        let reports = world.apply(&tenant("east", "north", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "lea"), "Reconciled");
    }
}

on_both! {
    async fn r2_manage_user_groups_covers_groups_assigned_or_created(world) {
        organisation(&mut world, "tenants: [{name: acme}], groups: [field]").await;
        ok(&mut world, &account("al", "ada", "groups: [office]")).await;
        // Assigned, though it has no members yet; and one that it creates.
        ok(&mut world, &account("bob", "kim", "groups: [field, night]")).await;
        let known = [("field", "kim"), ("night", "kim"), ("office", "ada")];
        assert_eq!(groups(&world).await, known.map(|(name, who)| (name.to_owned(), who)));
        ok(&mut world, &account("eve", "kim", "groups: [night]")).await;
        // Somebody else's: neither in ...
        let reports = world.apply(&account("tim", "kim", "groups: [office]")).await;
        refused(&reports, SubAdmin, "tim", "OutOfScope", &[
            "the group office, named by SubAdmin root/tim, was neither created by SubAdmin root/kim nor assigned to it", "spec.manageableScope.groups",
        ]);
        // ... nor out.
        let reports = world.apply(&account("al", "kim", "")).await;
        refused(&reports, SubAdmin, "al", "OutOfScope", &["the group office"]);
        ok(&mut world, &account("al", "kim", "groups: [office]")).await;
        // Whoever comes into somebody else's group first makes it theirs; the
        // name is free again when the last one leaves, and who waits is told.
        let reports = world.apply(&account("al", "ada", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "tim"), "Reconciled");
        assert!(groups(&world).await.contains(&("office".to_owned(), "kim")));
    }
}

on_both! {
    async fn r2_a_group_outlives_its_creator_under_the_creators_manager(world) {
        organisation(&mut world, "tenants: [{name: acme}]").await;
        ok(&mut world, &account("lea", "ada", "tier: SuperAdmin, manageableScope: {from: List, tenants: [{name: acme}]}")).await;
        ok(&mut world, &account("sub", "kim", "tier: Admin, manageableScope: {from: List, tenants: [{name: acme}]}")).await;
        ok(&mut world, &account("bob", "sub", "groups: [night]")).await;
        // What accounts below it create is a manager's own creation.
        ok(&mut world, &account("eve", "kim", "groups: [night]")).await;
        let reports = world.apply(&account("tim", "lea", "groups: [night]")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "tim"), "OutOfScope");
        assert!(world.delete(SubAdmin, "root", "sub").await.finished);
        assert!(groups(&world).await.contains(&("night".to_owned(), "kim")));
        // The last member goes, and the group with it.
        world.delete(SubAdmin, "root", "bob").await;
        assert_eq!(world.again(SubAdmin, "root", "tim").await.condition("Ready").unwrap().reason.as_str(), "OutOfScope");
        world.delete(SubAdmin, "root", "eve").await;
        let tim = world.again(SubAdmin, "root", "tim").await;
        assert!(tim.ready(), "{:?}", tim.conditions);
    }
}

on_both! {
    async fn r2_manage_roles_covers_roles_assigned_or_created(world) {
        organisation(&mut world, "tenants: [{name: north}], roles: [{name: operator}]").await;
        let of = |tenant: &str, name: &str, manager: &str, more: &str| role(name, manager, more).replace("{name: acme}", &format!("{{name: {tenant}}}"));
        // It creates them in the tenants of its scope ...
        ok(&mut world, &of("north", "mine", "kim", "")).await;
        ok(&mut world, &of("north", "mine", "kim", "displayName: Mine")).await;
        let reports = world.apply(&of("acme", "wide", "kim", "")).await;
        refused(&reports, Role, "wide", "OutOfScope", &["Role root/wide would lie in a tenant"]);
        // ... and manages those that are assigned to it.
        ok(&mut world, &of("acme", "operator", "ada", "")).await;
        ok(&mut world, &of("acme", "operator", "kim", "displayName: Operator")).await;
        ok(&mut world, &of("north", "others", "ada", "")).await;
        let reports = world.apply(&of("north", "others", "kim", "displayName: Taken")).await;
        refused(&reports, Role, "others", "OutOfScope", &["neither created by SubAdmin root/kim nor assigned to it", "spec.manageableScope.roles"]);
    }
}

on_both! {
    async fn r2_tenants_are_managed_where_they_are_listed_or_created(world) {
        organisation(&mut world, "tenants: [{name: north}]").await;
        let kim = account("kim", "ada", "tier: SuperAdmin, manageableScope: {from: List, tenants: [{name: north}]}, capabilities: {from: List, names: [ManageTenants]}");
        ok(&mut world, &kim).await;
        let by_kim = |name: &str, parent: &str| tenant(name, parent, "managedByRef: {name: kim}");
        ok(&mut world, &by_kim("new", "north")).await;
        ok(&mut world, &by_kim("north", "acme")).await;
        let reports = world.apply(&by_kim("outside", "acme")).await;
        refused(&reports, Tenant, "outside", "OutOfScope", &["would lie in a tenant"]);
        let reports = world.apply(&by_kim("south", "acme")).await;
        refused(&reports, Tenant, "south", "OutOfScope", &["Tenant root/south", "spec.manageableScope.tenants"]);
        // Neither pulled in from elsewhere nor pushed out of the scope.
        let reports = world.apply(&by_kim("south", "north")).await;
        refused(&reports, Tenant, "south", "OutOfScope", &[]);
        let reports = world.apply(&by_kim("new", "acme")).await;
        refused(&reports, Tenant, "new", "OutOfScope", &["would lie in a tenant"]);
        assert_eq!(world.again(Tenant, "root", "new").await.status["path"], "/acme/north/new");
        ok(&mut world, &by_kim("new", "east")).await;
    }
}

on_both! {
    async fn r2_asset_permissions_go_to_receivers_in_scope(world) {
        organisation(&mut world, "tenants: [{name: north}], groups: [field], roles: [{name: operator}]").await;
        ok(&mut world, &role("operator", "ada", "")).await;
        ok(&mut world, &account("member", "ada", "groups: [field, office]")).await;
        ok(&mut world, &account("bearer", "ada", "roles: [{name: operator}]")).await;
        ok(&mut world, &account("stranger", "ada", "groups: [office]")).await;
        ok(&mut world, &in_tenant("east", "eva", "ada", "")).await;
        let share = |to: &str| grant("g", "kim", &format!("mode: Share, to: {{{to}}}, {VIEW}"));
        for to in [
            "subAdminRefs: [{name: member}, {name: bearer}, {name: eva}]",
            "groups: [field]",
            "tenantRef: {name: north}",
            "tenantRef: {name: east}",
        ] {
            ok(&mut world, &share(to)).await;
        }
        for (to, words) in [
            ("subAdminRefs: [{name: member}, {name: stranger}]", "SubAdmin root/stranger lies outside the manageable scope"),
            ("groups: [field, office]", "the group office, named by DeviceGrant root/g"),
            ("tenantRef: {name: south}", "Tenant root/south, named by DeviceGrant root/g"),
            ("tenantRef: {name: acme}", "Tenant root/acme, named by DeviceGrant root/g"),
        ] {
            let reports = world.apply(&share(to)).await;
            refused(&reports, DeviceGrant, "g", "OutOfScope", &[words]);
        }
        // In a tenant of the scope, everybody there receives.
        let inside = grant("inside", "kim", &format!("mode: Share, to: {{groups: [office]}}, {VIEW}")).replace("{name: acme}", "{name: north}");
        ok(&mut world, &inside).await;
        // A scope that is narrowed later takes the authority, not the grant.
        ok(&mut world, &share("subAdminRefs: [{name: member}]")).await;
        let all = "tenants: [{name: north}], groups: [field], roles: [{name: operator}]";
        let reports = world.apply(&kim(&all.replace("groups: [field], ", ""))).await;
        refused(&reports, DeviceGrant, "g", "AuthorityLost", &["SubAdmin root/member"]);
        let reports = world.apply(&kim(all)).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "g"), "Reconciled");
        // So does a receiver who leaves the group, until it returns.
        let reports = world.apply(&account("member", "ada", "groups: [office]")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "g"), "AuthorityLost");
        let reports = world.apply(&account("member", "ada", "groups: [field]")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "g"), "Reconciled");
    }
}

on_both! {
    async fn r5_individual_access_leaves_a_manager_its_own_creations(world) {
        world.apply(ACME).await;
        ok(&mut world, &account("kim", "ada", &format!("tier: SuperAdmin, {SIX}, individualAccess: true"))).await;
        ok(&mut world, &account("other", "ada", "")).await;
        ok(&mut world, &account("mine", "kim", "tier: Admin")).await;
        ok(&mut world, &account("below", "mine", "")).await;
        let share = |to: &str| grant("g", "kim", &format!("mode: Share, to: {{subAdminRefs: [{{name: {to}}}]}}, {VIEW}"));
        ok(&mut world, &share("below")).await;
        let reports = world.apply(&share("other")).await;
        refused(&reports, DeviceGrant, "g", "OutOfScope", &["SubAdmin root/other was not created by SubAdmin root/kim", "Individual access"]);
        let reports = world.apply(&account("other", "kim", "")).await;
        refused(&reports, SubAdmin, "other", "OutOfScope", &["Individual access restricts SubAdmin root/kim"]);
    }
}

on_both! {
    async fn r5_individual_access_keeps_a_manager_from_roles_groups_and_tenants_of_others(world) {
        world.apply(ACME).await;
        ok(&mut world, &account("kim", "ada", "tier: SuperAdmin, individualAccess: true")).await;
        ok(&mut world, &account("other", "ada", "groups: [field]")).await;
        ok(&mut world, &role("operator", "ada", "")).await;
        ok(&mut world, &tenant("north", "acme", "managedByRef: {name: ada}")).await;
        let only = "Individual access restricts SubAdmin root/kim to those";
        // A group of others is neither joined nor shared with.
        let reports = world.apply(&account("mine", "kim", "groups: [field]")).await;
        refused(&reports, SubAdmin, "mine", "OutOfScope", &["the group field", only]);
        let share = |to: &str| grant("g", "kim", &format!("mode: Share, to: {{{to}}}, {VIEW}"));
        let reports = world.apply(&share("groups: [field]")).await;
        refused(&reports, DeviceGrant, "g", "OutOfScope", &["the group field", only]);
        let reports = world.apply(&share("tenantRef: {name: acme}")).await;
        refused(&reports, DeviceGrant, "g", "OutOfScope", &["Tenant root/acme", only]);
        let reports = world.apply(&role("operator", "kim", "")).await;
        refused(&reports, Role, "operator", "OutOfScope", &["Role root/operator", only]);
        let reports = world.apply(&tenant("north", "acme", "managedByRef: {name: kim}, enabled: false")).await;
        refused(&reports, Tenant, "north", "OutOfScope", &["Tenant root/north", only]);
        // Its own creations are its own.
        ok(&mut world, &account("mine", "kim", "groups: [fresh]")).await;
        ok(&mut world, &share("groups: [fresh]")).await;
        ok(&mut world, &role("own", "kim", "")).await;
        ok(&mut world, &role("own", "kim", "displayName: Changed")).await;
        ok(&mut world, &tenant("south", "acme", "managedByRef: {name: kim}")).await;
        ok(&mut world, &share("tenantRef: {name: south}")).await;
    }
}

on_both! {
    async fn r2_rights_that_only_have_a_value_are_given_and_never_exceeded(world) {
        world.apply(ACME).await;
        ok(&mut world, &account("kim", "ada", "tier: SuperAdmin, capabilities: {from: List, names: [ManageUsers, ManageApplications, ManageAuditLogs]}")).await;
        for name in ["ManageApplications", "ManageAuditLogs"] {
            ok(&mut world, &account("bob", "kim", &format!("capabilities: {{from: List, names: [{name}]}}"))).await;
            assert_eq!(world.again(SubAdmin, "root", "bob").await.status["effective"]["capabilities"], serde_json::json!([name]));
        }
        for name in ["ManageResources", "ManagePlugins", "ManageProjects", "ManageBranding", "ManageTenants", "ManageUserGroups", "ManageRoles", "AssignAssetPermissions"] {
            let reports = world.apply(&account("bob", "kim", &format!("capabilities: {{from: List, names: [{name}]}}"))).await;
            refused(&reports, SubAdmin, "bob", "ExceedsManager", &[&format!("spec.capabilities.names of SubAdmin root/bob gives {name}"), "remove it or name a manager that has it"]);
        }
        // What nobody wrote is cut instead of refused.
        ok(&mut world, &account("bob", "kim", "tier: Admin")).await;
        assert_eq!(world.again(SubAdmin, "root", "bob").await.status["effective"]["capabilities"], serde_json::json!(["ManageUsers"]));
    }
}

/// The devices among `d1` to `d9` that kim sees when giving in `acme`.
async fn seen(world: &World, to_itself: bool) -> Option<Vec<String>> {
    let mut tx = world.engine.store().begin(Access::Read).await.unwrap();
    let kim = tx.account_named("kim").await.unwrap().unwrap().account;
    let acme = tx.chain_of("test", &tenantry::domain::tenant::key("root", "acme")).await.unwrap();
    let sight = tenantry::domain::authority::sight(&kim, &acme, to_itself)?;
    let ids: Vec<String> = (1..=9).map(|n| format!("d{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let before = world.engine.store().statements();
    let seen = tx.visible_devices("test", &sight, &ids).await.unwrap();
    assert_eq!(world.engine.store().statements() - before, 1);
    Some(seen.into_iter().collect())
}

on_both! {
    async fn r4_a_giver_with_a_list_sees_what_its_scope_and_its_own_hold(world) {
        organisation(&mut world, "tenants: [{name: north}], groups: [field], roles: [{name: operator}]").await;
        let devices: Vec<String> = (1..=9).map(|n| format!("d{n}")).collect();
        world.import(&devices.iter().map(|id| (id.as_str(), Some("/acme"))).collect::<Vec<_>>()).await;
        ok(&mut world, &role("operator", "ada", "")).await;
        ok(&mut world, &in_tenant("north", "mine", "kim", "tier: Admin")).await;
        ok(&mut world, &account("member", "ada", "groups: [field]")).await;
        ok(&mut world, &account("bearer", "ada", "roles: [{name: operator}]")).await;
        ok(&mut world, &account("stranger", "ada", "")).await;
        let platform = |name: &str, more: &str| format!("
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, {more}}}");
        for (device, to) in [("d1", "kim"), ("d2", "mine"), ("d3", "member"), ("d4", "bearer"), ("d9", "stranger")] {
            ok(&mut world, &platform(device, &format!("mode: Assign, to: {{subAdminRefs: [{{name: {to}}}]}}, devices: {{deviceIds: [{device}]}}"))).await;
        }
        ok(&mut world, &platform("d5", "mode: Assign, to: {tenantRef: {name: east}}, devices: {deviceIds: [d5]}")).await;
        ok(&mut world, &platform("d6", &format!("mode: Share, to: {{subAdminRefs: [{{name: kim}}]}}, devices: {{deviceIds: [d6]}}, {VIEW}"))).await;
        ok(&mut world, &platform("d7", &format!("mode: Share, to: {{groups: [field]}}, devices: {{deviceIds: [d7]}}, {VIEW}"))).await;
        ok(&mut world, &platform("d8", &format!("mode: Share, to: {{subAdminRefs: [{{name: kim}}]}}, devices: {{deviceIds: [d8]}}, expiresAt: '2001-01-01T00:00:00Z', {VIEW}"))).await;
        assert_eq!(seen(&world, false).await.unwrap(), ["d1", "d2", "d3", "d4", "d5", "d6", "d7"]);
        assert_eq!(seen(&world, true).await.unwrap(), ["d2"], "shared to itself: what those below hold");
        // A list that covers the granting tenant narrows nothing.
        ok(&mut world, &kim("tenants: [{name: acme}]")).await;
        assert_eq!(seen(&world, false).await, None);
        // Individual access does, whatever the scope.
        ok(&mut world, &account("kim", "ada", &format!("tier: SuperAdmin, {SIX}, individualAccess: true"))).await;
        assert_eq!(seen(&world, false).await.unwrap(), ["d1", "d2", "d6"]);
        assert_eq!(world.holders().await["d2"], "/acme/north:mine");
    }
}
