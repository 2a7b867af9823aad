//! R12 as several workers keep it: whoever comes first claims first.

use std::fmt::Write as _;

use serde_json::Value;

use crate::desk::{BOUND, Desk};
use crate::harness::{Cluster, Postgres, eventually};

/// Accounts in the order of their claims, each with whether it is ready; none
/// while the controller is still at it.
async fn settled(cluster: &Cluster, namespace: &str) -> Option<Vec<(String, bool)>> {
    let list = cluster.kubectl_ok(&["get", "subadmins", "-n", namespace, "-o", "json"], "").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let mut accounts = vec![];
    for object in list["items"].as_array().unwrap() {
        let ready = object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == "Ready")?;
        if ready["reason"] == "ClaimsAhead" {
            return None;
        }
        let text = |path: &str| object.pointer(path).unwrap().as_str().unwrap().to_owned();
        accounts.push((
            text("/metadata/creationTimestamp"),
            text("/metadata/name"),
            ready["status"] == "True",
        ));
    }
    accounts.sort();
    Some(accounts.into_iter().map(|(_, name, ready)| (name, ready)).collect())
}

async fn until_first_are_ready(cluster: &Cluster, namespace: &str, first: usize) -> Vec<String> {
    eventually("the first have their accounts and nobody else", BOUND, || async {
        let accounts = settled(cluster, namespace).await?;
        let right = accounts.iter().enumerate().all(|(at, (_, ready))| *ready == (at < first));
        right.then(|| accounts.into_iter().map(|(name, _)| name).collect())
    })
    .await
}

#[tokio::test]
async fn cluster_r12_the_last_accounts_go_to_those_who_came_first() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("turns").await;
    let url = Postgres::shared().await.database("turns").await;
    let desk = Desk::on(&url, cluster, &[&namespace]).await;
    let mut objects = format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: acme, namespace: {namespace}}}\nspec: {{limits: {{accounts: {{total: 5}}}}}}\n"
    );
    for n in (0..40).rev() {
        write!(
            objects,
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: SubAdmin\nmetadata: {{name: a{n:02}, namespace: {namespace}}}\nspec: {{tenantRef: {{name: acme}}, username: {namespace}-{n}, email: {namespace}-{n}@example.org}}\n"
        )
        .unwrap();
    }
    desk.apply(&objects).await;
    let controller = desk.start().await;
    let order = until_first_are_ready(cluster, &namespace, 5).await;

    // Room that becomes free goes to the one who has waited longest.
    cluster.kubectl_ok(&["delete", "subadmin", &order[0], "-n", &namespace], "").await;
    let left = until_first_are_ready(cluster, &namespace, 5).await;
    assert_eq!(left, order[1..]);
    controller.stop().await;
}
