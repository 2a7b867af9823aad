//! Which devices a grant means, and what status says of those that it cannot
//! have.

use crate::fleet::{counts, grant, holder, lands, said, tenant, to_tenant, why};
use crate::on_both;
use crate::world::{World, all_ready};
use tenantry::domain::object::Kind::DeviceGrant;
use tenantry::store::Access;
use tenantry::store::devices::Import;

/// Id, unit, labels and the tenant's path.
type Fleet<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

async fn import(world: &mut World, devices: &[Fleet<'_>]) {
    let mut tx = world.engine.store().begin(Access::Write).await.unwrap();
    let mut batch = vec![];
    for (id, unit, labels, path) in devices {
        let tenant = tx.tenant_at(path).await.unwrap().map(|t| t.id);
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        batch.push(Import {
            id: (*id).to_owned(),
            unit_id: Some((*unit).to_owned()),
            name: "x".to_owned(),
            labels,
            tenant,
        });
    }
    tx.import_devices(&batch).await.unwrap();
    tx.commit().await.unwrap();
    world.settle().await;
}

fn ids(report: &tenantry::engine::Report, list: &str) -> Vec<(String, String)> {
    let empty = vec![];
    let entries = report.status[list].as_array().unwrap_or(&empty);
    let text = |entry: &serde_json::Value, field: &str| entry[field].as_str().unwrap().to_owned();
    entries.iter().map(|entry| (text(entry, "id"), text(entry, "why"))).collect()
}

on_both! {
    async fn a_unit_id_is_shown_as_written_until_a_device_within_reach_has_it(world) {
        lands(&mut world).await;
        // A stranger's device has the unit id: nothing is said of it.
        import(&mut world, &[("secret", "u1", &[], "/acme/south")]).await;
        all_ready(&world.apply(&to_tenant("g", "north", "north", "{deviceIds: [secret, gone], unitIds: [u1, u2]}", "")).await);
        let report = said(&world, "g").await;
        let pending = ids(&report, "pendingIds");
        let (named, units): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(id, _)| !id.starts_with('u'));
        assert_eq!(named.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["gone", "secret"]);
        assert_eq!(named[0].1, named[1].1, "one that is not there and a stranger's: the same words");
        assert_eq!(units.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["u1", "u2"]);
        assert_eq!(units[0].1, units[1].1);
        assert!(!report.status.to_string().contains("/acme/south"));
        assert_eq!((report.status["devices"]["requested"].as_i64(), report.status["devices"]["matched"].as_i64()), (Some(4), Some(0)));
        let message = &report.condition("DevicesPending").unwrap().message;
        assert!(!message.contains(|c: char| c.is_ascii_digit()), "counts are in status.devices: {message}");
        world.delete(DeviceGrant, "root", "g").await;
        // It comes within reach; and another one with the second unit id appears.
        all_ready(&world.apply(&tenant("deep", "north", "")).await);
        all_ready(&world.apply(&to_tenant("g2", "north", "deep", "{unitIds: [u1, u2]}", "")).await);
        all_ready(&world.apply(&to_tenant("move", "acme", "north", "{unitIds: [u2]}", "")).await);
        import(&mut world, &[("d2", "u2", &[], "/acme")]).await;
        assert_eq!(holder(&world, "d2").await, "/acme/north/deep");
        assert_eq!(ids(&said(&world, "g2").await, "pendingIds"), [("u1".to_owned(), units[0].1.clone())]);
        assert_eq!(counts(&world, "g2").await, [1, 1, 0]);
    }
}

on_both! {
    async fn a_device_named_by_id_and_by_unit_counts_once(world) {
        lands(&mut world).await;
        import(&mut world, &[("d1", "u1", &[], "/acme"), ("d2", "u1", &[], "/acme")]).await;
        all_ready(&world.apply(&to_tenant("g", "acme", "north", "{deviceIds: [d1, d1], unitIds: [u1, u1]}", "")).await);
        let status = said(&world, "g").await.status;
        assert_eq!(status["devices"], serde_json::json!({"requested": 2, "matched": 2, "applied": 2, "pending": 0, "refused": 0}));
        assert_eq!(status.get("pendingIds"), None);
    }
}

on_both! {
    async fn labels_select_with_every_comparison_and_follow_changes(world) {
        lands(&mut world).await;
        let fleet: &[Fleet<'_>] = &[
            ("a", "ua", &[("site", "north"), ("kind", "meter")], "/acme"),
            ("b", "ub", &[("site", "south")], "/acme"),
            ("c", "uc", &[], "/acme"),
            ("d", "ud", &[("site", "north"), ("example.org/old.label", "x")], "/acme/south"),
        ];
        import(&mut world, fleet).await;
        let share = |selector: &str| grant("s", "acme", "Share", "{groups: [g]}", &format!("{{selector: {selector}}}"), "permissions: {allow: [{resources: [device], operations: [view]}]}");
        let mut applied = vec![];
        for selector in [
            "{matchLabels: {site: north}}",
            "{matchLabels: {site: north, kind: meter}}",
            "{matchExpressions: [{key: site, operator: In, values: [north, south]}]}",
            "{matchExpressions: [{key: site, operator: NotIn, values: [north]}]}",
            "{matchExpressions: [{key: example.org/old.label, operator: Exists}]}",
            "{matchExpressions: [{key: site, operator: DoesNotExist}]}",
            "{matchLabels: {site: north}, matchExpressions: [{key: kind, operator: DoesNotExist}]}",
        ] {
            all_ready(&world.apply(&share(selector)).await);
            applied.push(counts(&world, "s").await[0]);
        }
        assert_eq!(applied, [2, 1, 3, 2, 1, 1, 1]);
        // An Assign selects what its giver has, and no more.
        all_ready(&world.apply(&to_tenant("g", "acme", "north", "{selector: {matchLabels: {site: north}}}", "")).await);
        assert_eq!((counts(&world, "g").await, holder(&world, "a").await.as_str()), ([1, 0, 0], "/acme/north"));
        // A label that changes takes the device back, and gives another one.
        import(&mut world, &[("a", "ua", &[], "/acme"), ("c", "uc", &[("site", "north")], "/acme")]).await;
        assert_eq!((holder(&world, "a").await.as_str(), holder(&world, "c").await.as_str()), ("/acme", "/acme/north"));
        all_ready(&world.apply(&to_tenant("g", "acme", "north", "{all: true}", "")).await);
        assert_eq!(counts(&world, "g").await, [3, 0, 0]);
        import(&mut world, &[("e", "ue", &[], "/acme")]).await;
        assert_eq!(holder(&world, "e").await, "/acme/north");
    }
}

on_both! {
    async fn the_first_twenty_pending_ids_are_shown_and_all_are_counted(world) {
        lands(&mut world).await;
        let named: Vec<String> = (0..15).map(|n| format!("d{n:02}")).collect();
        let units: Vec<String> = (0..15).map(|n| format!("u{n:02}")).collect();
        all_ready(&world.apply(&to_tenant("g", "acme", "north", &format!("{{deviceIds: {named:?}, unitIds: {units:?}}}"), "")).await);
        let report = said(&world, "g").await;
        let shown: Vec<String> = ids(&report, "pendingIds").into_iter().map(|(id, _)| id).collect();
        assert_eq!(shown, [&named[..], &units[..5]].concat());
        assert_eq!(report.status["devices"]["pending"], 30);
        let writes = world.engine.store().writes();
        world.again(DeviceGrant, "root", "g").await;
        assert_eq!(world.engine.store().writes(), writes, "nothing has changed");
    }
}

on_both! {
    async fn a_share_reaches_what_is_held_below_and_follows_it_out_of_reach(world) {
        lands(&mut world).await;
        import(&mut world, &[("d1", "u1", &[], "/acme")]).await;
        let view = "permissions: {allow: [{resources: [device], operations: [view]}]}";
        all_ready(&world.apply(&grant("s", "north", "Share", "{groups: [g]}", "{deviceIds: [d1]}", view)).await);
        all_ready(&world.apply(&grant("t", "north", "Share", "{groups: [g]}", "{all: true}", view)).await);
        assert_eq!((counts(&world, "s").await, counts(&world, "t").await), ([0, 1, 0], [0, 0, 0]));
        all_ready(&world.apply(&tenant("deep", "north", "")).await);
        all_ready(&world.apply(&to_tenant("g", "acme", "deep", "{deviceIds: [d1]}", "")).await);
        assert_eq!((counts(&world, "s").await, counts(&world, "t").await), ([1, 0, 0], [1, 0, 0]));
        all_ready(&world.apply(&to_tenant("g", "acme", "south", "{deviceIds: [d1]}", "")).await);
        assert_eq!((counts(&world, "s").await, counts(&world, "t").await), ([0, 1, 0], [0, 0, 0]));
        assert_eq!(why(&world, "s").await, "Reconciled", "a pending device holds nothing back");
    }
}
