//! Accounts and how far their invitations have come, for a list on a terminal.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::sql::{Sql, args};
use super::{StoreError, Tx};

/// One account and its newest link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// Identifier of the account.
    pub account: Uuid,
    /// Its username.
    pub username: String,
    /// The SubAdmin as `namespace/name`; none while unmanaged.
    pub object: Option<String>,
    /// Path of its tenant.
    pub tenant: String,
    /// `Pending`, `Invited`, `Active`, `Disabled` or `Blocked`.
    pub phase: &'static str,
    /// When the newest mail was accepted.
    pub sent_at: Option<Timestamp>,
    /// When the newest link ends or has ended; none without an open one.
    pub expires_at: Option<Timestamp>,
    /// When the invitation was completed.
    pub activated_at: Option<Timestamp>,
}

impl Tx {
    /// One page of the accounts, by username, after `after` (its folded form),
    /// and the value to go on after.
    pub async fn invitations(
        &mut self,
        tenant: Option<Uuid>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, Invitation)>, StoreError> {
        let sql = Sql {
            postgres: "SELECT c.id, c.username, c.username_key, c.enabled, c.activated_at, t.path, o.namespace, o.name,
                    (SELECT MAX(sent_at) FROM outbox b WHERE b.account_id = c.id) AS sent_at,
                    (SELECT MAX(expires_at) FROM activation v WHERE v.account_id = c.id AND v.state = 'open') AS expires_at,
                    EXISTS (SELECT 1 FROM tenant_ancestor a JOIN tenant u ON u.id = a.ancestor_id
                        WHERE a.tenant_id = c.tenant_id AND (NOT u.enabled OR NOT u.permitted)) AS blocked
                FROM account c JOIN tenant t ON t.id = c.tenant_id LEFT JOIN object o ON o.id = c.object_id
                WHERE c.username_key > $2 AND ($1::uuid IS NULL OR EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = c.tenant_id AND a.ancestor_id = $1))
                ORDER BY c.username_key LIMIT $3",
            sqlite: "SELECT c.id, c.username, c.username_key, c.enabled, c.activated_at, t.path, o.namespace, o.name,
                    (SELECT MAX(sent_at) FROM outbox b WHERE b.account_id = c.id) AS sent_at,
                    (SELECT MAX(expires_at) FROM activation v WHERE v.account_id = c.id AND v.state = 'open') AS expires_at,
                    EXISTS (SELECT 1 FROM tenant_ancestor a JOIN tenant u ON u.id = a.ancestor_id
                        WHERE a.tenant_id = c.tenant_id AND (NOT u.enabled OR NOT u.permitted)) AS blocked
                FROM account c JOIN tenant t ON t.id = c.tenant_id LEFT JOIN object o ON o.id = c.object_id
                WHERE c.username_key > $2 AND ($1 IS NULL OR EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = c.tenant_id AND a.ancestor_id = $1))
                ORDER BY c.username_key LIMIT $3",
        };
        let rows = self.rows(sql, args![tenant, after, limit]).await?;
        rows.iter()
            .map(|row| {
                let object = row.opt_text("namespace")?.zip(row.opt_text("name")?);
                let activated_at = row.opt_time("activated_at")?;
                let sent_at = row.opt_time("sent_at")?;
                let phase = match (row.bool("enabled")?, row.bool("blocked")?, activated_at, sent_at) {
                    (false, ..) => "Disabled",
                    (_, true, ..) => "Blocked",
                    (_, _, Some(_), _) => "Active",
                    (_, _, None, Some(_)) => "Invited",
                    (_, _, None, None) => "Pending",
                };
                let invitation = Invitation {
                    account: row.uuid("id")?,
                    username: row.text("username")?,
                    object: object.map(|(namespace, name)| format!("{namespace}/{name}")),
                    tenant: row.text("path")?,
                    phase,
                    sent_at,
                    expires_at: row.opt_time("expires_at")?,
                    activated_at,
                };
                Ok((row.text("username_key")?, invitation))
            })
            .collect()
    }
}
