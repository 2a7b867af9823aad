//! R12: the order in which a set of objects is judged. Parents come first and
//! the oldest of those, so that one round is usually enough; nothing depends on
//! it, because whoever waits is woken and nobody takes what belongs to others.

use std::collections::HashMap;

use super::object::Object;
use crate::domain::object::ObjectKey;
use crate::engine::{self, Claimant, Manifest};

/// Who is above whom within one source.
pub(super) struct Family<'a> {
    above: HashMap<&'a ObjectKey, Option<ObjectKey>>,
}

impl<'a> Family<'a> {
    pub(super) fn of(objects: &'a [Object]) -> Self {
        let above = |object: &Object| engine::above(&object.key, &object.written);
        Self { above: objects.iter().map(|object| (&object.key, above(object))).collect() }
    }

    /// How many objects are above one.
    pub(super) fn depth(&self, key: &ObjectKey) -> i64 {
        engine::depth(key, |key| self.above(key))
    }

    /// The root tenant of the tree that an object lies in.
    pub(super) fn tree(&self, object: &Object) -> ObjectKey {
        engine::tree(&object.key, &object.written, |key| self.above(key))
    }

    /// An object in the line.
    pub(super) fn claimant(&self, object: &Object, manifest: &Manifest) -> Option<Claimant> {
        Some(Claimant {
            key: object.key.clone(),
            deleting: false,
            depth: manifest.depth,
            born: manifest.created?,
            tree: manifest.tree.clone()?,
            claims: engine::claims(&object.key, &object.written),
        })
    }

    fn above(&self, key: &ObjectKey) -> Option<ObjectKey> {
        self.above.get(key)?.clone()
    }
}

/// Tenants from the root down, then Roles, then SubAdmins from the manager
/// down, then DeviceGrants; within these by namespace and name.
pub(super) fn sorted(mut objects: Vec<Object>) -> Vec<Object> {
    let family = Family::of(&objects);
    let depths: HashMap<_, _> = objects.iter().map(|o| (o.key.clone(), family.depth(&o.key))).collect();
    objects.sort_by_cached_key(|object| {
        let ObjectKey { kind, namespace, name } = object.key.clone();
        (kind, depths.get(&object.key).copied(), namespace, name)
    });
    objects
}
