//! Tenants: nesting, namespaces, limits, removal (R3, R4, R9).

use crate::on_both;
use crate::world::{ACME, all_ready, reason};
use tenantry::domain::object::Kind::{SubAdmin, Tenant};
use tenantry::engine::Action;

on_both! {
    async fn a_nested_tenant_waits_for_its_parent_and_wakes_when_it_appears(world) {
        let first = world.apply("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}}").await;
        assert_eq!(reason(&first, Tenant, "root", "north"), "RefNotFound");
        let then = world.apply(ACME).await;
        all_ready(&then);
        let north = &then[&tenantry::domain::tenant::key("root", "north")];
        assert_eq!(north.status["path"], "/acme/north");
    }
}

on_both! {
    async fn a_second_pass_changes_nothing_and_writes_nothing(world) {
        world.apply(ACME).await;
        world.again(SubAdmin, "root", "ada").await;
        let writes = world.engine.store().writes();
        for _ in 0..3 {
            let tenant = world.again(Tenant, "root", "acme").await;
            assert_eq!(tenant.action, Action::Unchanged);
            world.again(SubAdmin, "root", "ada").await;
        }
        assert_eq!(world.engine.store().writes(), writes);
    }
}

on_both! {
    async fn r4_a_root_tenant_outside_root_namespaces_is_refused(world) {
        let reports = world.apply("
kind: Tenant
metadata: {namespace: elsewhere, name: own}
spec: {}").await;
        assert_eq!(reason(&reports, Tenant, "elsewhere", "own"), "RootNotAllowed");
    }
}

on_both! {
    async fn cycles_of_parents_are_refused_whether_or_not_they_were_ever_in_force(world) {
        let reports = world.apply("
kind: Tenant
metadata: {namespace: root, name: a}
spec: {parentRef: {name: b}}
---
kind: Tenant
metadata: {namespace: root, name: b}
spec: {parentRef: {name: a}}").await;
        assert_eq!(reason(&reports, Tenant, "root", "b"), "ParentCycle");
        assert_eq!(reason(&reports, Tenant, "root", "a"), "ParentCycle");
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}}").await;
        let reports = world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, parentRef: {name: north}}").await;
        assert_eq!(reason(&reports, Tenant, "root", "acme"), "ParentCycle");
        let acme = &reports[&tenantry::domain::tenant::key("root", "acme")];
        assert_eq!(acme.applied_generation, Some(1), "the last good state stays in force");
    }
}

on_both! {
    async fn r3_a_full_tenant_refuses_and_heals_when_the_limit_is_raised(world) {
        world.apply(ACME).await;
        let limited = |n: i64| format!("
kind: Tenant
metadata: {{namespace: root, name: acme}}
spec: {{displayName: ACME, limits: {{accounts: {{total: {n}}}}}}}");
        all_ready(&world.apply(&limited(1)).await);
        let reports = world.apply("
kind: SubAdmin
metadata: {namespace: root, name: bob}
spec: {tenantRef: {name: acme}, username: bob, email: bob@example.org, tier: Basic}").await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "QuotaExceeded");
        let reports = world.apply(&limited(2)).await;
        assert_eq!(reason(&reports, SubAdmin, "root", "bob"), "Reconciled");
        let reports = world.apply(&limited(1)).await;
        assert_eq!(reason(&reports, Tenant, "root", "acme"), "LimitBelowUse");
    }
}

on_both! {
    async fn r4_disabling_a_tenant_blocks_everybody_below_at_once(world) {
        world.apply(ACME).await;
        let reports = world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, enabled: false}").await;
        let ada = &reports[&tenantry::domain::authority::account_key("root", "ada")];
        assert_eq!(ada.status["phase"], "Blocked");
    }
}

on_both! {
    async fn r9_refuse_waits_for_the_contents_and_goes_on_when_they_are_gone(world) {
        world.apply(ACME).await;
        let waiting = world.delete(Tenant, "root", "acme").await;
        assert!(!waiting.finished);
        assert_eq!(waiting.condition("Ready").unwrap().reason.as_str(), "NotEmpty");
        assert!(world.delete(SubAdmin, "root", "ada").await.finished);
        assert!(world.apply(ACME).await.values().all(tenantry::engine::Report::ready), "all can be created again");
    }
}

on_both! {
    async fn r9_a_cascade_needs_the_digest_of_what_goes(world) {
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, deletionPolicy: Cascade}").await;
        let waiting = world.delete(Tenant, "root", "acme").await;
        assert_eq!(waiting.condition("Ready").unwrap().reason.as_str(), "ConfirmationRequired");
        let digest = waiting.impact_digest().unwrap().to_owned();
        world.annotate(Tenant, "root", "acme", "confirm-delete", "wrong");
        assert!(!world.again(Tenant, "root", "acme").await.finished);
        world.annotate(Tenant, "root", "acme", "confirm-delete", &digest);
        let done = world.again(Tenant, "root", "acme").await;
        assert!(done.finished);
        let mut tx = world.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        assert_eq!(tx.account_named("ada").await.unwrap(), None, "personal data is gone");
    }
}

on_both! {
    async fn r4_a_refused_move_changes_nothing_and_a_withdrawn_admission_denies(world) {
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: globex}
spec: {}
---
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, allowedNamespaces: {from: Selector, selector: {matchLabels: {open: 'yes'}}}}").await;
        world.engine = world.rooted(&["root", "other"]);
        world.outside.namespaces.insert("other".into(), [("open".to_owned(), "yes".to_owned())].into());
        let north = |parent: &str| format!("
kind: Tenant
metadata: {{namespace: other, name: north}}
spec: {{parentRef: {{name: {parent}, namespace: root}}}}
---
kind: SubAdmin
metadata: {{namespace: other, name: nan}}
spec: {{tenantRef: {{name: north}}, username: nan, email: nan@example.org}}");
        all_ready(&world.apply(&north("acme")).await);
        let phase = |report: &tenantry::engine::Report| report.status["phase"].as_str().unwrap().to_owned();
        let reports = world.apply(&north("globex")).await;
        assert_eq!(reason(&reports, Tenant, "other", "north"), "RefNotPermitted");
        assert_eq!(phase(&world.again(SubAdmin, "other", "nan").await), "Pending", "it still stands below acme");
        let shut = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME}";
        all_ready(&world.apply(&north("acme")).await);
        let reports = world.apply(shut).await;
        assert_eq!(reason(&reports, Tenant, "other", "north"), "RefNotPermitted");
        assert_eq!(phase(&world.again(SubAdmin, "other", "nan").await), "Blocked");
        // Pausing is no way around it: admission is the parent's to give.
        let open = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, allowedNamespaces: {from: All}}";
        world.apply(open).await;
        assert_eq!(phase(&world.again(SubAdmin, "other", "nan").await), "Pending");
        world.annotate(Tenant, "other", "north", "paused", "true");
        world.again(Tenant, "other", "north").await;
        world.apply(shut).await;
        assert_eq!(phase(&world.again(SubAdmin, "other", "nan").await), "Blocked");
    }
}

on_both! {
    async fn r9_the_policy_may_be_changed_while_a_deletion_waits(world) {
        world.apply(ACME).await;
        assert!(!world.delete(Tenant, "root", "acme").await.finished);
        world.respecify("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, deletionPolicy: Retain}");
        assert!(world.again(Tenant, "root", "acme").await.finished);
    }
}

on_both! {
    async fn a_place_that_another_source_manages_is_managed_elsewhere(world) {
        world.apply(ACME).await;
        let acme = world.manifest("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: Theirs}");
        let report = world.other_source().reconcile(&acme, &world.outside).await.unwrap();
        assert_eq!(report.condition("Ready").unwrap().reason.as_str(), "ManagedElsewhere");
    }
}

on_both! {
    async fn tenants_nest_as_deep_as_their_names_are_long(world) {
        all_ready(&world.apply(ACME).await);
        let mut above = "acme".to_owned();
        let mut seed = 7_u32;
        for level in 0..18 {
            // Nothing that a database could compress.
            let noise: String = (0..240)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    char::from_digit((seed >> 16) % 36, 36).unwrap()
                })
                .collect();
            let name = format!("l{level:02}{noise}e");
            let reports = world.apply(&crate::fleet::tenant(&name, &above, "")).await;
            all_ready(&reports);
            above = name;
        }
        let deepest = world.again(Tenant, "root", &above).await;
        let path = deepest.status["path"].as_str().unwrap();
        assert!(path.ends_with(&above) && path.starts_with('…') && path.chars().count() == 4096, "{path}");
        let status = serde_json::json!({"path": path, "observedGeneration": 1});
        assert_eq!(tenantry::api::validate::faults_in_status(tenantry::api::Kind::Tenant, &status), vec![]);
        // The place is taken for whoever else wants it.
        let twin = crate::fleet::tenant("l00", "acme", "");
        all_ready(&world.apply(&twin).await);
    }
}
