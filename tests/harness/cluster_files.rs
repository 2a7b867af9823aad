//! What etcd, the API server and their clients are told: command lines, tokens,
//! kubeconfigs, and the documents that go into a new cluster.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_yaml::Value;

use super::certificates::Certificates;
use super::cluster::CONTROLLER;
use super::run::Folder;

pub(crate) struct Tokens {
    pub(crate) admin: String,
    pub(crate) controller: String,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let token = || format!("{:032x}", rand::random::<u128>());
        Self { admin: token(), controller: token() }
    }

    /// The groups are those that a real ServiceAccount token brings along.
    pub(crate) fn csv(&self) -> String {
        format!(
            "{},admin,admin,\"system:masters\"\n\
             {},{CONTROLLER},controller,\"system:serviceaccounts,system:serviceaccounts:tenantry\"\n",
            self.admin, self.controller
        )
    }
}

pub(crate) fn kubeconfig(port: u16, authority: &Path, user: &str, token: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: tests
clusters:
- name: tests
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority: {}
users:
- name: {user}
  user:
    token: {token}
contexts:
- name: tests
  context:
    cluster: tests
    user: {user}
",
        authority.display()
    )
}

pub(crate) fn etcd(folder: &Folder, assets: &Path, clients: u16, peers: u16) -> Vec<String> {
    let (clients, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    vec![
        assets.join("etcd").display().to_string(),
        format!("--data-dir={}", folder.file("etcd.data").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        // Nothing here has to survive the machine.
        "--unsafe-no-fsync".to_owned(),
    ]
}

pub(crate) fn apiserver(
    folder: &Folder,
    assets: &Path,
    keys: &Certificates,
    etcd: u16,
    port: u16,
) -> Vec<String> {
    let accounts = folder.file("accounts.key").display().to_string();
    vec![
        assets.join("kube-apiserver").display().to_string(),
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", folder.file("certificates").display()),
        format!("--tls-cert-file={}", keys.certificate.display()),
        format!("--tls-private-key-file={}", keys.key.display()),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--service-account-issuer=https://127.0.0.1".to_owned(),
        format!("--service-account-key-file={accounts}"),
        format!("--service-account-signing-key-file={accounts}"),
        format!("--token-auth-file={}", folder.file("tokens.csv").display()),
        "--authorization-mode=RBAC".to_owned(),
    ]
}

/// The texts of the CRDs in a folder, if it exists.
pub(crate) fn crds(folder: &Path) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let told = path.display().to_string();
            texts.extend(
                documents(&text, &told)?.into_iter().filter(|(kind, _)| kind == "CustomResourceDefinition"),
            );
        }
    }
    Ok(texts.into_iter().map(|(_, text)| text).collect())
}

/// Those of the documents that say who may do what.
pub(crate) fn rights(all: &str) -> Result<Vec<String>, String> {
    const KINDS: [&str; 6] =
        ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
    let mut found = documents(all, "manifests/base")?;
    found.retain(|(kind, _)| KINDS.contains(&kind.as_str()));
    found.sort_by_key(|(kind, _)| KINDS.iter().position(|k| k == kind));
    Ok(found.into_iter().map(|(_, text)| text).collect())
}

/// Each document as its kind and its text.
fn documents(text: &str, told: &str) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).map_err(|e| format!("{told}: {e}"))?;
        if let Some(kind) = value.get("kind").and_then(Value::as_str) {
            let text = serde_yaml::to_string(&value).map_err(|e| format!("{told}: {e}"))?;
            found.push((kind.to_owned(), text));
        }
    }
    Ok(found)
}
