//! The finalizer: set before the database holds anything of an object, removed
//! when it holds nothing any more. Pure functions that make patches; every
//! patch carries the `resourceVersion` that it was made for, because it
//! replaces the whole list of finalizers, other people's included.

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::api::FINALIZER;

/// Whether the object carries our finalizer.
pub(super) fn is_set(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|name| name == FINALIZER)
}

/// The merge patch that adds it.
pub(super) fn added(metadata: &ObjectMeta) -> Value {
    let mut names = metadata.finalizers.clone().unwrap_or_default();
    names.push(FINALIZER.to_owned());
    patch(metadata, Some(names))
}

/// The merge patch that removes it.
pub(super) fn removed(metadata: &ObjectMeta) -> Value {
    let mut names = metadata.finalizers.clone().unwrap_or_default();
    names.retain(|name| name != FINALIZER);
    patch(metadata, (!names.is_empty()).then_some(names))
}

fn patch(metadata: &ObjectMeta, finalizers: Option<Vec<String>>) -> Value {
    json!({ "metadata": { "resourceVersion": metadata.resource_version, "finalizers": finalizers } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(finalizers: &[&str]) -> ObjectMeta {
        ObjectMeta {
            resource_version: Some("7".to_owned()),
            finalizers: Some(finalizers.iter().map(|&f| f.to_owned()).collect()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn the_finalizer_joins_those_of_others_and_leaves_them() {
        let before = metadata(&["example.org/theirs"]);
        assert!(!is_set(&before));
        assert_eq!(
            added(&before),
            json!({ "metadata": { "resourceVersion": "7", "finalizers": ["example.org/theirs", FINALIZER] } })
        );
        let both = metadata(&["example.org/theirs", FINALIZER]);
        assert!(is_set(&both));
        assert_eq!(
            removed(&both),
            json!({ "metadata": { "resourceVersion": "7", "finalizers": ["example.org/theirs"] } })
        );
    }

    #[test]
    fn removing_the_last_finalizer_removes_the_list() {
        assert_eq!(
            removed(&metadata(&[FINALIZER])),
            json!({ "metadata": { "resourceVersion": "7", "finalizers": null } })
        );
    }
}
