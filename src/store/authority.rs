//! What judging authority needs to know of many at once: the accounts that a
//! grant names, and what lies above tenants that a scope lists. One statement
//! each, however many there are.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::account::Ref;
use crate::domain::authority::Above;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::tier::Tier;

/// An account that receives, as its giver's authority sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiving {
    /// Its object.
    pub key: ObjectKey,
    /// The account.
    pub id: Uuid,
    /// Its tenant.
    pub tenant: Uuid,
    /// Its tier.
    pub tier: Tier,
    /// Whether the giver, or an account below it, created it.
    pub own_creation: bool,
    /// Its groups.
    pub groups: BTreeSet<String>,
    /// Its roles.
    pub roles: BTreeSet<Ref>,
}

// Where accounts come from, then the placeholders of the granting tenant and
// of the giver.
macro_rules! receiving {
    ($from:literal, $within:literal, $giver:literal) => {
        concat!(
            "SELECT c.id, c.tenant_id, c.tier, c.name AS account_name, o.namespace, o.name,
               EXISTS (SELECT 1 FROM account_ancestor a WHERE a.account_id = c.id AND a.ancestor_id = ",
            $giver,
            " AND a.distance > 0) AS own
             FROM ",
            $from,
            " JOIN tenant_ancestor h ON h.tenant_id = c.tenant_id AND h.ancestor_id = ",
            $within
        )
    };
}

impl Tx {
    /// The accounts that these objects manage, as far as they lie in the tenant
    /// `within` or below it.
    pub async fn receiving(
        &mut self,
        source: &str,
        keys: &BTreeSet<ObjectKey>,
        within: Uuid,
        giver: Option<Uuid>,
    ) -> Result<Vec<Receiving>, StoreError> {
        let names: Vec<_> = keys.iter().map(reference).collect();
        let sql = Sql {
            postgres: receiving!(
                "jsonb_array_elements($2) w JOIN object o ON o.source = $1 AND o.kind = 'SubAdmin' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
                 JOIN account c ON c.object_id = o.id",
                "$3",
                "$4"
            ),
            sqlite: receiving!(
                "json_each($2) w JOIN object o ON o.source = $1 AND o.kind = 'SubAdmin' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
                 JOIN account c ON c.object_id = o.id",
                "$3",
                "$4"
            ),
        };
        self.with_scope_facts(sql, args![source, json(&names), within, giver]).await
    }

    /// These accounts, as far as they lie in the tenant `within` or below it.
    pub async fn receivers_in_force(
        &mut self,
        ids: &BTreeSet<Uuid>,
        within: Uuid,
        giver: Option<Uuid>,
    ) -> Result<Vec<Receiving>, StoreError> {
        let sql = Sql {
            postgres: receiving!(
                "jsonb_array_elements_text($1) w JOIN account c ON c.id = w.value::uuid LEFT JOIN object o ON o.id = c.object_id",
                "$2",
                "$3"
            ),
            sqlite: receiving!(
                "json_each($1) w JOIN account c ON c.id = w.value LEFT JOIN object o ON o.id = c.object_id",
                "$2",
                "$3"
            ),
        };
        self.with_scope_facts(sql, args![json(ids), within, giver]).await
    }

    async fn with_scope_facts(
        &mut self,
        sql: Sql,
        args: Vec<super::sql::Value>,
    ) -> Result<Vec<Receiving>, StoreError> {
        let mut receiving = vec![];
        for row in self.rows(sql, args).await? {
            let key = match (row.opt_text("namespace")?, row.opt_text("name")?) {
                (Some(namespace), Some(name)) => ObjectKey::new(Kind::SubAdmin, namespace, name),
                _ => ObjectKey::new(Kind::SubAdmin, "", row.text("account_name")?),
            };
            receiving.push(Receiving {
                key,
                id: row.uuid("id")?,
                tenant: row.uuid("tenant_id")?,
                tier: word("tier", row.text("tier")?)?,
                own_creation: row.bool("own")?,
                groups: BTreeSet::new(),
                roles: BTreeSet::new(),
            });
        }
        let ids: Vec<Uuid> = receiving.iter().map(|r| r.id).collect();
        let sql = Sql {
            postgres: "SELECT account_id, '' AS namespace, name FROM account_group WHERE account_id IN (SELECT jsonb_array_elements_text($1)::uuid)
                UNION ALL SELECT account_id, namespace, name FROM account_role WHERE account_id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "SELECT account_id, '' AS namespace, name FROM account_group WHERE account_id IN (SELECT value FROM json_each($1))
                UNION ALL SELECT account_id, namespace, name FROM account_role WHERE account_id IN (SELECT value FROM json_each($1))",
        };
        for row in self.rows(sql, args![json(&ids)]).await? {
            let id = row.uuid("account_id")?;
            let Some(account) = receiving.iter_mut().find(|r| r.id == id) else { continue };
            let (namespace, name) = (row.text("namespace")?, row.text("name")?);
            // A group has no namespace, a role always has one.
            if namespace.is_empty() {
                account.groups.insert(name);
            } else {
                account.roles.insert(Ref { namespace, name });
            }
        }
        Ok(receiving)
    }

    /// Each of these tenants that is in force, with all above it and itself.
    pub async fn above(&mut self, source: &str, tenants: &BTreeSet<Ref>) -> Result<Above, StoreError> {
        let sql = Sql {
            postgres: "SELECT o.namespace, o.name, up.namespace AS above_namespace, up.name AS above_name FROM jsonb_array_elements($2) w
                JOIN object o ON o.source = $1 AND o.kind = 'Tenant' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
                JOIN tenant t ON t.object_id = o.id JOIN tenant_ancestor a ON a.tenant_id = t.id
                JOIN tenant u ON u.id = a.ancestor_id JOIN object up ON up.id = u.object_id",
            sqlite: "SELECT o.namespace, o.name, up.namespace AS above_namespace, up.name AS above_name FROM json_each($2) w
                JOIN object o ON o.source = $1 AND o.kind = 'Tenant' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
                JOIN tenant t ON t.object_id = o.id JOIN tenant_ancestor a ON a.tenant_id = t.id
                JOIN tenant u ON u.id = a.ancestor_id JOIN object up ON up.id = u.object_id",
        };
        let mut above = Above::new();
        for row in self.rows(sql, args![source, json(tenants)]).await? {
            let tenant = Ref { namespace: row.text("namespace")?, name: row.text("name")? };
            let up = Ref { namespace: row.text("above_namespace")?, name: row.text("above_name")? };
            above.entry(tenant).or_default().insert(up);
        }
        Ok(above)
    }
}

fn reference(key: &ObjectKey) -> Ref {
    Ref { namespace: key.namespace.clone(), name: key.name.clone() }
}
