//! Who holds a device at a moment: the links of its chain that count then. An
//! Assign outside of its times has no effect whether or not a controller has
//! run since, so the end of the chain as stored is not always its end. Whoever
//! asks about devices gathers the links and asks here.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Reclaim, Window, window};

/// What gave a device on, as far as that still matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// The Assign.
    pub grant: Uuid,
    /// False: its object was deleted, so that it has ended.
    pub managed: bool,
    /// What becomes of the device when it ends.
    pub reclaim: Reclaim,
    /// Inclusive; none: at once.
    pub not_before: Option<Timestamp>,
    /// Exclusive; none: never.
    pub expires_at: Option<Timestamp>,
}

/// One link of the chain of a device: somebody has given it to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The Assign that gave it; none: it has ended and its receiver keeps the
    /// device.
    pub by: Option<By>,
    /// The tenant that received it, or whose account did.
    pub tenant: Uuid,
    /// The account that received it.
    pub account: Option<Uuid>,
}

impl Link {
    /// Whether its receiver has the device at `now`, if its giver has it.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.by.is_none_or(|by| {
            by.reclaim == Reclaim::Retain
                || (by.managed && window(by.not_before, by.expires_at, now) == Window::Open)
        })
    }
}

/// The links that count at `now`, from the device's home on: the first one that
/// does not ends what was handed on behind it, too.
pub fn in_force(links: &[Link], now: Timestamp) -> &[Link] {
    let end = links.iter().position(|link| !link.counts(now)).unwrap_or(links.len());
    &links[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn link(reclaim: Reclaim, times: (Option<i64>, Option<i64>)) -> Link {
        let by = By {
            grant: Uuid::from_u128(1),
            managed: true,
            reclaim,
            not_before: times.0.map(at),
            expires_at: times.1.map(at),
        };
        Link { by: Some(by), tenant: Uuid::from_u128(2), account: None }
    }

    #[test]
    fn a_link_counts_from_its_beginning_until_just_before_its_end() {
        let link = link(Reclaim::ReturnToGrantor, (Some(10), Some(20)));
        for (second, counts) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(link.counts(at(second)), counts, "{second}");
        }
    }

    #[test]
    fn what_lies_behind_an_ended_link_has_ended_with_it() {
        let (ended, open) =
            (link(Reclaim::ReturnToGrantor, (None, Some(5))), link(Reclaim::ReturnToGrantor, (None, None)));
        assert_eq!(in_force(&[open, ended, open], at(9)), &[open]);
        assert_eq!(in_force(&[open, ended, open], at(4)).len(), 3);
    }

    #[test]
    fn a_receiver_keeps_what_an_assign_lets_it_keep() {
        let kept = link(Reclaim::Retain, (None, Some(5)));
        let ended = Link { by: None, ..kept };
        let mut gone = link(Reclaim::ReturnToGrantor, (None, None));
        assert_eq!(in_force(&[kept, ended, gone], at(9)).len(), 3);
        gone.by.as_mut().unwrap().managed = false;
        assert_eq!(in_force(&[kept, ended, gone], at(9)).len(), 2);
    }
}
