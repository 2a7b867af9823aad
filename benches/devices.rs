//! How long an Assign of ten thousand devices takes beside one bare bulk
//! update of the same rows, taking turns in one run; and a pass that finds
//! nothing to do. `make bench` runs this.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on shall stop")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tenantry::domain::activation::LinkKey;
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::engine::{Engine, Manifest, RootNamespaces, SecretFact, Spec, Surroundings, Unavailable};
use tenantry::store::devices::Import;
use tenantry::store::{Access, Store};

const DEVICES: usize = 10_000;
const ROUNDS: usize = 15;

struct Nothing;

#[async_trait]
impl Surroundings for Nothing {
    async fn secret(&self, _: &str, _: &str) -> Result<SecretFact, Unavailable> {
        Ok(SecretFact::Absent)
    }
    async fn namespace_labels(&self, _: &str) -> Result<Option<BTreeMap<String, String>>, Unavailable> {
        Ok(None)
    }
}

fn manifest(kind: Kind, name: &str, spec: Spec) -> Manifest {
    Manifest {
        key: ObjectKey::new(kind, "root", name),
        uid: None,
        generation: 1,
        created: None,
        depth: 0,
        tree: None,
        deleting: false,
        annotations: BTreeMap::new(),
        spec: Some(spec),
        spec_digest: None,
        faults: vec![],
    }
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

async fn moved(engine: &Engine, ids: &[String], path: &str) -> Duration {
    let start = Instant::now();
    let mut tx = engine.store().begin(Access::Write).await.unwrap();
    let tenant = tx.tenant_at(path).await.unwrap().unwrap().id;
    tx.move_devices(ids, tenant).await.unwrap();
    tx.commit().await.unwrap();
    start.elapsed()
}

async fn pass(engine: &Engine, manifest: &Manifest) -> Duration {
    let start = Instant::now();
    let report = engine.reconcile(manifest, &Nothing).await.unwrap();
    assert!(report.ready() || report.finished, "{:?}", report.conditions);
    start.elapsed()
}

async fn measure(name: &str, url: &str) {
    let store = Store::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    let key = LinkKey::new(vec![1; 32]).unwrap();
    let engine = Engine::new(store, "bench", RootNamespaces::Any, key, [3; 32]);
    let tenant = |spec| Spec::Tenant(serde_json::from_value(spec).unwrap());
    pass(&engine, &manifest(Kind::Tenant, "acme", tenant(serde_json::json!({})))).await;
    let below = tenant(serde_json::json!({"parentRef": {"name": "acme"}}));
    pass(&engine, &manifest(Kind::Tenant, "north", below)).await;
    let ids: Vec<String> = (0..DEVICES).map(|n| format!("device-{n:05}")).collect();
    let mut tx = engine.store().begin(Access::Write).await.unwrap();
    let acme = tx.tenant_at("/acme").await.unwrap().map(|t| t.id);
    let batch: Vec<Import> = ids
        .iter()
        .map(|id| Import {
            id: id.clone(),
            unit_id: Some(format!("unit-{id}")),
            name: id.clone(),
            labels: BTreeMap::new(),
            tenant: acme,
        })
        .collect();
    tx.import_devices(&batch).await.unwrap();
    tx.commit().await.unwrap();

    let spec = serde_json::json!({
        "tenantRef": {"name": "acme"}, "mode": "Assign", "to": {"tenantRef": {"name": "north"}}, "devices": {"deviceIds": ids},
    });
    let grant = manifest(Kind::DeviceGrant, "many", Spec::DeviceGrant(serde_json::from_value(spec).unwrap()));
    let mut gone = grant.clone();
    gone.deleting = true;
    let (mut bare, mut assigned, mut unchanged, mut ended) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        bare.push(moved(&engine, &ids, "/acme/north").await);
        moved(&engine, &ids, "/acme").await;
        assigned.push(pass(&engine, &grant).await);
        unchanged.push(pass(&engine, &grant).await);
        ended.push(pass(&engine, &gone).await);
    }
    let one = median(&mut bare);
    println!("{name}: {DEVICES} devices, medians of {ROUNDS} rounds");
    println!("  one bare bulk update {one:>8.1} ms");
    for (what, times) in
        [("Assign", &mut assigned), ("nothing changed", &mut unchanged), ("deleted", &mut ended)]
    {
        let time = median(times);
        println!("  {what:<20} {time:>8.1} ms  {:>5.2} times the update", time / one);
    }
    engine.store().close().await;
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    measure("SQLite", &format!("sqlite://{}", folder.path().join("bench.db").display())).await;
    match std::env::var("TENANTRY_BENCH_DATABASE_URL") {
        Ok(url) => measure("PostgreSQL", &url).await,
        Err(_) => println!("PostgreSQL: not measured; TENANTRY_BENCH_DATABASE_URL names no empty database"),
    }
}
