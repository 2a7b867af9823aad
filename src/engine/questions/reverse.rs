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

mod devices;
mod people;

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Asked, AskedRight, NoObject, Questions, RERUNS};
use crate::domain::access::answer::Ground;
use crate::domain::access::decide;
use crate::domain::access::facts::{Level, Lineage, Offer, Question, Subject};
use crate::domain::access::rules::{InForce, without_device};
use crate::domain::access::sight;
use crate::domain::account::Scope;
use crate::domain::permission::{Pattern, Permissions};
use crate::domain::tier::Tier;
use crate::store::devices::Listed;
use crate::store::questions::reverse::Right;
use crate::store::questions::{Asker, Facts, Names};
use crate::store::users::User;
use crate::store::{Access, StoreError, Tx};

pub use devices::{DeviceRights, OPERATIONS};
pub use people::{Creator, Who};

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

/// A page that is being filled: candidates are looked at in parts, until there
/// are enough rows, or enough was looked at for one answer.
struct Walk<T> {
    page: Page<T>,
    limit: usize,
    looked_at: usize,
}

impl<T> Walk<T> {
    fn begin(after: &str, limit: usize) -> Self {
        Self { page: Page { items: vec![], next: Some(after.to_owned()) }, limit, looked_at: 0 }
    }

    /// After which name to look next, and at how many; none: the page is done.
    fn next(&mut self) -> Option<(String, usize)> {
        let enough = self.page.items.len() >= self.limit || self.looked_at >= LOOKED_AT;
        if self.looked_at > 0 && enough {
            return None;
        }
        let most = PAGE.min(self.limit.saturating_sub(self.page.items.len())).max(1);
        Some((self.page.next.take()?, most))
    }

    /// Of at most so many, this many were found, the last one with this name.
    fn found(&mut self, many: usize, most: usize, last: Option<&str>) {
        self.looked_at += many;
        self.page.next = last.filter(|_| many == most).map(str::to_owned);
    }
}

/// The last part, without a row.
impl<T> Default for Page<T> {
    fn default() -> Self {
        Self::last()
    }
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
    /// Whether Individual access narrows what it sees to what it or accounts
    /// below it created (R5).
    pub individual_access: bool,
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

impl Questions {
    /// The devices on which an account may do a documented operation, after the
    /// id `after`; none if there is no such account.
    pub async fn devices_of(
        &self,
        account: &str,
        after: &str,
        limit: usize,
    ) -> Result<Option<Page<DeviceRights>>, StoreError> {
        again!(self.store, |tx| devices::devices_of(tx, account, after, limit))
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
        again!(self.store, |tx| devices::devices_seen(tx, account, tenant, after, limit))
    }

    /// Whose data an account sees, after the username `after`; none if there is
    /// no such account.
    pub async fn visible_creators(
        &self,
        account: &str,
        after: &str,
        limit: usize,
    ) -> Result<Option<Page<Creator>>, StoreError> {
        again!(self.store, |tx| people::visible_creators(tx, account, after, limit))
    }

    /// Who may do an operation on a resource, or on one device, after the
    /// username `after`. `asked` says what is asked; its account means nothing.
    pub async fn who_can(&self, asked: &Asked, after: &str, limit: usize) -> Result<Page<Who>, StoreError> {
        again!(self.store, |tx| people::who_can(tx, asked, after, limit))
    }

    /// Who has an administrative right on an object, after the username `after`.
    /// The account of `asked` means nothing.
    pub async fn who_may(
        &self,
        asked: &AskedRight,
        after: &str,
        limit: usize,
    ) -> Result<Result<Page<Who>, NoObject>, StoreError> {
        again!(self.store, |tx| people::who_may(tx, asked, after, limit))
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
        again!(self.store, |tx| people::users(tx, reader, after, limit))
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
        individual_access: sight::individual(&subject),
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
