//! R9 and the absence of deadlocks: everything can be deleted at once, in
//! every order.

use crate::on_both;
use crate::world::{ACME, World, all_ready};
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
        assert_eq!(crate::world::reason(&reports, Kind::Tenant, "root", "acme"), "AlreadyExists");
        world.annotate(Kind::Tenant, "root", "acme", "adopt", "true");
        let adopted = world.again(Kind::Tenant, "root", "acme").await;
        assert!(adopted.ready(), "{:?}", adopted.conditions);
    }
}
