//! R9 and the absence of deadlocks: everything can be deleted at once, in
//! every order.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::on_both;
use crate::world::{ACME, World, all_ready, reason};
use tenantry::domain::object::{Kind, ObjectKey};

const INSIDE: &str = "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}}
---
kind: Role
metadata: {namespace: root, name: operator}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, permissions: {allow: [{resources: [device], operations: [view]}]}}
---
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: kim, email: kim@example.org, tier: Admin, roles: [{name: operator}]}
---
kind: DeviceGrant
metadata: {namespace: root, name: fleet}
spec: {tenantRef: {name: acme}, mode: Assign, to: {tenantRef: {name: north}}, devices: {deviceIds: [d1]}}
---
kind: DeviceGrant
metadata: {namespace: root, name: mine}
spec: {tenantRef: {name: north}, mode: Assign, to: {subAdminRefs: [{name: kim}]}, devices: {all: true}}";

async fn fill(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    world.import(&[("d1", Some("/acme"))]).await;
    all_ready(&world.apply(INSIDE).await);
    assert_eq!(world.holders().await["d1"], "/acme/north:kim");
}

/// Every order of four things.
fn orders() -> Vec<[Kind; 4]> {
    let mut orders = vec![];
    for a in Kind::ALL {
        for b in Kind::ALL {
            for c in Kind::ALL {
                for d in Kind::ALL {
                    let order = [a, b, c, d];
                    if Kind::ALL.iter().all(|kind| order.contains(kind)) {
                        orders.push(order);
                    }
                }
            }
        }
    }
    orders
}

on_both! {
    async fn r9_all_four_kinds_deleted_at_once_go_in_every_order(world) {
        for order in orders() {
            fill(&mut world).await;
            let mut keys: Vec<ObjectKey> = world.keys();
            keys.sort_by_key(|key| order.iter().position(|kind| *kind == key.kind));
            assert_eq!(world.delete_all(&keys).await, [], "{order:?}");
            // The inventory is the platform's: the device is there, held by nobody.
            assert_eq!(world.holders().await["d1"], "");
            world.forget_devices().await;
        }
    }
}

on_both! {
    async fn r9_an_owner_and_its_tenant_can_be_deleted_together(world) {
        world.apply(ACME).await;
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, ownerRef: {name: ada}}").await);
        for backwards in [false, true] {
            let mut keys = world.keys();
            if backwards {
                keys.reverse();
            }
            assert_eq!(world.delete_all(&keys).await, []);
            world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, ownerRef: {name: ada}}").await;
            world.apply(ACME.split("\n---\n").nth(1).unwrap()).await;
        }
    }
}

on_both! {
    async fn r9_retained_rows_stay_disabled_and_can_be_adopted(world) {
        world.apply(ACME).await;
        world.apply("
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME, deletionPolicy: Retain}").await;
        assert!(world.delete(Kind::Tenant, "root", "acme").await.finished);
        let again = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME}";
        let reports = world.apply(again).await;
        assert_eq!(reason(&reports, Kind::Tenant, "root", "acme"), "AlreadyExists");
        world.annotate(Kind::Tenant, "root", "acme", "adopt", "true");
        let adopted = world.again(Kind::Tenant, "root", "acme").await;
        assert!(adopted.ready(), "{:?}", adopted.conditions);
    }
}

/// A chain of managers, and something that each of them answers for.
const MANAGED: &str = "
kind: SubAdmin
metadata: {namespace: root, name: lea}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, username: lea, email: lea@example.org, tier: SuperAdmin, manageableDevices: 5}
---
kind: SubAdmin
metadata: {namespace: root, name: pat}
spec: {tenantRef: {name: north}, managedByRef: {name: lea}, username: pat, email: pat@example.org, manageableDevices: 2, groups: [crew]}
---
kind: DeviceGrant
metadata: {namespace: root, name: crew}
spec: {tenantRef: {name: north}, managedByRef: {name: lea}, mode: Share, to: {groups: [crew]}, devices: {all: true}, permissions: {allow: [{resources: [device], operations: [view]}]}}";

on_both! {
    async fn r9_everything_deleted_at_once_goes_in_any_order(world) {
        let mut random = StdRng::seed_from_u64(9);
        for _ in 0..12 {
            fill(&mut world).await;
            all_ready(&world.apply(MANAGED).await);
            let mut keys = world.keys();
            keys.shuffle(&mut random);
            assert_eq!(world.delete_all(&keys).await, [], "{keys:?}");
            world.forget_devices().await;
        }
    }
}

on_both! {
    async fn r9_one_after_the_other_whoever_manages_whom(world) {
        let mut random = StdRng::seed_from_u64(10);
        for _ in 0..6 {
            fill(&mut world).await;
            all_ready(&world.apply(MANAGED).await);
            let mut keys = world.keys();
            keys.shuffle(&mut random);
            for key in &keys {
                world.delete(key.kind, &key.namespace, &key.name).await;
            }
            world.settle().await;
            assert_eq!(world.keys(), [], "{keys:?}");
            world.forget_devices().await;
        }
    }
}

on_both! {
    async fn r9_what_was_cascaded_does_not_come_back_by_itself(world) {
        fill(&mut world).await;
        let north = "
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}, managedByRef: {name: ada}, deletionPolicy: Cascade}";
        all_ready(&world.apply(north).await);
        let asked = world.delete(Kind::Tenant, "root", "north").await;
        let digest = asked.impact_digest().unwrap().to_owned();
        world.annotate(Kind::Tenant, "root", "north", "confirm-delete", &digest);
        assert!(world.again(Kind::Tenant, "root", "north").await.finished);
        world.forget(Kind::Tenant, "root", "north");

        // Kim's object and the grant's are left over; the tenant comes anew.
        let reports = world.apply(north).await;
        all_ready(&[(ObjectKey::new(Kind::Tenant, "root", "north"), reports[&ObjectKey::new(Kind::Tenant, "root", "north")].clone())].into());
        for kind in [Kind::SubAdmin, Kind::DeviceGrant] {
            let name = if kind == Kind::SubAdmin { "kim" } else { "mine" };
            let left = world.again(kind, "root", name).await;
            let said = left.condition("Ready").unwrap();
            assert_eq!(said.reason.to_string(), "TenantGone", "{}", said.message);
            assert!(said.message.contains("delete") && said.message.contains("adopt"), "{}", said.message);
            assert!(left.condition("Stalled").is_some() && left.applied_generation.is_none());
        }
        // Nor after an edit; but with `adopt`, and once created it needs it no more.
        let edited = "
kind: SubAdmin
metadata: {namespace: root, name: kim}
spec: {tenantRef: {name: north}, managedByRef: {name: ada}, username: kim, email: kim@example.org, tier: Basic}";
        assert_eq!(reason(&world.apply(edited).await, Kind::SubAdmin, "root", "kim"), "TenantGone");
        world.annotate(Kind::SubAdmin, "root", "kim", "adopt", "true");
        assert!(world.again(Kind::SubAdmin, "root", "kim").await.ready());
        world.annotate(Kind::SubAdmin, "root", "kim", "adopt", "");
        assert!(world.again(Kind::SubAdmin, "root", "kim").await.ready());
        // What nobody wants back can simply be deleted.
        assert!(world.delete(Kind::DeviceGrant, "root", "mine").await.finished);
    }
}

on_both! {
    async fn r9_whoever_was_managed_from_inside_a_tenant_that_goes_is_managed_by_the_next_above(world) {
        let tenant = |name: &str, more: &str| format!("
kind: Tenant
metadata: {{namespace: root, name: {name}}}
spec: {{{more}}}");
        let account = |name: &str, tenant: &str, manager: &str, more: &str| format!("
kind: SubAdmin
metadata: {{namespace: root, name: {name}}}
spec: {{tenantRef: {{name: {tenant}}}, managedByRef: {{name: {manager}}}, username: {name}, email: {name}@example.org, {more}}}");
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply(&tenant("north", "parentRef: {name: acme}, ownerRef: {name: mim}")).await);
        all_ready(&world.apply(&tenant("east", "parentRef: {name: north}")).await);
        all_ready(&world.apply(&account("gus", "acme", "ada", "tier: SuperAdmin, manageableDevices: 5")).await);
        all_ready(&world.apply(&account("mim", "north", "gus", "tier: Admin")).await);
        all_ready(&world.apply(&account("cal", "east", "mim", "manageableDevices: 2")).await);
        world.apply(&tenant("east", "parentRef: {name: acme}")).await;
        assert!(world.delete(Kind::Tenant, "root", "north").await.finished);
        let manager = "SELECT m.name FROM account c JOIN account m ON m.id = c.managed_by WHERE c.name = 'cal'";
        assert_eq!(world.by_hand(manager).await.as_deref(), Some("gus"));
        // Itself, gus and ada, without a gap.
        let line = "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(CAST(sum(a.distance) AS INTEGER) AS TEXT) FROM account_ancestor a JOIN account c ON c.id = a.account_id WHERE c.name = 'cal'";
        assert_eq!(world.by_hand(line).await.as_deref(), Some("3 3"));
        let gus = world.again(Kind::SubAdmin, "root", "gus").await;
        assert_eq!(gus.status["quota"][0]["delegated"], 2);
    }
}

on_both! {
    async fn r9_a_disabled_row_is_taken_over_only_on_request_and_keeps_its_password(world) {
        world.outside.secrets.insert(
            ("root".to_owned(), "kim".to_owned()),
            ("password".to_owned(), [("password".to_owned(), "violet anchors hum over gravel".to_owned())].into()),
        );
        fill(&mut world).await;
        let kim = "
kind: SubAdmin
metadata: {namespace: root, name: lou}
spec: {tenantRef: {name: acme}, managedByRef: {name: ada}, username: lou, email: lou@example.org, emailVerified: true, passwordSecretRef: {name: kim}, deletionPolicy: Disable}";
        all_ready(&world.apply(kim).await);
        let hash = world.password_of("lou").await;
        assert!(hash.is_some());
        assert!(world.delete(Kind::SubAdmin, "root", "lou").await.finished);
        assert_eq!(world.password_of("lou").await, hash);

        assert_eq!(reason(&world.apply(kim).await, Kind::SubAdmin, "root", "lou"), "AlreadyExists");
        world.outside.secrets.get_mut(&("root".to_owned(), "kim".to_owned())).unwrap().1.insert("password".to_owned(), "another long enough phrase".to_owned());
        world.annotate(Kind::SubAdmin, "root", "lou", "adopt", "true");
        let adopted = world.again(Kind::SubAdmin, "root", "lou").await;
        assert!(adopted.ready(), "{:?}", adopted.conditions);
        assert_eq!(world.password_of("lou").await, hash);
    }
}

on_both! {
    async fn r9_taking_an_account_over_proves_no_address(world) {
        world.outside.secrets.insert(
            ("root".to_owned(), "lou".to_owned()),
            ("password".to_owned(), [("password".to_owned(), "violet anchors hum over gravel".to_owned())].into()),
        );
        fill(&mut world).await;
        let lou = |more: &str| format!("
kind: SubAdmin
metadata: {{namespace: root, name: lou}}
spec: {{tenantRef: {{name: acme}}, username: lou, email: lou@example.org, passwordSecretRef: {{name: lou}}, deletionPolicy: Disable, {more}}}");
        let activated = |report: &tenantry::engine::Report| report.condition("Activated").unwrap().status;
        all_ready(&world.apply(&lou("")).await);
        assert!(world.delete(Kind::SubAdmin, "root", "lou").await.finished);
        let mails = "SELECT CAST(count(*) AS text) FROM outbox";
        let before = world.by_hand(mails).await;
        world.apply(&lou("emailVerified: true")).await;
        world.annotate(Kind::SubAdmin, "root", "lou", "adopt", "true");
        let adopted = world.again(Kind::SubAdmin, "root", "lou").await;
        assert!(adopted.ready() && !activated(&adopted), "{:?}", adopted.conditions);
        assert_ne!(world.by_hand(mails).await, before, "the person is asked");
        // Nor by looking at it again.
        assert!(!activated(&world.again(Kind::SubAdmin, "root", "lou").await));
        assert_eq!(world.once(Kind::SubAdmin, "root", "lou").await.action, tenantry::engine::Action::Unchanged);
    }
}
