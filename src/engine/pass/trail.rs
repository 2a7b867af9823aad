//! What a pass writes into the audit trail (R11), and how it tells a repair of
//! what was changed by hand from a change that somebody asked for (R10).

use uuid::Uuid;

use super::Pass;
use super::ending::kept;
use crate::domain::audit::Actor;
use crate::store::StoreError;
use crate::store::audit::Entry;

impl<'a> Pass<'a> {
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

    /// Records that rows which no field of the object names one by one were
    /// changed by hand and have been put back (R10).
    pub(crate) async fn repaired(
        &mut self,
        actor: Actor,
        tenant: Uuid,
        after: serde_json::Value,
    ) -> Result<(), StoreError> {
        self.repaired = true;
        self.audit("repaired", actor, Some(tenant), None, Some(after)).await
    }

    /// Remembers what the rows are made to say. If that is what they were made
    /// to say before, somebody else has changed them: then it is a repair (R10).
    fn note_applied(
        &mut self,
        action: &'static str,
        before: Option<&serde_json::Value>,
        after: Option<&serde_json::Value>,
    ) -> &'static str {
        // Only these say what the object's own row says as a whole.
        let Some(after) = after.filter(|_| matches!(action, "created" | "adopted" | "updated" | "moved"))
        else {
            return action;
        };
        let known = match &self.applied {
            Some(applied) => Some(applied.clone()),
            None => self.before.as_ref().and_then(|b| kept(b).applied),
        };
        let applied = crate::domain::key::digest(&settled(after).to_string());
        let repaired = matches!(action, "updated" | "moved")
            && before.is_some_and(|b| settled(b) != settled(after))
            && known == Some(applied.clone());
        self.applied = Some(applied);
        self.repaired |= repaired;
        if repaired { "repaired" } else { action }
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

/// What writing a row is called in the audit trail: the object `had` it
/// already, or somebody else's row of the same name was `there`.
pub(crate) const fn written(had: bool, there: bool) -> &'static str {
    match (had, there) {
        (true, _) => "updated",
        (false, true) => "adopted",
        (false, false) => "created",
    }
}
