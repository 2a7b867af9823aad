//! From the statement's row to what the rules want to know. The fields of each
//! array are in the order of `statement`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::super::StoreError;
use super::super::sql::Row;
use super::super::tenants::word;
use super::{Asker, Facts, Found, Names};
use crate::domain::access::facts::{Covers, Giver, Holder, Level, Lineage, Offer, Person, Subject};
use crate::domain::access::individual::Origin;
use crate::domain::account::{Effective, Ref};
use crate::domain::grant::chain::{By, Link};
use crate::domain::grant::{Mode, Receiver, Reclaim};
use crate::domain::object::{Kind, ObjectKey};
use crate::domain::permission::Permissions;
use crate::domain::role::{Assigned, Content};
use crate::domain::tier::Tier;

type Generations = BTreeMap<ObjectKey, i64>;
/// Namespace, name and generation in force of an object, as far as there is one.
type Object = (Option<String>, Option<String>, Option<i64>);
type LevelFields = (i64, Uuid, String, i64, i64, Option<String>, Option<String>, Option<i64>);
type RoleFields = (i64, Option<Uuid>, String, String, String, i64, Content, Option<i64>);
type LinkFields = (i64, Option<Uuid>, i64, Option<Reclaim>, Option<i64>, Option<i64>, Uuid, Option<Uuid>);
type ReceiverFields = (Option<Uuid>, Option<Uuid>, Option<String>);
type OfferFields = (
    String,
    String,
    Option<i64>,
    Uuid,
    Mode,
    Permissions,
    Option<i64>,
    Option<i64>,
    Option<Uuid>,
    Option<Tier>,
    Option<Vec<ReceiverFields>>,
    Uuid,
);

/// Everything that the statement says about a question.
pub(super) fn facts(row: &Row, names: &Names<'_>) -> Result<Facts, StoreError> {
    let mut generations = Generations::new();
    let asker = asker(row, &mut generations)?;
    let individual = asker.as_ref().map(|_| origin(row, &mut generations)).transpose()?;
    let offers = match &asker {
        None => vec![],
        Some(asker) => offers(row, names.device.is_some(), asker, &mut generations)?,
    };
    let device = match names.device {
        None => None,
        Some(_) => device(row, &mut generations)?,
    };
    let creator = match names.creator {
        None => None,
        Some(_) => person(row, "creator", &mut generations)?,
    };
    Ok(Facts { now: time(row.int("now")?)?, asker, individual, device, creator, offers, generations })
}

pub(super) fn time(second: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_second(second).map_err(|e| StoreError::Shape(e.to_string()))
}

pub(super) fn moment(second: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    second.map(time).transpose()
}

/// The rows of a column; null where there are none.
fn list<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Vec<T>, StoreError> {
    Ok(row.document(column)?.unwrap_or_default())
}

/// The object, with its generation in force noted.
fn key(kind: Kind, object: Object, generations: &mut Generations) -> Option<ObjectKey> {
    let (namespace, name, generation) = object;
    let key = ObjectKey::new(kind, namespace?, name?);
    if let Some(generation) = generation {
        generations.insert(key.clone(), generation);
    }
    Some(key)
}

fn asker(row: &Row, generations: &mut Generations) -> Result<Option<Asker>, StoreError> {
    let Some(id) = row.opt_uuid("id")? else { return Ok(None) };
    let object = (row.opt_text("namespace")?, row.opt_text("name")?, row.opt_int("generation")?);
    let effective: Effective = row.needed("effective")?;
    let subject = Subject {
        id,
        key: key(Kind::SubAdmin, object, generations),
        username: row.text("username")?,
        tier: word("tier", row.text("tier")?)?,
        enabled: row.bool("enabled")?,
        tenant: lineage(row, "lineage", generations)?,
        groups: list::<String>(row, "groups")?.into_iter().collect(),
        roles: roles(row, generations)?,
        permissions: row.needed("permissions")?,
        individual_access: effective.individual_access,
        scope: row.document("scope")?,
    };
    Ok(Some(Asker { subject, active: row.bool("active")? }))
}

fn origin(row: &Row, generations: &mut Generations) -> Result<Origin, StoreError> {
    let effective: Effective = row.needed("effective")?;
    let manager: Option<Object> = row.document("manager")?;
    Ok(Origin {
        source: effective.individual_source,
        manager: manager.and_then(|manager| key(Kind::SubAdmin, manager, generations)),
    })
}

fn lineage(row: &Row, column: &str, generations: &mut Generations) -> Result<Lineage, StoreError> {
    let mut levels: Vec<LevelFields> = list(row, column)?;
    levels.sort_by_key(|level| level.0);
    let level = |(_, id, path, enabled, permitted, namespace, name, generation): LevelFields| Level {
        id,
        key: key(Kind::Tenant, (namespace, name, generation), generations),
        path,
        enabled: enabled != 0,
        permitted: permitted != 0,
    };
    Ok(Lineage(levels.into_iter().map(level).collect()))
}

fn roles(row: &Row, generations: &mut Generations) -> Result<Vec<Assigned>, StoreError> {
    let mut roles: Vec<RoleFields> = list(row, "roles")?;
    roles.sort_by_key(|role| role.0);
    let role = |(_, role, namespace, name, revision, pinned, content, generation): RoleFields| {
        if let Some(generation) = generation {
            generations.insert(ObjectKey::new(Kind::Role, &namespace, &name), generation);
        }
        Assigned { role, namespace, name, revision, pinned: pinned != 0, content }
    };
    Ok(roles.into_iter().map(role).collect())
}

/// An account, from the columns that begin with `prefix`.
pub(super) fn person(
    row: &Row,
    prefix: &str,
    generations: &mut Generations,
) -> Result<Option<Person>, StoreError> {
    let column = |name: &str| format!("{prefix}_{name}");
    let Some(id) = row.opt_uuid(&column("id"))? else { return Ok(None) };
    let object = (
        row.opt_text(&column("namespace"))?,
        row.opt_text(&column("name"))?,
        row.opt_int(&column("generation"))?,
    );
    let mut managers: Vec<(i64, Uuid)> = list(row, &column("managers"))?;
    managers.sort_unstable();
    let roles: Vec<(String, String)> = list(row, &column("roles"))?;
    Ok(Some(Person {
        id,
        key: key(Kind::SubAdmin, object, generations),
        tenant: lineage(row, &column("lineage"), generations)?,
        managers: managers.into_iter().map(|(_, manager)| manager).collect(),
        groups: list::<String>(row, &column("groups"))?.into_iter().collect::<BTreeSet<_>>(),
        roles: roles.into_iter().map(|(namespace, name)| Ref { namespace, name }).collect(),
    }))
}

/// Who holds a device, from the columns about the holder.
pub(super) fn holder(
    row: &Row,
    tenant: Option<Uuid>,
    generations: &mut Generations,
) -> Result<Holder, StoreError> {
    Ok(match (person(row, "holder", generations)?, tenant) {
        (Some(person), _) => Holder::Account(person),
        (None, Some(_)) => Holder::Tenant(lineage(row, "holder_lineage", generations)?),
        (None, None) => Holder::Nobody,
    })
}

/// One of many devices with the grants that may matter.
pub(super) fn considered(row: &Row, asker: &Asker) -> Result<super::reverse::Considered, StoreError> {
    let mut generations = Generations::new();
    let found =
        device(row, &mut generations)?.ok_or(StoreError::Shape("a device without an id".to_owned()))?;
    Ok((found, offers(row, true, asker, &mut generations)?))
}

fn device(row: &Row, generations: &mut Generations) -> Result<Option<Found>, StoreError> {
    let Some(id) = row.opt_text("device")? else { return Ok(None) };
    let mut links: Vec<LinkFields> = list(row, "links")?;
    links.sort_by_key(|link| link.0);
    let link = |fields: LinkFields| {
        let (_, grant, managed, reclaim, not_before, expires_at, tenant, account) = fields;
        let by = match (grant, reclaim) {
            (Some(grant), Some(reclaim)) => Some(By {
                grant,
                managed: managed != 0,
                reclaim,
                not_before: moment(not_before)?,
                expires_at: moment(expires_at)?,
            }),
            _ => None,
        };
        Ok(Link { by, tenant, account })
    };
    let links = links.into_iter().map(link).collect::<Result<_, StoreError>>()?;
    let stored = holder(row, row.opt_uuid("holder_tenant")?, generations)?;
    Ok(Some(Found { id, home: row.opt_uuid("home")?, links, stored }))
}

fn offers(
    row: &Row,
    about_device: bool,
    asker: &Asker,
    generations: &mut Generations,
) -> Result<Vec<(Uuid, Offer)>, StoreError> {
    let mut offers: Vec<OfferFields> = list(row, "offers")?;
    offers.sort_by(|a, b| (&a.0, &a.1, &a.11).cmp(&(&b.0, &b.1, &b.11)));
    // Without a device, a grant is found once for each receiver.
    offers.dedup_by_key(|offer| offer.11);
    let subject = &asker.subject;
    let home = subject.tenant.own().map(|level| level.id);
    let receiver = |fields: ReceiverFields| match fields {
        (Some(account), _, _) => home.map(|tenant| Receiver::Account { account, tenant }),
        (None, Some(tenant), Some(name)) => Some(Receiver::Group { tenant, name }),
        (None, Some(tenant), None) => Some(Receiver::Tenant(tenant)),
        (None, None, _) => None,
    };
    offers
        .into_iter()
        .map(|fields| {
            let (namespace, name, generation, tenant, mode, permissions, from, until, giver, tier, to, id) =
                fields;
            let key = ObjectKey::new(Kind::DeviceGrant, namespace, name);
            if let Some(generation) = generation {
                generations.insert(key.clone(), generation);
            }
            let offer = Offer {
                key,
                tenant,
                mode,
                receivers: to.unwrap_or_default().into_iter().filter_map(receiver).collect(),
                permissions,
                not_before: moment(from)?,
                expires_at: moment(until)?,
                giver: match giver.zip(tier) {
                    None => Giver::Platform,
                    Some((id, tier)) => Giver::Account { id, tier },
                },
                covers: if about_device { Covers::Asked } else { Covers::NoDevices },
            };
            Ok((id, offer))
        })
        .collect()
}
