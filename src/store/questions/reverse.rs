//! The reverse questions: which devices, creators and accounts an answer may be
//! about, page by page in the order of their names, and the facts about a whole
//! page by one statement. What is found here is only worth asking about; the
//! rules decide (`engine::questions`). Each part of a statement is cut to the
//! page by itself, so that an index gives it in order and no page costs more
//! than what it shows.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::sql::{Sql, args, json};
use super::super::{StoreError, Tx};
use super::rows;
use super::statement::{DEVICES, PERSONS};
use super::{Asker, Found};
use crate::domain::access::facts::{Offer, Person, Subject};
use crate::domain::access::sight;
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
    () => {
        "d.id FROM account_ancestor a JOIN device d ON d.holder_account = a.account_id WHERE a.ancestor_id = $1 AND a.distance > 0 AND d.id > $3 ORDER BY d.id"
    };
}
macro_rules! scope {
    ($each:literal, $texts:literal) => {
        cut!(
            own!(),
            of_those_below!(),
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
                "DISTINCT m.device_id AS id FROM grant_receiver r JOIN device_grant g ON g.id = r.grant_id AND g.mode = 'Share' JOIN grant_device m ON m.grant_id = g.id
                 WHERE r.tenant_id = $2 AND r.group_name IN (SELECT ", $texts, "($6)) AND m.state IN ('applied', 'idle') AND m.device_id > $3 ORDER BY m.device_id"
            ),
            shared!(),
            late!()
        )
    };
}
macro_rules! shared {
    () => {
        "DISTINCT m.device_id AS id FROM grant_receiver r JOIN device_grant g ON g.id = r.grant_id AND g.mode = 'Share' JOIN grant_device m ON m.grant_id = g.id
         WHERE (r.account_id = $1 OR (r.account_id IS NULL AND r.tenant_id = $2 AND (r.group_name IS NULL
             OR EXISTS (SELECT 1 FROM account_group i WHERE i.account_id = $1 AND i.name = r.group_name))))
           AND g.object_id IS NOT NULL AND m.state IN ('applied', 'idle') AND m.device_id > $3 ORDER BY m.device_id"
    };
}
macro_rules! late {
    () => {
        "DISTINCT l.device_id AS id FROM overdue_link l WHERE l.device_id > $3 ORDER BY l.device_id"
    };
}

const TREE: Sql = Sql {
    postgres: cut!(of_tree!(postgres), shared!(), late!()),
    sqlite: cut!(of_tree!(sqlite), shared!(), late!()),
};
const TENANT: Sql = Sql {
    postgres: cut!(own!(), of_tenant!(), shared!(), late!()),
    sqlite: cut!(own!(), of_tenant!(), shared!(), late!()),
};
const BELOW: Sql = Sql {
    postgres: cut!(own!(), of_those_below!(), shared!(), late!()),
    sqlite: cut!(own!(), of_those_below!(), shared!(), late!()),
};
const SCOPE: Sql = Sql {
    postgres: scope!("jsonb_array_elements", "jsonb_array_elements_text"),
    sqlite: scope!("json_each", "value FROM json_each"),
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

impl Tx {
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
        self.rows(sql, args).await?.iter().map(|row| row.text("id")).collect()
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
        let rows = self.rows(PERSONS, args![tenant, only, fold(after), limit]).await?;
        let mut found = vec![];
        for row in &rows {
            let name = Username { written: row.text("username")?, key: row.text("username_key")? };
            if let Some(person) = rows::person(row, "holder", &mut BTreeMap::new())? {
                found.push((name, person));
            }
        }
        Ok(found)
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
