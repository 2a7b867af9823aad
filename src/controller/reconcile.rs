//! One object's pass: finalizer, engine, status, Events, log, count, in that
//! order. The engine decides; here it is only carried out, and what became of
//! the object is told once, in one place.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;
use tokio::time::Instant;

use super::failure::{Class, Failure};
use super::queue::Lane;
use super::{CALL_TIMEOUT, Shared, events, finalizer, manifest, status, watch};
use crate::api::annotation;
use crate::domain::object::ObjectKey;
use crate::domain::verdict::Reason;
use crate::engine::Report;
use crate::store::Access;

/// Who writes.
const FIELD_MANAGER: &str = "tenantry";

/// Every object is looked at again after this time (and up to a tenth more),
/// in case a watch has lost something.
const RESYNC: Duration = Duration::from_secs(10 * 3600);

/// What a pass came to.
struct Done {
    /// For metrics.
    result: &'static str,
    /// When to look again.
    later: Option<Duration>,
    /// Whether the API server took a write.
    wrote: bool,
}

impl Done {
    fn nothing(result: &'static str) -> Self {
        Self { result, later: None, wrote: false }
    }
}

/// Takes objects from the queue, one at a time.
pub(super) struct Worker {
    shared: Arc<Shared>,
    patch: PatchParams,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let patch = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        Self { shared, patch }
    }

    /// Works until the queue is closed.
    pub(super) async fn run(self) {
        while let Some(key) = self.shared.queue.next().await {
            let start = Instant::now();
            let (result, later) = match self.reconcile(&key).await {
                Ok(done) => {
                    self.shared.outages.succeeded(&key, done.wrote);
                    (done.result, done.later)
                }
                Err(failure) => {
                    let wait = self.shared.outages.failed(&key, &failure);
                    (failure.class().as_str(), Some(wait))
                }
            };
            self.shared.metrics.reconciled(key.kind, result, start.elapsed());
            if !self.shared.queue.done(&key, later) {
                self.shared.engine.dismiss(&key);
            }
        }
    }

    async fn reconcile(&self, key: &ObjectKey) -> Result<Done, Failure> {
        let Some(object) = self.shared.cache.get(key) else {
            return self.reconcile_gone(key).await;
        };
        let tree = object.data.get("spec").map(|spec| self.shared.cache.tree(key, spec));
        let manifest = manifest::read(key, &object, self.shared.cache.depth(key), tree);
        let ours = finalizer::is_set(&object.metadata);
        if manifest.deleting && !ours {
            // It waits for somebody else; should we know it, its end comes as
            // an event of its own.
            return Ok(Done::nothing("ignored"));
        }
        // Nothing is written for a paused or unreadable object, and an API
        // server refuses patches of what breaks its rules.
        let wants_rows = manifest.faults.is_empty() && !manifest.flag(annotation::PAUSED);
        // It stands in the line as what it is now, however it came here. Whoever
        // needs it waits from now on, also while its finalizer is being set.
        self.shared.engine.expect(self.shared.claimant(key));
        self.shared.engine.begin(key);
        let marked = !ours && wants_rows;
        let object = if marked {
            let patch = finalizer::added(&object.metadata);
            let patched = self.patch(key, "setting the finalizer", "finalizer", patch).await;
            patched.inspect_err(|_| self.shared.engine.dismiss(key))?
        } else {
            object
        };

        let report = self.shared.engine.reconcile(&manifest, &self.shared.surroundings).await?;
        if report.changed || waits_for_its_turn(&report) {
            self.shared.wake.notify_one();
        }

        let before = object.data.get("status");
        let wrote = if report.finished {
            let patch = finalizer::removed(&object.metadata);
            match self.patch(key, "removing the finalizer", "finalizer", patch).await {
                Err(failure) if failure.class() == Class::Gone => false,
                removed => removed.map(|_| true)?,
            }
        } else {
            self.write_status(key, &object, &report).await?
        };
        self.tell(&report, object.metadata.uid.as_deref(), before);
        Ok(Done { result: report.action.as_str(), later: Some(later(&report)), wrote: wrote || marked })
    }

    /// The object is not there. If the database knows it, it went without
    /// waiting for us, and its rows must go too.
    async fn reconcile_gone(&self, key: &ObjectKey) -> Result<Done, Failure> {
        if !self.shared.cache.can_tell(key) {
            return Ok(Done::nothing("ignored"));
        }
        let known = {
            let mut tx = self.shared.engine.store().begin(Access::Read).await?;
            tx.object(self.shared.engine.source(), key).await?
        };
        let Some(known) = known else {
            self.shared.cache.forget(key);
            return Ok(Done::nothing("gone"));
        };
        // A cluster without any object is rather the wrong one, or an emptied
        // one, than one whose owner wanted everybody's accounts to vanish.
        if self.shared.cache.is_empty() && !self.shared.cache.was_deleted(key) {
            return Ok(Done::nothing("ignored"));
        }
        let manifest = manifest::gone(key, known.uid, known.generation);
        let report = self.shared.engine.reconcile(&manifest, &self.shared.surroundings).await?;
        if report.changed || waits_for_its_turn(&report) {
            self.shared.wake.notify_one();
        }
        if report.finished {
            self.shared.cache.forget(key);
        }
        let (kind, namespace, name) = (key.kind, &key.namespace, &key.name);
        if report.finished {
            tracing::info!(%kind, %namespace, %name, "the object has gone without its finalizer; its rows are gone too");
        } else {
            let reason = report.condition("Ready").map(|c| c.reason.as_str()).unwrap_or_default();
            tracing::warn!(
                %kind, %namespace, %name, reason,
                "the object has gone, but its rows stay for now; what is inside must go first"
            );
        }
        Ok(Done { result: report.action.as_str(), later: again(&report), wrote: false })
    }

    async fn write_status(
        &self,
        key: &ObjectKey,
        object: &DynamicObject,
        report: &Report,
    ) -> Result<bool, Failure> {
        let before = object.data.get("status");
        let wanted = status::wanted(report, before);
        let version = object.metadata.resource_version.as_deref();
        let Some(patch) = status::patch(before, &wanted, version) else {
            return Ok(false);
        };
        let written = match self.patch(key, "writing the status", "status", patch).await {
            // Deleted by force a moment ago: the watch will say so.
            Err(failure) if failure.class() == Class::Gone => return Ok(false),
            written => written?,
        };
        if written.data.get("status") != Some(&wanted) {
            let kind = key.kind;
            tracing::debug!(%kind, "the API server keeps another status than the one written; are the definitions in crds/ of this version installed?");
        }
        Ok(true)
    }

    async fn patch(
        &self,
        key: &ObjectKey,
        what: &'static str,
        resource: &'static str,
        patch: Value,
    ) -> Result<Arc<DynamicObject>, Failure> {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.shared.client.clone(), &key.namespace, &watch::resource(key.kind));
        let patch = Patch::Merge(patch);
        let call = async {
            match resource {
                "status" => api.patch_status(&key.name, &self.patch, &patch).await,
                _ => api.patch(&key.name, &self.patch, &patch).await,
            }
        };
        self.shared.cache.begin_write(key);
        let answer = match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(answer) => answer.map_err(|source| Failure::Call { what, source: Box::new(source) }),
            Err(_) => Err(Failure::TimedOut { what }),
        };
        // Without its last finalizer a deleted object is gone already.
        let is_gone = |object: &DynamicObject| {
            object.metadata.deletion_timestamp.is_some()
                && object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
        };
        let known = answer.as_ref().ok().filter(|object| !is_gone(object)).cloned();
        if self.shared.cache.end_write(key, known) {
            self.shared.add(key.clone(), Lane::Edit);
        }
        let object = answer?;
        self.shared.metrics.wrote(resource);
        Ok(Arc::new(object))
    }

    /// Tells what became of an object, if anything did.
    fn tell(&self, report: &Report, uid: Option<&str>, before: Option<&Value>) {
        let remarks = events::remarks(before, report);
        let ObjectKey { kind, namespace, name } = &report.key;
        let ready = report.condition("Ready");
        let reason = ready.map(|c| c.reason.as_str()).unwrap_or_default();
        let message = ready.and_then(|c| events::public(&c.message)).unwrap_or_default();
        let result = report.action.as_str();
        if remarks.is_empty() && !report.finished {
            tracing::debug!(%kind, %namespace, %name, result, reason);
        } else if report.ready() || report.finished {
            tracing::info!(%kind, %namespace, %name, result, reason, "reconciled");
        } else {
            tracing::info!(%kind, %namespace, %name, result, reason, "{message}");
        }
        self.shared.events.say(&report.key, uid, remarks);
    }
}

fn waits_for_its_turn(report: &Report) -> bool {
    report.condition("Ready").is_some_and(|ready| ready.reason == Reason::ClaimsAhead)
}

/// How long until time alone calls for another pass. Both times are the
/// database's (R13).
fn again(report: &Report) -> Option<Duration> {
    let wait = report.again_at?.duration_since(report.judged_at);
    Some(Duration::try_from(wait).unwrap_or_default().max(Duration::from_secs(1)))
}

fn later(report: &Report) -> Duration {
    let resync = RESYNC.mul_f64(1.0 + rand::random::<f64>() / 10.0);
    again(report).map_or(resync, |wait| wait.min(resync))
}
