//! What needs no write gets none.

use std::time::{Duration, Instant};

use crate::desk::{BOUND, Desk, household, members};
use crate::harness::{Cluster, eventually};

/// Households of four objects; the measurement of the closing note uses 250.
fn households() -> usize {
    std::env::var("TENANTRY_TEST_HOUSEHOLDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10)
}

#[tokio::test]
async fn cluster_a_pass_over_everything_that_changes_nothing_writes_nothing() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("quiet").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    let count = households();
    let all: Vec<String> = (0..count).map(|i| household(&namespace, &format!("home{i}"))).collect();
    desk.apply(&all.join("---")).await;

    let start = Instant::now();
    let controller = desk.start().await;
    let bound = BOUND + Duration::from_millis(200) * u32::try_from(count).unwrap();
    let last = |list: &str| list.matches("\"Reconciled\"").count();
    eventually("every object is ready", bound, || async {
        let list = cluster.kubectl_ok(&["get", "tenantry", "-n", &namespace, "-o", "json"], "").await;
        (last(&list) >= count * 4).then_some(())
    })
    .await;
    println!("{} objects were new and became ready in {:?}", count * 4, start.elapsed());
    // Counts of tenants may lag by up to ten seconds.
    tokio::time::sleep(Duration::from_secs(11)).await;
    controller.stop().await;

    let rows = desk.store.writes();
    let versions = versions(cluster, &namespace).await;
    let start = Instant::now();
    let controller = desk.start().await;
    eventually("every object has had its pass", bound, || async {
        (passes(&controller.metrics) >= count * 4).then_some(())
    })
    .await;
    println!("a pass over {} objects that changed nothing took {:?}", count * 4, start.elapsed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(controller.metrics.api_writes(), 0, "writes to the API server");
    assert_eq!(desk.store.writes() - rows, 0, "rows written");
    assert_eq!(self::versions(cluster, &namespace).await, versions);
    controller.stop().await;
}

#[tokio::test]
async fn cluster_a_status_that_somebody_changed_is_put_right_in_one_write() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("meddled").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    let controller = desk.start().await;
    desk.apply(&household(&namespace, "home")).await;
    for (kind, name) in members("home") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    let before = controller.metrics.api_writes();
    let roles: kube::Api<kube::api::DynamicObject> = kube::Api::namespaced_with(
        cluster.admin().await,
        &namespace,
        &kube::api::ApiResource::erase::<tenantry::api::Role>(&()),
    );
    let nonsense = kube::api::Patch::Merge(serde_json::json!({ "status": { "assigned": 77 } }));
    roles.patch_status("home-role", &kube::api::PatchParams::default(), &nonsense).await.unwrap();
    eventually("the status is right again", BOUND, || async {
        let role = desk.get("accountroles", &namespace, "home-role").await?;
        (role["status"]["assigned"] == 0).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(controller.metrics.api_writes() - before, 1);
    controller.stop().await;
}

fn passes(metrics: &tenantry::controller::Metrics) -> usize {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text.lines()
        .filter(|line| line.starts_with("tenantry_controller_reconciles_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        .sum()
}

async fn versions(cluster: &Cluster, namespace: &str) -> String {
    let path = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
    cluster.kubectl_ok(&["get", "tenantry", "-n", namespace, "-o", path], "").await
}
