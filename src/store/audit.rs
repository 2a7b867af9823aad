//! The audit trail (R11): entries are appended in the transaction that they
//! tell about, and sealed into a chain afterwards. What a digest is, the
//! domain knows; who may seal at a time, this.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::sql::{Row, Sql, args};
use super::{Inner, StoreError, Tx};
use crate::domain::audit::{Actor, Head, Link, Record, Unsealed};
use crate::domain::object::ObjectKey;

/// A statement with the columns of an entry's content in it.
macro_rules! entries {
    ($($before:expr)+; $($after:expr)+) => {
        concat!(
            $($before,)+
            "e.id, e.appended, e.at, e.actor, e.actor_account, e.actor_tenant, e.account_id, e.action, e.kind, e.namespace, e.name, e.tenant_id, e.generation, e.before, e.after",
            $($after,)+
        )
    };
}
pub(super) use entries;

/// One entry to append. Personal values stand in it only as keyed digests.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Identifier.
    pub id: Uuid,
    /// On whose authority.
    pub actor: Actor,
    /// What was done.
    pub action: &'static str,
    /// To which object.
    pub key: Option<ObjectKey>,
    /// The account concerned, if one is.
    pub account: Option<Uuid>,
    /// In which tenant.
    pub tenant: Option<Uuid>,
    /// Generation of the object.
    pub generation: Option<i64>,
    /// State before.
    pub before: Option<serde_json::Value>,
    /// State after.
    pub after: Option<serde_json::Value>,
}

/// One of many objects that something happened to at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Among {
    /// Identifier of its entry.
    pub id: Uuid,
    /// The object.
    pub key: ObjectKey,
    /// The account that it stands for, if one.
    pub account: Option<Uuid>,
}

pub(super) fn record(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        id: row.uuid("id")?,
        appended: row.int("appended")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        actor_account: row.opt_uuid("actor_account")?,
        actor_tenant: row.opt_uuid("actor_tenant")?,
        account: row.opt_uuid("account_id")?,
        action: row.text("action")?,
        kind: row.opt_text("kind")?,
        namespace: row.opt_text("namespace")?,
        name: row.opt_text("name")?,
        tenant: row.opt_uuid("tenant_id")?,
        generation: row.opt_int("generation")?,
        before: row.opt_json("before")?,
        after: row.opt_json("after")?,
    })
}

impl Tx {
    /// Appends an entry.
    pub async fn audit(&mut self, e: &Entry) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "INSERT INTO audit (id, at, actor, actor_account, account_id, action, kind, namespace, name, tenant_id, generation, before, after, actor_tenant)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
        let key = e.key.as_ref();
        self.write(
            sql,
            args![
                e.id,
                now,
                &e.actor.name,
                e.actor.account,
                e.account,
                e.action,
                key.map(|k| k.kind.as_str()),
                key.map(|k| k.namespace.as_str()),
                key.map(|k| k.name.as_str()),
                e.tenant,
                e.generation,
                &e.before,
                &e.after,
                e.actor.tenant,
            ],
        )
        .await?;
        Ok(())
    }

    /// Appends one entry for each of many objects, in one statement: the same
    /// was done to all of them.
    pub async fn audit_among(
        &mut self,
        actor: &Actor,
        action: &'static str,
        tenant: Uuid,
        among: &[Among],
    ) -> Result<(), StoreError> {
        if among.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = among
            .iter()
            .map(|a| json!([a.id, a.account, a.key.kind.as_str(), a.key.namespace, a.key.name]))
            .collect();
        let sql = Sql {
            postgres: "INSERT INTO audit (id, at, actor, actor_account, account_id, action, kind, namespace, name, tenant_id, actor_tenant)
                SELECT (v->>0)::uuid, $1, $2, $3, (v->>1)::uuid, $4, v->>2, v->>3, v->>4, $5, $7 FROM jsonb_array_elements($6) WITH ORDINALITY AS e(v, n) ORDER BY n",
            sqlite: "INSERT INTO audit (id, at, actor, actor_account, account_id, action, kind, namespace, name, tenant_id, actor_tenant)
                SELECT value->>0, $1, $2, $3, value->>1, $4, value->>2, value->>3, value->>4, $5, $7 FROM json_each($6) ORDER BY key",
        };
        let now = self.now();
        self.write(sql, args![now, &actor.name, actor.account, action, tenant, json!(list), actor.tenant])
            .await?;
        Ok(())
    }

    /// Whether anything waits to be sealed.
    pub async fn any_unsealed(&mut self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM audit WHERE sequence IS NULL LIMIT 1";
        Ok(self.row(sql, args![]).await?.is_some())
    }

    /// Makes this transaction the only one that seals, until it ends; false if
    /// another one is. SQLite's write lock does the same.
    pub async fn become_sealer(&mut self) -> Result<bool, StoreError> {
        if let Inner::Sqlite(_) = self.inner {
            return Ok(true);
        }
        let sql =
            "SELECT pg_try_advisory_xact_lock(hashtextextended('tenantry audit sealer', 7302)) AS alone";
        self.one(sql, args![]).await?.bool("alone")
    }

    /// The record of the head of the chain. Text that is none counts as one
    /// that proves nothing.
    pub async fn trail_head(&mut self) -> Result<Option<Head>, StoreError> {
        Ok(self.setting("audit-head").await?.and_then(|text| text.parse().ok()))
    }

    /// Replaces the record of the head.
    pub async fn put_trail_head(&mut self, head: &Head) -> Result<(), StoreError> {
        let sql = "INSERT INTO setting (name, value) VALUES ('audit-head', $1)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.write(sql, args![head.to_string()]).await?;
        Ok(())
    }

    /// Place and digest of the last entry in the chain.
    pub async fn last_sealed(&mut self) -> Result<Option<(i64, String)>, StoreError> {
        let sql = "SELECT sequence, COALESCE(digest, '') AS digest FROM audit
            WHERE sequence IS NOT NULL ORDER BY sequence DESC LIMIT 1";
        self.row(sql, args![]).await?.map(|row| Ok((row.int("sequence")?, row.text("digest")?))).transpose()
    }

    /// The oldest entries that wait to be sealed and can be seen: those whose
    /// transactions have committed.
    pub async fn unsealed(&mut self, limit: i64) -> Result<Vec<Record>, StoreError> {
        let sql = entries!("SELECT "; " FROM audit e WHERE sequence IS NULL ORDER BY appended LIMIT $1");
        self.rows(sql, args![limit]).await?.iter().map(record).collect()
    }

    /// Gives entries their places in the chain: order of appending, place and
    /// digest of each.
    pub async fn put_seals(&mut self, seals: &[(i64, i64, String)]) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "UPDATE audit SET sequence = (s.v->>1)::bigint, digest = s.v->>2 FROM jsonb_array_elements($1) AS s(v)
                WHERE audit.appended = (s.v->>0)::bigint",
            sqlite: "UPDATE audit SET sequence = s.value->>1, digest = s.value->>2 FROM json_each($1) AS s
                WHERE audit.appended = s.value->>0",
        };
        self.write(sql, args![json!(seals)]).await?;
        Ok(())
    }

    /// One page of the chain, in order, after a place.
    pub async fn links(&mut self, after: Option<i64>, limit: i64) -> Result<Vec<Link>, StoreError> {
        let sql = entries!(
            "SELECT e.sequence, e.digest, ";
            " FROM audit e WHERE sequence IS NOT NULL AND (sequence > $1 OR $2) ORDER BY sequence LIMIT $3"
        );
        let rows = self.rows(sql, args![after.unwrap_or_default(), after.is_none(), limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(Link {
                    sequence: row.int("sequence")?,
                    digest: row.opt_text("digest")?.unwrap_or_default(),
                    // What cannot be read is for whoever proves the chain to tell.
                    record: record(row).ok(),
                })
            })
            .collect()
    }

    /// How much waits to be sealed, and since when.
    pub async fn count_unsealed(&mut self) -> Result<Unsealed, StoreError> {
        let row = self
            .one("SELECT count(*) AS n, MIN(at) AS since FROM audit WHERE sequence IS NULL", args![])
            .await?;
        let since: Option<Timestamp> = row.opt_time("since")?;
        Ok(Unsealed { count: row.int("n")?, since })
    }
}
