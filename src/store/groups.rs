//! User groups: who belongs to them and who created each. A group is a tenant
//! and a name; its row appears with the first member and goes with the last.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::{StoreError, Tx};

/// An account's change of groups.
#[derive(Clone, Copy, Debug)]
pub struct Membership<'a> {
    /// The account.
    pub account: Uuid,
    /// Its tenant, whose groups these are.
    pub tenant: Uuid,
    /// Groups that it belonged to.
    pub old: &'a BTreeSet<String>,
    /// Groups that it shall belong to.
    pub new: &'a BTreeSet<String>,
    /// Who creates those that did not exist; none: the platform.
    pub by: Option<Uuid>,
}

impl Tx {
    /// Replaces an account's groups.
    pub async fn put_groups(&mut self, change: &Membership<'_>) -> Result<(), StoreError> {
        let Membership { account, tenant, old, new, by } = *change;
        let left: Vec<&String> = old.difference(new).collect();
        let joined: Vec<&String> = new.difference(old).collect();
        if !left.is_empty() {
            let leave = Sql {
                postgres: "DELETE FROM account_group WHERE account_id = $1 AND name IN (SELECT jsonb_array_elements_text($2))",
                sqlite: "DELETE FROM account_group WHERE account_id = $1 AND name IN (SELECT value FROM json_each($2))",
            };
            self.write(leave, args![account, json(&left)]).await?;
            let empty = Sql {
                postgres: "DELETE FROM user_group WHERE tenant_id = $1 AND name IN (SELECT jsonb_array_elements_text($2))
                    AND NOT EXISTS (SELECT 1 FROM account_group g JOIN account c ON c.id = g.account_id WHERE g.name = user_group.name AND c.tenant_id = $1)",
                sqlite: "DELETE FROM user_group WHERE tenant_id = $1 AND name IN (SELECT value FROM json_each($2))
                    AND NOT EXISTS (SELECT 1 FROM account_group g JOIN account c ON c.id = g.account_id WHERE g.name = user_group.name AND c.tenant_id = $1)",
            };
            self.write(empty, args![tenant, json(&left)]).await?;
        }
        if !joined.is_empty() {
            let create = Sql {
                postgres: "INSERT INTO user_group (tenant_id, name, created_by) SELECT $1, jsonb_array_elements_text($2), $3 ON CONFLICT DO NOTHING",
                sqlite: "INSERT INTO user_group (tenant_id, name, created_by) SELECT $1, value, $3 FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
            };
            self.write(create, args![tenant, json(&joined), by]).await?;
            let join = Sql {
                postgres: "INSERT INTO account_group (account_id, name) SELECT $1, jsonb_array_elements_text($2) ON CONFLICT DO NOTHING",
                sqlite: "INSERT INTO account_group (account_id, name) SELECT $1, value FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
            };
            self.write(join, args![account, json(&joined)]).await?;
        }
        Ok(())
    }

    /// Forgets the groups of which an account is the only member, because it
    /// is about to go.
    pub(super) async fn forget_groups_of(&mut self, account: Uuid) -> Result<(), StoreError> {
        let sql = "DELETE FROM user_group WHERE (tenant_id, name) IN (
                SELECT c.tenant_id, g.name FROM account c JOIN account_group g ON g.account_id = c.id WHERE c.id = $1)
            AND NOT EXISTS (SELECT 1 FROM account_group g JOIN account c ON c.id = g.account_id
                WHERE g.name = user_group.name AND c.tenant_id = user_group.tenant_id AND c.id <> $1)";
        self.write(sql, args![account]).await?;
        Ok(())
    }

    /// Which of these groups exist, each with whether the account `by`, or one
    /// below it, created it.
    pub async fn groups_created(
        &mut self,
        tenant: Uuid,
        names: &BTreeSet<String>,
        by: Uuid,
    ) -> Result<BTreeMap<String, bool>, StoreError> {
        let sql = Sql {
            postgres: "SELECT g.name, EXISTS (SELECT 1 FROM account_ancestor a WHERE a.account_id = g.created_by AND a.ancestor_id = $3) AS own
                FROM user_group g WHERE g.tenant_id = $1 AND g.name IN (SELECT jsonb_array_elements_text($2))",
            sqlite: "SELECT g.name, EXISTS (SELECT 1 FROM account_ancestor a WHERE a.account_id = g.created_by AND a.ancestor_id = $3) AS own
                FROM user_group g WHERE g.tenant_id = $1 AND g.name IN (SELECT value FROM json_each($2))",
        };
        let rows = self.rows(sql, args![tenant, json(names), by]).await?;
        rows.iter().map(|row| Ok((row.text("name")?, row.bool("own")?))).collect()
    }
}
