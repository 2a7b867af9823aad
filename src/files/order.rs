//! R12: the order in which a set of objects is judged. Parents come first, so
//! that one round is usually enough; nothing depends on it, because whoever
//! waits is woken.

use std::collections::{BTreeMap, BTreeSet};

use super::object::Object;
use crate::domain::object::{Kind, ObjectKey};
use crate::engine::Spec;

/// Tenants from the root down, then Roles, then SubAdmins from the manager
/// down, then DeviceGrants; within these by namespace and name.
pub(super) fn sorted(mut objects: Vec<Object>) -> Vec<Object> {
    let above: BTreeMap<ObjectKey, ObjectKey> =
        objects.iter().filter_map(|object| Some((object.key.clone(), above(object)?))).collect();
    let depths: BTreeMap<ObjectKey, usize> =
        objects.iter().map(|object| (object.key.clone(), depth(&object.key, &above))).collect();
    objects.sort_by_cached_key(|object| {
        let ObjectKey { kind, namespace, name } = &object.key;
        (*kind, depths.get(&object.key).copied(), namespace.clone(), name.clone())
    });
    objects
}

/// The object of the same kind that must be there first.
fn above(object: &Object) -> Option<ObjectKey> {
    let (kind, reference) = match object.spec.as_ref()? {
        Spec::Tenant(spec) => (Kind::Tenant, spec.parent_ref.as_ref()?),
        Spec::SubAdmin(spec) => (Kind::SubAdmin, spec.managed_by_ref.as_ref()?),
        Spec::Role(_) | Spec::DeviceGrant(_) => return None,
    };
    Some(ObjectKey::new(kind, reference.namespace_from(&object.key.namespace), &reference.name))
}

/// How many objects are above this one; those in a circle count once.
fn depth(key: &ObjectKey, above: &BTreeMap<ObjectKey, ObjectKey>) -> usize {
    let mut seen = BTreeSet::from([key]);
    let mut at = key;
    while let Some(next) = above.get(at) {
        if !seen.insert(next) {
            break;
        }
        at = next;
    }
    seen.len() - 1
}
