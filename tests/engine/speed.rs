//! How long an Assign of ten thousand devices takes beside one bare bulk
//! update of the same rows, in one run, taking turns.

use std::time::{Duration, Instant};

use crate::on_both;
use crate::world::{ACME, World, all_ready};
use tenantry::store::Access;
use tenantry::store::devices::Import;

const DEVICES: usize = 10_000;
const ROUNDS: usize = 7;
/// How many times the bare update an Assign may take. An unoptimised build adds
/// time of its own, most of it to the Assign; `make bench` shows the ratio of an
/// optimised one on its own.
const MOST: u32 = if cfg!(debug_assertions) { 4 } else { 3 };

fn ids() -> Vec<String> {
    (0..DEVICES).map(|n| format!("device-{n:05}")).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn stock(world: &World) {
    let mut tx = world.engine.store().begin(Access::Write).await.unwrap();
    let tenant = tx.tenant_at("/acme").await.unwrap().unwrap().id;
    let batch: Vec<Import> = ids()
        .into_iter()
        .map(|id| Import {
            unit_id: Some(format!("u-{id}")),
            name: id.clone(),
            id,
            labels: [].into(),
            tenant: Some(tenant),
        })
        .collect();
    tx.import_devices(&batch).await.unwrap();
    tx.commit().await.unwrap();
}

on_both! {
    async fn an_assign_of_ten_thousand_devices_costs_little_more_than_moving_them(world) {
        all_ready(&world.apply(ACME).await);
        all_ready(&world.apply("
kind: Tenant
metadata: {namespace: root, name: north}
spec: {parentRef: {name: acme}}").await);
        stock(&world).await;
        let grant = format!("
kind: DeviceGrant
metadata: {{namespace: root, name: many}}
spec: {{tenantRef: {{name: acme}}, mode: Assign, to: {{tenantRef: {{name: north}}}}, devices: {{deviceIds: {:?}}}}}", ids());
        let (mut bare, mut assigned, mut unchanged, mut removed) = (vec![], vec![], vec![], vec![]);
        let manifest = world.manifest(&grant);
        let mut deleted = manifest.clone();
        deleted.deleting = true;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut tx = world.engine.store().begin(Access::Write).await.unwrap();
            let north = tx.tenant_at("/acme/north").await.unwrap().unwrap().id;
            tx.move_devices(&ids(), north).await.unwrap();
            tx.commit().await.unwrap();
            bare.push(start.elapsed());
            let mut tx = world.engine.store().begin(Access::Write).await.unwrap();
            let acme = tx.tenant_at("/acme").await.unwrap().unwrap().id;
            tx.move_devices(&ids(), acme).await.unwrap();
            tx.commit().await.unwrap();

            let start = Instant::now();
            assert!(world.pass(&manifest).await.ready());
            assigned.push(start.elapsed());
            let start = Instant::now();
            assert!(world.pass(&manifest).await.ready());
            unchanged.push(start.elapsed());
            let start = Instant::now();
            assert!(world.pass(&deleted).await.finished);
            removed.push(start.elapsed());
        }
        let [bare, assigned, unchanged, removed] = [bare, assigned, unchanged, removed].map(median);
        println!("bare update {bare:?}, Assign {assigned:?}, unchanged {unchanged:?}, deleted {removed:?}");
        assert!(assigned <= bare * MOST, "an Assign took {assigned:?}, the bare update {bare:?}");
    }
}
