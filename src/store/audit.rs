//! The audit trail (R11): entries are appended in the transaction that they
//! tell about. Sealing them into a chain comes afterwards.

use uuid::Uuid;

use super::sql::args;
use super::{StoreError, Tx};
use crate::domain::object::ObjectKey;

/// One entry. Personal values stand in it only as keyed digests.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Identifier, in order of time.
    pub id: Uuid,
    /// On whose authority.
    pub actor: String,
    /// What was done.
    pub action: &'static str,
    /// To which object.
    pub key: Option<ObjectKey>,
    /// In which tenant.
    pub tenant: Option<Uuid>,
    /// Generation of the object.
    pub generation: Option<i64>,
    /// State before.
    pub before: Option<serde_json::Value>,
    /// State after.
    pub after: Option<serde_json::Value>,
}

impl Tx {
    /// Appends an entry.
    pub async fn audit(&mut self, e: &Entry) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "INSERT INTO audit (id, at, actor, action, kind, namespace, name, tenant_id, generation, before, after)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let key = e.key.as_ref();
        self.write(
            sql,
            args![
                e.id,
                now,
                &e.actor,
                e.action,
                key.map(|k| k.kind.as_str()),
                key.map(|k| k.namespace.as_str()),
                key.map(|k| k.name.as_str()),
                e.tenant,
                e.generation,
                &e.before,
                &e.after,
            ],
        )
        .await?;
        Ok(())
    }
}
