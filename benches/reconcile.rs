//! How long passes take, and how many statements and writes they cost: new
//! objects, and the same objects again when nothing has changed. Prints one
//! table; `TENANTRY_BENCH_OBJECTS` sets how many accounts there are and
//! `TENANTRY_BENCH_DATABASE_URL` names a PostgreSQL database to use.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made shall stop")]

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;
use tenantry::domain::activation::LinkKey;
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::engine::{Engine, Manifest, RootNamespaces, SecretFact, Spec, Surroundings, Unavailable};
use tenantry::store::Store;

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

fn world(accounts: usize) -> Vec<Manifest> {
    let tenant: tenantry::api::TenantSpec = serde_json::from_str("{}").unwrap();
    let mut all = vec![manifest(Kind::Tenant, "acme", Spec::Tenant(Box::new(tenant)))];
    for n in 0..accounts {
        let spec = serde_json::json!({
            "tenantRef": {"name": "acme"}, "username": format!("user-{n}"), "email": format!("user-{n}@example.org"),
            "permissions": {"allow": [{"resources": ["device"], "operations": ["view"]}]},
        });
        let spec: tenantry::api::SubAdminSpec = serde_json::from_value(spec).unwrap();
        all.push(manifest(Kind::SubAdmin, &format!("user-{n}"), Spec::SubAdmin(Box::new(spec))));
    }
    all
}

async fn round(engine: &Engine, objects: &[Manifest], what: &str) {
    let (statements, writes) = (engine.store().statements(), engine.store().writes());
    let start = Instant::now();
    for object in objects {
        let report = engine.reconcile(object, &Nothing).await.unwrap();
        assert!(report.ready(), "{:?}", report.conditions);
    }
    let seconds = start.elapsed().as_secs_f64();
    let n = objects.len() as f64;
    println!(
        "{what:<28} {:>7} objects {seconds:>8.2} s {:>9.0}/s {:>6.1} statements each {:>8} rows written",
        objects.len(),
        n / seconds,
        (engine.store().statements() - statements) as f64 / n,
        engine.store().writes() - writes,
    );
}

async fn measure(name: &str, url: &str, accounts: usize) {
    let store = Store::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    let key = LinkKey::new(vec![1; 32]).unwrap();
    let engine = Engine::new(store, "bench", RootNamespaces::Any, key, [3; 32]);
    let objects = world(accounts);
    round(&engine, &objects, &format!("{name}: new")).await;
    // What the first round woke is judged once more, as a controller would.
    round(&engine, &objects, &format!("{name}: settling")).await;
    round(&engine, &objects, &format!("{name}: nothing changed")).await;
    engine.store().close().await;
}

#[tokio::main]
async fn main() {
    let accounts = std::env::var("TENANTRY_BENCH_OBJECTS").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let folder = tempfile::tempdir().unwrap();
    measure("SQLite", &format!("sqlite://{}", folder.path().join("bench.db").display()), accounts).await;
    match std::env::var("TENANTRY_BENCH_DATABASE_URL") {
        Ok(url) => measure("PostgreSQL", &url, accounts).await,
        Err(_) => println!("PostgreSQL: not measured; TENANTRY_BENCH_DATABASE_URL names no empty database"),
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        for line in status.lines().filter(|l| l.starts_with("VmHWM")) {
            println!("peak memory of this process: {}", line.trim_start_matches("VmHWM:").trim());
        }
    }
}
