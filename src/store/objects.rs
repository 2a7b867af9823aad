//! The register of objects: what was judged, what each depends on, and whom
//! to wake. Wake-ups are rows, written in the transaction that makes them
//! necessary, so that none is lost and every process sees them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::{StoreError, Tx};
use crate::domain::object::{ObjectKey, Topic};

/// An object as it was last judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    /// Identifier in this database.
    pub id: Uuid,
    /// Its source.
    pub source: String,
    /// Kind, namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`; none for files.
    pub uid: Option<String>,
    /// Age of the object; decides conflicts.
    pub born: Timestamp,
    /// How many objects of its kind are above it: parents come first (R12).
    pub depth: i64,
    /// The root tenant of its tree as its source has it, `namespace/name`.
    pub tree: String,
    /// Its rows went when a tenant was removed with all it held (R9).
    pub cascaded: bool,
    /// The last generation judged.
    pub generation: i64,
    /// The generation in force; none while nothing is.
    pub applied_generation: Option<i64>,
    /// Last handled value of `resend-activation`.
    pub resend_value: Option<String>,
    /// Last handled value of `reassign-roles`.
    pub reassign_value: Option<String>,
    /// Conditions and status as last reported.
    pub verdict: serde_json::Value,
}

fn registered(row: &Row) -> Result<Registered, StoreError> {
    let kind = row.text("kind")?;
    Ok(Registered {
        id: row.uuid("id")?,
        source: row.text("source")?,
        key: ObjectKey {
            kind: kind.parse().map_err(|_| StoreError::Shape(format!("object of kind {kind}")))?,
            namespace: row.text("namespace")?,
            name: row.text("name")?,
        },
        uid: row.opt_text("uid")?,
        born: row.time("born")?,
        depth: row.int("depth")?,
        tree: row.text("tree")?,
        cascaded: row.bool("cascaded")?,
        generation: row.int("generation")?,
        applied_generation: row.opt_int("applied_generation")?,
        resend_value: row.opt_text("resend_value")?,
        reassign_value: row.opt_text("reassign_value")?,
        verdict: row.json("verdict")?,
    })
}

/// The place of a kind in the order of judging; the same as in [`crate::domain::object::Kind`].
macro_rules! rank {
    () => {
        "CASE o.kind WHEN 'Tenant' THEN 0 WHEN 'Role' THEN 1 WHEN 'SubAdmin' THEN 2 ELSE 3 END"
    };
}

/// Whom an object may have to let go first.
#[derive(Clone, Copy, Debug)]
pub enum Rivals<'a> {
    /// Everybody of the same tree.
    OfTree,
    /// Who waits for one of these.
    For(&'a [Topic]),
}

/// An object that is due to be judged again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// Which one.
    pub key: ObjectKey,
}

impl Tx {
    /// The register's entry for one object of a source.
    pub async fn object(&mut self, source: &str, key: &ObjectKey) -> Result<Option<Registered>, StoreError> {
        let sql = "SELECT id, source, kind, namespace, name, uid, born, depth, tree, cascaded, generation, applied_generation, resend_value, reassign_value, verdict FROM object WHERE source = $1 AND kind = $2 AND namespace = $3 AND name = $4";
        self.row(sql, args![source, key.kind.as_str(), &key.namespace, &key.name])
            .await?
            .map(|row| registered(&row))
            .transpose()
    }

    /// The source that an object comes from.
    pub async fn source_of(&mut self, object: Uuid) -> Result<Option<String>, StoreError> {
        let row = self.row("SELECT source FROM object WHERE id = $1", args![object]).await?;
        row.map(|row| row.text("source")).transpose()
    }

    /// Every object of a source, by kind, namespace and name.
    pub async fn objects(&mut self, source: &str) -> Result<Vec<Registered>, StoreError> {
        let sql = "SELECT id, source, kind, namespace, name, uid, born, depth, tree, cascaded, generation, applied_generation, resend_value, reassign_value, verdict FROM object WHERE source = $1 ORDER BY kind, namespace, name";
        let rows = self.rows(sql, args![source]).await?;
        rows.iter().map(registered).collect()
    }

    /// Adds or replaces an entry.
    pub async fn put_object(&mut self, o: &Registered) -> Result<(), StoreError> {
        let sql = "INSERT INTO object (id, source, kind, namespace, name, uid, born, generation, applied_generation, resend_value, reassign_value, verdict, depth, cascaded, tree)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, born = excluded.born, depth = excluded.depth, tree = excluded.tree,
                 cascaded = excluded.cascaded, generation = excluded.generation,
                 applied_generation = excluded.applied_generation, resend_value = excluded.resend_value,
                 reassign_value = excluded.reassign_value, verdict = excluded.verdict";
        self.write(
            sql,
            args![
                o.id,
                &o.source,
                o.key.kind.as_str(),
                &o.key.namespace,
                &o.key.name,
                &o.uid,
                o.born,
                o.generation,
                o.applied_generation,
                &o.resend_value,
                &o.reassign_value,
                &o.verdict,
                o.depth,
                o.cascaded,
                &o.tree,
            ],
        )
        .await?;
        Ok(())
    }

    /// Forgets an object; rows that it managed become unmanaged.
    pub async fn delete_object(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.write("DELETE FROM object WHERE id = $1", args![id]).await?;
        Ok(())
    }

    /// What an object depends on or waits for.
    pub async fn subscriptions(&mut self, object: Uuid) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT topic FROM subscription WHERE object_id = $1 ORDER BY topic";
        let rows = self.rows(sql, args![object]).await?;
        rows.iter().map(|row| row.text("topic")).collect()
    }

    /// Replaces what an object depends on or waits for.
    pub async fn put_subscriptions(&mut self, object: Uuid, topics: &[String]) -> Result<(), StoreError> {
        let list = json(&topics);
        let gone = Sql {
            postgres: "DELETE FROM subscription WHERE object_id = $1 AND topic NOT IN (SELECT jsonb_array_elements_text($2))",
            sqlite: "DELETE FROM subscription WHERE object_id = $1 AND topic NOT IN (SELECT value FROM json_each($2))",
        };
        self.write(gone, args![object, list.clone()]).await?;
        let new = Sql {
            postgres: "INSERT INTO subscription (topic, object_id) SELECT jsonb_array_elements_text($2), $1 ON CONFLICT DO NOTHING",
            sqlite: "INSERT INTO subscription (topic, object_id) SELECT value, $1 FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
        };
        self.write(new, args![object, list]).await?;
        Ok(())
    }

    /// Wakes everybody who subscribed to one of the topics, except the object
    /// that publishes them.
    pub async fn publish(
        &mut self,
        topics: &[Topic],
        publisher: Option<Uuid>,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        if topics.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = topics.iter().map(Topic::as_str).collect();
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT object_id, $3::timestamptz FROM subscription
                WHERE topic IN (SELECT jsonb_array_elements_text($1)) AND ($2::uuid IS NULL OR object_id <> $2)
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT object_id, $3 FROM subscription
                WHERE topic IN (SELECT value FROM json_each($1)) AND ($2 IS NULL OR object_id <> $2)
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![json(&list), publisher, due_at]).await?;
        Ok(())
    }

    /// Wakes one object.
    pub async fn wake(&mut self, object: Uuid, due_at: Timestamp) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at) VALUES ($1, $2) ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at) VALUES ($1, $2) ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![object, due_at]).await?;
        Ok(())
    }

    /// Wakes the objects of roles whose bearers have changed.
    pub async fn wake_roles(&mut self, roles: &BTreeSet<Uuid>, due_at: Timestamp) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT object_id, $2::timestamptz FROM role WHERE object_id IS NOT NULL AND id IN (SELECT jsonb_array_elements_text($1)::uuid)
                ON CONFLICT (object_id) DO NOTHING",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT object_id, $2 FROM role WHERE object_id IS NOT NULL AND id IN (SELECT value FROM json_each($1))
                ON CONFLICT (object_id) DO NOTHING",
        };
        self.write(sql, args![json(roles), due_at]).await?;
        Ok(())
    }

    /// Wakes the objects of a tenant and of everything above it, whose counts
    /// and quotas have changed.
    pub async fn wake_upwards(&mut self, tenants: &[Uuid], due_at: Timestamp) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT t.object_id, $2::timestamptz FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id
                WHERE t.object_id IS NOT NULL AND a.tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid)
                ON CONFLICT (object_id) DO NOTHING",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT t.object_id, $2 FROM tenant_ancestor a JOIN tenant t ON t.id = a.ancestor_id
                WHERE t.object_id IS NOT NULL AND a.tenant_id IN (SELECT value FROM json_each($1))
                ON CONFLICT (object_id) DO NOTHING",
        };
        self.write(sql, args![json(&tenants), due_at]).await?;
        Ok(())
    }

    /// Wakes an account's object and those of everybody above it in the
    /// managed-by tree, whose quotas have changed.
    pub async fn wake_managers(&mut self, accounts: &[Uuid], due_at: Timestamp) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT c.object_id, $2::timestamptz FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
                WHERE a.account_id IN (SELECT jsonb_array_elements_text($1)::uuid) AND c.object_id IS NOT NULL ON CONFLICT (object_id) DO NOTHING",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT c.object_id, $2 FROM account_ancestor a JOIN account c ON c.id = a.ancestor_id
                WHERE a.account_id IN (SELECT value FROM json_each($1)) AND c.object_id IS NOT NULL ON CONFLICT (object_id) DO NOTHING",
        };
        self.write(sql, args![json(&accounts), due_at]).await?;
        Ok(())
    }

    /// Wakes the accounts of a tenant that are called so, and its Root: who of
    /// them manages the subscription has changed.
    pub async fn wake_owners(
        &mut self,
        tenant: Uuid,
        names: &[&String],
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT object_id, $3::timestamptz FROM account
                WHERE tenant_id = $1 AND (tier = 'Root' OR name IN (SELECT jsonb_array_elements_text($2))) AND object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT object_id, $3 FROM account
                WHERE tenant_id = $1 AND (tier = 'Root' OR name IN (SELECT value FROM json_each($2))) AND object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![tenant, json(&names), due_at]).await?;
        Ok(())
    }

    /// Wakes the objects of everything in a tenant's subtree: it was enabled,
    /// disabled, moved or readmitted.
    pub async fn wake_downwards(&mut self, tenant: Uuid, due_at: Timestamp) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT object_id, $2::timestamptz FROM (
                    SELECT t.object_id FROM tenant_ancestor a JOIN tenant t ON t.id = a.tenant_id WHERE a.ancestor_id = $1
                    UNION SELECT c.object_id FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                    UNION SELECT r.object_id FROM tenant_ancestor a JOIN role r ON r.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                    UNION SELECT g.object_id FROM tenant_ancestor a JOIN device_grant g ON g.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                ) AS below WHERE object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT object_id, $2 FROM (
                    SELECT t.object_id FROM tenant_ancestor a JOIN tenant t ON t.id = a.tenant_id WHERE a.ancestor_id = $1
                    UNION SELECT c.object_id FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                    UNION SELECT r.object_id FROM tenant_ancestor a JOIN role r ON r.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                    UNION SELECT g.object_id FROM tenant_ancestor a JOIN device_grant g ON g.tenant_id = a.tenant_id WHERE a.ancestor_id = $1
                ) AS below WHERE object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![tenant, due_at]).await?;
        Ok(())
    }

    /// Whether an object ahead of `own` has been woken that may claim the same:
    /// a parent in its tree that is not in force yet, one of its own kind in its
    /// tree, or one that waits for one of these topics (R12).
    pub async fn woken_ahead(&mut self, own: &Registered, rivals: Rivals<'_>) -> Result<bool, StoreError> {
        macro_rules! woken_ahead {
            ($now:literal, $time:literal, $list:literal) => {
                concat!(
                    "SELECT 1 AS one FROM object o JOIN wakeup w ON w.object_id = o.id
                    WHERE o.source = $1 AND w.due_at <= ", $now, "
                      AND ((o.tree = $9 AND o.applied_generation IS NULL AND ", rank!(), " < $2)
                        OR (", rank!(), " = $2 AND (o.depth, o.born, o.namespace, o.name) < ($4, $5", $time, ", $6, $7)
                          AND (o.tree = $8 OR o.id IN (SELECT s.object_id FROM subscription s WHERE s.topic IN (", $list, "))))) LIMIT 1"
                )
            };
        }
        let now = self.now();
        let (same_tree, topics) = match rivals {
            Rivals::OfTree => (own.tree.as_str(), vec![]),
            Rivals::For(topics) => ("", topics.iter().map(Topic::as_str).collect()),
        };
        let sql = Sql {
            // Others may have committed while this one waited for its lock.
            postgres: woken_ahead!(
                "GREATEST($3::timestamptz, clock_timestamp())",
                "::timestamptz",
                "SELECT jsonb_array_elements_text($10)"
            ),
            sqlite: woken_ahead!("$3", "", "SELECT value FROM json_each($10)"),
        };
        let key = &own.key;
        let rank = key.kind as i64;
        let args = args![
            &own.source,
            rank,
            now,
            own.depth,
            own.born,
            &key.namespace,
            &key.name,
            same_tree,
            &own.tree,
            json(&topics)
        ];
        Ok(self.row(sql, args).await?.is_some())
    }

    /// Marks every object that has rows in the subtree of a tenant, other than
    /// the tenant's own: they go with it, and are not made again by themselves
    /// (R9).
    pub async fn mark_cascaded(&mut self, tenant: Uuid, except: Uuid) -> Result<(), StoreError> {
        let sql = "UPDATE object SET cascaded = $3, applied_generation = NULL WHERE id <> $2 AND id IN (
                SELECT t.object_id FROM tenant_ancestor a JOIN tenant t ON t.id = a.tenant_id WHERE a.ancestor_id = $1 AND t.object_id IS NOT NULL
                UNION SELECT c.object_id FROM tenant_ancestor a JOIN account c ON c.tenant_id = a.tenant_id WHERE a.ancestor_id = $1 AND c.object_id IS NOT NULL
                UNION SELECT r.object_id FROM tenant_ancestor a JOIN role r ON r.tenant_id = a.tenant_id WHERE a.ancestor_id = $1 AND r.object_id IS NOT NULL
                UNION SELECT g.object_id FROM tenant_ancestor a JOIN device_grant g ON g.tenant_id = a.tenant_id WHERE a.ancestor_id = $1 AND g.object_id IS NOT NULL)";
        self.write(sql, args![tenant, except, true]).await?;
        Ok(())
    }

    /// Takes up to `limit` due wake-ups of a source off the list, in the order
    /// of R12. `by` is the time up to which they count as due.
    pub async fn take_woken(
        &mut self,
        source: &str,
        by: Timestamp,
        limit: i64,
    ) -> Result<Vec<ObjectKey>, StoreError> {
        let due = concat!(
            "SELECT o.id, o.kind, o.namespace, o.name FROM wakeup w JOIN object o ON o.id = w.object_id
             WHERE o.source = $1 AND w.due_at <= $2 ORDER BY ",
            rank!(),
            ", o.depth, o.born, o.namespace, o.name LIMIT $3"
        );
        let rows = self.rows(due, args![source, by, limit]).await?;
        let mut ids = Vec::with_capacity(rows.len());
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            ids.push(row.uuid("id")?);
            let kind = row.text("kind")?;
            keys.push(ObjectKey {
                kind: kind.parse().map_err(|_| StoreError::Shape(format!("object of kind {kind}")))?,
                namespace: row.text("namespace")?,
                name: row.text("name")?,
            });
        }
        if !ids.is_empty() {
            let taken = Sql {
                postgres: "DELETE FROM wakeup WHERE object_id IN (SELECT jsonb_array_elements_text($1)::uuid)",
                sqlite: "DELETE FROM wakeup WHERE object_id IN (SELECT value FROM json_each($1))",
            };
            self.write(taken, args![json(&ids)]).await?;
        }
        Ok(keys)
    }

    /// Whether any wake-up of a source is due, without taking it.
    pub async fn any_woken(&mut self, source: &str, by: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM wakeup w JOIN object o ON o.id = w.object_id WHERE o.source = $1 AND w.due_at <= $2 LIMIT 1";
        Ok(self.row(sql, args![source, by]).await?.is_some())
    }

    /// Whether the object `other` waits for `key`, which is of the same kind,
    /// directly or through others that were never in force either: cycles of
    /// parents (R4) and of managers (R2).
    pub async fn waits_for(
        &mut self,
        source: &str,
        other: &ObjectKey,
        key: &ObjectKey,
    ) -> Result<bool, StoreError> {
        let sql = "WITH RECURSIVE waits (id, depth) AS (
                SELECT o.id, 0 FROM object o JOIN subscription s ON s.object_id = o.id
                    WHERE s.topic = $1 AND o.source = $2 AND o.kind = $5 AND o.applied_generation IS NULL
                UNION
                SELECT o.id, w.depth + 1 FROM waits w
                    JOIN object a ON a.id = w.id
                    JOIN subscription s ON s.topic = 'object/' || a.kind || '/' || a.namespace || '/' || a.name
                    JOIN object o ON o.id = s.object_id
                    WHERE o.source = $2 AND o.kind = $5 AND o.applied_generation IS NULL AND w.depth < 64)
            SELECT 1 AS one FROM waits w JOIN object o ON o.id = w.id WHERE o.namespace = $3 AND o.name = $4 LIMIT 1";
        let topic = Topic::object(key);
        Ok(self
            .row(sql, args![topic.as_str(), source, &other.namespace, &other.name, key.kind.as_str()])
            .await?
            .is_some())
    }

    /// A named fact about this database.
    pub async fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.row("SELECT value FROM setting WHERE name = $1", args![name])
            .await?
            .map(|row| row.text("value"))
            .transpose()
    }

    /// Records a fact about this database, unless it is recorded already.
    pub async fn put_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        self.write(sql, args![name, value]).await?;
        Ok(())
    }
}
