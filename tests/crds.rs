//! What the four definitions promise: fresh files, a bound on everything, rules that agree with
//! their examples, and the same defaults for a file as for a cluster.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tenantry::api::{
    self, DeviceGrant, Fault, Kind, Role, SubAdmin, Tenant, Validate, crd, crds_yaml, faults_in,
    faults_in_change, faults_in_status, with_defaults,
};

#[path = "crds/examples.rs"]
mod examples;

/// The schema of a kind as JSON.
fn schema(kind: Kind) -> Value {
    let version = crd(kind).spec.versions.into_iter().next().unwrap();
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

/// Calls `visit` with every schema inside, its path, and itself first.
fn each_schema(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
        for (name, field) in fields {
            each_schema(&format!("{path}.{name}"), field, visit);
        }
    }
    if let Some(items) = schema.get("items") {
        each_schema(&format!("{path}[]"), items, visit);
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        each_schema(&format!("{path}{{}}"), values, visit);
    }
}

fn each_schema_of_all(mut visit: impl FnMut(Kind, &str, &Value)) {
    for kind in Kind::ALL {
        let schema = schema(kind);
        each_schema(kind.as_str(), &schema, &mut |path, schema| {
            visit(kind, path, schema);
        });
    }
}

#[test]
fn the_committed_definitions_are_fresh() {
    for kind in Kind::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").join(format!("{}.yaml", kind.plural()));
        let committed =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            committed == crds_yaml(&crd(kind)).unwrap(),
            "{} is stale: write it again with `tenantry crd`",
            path.display()
        );
    }
}

#[test]
fn every_string_list_map_and_integer_has_a_bound() {
    let mut unbounded = Vec::new();
    each_schema_of_all(|_, path, schema| {
        let has = |keyword: &str| schema.get(keyword).is_some();
        let bounded = match schema["type"].as_str() {
            Some("string") => has("enum") || has("maxLength"),
            Some("integer") => has("minimum") && has("maximum") && has("format"),
            Some("array") => has("maxItems"),
            Some("object") if has("additionalProperties") => has("maxProperties"),
            Some("object") => has("properties"),
            Some("boolean") => true,
            _ => false,
        };
        if !bounded {
            unbounded.push(path.to_owned());
        }
    });
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn every_list_of_map_entries_is_bounded_in_its_keys_too() {
    each_schema_of_all(|_, path, schema| {
        if schema.get("additionalProperties").is_some() {
            let rules = schema["x-kubernetes-validations"].to_string();
            assert!(rules.contains("size(key) <="), "{path} has endless keys");
        }
    });
}

#[test]
fn the_schemas_are_structural() {
    each_schema_of_all(|_, path, schema| {
        let keywords = schema.as_object().unwrap();
        for forbidden in [
            "$ref",
            "nullable",
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "uniqueItems",
            "x-kubernetes-preserve-unknown-fields",
        ] {
            assert!(!keywords.contains_key(forbidden), "{path}: {forbidden}");
        }
        assert!(
            !(keywords.contains_key("properties") && keywords.contains_key("additionalProperties")),
            "{path} has both properties and additionalProperties"
        );
        if keywords.get("type") == Some(&json!("array")) {
            let list_type = schema["x-kubernetes-list-type"].as_str();
            assert!(list_type.is_some(), "{path} says nothing of merging");
            if list_type == Some("map") {
                for key in schema["x-kubernetes-list-map-keys"].as_array().unwrap() {
                    let item = &schema["items"];
                    let required = item["required"].as_array().unwrap().contains(key);
                    let default = item["properties"][key.as_str().unwrap()].get("default");
                    assert!(required || default.is_some(), "{path}: {key} is optional");
                }
            }
        }
    });
}

#[test]
fn every_field_is_described_in_one_paragraph() {
    each_schema_of_all(|_, path, schema| {
        if path.ends_with("[]") || path.ends_with("{}") {
            return;
        }
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(!description.is_empty(), "{path} has no description");
        assert!(!description.contains('\n'), "{path}: {description}");
    });
}

#[test]
fn names_columns_and_selectable_fields_are_those_that_were_promised() {
    let names = Kind::ALL.map(|kind| {
        let crd = crd(kind);
        assert_eq!(crd.spec.scope, "Namespaced");
        assert_eq!(crd.spec.names.kind, kind.as_str());
        assert_eq!(crd.spec.names.plural, kind.plural());
        assert_eq!(crd.spec.group, api::GROUP);
        assert_eq!(crd.spec.names.categories, Some(vec![api::CATEGORY.to_owned()]));
        crd.spec.names.short_names.unwrap().join(",")
    });
    assert_eq!(names, ["tn", "arole", "subadm", "dgrant"]);
    assert_eq!(crd(Kind::Role).spec.names.singular.as_deref(), Some("accountrole"));

    let mut selectable = BTreeSet::new();
    for kind in Kind::ALL {
        let version = crd(kind).spec.versions.into_iter().next().unwrap();
        for field in version.selectable_fields.into_iter().flatten() {
            selectable.insert(format!("{kind}{}", field.json_path));
        }
        for column in version.additional_printer_columns.unwrap() {
            assert!(column.description.is_some(), "{kind}: {}", column.name);
            for personal in ["mail", "user", "mobile", "company", "displayName"] {
                assert!(!column.json_path.contains(personal), "{}", column.json_path);
            }
            assert!(column.type_ != "date" || column.json_path == ".metadata.creationTimestamp");
        }
        assert_eq!(schema(kind)["properties"]["status"]["default"], json!({"observedGeneration": -1}));
    }
    assert_eq!(
        selectable.into_iter().collect::<Vec<_>>(),
        [
            "DeviceGrant.spec.tenantRef.name",
            "Role.spec.tenantRef.name",
            "SubAdmin.spec.tenantRef.name",
            "SubAdmin.spec.tier",
            "SubAdmin.status.phase",
        ]
    );
}

/// Every rule of the four kinds, as kind and message.
fn rules() -> BTreeSet<(Kind, String)> {
    let mut rules = BTreeSet::new();
    each_schema_of_all(|kind, path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(!message.is_empty(), "{path}: a rule without a message");
            assert!(!message.contains('\n'), "{path}: {message}");
            rules.insert((kind, message.to_owned()));
        }
    });
    rules
}

#[test]
fn every_rule_refuses_its_bad_examples_at_the_right_field() {
    let mut unbroken = rules();
    for example in examples::bad() {
        let document = example.document();
        let faults = match example.old() {
            Some(old) => faults_in_change(example.kind, &document, &old),
            None => faults_in(example.kind, &document),
        };
        let fault = faults
            .iter()
            .find(|fault| fault.field == example.field && fault.message.contains(example.message));
        let Some(fault) = fault else {
            panic!("{example:?}: {faults:#?}");
        };
        unbroken.remove(&(example.kind, fault.message.clone()));
    }
    assert_eq!(unbroken, BTreeSet::new(), "rules without a bad example");
}

#[test]
fn good_examples_have_no_fault_as_new_objects_or_as_changes() {
    for example in examples::good() {
        let document = example.document();
        let old = example.old().unwrap_or_else(|| document.clone());
        assert_eq!(faults_in(example.kind, &document), [], "{example:?}");
        assert_eq!(faults_in_change(example.kind, &document, &old), [], "{example:?}");
    }
}

/// A typed object from a document, straight through serde and through the defaults of the schema.
fn both_ways<T: Validate + PartialEq + std::fmt::Debug>(document: &Value) {
    let defaulted: T = serde_json::from_value(with_defaults(T::KIND, document)).unwrap();
    // Only a server turns null into a default and 3.0 into 3; serde takes them for what they are.
    let direct: T = match document.to_string().contains("null") || document.to_string().contains("3.0") {
        true => T::from_document(document).unwrap(),
        false => serde_json::from_value(document.clone()).unwrap(),
    };
    assert_eq!(direct, defaulted);
    assert_eq!(T::from_document(document).as_ref(), Ok(&direct));
    assert_eq!(direct.faults(), []);
    assert_eq!(direct.faults_after(&defaulted), []);
    // What is read from a file and written again is the same object.
    let again: T = serde_json::from_value(serde_json::to_value(&direct).unwrap()).unwrap();
    assert_eq!(again, direct);
}

#[test]
fn an_object_from_a_file_equals_the_one_that_a_server_defaulted() {
    for example in examples::good() {
        let document = example.document();
        match example.kind {
            Kind::Tenant => both_ways::<Tenant>(&document),
            Kind::Role => both_ways::<Role>(&document),
            Kind::SubAdmin => both_ways::<SubAdmin>(&document),
            Kind::DeviceGrant => both_ways::<DeviceGrant>(&document),
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let defaults: BTreeMap<String, Value> = {
        let mut found = BTreeMap::new();
        each_schema_of_all(|_, path, schema| {
            if let Some(default) = schema.get("default") {
                found.insert(path.to_owned(), default.clone());
            }
        });
        found
    };
    for (path, default) in [
        ("Tenant.spec.allowedNamespaces", json!({"from": "Same"})),
        ("Tenant.spec.enabled", json!(true)),
        ("Tenant.spec.deletionPolicy", json!("Refuse")),
        ("Tenant.spec.mail.server.tls", json!("StartTLS")),
        ("SubAdmin.spec.tier", json!("Basic")),
        ("SubAdmin.spec.enabled", json!(true)),
        ("SubAdmin.spec.emailVerified", json!(false)),
        ("SubAdmin.spec.capabilities", json!({"from": "Tier"})),
        ("SubAdmin.spec.manageableScope", json!({"from": "Tenant"})),
        ("SubAdmin.spec.activation", json!({"expiresAfter": "72h", "locale": "en"})),
        ("SubAdmin.spec.activation.expiresAfter", json!("72h")),
        ("SubAdmin.spec.deletionPolicy", json!("Delete")),
        ("Role.spec.individualAccess", json!(false)),
        ("Role.spec.propagation", json!("OnReassign")),
        ("DeviceGrant.spec.reclaim", json!("ReturnToGrantor")),
    ] {
        assert_eq!(defaults.get(path), Some(&default), "{path}");
    }
}

#[test]
fn an_empty_status_is_one_that_nobody_has_looked_at() {
    let status = serde_json::to_value(api::TenantStatus::default()).unwrap();
    assert_eq!(status, json!({"observedGeneration": -1}));
    for kind in Kind::ALL {
        assert_eq!(faults_in_status(kind, &status), []);
    }
    let endless = json!({"observedGeneration": 1, "path": "x".repeat(api::REPORT_MAX + 1)});
    assert_eq!(faults_in_status(Kind::Tenant, &endless)[0].field, "status.path");
    assert_eq!(api::fit(&"x".repeat(api::REPORT_MAX + 1), api::REPORT_MAX).chars().count(), api::REPORT_MAX);
}

#[test]
fn a_fault_never_quotes_what_a_person_wrote() {
    for example in examples::bad() {
        for Fault { message, .. } in faults_in(example.kind, &example.document()) {
            assert!(!message.contains("secret.person"), "{message}");
        }
    }
}

#[test]
fn ten_thousand_wrong_ids_are_one_mistake() {
    let ids: Vec<Value> = (0..10_000).map(|n| json!(format!("id {n}"))).collect();
    let document = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "DeviceGrant", "metadata": {"name": "g"},
        "spec": {
            "tenantRef": {"name": "acme"}, "mode": "Share", "to": {"groups": ["staff"]},
            "devices": {"deviceIds": ids}
        }
    });
    let faults = faults_in(Kind::DeviceGrant, &document);
    assert_eq!(faults[0].field, "spec.devices.deviceIds[0]");
    assert_eq!(faults.len(), 51, "fifty, and one that counts the rest");
}
