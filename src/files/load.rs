//! Reads a source as a whole: every document of every file becomes an object,
//! a Secret, labels of a namespace, a note or a fault. What is broken never
//! hides what is in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::assertions::{self, Assertion};
use super::document::{self, Broken};
use super::fault::Fault;
use super::object::{self, Object};
use super::order;
use super::origin::{Excerpt, Origin};
use super::surroundings::Facts;
use super::walk;
use crate::api;
use crate::domain::object::{Kind, ObjectKey};

/// The most objects of one source.
pub const MAX_OBJECTS: usize = 100_000;
/// Enough for anybody to repair.
const MAX_FAULTS: usize = 1_000;

/// What a source holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects, in the order in which they are judged (R12).
    pub objects: Vec<Object>,
    /// What is wrong, by file and line.
    pub faults: Vec<Fault>,
    /// Assertions about access.
    pub assertions: Vec<Assertion>,
    /// What was left aside and why, one line each.
    pub notes: Vec<String>,
    /// How many files were read.
    pub files: usize,
    pub(super) facts: Facts,
}

impl Loaded {
    /// Whether every file could be read, so that what is not here is gone.
    pub fn is_complete(&self) -> bool {
        !self.faults.iter().any(|fault| fault.unread)
    }
}

/// Reads a folder or a file.
pub fn load(path: &Path) -> Loaded {
    let found = walk::find(path);
    let mut loading = Loading::default();
    for unread in found.unread {
        loading.unread(Origin::file(unread.path), None, unread.message);
    }
    for path in found.files {
        match walk::read(&path) {
            Ok(text) => loading.file(path.into(), text.into()),
            Err(message) => loading.unread(Origin::file(path), None, message),
        }
        if loading.objects.len() > MAX_OBJECTS {
            let message =
                format!("more than {MAX_OBJECTS} objects: give a smaller folder, or several sources");
            loading.unread(Origin::file(path_of(&loading)), None, message);
            break;
        }
    }
    loading.finish()
}

fn path_of(loading: &Loading) -> Arc<Path> {
    loading.objects.last().map_or_else(|| Path::new("").into(), |object| object.excerpt.file.clone())
}

#[derive(Default)]
struct Loading {
    objects: Vec<Object>,
    faults: Vec<Fault>,
    assertions: Vec<Assertion>,
    /// Kinds that are not ours, and how many of each.
    ignored: BTreeMap<String, usize>,
    files: usize,
    facts: Facts,
}

impl Loading {
    fn unread(&mut self, at: Origin, column: Option<usize>, message: impl Into<String>) {
        let message = message.into();
        self.faults.push(Fault { at, column, object: None, field: String::new(), message, unread: true });
    }

    fn file(&mut self, file: Arc<Path>, text: Arc<str>) {
        self.files += 1;
        if file.extension().is_some_and(|ending| ending == "json") {
            let excerpt =
                Excerpt { file, first: 1, range: 0..text.len(), within: String::new(), text: text.clone() };
            if !text.trim().is_empty() {
                self.parsed(document::strict_json(&text), excerpt);
            }
            return;
        }
        for document in document::split(&text) {
            let excerpt = Excerpt {
                file: file.clone(),
                text: text.clone(),
                first: document.first,
                range: document.range.clone(),
                within: String::new(),
            };
            let content = text.get(document.range).unwrap_or_default();
            self.parsed(document::yaml(content, document.first), excerpt);
        }
    }

    fn parsed(&mut self, parsed: Result<Value, Broken>, excerpt: Excerpt) {
        match parsed {
            Ok(value) => self.document(&value, excerpt),
            Err(Broken { line, column, message }) => {
                self.unread(Origin { file: excerpt.file, line }, column, message);
            }
        }
    }

    fn document(&mut self, document: &Value, excerpt: Excerpt) {
        if document.is_null() {
            return;
        }
        if let Some((path, entries)) = assertions::list(document) {
            let (read, wrong) = assertions::read(path, entries, &excerpt);
            self.assertions.extend(read);
            self.beside(&excerpt, wrong);
            return;
        }
        let text = |field: &str| document.get(field).and_then(Value::as_str);
        let (version, kind) = (text("apiVersion"), text("kind"));
        let group = version.and_then(|version| version.split_once('/')).map(|(group, _)| group);
        let ours = version.is_none() || group == Some(api::GROUP);
        if let Some(wrong) = assertions::misspelt(document).filter(|_| ours) {
            return self.beside(&excerpt, vec![wrong]);
        }
        match (version, kind) {
            (Some("v1"), Some("Secret")) => {
                let faults = self.facts.add_secret(document);
                self.beside(&excerpt, faults);
            }
            (Some("v1"), Some("Namespace")) => {
                let faults = self.facts.add_namespace(document);
                self.beside(&excerpt, faults);
            }
            (_, Some(kind))
                if kind.ends_with("List") && document.get("items").is_some_and(Value::is_array) =>
            {
                self.list(document, excerpt);
            }
            (None | Some(api::API_VERSION), Some(kind)) if kind.parse::<Kind>().is_ok() => {
                if let Ok(kind) = kind.parse() {
                    let (object, faults) = object::read(kind, document, excerpt);
                    self.objects.extend(object);
                    self.faults.extend(faults);
                }
            }
            (Some(version), Some(kind)) if group == Some(api::GROUP) => {
                let message = format!(
                    "{version} {kind:?} is not known here: the kinds are Tenant, SubAdmin, Role and DeviceGrant of {}, and AccessTest for assertions",
                    api::API_VERSION
                );
                self.unread(excerpt.origin("kind"), None, message);
            }
            (version, Some(kind)) => {
                let version = version.unwrap_or("no apiVersion");
                *self.ignored.entry(format!("{kind} ({version})")).or_default() += 1;
            }
            (_, None) if is_kustomization(&excerpt.file) => {
                *self.ignored.entry("Kustomization".to_owned()).or_default() += 1;
            }
            (_, None) => {
                let message = "is not an object: apiVersion and kind are missing; begin with apiVersion: tenantry.dev/v1alpha1";
                self.unread(excerpt.origin(""), None, message);
            }
        }
    }

    /// Objects in a list, as `kubectl get -o yaml` writes them; a list within
    /// a list is none.
    fn list(&mut self, document: &Value, excerpt: Excerpt) {
        let items = document.get("items").and_then(Value::as_array);
        for (index, item) in items.into_iter().flatten().enumerate() {
            let excerpt = Excerpt { within: format!("items[{index}]"), ..excerpt.clone() };
            if item.get("items").is_some_and(Value::is_array) {
                self.unread(excerpt.origin(""), None, "is a list within a list: write its items here");
            } else {
                self.document(item, excerpt);
            }
        }
    }

    /// Faults of a Secret, a Namespace or assertions: they hide no object of ours.
    fn beside(&mut self, excerpt: &Excerpt, faults: Vec<(String, String)>) {
        self.faults.extend(faults.into_iter().map(|(field, message)| Fault {
            at: excerpt.origin(&field),
            column: None,
            object: None,
            field,
            message,
            unread: false,
        }));
    }

    fn finish(mut self) -> Loaded {
        self.join_doubles();
        let mut faults = self.faults;
        faults.sort();
        faults.dedup();
        if let Some(last) = faults.get(MAX_FAULTS).cloned() {
            let more = faults.len() - MAX_FAULTS;
            let unread = faults.iter().any(|fault| fault.unread);
            faults.truncate(MAX_FAULTS);
            faults.push(Fault {
                object: None,
                field: String::new(),
                column: None,
                message: format!("{more} more faults from here on are not shown: repair these first"),
                unread,
                ..last
            });
        }
        let plural = |count: usize| if count == 1 { "object" } else { "objects" };
        Loaded {
            objects: order::sorted(self.objects),
            faults,
            assertions: self.assertions,
            notes: self
                .ignored
                .iter()
                .map(|(kind, count)| {
                    format!("{count} {} of kind {kind} left aside: not a kind of Tenantry", plural(*count))
                })
                .collect(),
            files: self.files,
            facts: self.facts,
        }
    }

    /// An object that stands in two places is refused: neither the order of
    /// files nor chance decides which one is meant.
    fn join_doubles(&mut self) {
        let mut places: BTreeMap<ObjectKey, Vec<usize>> = BTreeMap::new();
        for (index, object) in self.objects.iter().enumerate() {
            places.entry(object.key.clone()).or_default().push(index);
        }
        let mut dropped = BTreeSet::new();
        for doubles in places.values().filter(|places| places.len() > 1) {
            let (first, others) = (doubles[0], &doubles[1..]);
            for other in others {
                let at = self.objects[first].origin();
                let message = format!("is written twice, also at {at}: remove one of the two");
                let fault = self.objects[*other].fault("", message);
                self.faults.push(fault);
            }
            let mut written: Vec<Value> =
                doubles.iter().map(|at| self.objects[*at].written.clone()).collect();
            written.sort_by_key(Value::to_string);
            let object = &mut self.objects[first];
            object.faults = vec!["is written more than once in this source: keep one of them".to_owned()];
            object.spec = None;
            object.annotations = BTreeMap::new();
            object.written = Value::Array(written);
            dropped.extend(others.iter().copied());
        }
        let mut index = 0;
        self.objects.retain(|_| {
            index += 1;
            !dropped.contains(&(index - 1))
        });
    }
}

fn is_kustomization(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.to_ascii_lowercase().starts_with("kustomization.")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
