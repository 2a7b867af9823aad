//! R6: templates with revisions, copied on assignment; R5: individual access as
//! status shows it.

use crate::on_both;
use crate::world::{ACME, all_ready, reason};
use tenantry::domain::authority::account_key;
use tenantry::domain::object::Kind::{Role, SubAdmin};
use tenantry::domain::object::ObjectKey;
use tenantry::engine::Report;

fn role(operations: &str, more: &str) -> String {
    format!("
kind: Role
metadata: {{namespace: root, name: operator}}
spec: {{tenantRef: {{name: acme}}, permissions: {{allow: [{{resources: [device], operations: [{operations}]}}]}}, {more}}}")
}

fn account(name: &str, more: &str) -> String {
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, username: {name}, email: {name}@example.org, {more}}}"
    )
}

const BEARER: &str = "roles: [{name: operator}]";

fn revision(report: &Report) -> String {
    report.status["roles"][0]["revision"].as_str().unwrap().to_owned()
}

fn latest(report: &Report) -> String {
    report.status["roles"][0]["latest"].as_str().unwrap().to_owned()
}

fn behind(report: &Report) -> bool {
    let condition = report.condition("RolesOutdated").is_some_and(|c| c.status);
    assert_eq!(report.status["roles"][0]["outdated"], condition, "status and condition agree");
    condition
}

fn shown(role: &Report) -> (String, i64, i64, i64) {
    let number = |field: &str| role.status[field].as_i64().unwrap();
    (
        role.status["revision"].as_str().unwrap().to_owned(),
        number("number"),
        number("assigned"),
        number("outdated"),
    )
}

/// What the account may do by its copy, as the database has it.
async fn operations(world: &crate::world::World, name: &str) -> String {
    let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
    let found = tx.account_named(name).await.unwrap().unwrap();
    let rules = &found.roles[0].content.permissions.allow;
    let operations = rules.iter().flat_map(|rule| &rule.operations);
    operations.map(tenantry::domain::permission::Pattern::as_str).collect::<Vec<_>>().join(" ")
}

on_both! {
    async fn r6_a_revision_goes_back_when_the_content_does(world) {
        world.apply(ACME).await;
        world.apply(&role("view", "")).await;
        world.apply(&account("bob", BEARER)).await;
        let (a, number, assigned, outdated) = shown(&world.again(Role, "root", "operator").await);
        assert_eq!((number, assigned, outdated), (1, 1, 0));
        world.apply(&role("view, operate", "")).await;
        let (b, number, _, outdated) = shown(&world.again(Role, "root", "operator").await);
        assert_eq!((number, outdated), (2, 1));
        assert_ne!(a, b);
        assert!(behind(&world.again(SubAdmin, "root", "bob").await));
        let reports = world.apply(&role("view", "")).await;
        assert!(!behind(&reports[&account_key("root", "bob")]));
        assert_eq!(shown(&world.again(Role, "root", "operator").await), (a, 1, 1, 0));
        world.apply(&role("manage", "")).await;
        assert_eq!(shown(&world.again(Role, "root", "operator").await).1, 3, "a number is never given twice");
    }
}

on_both! {
    async fn r6_a_pin_beats_the_annotation_and_immediate_propagation(world) {
        world.apply(ACME).await;
        world.apply(&role("view", "")).await;
        let reports = world.apply(&account("bob", BEARER)).await;
        let first = revision(&reports[&account_key("root", "bob")]);
        all_ready(&world.apply(&account("bob", &format!("roles: [{{name: operator, revision: '{first}'}}]"))).await);
        world.apply(&role("view, operate", "propagation: Immediate")).await;
        world.annotate(SubAdmin, "root", "bob", "reassign-roles", "now");
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert_eq!((revision(&bob), behind(&bob)), (first.clone(), true));
        assert_eq!(operations(&world, "bob").await, "view");
        let second = latest(&bob);
        world.apply(&role("manage", "propagation: Immediate")).await;
        let reports = world.apply(&account("bob", &format!("roles: [{{name: operator, revision: '{second}'}}]"))).await;
        assert_eq!(revision(&reports[&account_key("root", "bob")]), second, "an earlier revision can be pinned");
        assert_eq!(operations(&world, "bob").await, "view operate");
        let reports = world.apply(&account("bob", BEARER)).await;
        assert!(!behind(&reports[&account_key("root", "bob")]), "without the pin, Immediate takes effect");
        assert_eq!(operations(&world, "bob").await, "manage");
    }
}

on_both! {
    async fn r6_an_unknown_revision_keeps_the_copy_and_heals_when_the_role_has_it(world) {
        world.apply(ACME).await;
        world.apply(&role("view, operate", "")).await;
        let known = shown(&world.again(Role, "root", "operator").await).0;
        assert!(world.delete(Role, "root", "operator").await.finished);
        world.apply(&role("view", "")).await;
        world.apply(&account("bob", BEARER)).await;
        let reports = world.apply(&account("bob", &format!("roles: [{{name: operator, revision: '{known}'}}]"))).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "RevisionUnknown");
        assert_eq!(operations(&world, "bob").await, "view");
        let reports = world.apply(&role("view, operate", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "Reconciled", "the content is what makes a revision");
        assert_eq!(operations(&world, "bob").await, "view operate");
    }
}

on_both! {
    async fn r6_any_new_value_of_the_annotation_reassigns_and_one_from_the_beginning_does_not(world) {
        world.apply(ACME).await;
        world.apply(&role("view", "")).await;
        let annotated = account("bob", BEARER).replace("name: bob}", "name: bob, annotations: {tenantry.dev/reassign-roles: first}}");
        all_ready(&world.apply(&annotated).await);
        world.apply(&role("operate", "")).await;
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert!(behind(&bob), "a value present at creation counts as handled");
        assert_eq!(bob.status["lastHandledReassign"], "first");
        for (value, operation) in [("second", "operate"), ("first", "manage")] {
            world.annotate(SubAdmin, "root", "bob", "reassign-roles", value);
            let bob = world.again(SubAdmin, "root", "bob").await;
            assert!(!behind(&bob), "{value}");
            assert_eq!(bob.status["lastHandledReassign"], value);
            assert_eq!(operations(&world, "bob").await, operation);
            world.apply(&role("manage", "")).await;
            let bob = world.again(SubAdmin, "root", "bob").await;
            assert_eq!(behind(&bob), value == "second", "the same value does nothing again");
        }
    }
}

on_both! {
    async fn r6_immediate_reaches_every_bearer_but_nobody_exceeds_its_manager(world) {
        world.apply(ACME).await;
        world.apply(&role("view", "propagation: Immediate")).await;
        let kim = |operations: &str| account("kim", &format!("tier: Admin, permissions: {{allow: [{{resources: [device], operations: [{operations}]}}]}}"));
        all_ready(&world.apply(&kim("view")).await);
        all_ready(&world.apply(&account("bob", BEARER)).await);
        all_ready(&world.apply(&account("eve", &format!("managedByRef: {{name: kim}}, {BEARER}"))).await);
        let reports = world.apply(&role("view, operate", "propagation: Immediate")).await;
        assert!(!behind(&reports[&account_key("root", "bob")]));
        assert_eq!(operations(&world, "bob").await, "view operate");
        let eve = &reports[&account_key("root", "eve")];
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "AuthorityLost");
        assert!(eve.condition("Ready").unwrap().message.contains("gives operate on device, which SubAdmin root/kim does not wholly have"), "{:?}", eve.conditions);
        assert!(behind(eve));
        assert_eq!(operations(&world, "eve").await, "view", "the copy stays");
        assert_eq!(shown(&world.again(Role, "root", "operator").await).3, 1);
        let reports = world.apply(&kim("view, operate")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "eve"), "Reconciled");
        assert_eq!(operations(&world, "eve").await, "view operate");
    }
}

on_both! {
    async fn r6_a_role_created_again_is_followed_by_those_who_kept_its_copy(world) {
        world.apply(ACME).await;
        world.apply(&role("view", "")).await;
        world.apply(&account("bob", BEARER)).await;
        assert!(world.delete(Role, "root", "operator").await.finished);
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert!(bob.ready() && bob.status["roles"][0]["latest"].is_null(), "{:?}", bob.status);
        let reports = world.apply(&role("view, operate", "")).await;
        let bob = &reports[&account_key("root", "bob")];
        assert!(bob.ready() && behind(bob));
        assert_eq!(operations(&world, "bob").await, "view");
        let (_, number, assigned, outdated) = shown(&world.again(Role, "root", "operator").await);
        assert_eq!((number, assigned, outdated), (1, 1, 1));
        world.annotate(SubAdmin, "root", "bob", "reassign-roles", "1");
        assert!(!behind(&world.again(SubAdmin, "root", "bob").await));
    }
}

on_both! {
    async fn r6_a_role_of_an_ancestor_in_another_namespace_is_usable_below_and_nowhere_else(world) {
        world.engine = world.rooted(&["root", "east", "west"]);
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, allowedNamespaces: {from: All}}").await;
        world.apply(&role("view", "")).await;
        let inside = |namespace: &str, parent: &str| format!("
kind: Tenant
metadata: {{namespace: {namespace}, name: own}}
spec: {{{parent}}}
---
kind: SubAdmin
metadata: {{namespace: {namespace}, name: u}}
spec: {{tenantRef: {{name: own}}, username: {namespace}, email: {namespace}@example.org, roles: [{{name: operator, namespace: root}}]}}");
        let reports = world.apply(&inside("east", "parentRef: {name: acme, namespace: root}")).await;
        all_ready(&reports);
        assert_eq!(reports[&account_key("east", "u")].status["roles"][0]["namespace"], "root");
        let reports = world.apply(&inside("west", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "west", "u"), "RefNotFound", "in the words of one that does not exist");
        let reports = world.apply(&role("operate", "")).await;
        assert!(behind(&reports[&account_key("east", "u")]));
    }
}

on_both! {
    async fn r6_the_order_in_which_a_role_is_written_and_its_display_name_make_no_revision(world) {
        world.apply(ACME).await;
        world.apply(&role("view, operate", "")).await;
        let before = shown(&world.again(Role, "root", "operator").await);
        world.apply(&role("operate, view, view", "displayName: Operators")).await;
        assert_eq!(shown(&world.again(Role, "root", "operator").await), before);
    }
}

on_both! {
    async fn r6_a_role_gives_its_bearers_administrative_rights_by_the_copy(world) {
        world.apply(ACME).await;
        world.apply(&role("view", "capabilities: [ManageProjects]")).await;
        let key = account_key("root", "bob");
        let rights = |report: &Report| report.status["effective"]["capabilities"].to_string();
        assert_eq!(rights(&world.apply(&account("bob", BEARER)).await[&key]), r#"["ManageProjects"]"#);
        world.apply(&role("view", "")).await;
        let bob = world.again(SubAdmin, "root", "bob").await;
        assert!(behind(&bob));
        assert_eq!(rights(&bob), r#"["ManageProjects"]"#, "the copy counts");
        assert_eq!(rights(&world.apply(&account("bob", "")).await[&key]), "[]");
    }
}

fn access(report: &Report) -> (bool, String) {
    let effective = &report.status["effective"];
    (
        effective["individualAccess"].as_bool().unwrap(),
        effective["individualAccessSource"].as_str().unwrap().to_owned(),
    )
}

on_both! {
    async fn r5_individual_access_follows_override_role_and_manager_and_says_which(world) {
        world.apply(ACME).await;
        let role = |on: bool| role("view", &format!("individualAccess: {on}, propagation: Immediate"));
        let kim = |more: &str| account("kim", &format!("tier: Admin, permissions: {{allow: [{{resources: [device], operations: [view]}}]}}, {more}"));
        let bob = |more: &str| account("bob", &format!("managedByRef: {{name: kim}}, {more}"));
        world.apply(&role(false)).await;
        let key = account_key("root", "bob");
        let is = |on: bool, source: &str| (on, source.to_owned());
        all_ready(&world.apply(&kim("")).await);
        assert_eq!(access(&world.apply(&bob("")).await[&key]), is(false, "None"));
        assert_eq!(access(&world.apply(&bob(BEARER)).await[&key]), is(false, "None"), "off in every role");
        assert_eq!(access(&world.apply(&role(true)).await[&key]), is(true, "Role root/operator"));
        assert_eq!(access(&world.apply(&bob(&format!("{BEARER}, individualAccess: false"))).await[&key]), is(false, "Override"));
        assert_eq!(access(&world.apply(&kim("individualAccess: true")).await[&key]), is(true, "Manager"), "no override escapes it");
        assert_eq!(access(&world.apply(&kim("individualAccess: false")).await[&key]), is(false, "Override"));
        assert_eq!(access(&world.apply(&bob(BEARER)).await[&key]), is(true, "Role root/operator"));
        assert_eq!(access(&world.apply(&role(false)).await[&key]), is(false, "None"));
        assert_eq!(access(&world.apply(&bob("individualAccess: true")).await[&key]), is(true, "Override"));
        // A new manager decides as the former one did.
        all_ready(&world.apply(&account("lee", "tier: Admin")).await);
        let below_lee = account("bob", "managedByRef: {name: lee}, individualAccess: false");
        assert_eq!(access(&world.apply(&below_lee).await[&key]), is(false, "Override"));
        let lee = account("lee", "tier: Admin, individualAccess: true");
        assert_eq!(access(&world.apply(&lee).await[&key]), is(true, "Manager"));
        assert!(world.delete(SubAdmin, "root", "lee").await.finished);
        assert_eq!(reason(&world.apply(&bob("")).await, SubAdmin, "root", "bob"), "Reconciled");
        assert_eq!(access(&world.again(SubAdmin, "root", "bob").await), is(false, "None"));
    }
}

on_both! {
    async fn r5_individual_access_of_a_manager_reaches_everybody_below(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&account("sam", "tier: SuperAdmin")).await);
        all_ready(&world.apply(&account("kim", "tier: Admin, managedByRef: {name: sam}")).await);
        all_ready(&world.apply(&account("bob", "managedByRef: {name: kim}")).await);
        let reports = world.apply(&account("sam", "tier: SuperAdmin, individualAccess: true")).await;
        let bob = |reports: &std::collections::BTreeMap<ObjectKey, Report>| access(&reports[&account_key("root", "bob")]);
        assert_eq!(bob(&reports), (true, "Manager".to_owned()));
        let reports = world.apply(&account("sam", "tier: SuperAdmin")).await;
        assert_eq!(bob(&reports), (false, "None".to_owned()));
    }
}
