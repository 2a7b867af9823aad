//! Whom a pass listens to and whom it wakes. Topics are collected here and
//! written when the pass ends, in its own transaction.
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Pass;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::tenant::{Chain, Limits};
use crate::domain::verdict::{Refusal, Remedy};
use crate::store::StoreError;

/// How far counts and quotas of tenants may lag behind (the contract's 10 s,
/// with a margin): changes within this time cost one status, not one each.
const COUNTS_LAG: SignedDuration = SignedDuration::from_secs(5);

impl<'a> Pass<'a> {
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

    /// Tells everybody above an account, and itself, that room under a quota
    /// may have changed: who waits listens to whichever of them bounds it, and
    /// is judged at once; what their own status shows may lag, like counts.
    pub(crate) async fn publish_rooms(&mut self, account: Option<uuid::Uuid>) -> Result<(), StoreError> {
        let Some(account) = account else { return Ok(()) };
        for above in self.tx.managers_above(account).await? {
            self.publish(Topic::account_room(above));
        }
        let due = self.counts_due();
        self.tx.wake_managers(&[account], due).await
    }

    /// Tells whoever waits for room under the quotas of an account and of those
    /// above it that there is less of it.
    pub(crate) async fn taken_quota(&mut self, account: Option<Uuid>) -> Result<(), StoreError> {
        let Some(account) = account else { return Ok(()) };
        for above in self.tx.managers_above(account).await? {
            self.publish_later(Topic::account_room(above));
        }
        let due = self.counts_due();
        self.tx.wake_managers(&[account], due).await
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
}
