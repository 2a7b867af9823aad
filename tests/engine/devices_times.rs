//! Grants for a time: they switch on and off by themselves.

use std::time::Duration;

use crate::fleet::{counts, holder, lands, to_tenant, why};
use crate::on_both;
use crate::world::{World, all_ready};
use tenantry::domain::object::Kind::DeviceGrant;
use tenantry::domain::object::ObjectKey;
use tenantry::store::Access;

async fn after(world: &World, seconds: i64) -> jiff::Timestamp {
    let now = world.engine.store().begin(Access::Read).await.unwrap().now();
    now + jiff::SignedDuration::from_secs(seconds)
}

async fn until(world: &World, time: jiff::Timestamp) {
    while after(world, 0).await < time {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both! {
    async fn a_grant_says_when_to_look_again_and_then_begins_and_ends_by_itself(world) {
        lands(&mut world).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let (begin, end) = (after(&world, 2).await, after(&world, 4).await);
        let times = format!("notBefore: '{begin}', expiresAt: '{end}'");
        let key = ObjectKey::new(DeviceGrant, "root", "g");
        let reports = world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1]}", &times)).await;
        all_ready(&reports);
        assert_eq!(reports[&key].again_at, Some(begin));
        assert_eq!(holder(&world, "d1").await, "/acme");
        until(&world, begin).await;
        let report = world.again(DeviceGrant, "root", "g").await;
        assert!(report.ready() && report.condition("Active").unwrap().status);
        assert_eq!(report.again_at, Some(end), "notBefore is inclusive");
        assert_eq!(holder(&world, "d1").await, "/acme/north");
        until(&world, end).await;
        let report = world.again(DeviceGrant, "root", "g").await;
        assert!(report.ready() && !report.condition("Active").unwrap().status, "expiresAt is exclusive");
        assert_eq!((report.again_at, holder(&world, "d1").await.as_str()), (None, "/acme"));
    }
}

on_both! {
    async fn a_lower_grant_takes_over_when_its_time_comes_and_lets_go_when_it_is_over(world) {
        lands(&mut world).await;
        world.import(&[("d1", Some("/acme"))]).await;
        let lower = |times: &str| crate::fleet::aged(&to_tenant("a", "acme", "north", "{deviceIds: [d1]}", times), "2026-01-01T00:00:00Z");
        world.apply(&lower("notBefore: '2999-01-01T00:00:00Z'")).await;
        all_ready(&world.apply(&to_tenant("b", "acme", "south", "{deviceIds: [d1]}", "")).await);
        assert_eq!((holder(&world, "d1").await.as_str(), counts(&world, "a").await), ("/acme/south", [0, 0, 0]));
        world.apply(&lower("notBefore: '2001-01-01T00:00:00Z'")).await;
        assert_eq!((holder(&world, "d1").await.as_str(), why(&world, "b").await.as_str()), ("/acme/north", "Conflict"));
        world.apply(&lower("expiresAt: '2001-01-01T00:00:00Z'")).await;
        assert_eq!((holder(&world, "d1").await.as_str(), why(&world, "b").await.as_str()), ("/acme/south", "Reconciled"));
    }
}
