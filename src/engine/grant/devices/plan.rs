//! What shall become of the devices of a grant: every standing is decided by
//! the pure rules, and what shall be given finds room or not.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Work, why};
use crate::domain::grant::devices::{
    BEYOND_HOLDER, Claim, Decision, Place, State, beyond_holder, conflict, decide, within_holder,
};
use crate::domain::grant::room::Met;
use crate::domain::object::ObjectKey;
use crate::domain::verdict::Refusal;
use crate::engine::pass::{Pass, Step};
use crate::store::grant_devices::{Given, Mark, Seen};

/// What becomes of the devices of one standing.
pub(super) enum Fate {
    /// They are this now, for this reason.
    Are(State, Option<&'static str>),
    /// They are given, as far as limits leave room.
    Given(Met),
}

/// What becomes of all devices of a grant.
pub(super) struct Plan {
    pub(super) seen: Vec<Seen>,
    /// One for each standing.
    pub(super) fates: Vec<Fate>,
    pub(super) refusals: Vec<Refusal>,
    /// The limits, by their place in the list, that some devices found full.
    pub(super) full: Vec<usize>,
}

impl Plan {
    pub(super) async fn of(pass: &mut Pass<'_>, work: &mut Work<'_>, seen: Vec<Seen>) -> Step<Self> {
        let now = pass.now();
        let claim = work.grant.claim();
        let others = others(pass, &seen).await?;
        let beyond = beyond(pass, work, &seen).await?;
        let mut fates = vec![];
        let mut wants = vec![];
        let mut held_by: Vec<&Claim> = vec![];
        for (index, one) in seen.iter().enumerate() {
            let standing = &one.standing;
            let other = match standing.place {
                Place::Taken(grant) | Place::Fed(grant) => others.get(&grant),
                Place::Free | Place::Ended => None,
            };
            let fate = match decide(work.grant.mode, work.open, &claim, standing, other, now) {
                Decision::Are(State::Applied) if beyond.contains_key(&index) => {
                    Fate::Are(State::Refused, Some(BEYOND_HOLDER))
                }
                Decision::Are(state) => {
                    held_by.extend(other.filter(|_| state == State::Waiting));
                    Fate::Are(state, why(state))
                }
                Decision::Wants => {
                    wants.push(index);
                    Fate::Given(Met::All)
                }
            };
            fates.push(fate);
        }
        let (mut refusals, mut full) = (vec![], vec![]);
        if !held_by.is_empty() {
            refusals.push(conflict(pass.key(), &held_by));
        }
        let holders: BTreeSet<ObjectKey> = beyond.into_values().collect();
        if !holders.is_empty() {
            let holders: Vec<ObjectKey> = holders.into_iter().collect();
            refusals.push(beyond_holder(pass.key(), &holders));
        }
        if !wants.is_empty() && !work.limits.is_empty() {
            let (met, limits) = super::room::allot(pass, work, &seen, &wants).await?;
            full = limits;
            for (index, met) in wants.into_iter().zip(met) {
                fates[index] = Fate::Given(met);
            }
        }
        Ok(Self { seen, fates, refusals, full })
    }

    /// What is given to the receiver, of the standings that `which` picks.
    pub(super) fn given(&self, which: impl Fn(&Seen) -> bool) -> Vec<Given> {
        let each = self.seen.iter().zip(&self.fates).filter(|(seen, _)| which(seen));
        each.filter_map(|(seen, fate)| match fate {
            Fate::Given(Met::All) => Some(Given { key: seen.key.clone(), until: None }),
            Fate::Given(Met::Until(last, _)) => {
                Some(Given { key: seen.key.clone(), until: Some(last.clone()) })
            }
            Fate::Given(Met::Nothing) | Fate::Are(..) => None,
        })
        .collect()
    }

    /// What devices that are not given now are marked with, where that differs
    /// from the last pass.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let each = self.seen.iter().zip(&self.fates);
        each.filter_map(|(seen, fate)| {
            let (state, reason, after) = match fate {
                Fate::Are(state, reason) => (*state, *reason, String::new()),
                Fate::Given(Met::All) => return None,
                Fate::Given(Met::Nothing) => (State::Refused, why(State::Refused), String::new()),
                Fate::Given(Met::Until(last, _)) => (State::Refused, why(State::Refused), last.clone()),
            };
            (seen.standing.mark != Some(state)).then(|| Mark {
                key: seen.key.clone(),
                state,
                why: reason,
                after,
            })
        })
        .collect()
    }
}

/// The grants that stand where this one wants to.
async fn others(pass: &mut Pass<'_>, seen: &[Seen]) -> Step<BTreeMap<Uuid, Claim>> {
    let grants: BTreeSet<Uuid> = seen
        .iter()
        .filter_map(|one| match one.standing.place {
            Place::Taken(grant) | Place::Fed(grant) => Some(grant),
            Place::Free | Place::Ended => None,
        })
        .collect();
    let grants: Vec<Uuid> = grants.into_iter().collect();
    Ok(pass.tx.claims(&grants).await?.into_iter().map(|claim| (claim.grant, claim)).collect())
}

/// The standings that an account may not share to itself as written, with the
/// object of who holds those devices (R2).
async fn beyond(pass: &mut Pass<'_>, work: &Work<'_>, seen: &[Seen]) -> Step<BTreeMap<usize, ObjectKey>> {
    let mut beyond = BTreeMap::new();
    let reached = || seen.iter().enumerate().filter(|(_, one)| one.standing.reachable);
    let holders: BTreeSet<Uuid> = reached().filter_map(|(_, one)| one.standing.holder.account).collect();
    if work.grant.mode != crate::domain::grant::Mode::Share
        || !work.grant.is_to_itself()
        || holders.is_empty()
    {
        return Ok(beyond);
    }
    let holders: Vec<Uuid> = holders.into_iter().collect();
    let assigns: BTreeSet<Uuid> = reached().filter_map(|(_, one)| one.standing.by).collect();
    let assigns: Vec<Uuid> = assigns.into_iter().collect();
    let holdings = pass.tx.holdings(&holders).await?;
    let given = pass.tx.permissions_of_grants(&assigns).await?;
    // What each of them may do can change.
    for key in holdings.values().filter_map(|(key, _)| key.as_ref()).chain(given.values().map(|(key, _)| key))
    {
        pass.depend_on(key);
    }
    for (index, one) in reached() {
        let Some((key, holding)) = one.standing.holder.account.and_then(|id| holdings.get(&id)) else {
            continue;
        };
        let by = one.standing.by.and_then(|grant| given.get(&grant)).map(|(_, rules)| rules);
        if !within_holder(&work.grant.permissions.allow, holding, by) {
            let key = key.clone().unwrap_or_else(|| pass.key().clone());
            beyond.insert(index, key);
        }
    }
    Ok(beyond)
}
