//! The statement of a check: no more than the answer depends on, in rows that
//! are found by their keys. What it needs of other tables is at hand in these
//! rows (migration 8). One row comes back for each grant that may matter, and
//! none if there is no such account.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::super::StoreError;
use super::super::sql::{Row, Sql, shape};
use super::super::tenants::word;
use super::Asker;
use super::rows::{moment, time};
use crate::domain::access::facts::{Covers, Device, Giver, Holder, Level, Lineage, Offer, Person, Subject};
use crate::domain::account::Ref;
use crate::domain::grant::chain::{By, Link};
use crate::domain::grant::{Mode, Receiver, Reclaim};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::Permissions;
use crate::domain::role::{Assigned, Content};
use crate::domain::tier::Tier;

/// What the database knows about a question, as far as the answer depends on
/// it: no generations, and keys only where a rule compares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The database's time.
    pub now: Timestamp,
    /// The account.
    pub asker: Asker,
    /// The device, if one is named and in the inventory.
    pub device: Option<Device>,
    /// The grants that may reach the account or a group of its scope.
    pub offers: Vec<Offer>,
    /// Whether time has ended an Assign of the device since the database last
    /// looked, so that somebody else may hold it.
    pub stale: bool,
}

macro_rules! check {
    (postgres, $whom:literal, $more:literal, $from:literal) => {
        concat!(
            "SELECT c.id, c.username, c.tier, c.enabled, c.activated_at IS NOT NULL AS active, (c.effective->'individual_access')::boolean AS individual,
               c.permissions::text AS permissions, c.scope::text AS scope, c.standing::text AS standing, t.line::text AS line,
               extract(epoch FROM now())::bigint AS now, g.id AS grant_id, g.object_id AS grant_object, g.tenant_id AS granting, g.namespace, g.name, g.mode, g.reclaim,
               g.permissions::text AS given, extract(epoch FROM g.not_before)::bigint AS not_before, extract(epoch FROM g.expires_at)::bigint AS expires_at,
               g.managed_by, g.giver_tier, g.receivers::text AS receivers", $more,
            " FROM account c JOIN tenant t ON t.id = c.tenant_id", $from, " WHERE ", $whom
        )
    };
    (sqlite, $whom:literal, $more:literal, $from:literal) => {
        concat!(
            "SELECT c.id, c.username, c.tier, c.enabled, c.activated_at IS NOT NULL AS active, c.effective->>'individual_access' AS individual,
               c.permissions, c.scope, c.standing, t.line,
               unixepoch() AS now, g.id AS grant_id, g.object_id AS grant_object, g.tenant_id AS granting, g.namespace, g.name, g.mode, g.reclaim,
               g.permissions AS given, unixepoch(g.not_before) AS not_before, unixepoch(g.expires_at) AS expires_at,
               g.managed_by, g.giver_tier, g.receivers", $more,
            " FROM account c JOIN tenant t ON t.id = c.tenant_id", $from, " WHERE ", $whom
        )
    };
}

/// Accounts by their folded usernames, one after the other.
macro_rules! several {
    ($about:ident) => {
        $about!(
            "c.username_key IN (SELECT jsonb_array_elements_text($1)) ORDER BY c.username_key",
            "c.username_key IN (SELECT value FROM json_each($1)) ORDER BY c.username_key"
        )
    };
}

macro_rules! about_device {
    ($whom:literal) => {
        about_device!($whom, $whom)
    };
    ($postgres:literal, $sqlite:literal) => {
        Sql {
            postgres: check!(
                postgres, $postgres,
                ", d.id AS device, d.holder_tenant, d.holder_account, u.line::text AS holder_line, h.standing::text AS holder_standing, w.state",
                " LEFT JOIN device d ON d.id = $2 LEFT JOIN tenant u ON u.id = d.holder_tenant LEFT JOIN account h ON h.id = d.holder_account
                  LEFT JOIN grant_device w ON w.device_id = d.id LEFT JOIN device_grant g ON g.id = w.grant_id"
            ),
            sqlite: check!(
                sqlite, $sqlite,
                ", d.id AS device, d.holder_tenant, d.holder_account, u.line AS holder_line, h.standing AS holder_standing, w.state",
                " LEFT JOIN device d ON d.id = $2 LEFT JOIN tenant u ON u.id = d.holder_tenant LEFT JOIN account h ON h.id = d.holder_account
                  LEFT JOIN grant_device w ON w.device_id = d.id LEFT JOIN device_grant g ON g.id = w.grant_id"
            ),
        }
    };
}

macro_rules! about_section {
    ($whom:literal) => {
        about_section!($whom, $whom)
    };
    ($postgres:literal, $sqlite:literal) => {
        Sql {
            postgres: check!(
                postgres, $postgres, "",
                " LEFT JOIN (grant_receiver w JOIN device_grant g ON g.id = w.grant_id AND g.mode = 'Share' AND g.selection = '{}')
                    ON w.account_id = c.id OR w.tenant_id = c.tenant_id"
            ),
            sqlite: check!(
                sqlite, $sqlite, "",
                " LEFT JOIN (grant_receiver w JOIN device_grant g ON g.id = w.grant_id AND g.mode = 'Share' AND g.selection = '{}')
                    ON w.account_id = c.id OR w.tenant_id = c.tenant_id"
            ),
        }
    };
}

/// The statement: $1 the account by e-mail or by username, $2 the device if one
/// is named.
pub(super) const fn sql(by_email: bool, device: bool) -> Sql {
    match (by_email, device) {
        (false, false) => about_section!("c.username_key = $1"),
        (true, false) => about_section!("c.email_key = $1"),
        (false, true) => about_device!("c.username_key = $1"),
        (true, true) => about_device!("c.email_key = $1"),
    }
}

/// The same about many accounts: $1 their folded usernames, $2 the device.
pub(super) const fn sql_of_many(device: bool) -> Sql {
    if device { several!(about_device) } else { several!(about_section) }
}

/// What the rows say of each account, in their order.
pub(super) fn briefs(rows: &[Row], about_device: bool) -> Result<Vec<Brief>, StoreError> {
    let same = |a: &Row, b: &Row| matches!((a.uuid("id"), b.uuid("id")), (Ok(a), Ok(b)) if a == b);
    let each = rows.chunk_by(same).map(|rows| brief(rows, about_device).transpose());
    each.flatten().collect()
}

type LevelFields = (Uuid, String, i64, i64, Option<String>, Option<String>);
type RoleFields = (String, String, String, Content);
type StandingFields = (Vec<RoleFields>, Vec<String>, Vec<Uuid>);
type ReceiverFields = (Option<Uuid>, Option<Uuid>, Option<String>);

/// What the rows say; none: there is no such account.
pub(super) fn brief(rows: &[Row], about_device: bool) -> Result<Option<Brief>, StoreError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let now = time(row.int("now")?)?;
    let asker = asker(row)?;
    let device = if about_device { device(row)? } else { None };
    let within = |tenant: Uuid| match device.as_ref().map(|device| &device.holder) {
        Some(Holder::Tenant(line)) => line.within(tenant),
        Some(Holder::Account(person)) => person.tenant.within(tenant),
        Some(Holder::Nobody) | None => false,
    };
    let (mut offers, mut seen, mut stale) = (vec![], BTreeSet::new(), false);
    for row in rows {
        let Some(grant) = row.opt_uuid("grant_id")?.filter(|grant| seen.insert(*grant)) else { continue };
        let state = if about_device { row.text("state")? } else { String::new() };
        let managed = row.opt_uuid("grant_object")?.is_some();
        let mut offer = offer(row, &asker)?;
        // An Assign has given the device exactly while it is applied.
        if state == "applied" && offer.mode == Mode::Assign {
            let reclaim: Reclaim = word("reclaim", row.text("reclaim")?)?;
            let Offer { not_before, expires_at, .. } = offer;
            let by = By { grant, managed, reclaim, not_before, expires_at };
            stale |= !Link { by: Some(by), tenant: offer.tenant, account: None }.counts(now);
        }
        if !managed {
            continue;
        }
        let about = match (about_device, offer.mode) {
            (false, _) => true,
            (true, Mode::Share) => matches!(state.as_str(), "applied" | "idle") && within(offer.tenant),
            (true, Mode::Assign) => state == "applied" || (state == "idle" && !offer.in_effect(now)),
        };
        offer.covers = match (about, about_device) {
            (false, _) => Covers::Others,
            (true, true) => Covers::Asked,
            (true, false) => Covers::NoDevices,
        };
        offers.push(offer);
    }
    offers.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Some(Brief { now, asker, device, offers, stale }))
}

fn asker(row: &Row) -> Result<Asker, StoreError> {
    let (roles, groups, _) = row.needed::<StandingFields>("standing")?;
    let role = |(namespace, name, revision, content)| Assigned {
        role: None,
        namespace,
        name,
        revision,
        pinned: false,
        content,
    };
    let subject = Subject {
        id: row.uuid("id")?,
        key: None,
        username: row.text("username")?,
        tier: word("tier", row.text("tier")?)?,
        enabled: row.bool("enabled")?,
        tenant: line(row, "line")?,
        groups: groups.into_iter().collect(),
        roles: roles.into_iter().map(role).collect(),
        permissions: row.needed("permissions")?,
        individual_access: row.bool("individual")?,
        scope: row.document("scope")?,
    };
    Ok(Asker { subject, active: row.bool("active")? })
}

fn line(row: &Row, column: &str) -> Result<Lineage, StoreError> {
    let levels: Vec<LevelFields> = row.needed(column)?;
    let level = |(id, path, enabled, permitted, namespace, name): LevelFields| Level {
        id,
        key: namespace.zip(name).map(|(namespace, name)| ObjectKey::new(Kind::Tenant, namespace, name)),
        path,
        enabled: enabled != 0,
        permitted: permitted != 0,
    };
    Ok(Lineage(levels.into_iter().map(level).collect()))
}

fn device(row: &Row) -> Result<Option<Device>, StoreError> {
    let Some(id) = row.opt_text("device")? else { return Ok(None) };
    let holder = match (row.opt_uuid("holder_tenant")?, row.opt_uuid("holder_account")?) {
        (None, _) => Holder::Nobody,
        (Some(_), None) => Holder::Tenant(line(row, "holder_line")?),
        (Some(_), Some(account)) => {
            let (roles, groups, managers) = row.needed::<StandingFields>("holder_standing")?;
            Holder::Account(Person {
                id: account,
                key: None,
                tenant: line(row, "holder_line")?,
                managers,
                groups: groups.into_iter().collect(),
                roles: roles.into_iter().map(|(namespace, name, ..)| Ref { namespace, name }).collect(),
            })
        }
    };
    Ok(Some(Device { id, holder }))
}

fn offer(row: &Row, asker: &Asker) -> Result<Offer, StoreError> {
    let subject = &asker.subject;
    let home = subject.tenant.own().map(|level| level.id).ok_or_else(|| shape("line", "empty"))?;
    let receivers: Vec<ReceiverFields> = row.document("receivers")?.unwrap_or_default();
    // Those of others are of no concern.
    let receiver = |fields: ReceiverFields| match fields {
        (Some(account), _, _) => {
            (account == subject.id).then_some(Receiver::Account { account, tenant: home })
        }
        (None, Some(tenant), Some(name)) => Some(Receiver::Group { tenant, name }),
        (None, Some(tenant), None) => Some(Receiver::Tenant(tenant)),
        (None, None, _) => None,
    };
    let tier = row.opt_text("giver_tier")?.map(|tier| word::<Tier>("giver_tier", tier)).transpose()?;
    Ok(Offer {
        key: ObjectKey::new(Kind::DeviceGrant, row.text("namespace")?, row.text("name")?),
        tenant: row.uuid("granting")?,
        mode: word("mode", row.text("mode")?)?,
        receivers: receivers.into_iter().filter_map(receiver).collect(),
        permissions: row.needed::<Permissions>("given")?,
        not_before: moment(row.opt_int("not_before")?)?,
        expires_at: moment(row.opt_int("expires_at")?)?,
        giver: match row.opt_uuid("managed_by")?.zip(tier) {
            None => Giver::Platform,
            Some((id, tier)) => Giver::Account { id, tier },
        },
        covers: Covers::Others,
    })
}
