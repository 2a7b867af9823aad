//! What becomes of the devices when an Assign ends, in every way in which one
//! can end: they return to whoever gave them, or stay where they are.

use crate::fleet::{account, aged, grant, holder, lands, tenant, to_account, to_tenant, why};
use crate::on_both;
use crate::world::{World, all_ready};
use tenantry::domain::object::Kind::{DeviceGrant, SubAdmin, Tenant};

const RECLAIMS: [(&str, bool); 2] = [("reclaim: ReturnToGrantor", false), ("reclaim: Retain", true)];

async fn fleet(world: &mut World) {
    lands(world).await;
    world.import(&[("d1", Some("/acme")), ("d2", Some("/acme"))]).await;
}

on_both! {
    async fn a_deleted_assign_returns_its_devices_or_leaves_them(world) {
        fleet(&mut world).await;
        for (reclaim, kept) in RECLAIMS {
            all_ready(&world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1]}", reclaim)).await);
            assert!(world.delete(DeviceGrant, "root", "g").await.finished);
            assert_eq!(holder(&world, "d1").await, if kept { "/acme/north" } else { "/acme" });
        }
        // Whoever kept it may hand it on, and whoever gave it may give it again.
        all_ready(&world.apply(&tenant("deep", "north", "")).await);
        all_ready(&world.apply(&to_tenant("on", "north", "deep", "{all: true}", "")).await);
        assert_eq!(holder(&world, "d1").await, "/acme/north/deep");
        all_ready(&world.apply(&to_tenant("again", "acme", "south", "{deviceIds: [d1]}", "")).await);
        assert_eq!(holder(&world, "d1").await, "/acme/south");
        world.delete(DeviceGrant, "root", "again").await;
        assert_eq!(holder(&world, "d1").await, "/acme");
    }
}

on_both! {
    async fn a_deleted_assign_that_leaves_its_devices_makes_way_for_who_waits(world) {
        fleet(&mut world).await;
        world.apply(&aged(&to_tenant("g", "acme", "north", "{deviceIds: [d1]}", "reclaim: Retain"), "2026-01-01T00:00:00Z")).await;
        world.apply(&to_tenant("next", "acme", "south", "{deviceIds: [d1]}", "")).await;
        assert_eq!(why(&world, "next").await, "Conflict");
        world.delete(DeviceGrant, "root", "g").await;
        assert_eq!((why(&world, "next").await.as_str(), holder(&world, "d1").await.as_str()), ("Reconciled", "/acme/south"));
    }
}

on_both! {
    async fn a_device_that_is_no_longer_named_returns_or_stays_free_to_be_given(world) {
        fleet(&mut world).await;
        for (reclaim, kept) in RECLAIMS {
            all_ready(&world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1, d2]}", reclaim)).await);
            all_ready(&world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d2]}", reclaim)).await);
            assert_eq!(holder(&world, "d1").await, if kept { "/acme/north" } else { "/acme" });
            assert_eq!(holder(&world, "d2").await, "/acme/north");
            // The grant is there and lower than this one, but claims it no more.
            all_ready(&world.apply(&to_tenant("z", "acme", "south", "{deviceIds: [d1]}", "")).await);
            assert_eq!(holder(&world, "d1").await, "/acme/south");
            world.delete(DeviceGrant, "root", "z").await;
            assert_eq!(holder(&world, "d1").await, "/acme");
        }
    }
}

on_both! {
    async fn an_expired_assign_returns_its_devices_or_lets_go_of_them_where_they_are(world) {
        fleet(&mut world).await;
        for (reclaim, kept) in RECLAIMS {
            let until = |end: &str| to_tenant("g", "acme", "north", "{deviceIds: [d1]}", &format!("{reclaim}, expiresAt: '{end}'"));
            all_ready(&world.apply(&until("2999-01-01T00:00:00Z")).await);
            all_ready(&world.apply(&until("2001-01-01T00:00:00Z")).await);
            assert_eq!(holder(&world, "d1").await, if kept { "/acme/north" } else { "/acme" });
            assert_eq!(crate::fleet::counts(&world, "g").await, [0, 0, 0], "it has no effect any more");
            all_ready(&world.apply(&to_tenant("z", "acme", "south", "{deviceIds: [d1]}", "")).await);
            assert_eq!(holder(&world, "d1").await, "/acme/south");
            world.delete(DeviceGrant, "root", "z").await;
        }
        world.delete(DeviceGrant, "root", "g").await;
        assert_eq!(holder(&world, "d1").await, "/acme");
    }
}

on_both! {
    async fn r9_when_its_account_goes_a_device_returns_or_stays_in_the_tenant(world) {
        fleet(&mut world).await;
        for (reclaim, kept) in RECLAIMS {
            all_ready(&world.apply(&account("nan", "north", "tier: Admin")).await);
            all_ready(&world.apply(&account("bob", "north", "tier: Basic")).await);
            all_ready(&world.apply(&to_account("g", "acme", "nan", "{deviceIds: [d1]}", reclaim)).await);
            all_ready(&world.apply(&to_account("on", "north", "bob", "{deviceIds: [d1]}", "managedByRef: {name: nan}")).await);
            assert_eq!(holder(&world, "d1").await, "/acme/north:bob");
            assert!(world.delete(DeviceGrant, "root", "on").await.finished);
            assert!(world.delete(SubAdmin, "root", "nan").await.finished);
            assert_eq!(holder(&world, "d1").await, if kept { "/acme/north" } else { "/acme" });
            assert_eq!(why(&world, "g").await, "RefNotFound");
            assert!(world.delete(DeviceGrant, "root", "g").await.finished);
            assert_eq!(holder(&world, "d1").await, if kept { "/acme/north" } else { "/acme" });
        }
    }
}

on_both! {
    async fn r9_when_an_account_goes_what_it_was_given_returns_and_what_it_handed_on_ends(world) {
        fleet(&mut world).await;
        all_ready(&world.apply(&account("nan", "north", "tier: Admin")).await);
        all_ready(&world.apply(&account("bob", "north", "tier: Basic")).await);
        all_ready(&world.apply(&to_tenant("in", "acme", "north", "{deviceIds: [d1]}", "")).await);
        all_ready(&world.apply(&to_account("g", "north", "nan", "{deviceIds: [d1]}", "")).await);
        all_ready(&world.apply(&to_account("on", "north", "bob", "{deviceIds: [d1]}", "managedByRef: {name: nan}")).await);
        assert!(world.delete(SubAdmin, "root", "nan").await.finished);
        // The grant passed to the platform; while it still names who is gone, it
        // is refused and gives nothing again that has ended.
        assert_eq!(holder(&world, "d1").await, "/acme/north");
        assert_eq!(why(&world, "on").await, "RefNotFound");
        world.apply(&to_account("on", "north", "bob", "{deviceIds: [d1]}", "")).await;
        assert_eq!(holder(&world, "d1").await, "/acme/north:bob");
    }
}

on_both! {
    async fn what_a_transfer_has_no_room_for_returns_or_stays_with_the_former_receiver(world) {
        fleet(&mut world).await;
        all_ready(&world.apply(&tenant("small", "acme", "limits: {devices: 1}")).await);
        for (reclaim, kept) in RECLAIMS {
            all_ready(&world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1, d2]}", reclaim)).await);
            world.apply(&to_tenant("g", "acme", "small", "{deviceIds: [d1, d2]}", reclaim)).await;
            assert_eq!(why(&world, "g").await, "QuotaExceeded");
            assert_eq!(holder(&world, "d1").await, "/acme/small");
            assert_eq!(holder(&world, "d2").await, if kept { "/acme/north" } else { "/acme" });
            world.apply(&tenant("small", "acme", "limits: {devices: 2}")).await;
            assert_eq!((why(&world, "g").await.as_str(), holder(&world, "d2").await.as_str()), ("Reconciled", "/acme/small"));
            all_ready(&world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1, d2]}", reclaim)).await);
            all_ready(&world.apply(&tenant("small", "acme", "limits: {devices: 1}")).await);
        }
    }
}

on_both! {
    async fn r9_when_its_tenant_is_cascaded_a_device_returns_whatever_was_said(world) {
        fleet(&mut world).await;
        for (reclaim, _) in RECLAIMS {
            all_ready(&world.apply(&tenant("gone", "north", "deletionPolicy: Cascade")).await);
            all_ready(&world.apply(&account("nan", "gone", "")).await);
            all_ready(&world.apply(&to_tenant("in", "acme", "north", "{deviceIds: [d1, d2]}", "")).await);
            all_ready(&world.apply(&to_tenant("g", "north", "gone", "{deviceIds: [d1]}", reclaim)).await);
            all_ready(&world.apply(&to_account("h", "north", "nan", "{deviceIds: [d2]}", reclaim)).await);
            let asked = world.delete(Tenant, "root", "gone").await;
            let digest = asked.impact_digest().unwrap().to_owned();
            world.annotate(Tenant, "root", "gone", "confirm-delete", &digest);
            assert!(world.again(Tenant, "root", "gone").await.finished);
            assert!(world.holders().await.values().all(|h| h == "/acme/north"), "{reclaim}");
            assert_eq!((why(&world, "g").await, why(&world, "h").await), ("RefNotFound".into(), "RefNotFound".into()));
            for name in ["g", "h", "in"] {
                world.delete(DeviceGrant, "root", name).await;
            }
            world.delete(SubAdmin, "root", "nan").await;
        }
    }
}

on_both! {
    async fn a_share_ends_with_its_grant_and_moves_nothing(world) {
        fleet(&mut world).await;
        let share = grant("s", "acme", "Share", "{tenantRef: {name: north}}", "{all: true}", "reclaim: Retain, permissions: {allow: [{resources: [device], operations: [view]}]}");
        all_ready(&world.apply(&share).await);
        assert_eq!(crate::fleet::counts(&world, "s").await, [2, 0, 0]);
        assert!(world.delete(DeviceGrant, "root", "s").await.finished);
        assert!(world.holders().await.values().all(|h| h == "/acme"));
    }
}
