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

fn holder(row: &Row, kind: &str) -> Result<Option<String>, StoreError> {
    Ok(match (row.opt_text("namespace")?, row.opt_text("name")?) {
        (Some(namespace), Some(name)) => Some(format!("{kind} {namespace}/{name}")),
        _ => None,
    })
}

impl Tx {
    /// The limits that bind a receiver of devices, nearest first; what is used
    /// of them is not counted yet.
    pub async fn device_limits(&mut self, to: &Receiver) -> Result<Vec<Limit>, StoreError> {
        let (tenant, account) = match to {
            Receiver::Account { account, tenant } => (*tenant, Some(*account)),
            Receiver::Tenant(tenant) | Receiver::Group { tenant, .. } => (*tenant, None),
        };
        let mut limits = vec![];
        let sql = "SELECT t.id, t.path, t.max_devices, o.namespace, o.name FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id
            LEFT JOIN object o ON o.id = t.object_id WHERE a.tenant_id = $1 AND t.max_devices IS NOT NULL ORDER BY a.distance";
        for row in self.rows(sql, args![tenant]).await? {
            let named = holder(&row, "Tenant")?;
            limits.push(Limit {
                bearer: Bearer::Tenant(row.uuid("id")?),
                holder: named.map_or_else(|| row.text("path"), Ok)?,
                max: row.int("max_devices")?,
                used: 0,
            });
        }
        let Some(account) = account else { return Ok(limits) };
        let sql = "SELECT c.id, c.manageable_devices, o.namespace, o.name FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
            LEFT JOIN object o ON o.id = c.object_id
            WHERE a.account_id = $1 AND c.manageable_devices IS NOT NULL ORDER BY a.distance LIMIT 1";
        if let Some(row) = self.row(sql, args![account]).await? {
            limits.push(Limit {
                bearer: Bearer::Account(row.uuid("id")?),
                holder: holder(&row, "SubAdmin")?.unwrap_or_else(|| "an unmanaged account".to_owned()),
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

    /// The largest consumers of a limit, as far as the tenant `seen_from` may
    /// know them: tenants or accounts in its subtree (R4).
    pub async fn device_consumers(&mut self, limit: &Limit, seen_from: Uuid) -> Result<String, StoreError> {
        let (bearer, sql) = match limit.bearer {
            // The tenant of the limit, or the one that asks if that lies
            // deeper, and what is directly below it.
            Bearer::Tenant(tenant) => (
                tenant,
                Sql::from(
                    "SELECT t.path AS consumer, count(*) AS n FROM tenant_ancestor near JOIN tenant t ON t.id = near.tenant_id
                     JOIN tenant_ancestor down ON down.ancestor_id = t.id AND (near.distance = 1 OR down.distance = 0)
                     JOIN device d ON d.holder_tenant = down.tenant_id
                     WHERE near.distance <= 1 AND near.ancestor_id = CASE WHEN EXISTS (SELECT 1 FROM tenant_ancestor x WHERE x.tenant_id = $1 AND x.ancestor_id = $2) THEN $1 ELSE $2 END
                     GROUP BY t.path ORDER BY n DESC, t.path LIMIT 3",
                ),
            ),
            // What it holds with those who have no number of their own, and
            // what it has delegated to each who has.
            Bearer::Account(account) => (
                account,
                Sql::from(
                    "WITH RECURSIVE own (id) AS (
                         SELECT c.id FROM account c WHERE c.id = $1
                         UNION SELECT c.id FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices IS NULL),
                     consumer (id, n) AS (
                         SELECT d.holder_account, count(*) FROM device d JOIN own ON own.id = d.holder_account GROUP BY d.holder_account
                         UNION ALL SELECT c.id, c.manageable_devices FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices > 0)
                     SELECT 'SubAdmin ' || o.namespace || '/' || o.name AS consumer, k.n FROM consumer k JOIN account c ON c.id = k.id
                     JOIN tenant_ancestor a ON a.tenant_id = c.tenant_id AND a.ancestor_id = $2 JOIN object o ON o.id = c.object_id
                     ORDER BY k.n DESC, o.namespace, o.name LIMIT 3",
                ),
            ),
        };
        let rows = self.rows(sql, args![bearer, seen_from]).await?;
        let named: Result<Vec<_>, StoreError> = rows
            .iter()
            .map(|row| Ok(format!("{} ({} devices)", row.text("consumer")?, row.int("n")?)))
            .collect();
        Ok(named?.join(", "))
    }
}

fn tenant_of(limit: &Limit) -> Option<Uuid> {
    match limit.bearer {
        Bearer::Tenant(tenant) => Some(tenant),
        Bearer::Account(_) => None,
    }
}
