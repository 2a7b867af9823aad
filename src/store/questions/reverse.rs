//! The reverse questions: which devices, creators and accounts an answer may be
//! about, page by page in the order of their names, and the facts about a whole
//! page by one statement. What is found here is only worth asking about; the
//! rules decide (`engine::questions`). Each part of a statement is cut to the
//! page by itself, so that an index gives it in order and no page costs more
//! than what it shows.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::sql::{Row, Sql, args, json};
use super::super::{StoreError, Tx};
use super::rows;
use super::statement::{DEVICES, NAMED, PERSONS};
use super::{Asker, Found};
use crate::domain::access::facts::{Offer, Person, Subject};
use crate::domain::access::sight;
use crate::domain::capability::Capability;
use crate::domain::key::fold;
use crate::domain::tier::Tier;

/// A device with the grants that may reach the account, or a group of its scope.
pub type Considered = (Found, Vec<(Uuid, Offer)>);

/// An account by its username, as it is written and as it is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    /// As written.
    pub written: String,
    /// As it is sorted.
    pub key: String,
}

// $1 the account, $2 its tenant, $3 after, $4 at most.
macro_rules! cut {
    ($($part:expr),+ $(,)?) => {
        concat!("SELECT id FROM (", parts!($($part),+), ") AS near ORDER BY id LIMIT $4")
    };
}
macro_rules! parts {
    ($only:expr) => { part!($only) };
    ($first:expr, $($more:expr),+) => { concat!(part!($first), " UNION ", parts!($($more),+)) };
}
macro_rules! part {
    ($text:expr) => {
        concat!("SELECT id FROM (SELECT ", $text, " LIMIT $4) AS part")
    };
}
macro_rules! own {
    () => {
        "d.id FROM device d WHERE d.holder_account = $1 AND d.id > $3 ORDER BY d.id"
    };
}
macro_rules! of_tenant {
    () => {
        "d.id FROM device d WHERE d.holder_tenant = $2 AND d.holder_account IS NULL AND d.id > $3 ORDER BY d.id"
    };
}
// PostgreSQL knows from its statistics whether the inventory in order or the
// tenants below is the shorter way; SQLite is told to keep the order.
macro_rules! of_tree {
    (postgres) => {
        "d.id FROM device d JOIN tenant_ancestor h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = $2 WHERE d.id > $3 ORDER BY d.id"
    };
    (sqlite) => {
        "d.id FROM device d CROSS JOIN tenant_ancestor h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = $2 WHERE d.id > $3 ORDER BY d.id"
    };
}
macro_rules! of_those_below {
    (postgres) => {
        "d.id FROM account_ancestor a JOIN device d ON d.holder_account = a.account_id WHERE a.ancestor_id = $1 AND a.distance > 0 AND d.id > $3 ORDER BY d.id"
    };
    (sqlite) => {
        "d.id FROM device d CROSS JOIN account_ancestor a ON a.account_id = d.holder_account AND a.ancestor_id = $1 AND a.distance > 0 WHERE d.id > $3 ORDER BY d.id"
    };
}
// No more of each grant than the page takes: a Share of a million devices is
// never sorted.
macro_rules! of_grant {
    (postgres) => {
        "CROSS JOIN LATERAL (SELECT x.device_id FROM grant_device x WHERE x.grant_id = g.id AND x.state IN ('applied', 'idle') AND x.device_id > $3
            ORDER BY x.device_id LIMIT $4) AS m"
    };
    (sqlite) => {
        "JOIN json_each((SELECT json_group_array(x.device_id) FROM (SELECT y.device_id FROM grant_device y
            WHERE y.grant_id = g.id AND y.state IN ('applied', 'idle') AND y.device_id > $3 ORDER BY y.device_id LIMIT $4) AS x)) AS m"
    };
}
macro_rules! its_device {
    (postgres) => {
        "m.device_id"
    };
    (sqlite) => {
        "m.value"
    };
}
macro_rules! scope {
    ($on:ident, $each:literal, $texts:literal) => {
        cut!(
            own!(),
            of_those_below!($on),
            concat!(
                "DISTINCT d.id FROM ", $each, "($5) n JOIN object k ON k.kind = 'Tenant' AND k.namespace = n.value->>'namespace' AND k.name = n.value->>'name'
                 JOIN tenant t ON t.object_id = k.id JOIN tenant_ancestor down ON down.ancestor_id = t.id JOIN device d ON d.holder_tenant = down.tenant_id
                 JOIN tenant_ancestor h ON h.tenant_id = d.holder_tenant AND h.ancestor_id = $2 WHERE d.id > $3 ORDER BY d.id"
            ),
            concat!(
                "DISTINCT d.id FROM account_group i JOIN account o ON o.id = i.account_id AND o.tenant_id = $2 JOIN device d ON d.holder_account = o.id
                 WHERE i.name IN (SELECT ", $texts, "($6)) AND d.id > $3 ORDER BY d.id"
            ),
            concat!(
                "DISTINCT d.id FROM ", $each, "($7) n JOIN account_role b ON b.namespace = n.value->>'namespace' AND b.name = n.value->>'name'
                 JOIN device d ON d.holder_account = b.account_id WHERE d.id > $3 ORDER BY d.id"
            ),
            concat!(
                "DISTINCT ", its_device!($on), " AS id FROM grant_receiver r JOIN device_grant g ON g.id = r.grant_id AND g.mode = 'Share' ", of_grant!($on),
                " WHERE r.tenant_id = $2 AND r.group_name IN (SELECT ", $texts, "($6)) ORDER BY 1"
            ),
            shared!($on),
            late!()
        )
    };
}
macro_rules! shared {
    ($on:ident) => {
        concat!(
            "DISTINCT ", its_device!($on), " AS id FROM grant_receiver r JOIN device_grant g ON g.id = r.grant_id AND g.mode = 'Share' ", of_grant!($on), "
         WHERE (r.account_id = $1 OR (r.account_id IS NULL AND r.tenant_id = $2 AND (r.group_name IS NULL
             OR EXISTS (SELECT 1 FROM account_group i WHERE i.account_id = $1 AND i.name = r.group_name))))
           AND g.object_id IS NOT NULL ORDER BY 1"
        )
    };
}
macro_rules! late {
    () => {
        "DISTINCT l.device_id AS id FROM overdue_link l WHERE l.device_id > $3 ORDER BY l.device_id"
    };
}

const TREE: Sql = Sql {
    postgres: cut!(of_tree!(postgres), shared!(postgres), late!()),
    sqlite: cut!(of_tree!(sqlite), shared!(sqlite), late!()),
};
const TENANT: Sql = Sql {
    postgres: cut!(own!(), of_tenant!(), shared!(postgres), late!()),
    sqlite: cut!(own!(), of_tenant!(), shared!(sqlite), late!()),
};
const BELOW: Sql = Sql {
    postgres: cut!(own!(), of_those_below!(postgres), shared!(postgres), late!()),
    sqlite: cut!(own!(), of_those_below!(sqlite), shared!(sqlite), late!()),
};
const SCOPE: Sql = Sql {
    postgres: scope!(postgres, "jsonb_array_elements", "jsonb_array_elements_text"),
    sqlite: scope!(sqlite, "json_each", "value FROM json_each"),
};

// $1 the device, or null: everybody; $2 after, $3 at most. Whoever may see it
// by itself belongs to a tenant that somebody in its chain belongs to or lies
// below; others are reached by a Share of it.
const WHO: Sql = Sql {
    postgres: "SELECT c.username, c.username_key FROM account c WHERE c.username_key > $2 AND c.enabled AND ($1::text IS NULL OR c.id IN (
            SELECT o.id FROM (SELECT holder_tenant AS tenant_id FROM device WHERE id = $1 UNION SELECT home_tenant FROM device WHERE id = $1
                UNION SELECT receiver_tenant FROM device_assignment WHERE device_id = $1) AS t
                JOIN tenant_ancestor h ON h.tenant_id = t.tenant_id JOIN account o ON o.tenant_id = h.ancestor_id
            UNION SELECT r.account_id FROM grant_device m JOIN grant_receiver r ON r.grant_id = m.grant_id WHERE m.device_id = $1 AND r.account_id IS NOT NULL
            UNION SELECT o.id FROM grant_device m JOIN grant_receiver r ON r.grant_id = m.grant_id JOIN account o ON o.tenant_id = r.tenant_id WHERE m.device_id = $1))
        ORDER BY c.username_key LIMIT $3",
    sqlite: "SELECT c.username, c.username_key FROM account c WHERE c.username_key > $2 AND c.enabled = 1 AND ($1 IS NULL OR c.id IN (
            SELECT o.id FROM (SELECT holder_tenant AS tenant_id FROM device WHERE id = $1 UNION SELECT home_tenant FROM device WHERE id = $1
                UNION SELECT receiver_tenant FROM device_assignment WHERE device_id = $1) AS t
                JOIN tenant_ancestor h ON h.tenant_id = t.tenant_id JOIN account o ON o.tenant_id = h.ancestor_id
            UNION SELECT r.account_id FROM grant_device m JOIN grant_receiver r ON r.grant_id = m.grant_id WHERE m.device_id = $1 AND r.account_id IS NOT NULL
            UNION SELECT o.id FROM grant_device m JOIN grant_receiver r ON r.grant_id = m.grant_id JOIN account o ON o.tenant_id = r.tenant_id WHERE m.device_id = $1))
        ORDER BY c.username_key LIMIT $3",
};

/// An administrative right, and where it counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The right, such as `ManageUsers`.
    pub capability: String,
    /// Path of the tenant: there and below, as far as the scope goes; for
    /// `ManageSubscription` there alone.
    pub tenant: String,
}

// $1 a tenant, $2 after, $3 at most, $4 the right; without one, whoever may have
// the right that is never given: owners and Roots.
const ADMINISTRATORS: Sql = Sql {
    postgres: "SELECT c.username, c.username_key FROM account c JOIN tenant_ancestor a ON a.ancestor_id = c.tenant_id AND a.tenant_id = $1
        WHERE c.username_key > $2 AND c.enabled AND CASE WHEN $4::text IS NULL THEN c.tier = 'Root' OR EXISTS (SELECT 1 FROM tenant t WHERE t.id = c.tenant_id AND t.owner_name = c.name)
            ELSE c.effective->'capabilities' ? $4 END ORDER BY c.username_key LIMIT $3",
    sqlite: "SELECT c.username, c.username_key FROM account c JOIN tenant_ancestor a ON a.ancestor_id = c.tenant_id AND a.tenant_id = $1
        WHERE c.username_key > $2 AND c.enabled = 1 AND CASE WHEN $4 IS NULL THEN c.tier = 'Root' OR EXISTS (SELECT 1 FROM tenant t WHERE t.id = c.tenant_id AND t.owner_name = c.name)
            ELSE $4 IN (SELECT value FROM json_each(c.effective, '$.capabilities')) END ORDER BY c.username_key LIMIT $3",
};

impl Tx {
    /// The administrative rights that an account has now.
    pub async fn rights_of(&mut self, account: Uuid) -> Result<Vec<Right>, StoreError> {
        let sql = "SELECT capability, tenant_path FROM account_capabilities WHERE account_id = $1";
        let rows = self.rows(sql, args![account]).await?;
        let right = |row| {
            Ok(Right { capability: Row::text(row, "capability")?, tenant: Row::text(row, "tenant_path")? })
        };
        let mut rights = rows.iter().map(right).collect::<Result<Vec<_>, StoreError>>()?;
        rights.sort();
        Ok(rights)
    }

    /// The next accounts, in order of username after `after`, that may have a
    /// right on what lies in a tenant.
    pub async fn administrators_near(
        &mut self,
        tenant: Uuid,
        right: Capability,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Username>, StoreError> {
        let given = (right != Capability::ManageSubscription).then(|| right.as_str());
        let rows = self.rows(ADMINISTRATORS, args![tenant, fold(after), limit, given]).await?;
        rows.iter()
            .map(|row| Ok(Username { written: row.text("username")?, key: row.text("username_key")? }))
            .collect()
    }

    /// The next devices, in order of id after `after`, that may be within what
    /// an account sees or is shared.
    pub async fn devices_near(
        &mut self,
        subject: &Subject,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, StoreError> {
        let Some(tenant) = subject.tenant.own().map(|level| level.id) else { return Ok(vec![]) };
        let mut args = args![subject.id, tenant, after, limit];
        let individual = sight::individual(subject);
        let sql = match (&subject.scope, subject.tier) {
            (_, Tier::Basic) => TENANT,
            _ if individual => BELOW,
            (None, _) => TREE,
            (Some(scope), _) => {
                args.extend(args![json(&scope.tenants), json(&scope.groups), json(&scope.roles)]);
                SCOPE
            }
        };
        self.planned_anew(sql, args).await?.iter().map(|row| row.text("id")).collect()
    }

    /// What is known about these devices, in order of id, for questions of one
    /// account. An id that is not in the inventory is left out.
    pub async fn facts_about(
        &mut self,
        asker: &Asker,
        devices: &[String],
    ) -> Result<Vec<Considered>, StoreError> {
        let rows = self.rows(DEVICES, args![asker.subject.id, json(&devices)]).await?;
        rows.iter().map(|row| rows::considered(row, asker)).collect()
    }

    /// The next accounts, in order of username after `after`, in the tenant of
    /// an account and below; of a Basic account only itself.
    pub async fn creators_near(
        &mut self,
        subject: &Subject,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(Username, Person)>, StoreError> {
        let Some(tenant) = subject.tenant.own().map(|level| level.id) else { return Ok(vec![]) };
        let only = (subject.tier == Tier::Basic).then_some(subject.id);
        persons(&self.rows(PERSONS, args![tenant, only, fold(after), limit]).await?)
    }

    /// Of the accounts in the tenant of an account and below those with these
    /// folded usernames.
    pub async fn creators_named(
        &mut self,
        subject: &Subject,
        keys: &BTreeSet<String>,
    ) -> Result<Vec<(Username, Person)>, StoreError> {
        let Some(tenant) = subject.tenant.own().map(|level| level.id) else { return Ok(vec![]) };
        persons(&self.rows(NAMED, args![tenant, json(keys)]).await?)
    }

    /// The next accounts, in order of username after `after`, that may be
    /// allowed something on a device; without one, on anything.
    pub async fn askers_near(
        &mut self,
        device: Option<&str>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Username>, StoreError> {
        let rows = self.rows(WHO, args![device, fold(after), limit]).await?;
        rows.iter()
            .map(|row| Ok(Username { written: row.text("username")?, key: row.text("username_key")? }))
            .collect()
    }
}

fn persons(rows: &[Row]) -> Result<Vec<(Username, Person)>, StoreError> {
    let mut found = vec![];
    for row in rows {
        let name = Username { written: row.text("username")?, key: row.text("username_key")? };
        if let Some(person) = rows::person(row, "holder", &mut BTreeMap::new())? {
            found.push((name, person));
        }
    }
    Ok(found)
}
