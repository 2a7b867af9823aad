//! Rows of tenants, the closure of who is above whom, and what a subtree
//! contains.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::{StoreError, Tx};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::tenant::{Chain, DeletionPolicy, Level, Limits, Settings, Tenant};

/// In the subtree of $1.
macro_rules! inside {
    () => {
        "IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)"
    };
}

/// Passes what accounts of the subtree of $1 answer for to the nearest account
/// above them that is not in there.
macro_rules! handed_on {
    ($table:literal, $by:literal) => {
        concat!(
            "UPDATE ", $table, " SET ", $by, " = (
                SELECT up.ancestor_id FROM account_ancestor up JOIN account heir ON heir.id = up.ancestor_id
                WHERE up.account_id = ", $table, ".", $by, " AND up.distance > 0 AND heir.tenant_id NOT ", inside!(), "
                ORDER BY up.distance LIMIT 1)
            WHERE ", $by, " IN (SELECT gone.id FROM account gone WHERE gone.tenant_id ", inside!(), ")"
        )
    };
}

/// Reads a word that serde writes as a JSON string.
pub(super) fn word<T: serde::de::DeserializeOwned>(column: &str, text: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(text))
        .map_err(|e| StoreError::Shape(format!("column {column}: {e}")))
}

fn tenant(row: &Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: row.uuid("id")?,
        object: row.opt_uuid("object_id")?,
        parent: row.opt_uuid("parent_id")?,
        root: row.uuid("root_id")?,
        name: row.text("name")?,
        path: row.text("path")?,
        permitted: row.bool("permitted")?,
        settings: Settings {
            display_name: row.text("display_name")?,
            enabled: row.bool("enabled")?,
            allowed_namespaces: row.json("allowed_namespaces")?,
            limits: Limits {
                devices: row.opt_int("max_devices")?,
                tenants: row.opt_int("max_tenants")?,
                accounts: row.opt_int("max_accounts")?,
                finer: row.json("account_limits")?,
            },
            owner: row.opt_text("owner_name")?,
            mail: row.opt_json("mail")?,
            branding: row.opt_json("branding")?,
            deletion_policy: word::<DeletionPolicy>("deletion_policy", row.text("deletion_policy")?)?,
        },
        managed_by: row.opt_uuid("managed_by")?,
        created_at: row.time("created_at")?,
    })
}

pub(super) fn level(row: &Row) -> Result<Level, StoreError> {
    Ok(Level {
        tenant: tenant(row)?,
        key: match (row.opt_text("object_namespace")?, row.opt_text("object_name")?) {
            (Some(namespace), Some(name)) => Some(ObjectKey::new(Kind::Tenant, namespace, name)),
            _ => None,
        },
        source: row.opt_text("object_source")?,
        distance: row.int("distance")?,
    })
}

impl Tx {
    /// The tenant that an object manages, and all above it, nearest first;
    /// empty if nothing is in force.
    pub async fn chain_of(&mut self, source: &str, key: &ObjectKey) -> Result<Chain, StoreError> {
        let sql = "SELECT t.*, a.distance, above.source AS object_source, above.namespace AS object_namespace, above.name AS object_name
            FROM object o JOIN tenant own ON own.object_id = o.id
            JOIN tenant_ancestor a ON a.tenant_id = own.id JOIN tenant t ON t.id = a.ancestor_id
            LEFT JOIN object above ON above.id = t.object_id
            WHERE o.source = $1 AND o.kind = 'Tenant' AND o.namespace = $2 AND o.name = $3 ORDER BY a.distance";
        let rows = self.rows(sql, args![source, &key.namespace, &key.name]).await?;
        Ok(Chain(rows.iter().map(level).collect::<Result<_, _>>()?))
    }

    /// A tenant and all above it, nearest first.
    pub async fn chain(&mut self, id: Uuid) -> Result<Chain, StoreError> {
        let sql = "SELECT t.*, a.distance, above.source AS object_source, above.namespace AS object_namespace, above.name AS object_name
            FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id
            LEFT JOIN object above ON above.id = t.object_id
            WHERE a.tenant_id = $1 ORDER BY a.distance";
        let rows = self.rows(sql, args![id]).await?;
        Ok(Chain(rows.iter().map(level).collect::<Result<_, _>>()?))
    }

    /// Each of these tenants with all above it, nearest first.
    pub async fn chains(&mut self, ids: &BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, Chain>, StoreError> {
        let sql = Sql {
            postgres: "SELECT a.tenant_id AS below, t.*, a.distance, above.source AS object_source, above.namespace AS object_namespace, above.name AS object_name
                FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object above ON above.id = t.object_id
                WHERE a.tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid) ORDER BY a.tenant_id, a.distance",
            sqlite: "SELECT a.tenant_id AS below, t.*, a.distance, above.source AS object_source, above.namespace AS object_namespace, above.name AS object_name
                FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id LEFT JOIN object above ON above.id = t.object_id
                WHERE a.tenant_id IN (SELECT value FROM json_each($1)) ORDER BY a.tenant_id, a.distance",
        };
        let mut chains = BTreeMap::<Uuid, Chain>::new();
        for row in self.rows(sql, args![json(ids)]).await? {
            chains.entry(row.uuid("below")?).or_default().0.push(level(&row)?);
        }
        Ok(chains)
    }

    /// The tenant at a path: the natural key, parent and name in one.
    pub async fn tenant_at(&mut self, path: &str) -> Result<Option<Tenant>, StoreError> {
        self.row("SELECT * FROM tenant WHERE path = $1", args![path])
            .await?
            .map(|row| tenant(&row))
            .transpose()
    }

    /// Adds a tenant and its place below its ancestors.
    pub async fn insert_tenant(&mut self, t: &Tenant) -> Result<(), StoreError> {
        let s = &t.settings;
        let sql = "INSERT INTO tenant (id, object_id, parent_id, root_id, name, path, display_name, enabled, permitted, allowed_namespaces,
                max_devices, max_tenants, max_accounts, account_limits, owner_name, mail, branding, deletion_policy, managed_by, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
        self.write(
            sql,
            args![
                t.id,
                t.object,
                t.parent,
                t.root,
                &t.name,
                &t.path,
                &s.display_name,
                s.enabled,
                t.permitted,
                json(&s.allowed_namespaces),
                s.limits.devices,
                s.limits.tenants,
                s.limits.accounts,
                json(&s.limits.finer),
                &s.owner,
                s.mail.as_ref().map(json),
                s.branding.as_ref().map(json),
                format!("{:?}", s.deletion_policy),
                t.managed_by,
                t.created_at,
            ],
        )
        .await?;
        let closure = "INSERT INTO tenant_ancestor (tenant_id, ancestor_id, distance)
            SELECT a.tenant_id, a.ancestor_id, a.distance FROM (
                SELECT id AS tenant_id, id AS ancestor_id, 0 AS distance FROM tenant WHERE id = $1
                UNION ALL SELECT t.id, up.ancestor_id, up.distance + 1 FROM tenant t JOIN tenant_ancestor up ON up.tenant_id = t.parent_id WHERE t.id = $1
            ) AS a";
        self.write(closure, args![t.id]).await?;
        Ok(())
    }

    /// Replaces what a tenant's object says; its place is moved separately.
    /// Whoever belongs to a disabled one, or below it, is signed out.
    pub async fn update_tenant(&mut self, t: &Tenant) -> Result<(), StoreError> {
        let s = &t.settings;
        let sql = "UPDATE tenant SET object_id = $2, display_name = $3, enabled = $4, permitted = $5, allowed_namespaces = $6,
                max_devices = $7, max_tenants = $8, max_accounts = $9, account_limits = $10, owner_name = $11, mail = $12,
                branding = $13, deletion_policy = $14, managed_by = $15, name = $16, path = $17, root_id = $18
            WHERE id = $1";
        self.write(
            sql,
            args![
                t.id,
                t.object,
                &s.display_name,
                s.enabled,
                t.permitted,
                json(&s.allowed_namespaces),
                s.limits.devices,
                s.limits.tenants,
                s.limits.accounts,
                json(&s.limits.finer),
                &s.owner,
                s.mail.as_ref().map(json),
                s.branding.as_ref().map(json),
                format!("{:?}", s.deletion_policy),
                t.managed_by,
                &t.name,
                &t.path,
                t.root,
            ],
        )
        .await?;
        if !s.enabled || !t.permitted {
            self.end_sessions_below(t.id).await?;
        }
        Ok(())
    }

    /// Identifiers of every tenant in a subtree, deepest first.
    pub async fn subtree(&mut self, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let sql =
            "SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1 ORDER BY distance DESC, tenant_id";
        let rows = self.rows(sql, args![id]).await?;
        rows.iter().map(|row| row.uuid("tenant_id")).collect()
    }

    /// How much lies directly inside a tenant that objects stand for:
    /// sub-tenants, accounts (other than the owner), roles and grants; and
    /// devices.
    pub async fn inside(&mut self, id: Uuid, owner: Option<&str>) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT 'tenants' AS what, count(*) AS n FROM tenant WHERE parent_id = $1 AND object_id IS NOT NULL
            UNION ALL SELECT 'accounts', count(*) FROM account WHERE tenant_id = $1 AND object_id IS NOT NULL AND ($2 = '' OR name <> $2)
            UNION ALL SELECT 'roles', count(*) FROM role WHERE tenant_id = $1 AND object_id IS NOT NULL
            UNION ALL SELECT 'grants', count(*) FROM device_grant WHERE tenant_id = $1 AND object_id IS NOT NULL
            UNION ALL SELECT 'devices', count(*) FROM device WHERE home_tenant = $1 OR holder_tenant = $1";
        let rows = self.rows(sql, args![id, owner.unwrap_or_default()]).await?;
        rows.iter().map(|row| Ok((row.text("what")?, row.int("n")?))).collect()
    }

    /// Whether a tenant contains tenants or accounts that were kept when their
    /// objects went.
    pub async fn has_retained(&mut self, id: Uuid) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM tenant WHERE parent_id = $1 AND object_id IS NULL
            UNION ALL SELECT 1 FROM account WHERE tenant_id = $1 AND object_id IS NULL LIMIT 1";
        Ok(self.row(sql, args![id]).await?.is_some())
    }

    /// Everything in a subtree that somebody elsewhere may wait for.
    pub async fn contents_of_subtree(&mut self, id: Uuid) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        let key = |row: &Row, kind| -> Result<Option<ObjectKey>, StoreError> {
            Ok(match (row.opt_text("object_namespace")?, row.opt_text("object_name")?) {
                (Some(namespace), Some(name)) => Some(ObjectKey::new(kind, namespace, name)),
                _ => None,
            })
        };
        let sql = "SELECT o.namespace AS object_namespace, o.name AS object_name FROM tenant_ancestor a
            JOIN tenant t ON t.id = a.tenant_id JOIN object o ON o.id = t.object_id WHERE a.ancestor_id = $1";
        for row in self.rows(sql, args![id]).await? {
            contents.tenants.extend(key(&row, Kind::Tenant)?);
        }
        let sql = "SELECT c.id, c.email, c.username, c.managed_by, o.namespace AS object_namespace, o.name AS object_name
            FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id LEFT JOIN object o ON o.id = c.object_id WHERE a.ancestor_id = $1";
        for row in self.rows(sql, args![id]).await? {
            contents.accounts.push(AccountInside {
                id: row.uuid("id")?,
                key: key(&row, Kind::SubAdmin)?,
                email: row.text("email")?,
                username: row.text("username")?,
            });
        }
        let sql = "SELECT d.id FROM tenant_ancestor a JOIN device d ON d.holder_tenant = a.tenant_id WHERE a.ancestor_id = $1
            UNION SELECT x.device_id FROM tenant_ancestor a JOIN device_assignment x ON x.receiver_tenant = a.tenant_id WHERE a.ancestor_id = $1";
        for row in self.rows(sql, args![id]).await? {
            contents.devices.push(row.text("id")?);
        }
        Ok(contents)
    }

    /// Identifiers of the tenants and accounts of a subtree, in order, for the
    /// digest that confirms a cascade (R9).
    pub async fn impact(&mut self, id: Uuid) -> Result<Vec<String>, StoreError> {
        let sql = Sql {
            postgres: "SELECT down.tenant_id::text AS id FROM tenant_ancestor down WHERE down.ancestor_id = $1
                UNION ALL SELECT c.id::text FROM tenant_ancestor down JOIN account c ON c.tenant_id = down.tenant_id WHERE down.ancestor_id = $1
                ORDER BY id",
            sqlite: "SELECT down.tenant_id AS id FROM tenant_ancestor down WHERE down.ancestor_id = $1
                UNION ALL SELECT c.id FROM tenant_ancestor down JOIN account c ON c.tenant_id = down.tenant_id WHERE down.ancestor_id = $1
                ORDER BY id",
        };
        let rows = self.rows(sql, args![id]).await?;
        let mut ids: Vec<String> = rows.iter().map(|row| row.text("id")).collect::<Result<_, _>>()?;
        ids.sort();
        Ok(ids)
    }

    /// Removes a tenant with everything in its subtree: accounts with their
    /// personal data, roles, grants; devices lose their holder (R9).
    pub async fn erase_tenants(&mut self, id: Uuid) -> Result<(), StoreError> {
        for sql in [
            // Those above may still read what was done in there.
            "INSERT INTO audit_gone_tenant (tenant_id, ancestor_id, distance)
                SELECT up.tenant_id, up.ancestor_id, up.distance FROM tenant_ancestor down JOIN tenant_ancestor up ON up.tenant_id = down.tenant_id
                WHERE down.ancestor_id = $1",
            // What was given away from inside, or to somebody inside, ends.
            "DELETE FROM device_assignment WHERE giver_tenant IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)
                OR receiver_tenant IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            "UPDATE device SET home_tenant = NULL WHERE home_tenant IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            "UPDATE device SET holder_tenant = COALESCE((SELECT a.receiver_tenant FROM device_assignment a WHERE a.device_id = device.id ORDER BY a.position DESC LIMIT 1), home_tenant),
                holder_account = (SELECT a.receiver_account FROM device_assignment a WHERE a.device_id = device.id ORDER BY a.position DESC LIMIT 1)
                WHERE holder_tenant IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            "DELETE FROM device_grant WHERE tenant_id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            // Whatever outside somebody inside answers for passes to the next
            // manager above who stays, else to the platform.
            handed_on!("tenant", "managed_by"),
            handed_on!("role", "managed_by"),
            handed_on!("device_grant", "managed_by"),
            handed_on!("user_group", "created_by"),
            handed_on!("account", "managed_by"),
            // Those who stay are nearer to everybody above those who go.
            concat!(
                "UPDATE account_ancestor SET distance = distance - (
                    SELECT count(*) FROM account_ancestor near JOIN account gone ON gone.id = near.ancestor_id
                    WHERE near.account_id = account_ancestor.account_id AND near.distance < account_ancestor.distance AND gone.tenant_id ", inside!(), ")
                WHERE account_id IN (SELECT below.account_id FROM account gone JOIN account_ancestor below ON below.ancestor_id = gone.id WHERE gone.tenant_id ", inside!(), ")"
            ),
            "DELETE FROM account WHERE tenant_id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            "DELETE FROM role WHERE tenant_id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            // Whoever is above and below go in one statement, so none is missed.
            "DELETE FROM tenant WHERE id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
        ] {
            self.write(sql, args![id]).await?;
        }
        Ok(())
    }
}

/// What a subtree contains that somebody elsewhere may wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Objects of its tenants.
    pub tenants: Vec<ObjectKey>,
    /// Its accounts.
    pub accounts: Vec<AccountInside>,
    /// Devices held there, or handed on from there.
    pub devices: Vec<String>,
}

/// An account of a subtree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInside {
    /// Identifier.
    pub id: Uuid,
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// Its login.
    pub email: String,
    /// Its username.
    pub username: String,
}
