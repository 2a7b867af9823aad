//! The statement of a check: no more than the answer depends on, in rows that
//! are found by their keys. What it needs of other tables is at hand in these
//! rows (migration 8), and they have few columns (migration 16): each costs,
//! needed or not. One row comes back for each grant that may matter, and none
//! if there is no such account.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::super::StoreError;
use super::super::sql::{Row, Sql, shape};
use super::Asker;
use super::rows::{moment, time};
use crate::domain::access::facts::{Covers, Device, Giver, Holder, Level, Lineage, Offer, Person, Subject};
use crate::domain::account::{Ref, Scope};
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

macro_rules! text {
    ($now:literal, $whom:literal, $more:literal, $from:literal) => {
        concat!(
            "SELECT ",
            $now,
            " AS now, c.account, c.standing, t.line, g.giving",
            $more,
            " FROM account_brief c JOIN tenant_brief t ON t.tenant_id = c.tenant_id",
            $from,
            " WHERE ",
            $whom
        )
    };
}

macro_rules! check {
    ($postgres:literal, $sqlite:literal, $more:literal, $from:literal) => {
        Sql {
            postgres: text!("now()", $postgres, $more, $from),
            sqlite: text!("strftime('%Y-%m-%dT%H:%M:%SZ', 'now')", $sqlite, $more, $from),
        }
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
        check!(
            $postgres, $sqlite,
            ", d.id AS device, d.holder_tenant, d.holder_account, CASE WHEN u.tenant_id <> c.tenant_id THEN u.line END AS holder_line,
               h.standing AS holder_standing, w.state",
            " LEFT JOIN device d ON d.id = $2 LEFT JOIN tenant_brief u ON u.tenant_id = d.holder_tenant LEFT JOIN account_brief h ON h.account_id = d.holder_account
              LEFT JOIN grant_device w ON w.device_id = d.id LEFT JOIN grant_brief g ON g.grant_id = w.grant_id"
        )
    };
}

macro_rules! about_section {
    ($whom:literal) => {
        about_section!($whom, $whom)
    };
    ($postgres:literal, $sqlite:literal) => {
        check!(
            $postgres,
            $sqlite,
            "",
            " LEFT JOIN (grant_receiver w JOIN grant_brief g ON g.grant_id = w.grant_id AND g.no_devices)
                ON w.account_id = c.account_id OR w.tenant_id = c.tenant_id"
        )
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
    // An account's rows follow upon one another, with the same text of it.
    let same = |a: &Row, b: &Row| matches!((a.str("account"), b.str("account")), (Ok(a), Ok(b)) if a == b);
    let each = rows.chunk_by(same).map(|rows| brief(rows, about_device).transpose());
    each.flatten().collect()
}

type LevelFields = (Uuid, String, i64, i64, Option<String>, Option<String>);
type RoleFields = (String, String, String, Content);
type StandingFields = (Vec<RoleFields>, Vec<String>, Vec<Uuid>);
type ReceiverFields = (Option<Uuid>, Option<Uuid>, Option<String>);
type Flag = i64;
type AccountFields = (Uuid, String, Tier, Flag, Flag, Flag, Permissions, Option<Scope>);

/// What is said of a grant, in the order of its fields.
#[derive(Deserialize)]
struct GrantFields {
    id: Uuid,
    managed: Flag,
    tenant: Uuid,
    namespace: String,
    name: String,
    mode: Mode,
    reclaim: Reclaim,
    permissions: Permissions,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    giver: Option<Uuid>,
    giver_tier: Option<Tier>,
    receivers: Option<Vec<ReceiverFields>>,
}

/// What the rows say; none: there is no such account.
pub(super) fn brief(rows: &[Row], about_device: bool) -> Result<Option<Brief>, StoreError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let now = time(row.time("now")?.as_second())?;
    let asker = asker(row)?;
    let device = if about_device { device(row, &asker.subject.tenant)? } else { None };
    let within = |tenant: Uuid| match device.as_ref().map(|device| &device.holder) {
        Some(Holder::Tenant(line)) => line.within(tenant),
        Some(Holder::Account(person)) => person.tenant.within(tenant),
        Some(Holder::Nobody) | None => false,
    };
    let (mut offers, mut seen, mut stale) = (vec![], BTreeSet::new(), false);
    for row in rows {
        let Some(fields) = row.document::<GrantFields>("giving")?.filter(|fields| seen.insert(fields.id))
        else {
            continue;
        };
        let state = if about_device { row.str("state")? } else { "" };
        let (grant, managed, reclaim) = (fields.id, fields.managed != 0, fields.reclaim);
        let mut offer = offer(fields, &asker)?;
        // An Assign has given the device exactly while it is applied.
        if state == "applied" && offer.mode == Mode::Assign {
            let Offer { not_before, expires_at, .. } = offer;
            let by = By { grant, managed, reclaim, not_before, expires_at };
            stale |= !Link { by: Some(by), tenant: offer.tenant, account: None }.counts(now);
        }
        if !managed {
            continue;
        }
        let about = match (about_device, offer.mode) {
            (false, _) => true,
            (true, Mode::Share) => matches!(state, "applied" | "idle") && within(offer.tenant),
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
    let (id, username, tier, enabled, active, individual, permissions, scope): AccountFields =
        row.needed("account")?;
    let (roles, groups, _): StandingFields = row.needed("standing")?;
    let role = |(namespace, name, revision, content)| Assigned {
        role: None,
        namespace,
        name,
        revision,
        pinned: false,
        content,
    };
    let subject = Subject {
        id,
        key: None,
        username,
        tier,
        enabled: enabled != 0,
        tenant: line(row, "line")?,
        groups: groups.into_iter().collect(),
        roles: roles.into_iter().map(role).collect(),
        permissions,
        individual_access: individual != 0,
        scope,
    };
    Ok(Asker { subject, active: active != 0 })
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

/// `home` is the asker's tenant: the line of another one stands in the row.
fn device(row: &Row, home: &Lineage) -> Result<Option<Device>, StoreError> {
    let Some(id) = row.opt_text("device")? else { return Ok(None) };
    let tenant = |holder: Uuid| match home.own() {
        Some(own) if own.id == holder => Ok(home.clone()),
        _ => line(row, "holder_line"),
    };
    let holder = match (row.opt_uuid("holder_tenant")?, row.opt_uuid("holder_account")?) {
        (None, _) => Holder::Nobody,
        (Some(holder), None) => Holder::Tenant(tenant(holder)?),
        (Some(holder), Some(account)) => {
            let (roles, groups, managers) = row.needed::<StandingFields>("holder_standing")?;
            Holder::Account(Person {
                id: account,
                key: None,
                tenant: tenant(holder)?,
                managers,
                groups: groups.into_iter().collect(),
                roles: roles.into_iter().map(|(namespace, name, ..)| Ref { namespace, name }).collect(),
            })
        }
    };
    Ok(Some(Device { id, holder }))
}

fn offer(fields: GrantFields, asker: &Asker) -> Result<Offer, StoreError> {
    let GrantFields { tenant, namespace, name, mode, permissions, not_before, expires_at, .. } = fields;
    let subject = &asker.subject;
    let home = subject.tenant.own().map(|level| level.id).ok_or_else(|| shape("line", "empty"))?;
    // Those of others are of no concern.
    let receiver = |fields: ReceiverFields| match fields {
        (Some(account), _, _) => {
            (account == subject.id).then_some(Receiver::Account { account, tenant: home })
        }
        (None, Some(tenant), Some(name)) => Some(Receiver::Group { tenant, name }),
        (None, Some(tenant), None) => Some(Receiver::Tenant(tenant)),
        (None, None, _) => None,
    };
    Ok(Offer {
        key: ObjectKey::new(Kind::DeviceGrant, namespace, name),
        tenant,
        mode,
        receivers: fields.receivers.unwrap_or_default().into_iter().filter_map(receiver).collect(),
        permissions,
        not_before: moment(not_before)?,
        expires_at: moment(expires_at)?,
        giver: match fields.giver.zip(fields.giver_tier) {
            None => Giver::Platform,
            Some((id, tier)) => Giver::Account { id, tier },
        },
        covers: Covers::Others,
    })
}
