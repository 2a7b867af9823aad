//! What `app` needs before the controller can run: a client, the name of the
//! source, the namespace that the controller itself lives in.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::PartialObjectMeta;
use kube::{Api, Client, Config};

use super::{CALL_TIMEOUT, ControllerError};

/// The namespace whose uid names a cluster: it is there from the first moment
/// and cannot be deleted.
const CLUSTER_NAMESPACE: &str = "kube-system";

/// Where Kubernetes tells a pod its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// A client from `KUBECONFIG`, `~/.kube/config` or the pod's ServiceAccount.
pub async fn connect() -> Result<Client, ControllerError> {
    let mut config = Config::infer().await.map_err(|error| ControllerError::Connect(error.into()))?;
    config.connect_timeout = Some(CALL_TIMEOUT);
    // A peer that is gone without a word is noticed here; watches have their
    // own, shorter bound.
    config.read_timeout = Some(Duration::from_secs(300));
    Client::try_from(config).map_err(|error| ControllerError::Connect(error.into()))
}

/// The name of a cluster as a source of objects: the uid of `kube-system`.
pub async fn cluster_source(client: &Client) -> Result<String, ControllerError> {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let namespace = tokio::time::timeout(CALL_TIMEOUT, api.get(CLUSTER_NAMESPACE))
        .await
        .map_err(|late| ControllerError::Source(late.into()))?
        .map_err(|error| ControllerError::Source(error.into()))?;
    namespace
        .metadata
        .uid
        .ok_or_else(|| ControllerError::Source("the API server gave the namespace no uid".into()))
}

/// The namespace that the controller runs in, if it runs in a pod: the default
/// of `--root-namespaces`.
pub fn own_namespace() -> Option<String> {
    let told = std::env::var("POD_NAMESPACE").ok();
    told.or_else(|| std::fs::read_to_string(NAMESPACE_FILE).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}
