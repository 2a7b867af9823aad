//! From `kubectl apply` to `kubectl delete`.

use kube::Api;
use tenantry::api::Role;

use crate::desk::{BOUND, Desk, condition, household, members};
use crate::harness::{Cluster, eventually};

#[tokio::test]
async fn cluster_objects_become_ready_and_go_with_their_rows() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("life").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    let controller = desk.start().await;
    desk.apply(&household(&namespace, "home")).await;
    for (kind, name) in members("home") {
        let object = desk.reason(kind, &namespace, &name, "Reconciled").await;
        assert_eq!(object["metadata"]["finalizers"], serde_json::json!(["tenantry.dev/cleanup"]));
        assert_eq!(object["status"]["observedGeneration"], 1, "{object}");
        assert_eq!(object["status"]["appliedGeneration"], 1, "{object}");
        let ready = condition(&object, "Ready").unwrap();
        assert_eq!(ready["observedGeneration"], 1);
        assert!(ready["lastTransitionTime"].as_str().unwrap().ends_with('Z'));
    }
    let role: Role = Api::namespaced(cluster.admin().await, &namespace).get("home-role").await.unwrap();
    let managers = role.metadata.managed_fields.unwrap();
    assert!(managers.iter().any(|m| m.manager.as_deref() == Some("tenantry")), "{managers:?}");
    assert_eq!(desk.registered().await, 4);
    let events = eventually("an Event about the tenant", BOUND, || async {
        let list = cluster.kubectl_ok(&["get", "events", "-n", &namespace, "-o", "json"], "").await;
        list.contains("\"Created\"").then_some(list)
    })
    .await;
    assert!(!events.contains('@'), "an Event holds an address: {events}");

    cluster.kubectl_ok(&["delete", "tenantry", "--all", "-n", &namespace, "--wait=false"], "").await;
    for (kind, name) in members("home") {
        desk.gone(kind, &namespace, &name).await;
    }
    desk.until_registered(0).await;
    controller.stop().await;
}

#[tokio::test]
async fn cluster_an_object_waits_for_what_it_refers_to_and_wakes_when_it_appears() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("waits").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    let controller = desk.start().await;
    let all = household(&namespace, "late");
    let (tenant, others) = all.split_once("---").unwrap();
    desk.apply(others).await;
    let waiting = desk.reason("accountroles", &namespace, "late-role", "RefNotFound").await;
    assert_eq!(condition(&waiting, "Reconciling").unwrap()["status"], "True");
    desk.apply(tenant).await;
    for (kind, name) in members("late") {
        let object = desk.reason(kind, &namespace, &name, "Reconciled").await;
        assert!(condition(&object, "Reconciling").is_none(), "vanished conditions are removed: {object}");
    }
    controller.stop().await;
}

#[tokio::test]
async fn cluster_a_bad_object_is_reported_and_stops_nobody() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("bad").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    let controller = desk.start().await;
    // An API server that knows the rules refuses the object itself.
    let bad = format!(
        "
apiVersion: tenantry.dev/v1alpha1
kind: DeviceGrant
metadata: {{namespace: {namespace}, name: bad}}
spec: {{tenantRef: {{name: home}}, mode: Assign, to: {{}}, devices: {{all: true}}}}"
    );
    let applied = cluster.kubectl(&["apply", "--validate=false", "-f", "-"], &bad).await;
    assert_eq!(applied.status.success(), !cluster.has_cel(), "{applied:?}");
    desk.apply(&household(&namespace, "home")).await;
    for (kind, name) in members("home") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    if applied.status.success() {
        let object = desk.reason("devicegrants", &namespace, "bad", "Invalid").await;
        assert!(condition(&object, "Stalled").is_some());
        assert!(object["metadata"]["finalizers"].is_null(), "nothing of it is in the database");
        cluster.kubectl_ok(&["delete", "devicegrants", "-n", &namespace, "bad"], "").await;
        desk.until_registered(4).await;
    }
    controller.stop().await;
}

#[tokio::test]
async fn cluster_a_paused_object_is_left_alone_until_it_is_not() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("paused").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    let controller = desk.start().await;
    desk.apply(&household(&namespace, "home")).await;
    desk.reason("accountroles", &namespace, "home-role", "Reconciled").await;
    let annotate = |value: &'static str| {
        let namespace = namespace.clone();
        async move {
            let words = ["annotate", "--overwrite", "accountroles", "-n", &namespace, "home-role", value];
            cluster.kubectl_ok(&words, "").await;
        }
    };
    annotate("tenantry.dev/paused=true").await;
    eventually("the role says that it is paused", BOUND, || async {
        let role = desk.get("accountroles", &namespace, "home-role").await?;
        condition(&role, "Paused").map(|_| ())
    })
    .await;
    cluster.kubectl_ok(&["delete", "accountroles", "-n", &namespace, "home-role", "--wait=false"], "").await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(desk.get("accountroles", &namespace, "home-role").await.is_some(), "a deletion waits");
    annotate("tenantry.dev/paused-").await;
    desk.gone("accountroles", &namespace, "home-role").await;
    controller.stop().await;
}

#[tokio::test]
async fn cluster_a_namespace_that_gains_a_label_is_admitted() {
    let cluster = Cluster::shared().await;
    let above = cluster.namespace("above").await;
    let below = cluster.namespace("below").await;
    let desk = Desk::new(cluster, &[&above, &below]).await;
    let controller = desk.start().await;
    desk.apply(&format!(
        "
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{namespace: {above}, name: top}}
spec: {{allowedNamespaces: {{from: Selector, selector: {{matchLabels: {{customers: open}}}}}}}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{namespace: {below}, name: child}}
spec: {{parentRef: {{name: top, namespace: {above}}}}}"
    ))
    .await;
    desk.reason("tenants", &below, "child", "RefNotPermitted").await;
    cluster.kubectl_ok(&["label", "namespace", &below, "customers=open"], "").await;
    let child = desk.reason("tenants", &below, "child", "Reconciled").await;
    assert_eq!(child["status"]["path"], "/top/child");
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    // Not knowing the labels yet is not the same as no.
    controller.stop().await;
    let rows = desk.store.writes();
    let controller = desk.start().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!((controller.metrics.api_writes(), desk.store.writes() - rows), (0, 0));
    cluster.kubectl_ok(&["label", "namespace", &below, "customers-"], "").await;
    desk.reason("tenants", &below, "child", "RefNotPermitted").await;
    controller.stop().await;
}
