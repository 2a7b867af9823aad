//! Lists of devices: those on which an account may do something, and those
//! that it sees.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::super::current;
use super::{NoList, PAGE, Page, Walk, count, denied_everything, nobody, of};
use crate::domain::access::answer::Ground;
use crate::domain::access::decide;
use crate::domain::access::facts::{Named, Offer, Question};
use crate::domain::access::reach;
use crate::domain::access::sight::{self, Sight};
use crate::domain::permission::Pattern;
use crate::store::devices::Listed;
use crate::store::questions::reverse::Considered;
use crate::store::questions::{Asker, Facts};
use crate::store::{StoreError, Tx};

/// The documented operations on a device.
pub const OPERATIONS: [&str; 4] = ["view", "operate", "manage", "share"];

/// What an account may do with a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRights {
    /// The device.
    pub device: String,
    /// The documented operations that are allowed, each with what decided.
    pub operations: Vec<(&'static str, Ground)>,
}

pub(super) async fn devices_of(
    tx: &mut Tx,
    account: &str,
    after: &str,
    limit: usize,
) -> Result<Option<Page<DeviceRights>>, StoreError> {
    let Facts { asker, now, .. } = tx.facts(&of(account)).await?;
    let known = asker.is_some();
    let Some(asker) = asker.filter(|asker| !denied_everything(asker)) else {
        // As many statements as for an account that has no device: the time
        // tells nobody who exists.
        let nobody = nobody();
        let ids = tx.devices_near(&nobody.subject, after, count(PAGE.min(limit))).await?;
        tx.facts_about(&nobody, &ids).await?;
        return Ok(known.then(Page::last));
    };
    let mut walk = Walk::begin(after, limit);
    while let Some((after, most)) = walk.next() {
        let ids = tx.devices_near(&asker.subject, &after, count(most)).await?;
        walk.found(ids.len(), most, ids.last().map(String::as_str));
        for considered in tx.facts_about(&asker, &ids).await? {
            let rights = rights(tx, &asker, considered, now).await?;
            walk.page.items.extend(Some(rights).filter(|rights| !rights.operations.is_empty()));
        }
    }
    Ok(Some(walk.page))
}

pub(super) async fn devices_seen(
    tx: &mut Tx,
    account: &str,
    tenant: Option<Uuid>,
    after: &str,
    limit: usize,
) -> Result<Result<Page<Listed>, NoList>, StoreError> {
    let Facts { asker, now, .. } = tx.facts(&of(account)).await?;
    let Some(asker) = asker else { return Ok(Err(NoList::NoAccount)) };
    if denied_everything(&asker) {
        return Ok(Err(NoList::Denied));
    }
    let mut walk = Walk::begin(after, limit);
    while let Some((after, most)) = walk.next() {
        let ids = tx.devices_near(&asker.subject, &after, count(most)).await?;
        walk.found(ids.len(), most, ids.last().map(String::as_str));
        let (mut seen, mut shared) = (vec![], BTreeSet::new());
        for (device, offers) in tx.facts_about(&asker, &ids).await? {
            let id = device.id.clone();
            let (device, offers) = current(tx, device, offers, now).await?;
            let in_effect: Vec<&Offer> = offers.iter().filter(|offer| offer.in_effect(now)).collect();
            if sight::of_device(&asker.subject, &device, &in_effect) != Sight::Seen {
                let reaches = |offer: &Offer| reach::reaches(offer, &asker.subject).is_some();
                let shown = in_effect.iter().any(|offer| reaches(offer) && sight::shown_by(offer));
                if !shown || tenant.is_some() {
                    continue;
                }
                shared.insert(id.clone());
            }
            seen.push(id);
        }
        for mut device in tx.list_among(Some(&seen), tenant, "", count(most)).await? {
            // Where what only a Share shows is held is none of its receiver's
            // business (R4).
            if shared.contains(&device.device_id) {
                (device.tenant, device.account) = (None, None);
            }
            walk.page.items.push(device);
        }
    }
    Ok(Ok(walk.page))
}

/// What an account may do with one device.
async fn rights(
    tx: &mut Tx,
    asker: &Asker,
    (device, offers): Considered,
    now: jiff::Timestamp,
) -> Result<DeviceRights, StoreError> {
    let id = device.id.clone();
    let (device, offers) = current(tx, device, offers, now).await?;
    let mut question = Question {
        operation: Pattern::new("view"),
        resource: Pattern::new("device"),
        device: Some(Named::Known(device)),
        creator: None,
    };
    let mut operations = vec![];
    for operation in OPERATIONS {
        question.operation = Pattern::new(operation);
        let decision = decide(Some(&asker.subject), &question, &offers, now);
        if decision.allowed {
            operations.push((operation, decision.reason));
        }
    }
    Ok(DeviceRights { device: id, operations })
}
