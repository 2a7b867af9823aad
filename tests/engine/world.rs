//! A small world for the engine: a database, objects as YAML, and passes until
//! nothing is woken any more.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use sqlx::Connection as _;
use tenantry::domain::activation::LinkKey;
use tenantry::domain::object::{Kind, ObjectKey};
use tenantry::engine::{
    Claimant, Engine, Manifest, Report, RootNamespaces, SecretFact, Spec, Surroundings, Unavailable,
};
use tenantry::store::Store;

/// What lies outside of the database.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) secrets: BTreeMap<(String, String), (String, BTreeMap<String, String>)>,
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

#[async_trait]
impl Surroundings for Outside {
    async fn secret(&self, namespace: &str, name: &str) -> Result<SecretFact, Unavailable> {
        Ok(match self.secrets.get(&(namespace.to_owned(), name.to_owned())) {
            None => SecretFact::Absent,
            Some((label, data)) => SecretFact::Found {
                labels: [("tenantry.dev/use".to_owned(), label.clone())].into(),
                data: data.iter().map(|(k, v)| (k.clone(), SecretString::from(v.clone()))).collect(),
            },
        })
    }
    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Unavailable> {
        Ok(self.namespaces.get(namespace).cloned())
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) outside: Outside,
    objects: BTreeMap<ObjectKey, Manifest>,
    specs: BTreeMap<ObjectKey, serde_json::Value>,
    pub(crate) url: String,
    _folder: Option<tempfile::TempDir>,
}

/// Runs a scenario on SQLite and on PostgreSQL.
#[macro_export]
macro_rules! on_both {
    ($(#[$doc:meta])* async fn $name:ident($world:ident) $body:block) => {
        mod $name {
            use super::*;
            async fn scenario(mut $world: $crate::world::World) $body
            #[tokio::test]
            async fn sqlite() { scenario($crate::world::World::sqlite().await).await }
            #[tokio::test]
            async fn postgres() { scenario($crate::world::World::postgres(stringify!($name)).await).await }
        }
    };
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        Self::open(&url, Some(folder)).await
    }

    pub(crate) async fn postgres(name: &str) -> Self {
        let url = crate::harness::Postgres::shared().await.database(name).await;
        Self::open(&url, None).await
    }

    pub(crate) async fn open(url: &str, folder: Option<tempfile::TempDir>) -> Self {
        let store = Store::connect(url).await.unwrap();
        store.migrate().await.unwrap();
        let key = LinkKey::new(vec![7; 32]).unwrap();
        Self {
            engine: Engine::new(store, "test", RootNamespaces::Listed(vec!["root".to_owned()]), key, [1; 32]),
            outside: Outside::default(),
            objects: BTreeMap::new(),
            specs: BTreeMap::new(),
            url: url.to_owned(),
            _folder: folder,
        }
    }

    /// Another engine on the same database, as another process would have.
    pub(crate) fn twin(&self, seed: u8) -> Engine {
        let key = LinkKey::new(vec![7; 32]).unwrap();
        Engine::new(
            self.engine.store().clone(),
            "test",
            RootNamespaces::Listed(vec!["root".to_owned()]),
            key,
            [seed; 32],
        )
    }

    /// The same engine with other root namespaces.
    pub(crate) fn rooted(&self, namespaces: &[&str]) -> Engine {
        let key = LinkKey::new(vec![7; 32]).unwrap();
        let roots = RootNamespaces::Listed(namespaces.iter().map(|n| (*n).to_owned()).collect());
        Engine::new(self.engine.store().clone(), "test", roots, key, [99; 32])
    }

    /// An engine for another source on the same database.
    pub(crate) fn other_source(&self) -> Engine {
        let key = LinkKey::new(vec![7; 32]).unwrap();
        Engine::new(self.engine.store().clone(), "elsewhere", RootNamespaces::Any, key, [98; 32])
    }

    /// Changes the spec of an object without judging it.
    pub(crate) fn respecify(&mut self, yaml: &str) {
        let manifest = self.manifest(yaml);
        let known = self.objects.get_mut(&manifest.key).expect("no such object");
        known.spec = manifest.spec;
        known.generation += 1;
    }

    /// Makes an object one that breaks its schema, for instance by an edit
    /// that an old API server let through.
    pub(crate) fn break_spec(&mut self, kind: Kind, namespace: &str, name: &str, fault: &str) {
        let key = ObjectKey::new(kind, namespace, name);
        let known = self.objects.get_mut(&key).expect("no such object");
        known.faults = vec![fault.to_owned()];
        known.generation += 1;
    }

    /// Reads one object; a changed spec raises its generation.
    pub(crate) fn manifest(&mut self, yaml: &str) -> Manifest {
        let value: serde_json::Value = serde_yaml::from_str(yaml).unwrap();
        let text = |path: &str| value.pointer(path).and_then(|v| v.as_str()).map(str::to_owned);
        let kind: Kind = text("/kind").unwrap().parse().unwrap();
        let key = ObjectKey::new(kind, text("/metadata/namespace").unwrap(), text("/metadata/name").unwrap());
        let spec = value.get("spec").cloned().unwrap();
        self.specs.insert(key.clone(), spec.clone());
        let spec = match kind {
            Kind::Tenant => Spec::Tenant(serde_json::from_value(spec).unwrap()),
            Kind::Role => Spec::Role(serde_json::from_value(spec).unwrap()),
            Kind::SubAdmin => Spec::SubAdmin(serde_json::from_value(spec).unwrap()),
            Kind::DeviceGrant => Spec::DeviceGrant(serde_json::from_value(spec).unwrap()),
        };
        let annotations = value
            .pointer("/metadata/annotations")
            .map(|a| serde_json::from_value(a.clone()).unwrap())
            .unwrap_or_default();
        let created = text("/metadata/creationTimestamp").map(|t| t.parse().unwrap());
        let generation = match self.objects.get(&key) {
            None => 1,
            Some(known) if known.spec.as_ref() == Some(&spec) => known.generation,
            Some(known) => known.generation + 1,
        };
        let depth = self.depth(&key);
        let tree = Some(tenantry::engine::tree(&key, &self.specs[&key], |key| self.above(key)));
        Manifest {
            key,
            uid: None,
            generation,
            created,
            depth,
            tree,
            deleting: false,
            annotations,
            spec: Some(spec),
            spec_digest: None,
            faults: vec![],
        }
    }

    /// Reads one object that the test judges itself; from now on it is judged
    /// again when it is woken.
    pub(crate) fn introduce(&mut self, yaml: &str) -> Manifest {
        let manifest = self.manifest(yaml);
        self.objects.insert(manifest.key.clone(), manifest.clone());
        manifest
    }

    fn above(&self, key: &ObjectKey) -> Option<ObjectKey> {
        tenantry::engine::above(key, self.specs.get(key)?)
    }

    fn depth(&self, key: &ObjectKey) -> i64 {
        tenantry::engine::depth(key, |key| self.above(key))
    }

    /// Announces objects as whoever drives the engine does (R12).
    fn expect<'a>(&self, manifests: impl Iterator<Item = &'a Manifest>) {
        self.engine.expect(manifests.filter_map(|manifest| {
            let spec = &self.specs[&manifest.key];
            Some(Claimant {
                key: manifest.key.clone(),
                deleting: manifest.deleting,
                depth: manifest.depth,
                born: manifest.created?,
                tree: tenantry::engine::tree(&manifest.key, spec, |key| self.above(key)),
                claims: tenantry::engine::claims(&manifest.key, spec),
            })
        }));
    }

    /// Takes in a set of objects as a whole, judges them in the given order,
    /// then whoever was woken, until nobody is.
    pub(crate) async fn apply_in_order(&mut self, documents: &[String], order: &[usize]) {
        documents.iter().for_each(|document| {
            self.manifest(document);
        });
        let manifests: Vec<_> = documents.iter().map(|document| self.manifest(document)).collect();
        self.objects.extend(manifests.iter().map(|m| (m.key.clone(), m.clone())));
        self.expect(manifests.iter());
        for at in order {
            self.pass(&manifests[*at]).await;
        }
        self.settle().await;
    }

    pub(crate) async fn pass(&self, manifest: &Manifest) -> Report {
        let report = self.engine.reconcile(manifest, &self.outside).await.unwrap();
        for condition in &report.conditions {
            assert!(!condition.message.is_empty(), "{}: a condition without words", report.key);
        }
        report
    }

    /// Applies objects one after the other, then judges whatever was woken,
    /// until nothing is.
    pub(crate) async fn apply(&mut self, documents: &str) -> BTreeMap<ObjectKey, Report> {
        let mut reports = BTreeMap::new();
        for document in documents.split("\n---\n").filter(|d| !d.trim().is_empty()) {
            let manifest = self.manifest(document);
            let report = self.pass(&manifest).await;
            self.objects.insert(manifest.key.clone(), manifest);
            reports.insert(report.key.clone(), report);
        }
        reports.extend(self.settle().await);
        reports
    }

    /// Judges whatever was woken, until nothing is.
    pub(crate) async fn settle(&mut self) -> BTreeMap<ObjectKey, Report> {
        let mut reports = BTreeMap::new();
        for round in 0.. {
            assert!(round < 100, "objects keep waking each other");
            let woken = self.engine.take_woken(Duration::from_secs(3600), 1000).await.unwrap();
            if woken.is_empty() {
                break;
            }
            self.expect(woken.iter().filter_map(|key| self.objects.get(key)));
            for key in woken {
                if let Some(manifest) = self.objects.get(&key).cloned() {
                    let report = self.pass(&manifest).await;
                    if report.finished {
                        self.objects.remove(&key);
                    }
                    reports.insert(key, report);
                }
            }
        }
        reports
    }

    /// Deletes an object as kubectl would, then judges whatever was woken.
    pub(crate) async fn delete(&mut self, kind: Kind, namespace: &str, name: &str) -> Report {
        let key = ObjectKey::new(kind, namespace, name);
        let manifest = self.objects.get_mut(&key).expect("no such object");
        manifest.deleting = true;
        manifest.generation += 1;
        let manifest = manifest.clone();
        let mut report = self.pass(&manifest).await;
        if report.finished {
            self.objects.remove(&key);
        }
        if let Some(later) = self.settle().await.remove(&key) {
            report = later;
        }
        report
    }

    /// Deletes every object at once, judging them in the given order, and
    /// returns those that are left in the end.
    pub(crate) async fn delete_all(&mut self, order: &[ObjectKey]) -> Vec<ObjectKey> {
        for manifest in self.objects.values_mut() {
            manifest.deleting = true;
            manifest.generation += 1;
        }
        for key in order {
            let manifest = self.objects[key].clone();
            if self.pass(&manifest).await.finished {
                self.objects.remove(key);
            }
        }
        self.settle().await;
        self.objects.keys().cloned().collect()
    }

    pub(crate) fn keys(&self) -> Vec<ObjectKey> {
        self.objects.keys().cloned().collect()
    }

    /// The API server has nothing of this name any more.
    pub(crate) fn forget(&mut self, kind: Kind, namespace: &str, name: &str) {
        self.objects.remove(&ObjectKey::new(kind, namespace, name));
    }

    /// The stored hash of an account's password.
    pub(crate) async fn password_of(&self, username: &str) -> Option<String> {
        self.by_hand(&format!("SELECT password_hash FROM account WHERE username = '{username}'")).await
    }

    /// A statement as somebody with the database's password would send it; the
    /// first column of the first row, as text.
    pub(crate) async fn by_hand(&self, sql: &str) -> Option<String> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_optional(&mut connection).await.unwrap().flatten()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).fetch_optional(&mut connection).await.unwrap().flatten()
        }
    }

    pub(crate) fn annotate(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        annotation: &str,
        value: &str,
    ) {
        let key = ObjectKey::new(kind, namespace, name);
        let manifest = self.objects.get_mut(&key).expect("no such object");
        manifest.annotations.insert(format!("tenantry.dev/{annotation}"), value.to_owned());
    }

    /// Judges one object again as it is.
    pub(crate) async fn again(&mut self, kind: Kind, namespace: &str, name: &str) -> Report {
        let key = ObjectKey::new(kind, namespace, name);
        let manifest = self.objects.get(&key).expect("no such object").clone();
        let report = self.pass(&manifest).await;
        self.settle().await.remove(&key).unwrap_or(report)
    }

    /// One look at one object, without those that it wakes.
    pub(crate) async fn once(&self, kind: Kind, namespace: &str, name: &str) -> Report {
        self.pass(&self.objects[&ObjectKey::new(kind, namespace, name)]).await
    }

    /// Empties the inventory, as the platform would.
    pub(crate) async fn forget_devices(&self) {
        let mut tx = self.engine.store().begin(tenantry::store::Access::Write).await.unwrap();
        tx.remove_devices().await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn import(&self, devices: &[(&str, Option<&str>)]) {
        let mut tx = self.engine.store().begin(tenantry::store::Access::Write).await.unwrap();
        let mut batch = vec![];
        for (id, path) in devices {
            let tenant = match path {
                Some(path) => Some(tx.tenant_at(path).await.unwrap().expect("no such tenant").id),
                None => None,
            };
            batch.push(tenantry::store::devices::Import {
                id: (*id).to_owned(),
                unit_id: Some(format!("u-{id}")),
                name: format!("Device {id}"),
                labels: [("site".to_owned(), "north".to_owned())].into(),
                tenant,
            });
        }
        tx.import_devices(&batch).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Who holds each device: tenant's path and account's username.
    pub(crate) async fn holders(&self) -> BTreeMap<String, String> {
        let mut tx = self.engine.store().begin(tenantry::store::Access::Read).await.unwrap();
        let listed = tx.list_devices(None, "", 10_000).await.unwrap();
        listed
            .into_iter()
            .map(|d| {
                let holder = format!(
                    "{}{}",
                    d.tenant.unwrap_or_default(),
                    d.account.map(|a| format!(":{a}")).unwrap_or_default()
                );
                (d.device_id, holder)
            })
            .collect()
    }
}

/// The reason of `Ready` of one object.
pub(crate) fn reason(
    reports: &BTreeMap<ObjectKey, Report>,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> String {
    let report = &reports[&ObjectKey::new(kind, namespace, name)];
    report.condition("Ready").unwrap().reason.to_string()
}

/// Refuses to go on unless everything is ready.
pub(crate) fn all_ready(reports: &BTreeMap<ObjectKey, Report>) {
    for (key, report) in reports {
        assert!(report.ready(), "{key}: {:?}", report.conditions);
    }
}

/// A root tenant `acme` with its Root `ada` in namespace `root`.
pub(crate) const ACME: &str = "
kind: Tenant
metadata: {namespace: root, name: acme}
spec: {displayName: ACME}
---
kind: SubAdmin
metadata: {namespace: root, name: ada}
spec: {tenantRef: {name: acme}, username: ada, email: ada@example.org, tier: Root}
";
