//! One attempt at one object: what every kind has in common. It opens the
//! transaction, knows the object's entry in the register, collects what the
//! kind's pass wants to subscribe to and publish ([`wake`]), to take ([`turn`])
//! and to record ([`trail`]), and at the end writes only what differs
//! ([`ending`]).

mod ending;
mod trail;
mod turn;
mod wake;

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Action, Engine, Facts, Manifest, Need, Report, SecretFact, Spec};
use crate::api::annotation;
use crate::domain::authority::{self, Authority, Manager, Reference};
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::tenant::{Chain, Tenant};
use crate::domain::verdict::{Condition, Reason, Refusal};
use crate::store::accounts::Found;
use crate::store::objects::Registered;
use crate::store::{Access, StoreError, Tx};

pub(crate) use ending::{last_digest, last_report};
pub(crate) use trail::written;

/// Why a kind's pass ends early.
pub(crate) enum Stop {
    /// A rule said no.
    Refused(Refusal),
    /// A fact from outside is missing.
    Needs(Need),
    /// Somebody who is being judged at this moment comes first (R12).
    Behind,
    /// The database.
    Store(StoreError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(crate) type Step<T> = Result<T, Stop>;

/// What an attempt came to.
pub(crate) enum Attempt {
    /// It is judged. `unsure`: what it waits for may have come between its look
    /// and its subscription, so one more look is needed.
    Done {
        report: Box<Report>,
        unsure: bool,
    },
    Needs(Need),
    Behind,
}

/// What a kind's pass found and did.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Whether the object is in force as written.
    pub(crate) verdict: Result<(), Refusal>,
    /// Conditions beside `Ready`.
    pub(crate) conditions: Vec<Condition>,
    /// The kind's own status fields.
    pub(crate) status: serde_json::Value,
    /// What happened to its rows.
    pub(crate) action: Action,
    /// When time alone calls for another pass.
    pub(crate) again_at: Option<Timestamp>,
}

impl Outcome {
    /// A removal that is complete.
    pub(crate) fn deleted() -> Self {
        Self {
            verdict: Ok(()),
            conditions: vec![],
            status: serde_json::json!({}),
            action: Action::Deleted,
            again_at: None,
        }
    }
}

/// One attempt under way.
pub(crate) struct Pass<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) manifest: &'a Manifest,
    pub(crate) tx: Tx,
    facts: &'a Facts,
    before: Option<Registered>,
    object: Registered,
    registered: bool,
    topics: BTreeSet<Topic>,
    published: BTreeSet<Topic>,
    published_later: BTreeSet<Topic>,
    /// What the verdict rests on beside what the object depends on: listened to
    /// only while it is refused.
    consulted: BTreeSet<Topic>,
    counts_changed: BTreeSet<Uuid>,
    about: Option<Uuid>,
    changed: bool,
    forgotten: bool,
    applied: Option<String>,
    repaired: bool,
    took_effect: bool,
    taken_over: bool,
    /// A link was issued in this pass, and is open.
    pub(crate) link_issued: bool,
    /// More may appear for it that is not of the tree that was locked.
    expects_more: bool,
    /// Tenants that were not there when their tree was to be locked.
    unlocked: BTreeSet<ObjectKey>,
}

impl<'a> Pass<'a> {
    pub(crate) async fn begin(
        engine: &'a Engine,
        manifest: &'a Manifest,
        facts: &'a Facts,
    ) -> Result<Self, StoreError> {
        let mut tx = engine.store.begin(Access::Write).await?;
        let before = tx.object(&engine.source, &manifest.key).await?;
        let now = tx.now();
        let object = match &before {
            Some(known) if known.uid == manifest.uid => Registered {
                depth: if manifest.deleting { known.depth } else { manifest.depth },
                tree: manifest.tree.as_ref().map_or_else(|| known.tree.clone(), tree_name),
                ..known.clone()
            },
            // The same name with another uid is another object: its
            // annotations count as handled, and its age is its own.
            other => Registered {
                id: other.as_ref().map_or_else(|| engine.id(now), |o| o.id),
                source: engine.source.clone(),
                key: manifest.key.clone(),
                uid: manifest.uid.clone(),
                born: manifest.created.unwrap_or(now),
                depth: manifest.depth,
                tree: manifest.tree.as_ref().map(tree_name).unwrap_or_default(),
                cascaded: false,
                generation: -1,
                applied_generation: None,
                resend_value: manifest.annotation(annotation::RESEND_ACTIVATION).map(str::to_owned),
                reassign_value: manifest.annotation(annotation::REASSIGN_ROLES).map(str::to_owned),
                verdict: serde_json::Value::Null,
            },
        };
        Ok(Self {
            engine,
            manifest,
            tx,
            facts,
            registered: before.is_some(),
            before,
            object,
            topics: BTreeSet::new(),
            published: BTreeSet::new(),
            published_later: BTreeSet::new(),
            consulted: BTreeSet::new(),
            counts_changed: BTreeSet::new(),
            about: None,
            changed: false,
            forgotten: false,
            applied: None,
            repaired: false,
            took_effect: false,
            taken_over: false,
            link_issued: false,
            expects_more: false,
            unlocked: BTreeSet::new(),
        })
    }

    /// The object judged.
    pub(crate) fn key(&self) -> &'a ObjectKey {
        &self.manifest.key
    }

    /// The database's time (R13).
    pub(crate) fn now(&self) -> Timestamp {
        self.tx.now()
    }

    /// Identifier of the object in the register.
    pub(crate) fn object_id(&self) -> Uuid {
        self.object.id
    }

    /// Age of the object's claims.
    pub(crate) fn born(&self) -> Timestamp {
        self.object.born
    }

    pub(crate) fn source(&self) -> &'a str {
        &self.engine.source
    }

    /// Whether the platform itself may speak in the object's namespace.
    pub(crate) fn in_root_namespace(&self) -> bool {
        self.engine.roots.contains(&self.manifest.key.namespace)
    }

    /// Whether this generation is the one in force already.
    pub(crate) fn in_force(&self) -> bool {
        self.object.applied_generation == Some(self.manifest.generation)
    }

    /// Whether this generation asks for something that never changes. If it is
    /// in force already, the row was changed by hand, and goes back (R10).
    pub(crate) fn asks_anew(&self, differs: bool) -> bool {
        differs && !self.in_force()
    }

    /// Waits for everybody else who works on the tree of a tenant object.
    pub(crate) async fn lock(&mut self, tenant: &ObjectKey) -> Result<(), StoreError> {
        if !self.tx.lock_tree_of(&self.engine.source, tenant).await? {
            self.unlocked.insert(tenant.clone());
        }
        Ok(())
    }

    /// A tenant with all above it. One that came into force after its tree
    /// could not be locked is not taken: the pass begins again.
    pub(crate) async fn chain_of(&mut self, tenant: &ObjectKey) -> Result<Chain, StoreError> {
        let chain = self.tx.chain_of(&self.engine.source, tenant).await?;
        if !chain.0.is_empty() && self.unlocked.contains(tenant) {
            return Err(StoreError::Moved);
        }
        Ok(chain)
    }

    /// Waits for everybody else who works on the tree that the object lies in.
    /// Comes before anything of the object is read: what a person or another
    /// pass did in the meantime must not be written back.
    pub(crate) async fn lock_home(&mut self) -> Result<(), StoreError> {
        let name = match &self.manifest.spec {
            Some(Spec::Role(spec)) => &spec.tenant_ref.name,
            Some(Spec::SubAdmin(spec)) => &spec.tenant_ref.name,
            Some(Spec::DeviceGrant(spec)) => &spec.tenant_ref.name,
            Some(Spec::Tenant(_)) | None => return Ok(()),
        };
        let key = crate::domain::tenant::key(&self.manifest.key.namespace, name);
        self.lock(&key).await
    }

    /// The entry in the register must exist before rows refer to it.
    pub(crate) async fn register(&mut self) -> Result<(), StoreError> {
        if !self.registered {
            self.tx.put_object(&self.object).await?;
            self.registered = true;
        }
        Ok(())
    }

    /// A Secret that was fetched, or the need for it.
    pub(crate) fn secret(&self, name: &str) -> Step<&'a SecretFact> {
        let namespace = &self.manifest.key.namespace;
        self.facts
            .secrets
            .get(&(namespace.clone(), name.to_owned()))
            .ok_or_else(|| Stop::Needs(Need::Secret(namespace.clone(), name.to_owned())))
    }

    /// The hash of a password in a Secret that was fetched, or the need for it.
    pub(crate) fn password_hash(&self, name: &str, data_key: &str) -> Step<&'a str> {
        let at = (self.manifest.key.namespace.clone(), name.to_owned(), data_key.to_owned());
        match self.facts.hashes.get(&at) {
            Some(hash) => Ok(hash),
            None => Err(Stop::Needs(Need::PasswordHash(at.0, at.1, at.2))),
        }
    }

    /// Labels of a namespace, or the need for them.
    pub(crate) fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Step<Option<&'a std::collections::BTreeMap<String, String>>> {
        match self.facts.namespaces.get(namespace) {
            Some(labels) => Ok(labels.as_ref()),
            None => Err(Stop::Needs(Need::Namespace(namespace.to_owned()))),
        }
    }

    /// What schema and validation rules said against the object; and that what
    /// went with its tenant does not come back by itself (R9).
    pub(crate) fn refuse_faults(&self) -> Result<(), Refusal> {
        if !self.manifest.faults.is_empty() {
            return Err(Refusal::edit(Reason::Invalid, self.manifest.faults.join("; ")));
        }
        if self.object.cascaded && !self.manifest.flag(annotation::ADOPT) {
            return Err(Refusal::edit(
                Reason::TenantGone,
                format!(
                    "what {key} stood for was removed together with its tenant; delete {key}, or set the annotation {adopt} to \"true\" to create it anew",
                    key = self.key(),
                    adopt = annotation::ADOPT
                ),
            ));
        }
        Ok(())
    }

    /// The tenant that a `tenantRef` names, with all above it.
    pub(crate) async fn home(&mut self, name: &str) -> Step<(Tenant, Chain)> {
        let key = crate::domain::tenant::key(&self.manifest.key.namespace, name);
        self.depend_on(&key);
        let chain = self.chain_of(&key).await?;
        let Some(tenant) = chain.own().cloned() else {
            self.let_begun_go_first(&key)?;
            return Err(crate::domain::tenant::missing(self.key(), "spec.tenantRef", &key).into());
        };
        for level in &chain.0 {
            if let Some(key) = level.key.clone() {
                self.depend_on(&key);
            }
        }
        Ok((tenant, chain))
    }

    /// Whether a row that has this object's name in its tenant may become the
    /// object's own: `what` it is and the object that `holder` says it has.
    pub(crate) fn adopt(&self, what: &str, tenant: &Tenant, holder: Option<Uuid>) -> Result<(), Refusal> {
        let (name, path) = (&self.key().name, &tenant.path);
        match holder {
            None if self.manifest.flag(annotation::ADOPT) => Ok(()),
            None => Err(Refusal::edit(
                Reason::AlreadyExists,
                format!(
                    "a {what} {name} exists in {path} and is managed by no object; set the annotation {} to \"true\" to take it over, or choose another name",
                    annotation::ADOPT
                ),
            )),
            Some(_) => Err(Refusal::edit(
                Reason::ManagedElsewhere,
                format!(
                    "a {what} {name} exists in {path} and is managed by another object; choose another name"
                ),
            )),
        }
    }

    /// Who answers for the object, from its `managedByRef`.
    pub(crate) async fn authority(&mut self, reference: Option<&crate::api::ObjectRef>) -> Step<Authority> {
        let found = match reference {
            None => Reference::Absent,
            Some(reference) => {
                let namespace = reference.namespace_from(&self.manifest.key.namespace);
                let key = authority::account_key(namespace, &reference.name);
                self.depend_on(&key);
                match self.manager(&key).await? {
                    Some(manager) => Reference::Found(Box::new(manager)),
                    None => {
                        self.let_begun_go_first(&key)?;
                        Reference::Missing(key)
                    }
                }
            }
        };
        Ok(authority::resolve(self.key(), self.in_root_namespace(), found)?)
    }

    async fn manager(&mut self, key: &ObjectKey) -> Result<Option<Manager>, StoreError> {
        let Some(found) = self.tx.account_of(&self.engine.source, key).await? else {
            return Ok(None);
        };
        let Found { account, roles, .. } = found;
        let chain = self.tx.chain(account.tenant).await?;
        Ok(Some(Manager { key: key.clone(), blocked: chain.blocked_by().is_some(), account, roles }))
    }

    /// Whether an annotation asks for something that was not handled yet.
    pub(crate) fn is_asked(&self, name: &str) -> bool {
        let value = self.manifest.annotation(name);
        let handled = match name {
            annotation::RESEND_ACTIVATION => &self.object.resend_value,
            _ => &self.object.reassign_value,
        };
        value.is_some() && value != handled.as_deref()
    }

    /// The value of an annotation that asks for something once, if it is new.
    pub(crate) fn asked(&mut self, name: &str) -> bool {
        let value = self.manifest.annotation(name).map(str::to_owned);
        let handled = match name {
            annotation::RESEND_ACTIVATION => &mut self.object.resend_value,
            _ => &mut self.object.reassign_value,
        };
        let new = value.is_some() && value != *handled;
        if new {
            *handled = value;
        }
        new
    }

    /// Last handled values of `resend-activation` and `reassign-roles`.
    pub(crate) fn handled(&self) -> (Option<String>, Option<String>) {
        (self.object.resend_value.clone(), self.object.reassign_value.clone())
    }
}

fn tree_name(tree: &ObjectKey) -> String {
    format!("{}/{}", tree.namespace, tree.name)
}
