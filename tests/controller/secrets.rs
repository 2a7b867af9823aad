//! Secrets are read where a namespace grants it, and nowhere else.

use crate::desk::{Desk, condition};
use crate::harness::Cluster;

fn objects(namespace: &str, name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{namespace: {namespace}, name: first, labels: {{tenantry.dev/use: password}}}}
stringData: {{password: seven herons crossed the dike}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{namespace: {namespace}, name: {name}}}
spec: {{}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{namespace: {namespace}, name: {name}-kim}}
spec:
  tenantRef: {{name: {name}}}
  username: {name}-kim
  email: {name}-kim@example.org
  emailVerified: true
  tier: Root
  passwordSecretRef: {{name: first}}"
    )
}

#[tokio::test]
async fn cluster_secrets_are_read_only_where_the_namespace_grants_it() {
    let cluster = Cluster::shared().await;
    let granted = cluster.namespace("granted").await;
    let closed = cluster.namespace("closed").await;
    cluster.bind(&granted, "tenantry-secrets").await;
    let desk = Desk::new(cluster, &[&granted, &closed]).await;
    let controller = desk.start().await;
    desk.apply(&objects(&granted, "open")).await;
    desk.apply(&objects(&closed, "shut")).await;
    desk.reason("subadmins", &granted, "open-kim", "Reconciled").await;
    let shut = desk.reason("subadmins", &closed, "shut-kim", "SecretNotFound").await;
    let told = condition(&shut, "Ready").unwrap()["message"].as_str().unwrap();
    assert!(told.contains("may not be read"), "{told}");
    controller.stop().await;
}
