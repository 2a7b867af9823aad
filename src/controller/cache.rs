//! The objects of the cluster as the watches last saw them. The watches write
//! here, and so does whoever has just patched an object, so that the watch's
//! echo of an own write costs no second pass. It calls nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use kube::api::DynamicObject;
use serde_json::Value;
use tokio::sync::watch;

use super::metrics::Metrics;
use super::status;
use crate::domain::object::{Kind, ObjectKey};
use crate::engine;

/// What one watch looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    /// Of which kind.
    pub(super) kind: Kind,
    /// In which namespace; none: in all.
    pub(super) namespace: Option<String>,
}

/// What a watch said of an object while it was being written: often the echo
/// of that write, which may arrive before its answer does.
enum Meanwhile {
    Nothing,
    Seen(Box<DynamicObject>),
    Deleted,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} objects in namespace {namespace}", self.kind),
            None => write!(f, "{} objects", self.kind),
        }
    }
}

/// The objects, and which lists are complete.
pub(super) struct Cache {
    objects: RwLock<HashMap<ObjectKey, Arc<DynamicObject>>>,
    /// Objects that are being written, with what a watch said meanwhile.
    writing: Mutex<HashMap<ObjectKey, Meanwhile>>,
    /// Objects whose deletion a watch has seen and whose rows may remain.
    deleted: Mutex<HashSet<ObjectKey>>,
    scopes: Vec<Scope>,
    listed: watch::Sender<HashSet<Scope>>,
    metrics: Metrics,
}

impl Cache {
    /// An empty cache of these namespaces; of all if there are none.
    pub(super) fn new(namespaces: &[String], metrics: Metrics) -> Self {
        let all = [None];
        let named: Vec<_> = namespaces.iter().cloned().map(Some).collect();
        let namespaces = if named.is_empty() { &all[..] } else { &named };
        let scopes = Kind::ALL
            .into_iter()
            .flat_map(|kind| namespaces.iter().map(move |n| Scope { kind, namespace: n.clone() }))
            .collect();
        Self {
            objects: RwLock::default(),
            writing: Mutex::default(),
            deleted: Mutex::default(),
            scopes,
            listed: watch::Sender::default(),
            metrics,
        }
    }

    /// What is to be watched.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        self.scopes.clone()
    }

    /// One object.
    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<DynamicObject>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// How many objects of its kind are above an object.
    pub(super) fn depth(&self, key: &ObjectKey) -> i64 {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        engine::depth(key, |key| above(&objects, key))
    }

    /// The root tenant of the tree that an object lies in.
    pub(super) fn tree(&self, key: &ObjectKey, spec: &Value) -> ObjectKey {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        engine::tree(key, spec, |key| above(&objects, key))
    }

    /// Whether any object of any kind is known.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The keys of one scope.
    pub(super) fn keys(&self, scope: &Scope) -> HashSet<ObjectKey> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.keys().filter(|key| scope.covers(key)).cloned().collect()
    }

    /// Takes what a watch says and tells whether it is news. Older states than
    /// the one that an own write gave back are no news; while a write is under
    /// way, its answer decides ([`Cache::end_write`]).
    pub(super) fn watched(&self, key: &ObjectKey, object: DynamicObject) -> bool {
        if let Some(meanwhile) = self.writes().get_mut(key) {
            *meanwhile = Meanwhile::Seen(Box::new(object));
            return false;
        }
        self.take(key, object)
    }

    fn take(&self, key: &ObjectKey, object: DynamicObject) -> bool {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let known = objects.get(key);
        if known.is_some_and(|known| !is_newer(&object, known)) {
            return false;
        }
        self.count(known.map(Arc::as_ref), Some(&object), key.kind);
        objects.insert(key.clone(), Arc::new(object));
        true
    }

    /// Takes what a new list says, which is the truth even where it is older,
    /// and tells whether it differs from what was known.
    pub(super) fn listed(&self, key: &ObjectKey, object: DynamicObject) -> bool {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let known = objects.get(key);
        if known.is_some_and(|k| k.metadata.resource_version == object.metadata.resource_version) {
            return false;
        }
        self.count(known.map(Arc::as_ref), Some(&object), key.kind);
        objects.insert(key.clone(), Arc::new(object));
        true
    }

    /// An own write begins.
    pub(super) fn begin_write(&self, key: &ObjectKey) {
        self.writes().insert(key.clone(), Meanwhile::Nothing);
    }

    /// An own write has ended, with what the API server answered if the object
    /// is still there. Tells whether a watch has said something newer meanwhile.
    pub(super) fn end_write(&self, key: &ObjectKey, answer: Option<DynamicObject>) -> bool {
        let mut writes = self.writes();
        let meanwhile = writes.remove(key).unwrap_or(Meanwhile::Nothing);
        if let Some(mut answer) = answer
            && !matches!(meanwhile, Meanwhile::Deleted)
        {
            trim(&mut answer);
            self.take(key, answer);
        }
        match meanwhile {
            Meanwhile::Seen(object) => self.take(key, *object),
            Meanwhile::Nothing | Meanwhile::Deleted => false,
        }
    }

    /// An object is gone.
    pub(super) fn remove(&self, key: &ObjectKey) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let known = objects.remove(key);
        self.count(known.as_deref(), None, key.kind);
    }

    /// A watch has seen an object's deletion.
    pub(super) fn deleted(&self, key: &ObjectKey) {
        if let Some(meanwhile) = self.writes().get_mut(key) {
            *meanwhile = Meanwhile::Deleted;
        }
        self.remove(key);
        self.deletions().insert(key.clone());
    }

    /// Whether a watch has seen its deletion: that it is gone is then certain.
    pub(super) fn was_deleted(&self, key: &ObjectKey) -> bool {
        self.deletions().contains(key)
    }

    /// Nothing is left of a deleted object.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.deletions().remove(key);
    }

    fn writes(&self) -> MutexGuard<'_, HashMap<ObjectKey, Meanwhile>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deletions(&self) -> MutexGuard<'_, HashSet<ObjectKey>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first list of a scope is complete.
    pub(super) fn complete(&self, scope: &Scope) {
        self.listed.send_if_modified(|listed| listed.insert(scope.clone()));
    }

    /// Waits until every scope has its first list.
    pub(super) async fn synced(&self) {
        let mut listed = self.listed.subscribe();
        // Fails only without a sender, and `self` holds it.
        let _ = listed.wait_for(|listed| listed.len() == self.scopes.len()).await;
    }

    /// Whether the absence of this object means that it does not exist: its
    /// scope is watched and its first list is complete.
    pub(super) fn can_tell(&self, key: &ObjectKey) -> bool {
        self.listed.borrow().iter().any(|scope| scope.covers(key))
    }

    fn count(&self, before: Option<&DynamicObject>, after: Option<&DynamicObject>, kind: Kind) {
        for (object, step) in [(before, -1), (after, 1)] {
            if let Some(object) = object {
                self.metrics.object(kind, status::readiness(object.data.get("status")), step);
            }
        }
    }
}

impl Scope {
    /// Whether the object lies in it.
    pub(super) fn covers(&self, key: &ObjectKey) -> bool {
        self.kind == key.kind && self.namespace.as_ref().is_none_or(|n| *n == key.namespace)
    }
}

/// The object of the same kind that comes before one. It need not be there yet:
/// a place in the line must not depend on who has arrived already.
fn above(objects: &HashMap<ObjectKey, Arc<DynamicObject>>, key: &ObjectKey) -> Option<ObjectKey> {
    engine::above(key, objects.get(key)?.data.get("spec")?)
}

/// Drops what nobody reads, which for some objects is most of their size.
pub(super) fn trim(object: &mut DynamicObject) {
    object.metadata.managed_fields = None;
    object.metadata.labels = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.retain(|name, _| name.starts_with("tenantry.dev/"));
    }
}

/// Whether `new` is a later state of the same object, or another object. The
/// API server's versions of one kind are increasing numbers; should they ever
/// not be numbers, everything different is news.
fn is_newer(new: &DynamicObject, known: &DynamicObject) -> bool {
    if new.metadata.uid != known.metadata.uid {
        return true;
    }
    let (new, known) = (&new.metadata.resource_version, &known.metadata.resource_version);
    let number = |version: &Option<String>| version.as_deref().and_then(|v| v.parse::<u64>().ok());
    match (number(new), number(known)) {
        (Some(new), Some(known)) => new > known,
        _ => new != known,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(version: &str, uid: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant",
            "metadata": { "name": "acme", "namespace": "acme", "uid": uid, "resourceVersion": version },
            "spec": {},
        }))
        .unwrap()
    }
    fn key() -> ObjectKey {
        ObjectKey::new(Kind::Tenant, "acme", "acme")
    }

    #[test]
    fn the_echo_of_an_own_write_is_no_news() {
        let cache = Cache::new(&[], Metrics::default());
        assert!(cache.watched(&key(), object("9", "a")));
        for version in ["10", "11"] {
            cache.begin_write(&key());
            assert!(!cache.end_write(&key(), Some(object(version, "a"))));
        }
        assert!(!cache.watched(&key(), object("10", "a")));
        assert!(!cache.watched(&key(), object("11", "a")));
        assert!(cache.watched(&key(), object("12", "a")));
        assert!(cache.watched(&key(), object("3", "another")));
    }

    #[test]
    fn an_echo_that_comes_before_the_answer_is_no_news_and_what_others_wrote_is() {
        let cache = Cache::new(&[], Metrics::default());
        cache.watched(&key(), object("9", "a"));
        cache.begin_write(&key());
        assert!(!cache.watched(&key(), object("10", "a")));
        assert!(!cache.end_write(&key(), Some(object("10", "a"))));
        cache.begin_write(&key());
        assert!(!cache.watched(&key(), object("12", "a")));
        assert!(cache.end_write(&key(), Some(object("11", "a"))));
        cache.begin_write(&key());
        assert!(!cache.watched(&key(), object("13", "a")));
        assert!(cache.end_write(&key(), None), "a refused write hides nothing");
        cache.begin_write(&key());
        cache.deleted(&key());
        assert!(!cache.end_write(&key(), Some(object("14", "a"))));
        assert!(cache.get(&key()).is_none(), "what is gone does not come back");
    }

    #[test]
    fn a_relist_is_the_truth_and_costs_a_pass_only_for_what_differs() {
        let cache = Cache::new(&[], Metrics::default());
        cache.watched(&key(), object("9", "a"));
        assert!(!cache.listed(&key(), object("9", "a")));
        assert!(cache.listed(&key(), object("5", "a")));
        assert_eq!(cache.get(&key()).unwrap().metadata.resource_version.as_deref(), Some("5"));
    }

    #[test]
    fn absence_means_something_only_where_a_list_is_complete() {
        let cache = Cache::new(&["acme".to_owned(), "other".to_owned()], Metrics::default());
        assert_eq!(cache.scopes().len(), 8);
        assert!(!cache.can_tell(&key()));
        cache.complete(&Scope { kind: Kind::Tenant, namespace: Some("acme".to_owned()) });
        assert!(cache.can_tell(&key()));
        assert!(!cache.can_tell(&ObjectKey::new(Kind::Tenant, "unwatched", "x")));
        assert!(!cache.can_tell(&ObjectKey::new(Kind::Role, "acme", "x")));
    }
}
