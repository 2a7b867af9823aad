//! R4, R5: which devices an account may give away. Most accounts see all of
//! their tenant and below, and nothing needs to be asked; a listed scope,
//! Individual access and a Share to oneself narrow it.

use uuid::Uuid;

use crate::domain::account::{Account, Scope};
use crate::domain::tenant::Chain;

use super::lists;

/// What a giver sees that does not see everything in the granting tenant.
/// The store answers which devices that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The account that gives.
    pub account: Uuid,
    /// Its tenant: groups are of it, and everything lies in it or below.
    pub tenant: Uuid,
    /// Its listed scope; none under Individual access, which leaves only own
    /// creations.
    pub scope: Option<Scope>,
    /// A Share to oneself: only what accounts below it hold.
    pub only_below: bool,
}

/// What the giver of a grant in a tenant sees; none: everything there.
pub fn sight(giver: &Account, within: &Chain, to_itself: bool) -> Option<Sight> {
    let narrow = |scope: Option<Scope>, only_below| Sight {
        account: giver.id,
        tenant: giver.tenant,
        scope,
        only_below,
    };
    if to_itself {
        return Some(narrow(None, true));
    }
    if giver.effective.individual_access {
        return Some(narrow(None, false));
    }
    match &giver.settings.scope {
        Some(scope) if !lists(scope, within) => Some(narrow(Some(scope.clone()), false)),
        _ => None,
    }
}
