//! A scenario through `tenantry apply --prune`, as a person would call it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::diff;
use crate::ending::{Ending, Said};
use crate::harness::{Finished, Tenantry};
use crate::rows::{self, Rows};
use crate::scenario::{Key, Scenario, Step};

const PATIENCE: Duration = Duration::from_secs(60);

/// How the documents of a step are spread over files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// In one file, as they stand in the scenario.
    AsWritten,
    /// Backwards, in files of other names and in folders.
    Shuffled,
}

/// A database and a folder that `apply` brings together.
pub(crate) struct Files {
    scenario: String,
    roots: String,
    order: Order,
    url: String,
    place: tempfile::TempDir,
    /// Digests that confirmed a removal of the step.
    confirmed: Vec<String>,
}

/// The files that one database and one scenario need, wherever objects are from.
pub(crate) fn settings(call: Tenantry, url: &str, place: &Path) -> Tenantry {
    std::fs::write(place.join("link.key"), "6f".repeat(32)).unwrap();
    call.env("TENANTRY_DATABASE_URL", url)
        .env("TENANTRY_KEY_FILE", place.join("link.key"))
        .env("TENANTRY_MAIL_URL", format!("dir:{}", place.join("mails").display()))
        .env("TENANTRY_MAIL_FROM", "Tenantry <tenantry@accounts.example>")
        .env("TENANTRY_PUBLIC_URL", "https://accounts.example")
        .dir(place)
}

/// Applies what another source says to the same database.
pub(crate) async fn apply_elsewhere(documents: &[Value], url: &str, place: &Path) {
    let text: Vec<String> = documents.iter().map(Value::to_string).collect();
    std::fs::write(place.join("elsewhere.yaml"), text.join("\n---\n")).unwrap();
    let call = Tenantry::new(["apply", "-f", "elsewhere.yaml", "--source", "another"]);
    let finished = settings(call, url, place).finish(PATIENCE).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
}

/// Imports devices into the same database.
pub(crate) async fn import(devices: &str, source: &str, url: &str, place: &Path) {
    std::fs::write(place.join("devices.csv"), devices).unwrap();
    let call = Tenantry::new(["devices", "import", "devices.csv", "--source", source]);
    let finished = settings(call, url, place).finish(PATIENCE).await;
    assert_eq!(finished.code(), Some(0), "{finished:?}");
}

impl Files {
    pub(crate) fn sqlite(scenario: &Scenario, order: Order) -> Self {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("t.db").display());
        Self {
            scenario: scenario.name.clone(),
            roots: scenario.roots.clone(),
            order,
            url,
            place,
            confirmed: vec![],
        }
    }

    pub(crate) fn on(scenario: &Scenario, order: Order, url: String) -> Self {
        Self { url, ..Self::sqlite(scenario, order) }
    }

    /// Applies a step and says what it came to.
    pub(crate) async fn take(&mut self, step: &Step) -> Ending {
        if let Some(documents) = &step.elsewhere {
            apply_elsewhere(documents, &self.url, self.place.path()).await;
        }
        self.write(step);
        self.confirmed.clear();
        if !step.confirmed.is_empty() {
            let reports = rows::read(&self.url).await.reports(&self.scenario);
            self.confirmed = step.confirmed.iter().map(|key| confirmation(key, &reports)).collect();
        }
        let mut list = self.apply(&["-o", "json"]).await;
        if let Some(devices) = &step.devices {
            import(devices, &self.scenario, &self.url, self.place.path()).await;
            list = self.apply(&["-o", "json"]).await;
        }
        self.ending(&list, &rows::read(&self.url).await)
    }

    /// Applying twice equals once.
    pub(crate) async fn changes_nothing_when_repeated(&self) {
        let before = rows::read(&self.url).await.exactly();
        let table = self.apply(&[]).await.stdout;
        for line in table.lines().skip(1) {
            let action = line.split_whitespace().nth(2);
            assert!(matches!(action, Some("unchanged" | "refused" | "paused")), "the second time: {line}");
        }
        let after = rows::read(&self.url).await.exactly();
        diff::none(&self.scenario, ("applied once", &before), ("applied twice", &after));
    }

    async fn apply(&self, more: &[&str]) -> Finished {
        let mut arguments = vec!["apply", "-f", "objects", "--prune", "--source", &self.scenario];
        arguments.extend(["--root-namespaces", &self.roots]);
        for confirmed in &self.confirmed {
            arguments.extend(["--confirm-delete", confirmed]);
        }
        arguments.extend(more);
        let finished =
            settings(Tenantry::new(arguments), &self.url, self.place.path()).finish(PATIENCE).await;
        assert!(matches!(finished.code(), Some(0 | 1)), "{finished:?}");
        finished
    }

    fn write(&self, step: &Step) {
        let folder = self.place.path().join("objects");
        let _ = std::fs::remove_dir_all(&folder);
        let mut files: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        for (place, (_, document)) in step.wanted.iter().enumerate() {
            let text = serde_yaml::to_string(document).unwrap();
            let file = match self.order {
                Order::AsWritten => PathBuf::from("objects.yaml"),
                // Three files, one of them in a folder of its own.
                Order::Shuffled => {
                    [PathBuf::from("b.yaml"), PathBuf::from("z/c.yaml"), PathBuf::from("a.yaml")][place % 3]
                        .clone()
                }
            };
            files.entry(file).or_default().push(text);
        }
        for (file, mut texts) in files {
            if self.order == Order::Shuffled {
                texts.reverse();
            }
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, texts.join("---\n")).unwrap();
        }
    }

    fn ending(&self, applied: &Finished, rows: &Rows) -> Ending {
        let list: Vec<Value> =
            serde_json::from_str(&applied.stdout).unwrap_or_else(|error| panic!("{error}: {applied:?}"));
        let reports = rows.reports(&self.scenario);
        let mut objects = BTreeMap::new();
        for object in list {
            let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
            let key = Key { kind: text("kind"), namespace: text("namespace"), name: text("name") };
            let Some(report) = reports.get(&key.to_string()) else {
                // Removed, and nothing more is known about it.
                assert_eq!(object["reason"], "Deleted", "{object}");
                continue;
            };
            let said = Said::new(&key.kind, object.get("conditions"), &report["status"]);
            assert_eq!(said.conditions["Ready"]["message"], object["message"], "{object}");
            objects.insert(key.to_string(), said);
        }
        Ending::new(rows, objects)
    }
}

/// `REF=DIGEST` for a Tenant whose removal waits for it.
fn confirmation(key: &Key, reports: &BTreeMap<String, Value>) -> String {
    let digest = reports[&key.to_string()]["status"]["impact"]["digest"].as_str();
    let Some(digest) = digest else { panic!("no removal of {key} waits to be confirmed") };
    format!("{}/{}={digest}", key.namespace, key.name)
}
