//! R3: limits over subtrees of tenants, under races, in words, and healed by
//! whatever makes room.

use std::sync::Arc;

use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::authority::account_key;
use tenantry::domain::object::Kind::{SubAdmin, Tenant};
use tenantry::domain::tenant::key as tenant_key;
use tenantry::engine::Report;

const WRITERS: u8 = 16;

pub(crate) const OPERATOR: &str = "
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, permissions: {allow: [{resources: [device], operations: [view]}]}}";

pub(crate) fn acme(limits: &str) -> String {
    format!(
        "
kind: Tenant
metadata: {{namespace: root, name: acme}}
spec: {{displayName: ACME, limits: {limits}}}"
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

pub(crate) fn account(name: &str, tenant: &str, more: &str) -> String {
    format!(
        "
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, username: {name}, email: {name}@example.org, {more}}}"
    )
}

pub(crate) fn managed(name: &str, tenant: &str, manager: &str, more: &str) -> String {
    account(name, tenant, &format!("managedByRef: {{name: {manager}}}, {more}"))
}

pub(crate) fn message(report: &Report) -> &str {
    &report.condition("Ready").unwrap().message
}

/// What a line of `status.quota` says: limit, used, delegated, available.
pub(crate) fn quota(report: &Report, name: &str) -> [Option<i64>; 4] {
    let lines = report.status["quota"].as_array().unwrap();
    let line = lines.iter().find(|line| line["name"] == name).unwrap();
    ["limit", "used", "delegated", "available"].map(|field| line[field].as_i64())
}

/// Judges the same kind of object sixteen times at once; exactly one may win.
pub(crate) async fn one_wins(world: &mut World, document: impl Fn(u8) -> String, limit: &str) {
    let manifests: Vec<_> = (0..WRITERS).map(|n| world.manifest(&document(n))).collect();
    let outside = Arc::new(std::mem::take(&mut world.outside));
    let mut writers = tokio::task::JoinSet::new();
    for (n, manifest) in (0..WRITERS).zip(manifests) {
        let (engine, outside) = (world.twin(n + 2), outside.clone());
        writers.spawn(async move { engine.reconcile(&manifest, &*outside).await.unwrap() });
    }
    let reports = writers.join_all().await;
    assert_eq!(reports.iter().filter(|report| report.ready()).count(), 1);
    for loser in reports.iter().filter(|report| !report.ready()) {
        assert_eq!(loser.condition("Ready").unwrap().reason.as_str(), "QuotaExceeded");
        assert!(message(loser).contains(limit), "{}", message(loser));
    }
}

on_both! {
    async fn r3_other_tiers_take_nothing_from_the_limit_of_one(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&acme("{accounts: {byTier: [{tier: Admin, max: 1}]}}")).await);
        all_ready(&world.apply(&account("kim", "acme", "tier: Admin")).await);
        for name in ["u1", "u2", "u3"] {
            all_ready(&world.apply(&account(name, "acme", "tier: Basic")).await);
        }
        let reports = world.apply(&account("u1", "acme", "tier: Admin")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "u1"), "QuotaExceeded", "a change of tier counts");
    }
}

on_both! {
    async fn r3_of_sixteen_writers_exactly_one_gets_the_last_account_of_a_tier(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&acme("{accounts: {byTier: [{tier: Admin, max: 1}]}}")).await);
        let limit = "limits.accounts.byTier Admin of Tenant root/acme is 1";
        one_wins(&mut world, |n| account(&format!("w{n}"), "acme", "tier: Admin"), limit).await;
    }
}

on_both! {
    async fn r3_of_sixteen_writers_exactly_one_gets_the_last_account_with_a_role(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        all_ready(&world.apply(&acme("{accounts: {byRole: [{roleRef: {name: operator}, max: 1}]}}")).await);
        let limit = "limits.accounts.byRole root/operator of Tenant root/acme is 1";
        one_wins(&mut world, |n| account(&format!("w{n}"), "acme", "roles: [{name: operator}]"), limit).await;
    }
}

on_both! {
    async fn r3_of_sixteen_writers_exactly_one_gets_the_last_tenant(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&acme("{tenants: 1}")).await);
        let limit = "limits.tenants of Tenant root/acme is 1";
        one_wins(&mut world, |n| tenant(&format!("t{n}"), "acme", ""), limit).await;
    }
}

on_both! {
    async fn r3_of_sixteen_writers_in_different_tenants_exactly_one_gets_the_last_account(world) {
        world.apply(ACME).await;
        all_ready(&world.apply(&acme("{accounts: {total: 2}}")).await);
        for n in 0..WRITERS {
            world.apply(&tenant(&format!("t{n}"), "acme", "")).await;
        }
        let limit = "limits.accounts.total of Tenant root/acme is 2";
        one_wins(&mut world, |n| account(&format!("w{n}"), &format!("t{n}"), ""), limit).await;
    }
}

on_both! {
    async fn r3_a_refusal_names_the_limit_its_holder_and_the_largest_consumers_of_the_own_tenant(world) {
        world.apply(ACME).await;
        for (name, parent) in [("north", "acme"), ("east", "north"), ("west", "north"), ("south", "acme")] {
            world.apply(&tenant(name, parent, "")).await;
        }
        for (name, tenant) in [("n1", "north"), ("e1", "east"), ("e2", "east"), ("w1", "west"), ("s1", "south"), ("s2", "south"), ("s3", "south")] {
            world.apply(&account(name, tenant, "")).await;
        }
        all_ready(&world.apply(&acme("{accounts: {total: 8}}")).await);
        let reports = world.apply(&account("late", "north", "")).await;
        let late = message(&reports[&account_key("root", "late")]);
        assert_eq!(late, "limits.accounts.total of Tenant root/acme is 8 and leaves no room for SubAdmin root/late; \
            the largest consumers in /acme/north are /acme/north/east (2 accounts), /acme/north (1 account), /acme/north/west (1 account); \
            raise the limit or remove something that counts under it");
        let reports = world.apply(&account("late", "acme", "")).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "late"), "QuotaExceeded");
        let late = message(&reports[&account_key("root", "late")]);
        assert!(late.contains("is 8 (8 used)"), "the holder's own accounts may know: {late}");
        assert!(late.contains("/acme/north (4 accounts), /acme/south (3 accounts), /acme (1 account)"), "{late}");
    }
}

on_both! {
    async fn r3_consumers_are_counted_by_what_is_limited(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        world.apply(&tenant("north", "acme", "")).await;
        world.apply(&tenant("east", "north", "")).await;
        world.apply(&account("a", "north", "tier: Admin")).await;
        world.apply(&account("b", "east", "roles: [{name: operator}]")).await;
        let limits = "{accounts: {byTier: [{tier: Admin, max: 1}], byRole: [{roleRef: {name: operator}, max: 1}]}}";
        all_ready(&world.apply(&acme(limits)).await);
        let reports = world.apply(&account("c", "north", "tier: Admin")).await;
        let c = message(&reports[&account_key("root", "c")]);
        assert!(c.contains("in /acme/north are /acme/north (1 account of tier Admin);"), "{c}");
        let reports = world.apply(&account("d", "north", "roles: [{name: operator}]")).await;
        let d = message(&reports[&account_key("root", "d")]);
        assert!(d.contains("are /acme/north/east (1 account with role root/operator);"), "{d}");
    }
}

on_both! {
    async fn r3_a_refused_tenant_says_nothing_about_its_siblings(world) {
        world.apply(ACME).await;
        world.apply(&tenant("north", "acme", "")).await;
        all_ready(&world.apply(&acme("{tenants: 1}")).await);
        let reports = world.apply(&tenant("south", "acme", "")).await;
        let south = message(&reports[&tenant_key("root", "south")]);
        assert!(south.contains("limits.tenants of Tenant root/acme is 1"), "{south}");
        assert!(!south.contains("north") && !south.contains("used"), "{south}");
    }
}

/// The reason of an account that waited, once something else was applied.
pub(crate) async fn after(world: &mut World, documents: &str, waiting: &str) -> String {
    let reports = world.apply(documents).await;
    reason(&reports, SubAdmin, "root", waiting)
}

on_both! {
    async fn r3_whatever_makes_room_heals_who_waits(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: globex}
spec: {}").await;
        world.apply(&tenant("north", "acme", "")).await;
        let late = account("late", "acme", "tier: Admin, roles: [{name: operator}]");

        // The limit is raised.
        world.apply(&acme("{accounts: {total: 1}}")).await;
        assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
        assert_eq!(after(&mut world, &acme("{accounts: {total: 2}}"), "late").await, "Reconciled");
        world.delete(SubAdmin, "root", "late").await;

        // An account's tier changes, then its role.
        for (limits, taker) in [
            ("{accounts: {byTier: [{tier: Admin, max: 1}]}}", "tier: Admin"),
            ("{accounts: {byRole: [{roleRef: {name: operator}, max: 1}]}}", "roles: [{name: operator}]"),
        ] {
            all_ready(&world.apply(&acme(limits)).await);
            all_ready(&world.apply(&account("first", "north", taker)).await);
            assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
            assert_eq!(after(&mut world, &account("first", "north", "enabled: true"), "late").await, "Reconciled");
            world.delete(SubAdmin, "root", "late").await;

            // Something is removed.
            all_ready(&world.apply(&account("first", "north", taker)).await);
            assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
            assert!(world.delete(SubAdmin, "root", "first").await.finished);
            assert!(world.again(SubAdmin, "root", "late").await.ready());
            world.delete(SubAdmin, "root", "late").await;
        }

        // A sub-tenant moves away with what is in it.
        all_ready(&world.apply(&acme("{accounts: {total: 2}}")).await);
        all_ready(&world.apply(&account("first", "north", "")).await);
        assert_eq!(after(&mut world, &late, "late").await, "QuotaExceeded");
        assert_eq!(after(&mut world, &tenant("north", "globex", ""), "late").await, "Reconciled");
    }
}

on_both! {
    async fn r3_a_limit_below_use_refuses_the_whole_edit_and_heals_when_use_falls(world) {
        world.apply(ACME).await;
        world.apply(&account("bob", "acme", "")).await;
        world.apply(&acme("{accounts: {total: 4}}")).await;
        let edit = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: Renamed, enabled: false, limits: {accounts: {total: 1}}}";
        let reports = world.apply(edit).await;
        assert_eq!(reason(&reports, Tenant, "root", "acme"), "LimitBelowUse");
        let refused = &reports[&tenant_key("root", "acme")];
        assert!(message(refused).contains("limits.accounts.total of Tenant root/acme would be 1, but 2 are used; remove 1 account first"), "{}", message(refused));
        assert_eq!(quota(refused, "accounts"), [Some(4), Some(2), Some(0), Some(2)], "the old one stays");
        let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        let acme = tx.tenant_at("/acme").await.unwrap().unwrap();
        assert_eq!((acme.settings.display_name.as_str(), acme.settings.enabled), ("ACME", true));
        drop(tx);
        world.delete(SubAdmin, "root", "bob").await;
        let healed = world.again(Tenant, "root", "acme").await;
        assert!(healed.ready(), "{:?}", healed.conditions);
        assert_eq!(quota(&healed, "accounts"), [Some(1), Some(1), Some(0), Some(0)]);
    }
}

on_both! {
    async fn r3_every_kind_of_limit_is_kept_from_falling_below_use(world) {
        world.apply(ACME).await;
        world.apply(OPERATOR).await;
        world.apply(&tenant("north", "acme", "")).await;
        world.apply(&account("bob", "north", "roles: [{name: operator}]")).await;
        world.import(&[("d1", Some("/acme/north"))]).await;
        for limits in [
            "{devices: 0}", "{tenants: 0}", "{accounts: {total: 1}}",
            "{accounts: {byTier: [{tier: Basic, max: 0}]}}", "{accounts: {byRole: [{roleRef: {name: operator}, max: 0}]}}",
        ] {
            let reports = world.apply(&acme(limits)).await;
            assert_eq!(reason(&reports, Tenant, "root", "acme"), "LimitBelowUse", "{limits}");
        }
        all_ready(&world.apply(&acme("{devices: 1, tenants: 1, accounts: {total: 2, byTier: [{tier: Basic, max: 1}]}}")).await);
    }
}

/// Statements of one pass over a new account.
async fn cost(world: &mut World, name: &str, tenant: &str) -> u64 {
    let manifest = world.manifest(&account(name, tenant, ""));
    let before = world.engine.store().statements();
    assert!(world.pass(&manifest).await.ready());
    world.engine.store().statements() - before
}

on_both! {
    async fn r3_counting_takes_as_many_statements_in_a_deep_and_full_tree_as_in_a_small_one(world) {
        world.apply(ACME).await;
        world.apply(&acme("{accounts: {total: 100}}")).await;
        let small = cost(&mut world, "a", "acme").await;
        let mut parent = "acme".to_owned();
        for depth in 0..8 {
            let name = format!("t{depth}");
            all_ready(&world.apply(&tenant(&name, &parent, "limits: {accounts: {total: 90}, devices: 5}")).await);
            all_ready(&world.apply(&account(&format!("u{depth}"), &name, "")).await);
            parent = name;
        }
        assert_eq!(cost(&mut world, "b", "t7").await, small);
        world.apply(&tenant("t7", "t6", "")).await;
        let globex = "
kind: Tenant
metadata: {namespace: root, name: globex}
spec: {limits: {devices: 5, tenants: 5}}";
        world.apply(globex).await;
        assert!(cost(&mut world, "c", "globex").await < small, "nothing is counted where nothing limits accounts");
    }
}
