//! Reading the audit trail: pages of entries, newest first, narrowed in any
//! way, and the facts by which the domain decides who may see them.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::audit::{entries, record};
use super::sql::{Sql, args};
use super::tenants::{level, word};
use super::{StoreError, Tx};
use crate::domain::account::Ref;
use crate::domain::audit::Record;
use crate::domain::object::ObjectKey;
use crate::domain::tenant::Chain;
use crate::domain::tier::Tier;

/// Which entries are wanted; everything that is absent narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Of this tenant and those below it, also of what is gone from there.
    pub tenant: Option<Uuid>,
    /// Within this one as well: what a reader may see at most.
    pub reach: Option<Uuid>,
    /// About this object.
    pub object: Option<ObjectKey>,
    /// By somebody of this name.
    pub actor: Option<String>,
    /// By this account.
    pub actor_account: Option<Uuid>,
    /// One of these actions.
    pub actions: Option<Vec<String>>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
}

/// Where a page begins: after the entry with this time and order.
pub type Place = (Timestamp, i64);

/// An entry for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Place in the chain; none: not sealed yet.
    pub sequence: Option<i64>,
    /// Path of the tenant that it lies in; none if that is gone.
    pub path: Option<String>,
    /// What it says.
    pub record: Record,
}

impl Listed {
    /// Where the page after this entry begins.
    pub fn place(&self) -> Place {
        (self.record.at, self.record.appended)
    }
}

/// An account in the trail, as far as the rule needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its tier.
    pub tier: Tier,
    /// The account that answers for it.
    pub managed_by: Option<Uuid>,
    /// Whether it is the reader or below it in the managed-by tree.
    pub below: bool,
    /// Its groups.
    pub groups: BTreeSet<String>,
    /// Its roles.
    pub roles: BTreeSet<Ref>,
}

/// A search: what leads, so that its index is used, and everything that
/// narrows. Bind: 1 and 2 tenant, 3 and 4 reach, 5 to 8 object, 9 and 10
/// actor, 11 and 12 account, 13 and 14 actions, 15 since, 16 until, 17 and 18
/// the place, 19 the number of entries. Each flag says that anything will do.
macro_rules! search {
    ($dialect:tt, $($lead:tt)+) => {
        entries!(
            "SELECT e.sequence, t.path, ";
            " FROM audit e LEFT JOIN tenant t ON t.id = e.tenant_id WHERE "
            search!(@lead $dialect $($lead)+)
            " AND ($2 OR " search!(@lead $dialect below "$1") ")
              AND ($4 OR " search!(@lead $dialect below "$3") ")
              AND ($8 OR " search!(@lead $dialect object) ")
              AND ($10 OR e.actor = $9) AND ($12 OR e.actor_account = $11)
              AND ($14 OR " search!(@lead $dialect action) ")
              AND e.at >= $15 AND e.at < $16 AND (e.at, e.appended) < ($17, $18)
              ORDER BY e.at DESC, e.appended DESC LIMIT $19"
        )
    };
    (@lead $dialect:tt any) => { "e.appended IS NOT NULL" };
    (@lead $dialect:tt object) => { "(e.kind = $5 AND e.namespace = $6 AND e.name = $7)" };
    (@lead $dialect:tt actor) => { "e.actor = $9" };
    (@lead $dialect:tt account) => { "e.actor_account = $11" };
    (@lead $dialect:tt below $id:literal) => {
        concat!("e.tenant_id IN (SELECT a.tenant_id FROM tenant_ancestor a WHERE a.ancestor_id = ", $id,
            " UNION ALL SELECT g.tenant_id FROM audit_gone_tenant g WHERE g.ancestor_id = ", $id, ")")
    };
    (@lead postgres action) => { "e.action IN (SELECT jsonb_array_elements_text($13))" };
    (@lead sqlite action) => { "e.action IN (SELECT value FROM json_each($13))" };
}

macro_rules! both {
    ($($lead:tt)+) => { Sql { postgres: search!(postgres, $($lead)+), sqlite: search!(sqlite, $($lead)+) } };
}

impl Search {
    /// The statement that begins with what leaves the least.
    fn sql(&self) -> Sql {
        if self.object.is_some() {
            both!(object)
        } else if self.actor_account.is_some() {
            both!(account)
        } else if self.actor.is_some() {
            both!(actor)
        } else if self.tenant.is_some() {
            both!(below "$1")
        } else if self.reach.is_some() {
            both!(below "$3")
        } else if self.actions.is_some() {
            both!(action)
        } else {
            both!(any)
        }
    }
}

/// Later than anything.
fn end_of_time() -> Timestamp {
    // 9999-12-30, which both databases can hold.
    Timestamp::from_second(253_402_128_000).unwrap_or(Timestamp::MAX)
}

impl Tx {
    /// One page of the trail, newest first, before a place.
    pub async fn trail(
        &mut self,
        search: &Search,
        before: Option<Place>,
        limit: i64,
    ) -> Result<Vec<Listed>, StoreError> {
        let Search { tenant, reach, object, actor, actor_account, actions, since, until } = search;
        let (at, appended) = before.unwrap_or((end_of_time(), i64::MAX));
        let name = |pick: fn(&ObjectKey) -> &str| object.as_ref().map(pick).unwrap_or_default().to_owned();
        let rows = self
            .rows(
                search.sql(),
                args![
                    tenant.unwrap_or_default(),
                    tenant.is_none(),
                    reach.unwrap_or_default(),
                    reach.is_none(),
                    name(|key| key.kind.as_str()),
                    name(|key| &key.namespace),
                    name(|key| &key.name),
                    object.is_none(),
                    actor.clone().unwrap_or_default(),
                    actor.is_none(),
                    actor_account.unwrap_or_default(),
                    actor_account.is_none(),
                    json!(actions.as_deref().unwrap_or_default()),
                    actions.is_none(),
                    since.unwrap_or(Timestamp::UNIX_EPOCH),
                    until.unwrap_or_else(end_of_time),
                    at,
                    appended,
                    limit,
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Listed {
                    sequence: row.opt_int("sequence")?,
                    path: row.opt_text("path")?,
                    record: record(row)?,
                })
            })
            .collect()
    }

    /// Accounts by their identifiers, with their relation to `reader`; those
    /// that are gone are left out.
    pub async fn parties(
        &mut self,
        ids: &BTreeSet<Uuid>,
        reader: Uuid,
    ) -> Result<HashMap<Uuid, Party>, StoreError> {
        let ids = json!(ids);
        let accounts = Sql {
            postgres: "SELECT c.id, c.tier, c.managed_by,
                    EXISTS (SELECT 1 FROM account_ancestor a WHERE a.account_id = c.id AND a.ancestor_id = $2) AS below
                FROM account c WHERE c.id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "SELECT c.id, c.tier, c.managed_by,
                    EXISTS (SELECT 1 FROM account_ancestor a WHERE a.account_id = c.id AND a.ancestor_id = $2) AS below
                FROM account c WHERE c.id IN (SELECT value FROM json_each($1))",
        };
        let mut parties = HashMap::new();
        for row in self.rows(accounts, args![ids.clone(), reader]).await? {
            let party = Party {
                tier: word("tier", row.text("tier")?)?,
                managed_by: row.opt_uuid("managed_by")?,
                below: row.bool("below")?,
                groups: BTreeSet::new(),
                roles: BTreeSet::new(),
            };
            parties.insert(row.uuid("id")?, party);
        }
        let belongings = Sql {
            postgres: "SELECT account_id, NULL AS namespace, name FROM account_group WHERE account_id IN (SELECT jsonb_array_elements_text($1)::uuid)
                UNION ALL SELECT account_id, namespace, name FROM account_role WHERE account_id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "SELECT account_id, NULL AS namespace, name FROM account_group WHERE account_id IN (SELECT value FROM json_each($1))
                UNION ALL SELECT account_id, namespace, name FROM account_role WHERE account_id IN (SELECT value FROM json_each($1))",
        };
        for row in self.rows(belongings, args![ids]).await? {
            let Some(party) = parties.get_mut(&row.uuid("account_id")?) else { continue };
            let name = row.text("name")?;
            match row.opt_text("namespace")? {
                None => party.groups.insert(name),
                Some(namespace) => party.roles.insert(Ref { namespace, name }),
            };
        }
        Ok(parties)
    }

    /// Tenants with all above them, nearest first; of those that are gone,
    /// what still stands above.
    pub async fn standing_chains(
        &mut self,
        ids: &BTreeSet<Uuid>,
    ) -> Result<HashMap<Uuid, Chain>, StoreError> {
        let sql = Sql {
            postgres: "SELECT a.of_tenant, t.*, a.distance, above.source AS object_source, above.namespace AS object_namespace, above.name AS object_name
                FROM (SELECT tenant_id AS of_tenant, ancestor_id, distance FROM tenant_ancestor WHERE tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid)
                    UNION ALL SELECT tenant_id, ancestor_id, distance FROM audit_gone_tenant WHERE tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid)) a
                JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object above ON above.id = t.object_id ORDER BY a.distance",
            sqlite: "SELECT a.of_tenant, t.*, a.distance, above.source AS object_source, above.namespace AS object_namespace, above.name AS object_name
                FROM (SELECT tenant_id AS of_tenant, ancestor_id, distance FROM tenant_ancestor WHERE tenant_id IN (SELECT value FROM json_each($1))
                    UNION ALL SELECT tenant_id, ancestor_id, distance FROM audit_gone_tenant WHERE tenant_id IN (SELECT value FROM json_each($1))) a
                JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object above ON above.id = t.object_id ORDER BY a.distance",
        };
        let mut chains: HashMap<Uuid, Chain> = HashMap::new();
        for row in self.rows(sql, args![json!(ids)]).await? {
            chains.entry(row.uuid("of_tenant")?).or_default().0.push(level(&row)?);
        }
        Ok(chains)
    }
}
