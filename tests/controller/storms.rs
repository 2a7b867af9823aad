//! What happens behind the controller's back.

use std::time::Duration;

use crate::desk::{Desk, condition, household, members};
use crate::harness::{Cluster, Postgres};

/// Watches the whole cluster, so it has one of its own.
#[tokio::test]
async fn cluster_a_restart_of_the_api_server_is_survived() {
    let cluster = Cluster::alone().await;
    let namespace = cluster.namespace("restart").await;
    let desk = Desk::new(&cluster, &[&namespace]).await.everywhere();
    let controller = desk.start().await;
    desk.apply(&household(&namespace, "home")).await;
    for (kind, name) in members("home") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    cluster.stop().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.start().await;
    desk.apply(&household(&namespace, "home").replace("A household", "Another name")).await;
    crate::harness::eventually("the new generation is in force", Duration::from_secs(60), || async {
        let tenant = desk.get("tenants", &namespace, "home").await?;
        (tenant["status"]["observedGeneration"] == 2 && condition(&tenant, "Ready")?["status"] == "True")
            .then_some(())
    })
    .await;
    controller.stop().await;
}

#[tokio::test]
async fn cluster_a_restart_of_the_database_is_survived() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("outage").await;
    let postgres = Postgres::alone().await;
    let desk = Desk::on(&postgres.database("outage").await, cluster, &[&namespace]).await;
    let controller = desk.start().await;
    desk.apply(&household(&namespace, "home")).await;
    for (kind, name) in members("home") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    postgres.stop().await;
    desk.apply(&household(&namespace, "next")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    postgres.start().await;
    for (kind, name) in members("next") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    controller.stop().await;
}

#[tokio::test]
async fn cluster_what_went_without_its_finalizer_while_nobody_watched_goes_from_the_database() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("forced").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    desk.apply(&household(&namespace, "home")).await;
    let controller = desk.start().await;
    for (kind, name) in members("home") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    controller.stop().await;
    force(cluster, "accountroles", &namespace, "home-role").await;
    assert_eq!(desk.registered().await, 4);
    let controller = desk.start().await;
    desk.until_registered(3).await;
    // And while it watches.
    force(cluster, "devicegrants", &namespace, "home-grant").await;
    desk.until_registered(2).await;
    controller.stop().await;
}

#[tokio::test]
async fn cluster_an_emptied_cluster_takes_nobody_with_it() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("emptied").await;
    let desk = Desk::new(cluster, &[&namespace]).await;
    desk.apply(&household(&namespace, "home")).await;
    let controller = desk.start().await;
    for (kind, name) in members("home") {
        desk.reason(kind, &namespace, &name, "Reconciled").await;
    }
    controller.stop().await;
    for (kind, name) in members("home") {
        force(cluster, kind, &namespace, &name).await;
    }
    let controller = desk.start().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(desk.registered().await, 4);
    controller.stop().await;
}

/// Deletes an object and takes its finalizer away.
async fn force(cluster: &Cluster, kind: &str, namespace: &str, name: &str) {
    let patch = "{\"metadata\":{\"finalizers\":null}}";
    cluster.kubectl_ok(&["patch", kind, "-n", namespace, name, "--type=merge", "-p", patch], "").await;
    // The controller may have put it back between the two.
    cluster.kubectl_ok(&["delete", kind, "-n", namespace, name, "--wait=false"], "").await;
    cluster.kubectl(&["patch", kind, "-n", namespace, name, "--type=merge", "-p", patch], "").await;
}
