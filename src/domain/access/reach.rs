//! Which accounts a grant reaches. The decision uses this, and the members of
//! a project are the accounts that its grants reach (the view
//! `project_members` says the same in SQL, and a test compares them).

use super::facts::{Giver, Offer, Subject};
use crate::domain::grant::{Mode, Receiver};

/// By which of its receivers a grant reaches an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// It names the account.
    Account,
    /// It names a group that the account is in.
    Group(String),
    /// It names the account's tenant.
    Tenant,
}

impl Via {
    /// As in the view `project_members`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Group(_) => "group",
            Self::Tenant => "tenant",
        }
    }
}

/// How a grant reaches an account, the most direct way first; none: it does not.
///
/// - R4: a grant to a tenant reaches every account of that tenant, and none
///   below. A group is (tenant, name): a namesake in another tenant is another
///   group.
/// - Receivers lie in the granting tenant or below it. A tenant that has been
///   moved away since takes its accounts out of the grant's reach.
/// - R2: receivers are outranked. A grant to a tenant or a group reaches only
///   those of its accounts that its giver outranks now, so that nobody below
///   can deny something to those above; the platform outranks everybody. The
///   exception is R2's: a Share that names its giver reaches it.
pub fn reaches(offer: &Offer, subject: &Subject) -> Option<Via> {
    if !subject.tenant.within(offer.tenant) {
        return None;
    }
    let outranked = match offer.giver {
        Giver::Platform => true,
        Giver::Account { tier, .. } => tier.outranks(subject.tier),
    };
    let to_itself =
        offer.mode == Mode::Share && matches!(offer.giver, Giver::Account { id, .. } if id == subject.id);
    let ways = offer.receivers.iter().filter_map(|receiver| match receiver {
        Receiver::Account { account, .. } if *account == subject.id => {
            (outranked || to_itself).then_some(Via::Account)
        }
        Receiver::Group { tenant, name } if subject.tenant.is(*tenant) && subject.groups.contains(name) => {
            outranked.then(|| Via::Group(name.clone()))
        }
        Receiver::Tenant(tenant) if subject.tenant.is(*tenant) => outranked.then_some(Via::Tenant),
        _ => None,
    });
    ways.min()
}
