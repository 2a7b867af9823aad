//! Adding one's own management permission: an account shares to itself what
//! accounts below it hold (R2).

use crate::fleet::{account, counts, grant, to_account};
use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::domain::object::Kind::DeviceGrant;

fn own(devices: &str, operations: &str) -> String {
    let more = format!(
        "managedByRef: {{name: sam}}, permissions: {{allow: [{{resources: [device], operations: {operations}}}]}}"
    );
    grant("own", "acme", "Share", "{subAdminRefs: [{name: sam}]}", devices, &more)
}

async fn staff(world: &mut World) {
    all_ready(&world.apply(ACME).await);
    all_ready(&world.apply(&account("sam", "acme", "tier: SuperAdmin")).await);
    all_ready(&world.apply(&account("anna", "acme", "tier: Admin, managedByRef: {name: sam}")).await);
    all_ready(&world.apply(&account("bob", "acme", "tier: Basic, managedByRef: {name: anna}")).await);
    all_ready(&world.apply(&account("eve", "acme", "tier: Basic")).await);
    world.import(&[("d1", Some("/acme")), ("d2", Some("/acme")), ("d3", Some("/acme"))]).await;
    let allow = |operations: &str| {
        format!("permissions: {{allow: [{{resources: [device], operations: {operations}}}]}}")
    };
    all_ready(
        &world
            .apply(&to_account("to-bob", "acme", "bob", "{deviceIds: [d1]}", &allow("[view, manage]")))
            .await,
    );
    all_ready(
        &world
            .apply(&to_account("to-eve", "acme", "eve", "{deviceIds: [d2]}", &allow("[view, manage]")))
            .await,
    );
}

on_both! {
    async fn r2_an_account_shares_to_itself_only_what_accounts_below_it_hold(world) {
        staff(&mut world).await;
        all_ready(&world.apply(&own("{deviceIds: [d1, d2, d3]}", "[manage]")).await);
        // A stranger's and the tenant's own are out of reach for this.
        assert_eq!(counts(&world, "own").await, [1, 2, 0]);
        assert!(world.holders().await["d1"].ends_with(":bob"), "it stays where it is");
        all_ready(&world.apply(&own("{all: true}", "[manage]")).await);
        assert_eq!(counts(&world, "own").await, [1, 0, 0]);
        world.delete(DeviceGrant, "root", "to-bob").await;
        assert_eq!(counts(&world, "own").await, [0, 0, 0]);
    }
}
