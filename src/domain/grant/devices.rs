//! What becomes of each device of a grant: given, shared, pending, waiting for
//! another grant. Thousands of devices about which the same is true are one
//! [`Standing`], so each rule is asked once for all of them. Only the engine's
//! pass over a grant calls this; whether limits leave room is [`super::room`]'s
//! business.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Mode, Window, window};
use crate::domain::object::{Kind, ObjectKey, Topic};
use crate::domain::verdict::{Reason, Refusal};

/// Said of an id that is not there and of one that is out of reach alike: a
/// refusal reveals nothing about strangers (R4).
pub const PENDING: &str = "not in the inventory or not within reach of the giver";
/// Said of a device that a limit refuses; the condition names the limit.
pub const OVER_LIMIT: &str = "a limit leaves no room";
/// Said of a device that another grant holds; the condition names the grant.
pub const HELD: &str = "another grant of the same giver comes first";

/// What became of a device of a grant, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In force.
    Applied,
    /// Within reach, while the grant's time is not here or its receiver is gone.
    Idle,
    /// Not in the inventory, or not within reach.
    Pending,
    /// Held by another grant of the same giver.
    Waiting,
    /// Refused by a limit.
    Refused,
}

impl State {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Idle => "idle",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }
}

/// Where the grant's own link stands in the chain of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// It has given nothing.
    Absent,
    /// It has given, and its giver stands right before it.
    InPlace,
    /// It has given, but its giver stands elsewhere now, or nowhere.
    Misplaced,
}

/// What stands right behind the giver, where this grant wants to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing: the giver holds the device.
    Free,
    /// What a grant gave that has ended and let its receiver keep the device
    /// (`reclaim: Retain`).
    Ended,
    /// What another grant has given.
    Taken(Uuid),
    /// None: another Assign of the same tenant claims the devices for the
    /// account that gives, which hands on only what it has been given.
    Fed(Uuid),
}

/// Who holds a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The tenant, or the account's.
    pub tenant: Option<Uuid>,
    /// The account, if one does.
    pub account: Option<Uuid>,
}

/// Devices of a grant about which the same is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the last pass came to; none: not seen before.
    pub mark: Option<State>,
    /// In the inventory and within the giver's reach.
    pub reachable: bool,
    /// The grant's own link.
    pub own: Own,
    /// What stands in its place, for an Assign.
    pub place: Place,
    /// Who holds them; only looked at when a limit binds the receiver.
    pub holder: Holder,
}

/// An Assign as a claim on devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The grant.
    pub grant: Uuid,
    /// Its age, in whole seconds.
    pub born: Timestamp,
    /// Namespace of its object.
    pub namespace: String,
    /// Name of its object.
    pub name: String,
    /// The account on whose authority it gives.
    pub manager: Option<Uuid>,
    /// The account that receives.
    pub receiver: Option<Uuid>,
    /// No effect before; inclusive.
    pub not_before: Option<Timestamp>,
    /// No effect from then on.
    pub expires_at: Option<Timestamp>,
}

impl Claim {
    /// Its object.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(Kind::DeviceGrant, &self.namespace, &self.name)
    }

    /// Whether this claim goes before another one on the same devices by the
    /// same giver. An Assign to the account that answers for the other one
    /// does, whatever their ages: that account can only hand on what it has
    /// been given, and gives it itself from then on. Otherwise the lowest
    /// does: first seen, then namespace, then name.
    pub fn goes_before(&self, other: &Self) -> bool {
        let feeds = |a: &Self, b: &Self| a.receiver.is_some() && a.receiver == b.manager;
        match (feeds(self, other), feeds(other, self)) {
            (true, false) => true,
            (false, true) => false,
            _ => {
                (self.born, &self.namespace, &self.name, self.grant)
                    < (other.born, &other.namespace, &other.name, other.grant)
            }
        }
    }

    /// Whether it claims anything at `now`: a grant whose time is over lets go
    /// of what its receiver keeps.
    pub fn is_open(&self, now: Timestamp) -> bool {
        window(self.not_before, self.expires_at, now) == Window::Open
    }
}

/// What to do about devices of one standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are this now.
    Are(State),
    /// They shall be given, if limits leave room; whoever stands in the way
    /// steps aside.
    Wants,
}

/// What becomes of devices of one standing, for a grant of `mode` that is
/// `open` now. `taken_by` is the claim that [`Place::Taken`] or [`Place::Fed`]
/// names.
pub fn decide(
    mode: Mode,
    open: bool,
    claim: &Claim,
    standing: &Standing,
    taken_by: Option<&Claim>,
    now: Timestamp,
) -> Decision {
    if !standing.reachable {
        return Decision::Are(State::Pending);
    }
    if !open {
        return Decision::Are(State::Idle);
    }
    if mode == Mode::Share || standing.own == Own::InPlace {
        return Decision::Are(State::Applied);
    }
    match (standing.place, taken_by) {
        (Place::Fed(_), _) => Decision::Are(State::Waiting),
        (Place::Taken(_), Some(other)) if other.is_open(now) && !claim.goes_before(other) => {
            Decision::Are(State::Waiting)
        }
        _ => Decision::Wants,
    }
}

/// Some devices wait for other grants of the same giver.
pub fn conflict(key: &ObjectKey, holders: &[&Claim]) -> Refusal {
    let mut keys: Vec<ObjectKey> = holders.iter().map(|claim| claim.key()).collect();
    keys.sort();
    keys.dedup();
    let named: Vec<String> = keys.iter().take(3).map(ToString::to_string).collect();
    Refusal::wait(
        Reason::Conflict,
        format!(
            "some devices of {key} are claimed by {}, which comes first; remove them from one of the grants, or wait until the other ends (see status.refusedIds)",
            named.join(", ")
        ),
        keys.iter().map(Topic::object).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn claim(name: &str, born: i64) -> Claim {
        Claim {
            grant: Uuid::from_u128(name.bytes().map(u128::from).sum()),
            born: time(born),
            namespace: "a".to_owned(),
            name: name.to_owned(),
            manager: None,
            receiver: None,
            not_before: None,
            expires_at: None,
        }
    }

    fn standing(place: Place) -> Standing {
        Standing { mark: None, reachable: true, own: Own::Absent, place, holder: Holder::default() }
    }

    #[test]
    fn the_lowest_claim_goes_first_by_age_then_namespace_then_name() {
        assert!(claim("b", 1).goes_before(&claim("a", 2)));
        assert!(claim("a", 1).goes_before(&claim("b", 1)));
        let elsewhere = Claim { namespace: "b".to_owned(), ..claim("a", 1) };
        assert!(claim("z", 1).goes_before(&elsewhere) && !elsewhere.goes_before(&claim("z", 1)));
    }

    #[test]
    fn an_assign_to_the_manager_of_the_other_goes_first_whatever_the_ages() {
        let account = Some(Uuid::from_u128(7));
        let hub = Claim { receiver: account, ..claim("z", 9) };
        let own = Claim { manager: account, ..claim("a", 1) };
        assert!(hub.goes_before(&own) && !own.goes_before(&hub));
    }

    #[test]
    fn two_grants_that_feed_one_another_are_ordered_by_age() {
        let (a, b) = (Some(Uuid::from_u128(7)), Some(Uuid::from_u128(8)));
        let one = Claim { receiver: a, manager: b, ..claim("x", 1) };
        let two = Claim { receiver: b, manager: a, ..claim("y", 2) };
        assert!(one.goes_before(&two) && !two.goes_before(&one));
    }

    #[test]
    fn what_is_out_of_reach_is_pending_and_what_has_no_time_is_idle() {
        let mine = claim("m", 1);
        let away = Standing { reachable: false, ..standing(Place::Free) };
        for mode in [Mode::Assign, Mode::Share] {
            assert_eq!(decide(mode, true, &mine, &away, None, time(5)), Decision::Are(State::Pending));
            let here = standing(Place::Free);
            assert_eq!(decide(mode, false, &mine, &here, None, time(5)), Decision::Are(State::Idle));
        }
    }

    #[test]
    fn a_share_takes_nothing_and_an_assign_wants_what_is_free_or_kept_by_an_ended_one() {
        let mine = claim("m", 1);
        let decide = |mode, place, other| decide(mode, true, &mine, &standing(place), other, time(5));
        assert_eq!(decide(Mode::Share, Place::Free, None), Decision::Are(State::Applied));
        assert_eq!(decide(Mode::Assign, Place::Free, None), Decision::Wants);
        assert_eq!(decide(Mode::Assign, Place::Ended, None), Decision::Wants);
        let older = claim("l", 0);
        let taken = Place::Taken(older.grant);
        assert_eq!(decide(Mode::Assign, taken, Some(&older)), Decision::Are(State::Waiting));
        let fed = Place::Fed(older.grant);
        assert_eq!(decide(Mode::Assign, fed, Some(&older)), Decision::Are(State::Waiting));
        let over = Claim { expires_at: Some(time(5)), ..older.clone() };
        assert_eq!(decide(Mode::Assign, taken, Some(&over)), Decision::Wants);
        assert_eq!(decide(Mode::Assign, taken, Some(&claim("n", 1))), Decision::Wants);
    }
}
