//! Rows of grants and of who receives. What becomes of their devices is in
//! [`super::grant_devices`], who gave a device to whom in
//! [`super::assignments`].

use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::grant::{Grant, Receiver};
use crate::domain::object::ObjectKey;

fn grant(row: &Row) -> Result<Grant, StoreError> {
    Ok(Grant {
        id: row.uuid("id")?,
        object: row.opt_uuid("object_id")?,
        tenant: row.uuid("tenant_id")?,
        namespace: row.text("namespace")?,
        name: row.text("name")?,
        mode: word("mode", row.text("mode")?)?,
        project: row.opt_text("project")?,
        selection: row.json("selection")?,
        permissions: row.json("permissions")?,
        not_before: row.opt_time("not_before")?,
        expires_at: row.opt_time("expires_at")?,
        reclaim: word("reclaim", row.text("reclaim")?)?,
        managed_by: row.opt_uuid("managed_by")?,
        born: row.time("born")?,
        receivers: vec![],
        created_at: row.time("created_at")?,
    })
}

impl Tx {
    /// The grant that an object manages, with its receivers.
    pub async fn grant_of(&mut self, source: &str, key: &ObjectKey) -> Result<Option<Grant>, StoreError> {
        let sql = "SELECT g.* FROM object o JOIN device_grant g ON g.object_id = o.id
            WHERE o.source = $1 AND o.kind = 'DeviceGrant' AND o.namespace = $2 AND o.name = $3";
        let row = self.row(sql, args![source, &key.namespace, &key.name]).await?;
        self.grant_with_receivers(row).await
    }

    /// The grant with this natural key.
    pub async fn grant_named(&mut self, tenant: Uuid, name: &str) -> Result<Option<Grant>, StoreError> {
        let row = self
            .row("SELECT * FROM device_grant WHERE tenant_id = $1 AND name = $2", args![tenant, name])
            .await?;
        self.grant_with_receivers(row).await
    }

    async fn grant_with_receivers(&mut self, row: Option<Row>) -> Result<Option<Grant>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let mut grant = grant(&row)?;
        let sql = "SELECT r.tenant_id, r.account_id, r.group_name, c.tenant_id AS account_tenant FROM grant_receiver r
            LEFT JOIN account c ON c.id = r.account_id WHERE r.grant_id = $1 ORDER BY r.position";
        for row in self.rows(sql, args![grant.id]).await? {
            let receiver = match (
                row.opt_uuid("tenant_id")?,
                row.opt_uuid("account_id")?,
                row.opt_text("group_name")?,
            ) {
                (_, Some(account), _) => Receiver::Account { account, tenant: row.uuid("account_tenant")? },
                (Some(tenant), None, Some(name)) => Receiver::Group { tenant, name },
                (Some(tenant), None, None) => Receiver::Tenant(tenant),
                _ => return Err(StoreError::Shape("a grant's receiver".to_owned())),
            };
            grant.receivers.push(receiver);
        }
        Ok(Some(grant))
    }

    /// Adds or replaces a grant and its receivers.
    pub async fn put_grant(&mut self, g: &Grant) -> Result<(), StoreError> {
        let sql = "INSERT INTO device_grant (id, object_id, tenant_id, namespace, name, mode, project, selection, permissions, not_before, expires_at,
                reclaim, managed_by, born, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
            ON CONFLICT (id) DO UPDATE SET object_id = excluded.object_id, tenant_id = excluded.tenant_id, namespace = excluded.namespace,
                name = excluded.name, mode = excluded.mode, project = excluded.project,
                selection = excluded.selection, permissions = excluded.permissions, not_before = excluded.not_before,
                expires_at = excluded.expires_at, reclaim = excluded.reclaim, managed_by = excluded.managed_by, born = excluded.born";
        self.write(
            sql,
            args![
                g.id,
                g.object,
                g.tenant,
                &g.namespace,
                &g.name,
                g.mode.as_str(),
                &g.project,
                json(&g.selection),
                json(&g.permissions),
                g.not_before,
                g.expires_at,
                format!("{:?}", g.reclaim),
                g.managed_by,
                g.born,
                g.created_at,
            ],
        )
        .await?;
        self.write("DELETE FROM grant_receiver WHERE grant_id = $1", args![g.id]).await?;
        if g.receivers.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = g
            .receivers
            .iter()
            .enumerate()
            .map(|(position, receiver)| match receiver {
                Receiver::Tenant(tenant) => serde_json::json!({"position": position, "tenant": tenant}),
                Receiver::Account { account, .. } => {
                    serde_json::json!({"position": position, "account": account})
                }
                Receiver::Group { tenant, name } => {
                    serde_json::json!({"position": position, "tenant": tenant, "group": name})
                }
            })
            .collect();
        let sql = Sql {
            postgres: "INSERT INTO grant_receiver (grant_id, position, tenant_id, account_id, group_name)
                SELECT $1, (value->>'position')::bigint, (value->>'tenant')::uuid, (value->>'account')::uuid, value->>'group' FROM jsonb_array_elements($2)",
            sqlite: "INSERT INTO grant_receiver (grant_id, position, tenant_id, account_id, group_name)
                SELECT $1, value->>'position', value->>'tenant', value->>'account', value->>'group' FROM json_each($2)",
        };
        self.write(sql, args![g.id, json(&list)]).await?;
        Ok(())
    }

    /// Removes a grant. What it gave has returned by then, or is kept.
    pub async fn delete_grant(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.write("DELETE FROM device_grant WHERE id = $1", args![id]).await?;
        Ok(())
    }
}
