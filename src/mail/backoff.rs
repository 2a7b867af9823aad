//! When a mail that could not be sent is tried again. Pure arithmetic: the
//! outbox passes in the number of attempts and the randomness, and stores the
//! answer, so that a restart changes nothing.

use jiff::SignedDuration;

use super::transport::FailureClass;

/// The wait after the first failed attempt, before jitter.
pub const FIRST_DELAY: SignedDuration = SignedDuration::from_secs(5);

/// No wait is longer than this, before jitter.
pub const LONGEST_DELAY: SignedDuration = SignedDuration::from_hours(1);

/// A mail that a server keeps postponing, or that no server answers for, is
/// given up after this many attempts: about five days, the customary patience
/// of mail servers (RFC 5321, 4.5.4.1).
pub const MAX_ATTEMPTS: u32 = 129;

/// How far jitter moves a wait, to either side, in per cent.
const JITTER_PERCENT: f64 = 20.0;

/// How long to wait before the next attempt, or `None` to give up.
///
/// `attempts` counts those made so far, the failed one included; `jitter` is a
/// random number from 0 to 1, where 0.5 changes nothing. The wait doubles from
/// 5 s to 1 h and is in whole seconds. A permanent refusal is given up at once.
/// Wrong settings are never given up: the invitation waits for the operator,
/// and the link's own expiry bounds it ([`while_useful`]).
#[must_use]
pub fn next_attempt(attempts: u32, class: FailureClass, jitter: f64) -> Option<SignedDuration> {
    match class {
        FailureClass::Permanent => return None,
        FailureClass::Transient | FailureClass::Network if attempts >= MAX_ATTEMPTS => return None,
        FailureClass::Transient | FailureClass::Network | FailureClass::Settings => {}
    }
    let doublings = attempts.saturating_sub(1).min(16);
    let delay = FIRST_DELAY.saturating_mul(1 << doublings).min(LONGEST_DELAY);
    // A generator outside its range must not turn a wait into a hot loop.
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.5 };
    let factor = 1.0 + (jitter - 0.5) * 2.0 * JITTER_PERCENT / 100.0;
    Some(SignedDuration::from_secs_f64((delay.as_secs_f64() * factor).round()))
}

/// A wait that leaves the link in the mail something of the time `left` to it:
/// half at least. Towards the end attempts come closer together, down to
/// [`FIRST_DELAY`]; `None` when even that is too long.
#[must_use]
pub fn while_useful(wait: SignedDuration, left: SignedDuration) -> Option<SignedDuration> {
    let half = SignedDuration::from_secs(left.as_secs() / 2);
    (half >= FIRST_DELAY).then(|| wait.min(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(attempts: u32) -> i64 {
        next_attempt(attempts, FailureClass::Transient, 0.5).unwrap().as_secs()
    }

    #[test]
    fn waits_double_from_five_seconds_to_one_hour() {
        let waits: Vec<i64> = (1..=12).map(plain).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(plain(0), 5, "a count that was never raised still waits");
    }

    #[test]
    fn transient_and_network_errors_give_up_after_about_five_days() {
        for class in [FailureClass::Transient, FailureClass::Network] {
            let total: i64 = (1..)
                .map_while(|attempts| next_attempt(attempts, class, 0.5))
                .map(|wait| wait.as_secs())
                .sum();
            let days = total as f64 / 86_400.0;
            assert!((4.9..5.1).contains(&days), "{days} days");
            assert_eq!(next_attempt(MAX_ATTEMPTS, class, 0.5), None);
            assert_eq!(next_attempt(u32::MAX, class, 0.5), None);
        }
    }

    #[test]
    fn a_permanent_refusal_gives_up_at_once() {
        assert_eq!(next_attempt(1, FailureClass::Permanent, 0.5), None);
    }

    #[test]
    fn wrong_settings_are_waited_for_without_end() {
        let wait = next_attempt(u32::MAX, FailureClass::Settings, 0.5);
        assert_eq!(wait, Some(LONGEST_DELAY));
    }

    #[test]
    fn attempts_go_on_to_the_end_of_the_link_and_never_in_a_hot_loop() {
        let mut left = SignedDuration::from_mins(100);
        let mut waits = vec![];
        while let Some(wait) = while_useful(LONGEST_DELAY, left) {
            waits.push(wait.as_secs());
            left -= wait;
        }
        assert_eq!(waits, [3000, 1500, 750, 375, 187, 94, 47, 23, 12, 6]);
        assert_eq!(left.as_secs(), 6);
        assert_eq!(while_useful(FIRST_DELAY, SignedDuration::from_hours(1)), Some(FIRST_DELAY));
        assert_eq!(while_useful(FIRST_DELAY, SignedDuration::from_secs(-30)), None, "it is over already");
    }

    #[test]
    fn jitter_stays_within_twenty_per_cent_and_in_whole_seconds() {
        for attempts in 1..20 {
            let middle = plain(attempts) as f64;
            for jitter in [0.0, 0.1, 0.3, 0.77, 1.0, -3.0, 7.0, f64::NAN, f64::INFINITY] {
                let wait = next_attempt(attempts, FailureClass::Network, jitter).unwrap();
                assert_eq!(wait.subsec_nanos(), 0);
                let ratio = wait.as_secs_f64() / middle;
                assert!((0.79..=1.21).contains(&ratio), "{attempts} {jitter} {ratio}");
            }
        }
        assert_eq!(next_attempt(1, FailureClass::Network, 0.0).unwrap().as_secs(), 4);
        assert_eq!(next_attempt(1, FailureClass::Network, 1.0).unwrap().as_secs(), 6);
    }
}
