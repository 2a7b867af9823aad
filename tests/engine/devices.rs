//! Grants: assigning, sharing, pending ids, conflicts, limits.

use crate::on_both;
use crate::world::{ACME, all_ready, reason};
use tenantry::domain::object::Kind::DeviceGrant;
use tenantry::domain::object::ObjectKey;

const NORTH: &str = "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, limits: {devices: 3}}";

fn assign(name: &str, to: &str, devices: &str) -> String {
    format!(
        "
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, mode: Assign, to: {{tenantRef: {{name: {to}}}}}, devices: {devices}}}"
    )
}

on_both! {
    async fn assigned_devices_move_and_pending_ones_follow_when_they_appear(world) {
        world.apply(ACME).await;
        world.apply(NORTH).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let reports = world.apply(&assign("g", "north", "{deviceIds: [d1, d2], unitIds: [u-d3]}")).await;
        let key = ObjectKey::new(DeviceGrant, "root", "g");
        assert!(reports[&key].ready() && reports[&key].condition("DevicesPending").unwrap().status);
        assert_eq!(reports[&key].status["devices"]["applied"], 1);
        world.import(&[("d2", Some("/acme")), ("d3", Some("/acme"))]).await;
        let reports = world.settle().await;
        assert!(reports[&key].condition("DevicesPending").is_none(), "{:?}", reports[&key]);
        assert_eq!(reports[&key].status["devices"]["applied"], 3);
        assert!(world.holders().await.values().all(|h| h == "/acme/north"));
        assert!(world.delete(DeviceGrant, "root", "g").await.finished);
        assert!(world.holders().await.values().all(|h| h == "/acme"), "they return to the giver");
    }
}

on_both! {
    async fn r3_a_limit_applies_devices_in_order_of_id_and_refuses_the_rest(world) {
        world.apply(ACME).await;
        world.apply(NORTH).await;
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme")), ("d3", Some("/acme")), ("d4", Some("/acme"))]).await;
        let reports = world.apply(&assign("g", "north", "{all: true}")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "g"), "QuotaExceeded");
        let holders = world.holders().await;
        assert_eq!((holders["d3"].as_str(), holders["d4"].as_str()), ("/acme/north", "/acme"));
        let reports = world.apply(&NORTH.replace("devices: 3", "devices: 4")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "g"), "Reconciled");
        assert_eq!(world.holders().await["d4"], "/acme/north");
    }
}

on_both! {
    async fn of_two_grants_for_one_device_the_older_holds_and_the_other_takes_over(world) {
        world.apply(ACME).await;
        world.apply(NORTH).await;
        world.apply(&NORTH.replace("north", "south")).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let aged = |name: &str, to: &str, at: &str| {
            let named = format!("namespace: root, name: {name}");
            assign(name, to, "{deviceIds: [d1]}").replace(&named, &format!("{named}, creationTimestamp: '{at}'"))
        };
        let reports = world.apply(&aged("young", "south", "2026-02-01T00:00:00Z")).await;
        all_ready(&reports);
        let reports = world.apply(&aged("old", "north", "2026-01-01T00:00:00Z")).await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "old"), "Reconciled");
        assert_eq!(reason(&reports, DeviceGrant, "root", "young"), "Conflict");
        assert_eq!(world.holders().await["d1"], "/acme/north");
        assert!(world.delete(DeviceGrant, "root", "old").await.finished);
        assert_eq!(world.holders().await["d1"], "/acme/south");
    }
}

on_both! {
    async fn ending_an_assign_ends_what_the_receiver_handed_on(world) {
        world.apply(ACME).await;
        world.apply(NORTH).await;
        world.apply("
kind: SubAdmin
metadata: {namespace: root, name: nan}
spec: {tenantRef: {name: north}, username: nan, email: nan@example.org, manageableDevices: 1}").await;
        world.import(&[("d1", Some("/acme"))]).await;
        world.apply(&assign("first", "north", "{deviceIds: [d1]}")).await;
        let reports = world.apply("
kind: DeviceGrant
metadata: {namespace: root, name: second}
spec: {tenantRef: {name: north}, mode: Assign, to: {subAdminRefs: [{name: nan}]}, devices: {deviceIds: [d1]}}").await;
        assert_eq!(reason(&reports, DeviceGrant, "root", "second"), "Reconciled");
        assert_eq!(world.holders().await["d1"], "/acme/north:nan");
        world.delete(DeviceGrant, "root", "first").await;
        assert_eq!(world.holders().await["d1"], "/acme");
        let second = world.again(DeviceGrant, "root", "second").await;
        assert_eq!(second.status["devices"]["pending"], 1);
    }
}

on_both! {
    async fn a_share_leaves_the_devices_where_they_are(world) {
        world.apply(ACME).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let reports = world.apply("
kind: DeviceGrant
metadata: {namespace: root, name: s}
spec: {tenantRef: {name: acme}, mode: Share, to: {groups: [field]}, devices: {selector: {matchLabels: {site: north}}}, permissions: {allow: [{resources: [device], operations: [view]}]}}").await;
        all_ready(&reports);
        assert_eq!(reports[&ObjectKey::new(DeviceGrant, "root", "s")].status["devices"]["applied"], 1);
        assert_eq!(world.holders().await["d1"], "/acme");
    }
}

on_both! {
    async fn a_grant_whose_receiver_is_gone_gives_nothing_and_says_so(world) {
        world.apply(ACME).await;
        world.apply("
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: acme}, username: kim, email: kim@example.org}").await;
        world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
        for (name, device) in [("one", "d1"), ("two", "d2")] {
            all_ready(&world.apply(&format!("
kind: DeviceGrant
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: acme}}, mode: Assign, to: {{subAdminRefs: [{{name: kim}}]}}, devices: {{deviceIds: [{device}]}}}}")).await);
        }
        assert_eq!(world.holders().await["d1"], "/acme:kim");
        assert!(world.delete(tenantry::domain::object::Kind::SubAdmin, "root", "kim").await.finished);
        let grant = world.again(DeviceGrant, "root", "one").await;
        assert_eq!(grant.condition("Ready").unwrap().reason.as_str(), "RefNotFound");
        assert_eq!(grant.status["devices"]["applied"], 0);
        assert_eq!(world.holders().await["d1"], "/acme");
        let writes = world.engine.store().writes();
        world.again(DeviceGrant, "root", "one").await;
        assert_eq!(world.engine.store().writes(), writes);
    }
}

on_both! {
    async fn a_grant_has_no_effect_outside_its_times(world) {
        world.apply(ACME).await;
        world.apply(NORTH).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let timed = |times: &str| assign("g", "north", "{deviceIds: [d1]}").replace("mode: Assign", &format!("mode: Assign, {times}"));
        let reports = world.apply(&timed("notBefore: '2999-01-01T00:00:00Z'")).await;
        let key = ObjectKey::new(DeviceGrant, "root", "g");
        assert_eq!(reports[&key].condition("Active").unwrap().reason.as_str(), "NotYet");
        assert_eq!(world.holders().await["d1"], "/acme");
        world.apply(&timed("expiresAt: '2999-01-01T00:00:00Z'")).await;
        assert_eq!(world.holders().await["d1"], "/acme/north");
        let reports = world.apply(&timed("expiresAt: '2001-01-01T00:00:00Z'")).await;
        assert_eq!(reports[&key].condition("Active").unwrap().reason.as_str(), "Expired");
        assert_eq!(world.holders().await["d1"], "/acme");
        world.apply(&timed("reclaim: Retain, expiresAt: '2999-01-01T00:00:00Z'")).await;
        world.apply(&timed("reclaim: Retain, expiresAt: '2001-01-01T00:00:00Z'")).await;
        assert_eq!(world.holders().await["d1"], "/acme/north", "retained");
    }
}

on_both! {
    async fn changing_the_receiver_transfers_the_devices(world) {
        world.apply(ACME).await;
        world.apply(NORTH).await;
        world.apply(&NORTH.replace("north", "south")).await;
        world.import(&[("d1", Some("/acme"))]).await;
        all_ready(&world.apply(&assign("g", "north", "{deviceIds: [d1]}")).await);
        all_ready(&world.apply(&assign("g", "south", "{deviceIds: [d1]}")).await);
        assert_eq!(world.holders().await["d1"], "/acme/south");
    }
}
