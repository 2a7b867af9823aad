//! Accounts: authority, roles, invitations (R1, R2, R6, R8).

use crate::on_both;
use crate::world::{ACME, all_ready, reason};
use tenantry::domain::authority::account_key;
use tenantry::domain::object::Kind::{Role, SubAdmin, Tenant};

fn admin(name: &str, manager: &str, more: &str) -> String {
    format!("
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, managedByRef: {{name: {manager}}}, username: {name}, email: {name}@example.org, {more}}}")
}

on_both! {
    async fn r1_an_admin_creates_basic_accounts_and_no_others(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&admin("kim", "ada", "tier: Admin")).await);
        all_ready(&world.apply(&admin("bob", "kim", "tier: Basic")).await);
        let reports = world.apply(&admin("eve", "kim", "tier: Admin")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "TierNotAllowed");
    }
}

on_both! {
    async fn r1_a_root_tenant_has_one_root(world) {
        world.apply(ACME).await;
        let reports = world.apply("
kind: SubAdmin
metadata: {namespace: root, name: second}
spec: {tenantRef: {name: acme}, username: second, email: second@example.org, tier: Root}").await;
        assert_eq!(reason(&reports, SubAdmin, "root", "second"), "RootExists");
    }
}

on_both! {
    async fn r2_nobody_gives_more_than_one_has(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&admin("kim", "ada", "tier: Admin, permissions: {allow: [{resources: [cameras.archive], operations: [view]}]}")).await);
        let wide = "permissions: {allow: [{resources: ['cameras.*'], operations: [view]}]}";
        let reports = world.apply(&admin("bob", "kim", wide)).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "ExceedsManager");
        let reports = world.apply(&admin("bob", "kim", "capabilities: {from: List, names: [ManageTenants]}")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "ExceedsManager");
        all_ready(&world.apply(&admin("bob", "kim", "permissions: {allow: [{resources: [cameras.archive], operations: [view]}]}")).await);
    }
}

on_both! {
    async fn r2_authority_lost_later_leaves_the_last_good_state(world) {
        world.apply(ACME).await;
        world.apply(&admin("kim", "ada", "tier: Admin")).await;
        world.apply(&admin("bob", "kim", "tier: Basic")).await;
        let reports = world.apply(&admin("kim", "ada", "tier: Basic")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "AuthorityLost");
        let bob = &reports[&account_key("root", "bob")];
        assert!(bob.status["accountId"].is_string(), "the account stays");
    }
}

on_both! {
    async fn r3_a_manager_delegates_no_more_devices_than_it_may_manage(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&admin("kim", "ada", "tier: Admin, manageableDevices: 10")).await);
        all_ready(&world.apply(&admin("bob", "kim", "manageableDevices: 7")).await);
        let reports = world.apply(&admin("eve", "kim", "manageableDevices: 4")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "QuotaExceeded");
        let reports = world.apply(&admin("bob", "kim", "manageableDevices: 6")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "Reconciled", "freed room wakes who waits");
        let reports = world.apply(&admin("kim", "ada", "tier: Admin, manageableDevices: 9")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "kim"), "LimitBelowUse");
    }
}

const OPERATOR: &str = "
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, permissions: {allow: [{resources: [device], operations: [view]}]}}";

on_both! {
    async fn r6_an_edited_role_changes_nobody_until_it_is_reassigned(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        let reports = world.apply(&admin("bob", "ada", "roles: [{name: operator}]")).await;
        all_ready(&reports);
        let old = reports[&account_key("root", "bob")].status["roles"][0]["revision"].clone();
        let reports = world.apply(&OPERATOR.replace("[view]", "[view, operate]")).await;
        let bob = &reports[&account_key("root", "bob")];
        assert_eq!(bob.status["roles"][0]["revision"], old);
        assert!(bob.condition("RolesOutdated").unwrap().status);
        assert!(bob.ready());
        world.annotate(SubAdmin, "root", "bob", "reassign-roles", "1");
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert_ne!(bob.status["roles"][0]["revision"], old);
        assert!(bob.condition("RolesOutdated").is_none());
        let role = world.again(Role, "root", "operator").await;
        assert_eq!((role.status["assigned"].clone(), role.status["outdated"].clone()), (1.into(), 0.into()));
    }
}

on_both! {
    async fn r6_deleting_a_role_leaves_the_copies_in_force(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        world.apply(&admin("bob", "ada", "roles: [{name: operator}]")).await;
        assert!(world.delete(Role, "root", "operator").await.finished);
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert!(bob.ready(), "{:?}", bob.conditions);
        assert_eq!(bob.status["roles"][0]["name"], "operator");
    }
}

on_both! {
    async fn r8_each_combination_of_verified_and_password_sends_its_own_mail(world) {
        world.apply(ACME).await;
        world.outside.secrets.insert(
            ("root".to_owned(), "pw".to_owned()),
            ("password".to_owned(), [("password".to_owned(), "seven herons crossed the dike".to_owned())].into()),
        );
        let cases = [
            ("n", "", "AwaitingActivation"),
            ("v", "emailVerified: true", "AwaitingActivation"),
            ("p", "passwordSecretRef: {name: pw}", "AwaitingActivation"),
            ("b", "emailVerified: true, passwordSecretRef: {name: pw}", "Completed"),
        ];
        for (name, more, reason) in cases {
            let reports = world.apply(&admin(name, "ada", more)).await;
            let report = &reports[&account_key("root", name)];
            assert!(report.ready(), "{:?}", report.conditions);
            assert_eq!(report.condition("Activated").unwrap().reason.as_str(), reason, "{name}");
        }
        let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        let mut purposes = vec![];
        for (name, ..) in cases {
            let account = tx.account_named(name).await.unwrap().unwrap().account;
            purposes.push(tx.latest_activation(account.id).await.unwrap().map(|a| a.purpose.as_str()));
        }
        assert_eq!(purposes, [Some("Activate"), Some("SetPassword"), Some("Confirm"), None]);
    }
}

on_both! {
    async fn taken_names_are_refused_in_words_that_say_nothing_about_the_holder(world) {
        world.apply(ACME).await;
        let reports = world.apply("
kind: SubAdmin
metadata: {namespace: root, name: other}
spec: {tenantRef: {name: acme}, username: ADA, email: other@example.org}").await;
        assert_eq!(reason(&reports, SubAdmin, "root", "other"), "AlreadyExists");
        let message = &reports[&account_key("root", "other")].condition("Ready").unwrap().message;
        assert!(message.contains("is taken") && !message.contains("ada@"), "{message}");
        world.delete(SubAdmin, "root", "ada").await;
        let other = world.again(SubAdmin, "root", "other").await;
        assert!(other.ready(), "{:?}", other.conditions);
    }
}

on_both! {
    async fn outside_root_namespaces_a_manager_of_the_own_namespace_is_required(world) {
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, allowedNamespaces: {from: All}}").await;
        let reports = world.apply("
kind: Tenant
metadata: {namespace: customer, name: north}
spec: {parentRef: {name: acme, namespace: root}}
---
kind: Tenant
metadata: {namespace: customer, name: south}
spec: {parentRef: {name: acme, namespace: root}, managedByRef: {name: ada, namespace: root}}").await;
        assert_eq!(reason(&reports, Tenant, "customer", "north"), "ManagerRequired");
        assert_eq!(reason(&reports, Tenant, "customer", "south"), "ManagerRequired");
    }
}

on_both! {
    async fn deleting_a_manager_passes_on_what_it_managed(world) {
        world.apply(ACME).await;
        world.apply(&admin("kim", "ada", "tier: Admin")).await;
        world.apply(&admin("bob", "kim", "tier: Basic")).await;
        assert!(world.delete(SubAdmin, "root", "kim").await.finished);
        let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        let ada = tx.account_named("ada").await.unwrap().unwrap().account.id;
        let bob = tx.account_named("bob").await.unwrap().unwrap().account;
        assert_eq!(bob.managed_by, Some(ada));
        assert!(tx.manages(ada, bob.id).await.unwrap());
    }
}

on_both! {
    async fn r6_a_reassignment_that_was_refused_is_made_up_for(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        all_ready(&world.apply(&admin("kim", "ada", "tier: Admin, permissions: {allow: [{resources: [device], operations: [view]}]}")).await);
        all_ready(&world.apply(&admin("bob", "kim", "roles: [{name: operator}]")).await);
        world.apply(&OPERATOR.replace("[view]", "[view, operate]")).await;
        world.annotate(SubAdmin, "root", "bob", "reassign-roles", "1");
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert_eq!(bob.condition("Ready").unwrap().reason.as_str(), "AuthorityLost", "kim may not operate");
        assert!(bob.status.get("lastHandledReassign").is_none());
        let reports = world.apply(&admin("kim", "ada", "tier: Admin, permissions: {allow: [{resources: [device], operations: ['*']}]}")).await;
        let bob = &reports[&account_key("root", "bob")];
        assert!(bob.ready() && bob.condition("RolesOutdated").is_none(), "{:?}", bob.conditions);
        assert_eq!(bob.status["lastHandledReassign"], "1");
    }
}

on_both! {
    async fn r3_a_role_given_back_makes_room_for_who_waits(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, limits: {accounts: {byRole: [{roleRef: {name: operator}, max: 1}]}}}").await;
        all_ready(&world.apply(&admin("bob", "ada", "roles: [{name: operator}]")).await);
        let reports = world.apply(&admin("eve", "ada", "roles: [{name: operator}]")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "QuotaExceeded");
        let reports = world.apply(&admin("bob", "ada", "enabled: true")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "Reconciled");
        let acme = world.again(Tenant, "root", "acme").await;
        let line = acme.status["quota"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((line["used"].clone(), line["limit"].clone()), (1.into(), 1.into()));
    }
}
