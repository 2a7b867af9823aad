//! The controller: a cluster's objects as a source. It watches the four kinds,
//! hands one object after the other to the engine, and writes finalizers,
//! status and Events. Only `app` calls it; it calls the engine, the API types,
//! and the API server, and knows no rule and no SQL.
//!
//! One object's way: a watch puts it into the [`cache`] and its key into the
//! [`queue`]; a worker takes the key, sets the finalizer, asks the engine,
//! writes the status if it differs ([`reconcile`]). Wake-ups that the engine
//! left in the database join the same queue ([`wake`]). There is one queue for
//! all kinds, not one `kube::runtime::Controller` each, because parents go
//! before children when everything is new (a status written twice is the most
//! expensive thing that happens here), because edits go before sweeps, and
//! because one bound on concurrency protects the database.
//!
//! There is no leader election: correctness comes from the database, whose
//! transactions serialise whoever writes. Several replicas would only do the
//! same work twice, so the Deployment runs one and replaces it (`Recreate`).
//!
//! Every call that this room makes to the API server stands in [`access`],
//! which is compared with the ClusterRole in `manifests/base`:
//!
//! | verb | on | for |
//! | --- | --- | --- |
//! | list, watch | the four kinds | the objects |
//! | patch | the four kinds | the finalizer |
//! | patch | `/status` of the four kinds | the status |
//! | create, patch | `events.events.k8s.io` | Events |
//! | list, watch | namespaces (metadata only) | labels, for `allowedNamespaces.from: Selector` |
//! | get | namespace `kube-system` | its uid, the name of this source |
//! | get | Secrets, where a RoleBinding grants it | credentials and initial passwords |
//! | get | one namespace | its labels, where namespaces may not be watched; granted by whoever runs it so |

pub mod access;
mod cache;
mod events;
mod failure;
mod finalizer;
mod manifest;
mod metrics;
mod namespaces;
mod queue;
mod reconcile;
mod setup;
mod status;
mod surroundings;
mod wake;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::domain::object::ObjectKey;
use crate::engine::{self, Claimant, Engine};

pub use metrics::Metrics;
pub use setup::{cluster_source, connect, own_namespace};
pub use surroundings::secrets;

use cache::Cache;
use events::Events;
use failure::Outages;
use namespaces::Namespaces;
use queue::{Lane, Queue};
use reconcile::Worker;
use surroundings::ClusterSurroundings;

/// How long one call to the API server may take. The client itself repeats
/// refused calls many times, so the bound stands around all its attempts.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long work under way may go on after the signal to stop: less than the
/// 30 s after which Kubernetes kills a pod.
const STOP_TIMEOUT: Duration = Duration::from_secs(25);

/// How long workers wait for the initial lists, so that parents go first. After
/// that they begin with what is there: one kind that cannot be listed must not
/// stop the others.
const FIRST_LISTS: Duration = Duration::from_secs(10);

/// How the controller is to run.
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// The namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// How many objects are reconciled at the same time; less than the
    /// database pool has connections.
    pub concurrency: usize,
    /// Name of this instance in Events: the pod's.
    pub instance: Option<String>,
    /// Where to count.
    pub metrics: Metrics,
    /// Becomes true when every watch has its first list: for `/readyz`.
    pub synced: Arc<AtomicBool>,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            namespaces: vec![],
            concurrency: 8,
            instance: std::env::var("POD_NAME").ok(),
            metrics: Metrics::default(),
            synced: Arc::default(),
        }
    }
}

/// What stops the controller as a whole. Trouble with one object, with the API
/// server or with the database does not: that is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// There is no cluster to talk to.
    #[error(
        "no cluster is configured; set KUBECONFIG, run inside a pod, or use --from PATH to work with files"
    )]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The name of the source cannot be found out.
    #[error(
        "namespace kube-system cannot be read, whose uid names this cluster in the database; allow `get` on it (ClusterRole tenantry-controller) or give --source"
    )]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A part of the controller has failed: a fault of the program.
    #[error("the controller has stopped because a part of it failed")]
    Worker(#[from] tokio::task::JoinError),
}

/// What every task of the controller shares.
struct Shared {
    engine: Engine,
    client: kube::Client,
    cache: Cache,
    queue: Queue,
    namespaces: Arc<Namespaces>,
    surroundings: ClusterSurroundings,
    events: Events,
    outages: Outages,
    metrics: Metrics,
    wake: tokio::sync::Notify,
}

impl Shared {
    /// A key joins those that are to be judged.
    fn add(&self, key: ObjectKey, lane: Lane) {
        self.engine.expect(self.claimant(&key));
        self.queue.add(key, lane);
    }

    /// Keys join because everything is looked at. All are announced before the
    /// first is judged.
    fn sweep(&self, keys: Vec<ObjectKey>) {
        let known: Vec<_> = keys.iter().map(|key| self.claimant(key)).collect();
        self.engine.expect(known.iter().flatten().cloned());
        for (key, claimant) in keys.into_iter().zip(known) {
            let (depth, born) = claimant.map_or((0, 0), |known| (known.depth, known.born.as_second()));
            self.queue.sweep(key, depth, born);
        }
    }

    /// An object of the cluster in the line (R12); none if it is not there.
    fn claimant(&self, key: &ObjectKey) -> Option<Claimant> {
        let object = self.cache.get(key)?;
        let spec = object.data.get("spec")?;
        Some(Claimant {
            deleting: object.metadata.deletion_timestamp.is_some(),
            depth: self.cache.depth(key),
            born: object.metadata.creation_timestamp.as_ref()?.0,
            tree: self.cache.tree(key, spec),
            claims: engine::claims(key, spec),
            key: key.clone(),
        })
    }
}

/// Runs the controller until `shutdown`; then finishes what is under way.
pub async fn run(
    config: ControllerConfig,
    engine: Engine,
    client: kube::Client,
    shutdown: CancellationToken,
) -> Result<(), ControllerError> {
    let ControllerConfig { namespaces, concurrency, instance, metrics, synced } = config;
    let (events, publisher) = events::channel(client.clone(), instance, metrics.clone());
    let labels = Arc::new(Namespaces::default());
    let shared = Arc::new(Shared {
        engine,
        cache: Cache::new(&namespaces, metrics.clone()),
        queue: Queue::new(metrics.clone()),
        surroundings: ClusterSurroundings::new(client.clone(), Arc::clone(&labels)),
        namespaces: labels,
        client,
        events,
        outages: Outages::default(),
        metrics,
        wake: tokio::sync::Notify::new(),
    });

    // Aborted when dropped, so nothing outlives this function.
    let mut listeners = JoinSet::new();
    for scope in shared.cache.scopes() {
        listeners.spawn(watch::run(Arc::clone(&shared), scope));
    }
    listeners.spawn(namespaces::run(Arc::clone(&shared)));
    listeners.spawn(wake::run(Arc::clone(&shared)));
    listeners.spawn(wake::sweep_when_synced(Arc::clone(&shared), synced));
    let publisher = tokio::spawn(publisher.run());

    let mut workers = JoinSet::new();
    for _ in 0..concurrency.max(1) {
        let worker = Worker::new(Arc::clone(&shared));
        let ready = Arc::clone(&shared);
        workers.spawn(async move {
            let _ = tokio::time::timeout(FIRST_LISTS, ready.cache.synced()).await;
            worker.run().await;
        });
    }
    let failed = loop {
        tokio::select! {
            () = shutdown.cancelled() => break None,
            Some(Err(error)) = workers.join_next() => break Some(error),
            Some(ended) = listeners.join_next() => if let Err(error) = ended { break Some(error) },
        }
    };
    listeners.shutdown().await;
    shared.queue.close();
    let finish = async {
        while workers.join_next().await.is_some() {}
        drop(workers);
        drop(shared);
        let _ = publisher.await;
    };
    if tokio::time::timeout(STOP_TIMEOUT, finish).await.is_err() {
        tracing::warn!("some work did not end in time; it is done again after the next start");
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}
