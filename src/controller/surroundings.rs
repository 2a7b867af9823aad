//! What the engine may ask the cluster: a Secret, the labels of a namespace.
//! Only single objects are read, never lists. A Secret that may not be read
//! counts as absent: the missing RoleBinding is the namespace's own word.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::PartialObjectMeta;
use kube::{Api, Client};
use secrecy::SecretString;

use super::CALL_TIMEOUT;
use super::namespaces::Namespaces;
use crate::engine::{SecretFact, Surroundings, Unavailable};

/// Namespaces about which a missing right is remembered as told.
const TOLD_MAX: usize = 10_000;

/// A cluster as the engine sees it.
pub(super) struct ClusterSurroundings {
    client: Client,
    namespaces: Arc<Namespaces>,
    told: Mutex<HashSet<String>>,
}

impl ClusterSurroundings {
    pub(super) fn new(client: Client, namespaces: Arc<Namespaces>) -> Self {
        Self { client, namespaces, told: Mutex::default() }
    }

    /// Tells a missing right once for each namespace.
    fn tell(&self, namespace: &str, right: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && told.insert(format!("{right} {namespace}")) {
            tracing::warn!(%namespace, "{right}");
        }
    }
}

/// The Secrets of a cluster, for whoever sends mail: credentials of the mail
/// servers of tenants.
pub fn secrets(client: Client) -> impl Surroundings + use<> {
    ClusterSurroundings::new(client, Arc::default())
}

#[async_trait]
impl Surroundings for ClusterSurroundings {
    async fn secret(&self, namespace: &str, name: &str) -> Result<SecretFact, Unavailable> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let what = || format!("Secret {namespace}/{name}");
        let secret = match bounded(api.get_opt(name), what).await? {
            Answer::Found(secret) => secret,
            Answer::Absent => return Ok(SecretFact::Absent),
            Answer::Forbidden(_) => {
                self.tell(
                    namespace,
                    "Secrets of this namespace may not be read; if they should be, bind the ClusterRole tenantry-secrets to the controller's ServiceAccount there",
                );
                return Ok(SecretFact::Absent);
            }
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok().map(SecretString::from);
        Ok(SecretFact::Found {
            labels: secret.metadata.labels.unwrap_or_default(),
            data: secret
                .data
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(key, value)| Some((key, text(value.0)?)))
                .collect(),
        })
    }

    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Unavailable> {
        let what = || format!("the labels of namespace {namespace}");
        let known = tokio::time::timeout(CALL_TIMEOUT, self.namespaces.labels(namespace)).await;
        if let Some(labels) = known.map_err(|late| Unavailable { what: what(), source: late.into() })? {
            return Ok(labels);
        }
        // Where namespaces may not be watched, a single one may still be read.
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let call = api.get_opt(namespace);
        match bounded(call, what).await? {
            Answer::Found(namespace) => Ok(Some(namespace.metadata.labels.unwrap_or_default())),
            Answer::Absent => Ok(None),
            Answer::Forbidden(refused) => Err(Unavailable { what: what(), source: refused.into() }),
        }
    }
}

enum Answer<T> {
    Found(T),
    Absent,
    Forbidden(kube::Error),
}

async fn bounded<T>(
    call: impl Future<Output = kube::Result<Option<T>>>,
    what: impl FnOnce() -> String,
) -> Result<Answer<T>, Unavailable> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(Some(found))) => Ok(Answer::Found(found)),
        Ok(Ok(None)) => Ok(Answer::Absent),
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
            Ok(Answer::Forbidden(kube::Error::Api(status)))
        }
        Ok(Err(error)) => Err(Unavailable { what: what(), source: error.into() }),
        Err(late) => Err(Unavailable { what: what(), source: late.into() }),
    }
}
