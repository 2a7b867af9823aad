//! What becomes of the devices of a grant: the facts about each, told for all
//! devices of the same standing at once, and what was decided, written for all
//! of them in one statement. However many devices a grant has, only standings
//! travel. Called by the engine's pass over a grant.

mod standing;

use jiff::Timestamp;
use uuid::Uuid;

use super::sql::{Row, Sql, args, json};
use super::tenants::word;
use super::{StoreError, Tx};
use crate::domain::authority::{Received, Sight};
use crate::domain::grant::devices::{Claim, Holder, Own, Place, Standing, State};
use crate::domain::grant::{Grant, Mode, Receiver, Selection};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::tenant::{Operator, Requirement};
use standing::{keyed, search_args};

/// Devices read at a time where each is looked at.
const PAGE: i64 = 10_000;

/// How a grant looks for its devices.
#[derive(Clone, Debug)]
pub struct Search {
    grant: Uuid,
    tenant: Uuid,
    account: Option<Uuid>,
    ids: serde_json::Value,
    units: serde_json::Value,
    has_units: bool,
    requirements: serde_json::Value,
    selects: bool,
    mode: &'static str,
    holders: bool,
    narrow: bool,
    only_below: bool,
    its_tenant: Option<Uuid>,
    groups: serde_json::Value,
    roles: serde_json::Value,
    tenants: serde_json::Value,
    source: String,
    now: Timestamp,
}

impl Search {
    /// How `grant` looks; times are compared with `now`.
    pub fn new(grant: &Grant, now: Timestamp) -> Self {
        Self::of(grant.id, grant.tenant, grant.managed_by, grant.mode, &grant.selection, now)
    }

    /// How a grant of a tenant looks that an account gives, if one does.
    pub fn of(
        grant: Uuid,
        tenant: Uuid,
        account: Option<Uuid>,
        mode: Mode,
        selection: &Selection,
        now: Timestamp,
    ) -> Self {
        let requirements: Vec<Requirement> = match &selection.selector {
            Some(selector) if !selection.all => {
                let exact = selector.labels.iter().map(|(key, value)| Requirement {
                    key: key.clone(),
                    operator: Operator::In,
                    values: vec![value.clone()],
                });
                exact.chain(selector.expressions.iter().cloned()).collect()
            }
            _ => vec![],
        };
        // Absent values are an empty list for the statement.
        let requirements = requirements.into_iter().map(|Requirement { key, operator, values }| {
            serde_json::json!({"key": key, "operator": operator, "values": values})
        });
        let nothing = serde_json::Value::Array(vec![]);
        Self {
            grant,
            tenant,
            account,
            ids: json(&selection.device_ids),
            units: json(&selection.unit_ids),
            has_units: !selection.unit_ids.is_empty(),
            requirements: requirements.collect(),
            selects: selection.all || selection.selector.is_some(),
            mode: mode.as_str(),
            holders: false,
            narrow: false,
            only_below: false,
            its_tenant: None,
            groups: nothing.clone(),
            roles: nothing.clone(),
            tenants: nothing,
            source: String::new(),
            now,
        }
    }

    /// The giver sees no more than this; `source` resolves what its scope names.
    #[must_use]
    pub fn seen_by(mut self, sight: &Sight, source: &str) -> Self {
        let scope = sight.scope.clone().unwrap_or_default();
        self.narrow = true;
        self.only_below = sight.only_below;
        self.its_tenant = Some(sight.tenant);
        self.groups = json(&scope.groups);
        self.roles = json(&scope.roles);
        self.tenants = json(&scope.tenants);
        source.clone_into(&mut self.source);
        self
    }

    /// Whether devices are named by their ids and in no other way.
    pub const fn is_by_id(&self) -> bool {
        !self.selects && !self.has_units
    }

    /// It matters who holds each device: a limit binds the receiver.
    #[must_use]
    pub const fn by_holder(mut self) -> Self {
        self.holders = true;
        self
    }
}

/// Devices of the same standing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Names the standing in the statements of one pass.
    pub key: String,
    /// How many there are.
    pub devices: i64,
    /// What is true of each.
    pub standing: Standing,
    /// Whether the account gives them, and not the tenant.
    account_gives: bool,
    /// Where a link of the grant stands in the chain of each, or would.
    position: i64,
}

fn seen(row: &Row) -> Result<Seen, StoreError> {
    let key = row.text("key")?;
    let shape = || StoreError::Shape(format!("the standing {key}"));
    let id = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| shape()),
    };
    let parts: Vec<&str> = key.split(',').collect();
    let [mark, reachable, own, place, tenant, account] = parts.as_slice() else {
        return Err(shape());
    };
    let giver = reachable.chars().next().ok_or_else(shape)?;
    let position = reachable[1..].parse().map_err(|_| shape())?;
    let mark: Option<State> = match *mark {
        "" => None,
        text => Some(word("state", text.to_owned())?),
    };
    let standing = Standing {
        mark,
        reachable: giver != 'n',
        own: match *own {
            "absent" => Own::Absent,
            "here" => Own::InPlace,
            _ => Own::Misplaced,
        },
        place: match *place {
            "free" => Place::Free,
            "ended" => Place::Ended,
            other => match other.strip_prefix("fed:") {
                Some(grant) => Place::Fed(grant.parse().map_err(|_| shape())?),
                None => Place::Taken(other.parse().map_err(|_| shape())?),
            },
        },
        holder: Holder { tenant: id(tenant)?, account: id(account)? },
    };
    Ok(Seen { devices: row.int("n")?, standing, account_gives: giver == 'a', position, key })
}

/// What devices of one standing are from now on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mark {
    /// The standing.
    pub key: String,
    /// What they are.
    pub state: State,
    /// Why they are not applied.
    pub why: Option<&'static str>,
    /// Only devices with a higher id; empty: all of them.
    pub after: String,
}

/// Devices of one standing that are given.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Given {
    /// The standing.
    pub key: String,
    /// Only devices up to this id; none: all of them.
    pub until: Option<String>,
}

impl Tx {
    /// The devices that a grant names or selects, by their standing.
    pub async fn standings(&mut self, search: &Search) -> Result<Vec<Seen>, StoreError> {
        let sql = keyed!("SELECT key, count(*) AS n FROM keyed GROUP BY key ORDER BY key");
        let rows = self.rows(sql, search_args![search]).await?;
        rows.iter().map(seen).collect()
    }

    /// What the account that gives was given these devices with: the rules of
    /// each Assign to it that is about some of them, and whether there are
    /// others within its reach. Where nothing is selected yet, any Assign to it
    /// may turn out to be about what is.
    pub async fn received(&mut self, search: &Search) -> Result<Received, StoreError> {
        let sql = keyed!(
            ", mine AS (SELECT g.id, g.permissions, o.namespace, o.name FROM grant_receiver r
                JOIN device_grant g ON g.id = r.grant_id AND g.mode = 'Assign' AND g.id <> $1 JOIN object o ON o.id = g.object_id WHERE r.account_id = $3
            ), reached AS (SELECT k.id, EXISTS (
                    SELECT 1 FROM mine JOIN grant_device m ON m.grant_id = mine.id WHERE m.device_id = k.id AND m.state <> 'idle') AS given
                FROM keyed k WHERE k.reachable
            )
            SELECT mine.permissions, mine.namespace, mine.name FROM mine WHERE EXISTS (
                    SELECT 1 FROM grant_device m JOIN keyed k ON k.id = m.device_id WHERE m.grant_id = mine.id AND m.state <> 'idle')
                OR ($18 AND NOT EXISTS (SELECT 1 FROM reached))
            UNION ALL SELECT NULL, NULL, NULL WHERE EXISTS (SELECT 1 FROM reached WHERE NOT given) ORDER BY 2, 3"
        );
        let open = search.selects || search.has_units;
        let mut received = Received::default();
        for row in self.rows(sql, search_args![search, open]).await? {
            match (row.opt_text("namespace")?, row.opt_text("name")?) {
                (Some(namespace), Some(name)) => {
                    let key = ObjectKey::new(Kind::DeviceGrant, namespace, name);
                    received.by.push((key, row.json("permissions")?));
                }
                _ => received.others = true,
            }
        }
        Ok(received)
    }

    /// How many devices of a grant are marked.
    pub async fn marked_devices(&mut self, grant: Uuid) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) AS n FROM grant_device WHERE grant_id = $1";
        self.one(sql, args![grant]).await?.int("n")
    }

    /// Other Assigns as claims.
    pub async fn claims(&mut self, grants: &[Uuid]) -> Result<Vec<Claim>, StoreError> {
        if grants.is_empty() {
            return Ok(vec![]);
        }
        let sql = Sql {
            postgres: "SELECT g.id, g.born, g.namespace, g.name, g.managed_by, g.not_before, g.expires_at, r.account_id FROM device_grant g
                LEFT JOIN grant_receiver r ON r.grant_id = g.id AND r.position = 0 WHERE g.id IN (SELECT jsonb_array_elements_text($1)::uuid)",
            sqlite: "SELECT g.id, g.born, g.namespace, g.name, g.managed_by, g.not_before, g.expires_at, r.account_id FROM device_grant g
                LEFT JOIN grant_receiver r ON r.grant_id = g.id AND r.position = 0 WHERE g.id IN (SELECT value FROM json_each($1))",
        };
        let rows = self.rows(sql, args![json(&grants)]).await?;
        rows.iter()
            .map(|row| {
                Ok(Claim {
                    grant: row.uuid("id")?,
                    born: row.time("born")?,
                    namespace: row.text("namespace")?,
                    name: row.text("name")?,
                    manager: row.opt_uuid("managed_by")?,
                    receiver: row.opt_uuid("account_id")?,
                    not_before: row.opt_time("not_before")?,
                    expires_at: row.opt_time("expires_at")?,
                })
            })
            .collect()
    }

    /// The next devices of some standings, after `after` in order of id: id
    /// and standing of each.
    pub async fn devices_standing(
        &mut self,
        search: &Search,
        keys: &[&str],
        after: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = Sql {
            postgres: keyed!(
                postgres,
                "SELECT id, key FROM keyed WHERE key IN (SELECT jsonb_array_elements_text($18)) AND id > $19 ORDER BY id LIMIT $20"
            ),
            sqlite: keyed!(
                sqlite,
                "SELECT id, key FROM keyed WHERE key IN (SELECT value FROM json_each($18)) AND id > $19 ORDER BY id LIMIT $20"
            ),
        };
        let rows = self.rows(sql, search_args![search, json(&keys), after, PAGE]).await?;
        rows.iter().map(|row| Ok((row.text("id")?, row.text("key")?))).collect()
    }

    /// The next links of a grant that it should not have given as things
    /// stand: the device is not wanted any more, or its giver stands elsewhere.
    pub async fn stray_links(
        &mut self,
        search: &Search,
        after: &str,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = keyed!(
            "SELECT a.device_id, a.position FROM grant_device m JOIN device_assignment a ON a.device_id = m.device_id AND a.grant_id = m.grant_id
             WHERE m.grant_id = $1 AND m.device_id > $18
             AND m.device_id NOT IN (SELECT id FROM keyed WHERE here = 1) ORDER BY m.device_id LIMIT $19"
        );
        let rows = self.rows(sql, search_args![search, after, PAGE]).await?;
        rows.iter().map(|row| Ok((row.text("device_id")?, row.int("position")?))).collect()
    }

    /// The next places of devices of some standings, to be freed.
    pub async fn places_of(
        &mut self,
        search: &Search,
        given: &[Given],
        after: &str,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = Sql {
            postgres: keyed!(postgres, ", given AS MATERIALIZED (SELECT value->>'key' AS key, value->>'until' AS until FROM jsonb_array_elements($18))
                SELECT k.id, k.place FROM keyed k JOIN given g ON g.key = k.key WHERE (g.until IS NULL OR k.id <= g.until COLLATE \"C\") AND k.id > $19 ORDER BY k.id LIMIT $20"),
            sqlite: keyed!(sqlite, ", given AS MATERIALIZED (SELECT value->>'key' AS key, value->>'until' AS until FROM json_each($18))
                SELECT k.id, k.place FROM keyed k JOIN given g ON g.key = k.key WHERE (g.until IS NULL OR k.id <= g.until) AND k.id > $19 ORDER BY k.id LIMIT $20"),
        };
        let rows = self.rows(sql, search_args![search, json(&given), after, PAGE]).await?;
        rows.iter().map(|row| Ok((row.text("id")?, row.int("place")?))).collect()
    }

    /// Gives devices whose places are free to the receiver of an Assign: links
    /// them, says who holds them, and marks them.
    pub async fn give(&mut self, search: &Search, given: &[Given], to: &Receiver) -> Result<(), StoreError> {
        let (tenant, account) = match to {
            Receiver::Account { account, tenant } => (*tenant, Some(*account)),
            Receiver::Tenant(tenant) | Receiver::Group { tenant, .. } => (*tenant, None),
        };
        let links = Sql {
            postgres: keyed!(postgres, ", given AS MATERIALIZED (SELECT value->>'key' AS key, value->>'until' AS until FROM jsonb_array_elements($18))
                INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
                SELECT k.id, k.place, $1, $2, CASE WHEN k.account_gives THEN $3::uuid END, $19, $20::uuid FROM keyed k JOIN given g ON g.key = k.key
                WHERE g.until IS NULL OR k.id <= g.until COLLATE \"C\""),
            sqlite: keyed!(sqlite, ", given AS MATERIALIZED (SELECT value->>'key' AS key, value->>'until' AS until FROM json_each($18))
                INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
                SELECT k.id, k.place, $1, $2, CASE WHEN k.account_gives THEN $3 END, $19, $20 FROM keyed k JOIN given g ON g.key = k.key
                WHERE g.until IS NULL OR k.id <= g.until"),
        };
        self.write(links, search_args![search, json(&given), tenant, account]).await?;
        let marks = keyed!(
            "INSERT INTO grant_device (grant_id, device_id, state, why) SELECT $1, k.id, 'applied', NULL FROM keyed k WHERE k.here = 1
             ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why WHERE grant_device.state <> excluded.state"
        );
        self.write(marks, search_args![search]).await?;
        // What was given just now is the end of its chain.
        let holders = Sql {
            postgres: "UPDATE device d SET holder_tenant = $2, holder_account = $3 FROM grant_device m JOIN device_assignment a ON a.device_id = m.device_id AND a.grant_id = m.grant_id
                WHERE m.grant_id = $1 AND m.device_id = d.id AND (d.holder_tenant, d.holder_account) IS DISTINCT FROM ($2, $3::uuid)
                  AND NOT EXISTS (SELECT 1 FROM device_assignment n WHERE n.device_id = a.device_id AND n.position > a.position)",
            sqlite: "UPDATE device SET holder_tenant = $2, holder_account = $3 WHERE id IN (
                    SELECT a.device_id FROM grant_device m JOIN device_assignment a ON a.device_id = m.device_id AND a.grant_id = m.grant_id WHERE m.grant_id = $1
                      AND NOT EXISTS (SELECT 1 FROM device_assignment n WHERE n.device_id = a.device_id AND n.position > a.position))
                  AND (holder_tenant IS NOT $2 OR holder_account IS NOT $3)",
        };
        self.write(holders, args![search.grant, tenant, account]).await?;
        Ok(())
    }

    /// Gives all devices of a grant, which are named by their ids and all alike,
    /// to the receiver of an Assign: nothing needs to be looked at again.
    pub async fn give_alike(&mut self, search: &Search, all: &Seen, to: &Receiver) -> Result<(), StoreError> {
        let (tenant, account) = match to {
            Receiver::Account { account, tenant } => (*tenant, Some(*account)),
            Receiver::Tenant(tenant) | Receiver::Group { tenant, .. } => (*tenant, None),
        };
        let giver = search.account.filter(|_| all.account_gives);
        let links = Sql {
            postgres: "INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
                SELECT value, $2, $3, $4, $5, $6, $7 FROM jsonb_array_elements_text($1)",
            sqlite: "INSERT INTO device_assignment (device_id, position, grant_id, giver_tenant, giver_account, receiver_tenant, receiver_account)
                SELECT value, $2, $3, $4, $5, $6, $7 FROM json_each($1)",
        };
        let link = args![&search.ids, all.position, search.grant, search.tenant, giver, tenant, account];
        self.write(links, link).await?;
        let holders = Sql {
            postgres: "UPDATE device SET holder_tenant = $2, holder_account = $3 WHERE id IN (SELECT jsonb_array_elements_text($1))",
            sqlite: "UPDATE device SET holder_tenant = $2, holder_account = $3 WHERE id IN (SELECT value FROM json_each($1))",
        };
        self.write(holders, args![&search.ids, tenant, account]).await?;
        let marks = Sql {
            postgres: "INSERT INTO grant_device (grant_id, device_id, state, why) SELECT $2, value, 'applied', NULL FROM jsonb_array_elements_text($1)
                ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why",
            sqlite: "INSERT INTO grant_device (grant_id, device_id, state, why) SELECT $2, value, 'applied', NULL FROM json_each($1) WHERE true
                ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why",
        };
        self.write(marks, args![&search.ids, search.grant]).await?;
        Ok(())
    }

    /// Writes what devices of some standings are from now on.
    pub async fn mark_devices(&mut self, search: &Search, marks: &[Mark]) -> Result<(), StoreError> {
        if marks.is_empty() {
            return Ok(());
        }
        let sql = Sql {
            postgres: keyed!(postgres, ", decided AS MATERIALIZED (SELECT value->>'key' AS key, value->>'state' AS state, value->>'why' AS why, value->>'after' AS after FROM jsonb_array_elements($18))
                INSERT INTO grant_device (grant_id, device_id, state, why)
                SELECT $1, k.id, c.state, c.why FROM keyed k JOIN decided c ON c.key = k.key WHERE k.id > c.after COLLATE \"C\"
                ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why"),
            sqlite: keyed!(sqlite, ", decided AS MATERIALIZED (SELECT value->>'key' AS key, value->>'state' AS state, value->>'why' AS why, value->>'after' AS after FROM json_each($18))
                INSERT INTO grant_device (grant_id, device_id, state, why)
                SELECT $1, k.id, c.state, c.why FROM keyed k JOIN decided c ON c.key = k.key WHERE k.id > c.after
                ON CONFLICT (grant_id, device_id) DO UPDATE SET state = excluded.state, why = excluded.why"),
        };
        self.write(sql, search_args![search, json(&marks)]).await?;
        Ok(())
    }

    /// Forgets devices that a grant neither names nor selects any more.
    pub async fn forget_devices(&mut self, search: &Search) -> Result<(), StoreError> {
        let sql = keyed!(
            "DELETE FROM grant_device WHERE grant_id = $1 AND device_id NOT IN (SELECT id FROM keyed)"
        );
        self.write(sql, search_args![search]).await?;
        Ok(())
    }

    /// The first devices of a grant in one of two states, with why.
    pub async fn devices_in(
        &mut self,
        grant: Uuid,
        states: [State; 2],
        limit: i64,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT device_id, why FROM grant_device WHERE grant_id = $1 AND state IN ($2, $3) ORDER BY device_id LIMIT $4";
        let rows = self.rows(sql, args![grant, states[0].as_str(), states[1].as_str(), limit]).await?;
        rows.iter()
            .map(|row| Ok((row.text("device_id")?, row.opt_text("why")?.unwrap_or_default())))
            .collect()
    }

    /// The first unit ids, as written, for which a grant reaches no device, and
    /// how many there are. Asked after devices were marked.
    pub async fn pending_units(
        &mut self,
        search: &Search,
        limit: i64,
    ) -> Result<(Vec<String>, i64), StoreError> {
        if !search.has_units {
            return Ok((vec![], 0));
        }
        let sql = Sql {
            postgres: "SELECT u.value COLLATE \"C\" AS unit, count(*) OVER () AS n FROM jsonb_array_elements_text($2) u WHERE NOT EXISTS (
                    SELECT 1 FROM device d JOIN grant_device m ON m.grant_id = $1 AND m.device_id = d.id WHERE d.unit_id = u.value AND m.state <> 'pending')
                ORDER BY unit LIMIT $3",
            sqlite: "SELECT u.value AS unit, count(*) OVER () AS n FROM json_each($2) u WHERE NOT EXISTS (
                    SELECT 1 FROM device d JOIN grant_device m ON m.grant_id = $1 AND m.device_id = d.id WHERE d.unit_id = u.value AND m.state <> 'pending')
                ORDER BY unit LIMIT $3",
        };
        let rows = self.rows(sql, args![search.grant, &search.units, limit]).await?;
        let units = rows.iter().map(|row| row.text("unit")).collect::<Result<_, _>>()?;
        let n = rows.first().map(|row| row.int("n")).transpose()?.unwrap_or_default();
        Ok((units, n))
    }
}
