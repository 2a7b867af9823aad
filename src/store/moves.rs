//! Moving a tenant with everything below it: the closure, paths and roots, and
//! what cannot follow because it hung on the former ancestors (R4).

use uuid::Uuid;

use super::sql::{Sql, args};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::object::ObjectKey;
use crate::domain::tenant::Tenant;

impl Tx {
    /// Moves a tenant with everything below it under another parent.
    pub async fn move_tenant(&mut self, old: &Tenant, parent: Option<&Tenant>) -> Result<(), StoreError> {
        let path = crate::domain::tenant::path(parent, &old.name);
        let root = parent.map_or(old.id, |p| p.root);
        // Cut the subtree off everything above it ...
        self.write(
            "DELETE FROM tenant_ancestor
             WHERE tenant_id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)
               AND ancestor_id IN (SELECT ancestor_id FROM tenant_ancestor WHERE tenant_id = $1 AND ancestor_id <> $1)",
            args![old.id],
        )
        .await?;
        // ... and put all of it below the new parent.
        self.write(
            "INSERT INTO tenant_ancestor (tenant_id, ancestor_id, distance)
             SELECT down.tenant_id, up.ancestor_id, down.distance + up.distance + 1
             FROM tenant_ancestor down CROSS JOIN tenant_ancestor up
             WHERE down.ancestor_id = $1 AND up.tenant_id = $2",
            args![old.id, parent.map(|p| p.id)],
        )
        .await?;
        let length = i64::try_from(old.path.chars().count()).unwrap_or(i64::MAX);
        let sql = Sql {
            postgres: "UPDATE tenant SET path = $2 || substr(path, ($3 + 1)::int), root_id = $4
                 WHERE id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
            sqlite: "UPDATE tenant SET path = $2 || substr(path, $3 + 1), root_id = $4
                 WHERE id IN (SELECT tenant_id FROM tenant_ancestor WHERE ancestor_id = $1)",
        };
        self.write(sql, args![old.id, path, length, root]).await?;
        self.write("UPDATE tenant SET parent_id = $2 WHERE id = $1", args![old.id, parent.map(|p| p.id)])
            .await?;
        Ok(())
    }

    /// How many devices a subtree would bring along under `parent`: those that
    /// it holds, without those that somebody gave it who will not be above it.
    pub async fn devices_brought(&mut self, id: Uuid, parent: Uuid) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) AS n FROM tenant_ancestor s JOIN device d ON d.holder_tenant = s.tenant_id
            WHERE s.ancestor_id = $1 AND NOT EXISTS (
                SELECT 1 FROM device_assignment x JOIN device_grant g ON g.id = x.grant_id AND g.object_id IS NOT NULL
                JOIN tenant_ancestor inside ON inside.tenant_id = x.receiver_tenant AND inside.ancestor_id = $1
                WHERE x.device_id = d.id
                  AND NOT EXISTS (SELECT 1 FROM tenant_ancestor i WHERE i.tenant_id = x.giver_tenant AND i.ancestor_id = $1)
                  AND NOT EXISTS (SELECT 1 FROM tenant_ancestor u WHERE u.tenant_id = $2 AND u.ancestor_id = x.giver_tenant))";
        self.one(sql, args![id, parent]).await?.int("n")
    }

    /// After a move: grants by tenants that are no longer above lose their
    /// receivers in the subtree, as if these were gone.
    pub async fn drop_receivers_out_of_reach(&mut self, id: Uuid) -> Result<(), StoreError> {
        let sql = "DELETE FROM grant_receiver WHERE (grant_id, position) IN (
            SELECT r.grant_id, r.position FROM (
                SELECT r.grant_id, r.position, r.tenant_id AS receiver FROM tenant_ancestor a JOIN grant_receiver r ON r.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                UNION SELECT r.grant_id, r.position, c.tenant_id FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id
                    JOIN grant_receiver r ON r.account_id = c.id WHERE a.ancestor_id = $1
            ) AS r JOIN device_grant g ON g.id = r.grant_id
            WHERE NOT EXISTS (SELECT 1 FROM tenant_ancestor up WHERE up.tenant_id = r.receiver AND up.ancestor_id = g.tenant_id))";
        self.write(sql, args![id]).await?;
        Ok(())
    }

    /// After a move: where the chain of each device leaves a tenant that is no
    /// longer above the receiver. What was retained when its grant went stays.
    pub async fn links_out_of_reach(&mut self, id: Uuid) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT x.device_id, MIN(x.position) AS position FROM tenant_ancestor a JOIN device_assignment x ON x.receiver_tenant = a.tenant_id
            JOIN device_grant g ON g.id = x.grant_id AND g.object_id IS NOT NULL
            WHERE a.ancestor_id = $1
              AND NOT EXISTS (SELECT 1 FROM tenant_ancestor up WHERE up.tenant_id = x.receiver_tenant AND up.ancestor_id = x.giver_tenant)
            GROUP BY x.device_id ORDER BY x.device_id";
        let rows = self.rows(sql, args![id]).await?;
        rows.iter().map(|row| Ok((row.text("device_id")?, row.int("position")?))).collect()
    }

    /// Objects of the tenants and accounts of a subtree.
    pub async fn objects_of_subtree(&mut self, id: Uuid) -> Result<Vec<ObjectKey>, StoreError> {
        let sql = "SELECT o.kind, o.namespace, o.name FROM tenant_ancestor a JOIN tenant t ON t.id = a.tenant_id JOIN object o ON o.id = t.object_id WHERE a.ancestor_id = $1
            UNION ALL SELECT o.kind, o.namespace, o.name FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id JOIN object o ON o.id = c.object_id WHERE a.ancestor_id = $1";
        let rows = self.rows(sql, args![id]).await?;
        rows.iter()
            .map(|row| {
                let kind = word("kind", row.text("kind")?)?;
                Ok(ObjectKey { kind, namespace: row.text("namespace")?, name: row.text("name")? })
            })
            .collect()
    }

    /// The accounts of a subtree and everybody above them in the managed-by
    /// tree: whose quotas a move may concern.
    pub async fn accounts_around(&mut self, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let sql = "SELECT DISTINCT up.ancestor_id FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id
            JOIN account_ancestor up ON up.account_id = c.id WHERE a.ancestor_id = $1";
        let rows = self.rows(sql, args![id]).await?;
        rows.iter().map(|row| row.uuid("ancestor_id")).collect()
    }
}
