//! A scenario as it is written: a folder `NAME` with steps, read in order.
//!
//! - `1-create.yaml` holds objects, Secrets and Namespaces. A step says what is
//!   different from the step before: a document replaces the one of the same
//!   kind and name, or is new; a document with nothing but `kind` and
//!   `metadata` takes the object away. What is wanted is always the whole:
//!   `apply --prune` gets all of it, and so does the cluster.
//! - A taken away Tenant with the annotation `confirm-delete` is confirmed with
//!   the digest that its status shows.
//! - `1-create.csv` is imported when the objects of the step are in force.
//! - `1-create.elsewhere.yaml` is applied before, from another source.
//! - `expect.yaml` names for each step the objects that are not ready, with the
//!   reason of `Ready`; all others must be `Reconciled`. Further words name
//!   other conditions that must be true (`DevicesPending`) or false
//!   (`-Active`). `device ID` says who must hold a device, and `restores` that
//!   the step goes back to the objects of an earlier one and to its rows.
//!
//! `apiVersion` may be left out. All namespaces begin with the scenario's name,
//! because scenarios share a cluster; the one called like it is the root
//! namespace, unless `roots` in `expect.yaml` names others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize as _;
use serde_json::{Value, json};
use tenantry::api::annotation;

use crate::harness::in_tree;

/// The four kinds, parents first.
pub(crate) const KINDS: [&str; 4] = ["Tenant", "Role", "SubAdmin", "DeviceGrant"];

/// Where scenarios are.
pub(crate) fn folder() -> PathBuf {
    in_tree("tests/scenarios")
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn of(document: &Value) -> Self {
        let text = |at: &str| document.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind: text("/kind"), namespace: text("/metadata/namespace"), name: text("/metadata/name") }
    }

    /// One of the four kinds.
    pub(crate) fn is_ours(&self) -> bool {
        KINDS.contains(&self.kind.as_str())
    }

    /// Parents first, then by namespace and name.
    pub(crate) fn rank(&self) -> (Option<usize>, &str, &str) {
        (KINDS.iter().position(|kind| *kind == self.kind), &self.namespace, &self.name)
    }
}

/// As in `expect.yaml`: `SubAdmin acme/kim`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Root namespaces, with commas between them.
    pub(crate) roots: String,
    pub(crate) steps: Vec<Step>,
}

/// What is wanted from one step on.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// All of it, in the order of writing.
    pub(crate) wanted: Vec<(Key, Value)>,
    /// Tenants whose removal is confirmed.
    pub(crate) confirmed: BTreeSet<Key>,
    /// The inventory to import.
    pub(crate) devices: Option<String>,
    /// What another source applies.
    pub(crate) elsewhere: Option<Vec<Value>>,
    /// Conditions by object: the reason of `Ready`, then others.
    pub(crate) expected: BTreeMap<String, Vec<String>>,
    pub(crate) holders: BTreeMap<String, String>,
    /// The earlier step that this one goes back to.
    pub(crate) restores: Option<usize>,
}

impl Scenario {
    pub(crate) fn read(name: &str) -> Self {
        Self::read_as(name, name)
    }

    /// The same in other namespaces: for two tests at the same time.
    pub(crate) fn read_as(folder: &str, name: &str) -> Self {
        let text_of = |file: &str| {
            let text = std::fs::read_to_string(self::folder().join(folder).join(file)).ok()?;
            Some(text.replace(folder, name))
        };
        let text = text_of("expect.yaml").unwrap();
        let mut written: serde_yaml::Value =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}/expect.yaml: {error}"));
        written.apply_merge().unwrap();
        let mut written: BTreeMap<String, Value> = serde_yaml::from_value(written).unwrap();
        let roots: Option<Vec<String>> =
            written.remove("roots").map(|list| serde_json::from_value(list).unwrap());
        let expectations: BTreeMap<String, Option<BTreeMap<String, Value>>> =
            written.into_iter().map(|(step, list)| (step, serde_json::from_value(list).unwrap())).collect();
        let mut steps: Vec<Step> = vec![];
        // In order: there are less than ten.
        for (step, expectations) in expectations {
            let at = format!("{name}/{step}");
            let mut next = steps.last().cloned().unwrap_or_else(Step::empty);
            next.name = step.clone();
            next.confirmed.clear();
            next.take_expectations(expectations.unwrap_or_default(), &steps, &at);
            next.devices = text_of(&format!("{step}.csv"));
            next.elsewhere = text_of(&format!("{step}.elsewhere.yaml"))
                .map(|text| documents(&text, &at).iter().map(complete).collect());
            if let Some(text) = text_of(&format!("{step}.yaml")) {
                assert!(next.restores.is_none(), "{at} restores an earlier step and has objects of its own");
                next.change(&documents(&text, &at), name);
            }
            next.expectations_are_about_something(&steps, &at);
            steps.push(next);
        }
        let roots = roots.map_or_else(|| name.to_owned(), |roots| roots.join(","));
        let scenario = Self { name: name.to_owned(), roots, steps };
        scenario.has_every_file_of(folder);
        scenario
    }

    /// Every namespace that anything lives in at any time.
    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        let all = self.steps.iter().flat_map(|step| &step.wanted);
        all.map(|(key, _)| if key.kind == "Namespace" { &key.name } else { &key.namespace })
            .cloned()
            .collect()
    }

    pub(crate) fn reasons_of_ready(&self) -> BTreeSet<String> {
        let mut reasons: BTreeSet<String> = self
            .steps
            .iter()
            .flat_map(|step| step.expected.values())
            .filter_map(|words| words.first())
            .flat_map(|word| word.split('|').map(str::to_owned))
            .collect();
        reasons.insert("Reconciled".to_owned());
        reasons
    }

    /// A file that no step reads would be a mistake without a sound.
    fn has_every_file_of(&self, folder: &str) {
        for entry in std::fs::read_dir(self::folder().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let step = name.split('.').next().unwrap_or_default();
            let known = name == "expect.yaml" || self.steps.iter().any(|known| known.name == step);
            assert!(known, "{}: expect.yaml does not name the step of {name}", self.name);
        }
    }
}

impl Step {
    fn empty() -> Self {
        Self {
            name: String::new(),
            wanted: vec![],
            confirmed: BTreeSet::new(),
            devices: None,
            elsewhere: None,
            expected: BTreeMap::new(),
            holders: BTreeMap::new(),
            restores: None,
        }
    }

    /// The objects of the four kinds.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &(Key, Value)> {
        self.wanted.iter().filter(|(key, _)| key.is_ours())
    }

    fn take_expectations(&mut self, expectations: BTreeMap<String, Value>, steps: &[Self], at: &str) {
        self.restores = None;
        self.expected.clear();
        self.holders.clear();
        for (about, value) in expectations {
            if about == "restores" {
                let earlier = steps.iter().position(|step| Some(step.name.as_str()) == value.as_str());
                let Some(earlier) = earlier else {
                    panic!("{at} restores {value}, which is no earlier step")
                };
                self.restores = Some(earlier);
                self.wanted = steps[earlier].wanted.clone();
            } else if let Some(device) = about.strip_prefix("device ") {
                self.holders.insert(device.to_owned(), value.as_str().unwrap().to_owned());
            } else {
                let words = match value {
                    Value::String(word) => vec![word],
                    list => serde_json::from_value(list).unwrap(),
                };
                self.expected.insert(about, words);
            }
        }
    }

    /// What is expected of an object that nobody wants, now or before, would
    /// never be looked at.
    fn expectations_are_about_something(&self, before: &[Self], at: &str) {
        let known: BTreeSet<String> = before
            .iter()
            .chain([self])
            .flat_map(|step| &step.wanted)
            .map(|(key, _)| key.to_string())
            .collect();
        for about in self.expected.keys() {
            assert!(known.contains(about), "{at}: expect.yaml names {about}, which no step has");
        }
    }

    fn change(&mut self, documents: &[Value], scenario: &str) {
        for document in documents {
            let key = Key::of(document);
            let namespace = if key.kind == "Namespace" { &key.name } else { &key.namespace };
            let inside =
                namespace.strip_prefix(scenario).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            assert!(inside, "{key} of {scenario} lies in a namespace that is not the scenario's own");
            let place = self.wanted.iter().position(|(known, _)| *known == key);
            let empty = document
                .as_object()
                .unwrap()
                .keys()
                .all(|field| matches!(field.as_str(), "apiVersion" | "kind" | "metadata"));
            if empty && key.kind != "Namespace" {
                if document["metadata"]["annotations"][annotation::CONFIRM_DELETE].is_string() {
                    self.confirmed.insert(key.clone());
                } else {
                    assert!(place.is_some(), "{key} is taken away, but was not there");
                }
                self.wanted.retain(|(known, _)| *known != key);
                continue;
            }
            let new = (key, complete(document));
            match place {
                Some(place) => self.wanted[place] = new,
                None => self.wanted.push(new),
            }
        }
    }
}

fn documents(text: &str, at: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap_or_else(|error| panic!("{at}: {error}")))
        .filter(|document| !document.is_null())
        .collect()
}

/// With its `apiVersion`.
fn complete(document: &Value) -> Value {
    let mut document = document.clone();
    let version = if Key::of(&document).is_ours() { tenantry::api::API_VERSION } else { "v1" };
    document.as_object_mut().unwrap().entry("apiVersion").or_insert_with(|| json!(version));
    document
}
