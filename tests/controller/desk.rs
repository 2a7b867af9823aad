//! A controller in this process and what a person with kubectl sees of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tenantry::controller::{self, ControllerConfig, ControllerError, Metrics};
use tenantry::domain::activation::LinkKey;
use tenantry::engine::{Engine, RootNamespaces};
use tenantry::store::{Access, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{Cluster, eventually};

pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A database, a cluster, and the namespaces of one test. Controllers on the
/// shared cluster are always bound to their test's namespaces.
pub(crate) struct Desk<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) store: Store,
    namespaces: Vec<String>,
    roots: Vec<String>,
    _folder: Option<tempfile::TempDir>,
}

/// A running controller.
pub(crate) struct Running {
    pub(crate) metrics: Metrics,
    synced: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ControllerError>>,
}

impl<'a> Desk<'a> {
    /// The namespace is a root namespace.
    pub(crate) async fn new(cluster: &'a Cluster, namespaces: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        Self { _folder: Some(folder), ..Self::on(&url, cluster, namespaces).await }
    }

    /// The same on the database of the caller's choice.
    pub(crate) async fn on(url: &str, cluster: &'a Cluster, namespaces: &[&str]) -> Self {
        let store = Store::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        let namespaces: Vec<String> = namespaces.iter().map(|&n| n.to_owned()).collect();
        Self { cluster, store, roots: namespaces.clone(), namespaces, _folder: None }
    }

    /// The controller watches the whole cluster.
    pub(crate) fn everywhere(mut self) -> Self {
        self.namespaces.clear();
        self
    }

    /// Starts the controller with the rights of its ServiceAccount and waits
    /// until it is ready.
    pub(crate) async fn start(&self) -> Running {
        // Shown when a test fails; the second test of a process finds it done.
        let _ = tracing_subscriber::fmt().with_env_filter("info").with_test_writer().try_init();
        let client = self.cluster.controller().await;
        let source = controller::cluster_source(&client).await.unwrap();
        let engine = Engine::new(
            self.store.clone(),
            source,
            RootNamespaces::Listed(self.roots.clone()),
            LinkKey::new(vec![7; 32]).unwrap(),
            rand::random(),
        );
        let config = ControllerConfig { namespaces: self.namespaces.clone(), ..ControllerConfig::default() };
        let (metrics, synced) = (config.metrics.clone(), Arc::clone(&config.synced));
        let stop = CancellationToken::new();
        let task = tokio::spawn(controller::run(config, engine, client, stop.clone()));
        eventually("the controller has every list", BOUND, || async {
            synced.load(Ordering::Relaxed).then_some(())
        })
        .await;
        Running { metrics, synced, stop, task }
    }

    /// `kubectl apply` of these documents.
    pub(crate) async fn apply(&self, yaml: &str) {
        self.cluster.kubectl_ok(&["apply", "--validate=false", "-f", "-"], yaml).await;
    }

    /// `kubectl get -o json`, if it exists.
    pub(crate) async fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let output = self.cluster.kubectl(&["get", kind, "-n", namespace, name, "-o", "json"], "").await;
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits until `Ready` of an object has this reason, and gives the object.
    pub(crate) async fn reason(&self, kind: &str, namespace: &str, name: &str, reason: &str) -> Value {
        let what = format!("{kind} {namespace}/{name} says {reason}");
        eventually(&what, BOUND, || async {
            let object = self.get(kind, namespace, name).await?;
            (condition(&object, "Ready")?["reason"] == reason).then_some(object)
        })
        .await
    }

    /// Waits until an object does not exist any more.
    pub(crate) async fn gone(&self, kind: &str, namespace: &str, name: &str) {
        let what = format!("{kind} {namespace}/{name} is gone");
        eventually(&what, BOUND, || async { self.get(kind, namespace, name).await.is_none().then_some(()) })
            .await;
    }

    /// How many objects the database knows.
    pub(crate) async fn registered(&self) -> usize {
        let source = controller::cluster_source(&self.cluster.admin().await).await.unwrap();
        let mut tx = self.store.begin(Access::Read).await.unwrap();
        tx.objects(&source).await.unwrap().len()
    }

    /// Waits until the database knows that many objects.
    pub(crate) async fn until_registered(&self, count: usize) {
        let what = format!("the database knows {count} objects");
        eventually(&what, BOUND, || async { (self.registered().await == count).then_some(()) }).await;
    }
}

impl Running {
    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(self) {
        assert!(self.synced.load(Ordering::Relaxed));
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(26), self.task).await.unwrap().unwrap().unwrap();
    }
}

/// One condition of an object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// A root tenant with its Root account, a role and a grant.
pub(crate) fn household(namespace: &str, name: &str) -> String {
    format!(
        "
apiVersion: tenantry.dev/v1alpha1
kind: Tenant
metadata: {{namespace: {namespace}, name: {name}}}
spec: {{displayName: A household}}
---
apiVersion: tenantry.dev/v1alpha1
kind: SubAdmin
metadata: {{namespace: {namespace}, name: {name}-root}}
spec: {{tenantRef: {{name: {name}}}, username: {name}-root, email: {name}-root@example.org, tier: Root}}
---
apiVersion: tenantry.dev/v1alpha1
kind: Role
metadata: {{namespace: {namespace}, name: {name}-role}}
spec:
  tenantRef: {{name: {name}}}
  permissions: {{allow: [{{resources: [device], operations: [view]}}]}}
---
apiVersion: tenantry.dev/v1alpha1
kind: DeviceGrant
metadata: {{namespace: {namespace}, name: {name}-grant}}
spec:
  tenantRef: {{name: {name}}}
  mode: Share
  to: {{subAdminRefs: [{{name: {name}-root}}]}}
  devices: {{all: true}}
  permissions: {{allow: [{{resources: [device], operations: [view]}}]}}
"
    )
}

/// The four objects of a household, by kind as kubectl knows it.
pub(crate) fn members(name: &str) -> [(&'static str, String); 4] {
    [
        ("tenants", name.to_owned()),
        ("subadmins", format!("{name}-root")),
        ("accountroles", format!("{name}-role")),
        ("devicegrants", format!("{name}-grant")),
    ]
}
