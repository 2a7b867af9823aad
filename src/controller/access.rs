//! What the controller asks of the API server, as data. `manifests/base` grants
//! exactly this, and a test compares the two; `doctor` may ask the API server
//! whether it is granted. It uses nothing.

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, with the subresource if any.
    pub resource: &'static str,
    /// What is done with it.
    pub verbs: &'static [&'static str],
    /// Only these names; empty: any.
    pub names: &'static [&'static str],
}

const fn call(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Call {
    Call { group, resource, verbs, names: &[] }
}

const GROUP: &str = crate::api::GROUP;
const OBJECTS: &[&str] = &["list", "watch", "patch"];
const STATUS: &[&str] = &["patch"];

/// Granted in the whole cluster, by the ClusterRole `tenantry-controller`.
pub const CLUSTER_CALLS: &[Call] = &[
    call(GROUP, "tenants", OBJECTS),
    call(GROUP, "accountroles", OBJECTS),
    call(GROUP, "subadmins", OBJECTS),
    call(GROUP, "devicegrants", OBJECTS),
    call(GROUP, "tenants/status", STATUS),
    call(GROUP, "accountroles/status", STATUS),
    call(GROUP, "subadmins/status", STATUS),
    call(GROUP, "devicegrants/status", STATUS),
    call("events.k8s.io", "events", &["create", "patch"]),
    call("", "namespaces", &["list", "watch"]),
    Call { group: "", resource: "namespaces", verbs: &["get"], names: &["kube-system"] },
];

/// Granted only in namespaces that bind the ClusterRole `tenantry-secrets`.
pub const SECRET_CALLS: &[Call] = &[call("", "secrets", &["get"])];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize as _;
    use serde_yaml::Value;

    use super::*;

    type Right = (String, String, String, String);

    /// Each single right: group, resource, verb, name.
    fn asked(calls: &[Call]) -> BTreeSet<Right> {
        let mut rights = BTreeSet::new();
        for Call { group, resource, verbs, names } in calls {
            for verb in *verbs {
                let names = if names.is_empty() { &["*"][..] } else { names };
                for name in names {
                    rights.insert((
                        (*group).to_owned(),
                        (*resource).to_owned(),
                        (*verb).to_owned(),
                        (*name).to_owned(),
                    ));
                }
            }
        }
        rights
    }

    fn granted(file: &str, role: &str) -> BTreeSet<Right> {
        let path = format!("{}/manifests/base/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let list = |rule: &Value, field: &str| -> Vec<String> {
            let texts = rule.get(field).and_then(Value::as_sequence).into_iter().flatten();
            texts.map(|v| v.as_str().unwrap().to_owned()).collect()
        };
        let mut rights = BTreeSet::new();
        let mut found = false;
        for document in serde_yaml::Deserializer::from_str(&text) {
            let document = Value::deserialize(document).unwrap();
            if document["kind"].as_str() != Some("ClusterRole")
                || document["metadata"]["name"].as_str() != Some(role)
            {
                continue;
            }
            found = true;
            for rule in document["rules"].as_sequence().unwrap() {
                let mut names = list(rule, "resourceNames");
                if names.is_empty() {
                    names.push("*".to_owned());
                }
                for group in list(rule, "apiGroups") {
                    for resource in list(rule, "resources") {
                        for verb in list(rule, "verbs") {
                            for name in &names {
                                rights.insert((group.clone(), resource.clone(), verb.clone(), name.clone()));
                            }
                        }
                    }
                }
            }
        }
        assert!(found, "no ClusterRole {role} in {file}");
        rights
    }

    #[test]
    fn the_cluster_role_grants_exactly_what_the_controller_calls() {
        assert_eq!(asked(CLUSTER_CALLS), granted("rbac.yaml", "tenantry-controller"));
    }

    #[test]
    fn secrets_are_read_one_by_one_and_only_where_a_namespace_grants_it() {
        assert_eq!(asked(SECRET_CALLS), granted("rbac.yaml", "tenantry-secrets"));
        assert!(asked(CLUSTER_CALLS).iter().all(|(_, resource, _, _)| !resource.starts_with("secrets")));
    }
}
