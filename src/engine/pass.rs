//! One attempt at one object: what every kind has in common. It opens the
//! transaction, knows the object's entry in the register, collects what the
//! kind's pass wants to subscribe to, publish and record, and at the end
//! writes only what differs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::line::{Ahead, Place};
use super::{Action, Engine, Facts, Manifest, Need, Report, SecretFact, Spec};
use crate::api::annotation;
use crate::domain::audit::Actor;
use crate::domain::authority::{self, Authority, Manager, Reference};
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::tenant::{Chain, Limits, Tenant};
use crate::domain::verdict::{Condition, Reason, Refusal, Remedy, ready};
use crate::store::accounts::Found;
use crate::store::audit::Entry;
use crate::store::objects::{Registered, Rivals};
use crate::store::{Access, StoreError, Tx};

/// How far counts and quotas of tenants may lag behind (the contract's 10 s,
/// with a margin): changes within this time cost one status, not one each.
const COUNTS_LAG: SignedDuration = SignedDuration::from_secs(5);

/// How soon an object that waits for a Secret looks again.
const SECRET_LOOK: SignedDuration = SignedDuration::from_secs(30);

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
    Done(Box<Report>),
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

/// What the register keeps of the last pass.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    report: Option<Report>,
    /// Digest of what the rows were last made to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applied: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spec_digest: Option<String>,
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
    stepped_back: bool,
    applied: Option<String>,
    repaired: bool,
    took_effect: bool,
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
            stepped_back: false,
            applied: None,
            repaired: false,
            took_effect: false,
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

    /// Judges this object again when the topic is published.
    pub(crate) fn subscribe(&mut self, topic: Topic) {
        self.topics.insert(topic);
    }

    /// Judges this object again when another one appears, changes or goes.
    pub(crate) fn depend_on(&mut self, key: &ObjectKey) {
        self.topics.insert(Topic::object(key));
    }

    /// Wakes whoever subscribed, when this transaction commits.
    pub(crate) fn publish(&mut self, topic: Topic) {
        self.published.insert(topic);
    }

    /// Wakes whoever subscribed, soon: what they wait for has become less, so
    /// nothing heals, but what was said of it may have to be said anew. Many
    /// such changes cost one look.
    pub(crate) fn publish_later(&mut self, topic: Topic) {
        self.published_later.insert(topic);
    }

    /// The verdict rests on these names and this room: should it be a refusal,
    /// it is judged again when they change.
    pub(crate) fn consult(&mut self, topics: &[Topic]) {
        self.consulted.extend(topics.iter().cloned());
    }

    /// Publishes that this object's rows have changed.
    pub(crate) fn publish_self(&mut self) {
        self.changed = true;
        self.published.insert(Topic::object(&self.manifest.key));
    }

    /// Counts of this tenant and of those above it have changed.
    pub(crate) fn counts_changed(&mut self, tenant: Uuid) {
        self.counts_changed.insert(tenant);
    }

    /// Waits for everybody else who works on the tree of a tenant object.
    pub(crate) async fn lock(&mut self, tenant: &ObjectKey) -> Result<(), StoreError> {
        self.tx.lock_tree_of(&self.engine.source, tenant).await
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

    /// Tells everybody above an account, and itself, that room under a quota
    /// may have changed: who waits listens to whichever of them bounds it, and
    /// is judged at once; what their own status shows may lag, like counts.
    pub(crate) async fn publish_rooms(&mut self, account: Option<uuid::Uuid>) -> Result<(), StoreError> {
        let Some(account) = account else { return Ok(()) };
        for above in self.tx.managers_above(account).await? {
            self.publish(Topic::account_room(above));
        }
        let due = self.counts_due();
        self.tx.wake_managers(account, due).await
    }

    /// Tells whoever waits for room under the quotas of an account and of those
    /// above it that there is less of it.
    pub(crate) async fn taken_quota(&mut self, account: Option<Uuid>) -> Result<(), StoreError> {
        let Some(account) = account else { return Ok(()) };
        for above in self.tx.managers_above(account).await? {
            self.publish_later(Topic::account_room(above));
        }
        let due = self.counts_due();
        self.tx.wake_managers(account, due).await
    }

    /// When status shall show counts that change now.
    pub(crate) fn counts_due(&self) -> Timestamp {
        self.now().saturating_add(COUNTS_LAG).unwrap_or(self.now())
    }

    /// Tells whoever waits for room in this chain that there is less of it.
    pub(crate) fn taken_room(&mut self, chain: &Chain) {
        for level in chain.0.iter().filter(|level| level.tenant.settings.limits != Limits::default()) {
            self.publish_later(Topic::tenant_room(level.tenant.id));
        }
    }

    /// The rows say what this generation says, although something that it
    /// wants is refused to it for the moment: devices that others hold, or that
    /// a limit has no room for.
    pub(crate) fn takes_effect(&mut self) {
        self.took_effect = true;
    }

    /// The entry in the register must exist before rows refer to it.
    pub(crate) async fn register(&mut self) -> Result<(), StoreError> {
        if !self.registered {
            self.tx.put_object(&self.object).await?;
            self.registered = true;
        }
        Ok(())
    }

    /// The object's rows are gone; so is its entry in the register.
    pub(crate) fn forget(&mut self) {
        self.forgotten = true;
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

    /// Steps back if somebody whose turn comes first may claim one of these
    /// names too (R12).
    pub(crate) async fn names_in_turn(&mut self, names: &[Topic]) -> Step<()> {
        if names.is_empty() {
            return Ok(());
        }
        let ahead = self.engine.line.ahead_for(self.key(), &self.place(), names);
        self.in_turn(ahead, names, Rivals::For(names)).await
    }

    /// Steps back if somebody whose turn comes first may take room under these
    /// limits too (R12). What those want is not known before they are judged.
    pub(crate) async fn room_in_turn(&mut self, rooms: &[Topic]) -> Step<()> {
        let ahead = self.engine.line.ahead(self.key(), &self.place());
        self.in_turn(ahead, rooms, Rivals::OfTree).await
    }

    async fn in_turn(&mut self, ahead: Ahead, topics: &[Topic], rivals: Rivals<'_>) -> Step<()> {
        self.consult(topics);
        let key = self.key();
        match ahead {
            Ahead::Begun => return Err(Stop::Behind),
            Ahead::Waiting => {}
            Ahead::Nobody => {
                if !self.tx.woken_ahead(&self.object, rivals).await? {
                    return Ok(());
                }
            }
        }
        self.stepped_back = true;
        Err(Refusal::wait(
            Reason::ClaimsAhead,
            format!(
                "{key} waits for older objects that may claim the same; it is judged again right after them"
            ),
            topics.to_vec(),
        )
        .into())
    }

    fn place(&self) -> Place {
        Place::of(self.key(), false, self.object.depth, self.object.born)
    }

    /// The tenant that a `tenantRef` names, with all above it.
    pub(crate) async fn home(&mut self, name: &str) -> Step<(Tenant, Chain)> {
        let key = crate::domain::tenant::key(&self.manifest.key.namespace, name);
        self.depend_on(&key);
        let chain = self.tx.chain_of(&self.engine.source, &key).await?;
        let Some(tenant) = chain.own().cloned() else {
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
                    None => Reference::Missing(key),
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

    /// The account that the object stands for, for the audit trail.
    pub(crate) fn about(&mut self, account: Uuid) {
        self.about = Some(account);
    }

    /// Who answers for something in force, for the audit trail: what becomes
    /// of it without another word happens on that authority.
    pub(crate) async fn answering(&mut self, managed_by: Option<Uuid>) -> Result<Actor, StoreError> {
        let actor = match managed_by {
            None => None,
            Some(id) => self.tx.actor(id).await?,
        };
        Ok(actor.unwrap_or_else(Actor::platform))
    }

    /// Appends to the audit trail.
    pub(crate) async fn audit(
        &mut self,
        action: &'static str,
        actor: impl Into<Actor>,
        tenant: Option<Uuid>,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
    ) -> Result<(), StoreError> {
        let action = self.note_applied(action, before.as_ref(), after.as_ref());
        let entry = Entry {
            id: self.engine.id(self.now()),
            actor: actor.into(),
            action,
            key: Some(self.manifest.key.clone()),
            account: self.about,
            tenant,
            generation: Some(self.manifest.generation),
            before,
            after,
        };
        self.tx.audit(&entry).await
    }

    /// Remembers what the rows are made to say. If that is what they were made
    /// to say before, somebody else has changed them: then it is a repair (R10).
    fn note_applied(
        &mut self,
        action: &'static str,
        before: Option<&serde_json::Value>,
        after: Option<&serde_json::Value>,
    ) -> &'static str {
        let Some(after) = after else { return action };
        let known = match &self.applied {
            Some(applied) => Some(applied.clone()),
            None => self.before.as_ref().and_then(|b| kept(b).applied),
        };
        let applied = crate::domain::key::digest(&settled(after).to_string());
        let repaired = action == "updated"
            && before.is_some_and(|b| settled(b) != settled(after))
            && known == Some(applied.clone());
        self.applied = Some(applied);
        self.repaired |= repaired;
        if repaired { "repaired" } else { action }
    }

    /// Judges this object again when what ends a refusal happens.
    pub(crate) fn listen(&mut self, refusal: &Refusal) {
        self.topics.append(&mut self.consulted);
        if let Remedy::Wait(topics) = &refusal.remedy {
            self.topics.extend(topics.iter().cloned());
        }
    }

    /// Tells that removing something in this chain has freed room and places.
    pub(crate) fn freed(&mut self, chain: &Chain) {
        for level in &chain.0 {
            self.publish(Topic::tenant_room(level.tenant.id));
            self.publish(Topic::contents(level.tenant.id));
        }
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

    /// Ends the attempt: writes what differs from the last one and commits, or
    /// leaves no trace.
    pub(crate) async fn finish(mut self, outcome: Step<Outcome>) -> Result<Attempt, StoreError> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Stop::Needs(need)) => return Ok(Attempt::Needs(need)),
            Err(Stop::Behind) => return Ok(Attempt::Behind),
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Refused(refusal)) => Outcome {
                verdict: Err(refusal),
                conditions: vec![],
                status: serde_json::json!({}),
                action: Action::Refused,
                again_at: None,
            },
        };
        let outcome = Outcome {
            action: match outcome.action {
                Action::Updated if self.repaired => Action::Repaired,
                action => action,
            },
            ..outcome
        };
        let paused = outcome.action == Action::Paused;
        if (outcome.verdict.is_ok() || self.took_effect) && !paused && !self.forgotten {
            self.object.applied_generation = Some(self.manifest.generation);
            self.object.cascaded = false;
        }
        if !paused {
            self.object.generation = self.manifest.generation;
        }
        let report = self.report(outcome);
        if self.forgotten {
            if self.before.is_some() || self.registered {
                self.tx.delete_object(self.object.id).await?;
                self.changed = true;
            }
        } else {
            self.keep(&report, paused).await?;
        }
        let now = self.now();
        if self.stepped_back {
            self.tx.wake(self.object.id, now).await?;
        }
        let published: Vec<_> = std::mem::take(&mut self.published).into_iter().collect();
        let publisher = (!self.forgotten).then_some(self.object.id);
        self.tx.publish(&published, publisher, now).await?;
        let later: Vec<_> = std::mem::take(&mut self.published_later).into_iter().collect();
        self.tx.publish(&later, publisher, now.saturating_add(COUNTS_LAG).unwrap_or(now)).await?;
        if !self.counts_changed.is_empty() {
            let tenants: Vec<_> = std::mem::take(&mut self.counts_changed).into_iter().collect();
            let due = self.counts_due();
            self.tx.wake_upwards(&tenants, due).await?;
        }
        self.tx.commit().await?;
        Ok(Attempt::Done(Box::new(report)))
    }

    fn report(&self, outcome: Outcome) -> Report {
        let Outcome { mut verdict, conditions: more, status, action, again_at } = outcome;
        if let Err(refusal) = &mut verdict
            && self.in_force()
            && matches!(
                refusal.reason,
                Reason::TierNotAllowed
                    | Reason::CapabilityMissing
                    | Reason::OutOfScope
                    | Reason::ExceedsManager
                    | Reason::ManagerDisabled
            )
        {
            // Nothing new was asked: what is in force stays (R2).
            refusal.reason = Reason::AuthorityLost;
            refusal.message.push_str("; what is in force stays until then");
        }
        let mut conditions = ready(verdict.as_ref().map(|()| "in force as written"));
        conditions.extend(more);
        // Secrets may be read one at a time and not watched (least privilege),
        // so whoever waits for one looks again.
        let for_a_secret = conditions.iter().any(|c| {
            matches!(c.reason, Reason::SecretNotFound | Reason::SecretNotPermitted | Reason::SecretInvalid)
        });
        let again_at = match again_at {
            None if for_a_secret => self.now().saturating_add(SECRET_LOOK).ok(),
            other => other,
        };
        Report {
            key: self.manifest.key.clone(),
            generation: self.object.generation,
            applied_generation: self.object.applied_generation,
            conditions,
            status,
            judged_at: self.now(),
            changed: self.changed,
            action,
            finished: self.forgotten,
            again_at,
        }
    }

    /// Writes the register's entry and subscriptions if they differ.
    async fn keep(&mut self, report: &Report, paused: bool) -> Result<(), StoreError> {
        let mut topics: BTreeSet<String> = self.topics.iter().map(|t| t.as_str().to_owned()).collect();
        let known = match self.before {
            Some(_) => self.tx.subscriptions(self.object.id).await?,
            None => vec![],
        };
        if !self.manifest.faults.is_empty() {
            // What cannot be read still stands where it stood, and follows that.
            topics.extend(known.iter().cloned());
        }
        let topics: Vec<String> = topics.into_iter().collect();
        // The register holds what was said, not when, nor whether that pass
        // happened to change something: otherwise every pass would differ.
        let mut said = report.clone();
        said.changed = false;
        said.action = Action::Unchanged;
        said.judged_at = Timestamp::UNIX_EPOCH;
        said.again_at = None;
        let last = self.before.as_ref().map(kept).unwrap_or_default();
        let kept = Kept {
            report: Some(said),
            applied: self.applied.take().or(last.applied),
            // What was not judged has no generation yet, and so no digest.
            spec_digest: match paused {
                true => last.spec_digest,
                false => self.manifest.spec_digest.clone().or(last.spec_digest),
            },
        };
        self.object.verdict = serde_json::to_value(&kept).unwrap_or(serde_json::Value::Null);
        if self.before.as_ref() != Some(&self.object) {
            self.tx.put_object(&self.object).await?;
        }
        if known != topics {
            self.tx.put_subscriptions(self.object.id, &topics).await?;
        }
        Ok(())
    }

    /// The reason that `Ready` had after the last pass.
    pub(crate) fn last_reason(&self) -> Option<Reason> {
        let report = self.before.as_ref().and_then(|b| kept(b).report)?;
        report.condition("Ready").map(|c| c.reason)
    }

    /// Nothing has been decided yet: what was said last is said again, but for
    /// this refusal.
    pub(crate) fn as_before(&self, refusal: Refusal) -> Outcome {
        let last = self.before.as_ref().and_then(|b| kept(b).report);
        let (conditions, status) = last.map_or_else(
            || (vec![], serde_json::json!({})),
            |last| {
                let kept = last
                    .conditions
                    .into_iter()
                    .filter(|c| !matches!(c.kind.as_str(), "Ready" | "Reconciling" | "Stalled" | "Paused"));
                (kept.collect(), last.status)
            },
        );
        Outcome { verdict: Err(refusal), conditions, status, action: Action::Refused, again_at: None }
    }

    /// `paused`: nothing changes, rights already given stay, a deletion waits.
    pub(crate) fn paused(&self) -> Option<Outcome> {
        if !self.manifest.flag(annotation::PAUSED) {
            return None;
        }
        let last = self.before.as_ref().and_then(|b| kept(b).report);
        let refusal = Refusal {
            reason: Reason::Paused,
            message: format!(
                "the annotation {} is set; remove it to let {} be reconciled again",
                annotation::PAUSED,
                self.key()
            ),
            remedy: Remedy::Wait(vec![]),
        };
        let (verdict, conditions, status) = match last {
            Some(last) if last.ready() && self.in_force() => (
                Ok(()),
                last.conditions
                    .into_iter()
                    .filter(|c| !matches!(c.kind.as_str(), "Ready" | "Reconciling" | "Stalled" | "Paused"))
                    .collect(),
                last.status,
            ),
            Some(last) => (Err(refusal.clone()), vec![], last.status),
            None => (Err(refusal.clone()), vec![], serde_json::json!({})),
        };
        let mut conditions: Vec<Condition> = conditions;
        conditions.push(Condition::yes("Paused", Reason::Paused, refusal.message));
        Some(Outcome { verdict, conditions, status, action: Action::Paused, again_at: None })
    }
}

/// What a spec decides of a row: without what people, or tenants above, change
/// in its course.
fn settled(state: &serde_json::Value) -> serde_json::Value {
    let mut state = state.clone();
    if let Some(fields) = state.as_object_mut() {
        for moving in ["activatedAt", "emailVerified", "pendingEmail", "path", "permitted"] {
            fields.remove(moving);
        }
    }
    state
}

fn tree_name(tree: &ObjectKey) -> String {
    format!("{}/{}", tree.namespace, tree.name)
}

/// What writing a row is called in the audit trail: the object `had` it
/// already, or somebody else's row of the same name was `there`.
pub(crate) const fn written(had: bool, there: bool) -> &'static str {
    match (had, there) {
        (true, _) => "updated",
        (false, true) => "adopted",
        (false, false) => "created",
    }
}

fn kept(object: &Registered) -> Kept {
    serde_json::from_value(object.verdict.clone()).unwrap_or_default()
}

/// The report of an object's last pass, from its entry in the register.
pub(crate) fn last_report(object: &Registered) -> Option<Report> {
    kept(object).report
}

/// The digest of the spec that a file had at the last pass.
pub(crate) fn last_digest(object: &Registered) -> Option<String> {
    kept(object).spec_digest
}
