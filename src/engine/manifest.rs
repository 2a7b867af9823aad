//! An object as it came from a cluster or a file, ready to be judged. Whoever
//! reads objects builds this; the schema and the validation rules have been
//! checked already, and what they found stands in `faults`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api;
use crate::domain::object::ObjectKey;

/// The spec of one of the four kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// Of a Tenant.
    Tenant(Box<api::TenantSpec>),
    /// Of a Role.
    Role(Box<api::RoleSpec>),
    /// Of a SubAdmin.
    SubAdmin(Box<api::SubAdminSpec>),
    /// Of a DeviceGrant.
    DeviceGrant(Box<api::DeviceGrantSpec>),
}

/// One object to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`; none for files.
    pub uid: Option<String>,
    /// `metadata.generation`; files count changes of the spec from 1.
    pub generation: i64,
    /// `metadata.creationTimestamp`; none for files.
    pub created: Option<Timestamp>,
    /// How many objects of its kind are above it, as the source has them
    /// ([`super::line::depth`]).
    pub depth: i64,
    /// The root tenant of its tree, as the source has it
    /// ([`super::line::tree`]).
    pub tree: Option<ObjectKey>,
    /// It is being deleted.
    pub deleting: bool,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it asks for; none if it cannot even be read (see `faults`), or for
    /// an object that is gone from a directory and shall be removed.
    pub spec: Option<Spec>,
    /// Digest of the spec, for files: from [`super::Engine::files_metadata`].
    pub spec_digest: Option<String>,
    /// What its schema or its validation rules say against it: field and why,
    /// one line each. Anything here refuses the object as `Invalid`.
    pub faults: Vec<String>,
}

impl Manifest {
    /// The value of an annotation, unless it is empty.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
    /// Whether an annotation is `"true"`.
    pub fn flag(&self, name: &str) -> bool {
        self.annotation(name) == Some("true")
    }
}
