//! A scenario through a real API server and the binary as its controller, with
//! the rights of `manifests/base` and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use tenantry::api::{self, annotation};

use crate::by_files::{apply_elsewhere, import, settings};
use crate::diff;
use crate::ending::{Ending, Said};
use crate::harness::{Cluster, Running, Tenantry, eventually, free_port};
use crate::rows;
use crate::scenario::{KINDS, Key, Scenario, Step};

const PATIENCE: Duration = Duration::from_secs(30);
/// An ending that has not changed for so long while nothing is to be done is
/// the last one.
const CALM: Duration = Duration::from_secs(3);

/// How the objects of the first step meet the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It watches while they are made, in the order of their names.
    OneByOne,
    /// They are there before it, made within one second as they are written, so
    /// that none is older than another.
    AllAtOnce,
}

/// A controller of its own, and the namespaces of one scenario.
pub(crate) struct Site {
    cluster: &'static Cluster,
    client: kube::Client,
    scenario: String,
    roots: String,
    namespaces: BTreeSet<String>,
    url: String,
    place: tempfile::TempDir,
    controller: Option<Running>,
    operations: String,
    /// What the API server was told last.
    made: BTreeMap<Key, Value>,
    /// What it would not take: older ones have none of the rules in the CRDs.
    refused: BTreeSet<Key>,
}

/// What one look at everything found.
#[derive(PartialEq)]
struct Look {
    ending: Ending,
    /// Passes of the controller so far.
    passes: u64,
    /// Something is still to be done.
    busy: Option<String>,
}

impl Site {
    pub(crate) async fn open(scenario: &Scenario, arrival: Arrival) -> Self {
        let cluster = Cluster::shared().await;
        let client = cluster.admin().await;
        let place = tempfile::tempdir().unwrap();
        let mut site = Self {
            cluster,
            client,
            scenario: scenario.name.clone(),
            roots: scenario.roots.clone(),
            namespaces: scenario.namespaces(),
            url: format!("sqlite://{}", place.path().join("t.db").display()),
            place,
            controller: None,
            operations: String::new(),
            made: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        for namespace in &site.namespaces {
            site.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
                .await;
        }
        let secrets =
            scenario.steps.iter().flat_map(|step| &step.wanted).filter(|(key, _)| key.kind == "Secret");
        for namespace in secrets.map(|(key, _)| &key.namespace).collect::<BTreeSet<_>>() {
            cluster.bind(namespace, "tenantry-secrets").await;
        }
        if arrival == Arrival::OneByOne {
            site.start().await;
        }
        site
    }

    async fn start(&mut self) {
        let namespaces: Vec<&str> = self.namespaces.iter().map(String::as_str).collect();
        let (listen, operations) =
            (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let arguments = ["run", "--namespaces", &namespaces.join(","), "--root-namespaces", &self.roots];
        let call = Tenantry::new(arguments)
            .env("KUBECONFIG", self.cluster.controller_kubeconfig())
            .env("TENANTRY_SOURCE", &self.scenario)
            .env("TENANTRY_LISTEN", &listen)
            .env("TENANTRY_OPS_LISTEN", &operations);
        let controller = settings(call, &self.url, self.place.path()).spawn();
        let ready = format!("http://{operations}/readyz");
        eventually("the controller is ready", PATIENCE, || async {
            assert!(controller.ended().is_none(), "the controller has ended:\n{}", controller.stderr());
            reqwest::get(&ready).await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        self.operations = format!("http://{operations}/metrics");
        self.controller = Some(controller);
    }

    pub(crate) async fn close(self) {
        if let Some(controller) = self.controller {
            assert!(controller.terminate(PATIENCE).await.success(), "{}", controller.stderr());
        }
    }

    /// Tells the API server what is wanted now, and waits until everything
    /// ends as it did from files.
    pub(crate) async fn take(&mut self, step: &Step, wanted: &Ending) {
        if let Some(documents) = &step.elsewhere {
            apply_elsewhere(documents, &self.url, self.place.path()).await;
        }
        if self.controller.is_some() {
            self.tell(step).await;
        } else {
            self.tell_at_once(step).await;
            self.start().await;
        }
        self.confirm(step).await;
        if let Some(devices) = &step.devices {
            self.until_calm(step, None).await;
            import(devices, &self.scenario, &self.url, self.place.path()).await;
        }
        self.until_calm(step, Some(&wanted.clone().in_any_order())).await;
    }

    /// Makes, changes and deletes objects. Parents first and by name, so that
    /// an object that is made a second later has the later name.
    async fn tell(&mut self, step: &Step) {
        let mut wanted: Vec<&(Key, Value)> = step.wanted.iter().collect();
        wanted.sort_by_key(|(key, _)| key.rank());
        for (key, document) in wanted {
            if self.made.get(key) != Some(document) {
                let taken = self.put(document).await;
                self.note(key, document, taken);
            }
        }
        let gone: Vec<Key> = self
            .made
            .keys()
            .filter(|key| key.kind != "Namespace" && !step.wanted.iter().any(|(wanted, _)| wanted == *key))
            .cloned()
            .collect();
        for key in gone {
            let deleted = self.api(&key).delete(&key.name, &DeleteParams::background()).await;
            let known = !self.refused.remove(&key);
            assert!(deleted.is_ok() || !known, "{key}: {deleted:?}");
            self.made.remove(&key);
        }
    }

    /// Makes everything before anybody watches, again until all objects have
    /// the same age.
    async fn tell_at_once(&mut self, step: &Step) {
        let (ours, others): (Vec<_>, Vec<_>) = step.wanted.iter().partition(|(key, _)| key.is_ours());
        for (key, document) in others {
            let taken = self.put(document).await;
            self.note(key, document, taken);
        }
        for _ in 0..20 {
            let mut ages = BTreeSet::new();
            for (key, document) in &ours {
                let object = serde_json::from_value(document.clone()).unwrap();
                let made = self.api(key).create(&PostParams::default(), &object).await.unwrap();
                ages.insert(made.metadata.creation_timestamp);
                self.note(key, document, true);
            }
            if ages.len() == 1 {
                return;
            }
            for (key, _) in &ours {
                self.api(key).delete(&key.name, &DeleteParams::default()).await.unwrap();
            }
        }
        panic!("{}: the objects cannot be made within one second", self.scenario);
    }

    fn note(&mut self, key: &Key, document: &Value, taken: bool) {
        self.made.insert(key.clone(), document.clone());
        if taken {
            self.refused.remove(key);
        } else {
            self.refused.insert(key.clone());
        }
    }

    /// Confirms removals with the digest that the status shows.
    async fn confirm(&self, step: &Step) {
        for key in &step.confirmed {
            let digest = eventually("a removal can be confirmed", PATIENCE, || async {
                let object = self.api(key).get(&key.name).await.unwrap();
                object.data["status"]["impact"]["digest"].as_str().map(str::to_owned)
            })
            .await;
            let patch = json!({"metadata": {"annotations": {annotation::CONFIRM_DELETE: digest}}});
            self.api(key).patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        }
    }

    fn api(&self, key: &Key) -> Api<DynamicObject> {
        let resource = resource(&key.kind);
        if key.kind == "Namespace" {
            return Api::all_with(self.client.clone(), &resource);
        }
        Api::namespaced_with(self.client.clone(), &key.namespace, &resource)
    }

    /// Creates or replaces an object as it is written; false if the API server
    /// itself finds fault with it.
    async fn put(&self, document: &Value) -> bool {
        let key = Key::of(document);
        let api = self.api(&key);
        for _ in 0..20 {
            let mut object: DynamicObject = serde_json::from_value(document.clone()).unwrap();
            let done = match api.get_opt(&key.name).await.unwrap() {
                None => api.create(&PostParams::default(), &object).await,
                Some(known) => {
                    object.metadata.resource_version = known.metadata.resource_version;
                    object.metadata.finalizers = known.metadata.finalizers;
                    api.replace(&key.name, &PostParams::default(), &object).await
                }
            };
            match done {
                Ok(_) => return true,
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(kube::Error::Api(status)) if status.code == 422 && self.cluster.has_cel() => {
                    return false;
                }
                Err(error) => panic!("{key}: {error}"),
            }
        }
        panic!("{key}: somebody else changes it all the time");
    }

    /// Every object of the four kinds.
    async fn objects(&self) -> Vec<(Key, DynamicObject)> {
        let mut objects = vec![];
        for kind in KINDS {
            for namespace in &self.namespaces {
                let api: Api<DynamicObject> =
                    Api::namespaced_with(self.client.clone(), namespace, &resource(kind));
                for object in api.list(&ListParams::default()).await.unwrap() {
                    let name = object.metadata.name.clone().unwrap();
                    objects.push((Key { kind: kind.to_owned(), namespace: namespace.clone(), name }, object));
                }
            }
        }
        objects
    }

    /// Looks until nothing is left to be done and everything is as `wanted`, or
    /// has not changed any more for a while.
    async fn until_calm(&self, step: &Step, wanted: Option<&Ending>) {
        let at = format!("{} {}", self.scenario, step.name);
        let start = Instant::now();
        let mut before: Option<(Look, Instant)> = None;
        loop {
            let mut look = self.look(step).await;
            self.leave_out_refused(&mut look.ending);
            let wanted = wanted.cloned().map(|mut wanted| {
                self.leave_out_refused(&mut wanted);
                wanted
            });
            let (same, since) = match before {
                Some((before, since)) if before == look => (true, since),
                _ => (false, Instant::now()),
            };
            if same && look.busy.is_none() {
                match &wanted {
                    None => return,
                    Some(wanted) if *wanted == look.ending => return,
                    Some(wanted) if since.elapsed() > CALM => {
                        let (wanted, found) = (wanted.lines(), look.ending.lines());
                        diff::none(&at, ("apply on SQLite", &wanted), ("the controller", &found));
                    }
                    Some(_) => {}
                }
            }
            if start.elapsed() > PATIENCE {
                let told = wanted.and_then(|wanted| {
                    let (wanted, found) = (wanted.lines(), look.ending.lines());
                    diff::told(("apply on SQLite", &wanted), ("the controller", &found))
                });
                panic!(
                    "{at}: the controller does not come to rest: {:?}\n{}\n{}",
                    look.busy,
                    told.unwrap_or_default(),
                    self.controller.as_ref().map(Running::stderr).unwrap_or_default()
                );
            }
            before = Some((look, since));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the API server would not take, the controller has never seen.
    fn leave_out_refused(&self, ending: &mut Ending) {
        for key in &self.refused {
            ending.objects.remove(&key.to_string());
            ending
                .rows
                .retain(|line| !(line.starts_with("object: ") && line.contains(&format!("\"{key}\""))));
        }
    }

    async fn look(&self, step: &Step) -> Look {
        let mut busy = None;
        let mut objects = BTreeMap::new();
        for (key, object) in self.objects().await {
            let status = object.data.get("status").cloned().unwrap_or_default();
            let wanted = step.wanted.iter().find(|(wanted, _)| *wanted == key);
            let paused =
                wanted.is_some_and(|(_, o)| o["metadata"]["annotations"][annotation::PAUSED] == "true");
            let current = status["observedGeneration"].as_i64() == object.metadata.generation;
            if wanted.is_none() && object.metadata.deletion_timestamp.is_none() {
                busy = Some(format!("{key} is not deleted"));
            } else if !current && !paused {
                busy = Some(format!("{key} is not judged yet"));
            }
            objects.insert(key.to_string(), Said::new(&key.kind, status.get("conditions"), &status));
        }
        for (key, _) in step.objects().filter(|(key, _)| !objects.contains_key(&key.to_string())) {
            if !self.refused.contains(key) {
                busy = Some(format!("{key} is not there"));
            }
        }
        let mut connection = rows::beside(&self.url).await;
        let woken =
            "SELECT count(*), count(CASE WHEN due_at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now') THEN 1 END)
            FROM wakeup w JOIN object o ON o.id = w.object_id WHERE o.source = $1";
        let woken = sqlx::query(woken).bind(&self.scenario).fetch_one(&mut connection).await.unwrap();
        if woken.get::<i64, _>(0) > 0 {
            busy = Some("objects are woken".to_owned());
        }
        if woken.get::<i64, _>(1) > 0 {
            // Counts of tenants may lag; nobody has to wait for that here.
            let now = "UPDATE wakeup SET due_at = '2000-01-01T00:00:00Z'";
            sqlx::query(now).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        let rows = rows::read(&self.url).await;
        let (passes, waiting) = self.counted().await;
        if waiting > 0 {
            busy = Some(format!("{waiting} objects wait for a pass"));
        }
        Look { ending: Ending::new(&rows, objects).in_any_order(), passes, busy }
    }

    /// Passes so far, and objects that wait for one.
    async fn counted(&self) -> (u64, u64) {
        let text = reqwest::get(&self.operations).await.unwrap().text().await.unwrap();
        let sum = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        (sum("tenantry_controller_reconciles_total{"), sum("tenantry_controller_queue_depth"))
    }
}

fn resource(kind: &str) -> ApiResource {
    match kind {
        "Tenant" => ApiResource::erase::<api::Tenant>(&()),
        "Role" => ApiResource::erase::<api::Role>(&()),
        "SubAdmin" => ApiResource::erase::<api::SubAdmin>(&()),
        "DeviceGrant" => ApiResource::erase::<api::DeviceGrant>(&()),
        "Secret" => ApiResource::erase::<Secret>(&()),
        "Namespace" => ApiResource::erase::<Namespace>(&()),
        other => panic!("a scenario cannot hold a {other}"),
    }
}
