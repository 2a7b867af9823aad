//! The chains that say who gave a device to whom, link by link from its home,
//! and what they come to: who holds it now. Called by the engine's passes over
//! grants and by the removal of accounts.

use uuid::Uuid;

use super::sql::{Sql, args, json};
use super::{StoreError, Tx};

/// Links read and written at a time.
pub const PAGE: i64 = 10_000;

/// A place in the chain of a device: its id and the position.
pub type Cut = (String, i64);

/// Where devices have gone or come from: whoever waits for room or devices
/// there is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Tenants.
    pub tenants: Vec<Uuid>,
    /// Accounts.
    pub accounts: Vec<Uuid>,
}

impl Tx {
    /// Ends what was given from a position of each chain on, the link itself
    /// and everything that its receiver handed on; who holds each device is
    /// what the rest of its chain says. Where the devices were.
    pub async fn cut_chains(&mut self, cuts: &[Cut]) -> Result<Places, StoreError> {
        if cuts.is_empty() {
            return Ok(Places::default());
        }
        let left = Sql {
            postgres:
                "SELECT DISTINCT a.receiver_tenant, a.receiver_account FROM jsonb_array_elements($1) c
                JOIN device_assignment a ON a.device_id = c.value->>0 AND a.position >= (c.value->>1)::bigint",
            sqlite: "SELECT DISTINCT a.receiver_tenant, a.receiver_account FROM json_each($1) c
                JOIN device_assignment a ON a.device_id = c.value->>0 AND a.position >= c.value->>1",
        };
        let cuts_json = json(&cuts);
        let mut places = Places::default();
        for row in self.rows(left, args![cuts_json.clone()]).await? {
            places.tenants.push(row.uuid("receiver_tenant")?);
            places.accounts.extend(row.opt_uuid("receiver_account")?);
        }
        let sql = Sql {
            postgres: "DELETE FROM device_assignment a USING jsonb_array_elements($1) c
                WHERE a.device_id = c.value->>0 AND a.position >= (c.value->>1)::bigint",
            sqlite: "DELETE FROM device_assignment WHERE (device_id, position) IN (
                SELECT a.device_id, a.position FROM json_each($1) c JOIN device_assignment a ON a.device_id = c.value->>0 AND a.position >= c.value->>1)",
        };
        self.write(sql, args![cuts_json]).await?;
        let ids: Vec<&str> = cuts.iter().map(|(id, _)| id.as_str()).collect();
        self.settle_holders(&ids).await?;
        Ok(places)
    }

    /// Sets who holds each of these devices to what the end of its chain says.
    async fn settle_holders(&mut self, ids: &[&str]) -> Result<(), StoreError> {
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

    /// Puts back who holds the devices of an Assign where somebody changed that
    /// past their chains (R10); how many there were.
    pub async fn restore_holders(&mut self, grant: Uuid) -> Result<u64, StoreError> {
        let sql = "UPDATE device SET holder_tenant = e.receiver_tenant, holder_account = e.receiver_account
            FROM (SELECT m.device_id, a.receiver_tenant, a.receiver_account FROM grant_device m
                JOIN device_assignment a ON a.device_id = m.device_id AND a.position = (SELECT MAX(b.position) FROM device_assignment b WHERE b.device_id = m.device_id)
                WHERE m.grant_id = $1 AND m.state = 'applied') AS e
            WHERE device.id = e.device_id AND (device.holder_tenant IS DISTINCT FROM e.receiver_tenant OR device.holder_account IS DISTINCT FROM e.receiver_account)";
        self.write(sql, args![grant]).await
    }

    /// The next links of a grant, after `after` in order of id.
    pub async fn links_of(&mut self, grant: Uuid, after: &str) -> Result<Vec<Cut>, StoreError> {
        let sql = "SELECT a.device_id, a.position FROM grant_device m JOIN device_assignment a ON a.device_id = m.device_id AND a.grant_id = m.grant_id
            WHERE m.grant_id = $1 AND m.device_id > $2 ORDER BY m.device_id LIMIT $3";
        let rows = self.rows(sql, args![grant, after, PAGE]).await?;
        rows.iter().map(|row| Ok((row.text("device_id")?, row.int("position")?))).collect()
    }

    /// The last links of a grant by order of id, `devices` of them at most;
    /// `by_tenant`: only those that the tenant itself gave.
    pub async fn last_links_of(
        &mut self,
        grant: Uuid,
        by_tenant: bool,
        devices: i64,
    ) -> Result<Vec<Cut>, StoreError> {
        let sql = "SELECT a.device_id, a.position FROM grant_device m JOIN device_assignment a ON a.device_id = m.device_id AND a.grant_id = m.grant_id
            WHERE m.grant_id = $1 AND (a.giver_account IS NULL OR $2 = 0) ORDER BY m.device_id DESC LIMIT $3";
        let rows = self.rows(sql, args![grant, i64::from(by_tenant), devices.min(PAGE)]).await?;
        rows.iter().map(|row| Ok((row.text("device_id")?, row.int("position")?))).collect()
    }

    /// Links of a grant outlast it: their receivers keep the devices.
    pub async fn keep_links(&mut self, cuts: &[Cut]) -> Result<(), StoreError> {
        let sql = Sql {
            postgres: "UPDATE device_assignment a SET grant_id = NULL FROM jsonb_array_elements($1) c
                WHERE a.device_id = c.value->>0 AND a.position = (c.value->>1)::bigint",
            sqlite: "UPDATE device_assignment SET grant_id = NULL WHERE (device_id, position) IN (SELECT c.value->>0, c.value->>1 FROM json_each($1) c)",
        };
        self.write(sql, args![json(&cuts)]).await?;
        Ok(())
    }

    /// Ends everything that an account was given, before it goes: by `reclaim`
    /// the devices return to whoever gave them, or stay in its tenant. What it
    /// handed on ends either way. Wakes the grants concerned; how many devices
    /// there were, and where.
    pub async fn release_devices_of(&mut self, account: Uuid) -> Result<(usize, Places), StoreError> {
        let next = "SELECT a.device_id, a.position, g.reclaim FROM device_assignment a LEFT JOIN device_grant g ON g.id = a.grant_id
            WHERE a.receiver_account = $1 ORDER BY a.device_id, a.position DESC LIMIT $2";
        let stay = Sql {
            postgres: "UPDATE device_assignment a SET receiver_account = NULL, grant_id = NULL FROM jsonb_array_elements($1) c
                WHERE a.device_id = c.value->>0 AND a.position = (c.value->>1)::bigint",
            sqlite: "UPDATE device_assignment SET receiver_account = NULL, grant_id = NULL WHERE (device_id, position) IN (SELECT c.value->>0, c.value->>1 FROM json_each($1) c)",
        };
        let (mut devices, mut places) = (0, Places::default());
        loop {
            let rows = self.rows(next, args![account, PAGE]).await?;
            if rows.is_empty() {
                return Ok((devices, places));
            }
            devices += rows.len();
            let (mut cuts, mut kept) = (vec![], vec![]);
            for row in &rows {
                let (id, position) = (row.text("device_id")?, row.int("position")?);
                match row.opt_text("reclaim")?.as_deref() {
                    Some("ReturnToGrantor") => cuts.push((id, position)),
                    // A grant that has ended let it keep the device.
                    _ => {
                        cuts.push((id.clone(), position + 1));
                        kept.push((id, position));
                    }
                }
            }
            let ids: Vec<&str> = cuts.iter().map(|(id, _)| id.as_str()).collect();
            self.wake_grants_about(&ids, None).await?;
            if !kept.is_empty() {
                self.write(stay, args![json(&kept)]).await?;
            }
            let left = self.cut_chains(&cuts).await?;
            places.tenants.extend(left.tenants);
            places.accounts.extend(left.accounts);
        }
    }

    /// Wakes whoever waits for room or for devices in these places or above
    /// them, but for one object.
    pub async fn wake_around(&mut self, places: &Places, except: Option<Uuid>) -> Result<(), StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT s.object_id, $3::timestamptz FROM subscription s JOIN (
                    SELECT 'room/tenant/' || a.ancestor_id::text AS topic FROM tenant_ancestor a WHERE a.tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid)
                    UNION SELECT 'devices/' || a.ancestor_id::text FROM tenant_ancestor a WHERE a.tenant_id IN (SELECT jsonb_array_elements_text($1)::uuid)
                    UNION SELECT 'room/account/' || a.ancestor_id::text FROM account_ancestor a WHERE a.account_id IN (SELECT jsonb_array_elements_text($2)::uuid)
                ) AS t ON t.topic = s.topic WHERE ($4::uuid IS NULL OR s.object_id <> $4)
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at)
                SELECT DISTINCT s.object_id, $3 FROM subscription s JOIN (
                    SELECT 'room/tenant/' || a.ancestor_id AS topic FROM tenant_ancestor a WHERE a.tenant_id IN (SELECT value FROM json_each($1))
                    UNION SELECT 'devices/' || a.ancestor_id FROM tenant_ancestor a WHERE a.tenant_id IN (SELECT value FROM json_each($1))
                    UNION SELECT 'room/account/' || a.ancestor_id FROM account_ancestor a WHERE a.account_id IN (SELECT value FROM json_each($2))
                ) AS t ON t.topic = s.topic WHERE ($4 IS NULL OR s.object_id <> $4)
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![json(&places.tenants), json(&places.accounts), now, except]).await?;
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

    /// Wakes every other grant that names or selects a device of this one.
    pub async fn wake_rivals(&mut self, grant: Uuid) -> Result<(), StoreError> {
        let now = self.now();
        let sql = Sql {
            postgres: "INSERT INTO wakeup (object_id, due_at) SELECT DISTINCT g.object_id, $2::timestamptz FROM grant_device mine
                JOIN grant_device other ON other.device_id = mine.device_id AND other.grant_id <> mine.grant_id JOIN device_grant g ON g.id = other.grant_id
                WHERE mine.grant_id = $1 AND g.object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = LEAST(wakeup.due_at, excluded.due_at)",
            sqlite: "INSERT INTO wakeup (object_id, due_at) SELECT DISTINCT g.object_id, $2 FROM grant_device mine
                JOIN grant_device other ON other.device_id = mine.device_id AND other.grant_id <> mine.grant_id JOIN device_grant g ON g.id = other.grant_id
                WHERE mine.grant_id = $1 AND g.object_id IS NOT NULL
                ON CONFLICT (object_id) DO UPDATE SET due_at = MIN(wakeup.due_at, excluded.due_at)",
        };
        self.write(sql, args![grant, now]).await?;
        Ok(())
    }
}
