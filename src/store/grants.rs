//! Rows of grants: who receives, what became of each device, and the chains
//! that say who gave a device to whom.

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::grant::{Giver, Grant, Mode, Receiver, Selection};
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

/// How a grant looks for its devices.
#[derive(Clone, Debug)]
pub struct Search {
    /// The grant itself.
    pub grant: Uuid,
    /// Assign or Share.
    pub mode: Mode,
    /// The granting tenant.
    pub tenant: Uuid,
    /// The account on whose authority it gives.
    pub account: Option<Uuid>,
}

/// One device that a grant names or selects, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The device, or the id or unit id that no device has.
    pub id: String,
    /// Whether it is in the inventory and within the giver's reach.
    pub reachable: bool,
    /// Who gives it, for an Assign.
    pub giver: Option<Giver>,
    /// The giver's place in the device's chain.
    pub position: i64,
    /// The grant by which the giver has given it already.
    pub incumbent: Option<Incumbent>,
    /// The tenant that holds it now.
    pub holder_tenant: Option<Uuid>,
    /// The account that holds it now.
    pub holder_account: Option<Uuid>,
}

/// An Assign that stands where another one wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incumbent {
    /// The grant.
    pub grant: Uuid,
    /// Age of its claim.
    pub born: Timestamp,
    /// Namespace of its object.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What became of one device of a grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Mark {
    /// The device.
    pub id: String,
    /// `applied`, `pending`, `refused` or `waiting`.
    pub state: String,
    /// Why it is not applied.
    pub why: Option<String>,
}

/// One link of a device's chain that an Assign adds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Link {
    /// The device.
    pub id: String,
    /// Place in the chain.
    pub position: i64,
    /// The tenant that gives, or whose account does.
    pub giver_tenant: Uuid,
    /// The account that gives.
    pub giver_account: Option<Uuid>,
}

fn candidate(row: &Row, search: &Search) -> Result<Candidate, StoreError> {
    let account_position = row.opt_int("account_position")?;
    let tenant_position = row.opt_int("tenant_position")?;
    let giver = match (account_position, tenant_position) {
        (Some(_), _) => search.account.map(Giver::Account),
        (None, Some(_)) => Some(Giver::Tenant(search.tenant)),
        (None, None) => None,
    };
    let incumbent = match row.opt_uuid("incumbent")? {
        None => None,
        Some(grant) => Some(Incumbent {
            grant,
            born: row.time("incumbent_born")?,
            namespace: row.text("incumbent_namespace")?,
            name: row.text("incumbent_name")?,
        }),
    };
    Ok(Candidate {
        id: row.text("id")?,
        reachable: match search.mode {
            Mode::Assign => giver.is_some(),
            Mode::Share => row.bool("within")?,
        },
        giver,
        position: account_position.or(tenant_position).unwrap_or_default(),
        incumbent,
        holder_tenant: row.opt_uuid("holder_tenant")?,
        holder_account: row.opt_uuid("holder_account")?,
    })
}

// A candidate's facts, shared by both ways of finding candidates: where the
// giver sits in the device's chain, who has been given it from there, and
// whether its holder lies in the granting tenant's subtree.
// $1 the granting tenant, $2 the giving account or null.
macro_rules! facts {
    ($null:literal, $yes:literal, $no:literal, $from:literal) => {
        concat!(
            "SELECT f.*, i.grant_id AS incumbent, g.born AS incumbent_born, g.namespace AS incumbent_namespace, g.name AS incumbent_name FROM (
               SELECT r.id, d.id AS device, d.holder_tenant, d.holder_account,
                 CASE WHEN d.home_tenant = $1 THEN 0 ELSE (SELECT MAX(x.position) + 1 FROM device_assignment x
                    WHERE x.device_id = d.id AND x.receiver_tenant = $1 AND x.receiver_account IS NULL) END AS tenant_position,
                 (SELECT MAX(x.position) + 1 FROM device_assignment x WHERE x.device_id = d.id AND x.receiver_account = ", $null, ") AS account_position,
                 CASE WHEN EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = d.holder_tenant AND a.ancestor_id = $1) THEN ", $yes, " ELSE ", $no, " END AS within
               FROM (", $from, ") AS r LEFT JOIN device d ON d.id = r.id
             ) AS f
             LEFT JOIN device_assignment i ON i.device_id = f.device AND i.position = COALESCE(f.account_position, f.tenant_position)
             LEFT JOIN device_grant g ON g.id = i.grant_id
             ORDER BY f.id"
        )
    };
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
            ON CONFLICT (id) DO UPDATE SET object_id = excluded.object_id, namespace = excluded.namespace, project = excluded.project,
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

    /// One page of the devices that a grant selects by label or by `all`,
    /// after `after` in order of id. Exact labels are matched here;
    /// the caller checks set-based requirements.
    pub async fn selected_devices(
        &mut self,
        search: &Search,
        selection: &Selection,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, std::collections::BTreeMap<String, String>)>, StoreError> {
        let labels = selection.selector.as_ref().map(|s| &s.labels);
        let labels = json(&labels.cloned().unwrap_or_default());
        // For an Assign: what the giver holds or has given. For a Share: what
        // is held within the granting tenant's subtree.
        let sql = Sql {
            postgres: "SELECT d.id, d.labels FROM device d WHERE d.id > $4
                AND ($6 OR d.labels @> $3)
                AND CASE WHEN $5 = 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = d.holder_tenant AND a.ancestor_id = $1)
                    ELSE d.home_tenant = $1 OR EXISTS (SELECT 1 FROM device_assignment x WHERE x.device_id = d.id
                        AND ((x.receiver_tenant = $1 AND x.receiver_account IS NULL) OR x.receiver_account = $2::uuid)) END
                ORDER BY d.id LIMIT $7",
            sqlite: "SELECT d.id, d.labels FROM device d WHERE d.id > $4
                AND ($6 OR NOT EXISTS (SELECT 1 FROM json_each($3) w WHERE NOT EXISTS (SELECT 1 FROM device_label l WHERE l.device_id = d.id AND l.name = w.key AND l.value = w.value)))
                AND CASE WHEN $5 = 'Share' THEN EXISTS (SELECT 1 FROM tenant_ancestor a WHERE a.tenant_id = d.holder_tenant AND a.ancestor_id = $1)
                    ELSE d.home_tenant = $1 OR EXISTS (SELECT 1 FROM device_assignment x WHERE x.device_id = d.id
                        AND ((x.receiver_tenant = $1 AND x.receiver_account IS NULL) OR x.receiver_account = $2)) END
                ORDER BY d.id LIMIT $7",
        };
        let rows = self
            .rows(
                sql,
                args![
                    search.tenant,
                    search.account,
                    labels,
                    after,
                    search.mode.as_str(),
                    selection.all,
                    limit
                ],
            )
            .await?;
        rows.iter().map(|row| Ok((row.text("id")?, row.json("labels")?))).collect()
    }

    /// The facts about each named device, in order of id.
    pub async fn candidates(&mut self, search: &Search, ids: &[&str]) -> Result<Vec<Candidate>, StoreError> {
        let sql = Sql {
            postgres: facts!(
                "$2::uuid",
                "true",
                "false",
                "SELECT DISTINCT jsonb_array_elements_text($3) COLLATE \"C\" AS id"
            ),
            sqlite: facts!("$2", "1", "0", "SELECT DISTINCT value AS id FROM json_each($3)"),
        };
        let rows = self.rows(sql, args![search.tenant, search.account, json(&ids)]).await?;
        rows.iter().map(|row| candidate(row, search)).collect()
    }

    /// Which devices have these unit ids; a unit id that no device has is left out.
    pub async fn devices_of_units(&mut self, units: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        let sql = Sql {
            postgres: "SELECT id, unit_id FROM device WHERE unit_id IN (SELECT jsonb_array_elements_text($1)) ORDER BY id",
            sqlite: "SELECT id, unit_id FROM device WHERE unit_id IN (SELECT value FROM json_each($1)) ORDER BY id",
        };
        let rows = self.rows(sql, args![json(&units)]).await?;
        rows.iter().map(|row| Ok((row.text("unit_id")?, row.text("id")?))).collect()
    }

    /// What became of each device of a grant, as last written.
    pub async fn marks(&mut self, grant: Uuid) -> Result<Vec<Mark>, StoreError> {
        let sql = "SELECT device_id, state, why FROM grant_device WHERE grant_id = $1 ORDER BY device_id";
        let rows = self.rows(sql, args![grant]).await?;
        rows.iter()
            .map(|row| {
                Ok(Mark { id: row.text("device_id")?, state: row.text("state")?, why: row.opt_text("why")? })
            })
            .collect()
    }

    /// Writes what became of some devices of a grant, and forgets others.
    pub async fn put_marks(
        &mut self,
        grant: Uuid,
        changed: &[Mark],
        gone: &[&str],
    ) -> Result<(), StoreError> {
        if !gone.is_empty() {
            let sql = Sql {
                postgres: "DELETE FROM grant_device WHERE grant_id = $1 AND device_id IN (SELECT jsonb_array_elements_text($2))",
                sqlite: "DELETE FROM grant_device WHERE grant_id = $1 AND device_id IN (SELECT value FROM json_each($2))",
            };
            self.write(sql, args![grant, json(&gone)]).await?;
        }
        if !changed.is_empty() {
            let sql = Sql {
                postgres: "INSERT INTO grant_device (grant_id, device_id, state, why)
                    SELECT $1, value->>'id', value->>'state', value->>'why' FROM jsonb_array_elements($2)
                    ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why",
                sqlite: "INSERT INTO grant_device (grant_id, device_id, state, why)
                    SELECT $1, value->>'id', value->>'state', value->>'why' FROM json_each($2) WHERE true
                    ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why",
            };
            self.write(sql, args![grant, json(&changed)]).await?;
        }
        Ok(())
    }

    /// Devices that a grant has given, in order of id.
    pub async fn given_devices(&mut self, grant: Uuid) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT device_id FROM device_assignment WHERE grant_id = $1 ORDER BY device_id";
        let rows = self.rows(sql, args![grant]).await?;
        rows.iter().map(|row| row.text("device_id")).collect()
    }

    /// Ends what was given from a position of each chain on: the link itself
    /// and everything that its receiver handed on.
    pub async fn cut_chains(&mut self, cuts: &[(String, i64)]) -> Result<(), StoreError> {
        if cuts.is_empty() {
            return Ok(());
        }
        let sql = Sql {
            postgres: "DELETE FROM device_assignment a USING jsonb_array_elements($1) c
                WHERE a.device_id = c.value->>0 AND a.position >= (c.value->>1)::bigint",
            sqlite: "DELETE FROM device_assignment WHERE rowid IN (
                SELECT a.rowid FROM json_each($1) c JOIN device_assignment a ON a.device_id = c.value->>0 AND a.position >= c.value->>1)",
        };
        self.write(sql, args![json(&cuts)]).await?;
        Ok(())
    }

    /// Positions of a grant's links in the chains of these devices.
    pub async fn link_positions(
        &mut self,
        grant: Uuid,
        ids: &[&str],
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = Sql {
            postgres: "SELECT device_id, position FROM device_assignment WHERE grant_id = $1 AND device_id IN (SELECT jsonb_array_elements_text($2))",
            sqlite: "SELECT device_id, position FROM device_assignment WHERE grant_id = $1 AND device_id IN (SELECT value FROM json_each($2))",
        };
        let rows = self.rows(sql, args![grant, json(&ids)]).await?;
        rows.iter().map(|row| Ok((row.text("device_id")?, row.int("position")?))).collect()
    }

    /// Adds links to the chains of devices: the receiver now holds them.
    pub async fn add_links(
        &mut self,
        grant: Uuid,
        links: &[Link],
        receiver_tenant: Uuid,
        receiver_account: Option<Uuid>,
    ) -> Result<(), StoreError> {
        if links.is_empty() {
            return Ok(());
        }
        let sql = Sql {
            postgres: "INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
                SELECT value->>'id', (value->>'position')::bigint, $1, (value->>'giver_tenant')::uuid, (value->>'giver_account')::uuid, $3, $4
                FROM jsonb_array_elements($2)",
            sqlite: "INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
                SELECT value->>'id', value->>'position', $1, value->>'giver_tenant', value->>'giver_account', $3, $4
                FROM json_each($2)",
        };
        self.write(sql, args![grant, json(&links), receiver_tenant, receiver_account]).await?;
        Ok(())
    }

    /// Sets who holds each of these devices to what the end of its chain says.
    pub async fn settle_holders(&mut self, ids: &[&str]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let sql = Sql {
            postgres: "UPDATE device d SET holder_tenant = COALESCE(e.receiver_tenant, d.home_tenant), holder_account = e.receiver_account
                FROM jsonb_array_elements_text($1) AS w(id)
                LEFT JOIN LATERAL (SELECT receiver_tenant, receiver_account FROM device_assignment a WHERE a.device_id = w.id ORDER BY position DESC LIMIT 1) e ON true
                WHERE d.id = w.id
                  AND (d.holder_tenant, d.holder_account) IS DISTINCT FROM (COALESCE(e.receiver_tenant, d.home_tenant), e.receiver_account)",
            sqlite: "UPDATE device SET
                  holder_tenant = COALESCE((SELECT receiver_tenant FROM device_assignment a WHERE a.device_id = device.id ORDER BY position DESC LIMIT 1), home_tenant),
                  holder_account = (SELECT receiver_account FROM device_assignment a WHERE a.device_id = device.id ORDER BY position DESC LIMIT 1)
                WHERE id IN (SELECT value FROM json_each($1))",
        };
        self.write(sql, args![json(&ids)]).await?;
        Ok(())
    }

    /// Wakes every other grant that names or selects one of these devices:
    /// who holds them has changed, or they are new.
    pub async fn wake_grants_about(&mut self, ids: &[&str], except: Option<Uuid>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at) SELECT DISTINCT g.object_id, $2::timestamptz FROM grant_device m JOIN device_grant g ON g.id = m.grant_id
                WHERE m.device_id IN (SELECT jsonb_array_elements_text($1)) AND g.object_id IS NOT NULL AND ($3::uuid IS NULL OR g.id <> $3)
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT DISTINCT g.object_id, $2 FROM grant_device m JOIN device_grant g ON g.id = m.grant_id
                WHERE m.device_id IN (SELECT value FROM json_each($1)) AND g.object_id IS NOT NULL AND ($3 IS NULL OR g.id <> $3)
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![json(&ids), now, except]).await?;
        Ok(())
    }

    /// Removes a grant with everything that it gave.
    pub async fn delete_grant(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.write("DELETE FROM device_grant WHERE id = $1", args![id]).await?;
        Ok(())
    }

    /// Leaves a grant's row behind, unmanaged: what it gave is retained.
    pub async fn retire_grant(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.write("UPDATE device_grant SET object_id = NULL WHERE id = $1", args![id]).await?;
        Ok(())
    }

    /// Ends everything that an account was given or has given: cuts each chain
    /// where it first appears. The devices concerned, in order of id.
    pub async fn release_devices_of(&mut self, account: Uuid) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT device_id, MIN(position) AS position FROM device_assignment WHERE receiver_account = $1 OR giver_account = $1 GROUP BY device_id ORDER BY device_id";
        let rows = self.rows(sql, args![account]).await?;
        let cuts: Vec<(String, i64)> = rows
            .iter()
            .map(|row| Ok((row.text("device_id")?, row.int("position")?)))
            .collect::<Result<_, StoreError>>()?;
        self.cut_chains(&cuts).await?;
        Ok(cuts.into_iter().map(|(id, _)| id).collect())
    }
}
