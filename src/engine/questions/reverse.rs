//! The reverse questions: what may this account do, who may do that, whose
//! data does it see? The store finds what is worth asking about, page by page;
//! each row is decided by the same rules as a single question.
//!
//! A page is one snapshot, read in one short transaction; the next page is
//! another one. A list of a million devices therefore holds no transaction
//! open while somebody reads it, needs no more memory than one page, and what
//! changes meanwhile is in it or not, as `check` would have answered when its
//! page was read. Rows come in order of their names, so that none is shown
//! twice and a row that was there all the time is not left out.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::access::answer::Ground;
use crate::domain::access::decide;
use crate::domain::access::facts::{Level, Lineage, Named, Offer, Question, Subject};
use crate::domain::access::reach;
use crate::domain::access::rules::{InForce, without_device};
use crate::domain::access::sight::{self, Sight};
use crate::domain::account::Scope;
use crate::domain::capability::Capability;
use crate::domain::key::fold;
use crate::domain::permission::{Pattern, Permissions};
use crate::domain::tier::Tier;
use crate::store::devices::Listed;
use crate::store::questions::reverse::{Considered, Right};
use crate::store::questions::{Asker, Facts, Names};
use crate::store::users::User;
use crate::store::{Access, StoreError, Tx};

use super::{Asked, AskedRight, NoObject, Questions, RERUNS, current};

/// The documented operations on a device.
pub const OPERATIONS: [&str; 4] = ["view", "operate", "manage", "share"];

/// Candidates read by one statement.
const PAGE: usize = 500;
/// Candidates looked at for one answer: a page may be short, and then says
/// where to go on.
const LOOKED_AT: usize = 5_000;

/// A part of a long list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in order of their names; there may be fewer than asked for.
    pub items: Vec<T>,
    /// What to give as `after` for the next part; none: this was the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    const fn last() -> Self {
        Self { items: vec![], next: None }
    }
}

/// The last part, without a row.
impl<T> Default for Page<T> {
    fn default() -> Self {
        Self::last()
    }
}

/// What an account may do with a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRights {
    /// The device.
    pub device: String,
    /// The documented operations that are allowed, each with what decided.
    pub operations: Vec<(&'static str, Ground)>,
}

/// Somebody whose data an account sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creator {
    /// Its username.
    pub account: String,
    /// False: not in the sections that Individual access filters (R5).
    pub in_filtered_sections: bool,
}

/// Somebody who may do what was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its username.
    pub account: String,
    /// What decided: a [`Ground`], or `Permitted` for an administrative right.
    pub reason: &'static str,
}

/// What an account is, before what it may do is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Its username.
    pub account: String,
    /// Whether its invitation has been completed.
    pub active: bool,
    /// Why it may nothing at all; none: it is not blocked.
    pub blocked: Option<String>,
    /// The rules that answer questions without an id.
    pub rules: Vec<InForce>,
    /// Its administrative rights.
    pub rights: Vec<Right>,
    /// What of its tenant and below its rights are about, if that is listed.
    pub scope: Option<Scope>,
}

/// Why an account may not have a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoList {
    /// Nobody is called so.
    #[error("no account has this username or e-mail: correct it")]
    NoAccount,
    /// Everything is denied to it.
    #[error("the account, or a tenant where it belongs, is disabled or not admitted; it may see nothing")]
    Denied,
    /// It has no right to manage users.
    #[error("the account lacks ManageUsers; only with it may an account export the user list")]
    NotManaging,
}

/// Reads in one snapshot, again if the connection was lost. A macro, because
/// the future of a function that takes an asynchronous closure is `Send` for
/// one lifetime only, which a server of pages cannot use.
macro_rules! again {
    ($store:expr, |$tx:ident| $read:expr) => {{
        let mut reruns = 0;
        loop {
            let attempt = async {
                let mut snapshot = $store.begin(Access::Read).await?;
                let $tx = &mut snapshot;
                let value = $read.await?;
                snapshot.commit().await?;
                Ok::<_, StoreError>(value)
            };
            match attempt.await {
                Err(error) if error.is_transient() && reruns < RERUNS => reruns += 1,
                other => break other,
            }
        }
    }};
}

impl Questions {
    /// The devices on which an account may do a documented operation, after the
    /// id `after`; none if there is no such account.
    pub async fn devices_of(
        &self,
        account: &str,
        after: &str,
        limit: usize,
    ) -> Result<Option<Page<DeviceRights>>, StoreError> {
        again!(self.store, |tx| devices_of(tx, account, after, limit))
    }

    /// The devices that an account sees, as the inventory lists them, after the
    /// id `after`; only what lies in `tenant` or below if that is given.
    pub async fn devices_seen(
        &self,
        account: &str,
        tenant: Option<Uuid>,
        after: &str,
        limit: usize,
    ) -> Result<Result<Page<Listed>, NoList>, StoreError> {
        again!(self.store, |tx| devices_seen(tx, account, tenant, after, limit))
    }

    /// Whose data an account sees, after the username `after`; none if there is
    /// no such account.
    pub async fn visible_creators(
        &self,
        account: &str,
        after: &str,
        limit: usize,
    ) -> Result<Option<Page<Creator>>, StoreError> {
        again!(self.store, |tx| visible_creators(tx, account, after, limit))
    }

    /// Who may do an operation on a resource, or on one device, after the
    /// username `after`. `asked` says what is asked; its account means nothing.
    pub async fn who_can(&self, asked: &Asked, after: &str, limit: usize) -> Result<Page<Who>, StoreError> {
        again!(self.store, |tx| who_can(tx, asked, after, limit))
    }

    /// Who has an administrative right on an object, after the username `after`.
    /// The account of `asked` means nothing.
    pub async fn who_may(
        &self,
        asked: &AskedRight,
        after: &str,
        limit: usize,
    ) -> Result<Result<Page<Who>, NoObject>, StoreError> {
        again!(self.store, |tx| who_may(tx, asked, after, limit))
    }

    /// The rules of an account that answer questions without an id; none if
    /// there is no such account.
    pub async fn rules_of(&self, account: &str) -> Result<Option<Rules>, StoreError> {
        again!(self.store, |tx| rules_of(tx, account))
    }

    /// The list of users, after the username `after`: everybody, or what `reader`
    /// may see of it.
    pub async fn users(
        &self,
        reader: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Result<Page<User>, NoList>, StoreError> {
        again!(self.store, |tx| users(tx, reader, after, limit))
    }
}

/// The rules of one account.
async fn rules_of(tx: &mut Tx, account: &str) -> Result<Option<Rules>, StoreError> {
    let Facts { asker, offers, now, .. } = tx.facts(&of(account)).await?;
    let Some(Asker { subject, active }) = asker else { return Ok(None) };
    let offers: Vec<Offer> = offers.into_iter().map(|(_, offer)| offer).collect();
    let rules = without_device(&subject, &offers, now);
    let rights = tx.rights_of(subject.id).await?;
    Ok(Some(Rules {
        active,
        blocked: blocked(&subject),
        rules,
        rights,
        scope: subject.scope,
        account: subject.username,
    }))
}

const fn of(account: &str) -> Names<'_> {
    Names { account, device: None, creator: None }
}

/// Why everything is denied to an account; none: it is not.
fn blocked(subject: &Subject) -> Option<String> {
    let question = Question {
        operation: Pattern::new("view"),
        resource: Pattern::new("device"),
        device: None,
        creator: None,
    };
    let decision = decide(Some(subject), &question, &[], jiff::Timestamp::UNIX_EPOCH);
    let blocks = [Ground::AccountDisabled, Ground::TenantDisabled, Ground::TenantNotPermitted];
    blocks.contains(&decision.reason).then_some(decision.message)
}

/// Whether everything is denied to an account, so that nothing need be listed.
fn denied_everything(asker: &Asker) -> bool {
    !asker.subject.enabled || asker.subject.tenant.blocked_by().is_some()
}

/// Stands in for an account that is unknown, or denied everything.
fn nobody() -> Asker {
    let level = Level { id: Uuid::nil(), key: None, path: String::new(), enabled: false, permitted: false };
    let subject = Subject {
        id: Uuid::nil(),
        key: None,
        username: String::new(),
        tier: Tier::Basic,
        enabled: false,
        tenant: Lineage(vec![level]),
        groups: BTreeSet::new(),
        roles: vec![],
        permissions: Permissions::default(),
        individual_access: false,
        scope: None,
    };
    Asker { subject, active: false }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

async fn devices_of(
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
    let mut page = Page { items: vec![], next: Some(after.to_owned()) };
    let mut looked_at = 0;
    while let Some(after) = page.next.take() {
        let most = PAGE.min(limit - page.items.len()).max(1);
        let ids = tx.devices_near(&asker.subject, &after, count(most)).await?;
        looked_at += ids.len();
        for considered in tx.facts_about(&asker, &ids).await? {
            let rights = rights(tx, &asker, considered, now).await?;
            page.items.extend(Some(rights).filter(|rights| !rights.operations.is_empty()));
        }
        if ids.len() == most {
            page.next = ids.into_iter().next_back();
        }
        if page.items.len() >= limit || looked_at >= LOOKED_AT {
            break;
        }
    }
    Ok(Some(page))
}

async fn devices_seen(
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
    let mut page = Page { items: vec![], next: Some(after.to_owned()) };
    let mut looked_at = 0;
    while let Some(after) = page.next.take() {
        let most = PAGE.min(limit - page.items.len()).max(1);
        let ids = tx.devices_near(&asker.subject, &after, count(most)).await?;
        looked_at += ids.len();
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
            page.items.push(device);
        }
        if ids.len() == most {
            page.next = ids.into_iter().next_back();
        }
        if page.items.len() >= limit || looked_at >= LOOKED_AT {
            break;
        }
    }
    Ok(Ok(page))
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

async fn visible_creators(
    tx: &mut Tx,
    account: &str,
    after: &str,
    limit: usize,
) -> Result<Option<Page<Creator>>, StoreError> {
    let asker = tx.facts(&of(account)).await?.asker;
    let known = asker.is_some();
    let Some(asker) = asker.filter(|asker| !denied_everything(asker)) else {
        tx.creators_near(&nobody().subject, after, count(PAGE.min(limit))).await?;
        return Ok(known.then(Page::last));
    };
    let mut page = Page { items: vec![], next: Some(after.to_owned()) };
    let mut looked_at = 0;
    while let Some(after) = page.next.take() {
        let most = PAGE.min(limit - page.items.len()).max(1);
        let near = tx.creators_near(&asker.subject, &after, count(most)).await?;
        looked_at += near.len();
        if near.len() == most {
            page.next = near.last().map(|(name, _)| name.key.clone());
        }
        for (name, person) in near {
            let in_filtered_sections = match sight::of_person(&asker.subject, &person) {
                Sight::OutOfRange => continue,
                Sight::NotOwn => false,
                Sight::Seen => true,
            };
            page.items.push(Creator { account: name.written, in_filtered_sections });
        }
        if page.items.len() >= limit || looked_at >= LOOKED_AT {
            break;
        }
    }
    Ok(Some(page))
}

async fn who_can(tx: &mut Tx, asked: &Asked, after: &str, limit: usize) -> Result<Page<Who>, StoreError> {
    let mut page = Page { items: vec![], next: Some(after.to_owned()) };
    let mut looked_at = 0;
    while let Some(after) = page.next.take() {
        let most = PAGE.min(limit - page.items.len()).max(1);
        let near = tx.askers_near(asked.device(), &after, count(most)).await?;
        looked_at += near.len();
        if near.len() == most {
            page.next = near.last().map(|name| name.key.clone());
        }
        let keys: Vec<&str> = near.iter().map(|name| name.key.as_str()).collect();
        for brief in tx.briefs(&keys, asked.device()).await? {
            let account = brief.asker.subject.username.clone();
            let answer = match brief.stale {
                // Time has ended something since the database last looked.
                true => super::answer_in(tx, &asked.by(&account)).await?.into(),
                false => super::checked(asked, Some(brief)),
            };
            if answer.allowed {
                page.items.push(Who { account, reason: answer.reason.as_str() });
            }
        }
        if page.items.len() >= limit || looked_at >= LOOKED_AT {
            break;
        }
    }
    Ok(page)
}

async fn who_may(
    tx: &mut Tx,
    asked: &AskedRight,
    after: &str,
    limit: usize,
) -> Result<Result<Page<Who>, NoObject>, StoreError> {
    let mut page = Page { items: vec![], next: Some(after.to_owned()) };
    let place = match super::right::place(tx, asked).await? {
        Ok(place) => place,
        Err(missing) => return Ok(Err(missing)),
    };
    while let Some(after) = page.next.take() {
        let most = PAGE.min(limit - page.items.len()).max(1);
        let near = tx.administrators_near(place, asked.capability, &after, count(most)).await?;
        if near.len() == most {
            page.next = near.last().map(|name| name.key.clone());
        }
        for name in near {
            let answer = super::right::answer(tx, &asked.by(&name.key)).await?;
            if answer.allowed {
                page.items.push(Who { account: name.written, reason: answer.reason });
            }
        }
        if page.items.len() >= limit {
            break;
        }
    }
    Ok(Ok(page))
}

async fn users(
    tx: &mut Tx,
    reader: Option<&str>,
    after: &str,
    limit: usize,
) -> Result<Result<Page<User>, NoList>, StoreError> {
    let most = PAGE.min(limit).max(1);
    let Some(reader) = reader else {
        let items = tx.users(None, after, count(most)).await?;
        let next = items.last().filter(|_| items.len() == most).map(|user| user.key.clone());
        return Ok(Ok(Page { items, next }));
    };
    let Some(asker) = tx.facts(&of(reader)).await?.asker else { return Ok(Err(NoList::NoAccount)) };
    if denied_everything(&asker) {
        return Ok(Err(NoList::Denied));
    }
    let found = tx.account(asker.subject.id).await?;
    let manages =
        found.is_some_and(|found| found.account.effective.capabilities.contains(&Capability::ManageUsers));
    if !manages {
        return Ok(Err(NoList::NotManaging));
    }
    let near = tx.creators_near(&asker.subject, after, count(most)).await?;
    let next = near.last().filter(|_| near.len() == most).map(|(name, _)| name.key.clone());
    // The list of users is a section that Individual access filters (R5).
    let seen: Vec<_> = near
        .iter()
        .filter(|(_, person)| sight::of_person(&asker.subject, person) == Sight::Seen)
        .map(|(_, person)| person.id)
        .collect();
    let mut items = tx.users(Some(&seen), "", count(most)).await?;
    // Who answers for somebody may stand above the reader, who sees nobody there.
    let managers: BTreeSet<String> =
        items.iter().filter_map(|user| user.manager.as_deref()).map(fold).collect();
    let managers = tx.creators_named(&asker.subject, &managers).await?;
    let visible = |name: &str| {
        let person = managers.iter().find(|(other, _)| other.key == fold(name));
        person.is_some_and(|(_, person)| sight::of_person(&asker.subject, person) == Sight::Seen)
    };
    for user in &mut items {
        user.manager = user.manager.take().filter(|name| visible(name));
    }
    Ok(Ok(Page { items, next }))
}
