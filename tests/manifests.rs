//! `manifests/` as kustomize builds it: complete, restricted, and with no more
//! rights than it says.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_yaml::Value;

fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// kubectl from where the API server's binaries are, else from the machine.
fn kubectl() -> Command {
    let assets = Command::new(in_tree("tests/tools/kube-assets")).output().unwrap();
    let folder = String::from_utf8_lossy(&assets.stdout).trim().to_owned();
    let own = Path::new(&folder).join("kubectl");
    if !folder.is_empty() && own.exists() { Command::new(own) } else { Command::new("kubectl") }
}

fn build(folder: &str) -> Vec<Value> {
    let output = kubectl().arg("kustomize").arg(in_tree(folder)).output().unwrap();
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(|d| Value::deserialize(d).unwrap()).collect()
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|object| object["kind"] == kind).collect()
}

const FOLDERS: [&str; 3] = ["manifests/base", "manifests/overlays/postgres", "manifests/overlays/sqlite"];

#[test]
fn every_folder_builds_with_the_four_definitions_and_one_controller() {
    for folder in FOLDERS {
        let all = build(folder);
        assert_eq!(of_kind(&all, "CustomResourceDefinition").len(), 4, "{folder}");
        assert_eq!(of_kind(&all, "Deployment").len(), 1, "{folder}");
        for object in &all {
            let kind = object["kind"].as_str().unwrap();
            let is_global = ["Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"];
            let namespace = object["metadata"]["namespace"].as_str();
            assert_eq!(namespace, (!is_global.contains(&kind)).then_some("tenantry"), "{folder}: {kind}");
        }
    }
}

#[test]
fn the_pod_meets_the_restricted_standard_and_its_namespace_enforces_it() {
    for folder in FOLDERS {
        let all = build(folder);
        let labels = &of_kind(&all, "Namespace")[0]["metadata"]["labels"];
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
        let deployment = of_kind(&all, "Deployment")[0];
        assert_eq!(deployment["spec"]["replicas"], 1);
        assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for container in pod["containers"].as_sequence().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"]["drop"][0], "ALL");
            assert!(!container["resources"]["limits"]["memory"].is_null());
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                assert_eq!(container[probe]["httpGet"]["port"], "ops", "{probe}");
            }
        }
    }
}

#[test]
fn no_right_reaches_secrets_of_the_whole_cluster_or_hides_in_edit_and_view() {
    for folder in FOLDERS {
        let all = build(folder);
        for role in of_kind(&all, "ClusterRole") {
            let labels = role["metadata"]["labels"].as_mapping().into_iter().flatten();
            for (label, _) in labels {
                assert!(!label.as_str().unwrap().starts_with("rbac.authorization.k8s.io/aggregate"));
            }
            let text = serde_yaml::to_string(&role["rules"]).unwrap();
            assert!(!text.contains('*'), "{text}");
        }
        for binding in of_kind(&all, "ClusterRoleBinding") {
            assert_eq!(binding["roleRef"]["name"], "tenantry-controller");
        }
        let own = of_kind(&all, "RoleBinding");
        assert_eq!(own.len(), 1);
        assert_eq!(own[0]["roleRef"]["name"], "tenantry-secrets");
    }
}

#[test]
fn an_overlay_names_a_version_of_the_image_and_every_setting_that_it_refers_to() {
    for folder in &FOLDERS[1..] {
        let all = build(folder);
        let pod = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let image = container["image"].as_str().unwrap();
        assert_eq!(image, concat!("tenantry:", env!("CARGO_PKG_VERSION")), "{folder}");
        // Programs are let in by a Secret that need not be there.
        let secret =
            pod["volumes"].as_sequence().unwrap().iter().find(|v| v["name"] == "service-tokens").unwrap();
        assert_eq!(secret["secret"]["optional"], true, "{folder}");
        let mount =
            container["volumeMounts"].as_sequence().unwrap().iter().find(|m| m["name"] == "service-tokens");
        let path = mount.unwrap()["mountPath"].as_str().unwrap();
        let written = std::fs::read_to_string(in_tree(folder).join("settings.env")).unwrap();
        assert!(written.contains(&format!("#TENANTRY_SERVICE_TOKENS_FILE={path}/tokens")), "{folder}");
        let settings = container["envFrom"][0]["configMapRef"]["name"].as_str().unwrap();
        assert!(of_kind(&all, "ConfigMap").iter().any(|map| map["metadata"]["name"] == settings));
    }
}
