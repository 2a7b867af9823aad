//! The watches: one for each kind, and for each namespace if some are named.
//! They fill the cache and the queue, survive whatever the API server does, and
//! say in one line when something is wrong and when it is over.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::time::Instant;

use super::cache::{Scope, trim};
use super::queue::Lane;
use super::{Shared, failure, manifest};
use crate::api;
use crate::domain::object::{Kind, ObjectKey};

/// How the API server calls a kind.
pub(super) fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Tenant => ApiResource::erase::<api::Tenant>(&()),
        Kind::Role => ApiResource::erase::<api::Role>(&()),
        Kind::SubAdmin => ApiResource::erase::<api::SubAdmin>(&()),
        Kind::DeviceGrant => ApiResource::erase::<api::DeviceGrant>(&()),
    }
}

/// Watches one scope for as long as the controller runs.
pub(super) async fn run(shared: Arc<Shared>, scope: Scope) {
    let resource = resource(scope.kind);
    // Untyped, so that no object can be such that the watch cannot read it.
    let api: Api<DynamicObject> = match &scope.namespace {
        Some(namespace) => Api::namespaced_with(shared.client.clone(), namespace, &resource),
        None => Api::all_with(shared.client.clone(), &resource),
    };
    let stream = watcher(api, watcher::Config::default()).default_backoff();
    let mut stream = std::pin::pin!(stream);
    let mut trouble = Trouble::new(scope.to_string(), &format!("{}.{}", resource.plural, resource.group));
    let mut listing = Listing::default();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                trouble.over();
                take(&shared, &scope, &mut listing, event);
            }
            Err(error) => {
                trouble.met(&error);
            }
        }
    }
}

/// A list under way.
#[derive(Default)]
struct Listing {
    /// Everything in it.
    seen: HashSet<ObjectKey>,
    /// What is new in it.
    news: Vec<ObjectKey>,
}

fn take(shared: &Shared, scope: &Scope, listing: &mut Listing, event: Event<DynamicObject>) {
    match event {
        Event::Init => *listing = Listing::default(),
        Event::InitApply(mut object) => {
            let Some(key) = manifest::key(scope.kind, &object) else { return };
            trim(&mut object);
            listing.seen.insert(key.clone());
            if shared.cache.listed(&key, object) {
                listing.news.push(key);
            }
        }
        Event::InitDone => {
            let Listing { seen, news } = std::mem::take(listing);
            // Only now is it known who is above whom.
            shared.sweep(news);
            complete(shared, scope, &seen);
        }
        Event::Apply(mut object) => {
            let Some(key) = manifest::key(scope.kind, &object) else { return };
            trim(&mut object);
            if shared.cache.watched(&key, object) {
                shared.add(key, Lane::Edit);
            }
        }
        Event::Delete(object) => {
            let Some(key) = manifest::key(scope.kind, &object) else { return };
            shared.cache.deleted(&key);
            shared.add(key, Lane::Edit);
        }
    }
}

/// A list is complete: what is not in it is gone. Unless it is empty where much
/// was known: then rather the cluster has been emptied behind our back (its
/// definitions reinstalled, its storage replaced), and a removal cannot be
/// taken back.
fn complete(shared: &Shared, scope: &Scope, listing: &HashSet<ObjectKey>) {
    let known = shared.cache.keys(scope);
    if listing.is_empty() && known.len() > 1 {
        tracing::warn!(
            "the list of {scope} came back empty although {} were known; nothing is removed from the database for that",
            known.len()
        );
    } else {
        for key in known.difference(listing) {
            shared.cache.remove(key);
            shared.sweep(vec![key.clone()]);
        }
    }
    shared.cache.complete(scope);
}

/// How often a trouble that lasts is told again. A watch that works again may
/// have nothing to say for long, so the end of a trouble is first of all that it
/// is not repeated.
const REPEAT: Duration = Duration::from_secs(300);

/// What is wrong with a watch, told when it begins, when it changes, and every
/// five minutes while it lasts.
pub(super) struct Trouble {
    what: String,
    resource: String,
    told: Option<(String, Instant)>,
}

impl Trouble {
    pub(super) fn new(what: String, resource: &str) -> Self {
        Self { what, resource: resource.to_owned(), told: None }
    }

    /// The watch has failed and will be tried again. Tells whether a right is
    /// missing.
    pub(super) fn met(&mut self, error: &watcher::Error) -> bool {
        let mut forbidden = false;
        let text = match error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchFailed(kube::Error::Api(status))
                if status.is_forbidden() =>
            {
                forbidden = true;
                format!(
                    "{} cannot be watched: {}; grant list and watch on {} as the ClusterRole tenantry-controller in manifests/base does",
                    self.what, status.message, self.resource
                )
            }
            watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.is_not_found() => format!(
                "{} cannot be watched: {} is not installed; install the definitions in crds/ (`tenantry crd | kubectl apply -f -`)",
                self.what, self.resource
            ),
            // An expired place in the stream is everyday life: a new list follows.
            watcher::Error::WatchError(status) if status.code == 410 => return false,
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => {
                format!("{} cannot be watched: {}", self.what, failure::told(error))
            }
            watcher::Error::WatchError(status) => {
                format!("{} cannot be watched: the API server answered {}", self.what, status.code)
            }
            watcher::Error::NoResourceVersion => {
                format!("{} cannot be watched: the API server gives no version", self.what)
            }
        };
        let is_old = |(told, at): &(String, Instant)| *told == text && at.elapsed() < REPEAT;
        if !self.told.as_ref().is_some_and(is_old) {
            tracing::warn!("{text}; trying again, and saying so every five minutes");
            self.told = Some((text, Instant::now()));
        }
        forbidden
    }

    /// The watch works.
    pub(super) fn over(&mut self) {
        if self.told.take().is_some() {
            tracing::info!("{} are watched again", self.what);
        }
    }
}
