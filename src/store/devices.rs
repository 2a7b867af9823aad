//! The inventory: imported, listed, and read by grants.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::{StoreError, Tx};

/// One device of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Identifier.
    pub id: String,
    /// Second identifier.
    pub unit_id: Option<String>,
    /// Shown to people.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Who holds it, if it is new.
    pub tenant: Option<Uuid>,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// New devices.
    pub added: u64,
    /// Devices whose names or labels changed.
    pub changed: u64,
    /// Devices that were there already, just so.
    pub unchanged: u64,
}

/// One line of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Identifier.
    pub device_id: String,
    /// Second identifier.
    pub unit_id: Option<String>,
    /// Shown to people.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Path of the tenant that holds it.
    pub tenant: Option<String>,
    /// Username of the account that holds it.
    pub account: Option<String>,
}

impl Tx {
    /// Writes a batch of the inventory: new devices appear at the tenant named
    /// beside them, known ones change only name, unit and labels. Grants that
    /// wait for one of them are woken.
    pub async fn import_devices(&mut self, batch: &[Import]) -> Result<Imported, StoreError> {
        let list = json(&batch);
        let now = self.now();
        let known = Sql {
            postgres: "SELECT count(*) AS n FROM device WHERE id IN (SELECT value->>'id' FROM jsonb_array_elements($1))",
            sqlite: "SELECT count(*) AS n FROM device WHERE id IN (SELECT value->>'id' FROM json_each($1))",
        };
        let known = self.one(known, args![list.clone()]).await?.int("n")?;
        let upsert = Sql {
            postgres: "INSERT INTO device (id, unit_id, name, labels, home_tenant, holder_tenant, created_at)
                SELECT value->>'id', value->>'unit_id', value->>'name', value->'labels', (value->>'tenant')::uuid, (value->>'tenant')::uuid, $2
                FROM jsonb_array_elements($1)
                ON CONFLICT (id) DO UPDATE SET unit_id = excluded.unit_id, name = excluded.name, labels = excluded.labels
                WHERE (device.unit_id, device.name, device.labels) IS DISTINCT FROM (excluded.unit_id, excluded.name, excluded.labels)",
            sqlite: "INSERT INTO device (id, unit_id, name, labels, home_tenant, holder_tenant, created_at)
                SELECT value->>'id', value->>'unit_id', value->>'name', value->'labels', value->>'tenant', value->>'tenant', $2
                FROM json_each($1) WHERE true
                ON CONFLICT (id) DO UPDATE SET unit_id = excluded.unit_id, name = excluded.name, labels = excluded.labels
                WHERE device.unit_id IS NOT excluded.unit_id OR device.name <> excluded.name OR device.labels <> excluded.labels",
        };
        let written = self.write(upsert, args![list.clone(), now]).await?;
        if written > 0 {
            let stale = Sql {
                postgres: "DELETE FROM device_label WHERE device_id IN (SELECT value->>'id' FROM jsonb_array_elements($1))
                    AND NOT EXISTS (SELECT 1 FROM device d WHERE d.id = device_id AND d.labels->>device_label.name = device_label.value)",
                sqlite: "DELETE FROM device_label WHERE device_id IN (SELECT value->>'id' FROM json_each($1))
                    AND NOT EXISTS (SELECT 1 FROM device d, json_each(d.labels) l WHERE d.id = device_id AND l.key = device_label.name AND l.value = device_label.value)",
            };
            self.write(stale, args![list.clone()]).await?;
            let labels = Sql {
                postgres: "INSERT INTO device_label (device_id, name, value)
                    SELECT e.value->>'id', l.key, l.value FROM jsonb_array_elements($1) e, jsonb_each_text(e.value->'labels') l ON CONFLICT DO NOTHING",
                sqlite: "INSERT INTO device_label (device_id, name, value)
                    SELECT e.value->>'id', l.key, l.value FROM json_each($1) e, json_each(e.value->'labels') l WHERE true ON CONFLICT DO NOTHING",
            };
            self.write(labels, args![list]).await?;
            let ids: Vec<_> = batch.iter().map(|d| d.id.as_str()).collect();
            self.wake_grants_about(&ids, None).await?;
            // Grants by unit, label or `all` of whoever holds these devices.
            let wake = Sql {
                postgres: "INSERT INTO wakeup (object_id, due_at) SELECT DISTINCT s.object_id, $2::timestamptz
                    FROM device d JOIN tenant_ancestor a ON a.tenant_id = d.holder_tenant JOIN subscription s ON s.topic = 'devices/' || a.ancestor_id::text
                    WHERE d.id IN (SELECT jsonb_array_elements_text($1)) ON CONFLICT (object_id) DO NOTHING",
                sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT DISTINCT s.object_id, $2
                    FROM device d JOIN tenant_ancestor a ON a.tenant_id = d.holder_tenant JOIN subscription s ON s.topic = 'devices/' || a.ancestor_id
                    WHERE d.id IN (SELECT value FROM json_each($1)) ON CONFLICT (object_id) DO NOTHING",
            };
            self.write(wake, args![json(&ids), now]).await?;
            let homes: Vec<Uuid> = {
                let mut homes: Vec<_> = batch.iter().filter_map(|d| d.tenant).collect();
                homes.sort();
                homes.dedup();
                homes
            };
            self.wake_upwards(&homes, now).await?;
        }
        let total = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let known = u64::try_from(known).unwrap_or(0);
        let added = total.saturating_sub(known);
        Ok(Imported {
            added,
            changed: written.saturating_sub(added),
            unchanged: total.saturating_sub(written),
        })
    }

    /// Puts devices into a tenant by one bare statement, past every rule and
    /// every grant. Only what measures how long that takes calls this.
    pub async fn move_devices(&mut self, ids: &[String], tenant: Uuid) -> Result<u64, StoreError> {
        let sql = Sql {
            postgres: "UPDATE device SET holder_tenant = $2, holder_account = NULL WHERE id IN (SELECT jsonb_array_elements_text($1))",
            sqlite: "UPDATE device SET holder_tenant = $2, holder_account = NULL WHERE id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&ids), tenant]).await
    }

    /// Empties the inventory.
    pub async fn remove_devices(&mut self) -> Result<u64, StoreError> {
        self.write("DELETE FROM device", args![]).await
    }

    /// The names of devices by their ids; those that are gone are left out.
    pub async fn device_names(&mut self, ids: &[&str]) -> Result<BTreeMap<String, String>, StoreError> {
        let sql = Sql {
            postgres: "SELECT id, name FROM device WHERE id IN (SELECT jsonb_array_elements_text($1))",
            sqlite: "SELECT id, name FROM device WHERE id IN (SELECT value FROM json_each($1))",
        };
        let rows = self.rows(sql, args![json(&ids)]).await?;
        rows.iter().map(|row| Ok((row.text("id")?, row.text("name")?))).collect()
    }

    /// One page of the inventory, in order of id, after `after`; only what
    /// lies in `tenant` or below if that is given.
    pub async fn list_devices(
        &mut self,
        tenant: Option<Uuid>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Listed>, StoreError> {
        self.list_among(None, tenant, after, limit).await
    }

    /// The same of these devices only, if they are given.
    pub async fn list_among(
        &mut self,
        only: Option<&[String]>,
        tenant: Option<Uuid>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Listed>, StoreError> {
        let sql = Sql {
            postgres: "SELECT d.id, d.unit_id, d.name, d.labels, t.path, c.username FROM device d
                LEFT JOIN tenant t ON t.id = d.holder_tenant LEFT JOIN account c ON c.id = d.holder_account
                WHERE d.id > $2 AND ($1::uuid IS NULL OR EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = d.holder_tenant AND a.ancestor_id = $1))
                  AND ($4::jsonb IS NULL OR d.id IN (SELECT jsonb_array_elements_text($4))) ORDER BY d.id LIMIT $3",
            sqlite: "SELECT d.id, d.unit_id, d.name, d.labels, t.path, c.username FROM device d
                LEFT JOIN tenant t ON t.id = d.holder_tenant LEFT JOIN account c ON c.id = d.holder_account
                WHERE d.id > $2 AND ($1 IS NULL OR EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = d.holder_tenant AND a.ancestor_id = $1))
                  AND ($4 IS NULL OR d.id IN (SELECT value FROM json_each($4))) ORDER BY d.id LIMIT $3",
        };
        let rows = self.rows(sql, args![tenant, after, limit, only.map(|only| json(&only))]).await?;
        rows.iter()
            .map(|row| {
                Ok(Listed {
                    device_id: row.text("id")?,
                    unit_id: row.opt_text("unit_id")?,
                    name: row.text("name")?,
                    labels: row.json("labels")?,
                    tenant: row.opt_text("path")?,
                    account: row.opt_text("username")?,
                })
            })
            .collect()
    }
}
