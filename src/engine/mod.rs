//! One object's way from its YAML to the database: gather, validate, plan,
//! apply, report, in one transaction. The controller and the directory source
//! call [`Engine::reconcile`] with a [`Manifest`]; both get a [`Report`] to
//! show. The engine knows the store and the rules, and neither Kubernetes'
//! client nor mail.
//!
//! What the world outside the database knows (Secrets, labels of namespaces)
//! is fetched between two attempts: a pass that misses a fact ends without a
//! trace and says what it needs ([`Facts`]), so no transaction ever waits for
//! the network.

mod audit;
mod authority;
mod grant;
mod line;
mod manifest;
mod pass;
pub mod questions;
mod resend;
mod role;
mod room;
mod signin;
mod subadmin;
mod tenant;
mod traffic;
mod written;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::activation::LinkKey;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::signin::SessionToken;
use crate::domain::verdict::Condition;
use crate::store::{Access, Store, StoreError};

pub use audit::{Sealing, prove};
pub use line::{Claimant, above, claims, depth, tree};
pub use manifest::{Manifest, Spec};
pub(crate) use pass::Pass;
pub use resend::{Asked, Queued, Resent};
pub use signin::{Attempt, Entered, Person, SignInError, SignedIn, Via};

/// Where Tenants without a parent, and objects without a manager, are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootNamespaces {
    /// Everywhere; the default for files.
    Any,
    /// In these namespaces.
    Listed(Vec<String>),
}

impl RootNamespaces {
    /// Those that somebody named; none if nobody did.
    pub fn named(names: &[String]) -> Option<Self> {
        let names: Vec<String> =
            names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        (!names.is_empty()).then_some(Self::Listed(names))
    }

    /// Whether `namespace` is one of them.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(names) => names.iter().any(|name| name == namespace),
        }
    }
}

/// A Secret as the world outside has it.
#[derive(Clone, Debug)]
pub enum SecretFact {
    /// It does not exist, or may not be read.
    Absent,
    /// It exists.
    Found {
        /// Its labels.
        labels: BTreeMap<String, String>,
        /// Its keys and values; a value that is not text is left out.
        data: BTreeMap<String, SecretString>,
    },
}

/// The world outside the database cannot be asked at the moment.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be read at the moment")]
pub struct Unavailable {
    /// What was asked for.
    pub what: String,
    /// Why not.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What the engine may ask the world outside the database. The cluster and the
/// directory source each answer in their way.
#[async_trait]
pub trait Surroundings: Send + Sync {
    /// One Secret.
    async fn secret(&self, namespace: &str, name: &str) -> Result<SecretFact, Unavailable>;
    /// Labels of a namespace; none if it does not exist.
    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Unavailable>;
}

/// A fact that a pass needs and cannot read inside its transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A Secret, by namespace and name.
    Secret(String, String),
    /// Labels of a namespace.
    Namespace(String),
    /// The hash of a password that is plain text in a Secret: hashing takes
    /// long and must not happen while the transaction holds its lock.
    PasswordHash(String, String, String),
}

/// Facts fetched so far for one object.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) secrets: BTreeMap<(String, String), SecretFact>,
    pub(crate) namespaces: BTreeMap<String, Option<BTreeMap<String, String>>>,
    pub(crate) hashes: BTreeMap<(String, String, String), String>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Which object.
    pub key: ObjectKey,
    /// The generation judged.
    pub generation: i64,
    /// The generation in force; none while nothing is.
    pub applied_generation: Option<i64>,
    /// Conditions, `Ready` first.
    pub conditions: Vec<Condition>,
    /// The kind's own status fields, in the CRD's spelling, without
    /// `conditions`, `observedGeneration` and `appliedGeneration`.
    pub status: serde_json::Value,
    /// The database's time of this pass (R13).
    pub judged_at: Timestamp,
    /// Whether rows of the account database changed in this pass.
    pub changed: bool,
    /// What changed, in words, for logs and tables: `created`, `updated`, ...
    pub action: Action,
    /// Deletion is complete: the finalizer may go.
    pub finished: bool,
    /// When time alone calls for another pass.
    pub again_at: Option<Timestamp>,
}

impl Report {
    /// Whether `Ready` is true.
    pub fn ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status)
    }
    /// Both looks of one pass as one.
    fn after(mut self, first: Option<Box<Self>>) -> Self {
        if let Some(first) = first {
            self.changed |= first.changed;
            if self.action == Action::Unchanged {
                self.action = first.action;
            }
        }
        self
    }
    /// One condition by its type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }
}

/// What a pass did to the rows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Rows appeared.
    Created,
    /// Rows changed.
    Updated,
    /// Rows had been changed by hand and were put back (R10).
    Repaired,
    /// Rows went.
    Deleted,
    /// All was as it should be.
    Unchanged,
    /// A rule said no, or something is missing; the last good state stays.
    Refused,
    /// `paused` is set.
    Paused,
}

impl Action {
    /// In tables, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Repaired => "repaired",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Paused => "paused",
        }
    }
}

/// What stops a pass that no rule stopped. Says for itself whether trying
/// again helps.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database.
    #[error("{key} could not be reconciled")]
    Store {
        /// The object.
        key: Box<ObjectKey>,
        /// Why.
        source: StoreError,
    },
    /// Something outside of the database.
    #[error("{key} could not be reconciled")]
    Outside {
        /// The object.
        key: Box<ObjectKey>,
        /// Why.
        source: Unavailable,
    },
    /// The database is used by somebody with another key: links sent before
    /// would not work.
    #[error("{0}")]
    Key(String),
}

/// What an object from a file has instead of the API server's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// Counts changes of the spec, from 1.
    pub generation: i64,
    /// Digest of the spec.
    pub digest: String,
    /// When it was first seen.
    pub born: Timestamp,
}

/// How often a transaction is run again when another one got in its way.
const RERUNS: u32 = 12;

/// Judges objects, one at a time, each in one transaction. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    store: Store,
    source: String,
    roots: RootNamespaces,
    key: LinkKey,
    random: Arc<Mutex<StdRng>>,
    line: Arc<line::Line>,
    traffic: Arc<traffic::Traffic>,
}

impl Engine {
    /// An engine for one source of objects. `seed` feeds identifiers and
    /// nonces; production takes it from the operating system.
    pub fn new(
        store: Store,
        source: impl Into<String>,
        roots: RootNamespaces,
        key: LinkKey,
        seed: [u8; 32],
    ) -> Self {
        Self {
            store,
            source: source.into(),
            roots,
            key,
            random: Arc::new(Mutex::new(StdRng::from_seed(seed))),
            line: Arc::default(),
            traffic: Arc::default(),
        }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The source whose objects this engine judges.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The key of links.
    pub fn link_key(&self) -> &LinkKey {
        &self.key
    }

    /// Binds the database to the link key at first use and refuses another
    /// key later: links that were sent would stop working without a word.
    pub async fn check_key(&self) -> Result<(), EngineError> {
        let run = async {
            let mut tx = self.store.begin(Access::Write).await?;
            let known = tx.setting("link-key").await?;
            if known.is_none() {
                tx.put_setting("link-key", &self.key.fingerprint()).await?;
            }
            tx.commit().await?;
            Ok::<_, StoreError>(known)
        };
        let known = run
            .await
            .map_err(|error| EngineError::Key(format!("the link key could not be checked: {error}")))?;
        match known {
            Some(known) if known != self.key.fingerprint() => Err(EngineError::Key(
                "this database was used with another link key; links already sent would stop working. Give the old key with --key-file".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Announces objects that are about to be judged, so that nobody takes what
    /// belongs to those who come first (R12). Each leaves the line when it has
    /// been judged, or by [`Engine::dismiss`].
    pub fn expect(&self, claimants: impl IntoIterator<Item = Claimant>) {
        claimants.into_iter().for_each(|claimant| self.line.join(claimant));
    }

    /// An object that was announced will not be judged.
    pub fn dismiss(&self, key: &ObjectKey) {
        self.line.leave(key);
    }

    /// An object that was announced is about to be judged: whoever needs it
    /// waits for that. Either [`Engine::reconcile`] follows or
    /// [`Engine::dismiss`].
    pub fn begin(&self, key: &ObjectKey) {
        self.line.begin(key);
    }

    /// Waits until no pass is under way, at most for so long; for work that has
    /// time, so that it does not make passes slower.
    pub async fn quiet(&self, at_most: Duration) {
        self.traffic.quiet(at_most).await;
    }

    /// Judges one object and makes the database match, in one transaction.
    pub async fn reconcile(
        &self,
        manifest: &Manifest,
        surroundings: &dyn Surroundings,
    ) -> Result<Report, EngineError> {
        let _pass = self.traffic.pass();
        self.line.begin(&manifest.key);
        let judged = self.judge(manifest, surroundings).await;
        self.line.leave(&manifest.key);
        judged
    }

    async fn judge(
        &self,
        manifest: &Manifest,
        surroundings: &dyn Surroundings,
    ) -> Result<Report, EngineError> {
        let key = &manifest.key;
        let mut facts = Facts::default();
        let mut reruns = 0;
        let mut first = None;
        loop {
            match self.attempt(manifest, &facts).await {
                // What it waits for may have come before anybody could see that
                // it waits; from now on everybody can.
                Ok(pass::Attempt::Done { report, unsure: true }) if first.is_none() => {
                    self.let_publishers_finish(key).await?;
                    first = Some(report);
                }
                Ok(pass::Attempt::Done { report, unsure: _ }) => return Ok(report.after(first)),
                Ok(pass::Attempt::Needs(need)) => {
                    self.fetch(need, &mut facts, surroundings)
                        .await
                        .map_err(|source| EngineError::Outside { key: Box::new(key.clone()), source })?;
                }
                // The transaction is over, so whoever is ahead can go on.
                Ok(pass::Attempt::Behind) => self.line.moves_on(key).await,
                Err(error) if error.is_transient() && reruns < RERUNS => {
                    reruns += 1;
                    let most = 10 * (1_u64 << reruns.min(6));
                    let wait = self.jitter(most);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                Err(source) => return Err(EngineError::Store { key: Box::new(key.clone()), source }),
            }
        }
    }

    /// Waits for those who have looked whom to wake before this object could be
    /// seen to wait, and have not committed yet.
    async fn let_publishers_finish(&self, key: &ObjectKey) -> Result<(), EngineError> {
        let mut reruns = 0;
        loop {
            match self.store.let_publishers_finish().await {
                Err(error) if error.is_transient() && reruns < RERUNS => {
                    reruns += 1;
                    tokio::time::sleep(Duration::from_millis(self.jitter(100))).await;
                }
                ended => {
                    return ended.map_err(|source| EngineError::Store { key: Box::new(key.clone()), source });
                }
            }
        }
    }

    async fn attempt(&self, manifest: &Manifest, facts: &Facts) -> Result<pass::Attempt, StoreError> {
        let mut pass = Pass::begin(self, manifest, facts).await?;
        let outcome = match manifest.key.kind {
            Kind::Tenant => tenant::reconcile(&mut pass).await,
            Kind::Role => role::reconcile(&mut pass).await,
            Kind::SubAdmin => subadmin::reconcile(&mut pass).await,
            Kind::DeviceGrant => grant::reconcile(&mut pass).await,
        };
        pass.finish(outcome).await
    }

    async fn fetch(
        &self,
        need: Need,
        facts: &mut Facts,
        surroundings: &dyn Surroundings,
    ) -> Result<(), Unavailable> {
        match need {
            Need::Secret(namespace, name) => {
                let secret = surroundings.secret(&namespace, &name).await?;
                facts.secrets.insert((namespace, name), secret);
            }
            Need::Namespace(namespace) => {
                let labels = surroundings.namespace_labels(&namespace).await?;
                facts.namespaces.insert(namespace, labels);
            }
            Need::PasswordHash(namespace, name, data_key) => {
                if let Some(SecretFact::Found { data, .. }) =
                    facts.secrets.get(&(namespace.clone(), name.clone()))
                    && let Some(password) = data.get(&data_key)
                {
                    let hash = crate::domain::password::hash(password.clone(), self.salt()).await.map_err(
                        |source| Unavailable { what: "a password hash".to_owned(), source: source.into() },
                    )?;
                    facts.hashes.insert((namespace, name, data_key), hash);
                }
            }
        }
        Ok(())
    }

    /// Objects of this source that are due to be judged again, taken off the
    /// list. `ahead` counts those as due that would be within that time.
    pub async fn take_woken(&self, ahead: Duration, limit: i64) -> Result<Vec<ObjectKey>, StoreError> {
        self.take_woken_and(ahead, limit, |_| ()).await
    }

    /// The same; `announce` hears of them before anybody can find the list
    /// without them, so that they never lose their place.
    pub async fn take_woken_and(
        &self,
        ahead: Duration,
        limit: i64,
        announce: impl FnOnce(&[ObjectKey]) + Send,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let ahead = jiff::SignedDuration::try_from(ahead).unwrap_or(jiff::SignedDuration::ZERO);
        let mut tx = self.store.begin(Access::Read).await?;
        let by = tx.now().saturating_add(ahead).unwrap_or(tx.now());
        if !tx.any_woken(&self.source, by).await? {
            return Ok(vec![]);
        }
        drop(tx);
        let mut tx = self.store.begin(Access::Write).await?;
        let keys = tx.take_woken(&self.source, by, limit).await?;
        announce(&keys);
        tx.commit().await?;
        Ok(keys)
    }

    /// What objects from files have instead of metadata, in the same order:
    /// their generations count changes of the spec from 1, by the digest that
    /// the register keeps; they are as old as when they were first seen.
    pub async fn files_metadata(
        &self,
        objects: &[(&ObjectKey, &serde_json::Value)],
    ) -> Result<Vec<FileMetadata>, StoreError> {
        let mut tx = self.store.begin(Access::Read).await?;
        let mut metadata = Vec::with_capacity(objects.len());
        for (key, spec) in objects {
            let digest = crate::domain::key::digest(&spec.to_string());
            let known = tx.object(&self.source, key).await?;
            let generation = match &known {
                None => 1,
                Some(known) if pass::last_digest(known).as_deref() == Some(&digest) => {
                    known.generation.max(1)
                }
                Some(known) => known.generation.max(0) + 1,
            };
            let born = known.map_or(tx.now(), |known| known.born);
            metadata.push(FileMetadata { generation, digest, born });
        }
        Ok(metadata)
    }

    /// What the last pass said of each object of this source.
    pub async fn last_reports(&self) -> Result<Vec<(ObjectKey, Option<Report>)>, StoreError> {
        let mut tx = self.store.begin(Access::Read).await?;
        let objects = tx.objects(&self.source).await?;
        Ok(objects.iter().map(|o| (o.key.clone(), pass::last_report(o))).collect())
    }

    fn with_random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        // A poisoned lock only means that another thread panicked while
        // drawing; the generator itself is always in order.
        let mut random = self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        draw(&mut random)
    }

    /// A new identifier; ordered by `now`.
    pub(crate) fn id(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let bytes: [u8; 10] = self.with_random(rand::RngExt::random);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// A new nonce for a link: 128 bits in hex.
    pub(crate) fn nonce(&self) -> String {
        let bytes: [u8; 16] = self.with_random(rand::RngExt::random);
        data_encoding::HEXLOWER.encode(&bytes)
    }

    /// A fresh salt for a password's hash.
    pub(crate) fn salt(&self) -> [u8; 16] {
        self.with_random(rand::RngExt::random)
    }

    /// 256 bits for the token of a session.
    pub(crate) fn session_token(&self) -> SessionToken {
        SessionToken::new(self.with_random(rand::RngExt::random))
    }

    fn jitter(&self, most: u64) -> u64 {
        self.with_random(|random| rand::RngExt::random_range(random, 1..=most))
    }
}
