//! Judges objects as an API server would, in the process: bounds, unknown fields and CEL rules are
//! read from the very definitions in `crds/`, so that `validate`, `apply`, the reconciler and a
//! cluster refuse the same things. Anything may call it; it looks at one object at a time and knows
//! nothing of others.
//!
//! A fault never quotes what a person wrote, only names of fields and words of the vocabulary:
//! faults are logged, and logs hold no personal data.

mod metadata;
mod path;
mod schema;
mod spelling;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use kube::core::cel::{CompiledSchema, ErrorKind, apply_defaults, compile_schema, validate_compiled};
use regex::Regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{DeviceGrant, Kind, Role, SubAdmin, Tenant, crds};

/// What is wrong at one place of an object, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Fault {
    /// The place, such as `spec.limits.accounts.byTier[2].max`; empty for the object as a whole.
    pub field: String,
    /// What is wrong and what to do, in one line that goes on after the field's name.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl std::error::Error for Fault {}

/// An object of one of the four kinds, which can be judged.
pub trait Validate: Serialize + DeserializeOwned {
    /// Which kind it is.
    const KIND: Kind;

    /// Everything that is wrong with it as a new object.
    fn faults(&self) -> Vec<Fault> {
        judge(Self::KIND, self, None::<&Self>)
    }

    /// Everything that is wrong with it as a change of `old`.
    fn faults_after(&self, old: &Self) -> Vec<Fault> {
        judge(Self::KIND, self, Some(old))
    }

    /// The object that a document holds, with every default, or what is wrong with the document.
    fn from_document(document: &Value) -> Result<Self, Vec<Fault>> {
        let faults = faults_in(Self::KIND, document);
        if !faults.is_empty() {
            return Err(faults);
        }
        serde_json::from_value(with_defaults(Self::KIND, document))
            .map_err(|error| vec![Fault { field: String::new(), message: error.to_string() }])
    }
}

impl Validate for Tenant {
    const KIND: Kind = Kind::Tenant;
}
impl Validate for Role {
    const KIND: Kind = Kind::Role;
}
impl Validate for SubAdmin {
    const KIND: Kind = Kind::SubAdmin;
}
impl Validate for DeviceGrant {
    const KIND: Kind = Kind::DeviceGrant;
}

/// Everything that is wrong with a document of this kind as a new object. Its status is not looked
/// at: an API server drops it too.
pub fn faults_in(kind: Kind, document: &Value) -> Vec<Fault> {
    faults_between(kind, document, None)
}

/// Everything that is wrong with a document of this kind as a change of `old`.
pub fn faults_in_change(kind: Kind, document: &Value, old: &Value) -> Vec<Fault> {
    faults_between(kind, document, Some(old))
}

/// Everything that is wrong with a status that is about to be written.
pub fn faults_in_status(kind: Kind, status: &Value) -> Vec<Fault> {
    let book = book(kind);
    let status = as_read(status);
    let mut walk = schema::Walk::new(&PATTERNS);
    let root = path::Path::root();
    walk.value(&root.field("status"), book.part("status"), &status);
    walk.into_faults()
}

/// A document as an API server would store it: without nulls, with every default of the spec.
pub fn with_defaults(kind: Kind, document: &Value) -> Value {
    let mut document = as_read(document);
    let book = book(kind);
    if let Some(spec) = document.get_mut("spec") {
        *spec = apply_defaults(book.part("spec"), spec);
    }
    document
}

/// Every pattern of the four definitions, compiled.
static PATTERNS: LazyLock<HashMap<String, Regex>> = LazyLock::new(|| {
    let mut patterns = HashMap::new();
    for kind in Kind::ALL {
        schema::patterns(&book(kind).schema, &mut patterns);
    }
    patterns
});

/// A definition, prepared for judging.
struct Book {
    schema: Value,
    rules: CompiledSchema,
}

impl Book {
    fn new(kind: Kind) -> Self {
        // `false` is the schema that admits nothing: what cannot be judged is refused.
        let schema = crds::crd(kind)
            .spec
            .versions
            .into_iter()
            .next()
            .and_then(|version| version.schema?.open_api_v3_schema)
            .and_then(|schema| serde_json::to_value(schema).ok())
            .unwrap_or(Value::Bool(false));
        Self { rules: compile_schema(&schema::only_rules(&schema).unwrap_or_default()), schema }
    }

    /// The schema of a field of the object as a whole.
    fn part(&self, field: &str) -> &Value {
        const NOTHING: &Value = &Value::Bool(false);
        self.schema.get("properties").and_then(|fields| fields.get(field)).unwrap_or(NOTHING)
    }
}

fn book(kind: Kind) -> &'static Book {
    static TENANT: LazyLock<Book> = LazyLock::new(|| Book::new(Kind::Tenant));
    static ROLE: LazyLock<Book> = LazyLock::new(|| Book::new(Kind::Role));
    static SUB_ADMIN: LazyLock<Book> = LazyLock::new(|| Book::new(Kind::SubAdmin));
    static DEVICE_GRANT: LazyLock<Book> = LazyLock::new(|| Book::new(Kind::DeviceGrant));
    match kind {
        Kind::Tenant => &TENANT,
        Kind::Role => &ROLE,
        Kind::SubAdmin => &SUB_ADMIN,
        Kind::DeviceGrant => &DEVICE_GRANT,
    }
}

fn judge<T: Serialize>(kind: Kind, object: &T, old: Option<&T>) -> Vec<Fault> {
    let documents = serde_json::to_value(object)
        .and_then(|object| Ok((object, old.map(serde_json::to_value).transpose()?)));
    match documents {
        Ok((object, old)) => faults_between(kind, &object, old.as_ref()),
        Err(error) => vec![Fault { field: String::new(), message: error.to_string() }],
    }
}

fn faults_between(kind: Kind, document: &Value, old: Option<&Value>) -> Vec<Fault> {
    let book = book(kind);
    let document = with_defaults(kind, document);
    let mut walk = schema::Walk::new(&PATTERNS);
    let root = path::Path::root();
    let Some(fields) = document.as_object() else {
        walk.fault(&root, "is not an object: write apiVersion, kind, metadata and spec");
        return walk.into_faults();
    };
    metadata::judge(&mut walk, kind, fields);
    match fields.get("spec") {
        Some(spec) => walk.value(&root.field("spec"), book.part("spec"), spec),
        None => walk.fault(&root.field("spec"), "is missing: say there what is wanted"),
    }
    let sound = walk.shape_is_sound();
    let mut faults = walk.into_faults();
    faults.extend(broken_rules(book, &document, old, kind, sound));
    let mut seen = HashSet::new();
    faults.retain(|fault| seen.insert(fault.clone()));
    faults
}

/// The CEL rules that are broken. A rule that cannot be evaluated counts as broken, unless that is
/// because the object has the wrong shape, which has been said already.
fn broken_rules(book: &Book, document: &Value, old: Option<&Value>, kind: Kind, sound: bool) -> Vec<Fault> {
    let document = only_spec(document.get("spec"));
    let old = old.map(|old| only_spec(with_defaults(kind, old).get("spec")));
    match validate_compiled(&book.rules, &document, old.as_ref()) {
        Ok(()) => Vec::new(),
        Err(errors) => errors
            .into_vec()
            .into_iter()
            .filter(|error| sound || error.kind == ErrorKind::ValidationFailure)
            .map(|error| Fault { field: error.field_path, message: error.message })
            .collect(),
    }
}

fn only_spec(spec: Option<&Value>) -> Value {
    let mut object = Map::new();
    if let Some(spec) = spec {
        object.insert("spec".to_owned(), spec.clone());
    }
    Value::Object(object)
}

/// A document as an API server reads it: a null field is an absent one, and `3.0` is `3`.
fn as_read(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), as_read(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(as_read).collect()),
        Value::Number(number) if number.is_f64() => whole(number).map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}

fn whole(number: &serde_json::Number) -> Option<i64> {
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    // Written without a fraction, so that what does not fit is an error and not another number.
    format!("{float:.0}").parse().ok()
}
