//! Lists of people: whose data an account sees, who may do something, who has a
//! right on an object, and the list of users.

use std::collections::BTreeSet;

use super::super::{Asked, AskedRight, NoObject, answer_in, checked, right};
use super::{NoList, PAGE, Page, Walk, count, denied_everything, nobody, of};
use crate::domain::access::sight::{self, Sight};
use crate::domain::capability::Capability;
use crate::domain::key::fold;
use crate::store::users::User;
use crate::store::{StoreError, Tx};

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
    /// What decided: a [`Ground`](crate::domain::access::answer::Ground), or `Permitted` for an administrative right.
    pub reason: &'static str,
}

pub(super) async fn visible_creators(
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
    let mut walk = Walk::begin(after, limit);
    while let Some((after, most)) = walk.next() {
        let near = tx.creators_near(&asker.subject, &after, count(most)).await?;
        walk.found(near.len(), most, near.last().map(|(name, _)| name.key.as_str()));
        for (name, person) in near {
            let in_filtered_sections = match sight::of_person(&asker.subject, &person) {
                Sight::OutOfRange => continue,
                Sight::NotOwn => false,
                Sight::Seen => true,
            };
            walk.page.items.push(Creator { account: name.written, in_filtered_sections });
        }
    }
    Ok(Some(walk.page))
}

pub(super) async fn who_can(
    tx: &mut Tx,
    asked: &Asked,
    after: &str,
    limit: usize,
) -> Result<Page<Who>, StoreError> {
    let mut walk = Walk::begin(after, limit);
    while let Some((after, most)) = walk.next() {
        let near = tx.askers_near(asked.device(), &after, count(most)).await?;
        walk.found(near.len(), most, near.last().map(|name| name.key.as_str()));
        let keys: Vec<&str> = near.iter().map(|name| name.key.as_str()).collect();
        for brief in tx.briefs(&keys, asked.device()).await? {
            let account = brief.asker.subject.username.clone();
            let answer = match brief.stale {
                // Time has ended something since the database last looked.
                true => answer_in(tx, &asked.by(&account)).await?.into(),
                false => checked(asked, Some(brief)),
            };
            if answer.allowed {
                walk.page.items.push(Who { account, reason: answer.reason.as_str() });
            }
        }
    }
    Ok(walk.page)
}

pub(super) async fn who_may(
    tx: &mut Tx,
    asked: &AskedRight,
    after: &str,
    limit: usize,
) -> Result<Result<Page<Who>, NoObject>, StoreError> {
    let place = match right::place(tx, asked).await? {
        Ok(place) => place,
        Err(missing) => return Ok(Err(missing)),
    };
    let mut walk = Walk::begin(after, limit);
    while let Some((after, most)) = walk.next() {
        let near = tx.administrators_near(place, asked.capability, &after, count(most)).await?;
        walk.found(near.len(), most, near.last().map(|name| name.key.as_str()));
        for name in near {
            let answer = right::answer(tx, &asked.by(&name.key), false).await?;
            if answer.allowed {
                walk.page.items.push(Who { account: name.written, reason: answer.reason });
            }
        }
    }
    Ok(Ok(walk.page))
}

pub(super) async fn users(
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
