//! How many devices limits leave room for (R3): which bind a receiver, what
//! counts under each, and who consumes most. Called by the engine's pass over
//! an Assign.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::{StoreError, Tx};
use crate::domain::grant::Receiver;
use crate::domain::grant::devices::Holder;
use crate::domain::grant::room::{Bearer, Limit};
use crate::domain::quota::Consumer;

fn holder(row: &Row, kind: &str) -> Result<Option<String>, StoreError> {
    Ok(match (row.opt_text("namespace")?, row.opt_text("name")?) {
        (Some(namespace), Some(name)) => Some(format!("{kind} {namespace}/{name}")),
        _ => None,
    })
}

impl Tx {
    /// The limits that bind a receiver of devices, nearest first; what is used
    /// of them is not counted yet. `giver` is the tenant that gives.
    pub async fn device_limits(&mut self, to: &Receiver, giver: Uuid) -> Result<Vec<Limit>, StoreError> {
        let (tenant, account) = match to {
            Receiver::Account { account, tenant } => (*tenant, Some(*account)),
            Receiver::Tenant(tenant) | Receiver::Group { tenant, .. } => (*tenant, None),
        };
        let mut limits = vec![];
        let sql = "SELECT t.id, t.path, t.max_devices, o.namespace, o.name, CASE WHEN s.tenant_id IS NULL THEN NULL ELSE t.path END AS seen
            FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object o ON o.id = t.object_id
            LEFT JOIN tenant_ancestor s ON s.tenant_id = t.id AND s.ancestor_id = $2 WHERE a.tenant_id = $1 AND t.max_devices IS NOT NULL ORDER BY a.distance";
        for row in self.rows(sql, args![tenant, giver]).await? {
            let named = holder(&row, "Tenant")?;
            limits.push(Limit {
                bearer: Bearer::Tenant(row.uuid("id")?),
                holder: named.map_or_else(|| row.text("path"), Ok)?,
                seen: row.opt_text("seen")?,
                max: row.int("max_devices")?,
                used: 0,
            });
        }
        let Some(account) = account else { return Ok(limits) };
        let sql = "SELECT c.id, c.manageable_devices, o.namespace, o.name, t.path AS seen FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
            LEFT JOIN object o ON o.id = c.object_id
            LEFT JOIN tenant_ancestor s ON s.tenant_id = c.tenant_id AND s.ancestor_id = $2 LEFT JOIN tenant t ON t.id = s.tenant_id
            WHERE a.account_id = $1 AND c.manageable_devices IS NOT NULL ORDER BY a.distance LIMIT 1";
        if let Some(row) = self.row(sql, args![account, giver]).await? {
            limits.push(Limit {
                bearer: Bearer::Account(row.uuid("id")?),
                holder: holder(&row, "SubAdmin")?.unwrap_or_else(|| "an unmanaged account".to_owned()),
                seen: row.opt_text("seen")?,
                max: row.int("manageable_devices")?,
                used: 0,
            });
        }
        Ok(limits)
    }

    /// Counts what is used of each limit.
    pub async fn count_devices(&mut self, limits: &mut [Limit]) -> Result<(), StoreError> {
        limits.iter_mut().for_each(|limit| limit.used = 0);
        let tenants: Vec<Uuid> = limits.iter().filter_map(tenant_of).collect();
        if !tenants.is_empty() {
            let sql = Sql {
                postgres: "SELECT a.ancestor_id, count(*) AS n FROM tenant_ancestor a JOIN device d ON d.holder_tenant = a.tenant_id
                    WHERE a.ancestor_id IN (SELECT jsonb_array_elements_text($1)::uuid) GROUP BY a.ancestor_id",
                sqlite: "SELECT a.ancestor_id, count(*) AS n FROM tenant_ancestor a JOIN device d ON d.holder_tenant = a.tenant_id
                    WHERE a.ancestor_id IN (SELECT value FROM json_each($1)) GROUP BY a.ancestor_id",
            };
            for row in self.rows(sql, args![json(&tenants)]).await? {
                let (tenant, used) = (row.uuid("ancestor_id")?, row.int("n")?);
                limits.iter_mut().filter(|l| tenant_of(l) == Some(tenant)).for_each(|l| l.used = used);
            }
        }
        // One account at most: the nearest that has a number.
        for limit in limits {
            if let Bearer::Account(account) = limit.bearer {
                let used = self.account_use(account, None).await?;
                limit.used = used.held + used.delegated;
            }
        }
        Ok(())
    }

    /// Which devices count under which limit already, by who holds them: pairs
    /// of a holder and a limit.
    pub async fn counted_under(
        &mut self,
        holders: &BTreeSet<Holder>,
        limits: &[Limit],
    ) -> Result<BTreeSet<(Uuid, Bearer)>, StoreError> {
        let mut counted = BTreeSet::new();
        let bearers: Vec<Uuid> = limits.iter().filter_map(tenant_of).collect();
        let tenants: BTreeSet<Uuid> = holders.iter().filter_map(|h| h.tenant).collect();
        if !bearers.is_empty() && !tenants.is_empty() {
            let sql = Sql {
                postgres: "SELECT tenant_id, ancestor_id FROM tenant_ancestor
                    WHERE tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid) AND ancestor_id IN (SELECT jsonb_array_elements_text($2)::uuid)",
                sqlite: "SELECT tenant_id, ancestor_id FROM tenant_ancestor
                    WHERE tenant_id IN (SELECT value FROM json_each($1)) AND ancestor_id IN (SELECT value FROM json_each($2))",
            };
            for row in self.rows(sql, args![json(&tenants), json(&bearers)]).await? {
                counted.insert((row.uuid("tenant_id")?, Bearer::Tenant(row.uuid("ancestor_id")?)));
            }
        }
        let accounts: BTreeSet<Uuid> = holders.iter().filter_map(|h| h.account).collect();
        if limits.iter().any(|l| matches!(l.bearer, Bearer::Account(_))) && !accounts.is_empty() {
            let sql = Sql {
                postgres: "SELECT account_id, ancestor_id FROM (
                        SELECT a.account_id, a.ancestor_id, ROW_NUMBER() OVER (PARTITION BY a.account_id ORDER BY a.distance) AS nearest
                        FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
                        WHERE c.manageable_devices IS NOT NULL AND a.account_id IN (SELECT jsonb_array_elements_text($1)::uuid)) AS b WHERE nearest = 1",
                sqlite: "SELECT account_id, ancestor_id FROM (
                        SELECT a.account_id, a.ancestor_id, ROW_NUMBER() OVER (PARTITION BY a.account_id ORDER BY a.distance) AS nearest
                        FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
                        WHERE c.manageable_devices IS NOT NULL AND a.account_id IN (SELECT value FROM json_each($1))) AS b WHERE nearest = 1",
            };
            for row in self.rows(sql, args![json(&accounts)]).await? {
                counted.insert((row.uuid("account_id")?, Bearer::Account(row.uuid("ancestor_id")?)));
            }
        }
        Ok(counted)
    }

    /// The accounts that use most of what an account may hold and delegate, as
    /// far as the tenant `within` may know them: in its subtree (R4).
    pub async fn consumers_below(
        &mut self,
        account: Uuid,
        within: Uuid,
    ) -> Result<Vec<Consumer>, StoreError> {
        // What it holds with those who have no number of their own, and what it
        // has delegated to each who has.
        let sql = "WITH RECURSIVE own (id) AS (
                SELECT c.id FROM account c WHERE c.id = $1
                UNION SELECT c.id FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices IS NULL),
            consumer (id, n) AS (
                SELECT d.holder_account, count(*) FROM device d JOIN own ON own.id = d.holder_account GROUP BY d.holder_account
                UNION ALL SELECT c.id, c.manageable_devices FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices > 0)
            SELECT 'SubAdmin ' || o.namespace || '/' || o.name AS who, k.n FROM consumer k JOIN account c ON c.id = k.id
            JOIN tenant_ancestor a ON a.tenant_id = c.tenant_id AND a.ancestor_id = $2 JOIN object o ON o.id = c.object_id
            ORDER BY k.n DESC, o.namespace, o.name LIMIT 3";
        let rows = self.rows(sql, args![account, within]).await?;
        rows.iter().map(|row| Ok(Consumer { who: row.text("who")?, amount: row.int("n")? })).collect()
    }
}

fn tenant_of(limit: &Limit) -> Option<Uuid> {
    match limit.bearer {
        Bearer::Tenant(tenant) => Some(tenant),
        Bearer::Account(_) => None,
    }
}
