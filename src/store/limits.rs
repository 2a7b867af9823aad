//! What subtrees of tenants and of accounts contain and use, counted for limits
//! and quotas (R3). Only what a limit asks for is counted.

use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::account::Ref;
use crate::domain::quota::{AccountUse, Bound, Consumer, Counted, TenantUse};
use crate::domain::tier::Tier;

/// How many consumers a refusal names.
const NAMED: i64 = 3;

/// One line of a count: what, how much in the subtree, and how much of that
/// below its top.
struct Line {
    tenant: Uuid,
    counted: Counted,
    all: i64,
    below: i64,
}

fn line(row: &Row) -> Result<Line, StoreError> {
    let counted = match row.text("what")?.as_str() {
        "tenants" => Counted::Tenants,
        "devices" => Counted::Devices,
        "role" => Counted::Role(Ref { namespace: row.text("namespace")?, name: row.text("name")? }),
        _ => Counted::Tier(word::<Tier>("tier", row.text("name")?)?),
    };
    Ok(Line { tenant: row.uuid("tenant")?, counted, all: row.int("n")?, below: row.int("below")? })
}

fn add(to: &mut TenantUse, counted: Counted, n: i64) {
    match counted {
        Counted::Devices => to.devices = n,
        Counted::Tenants => to.tenants = n,
        Counted::Accounts => to.accounts = n,
        Counted::Tier(tier) => {
            to.accounts += n;
            to.by_tier.push((tier, n));
        }
        Counted::Role(role) => to.by_role.push((role, n)),
    }
}

impl Tx {
    /// What the subtrees of these tenants contain, as far as one of `counted`
    /// asks for it.
    pub async fn uses_of(
        &mut self,
        tenants: &[Uuid],
        counted: &[Counted],
    ) -> Result<Vec<TenantUse>, StoreError> {
        let mut uses: Vec<TenantUse> = vec![];
        for line in self.count(tenants, counted).await? {
            let at = uses.iter().position(|u| u.tenant == line.tenant).unwrap_or_else(|| {
                uses.push(TenantUse { tenant: line.tenant, ..TenantUse::default() });
                uses.len() - 1
            });
            add(&mut uses[at], line.counted, line.all);
        }
        Ok(uses)
    }

    /// What the subtrees of a tenant and of each tenant above it contain.
    pub async fn uses(&mut self, id: Uuid) -> Result<Vec<TenantUse>, StoreError> {
        let sql = "SELECT ancestor_id FROM tenant_ancestor WHERE tenant_id = $1";
        let rows = self.rows(sql, args![id]).await?;
        let above: Vec<Uuid> = rows.iter().map(|row| row.uuid("ancestor_id")).collect::<Result<_, _>>()?;
        self.uses_of(&above, &everything()).await
    }

    /// What the subtree of one tenant contains.
    pub async fn use_of(&mut self, id: Uuid) -> Result<TenantUse, StoreError> {
        Ok(self.use_and_below(id).await?.0)
    }

    /// What the subtree of one tenant contains, and how much of that lies in
    /// the tenants below it.
    pub async fn use_and_below(&mut self, id: Uuid) -> Result<(TenantUse, TenantUse), StoreError> {
        let mut all = TenantUse { tenant: id, ..TenantUse::default() };
        let mut below = all.clone();
        for line in self.count(&[id], &everything()).await? {
            add(&mut all, line.counted.clone(), line.all);
            add(&mut below, line.counted, line.below);
        }
        Ok((all, below))
    }

    async fn count(&mut self, tenants: &[Uuid], counted: &[Counted]) -> Result<Vec<Line>, StoreError> {
        macro_rules! counts {
            ($tops:literal) => {
                concat!(
                    "WITH inside AS (SELECT ancestor_id, tenant_id, distance FROM tenant_ancestor WHERE ancestor_id IN (", $tops, "))
                    SELECT ancestor_id AS tenant, 'tenants' AS what, '' AS namespace, '' AS name, count(*) AS n, count(*) AS below
                        FROM inside WHERE $2 AND distance > 0 GROUP BY ancestor_id
                    UNION ALL SELECT i.ancestor_id, 'devices', '', '', count(*), count(CASE WHEN i.distance > 0 THEN 1 END)
                        FROM inside i JOIN device d ON d.holder_tenant = i.tenant_id WHERE $3 GROUP BY i.ancestor_id
                    UNION ALL SELECT i.ancestor_id, 'tier', '', c.tier, count(*), count(CASE WHEN i.distance > 0 THEN 1 END)
                        FROM inside i JOIN account c ON c.tenant_id = i.tenant_id WHERE $4 GROUP BY i.ancestor_id, c.tier
                    UNION ALL SELECT i.ancestor_id, 'role', r.namespace, r.name, count(*), count(CASE WHEN i.distance > 0 THEN 1 END)
                        FROM inside i JOIN account c ON c.tenant_id = i.tenant_id JOIN account_role r ON r.account_id = c.id
                        WHERE $5 GROUP BY i.ancestor_id, r.namespace, r.name"
                )
            };
        }
        let sql = Sql {
            postgres: counts!("SELECT jsonb_array_elements_text($1)::uuid"),
            sqlite: counts!("SELECT value FROM json_each($1)"),
        };
        let asks = |what: fn(&Counted) -> bool| counted.iter().any(what);
        let rows = self
            .rows(
                sql,
                args![
                    json(&tenants),
                    asks(|c| matches!(c, Counted::Tenants)),
                    asks(|c| matches!(c, Counted::Devices)),
                    asks(|c| matches!(c, Counted::Accounts | Counted::Tier(_))),
                    asks(|c| matches!(c, Counted::Role(_))),
                ],
            )
            .await?;
        rows.iter().map(line).collect()
    }

    /// Roles and grants in a tenant and below it, for its status.
    pub async fn roles_and_grants(&mut self, id: Uuid) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT (SELECT count(*) FROM tenant_ancestor a JOIN role r ON r.tenant_id = a.tenant_id WHERE a.ancestor_id = $1) AS roles,
            (SELECT count(*) FROM tenant_ancestor a JOIN device_grant g ON g.tenant_id = a.tenant_id WHERE a.ancestor_id = $1) AS grants";
        let row = self.one(sql, args![id]).await?;
        Ok((row.int("roles")?, row.int("grants")?))
    }

    /// The largest consumers of what a limit counts, inside one tenant: what
    /// lies in itself, and each tenant directly below with everything there.
    pub async fn largest_consumers(
        &mut self,
        id: Uuid,
        counted: &Counted,
    ) -> Result<Vec<Consumer>, StoreError> {
        macro_rules! largest {
            ($joined:literal, $condition:literal) => {
                concat!(
                    "SELECT t.path AS who, count(*) AS n
                    FROM tenant_ancestor near JOIN tenant t ON t.id = near.tenant_id
                    JOIN tenant_ancestor down ON down.ancestor_id = t.id AND (near.distance = 1 OR down.distance = 0) ",
                    $joined, " WHERE near.ancestor_id = $1 AND near.distance <= 1 AND ", $condition,
                    " GROUP BY t.path ORDER BY n DESC, who LIMIT $2"
                )
            };
        }
        let rows = match counted {
            Counted::Tenants => self.rows(largest!("", "near.distance = 1"), args![id, NAMED]).await?,
            Counted::Devices => {
                let sql = largest!("JOIN device d ON d.holder_tenant = down.tenant_id", "1 = 1");
                self.rows(sql, args![id, NAMED]).await?
            }
            Counted::Accounts => {
                let sql = largest!("JOIN account c ON c.tenant_id = down.tenant_id", "1 = 1");
                self.rows(sql, args![id, NAMED]).await?
            }
            Counted::Tier(tier) => {
                let sql = largest!("JOIN account c ON c.tenant_id = down.tenant_id", "c.tier = $3");
                self.rows(sql, args![id, NAMED, tier.as_str()]).await?
            }
            Counted::Role(role) => {
                let sql = largest!(
                    "JOIN account c ON c.tenant_id = down.tenant_id JOIN account_role r ON r.account_id = c.id",
                    "r.namespace = $3 AND r.name = $4"
                );
                self.rows(sql, args![id, NAMED, &role.namespace, &role.name]).await?
            }
        };
        rows.iter().map(|row| Ok(Consumer { who: row.text("who")?, amount: row.int("n")? })).collect()
    }

    /// What an account holds and has delegated, with everybody below it who
    /// has no quota of their own (R3).
    pub async fn account_use(&mut self, id: Uuid, except: Option<Uuid>) -> Result<AccountUse, StoreError> {
        let sql = Sql {
            postgres: "WITH RECURSIVE own (id) AS (
                    SELECT $1::uuid
                    UNION SELECT c.id FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices IS NULL AND ($2::uuid IS NULL OR c.id <> $2))
                SELECT (SELECT count(*) FROM device WHERE holder_account IN (SELECT id FROM own)) AS held,
                       CAST((SELECT COALESCE(SUM(manageable_devices), 0) FROM account
                            WHERE managed_by IN (SELECT id FROM own) AND manageable_devices IS NOT NULL AND ($2::uuid IS NULL OR id <> $2)) AS bigint) AS delegated",
            sqlite: "WITH RECURSIVE own (id) AS (
                    SELECT $1
                    UNION SELECT c.id FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices IS NULL AND ($2 IS NULL OR c.id <> $2))
                SELECT (SELECT count(*) FROM device WHERE holder_account IN (SELECT id FROM own)) AS held,
                       (SELECT COALESCE(SUM(manageable_devices), 0) FROM account
                            WHERE managed_by IN (SELECT id FROM own) AND manageable_devices IS NOT NULL AND ($2 IS NULL OR id <> $2)) AS delegated",
        };
        let row = self.one(sql, args![id, except]).await?;
        Ok(AccountUse { held: row.int("held")?, delegated: row.int("delegated")? })
    }

    /// What an account itself holds and has delegated to the accounts directly
    /// below it: all that is asked of one whose devices nothing bounds.
    pub async fn account_use_itself(&mut self, id: Uuid) -> Result<AccountUse, StoreError> {
        let sql = Sql {
            postgres: "SELECT (SELECT count(*) FROM device WHERE holder_account = $1) AS held,
                CAST((SELECT COALESCE(SUM(manageable_devices), 0) FROM account WHERE managed_by = $1) AS bigint) AS delegated",
            sqlite: "SELECT (SELECT count(*) FROM device WHERE holder_account = $1) AS held,
                (SELECT COALESCE(SUM(manageable_devices), 0) FROM account WHERE managed_by = $1) AS delegated",
        };
        let row = self.one(sql, args![id]).await?;
        Ok(AccountUse { held: row.int("held")?, delegated: row.int("delegated")? })
    }

    /// The nearest account, from `manager` upwards, that has a quota; its use
    /// is counted without the account `except`.
    pub async fn quota_bound(
        &mut self,
        manager: Option<Uuid>,
        except: Option<Uuid>,
    ) -> Result<Option<Bound>, StoreError> {
        let Some(manager) = manager else { return Ok(None) };
        let sql = "SELECT c.id, c.tenant_id, c.manageable_devices, o.namespace, o.name FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
            LEFT JOIN object o ON o.id = c.object_id
            WHERE a.account_id = $1 AND c.manageable_devices IS NOT NULL ORDER BY a.distance LIMIT 1";
        let Some(row) = self.row(sql, args![manager]).await? else {
            return Ok(None);
        };
        let account = row.uuid("id")?;
        let key = match (row.opt_text("namespace")?, row.opt_text("name")?) {
            (Some(namespace), Some(name)) => format!("SubAdmin {namespace}/{name}"),
            _ => "an unmanaged account".to_owned(),
        };
        let (tenant, quota) = (row.uuid("tenant_id")?, row.int("manageable_devices")?);
        let used = self.account_use(account, except).await?;
        Ok(Some(Bound { account, tenant, key, quota, used }))
    }

    /// Who takes most of an account's quota, among the accounts of one tenant
    /// and below it: by their own quotas, and by what those without one hold.
    pub async fn largest_delegations(
        &mut self,
        bound: Uuid,
        tenant: Uuid,
        except: Option<Uuid>,
    ) -> Result<Vec<Consumer>, StoreError> {
        macro_rules! delegations {
            ($start:literal, $except:literal) => {
                concat!(
                    "WITH RECURSIVE own (id) AS (
                        SELECT ", $start, "
                        UNION SELECT c.id FROM account c JOIN own ON c.managed_by = own.id WHERE c.manageable_devices IS NULL)
                    SELECT o.namespace, o.name, takes.n FROM (
                        SELECT c.id, c.object_id, c.tenant_id, c.manageable_devices AS n FROM account c WHERE c.managed_by IN (SELECT id FROM own) AND c.manageable_devices IS NOT NULL
                        UNION ALL SELECT c.id, c.object_id, c.tenant_id, count(*) FROM account c JOIN device d ON d.holder_account = c.id
                            WHERE c.id IN (SELECT id FROM own) AND c.id <> $1 GROUP BY c.id, c.object_id, c.tenant_id
                    ) AS takes JOIN object o ON o.id = takes.object_id JOIN tenant_ancestor a ON a.tenant_id = takes.tenant_id
                    WHERE a.ancestor_id = $2 AND takes.n > 0 AND (", $except, " IS NULL OR takes.id <> $3)
                    ORDER BY takes.n DESC, o.namespace, o.name LIMIT $4"
                )
            };
        }
        let sql = Sql { postgres: delegations!("$1::uuid", "$3::uuid"), sqlite: delegations!("$1", "$3") };
        let rows = self.rows(sql, args![bound, tenant, except, NAMED]).await?;
        rows.iter()
            .map(|row| {
                let who = format!("SubAdmin {}/{}", row.text("namespace")?, row.text("name")?);
                Ok(Consumer { who, amount: row.int("n")? })
            })
            .collect()
    }
}

fn everything() -> [Counted; 4] {
    let any = Ref { namespace: String::new(), name: String::new() };
    [Counted::Devices, Counted::Tenants, Counted::Accounts, Counted::Role(any)]
}
