//! Labels of namespaces, for Tenants whose parent admits namespaces by
//! selector. Only metadata is watched; a change wakes the Tenants of that
//! namespace. Where namespaces may not be watched, everything else goes on.
//!
//! Not knowing is not the same as no: a Tenant whose namespace only seems to
//! have no labels would lose its admission, and everybody in it all rights. So
//! whoever asks waits for the first list.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};

use super::Shared;
use super::cache::Scope;
use super::queue::Lane;
use super::watch::Trouble;
use crate::domain::object::Kind;

type Labels = BTreeMap<String, String>;

/// Whether the labels of namespaces are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Not yet: the first list is under way.
    #[default]
    Asking,
    /// Yes, of all.
    Complete,
    /// No: they may not be watched.
    Forbidden,
}

/// What is known about labels of namespaces.
#[derive(Default)]
pub(super) struct Namespaces {
    labels: RwLock<HashMap<String, Labels>>,
    state: tokio::sync::watch::Sender<State>,
}

impl Namespaces {
    /// The labels of a namespace, none if it does not exist; nothing at all if
    /// namespaces may not be watched. Waits for the first list.
    pub(super) async fn labels(&self, namespace: &str) -> Option<Option<Labels>> {
        let mut state = self.state.subscribe();
        // Fails only without a sender, and `self` holds it.
        let state = *state.wait_for(|state| *state != State::Asking).await.ok()?;
        if state == State::Forbidden {
            return None;
        }
        Some(self.labels.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned())
    }

    /// Takes what the watch says and tells whether it is news.
    fn put(&self, name: &str, labels: Labels) -> bool {
        let mut known = self.labels.write().unwrap_or_else(PoisonError::into_inner);
        if known.get(name) == Some(&labels) {
            return false;
        }
        known.insert(name.to_owned(), labels);
        true
    }

    /// They may not be watched. Once there was a list it stays good enough: a
    /// starting API server refuses for a while what it grants a moment later.
    fn forbidden(&self) {
        self.state.send_if_modified(|state| {
            let asking = *state == State::Asking;
            if asking {
                *state = State::Forbidden;
            }
            asking
        });
    }

    fn retain(&self, keep: impl Fn(&String) -> bool) {
        self.labels.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
    }
}

/// Watches namespaces for as long as the controller runs.
pub(super) async fn run(shared: Arc<Shared>) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(shared.client.clone());
    let mut stream = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut trouble = Trouble::new("namespaces".to_owned(), "namespaces");
    let mut seen = std::collections::HashSet::new();
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                if trouble.met(&error) {
                    shared.namespaces.forbidden();
                }
                continue;
            }
        };
        trouble.over();
        match event {
            Event::Init => seen.clear(),
            Event::InitApply(namespace) => {
                if let Some(name) = namespace.metadata.name.clone() {
                    seen.insert(name);
                }
                changed(&shared, namespace);
            }
            Event::InitDone => {
                shared.namespaces.retain(|name| seen.contains(name));
                shared.namespaces.state.send_replace(State::Complete);
            }
            Event::Apply(namespace) => changed(&shared, namespace),
            Event::Delete(namespace) => {
                shared.namespaces.retain(|name| Some(name) != namespace.metadata.name.as_ref());
            }
        }
    }
}

fn changed(shared: &Shared, namespace: PartialObjectMeta<Namespace>) {
    let Some(name) = namespace.metadata.name else { return };
    if shared.namespaces.put(&name, namespace.metadata.labels.unwrap_or_default()) {
        let scope = Scope { kind: Kind::Tenant, namespace: Some(name) };
        for key in shared.cache.keys(&scope) {
            shared.add(key, Lane::Wake);
        }
    }
}
