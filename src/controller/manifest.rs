//! From an object as the API server gives it to a manifest that the engine can
//! judge. The same definitions as in `crds/` are asked again here: an API
//! server may hold objects from before a rule existed, or serve older
//! definitions. What cannot be read is passed on with its faults, so that it is
//! reported on the object and stops nothing else.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::api::{self, Validate as _};
use crate::domain::object::{Kind, ObjectKey};
use crate::engine::{Manifest, Spec};

/// The most faults that are reported at once: a status is bounded.
const FAULTS_MAX: usize = 16;

/// The key of an object, if it has namespace and name.
pub(super) fn key(kind: Kind, object: &DynamicObject) -> Option<ObjectKey> {
    Some(ObjectKey::new(kind, object.metadata.namespace.clone()?, object.metadata.name.clone()?))
}

/// What the engine judges.
pub(super) fn read(key: &ObjectKey, object: &DynamicObject, depth: i64, tree: Option<ObjectKey>) -> Manifest {
    let metadata = &object.metadata;
    let (spec, faults) = match spec(key, object) {
        Ok(spec) => (Some(spec), vec![]),
        Err(faults) => (None, faults),
    };
    Manifest {
        key: key.clone(),
        uid: metadata.uid.clone(),
        generation: metadata.generation.unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        depth,
        tree,
        deleting: metadata.deletion_timestamp.is_some(),
        annotations: metadata.annotations.clone().unwrap_or_default(),
        spec,
        spec_digest: None,
        faults,
    }
}

/// What the engine judges when an object is gone without having waited for us.
pub(super) fn gone(key: &ObjectKey, uid: Option<String>, generation: i64) -> Manifest {
    Manifest {
        key: key.clone(),
        uid,
        generation,
        created: None,
        depth: 0,
        tree: None,
        deleting: true,
        annotations: Default::default(),
        spec: None,
        spec_digest: None,
        faults: vec![],
    }
}

fn spec(key: &ObjectKey, object: &DynamicObject) -> Result<Spec, Vec<String>> {
    let document = document(key, object);
    let spec = match key.kind {
        Kind::Tenant => api::Tenant::from_document(&document).map(|o| Spec::Tenant(Box::new(o.spec))),
        Kind::Role => api::Role::from_document(&document).map(|o| Spec::Role(Box::new(o.spec))),
        Kind::SubAdmin => api::SubAdmin::from_document(&document).map(|o| Spec::SubAdmin(Box::new(o.spec))),
        Kind::DeviceGrant => {
            api::DeviceGrant::from_document(&document).map(|o| Spec::DeviceGrant(Box::new(o.spec)))
        }
    };
    spec.map_err(|faults| {
        let more = faults.len().saturating_sub(FAULTS_MAX);
        let mut lines: Vec<_> = faults.iter().take(FAULTS_MAX).map(ToString::to_string).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    })
}

/// What a person wrote, without what the server added.
fn document(key: &ObjectKey, object: &DynamicObject) -> Value {
    let mut document = json!({
        "apiVersion": api::API_VERSION,
        "kind": key.kind.as_str(),
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "annotations": object.metadata.annotations,
        },
    });
    if let (Some(fields), Some(spec)) = (document.as_object_mut(), object.data.get("spec")) {
        fields.insert("spec".to_owned(), spec.clone());
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(spec: Value) -> (ObjectKey, DynamicObject) {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "tenantry.dev/v1alpha1", "kind": "Role",
            "metadata": {
                "name": "operators", "namespace": "acme", "uid": "u", "generation": 3,
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "annotations": { "tenantry.dev/paused": "true" },
            },
            "spec": spec,
            "status": { "observedGeneration": -1 },
        }))
        .unwrap();
        (key(Kind::Role, &object).unwrap(), object)
    }

    #[test]
    fn an_object_becomes_a_manifest() {
        let (key, object) = object(json!({ "tenantRef": { "name": "acme" } }));
        let manifest = read(&key, &object, 0, None);
        assert_eq!(manifest.faults, Vec::<String>::new());
        assert_eq!(manifest.generation, 3);
        assert!(manifest.flag("tenantry.dev/paused"));
        assert!(!manifest.deleting);
        assert!(matches!(manifest.spec, Some(Spec::Role(_))));
    }

    #[test]
    fn what_cannot_be_read_is_reported_with_its_field() {
        let (key, object) = object(json!({ "tenantRef": { "name": "acme" }, "individualAccess": "yes" }));
        let manifest = read(&key, &object, 0, None);
        assert_eq!(manifest.spec, None);
        assert_eq!(manifest.faults.len(), 1, "{:?}", manifest.faults);
        assert!(manifest.faults[0].starts_with("spec.individualAccess"), "{:?}", manifest.faults);
    }
}
