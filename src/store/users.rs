//! The list of users as it is exported: people with their tenant, level, groups
//! and roles, page by page in the order of usernames.

use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::{StoreError, Tx};

/// One user of the list.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As it is sorted.
    pub key: String,
    /// As written.
    pub username: String,
    /// As written.
    pub email: String,
    /// Optional.
    pub company: Option<String>,
    /// Optional.
    pub mobile: Option<String>,
    /// Path of its tenant.
    pub tenant: String,
    /// Its level.
    pub tier: String,
    /// False: denied everything.
    pub enabled: bool,
    /// Whether its invitation has been completed.
    pub active: bool,
    /// Its groups, sorted.
    pub groups: Vec<String>,
    /// Its roles, `namespace/name`, sorted.
    pub roles: Vec<String>,
    /// The username of the account that answers for it; none: the platform.
    pub manager: Option<String>,
}

/// Personal data stands in no log.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

impl Tx {
    /// The next users after the username `after`; only these accounts if they
    /// are given.
    pub async fn users(
        &mut self,
        only: Option<&[Uuid]>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<User>, StoreError> {
        let sql = Sql {
            postgres: "SELECT c.username_key, c.username, c.email, c.company, c.mobile, t.path, c.tier, c.enabled, c.activated_at IS NOT NULL AS active, m.username AS manager,
                    (SELECT COALESCE(jsonb_agg(g.name ORDER BY g.name), '[]') FROM account_group g WHERE g.account_id = c.id) AS groups,
                    (SELECT COALESCE(jsonb_agg(r.namespace || '/' || r.name ORDER BY r.namespace, r.name), '[]') FROM account_role r WHERE r.account_id = c.id) AS roles
                FROM account c JOIN tenant t ON t.id = c.tenant_id LEFT JOIN account m ON m.id = c.managed_by
                WHERE c.username_key > $2 AND ($1::jsonb IS NULL OR c.id IN (SELECT jsonb_array_elements_text($1)::uuid)) ORDER BY c.username_key LIMIT $3",
            sqlite: "SELECT c.username_key, c.username, c.email, c.company, c.mobile, t.path, c.tier, c.enabled, c.activated_at IS NOT NULL AS active, m.username AS manager,
                    (SELECT json_group_array(g.name ORDER BY g.name) FROM account_group g WHERE g.account_id = c.id) AS groups,
                    (SELECT json_group_array(r.namespace || '/' || r.name ORDER BY r.namespace, r.name) FROM account_role r WHERE r.account_id = c.id) AS roles
                FROM account c JOIN tenant t ON t.id = c.tenant_id LEFT JOIN account m ON m.id = c.managed_by
                WHERE c.username_key > $2 AND ($1 IS NULL OR c.id IN (SELECT value FROM json_each($1))) ORDER BY c.username_key LIMIT $3",
        };
        let rows = self.rows(sql, args![only.map(|only| json(&only)), after, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(User {
                    key: row.text("username_key")?,
                    username: row.text("username")?,
                    email: row.text("email")?,
                    company: row.opt_text("company")?,
                    mobile: row.opt_text("mobile")?,
                    tenant: row.text("path")?,
                    tier: row.text("tier")?,
                    enabled: row.bool("enabled")?,
                    active: row.bool("active")?,
                    groups: row.json("groups")?,
                    roles: row.json("roles")?,
                    manager: row.opt_text("manager")?,
                })
            })
            .collect()
    }
}
