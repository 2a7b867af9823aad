//! The world around a source without a cluster: Secrets from manifests or from
//! `--secrets-dir`, labels of namespaces from manifests.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::load::Loaded;
use super::walk;
use crate::api;
use crate::engine::{SecretFact, Surroundings, Unavailable};

/// The label that every namespace of a cluster carries.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Secrets and labels as the manifests of a source have them.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    secrets: BTreeMap<(String, String), SecretFact>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

impl Facts {
    /// Keeps a `kind: Secret`; field and message of each fault.
    pub(super) fn add_secret(&mut self, document: &Value) -> Vec<(String, String)> {
        let (name, namespace, labels) = metadata(document);
        let mut faults = vec![];
        if name.is_empty() {
            return vec![("metadata.name".to_owned(), "is missing: give the Secret a name".to_owned())];
        }
        let mut data = BTreeMap::new();
        for (key, value) in fields(document, "data") {
            let field = || format!("data[{key}]");
            let Some(encoded) = value.as_str() else {
                faults.push((field(), "must be base64: use stringData for plain text".to_owned()));
                continue;
            };
            let packed: String = encoded.split_whitespace().collect();
            match data_encoding::BASE64.decode(packed.as_bytes()) {
                // The engine reads text only; anything else is left out.
                Ok(bytes) => {
                    data.extend(String::from_utf8(bytes).ok().map(|text| (key.clone(), text.into())))
                }
                Err(_) => faults.push((field(), "is not base64: use stringData for plain text".to_owned())),
            }
        }
        for (key, value) in fields(document, "stringData") {
            match value.as_str() {
                Some(text) => {
                    data.insert(key.clone(), SecretString::from(text));
                }
                None => {
                    faults.push((format!("stringData[{key}]"), "must be text: put it in quotes".to_owned()))
                }
            }
        }
        let at = (namespace, name);
        if self.secrets.contains_key(&at) {
            let message = format!("the Secret {}/{} is written twice: remove one of the two", at.0, at.1);
            faults.push((String::new(), message));
        }
        self.secrets.insert(at, SecretFact::Found { labels, data });
        faults
    }

    /// Whether a Secret is among the manifests.
    pub(super) fn has_secret(&self, namespace: &str, name: &str) -> bool {
        self.secrets.contains_key(&(namespace.to_owned(), name.to_owned()))
    }

    /// Keeps the labels of a `kind: Namespace`.
    pub(super) fn add_namespace(&mut self, document: &Value) -> Vec<(String, String)> {
        let (name, _, labels) = metadata(document);
        if name.is_empty() {
            return vec![("metadata.name".to_owned(), "is missing: give the Namespace a name".to_owned())];
        }
        match self.namespaces.insert(name.clone(), labels) {
            None => vec![],
            Some(_) => {
                vec![(String::new(), format!("the Namespace {name} is written twice: remove one of the two"))]
            }
        }
    }
}

fn fields<'a>(document: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    document.get(field).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn metadata(document: &Value) -> (String, String, BTreeMap<String, String>) {
    let metadata = document.get("metadata").unwrap_or(&Value::Null);
    let text = |field: &str| metadata.get(field).and_then(Value::as_str).map(str::to_owned);
    let labels = fields(metadata, "labels")
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    (text("name").unwrap_or_default(), text("namespace").unwrap_or_else(|| "default".to_owned()), labels)
}

/// What the engine and the outbox may ask when files are the source. Clones
/// see the same facts, those of the files as they were read last.
#[derive(Clone, Debug, Default)]
pub struct FileSurroundings {
    facts: Arc<RwLock<Facts>>,
    secrets_dir: Option<PathBuf>,
}

impl FileSurroundings {
    /// Nothing but the Secrets in a folder, until files are read.
    pub fn new(secrets_dir: Option<PathBuf>) -> Self {
        Self { facts: Arc::default(), secrets_dir }
    }

    /// The Secrets in files that were read, and those in a folder.
    pub fn of(loaded: &Loaded, secrets_dir: Option<PathBuf>) -> Self {
        let world = Self::new(secrets_dir);
        world.take(&loaded.facts);
        world
    }

    pub(super) fn take(&self, facts: &Facts) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = facts.clone();
    }

    fn facts(&self) -> RwLockReadGuard<'_, Facts> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Surroundings for FileSurroundings {
    async fn secret(&self, namespace: &str, name: &str) -> Result<SecretFact, Unavailable> {
        if let Some(folder) = &self.secrets_dir
            && let Some(found) = secret_in(folder, namespace, name)?
        {
            return Ok(found);
        }
        let at = (namespace.to_owned(), name.to_owned());
        Ok(self.facts().secrets.get(&at).cloned().unwrap_or(SecretFact::Absent))
    }

    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Unavailable> {
        let mut labels = self.facts().namespaces.get(namespace).cloned().unwrap_or_default();
        labels.entry(NAME_LABEL.to_owned()).or_insert_with(|| namespace.to_owned());
        Ok(Some(labels))
    }
}

/// `DIR/namespace/name/key`. A folder carries no label; whoever put a Secret
/// there said what it is for by its keys: one with a `username` is for mail,
/// any other holds a password.
fn secret_in(folder: &Path, namespace: &str, name: &str) -> Result<Option<SecretFact>, Unavailable> {
    let plain = |word: &str| {
        !word.starts_with('.') && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
    };
    if !plain(namespace) || !plain(name) {
        return Ok(None);
    }
    let path = folder.join(namespace).join(name);
    let cannot = |source: io::Error| Unavailable {
        what: format!("the Secret folder {}", path.display()),
        source: source.into(),
    };
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    let root = folder.canonicalize().map_err(cannot)?;
    let mut data = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(cannot)?;
        let key = entry.file_name().to_string_lossy().into_owned();
        // Mounted Secrets are links to a hidden folder beside them; links that
        // lead elsewhere are somebody's mistake, or worse.
        let inside = entry.path().canonicalize().is_ok_and(|real| real.starts_with(&root) && real.is_file());
        if key.starts_with('.') || !inside {
            continue;
        }
        if let Ok(text) = walk::read(&entry.path()) {
            // Editors and `echo` end a file with a line break that is no part of the password.
            let text =
                text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            data.insert(key, SecretString::from(text));
        }
    }
    let purpose = if data.contains_key("username") { "mail" } else { "password" };
    let labels = BTreeMap::from([(api::USE_LABEL.to_owned(), purpose.to_owned())]);
    Ok(Some(SecretFact::Found { labels, data }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn world(secrets_dir: Option<PathBuf>) -> FileSurroundings {
        FileSurroundings::new(secrets_dir)
    }

    #[tokio::test]
    async fn a_secret_is_read_from_its_folder_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("acme/smtp");
        fs::create_dir_all(&secret).unwrap();
        fs::write(secret.join("username"), "kim\n").unwrap();
        fs::write(secret.join("password"), "a b\r\n").unwrap();
        fs::write(secret.join(".hidden"), "x").unwrap();
        let found = world(Some(folder.path().to_owned())).secret("acme", "smtp").await.unwrap();
        let SecretFact::Found { labels, data } = found else { panic!("absent") };
        assert_eq!(labels[api::USE_LABEL], "mail");
        let shown: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.expose_secret())).collect();
        assert_eq!(shown, [("password", "a b"), ("username", "kim")]);
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_secrets_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("in")).unwrap();
        fs::create_dir_all(folder.path().join("out/x")).unwrap();
        fs::write(folder.path().join("out/x/password"), "p").unwrap();
        let world = world(Some(folder.path().join("in")));
        for (namespace, name) in [("..", "out"), ("../out", "x"), ("a", "../../out/x")] {
            let found = world.secret(namespace, name).await.unwrap();
            assert!(matches!(found, SecretFact::Absent), "{namespace} {name}");
        }
    }

    #[tokio::test]
    async fn a_manifest_gives_its_text_and_a_wrong_one_says_which_key() {
        let mut facts = Facts::default();
        let document = serde_json::json!({
            "metadata": {"name": "s", "labels": {"tenantry.dev/use": "password"}},
            "data": {"password": "c2VjcmV0", "odd": "?"},
            "stringData": {"other": "plain", "number": 5},
        });
        let faults = facts.add_secret(&document);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["data[odd]", "stringData[number]"]);
        let world = FileSurroundings::default();
        world.take(&facts);
        let SecretFact::Found { data, .. } = world.secret("default", "s").await.unwrap() else {
            panic!("absent")
        };
        assert_eq!(data["password"].expose_secret(), "secret");
        assert_eq!(data["other"].expose_secret(), "plain");
    }

    #[tokio::test]
    async fn a_namespace_has_its_own_name_as_a_label_even_unwritten() {
        let labels = world(None).namespace_labels("acme").await.unwrap().unwrap();
        assert_eq!(labels[NAME_LABEL], "acme");
    }
}
