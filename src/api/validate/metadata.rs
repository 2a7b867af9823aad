//! Judges what every Kubernetes object has: version, kind, name, namespace, labels, annotations.

use serde_json::{Map, Value, json};

use super::super::{API_VERSION, GROUP, Kind, MARK_MAX, bounds};
use super::path::Path;
use super::schema::Walk;
use super::spelling;

/// What annotations may take up together, in bytes, on any Kubernetes object.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// The fields of metadata; those that only a server writes are accepted and ignored, so that what
/// was read from a cluster can be given back.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Judges everything but the spec.
pub(super) fn judge(walk: &mut Walk<'_>, kind: Kind, fields: &Map<String, Value>) {
    let root = Path::root();
    const TOP: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    for name in fields.keys().filter(|name| !TOP.contains(&name.as_str())) {
        let hint = spelling::hint(name, TOP.into_iter());
        walk.fault(&root.field(name), format!("is not a field here: {hint}"));
    }
    for (name, expected) in [("apiVersion", API_VERSION), ("kind", kind.as_str())] {
        if fields.get(name).and_then(Value::as_str) != Some(expected) {
            walk.fault(&root.field(name), format!("must be {expected}"));
        }
    }
    let path = root.field("metadata");
    let Some(metadata) = fields.get("metadata") else {
        return walk.fault(&path.field("name"), "is missing: give the object a name");
    };
    let Some(metadata) = metadata.as_object() else {
        return walk.fault(&path, "must be a block of fields");
    };
    for name in metadata.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        let hint = spelling::hint(name, FIELDS.into_iter());
        walk.fault(&path.field(name), format!("is not a field here: {hint}"));
    }
    match metadata.get("name") {
        Some(name) => walk.value(
            &path.field("name"),
            &json!({
                "type": "string", "minLength": 1, "maxLength": 253, "pattern": bounds::OBJECT_NAME
            }),
            name,
        ),
        None => walk.fault(&path.field("name"), "is missing: give the object a name"),
    }
    if let Some(namespace) = metadata.get("namespace") {
        walk.value(
            &path.field("namespace"),
            &json!({
                "type": "string", "minLength": 1, "maxLength": 63, "pattern": bounds::NAMESPACE
            }),
            namespace,
        );
    }
    if let Some(labels) = metadata.get("labels") {
        self::labels(walk, &path.field("labels"), labels);
    }
    if let Some(annotations) = metadata.get("annotations") {
        self::annotations(walk, &path.field("annotations"), annotations);
    }
}

fn labels(walk: &mut Walk<'_>, path: &Path<'_>, labels: &Value) {
    let Some(labels) = labels.as_object() else {
        return walk.fault(path, "must be a block of fields");
    };
    for (key, value) in labels {
        key_is_a_label_key(walk, &path.key(key), key);
        walk.value(
            &path.key(key),
            &json!({ "type": "string", "maxLength": 63, "pattern": bounds::LABEL_VALUE }),
            value,
        );
    }
}

fn annotations(walk: &mut Walk<'_>, path: &Path<'_>, annotations: &Value) {
    let Some(annotations) = annotations.as_object() else {
        return walk.fault(path, "must be a block of fields");
    };
    let mut bytes = 0;
    for (key, value) in annotations {
        key_is_a_label_key(walk, &path.key(key), key);
        // The last handled value of some is kept in the status, which is bounded.
        let ours = key.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
        let most = if ours { MARK_MAX } else { ANNOTATIONS_MAX };
        walk.value(&path.key(key), &json!({ "type": "string", "maxLength": most }), value);
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_MAX {
        walk.fault(path, format!("take up {bytes} bytes: at most {ANNOTATIONS_MAX} are allowed"));
    }
}

fn key_is_a_label_key(walk: &mut Walk<'_>, path: &Path<'_>, key: &str) {
    let schema = json!({
        "type": "string", "minLength": 1, "maxLength": 317, "pattern": bounds::LABEL_KEY
    });
    walk.value(path, &schema, &Value::String(key.to_owned()));
}
