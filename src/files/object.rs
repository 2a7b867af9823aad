//! One object of a file: who it is, what it asks for, and what its schema and
//! its validation rules say against it.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;
use super::order::Family;
use super::origin::{Excerpt, Origin};
use crate::api;
use crate::domain::object::{Kind, ObjectKey};
use crate::engine::{FileMetadata, Manifest, Spec};

/// An object as a file has it.
#[derive(Clone, Debug)]
pub struct Object {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its spec as it would be stored: without nulls, with every default.
    pub written: Value,
    /// The same as a value of its kind; none if it has not that shape.
    pub spec: Option<Spec>,
    /// What is said against it, without places: the same whatever file it is
    /// in.
    pub faults: Vec<String>,
    pub(super) excerpt: Excerpt,
}

impl Object {
    /// Where it stands.
    pub fn origin(&self) -> Origin {
        self.excerpt.origin("")
    }

    /// Where one of its fields stands.
    pub fn origin_of(&self, field: &str) -> Origin {
        self.excerpt.origin(field)
    }

    /// As the engine wants it, with what the register knows of it.
    pub(super) fn manifest(&self, family: &Family<'_>, metadata: FileMetadata) -> Manifest {
        Manifest {
            key: self.key.clone(),
            uid: None,
            generation: metadata.generation,
            created: Some(metadata.born),
            depth: family.depth(&self.key),
            tree: Some(family.tree(self)),
            deleting: false,
            annotations: self.annotations.clone(),
            spec: self.spec.clone(),
            spec_digest: Some(metadata.digest),
            faults: self.faults.clone(),
        }
    }

    pub(super) fn fault(&self, field: &str, message: impl Into<String>) -> Fault {
        Fault {
            at: self.excerpt.origin(field),
            column: None,
            object: Some(self.key.clone()),
            field: field.to_owned(),
            message: message.into(),
            unread: false,
        }
    }
}

/// The object in a document of one of the four kinds, and every fault of it.
/// None if it does not even say who it is.
pub(super) fn read(kind: Kind, document: &Value, excerpt: Excerpt) -> (Option<Object>, Vec<Fault>) {
    let said = api::validate::faults_in(api_kind(kind), document);
    let metadata = document.get("metadata");
    let text = |field: &str| metadata.and_then(|m| m.get(field)).and_then(Value::as_str);
    let wrong = |field: &str| said.iter().any(|fault| fault.field == field);
    let named = !wrong("metadata.name") && !wrong("metadata.namespace") && !wrong("metadata");
    let key = text("name")
        .filter(|_| named)
        .map(|name| ObjectKey::new(kind, text("namespace").unwrap_or("default"), name));
    let faults: Vec<Fault> = said
        .iter()
        .map(|fault| Fault {
            at: excerpt.origin(&fault.field),
            column: None,
            object: key.clone(),
            field: fault.field.clone(),
            message: match key {
                Some(_) => fault.message.clone(),
                None => format!("{} (in an object of kind {kind})", fault.message),
            },
            unread: key.is_none(),
        })
        .collect();
    let Some(key) = key else { return (None, faults) };
    let stored = api::validate::with_defaults(api_kind(kind), document);
    let written = stored.get("spec").cloned().unwrap_or(Value::Null);
    let annotations = metadata
        .and_then(|metadata| metadata.get("annotations"))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let object = Object {
        spec: spec(kind, &written),
        faults: said.iter().map(ToString::to_string).collect(),
        key,
        annotations,
        written,
        excerpt,
    };
    (Some(object), faults)
}

fn spec(kind: Kind, written: &Value) -> Option<Spec> {
    fn typed<T: DeserializeOwned>(written: &Value) -> Option<Box<T>> {
        serde_json::from_value(written.clone()).ok().map(Box::new)
    }
    match kind {
        Kind::Tenant => typed(written).map(Spec::Tenant),
        Kind::Role => typed(written).map(Spec::Role),
        Kind::SubAdmin => typed(written).map(Spec::SubAdmin),
        Kind::DeviceGrant => typed(written).map(Spec::DeviceGrant),
    }
}

fn api_kind(kind: Kind) -> api::Kind {
    match kind {
        Kind::Tenant => api::Kind::Tenant,
        Kind::Role => api::Kind::Role,
        Kind::SubAdmin => api::Kind::SubAdmin,
        Kind::DeviceGrant => api::Kind::DeviceGrant,
    }
}
