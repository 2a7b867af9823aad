//! What shall become of the devices of a grant: every standing is decided by
//! the pure rules, and what shall be given finds room or not.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Work, why};
use crate::domain::grant::Mode;
use crate::domain::grant::devices::{Claim, Decision, Own, Place, State, conflict, decide};
use crate::domain::grant::room::Met;
use crate::domain::verdict::Refusal;
use crate::engine::pass::{Pass, Step};
use crate::store::grant_devices::{Given, Mark, Seen};

/// What becomes of the devices of one standing.
pub(super) enum Fate {
    /// They are this now.
    Are(State),
    /// They are given, as far as limits leave room.
    Given(Met),
    /// They are new to a grant that is refused: it is not about them yet.
    Left,
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
        let mut fates = vec![];
        let mut wants = vec![];
        let mut held_by: Vec<&Claim> = vec![];
        for (index, one) in seen.iter().enumerate() {
            let standing = &one.standing;
            let other = match standing.place {
                Place::Taken(grant) | Place::Fed(grant) => others.get(&grant),
                Place::Free | Place::Ended => None,
            };
            // What others have ended an Assign does not have any more, whatever
            // it had at its last pass.
            let new = match work.grant.mode {
                Mode::Assign => standing.own != Own::InPlace,
                Mode::Share => standing.mark != Some(State::Applied),
            };
            let fate = match decide(work.grant.mode, work.open, &claim, standing, other, now) {
                // A refused grant keeps what it gave and gives nothing more.
                Decision::Wants | Decision::Are(State::Applied) if new && !work.may_give => {
                    standing.mark.map_or(Fate::Left, |mark| match mark {
                        State::Applied => Fate::Are(State::Idle),
                        other => Fate::Are(other),
                    })
                }
                Decision::Are(state) => {
                    held_by.extend(other.filter(|_| state == State::Waiting));
                    Fate::Are(state)
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
            Fate::Given(Met::Nothing) | Fate::Are(_) | Fate::Left => None,
        })
        .collect()
    }

    /// How many devices are given.
    pub(super) fn count_given(&self) -> i64 {
        let each = self.seen.iter().zip(&self.fates);
        each.map(|(seen, fate)| match fate {
            Fate::Given(Met::All) => seen.devices,
            Fate::Given(Met::Until(_, given)) => *given,
            Fate::Given(Met::Nothing) | Fate::Are(_) | Fate::Left => 0,
        })
        .sum()
    }

    /// What devices that are not given now are marked with, where that differs
    /// from the last pass.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let each = self.seen.iter().zip(&self.fates);
        each.filter_map(|(seen, fate)| {
            let (state, after) = match fate {
                Fate::Are(state) => (*state, String::new()),
                Fate::Given(Met::All) | Fate::Left => return None,
                Fate::Given(Met::Nothing) => (State::Refused, String::new()),
                Fate::Given(Met::Until(last, _)) => (State::Refused, last.clone()),
            };
            (seen.standing.mark != Some(state)).then(|| Mark {
                key: seen.key.clone(),
                state,
                why: why(state),
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
