//! Rows of roles and of every content that they have had.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::account::Ref;
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::role::{Content, Role};

fn role(row: &Row) -> Result<Role, StoreError> {
    Ok(Role {
        id: row.uuid("id")?,
        object: row.opt_uuid("object_id")?,
        tenant: row.uuid("tenant_id")?,
        name: row.text("name")?,
        display_name: row.text("display_name")?,
        content: row.json("content")?,
        revision: row.text("revision")?,
        number: row.int("number")?,
        propagation: word("propagation", row.text("propagation")?)?,
        managed_by: row.opt_uuid("managed_by")?,
        created_at: row.time("created_at")?,
    })
}

impl Tx {
    /// The role that an object manages.
    pub async fn role_of(&mut self, source: &str, key: &ObjectKey) -> Result<Option<Role>, StoreError> {
        let sql = "SELECT r.* FROM object o JOIN role r ON r.object_id = o.id
            WHERE o.source = $1 AND o.kind = 'Role' AND o.namespace = $2 AND o.name = $3";
        self.row(sql, args![source, &key.namespace, &key.name]).await?.map(|row| role(&row)).transpose()
    }

    /// The role with this natural key.
    pub async fn role_named(&mut self, tenant: Uuid, name: &str) -> Result<Option<Role>, StoreError> {
        self.row("SELECT * FROM role WHERE tenant_id = $1 AND name = $2", args![tenant, name])
            .await?
            .map(|row| role(&row))
            .transpose()
    }

    /// The roles that these objects manage, each with its object.
    pub async fn roles_of(
        &mut self,
        source: &str,
        keys: &[ObjectKey],
    ) -> Result<BTreeMap<ObjectKey, Role>, StoreError> {
        let names: Vec<_> =
            keys.iter().map(|k| Ref { namespace: k.namespace.clone(), name: k.name.clone() }).collect();
        let sql = Sql {
            postgres: "SELECT r.*, o.namespace AS object_namespace, o.name AS object_name FROM jsonb_array_elements($2) w
                JOIN object o ON o.source = $1 AND o.kind = 'Role' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
                JOIN role r ON r.object_id = o.id",
            sqlite: "SELECT r.*, o.namespace AS object_namespace, o.name AS object_name FROM json_each($2) w
                JOIN object o ON o.source = $1 AND o.kind = 'Role' AND o.namespace = w.value->>'namespace' AND o.name = w.value->>'name'
                JOIN role r ON r.object_id = o.id",
        };
        let rows = self.rows(sql, args![source, json(&names)]).await?;
        rows.iter()
            .map(|row| {
                let (namespace, name) = (row.text("object_namespace")?, row.text("object_name")?);
                Ok((ObjectKey::new(Kind::Role, namespace, name), role(row)?))
            })
            .collect()
    }

    /// The contents of these revisions, as far as the roles have ever had them.
    pub async fn role_revisions(
        &mut self,
        wanted: &[(Uuid, &str)],
    ) -> Result<BTreeMap<(Uuid, String), Content>, StoreError> {
        let sql = Sql {
            postgres: "SELECT v.role_id, v.revision, v.content FROM jsonb_array_elements($1) w
                JOIN role_revision v ON v.role_id = (w.value->>0)::uuid AND v.revision = w.value->>1",
            sqlite: "SELECT v.role_id, v.revision, v.content FROM json_each($1) w
                JOIN role_revision v ON v.role_id = w.value->>0 AND v.revision = w.value->>1",
        };
        let rows = self.rows(sql, args![json(&wanted)]).await?;
        rows.iter()
            .map(|row| Ok(((row.uuid("role_id")?, row.text("revision")?), row.json("content")?)))
            .collect()
    }

    /// Adds or replaces a role, and remembers its revision.
    pub async fn put_role(&mut self, r: &Role) -> Result<(), StoreError> {
        let sql = "INSERT INTO role (id, object_id, tenant_id, name, display_name, content, revision, number, propagation, managed_by, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (id) DO UPDATE SET object_id = excluded.object_id, tenant_id = excluded.tenant_id, name = excluded.name, display_name = excluded.display_name, content = excluded.content,
                revision = excluded.revision, number = excluded.number, propagation = excluded.propagation, managed_by = excluded.managed_by";
        self.write(
            sql,
            args![
                r.id,
                r.object,
                r.tenant,
                &r.name,
                &r.display_name,
                json(&r.content),
                &r.revision,
                r.number,
                format!("{:?}", r.propagation),
                r.managed_by,
                r.created_at,
            ],
        )
        .await?;
        let now = self.now();
        let sql = "INSERT INTO role_revision (role_id, revision, number, content, created_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (role_id, revision) DO NOTHING";
        self.write(sql, args![r.id, &r.revision, r.number, json(&r.content), now]).await?;
        Ok(())
    }

    /// The number of a role's next revision.
    pub async fn next_role_number(&mut self, id: Uuid) -> Result<i64, StoreError> {
        let sql = "SELECT COALESCE(MAX(number), 0) + 1 AS n FROM role_revision WHERE role_id = $1";
        self.one(sql, args![id]).await?.int("n")
    }

    /// The number that a revision had, if the role has had it.
    pub async fn role_number(&mut self, id: Uuid, revision: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT number FROM role_revision WHERE role_id = $1 AND revision = $2";
        self.row(sql, args![id, revision]).await?.map(|row| row.int("number")).transpose()
    }

    /// How many accounts have a copy, and how many of these are behind.
    pub async fn role_assignments(&mut self, id: Uuid, revision: &str) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT count(*) AS assigned, count(CASE WHEN revision <> $2 THEN 1 END) AS outdated FROM account_role WHERE role_id = $1";
        let row = self.one(sql, args![id, revision]).await?;
        Ok((row.int("assigned")?, row.int("outdated")?))
    }

    /// The present revisions of the roles that an account has copies of.
    pub async fn latest_revisions(&mut self, account: Uuid) -> Result<Vec<(Uuid, String)>, StoreError> {
        let sql = "SELECT r.id, r.revision FROM account_role a JOIN role r ON r.id = a.role_id WHERE a.account_id = $1";
        let rows = self.rows(sql, args![account]).await?;
        rows.iter().map(|row| Ok((row.uuid("id")?, row.text("revision")?))).collect()
    }

    /// Removes a role; copies stay in force (R6).
    pub async fn delete_role(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.write("DELETE FROM role WHERE id = $1", args![id]).await?;
        Ok(())
    }
}
