//! What follows when a mail was not sent, and what is told about it. Pure: time
//! and randomness are passed in.

use jiff::Timestamp;

use crate::mail::{FailureClass, Retry, next_attempt, while_useful};
use crate::store::outbox::Next;

/// When an attempt failed, and until when another one makes sense.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) link_ends: Timestamp,
}

/// What is told about a failed attempt, and what follows it: another one while
/// the link is good for one. `attempts` counts this one too.
pub(super) fn after_failure(
    attempts: u32,
    why: &str,
    class: FailureClass,
    Moment { now, link_ends }: Moment,
    jitter: f64,
) -> (String, Next) {
    let Some(wait) = next_attempt(attempts, class, jitter) else {
        return match class.retry() {
            Retry::Never => (why.to_owned(), Next::Never),
            Retry::Later | Retry::OnChange => (
                format!("the mail is given up after {attempts} attempts, the last of which failed: {why}"),
                Next::TooLate(link_ends),
            ),
        };
    };
    let left = link_ends.duration_since(now);
    match while_useful(wait, left).and_then(|wait| now.checked_add(wait).ok()) {
        Some(at) => (why.to_owned(), Next::At(at)),
        None => (
            format!("the link ends at {link_ends}, too soon for another attempt; the last one failed: {why}"),
            Next::TooLate(link_ends),
        ),
    }
}

/// What is told about a mail whose link expired first, after attempts or none.
pub(super) fn expired_unsent(end: Timestamp, problem: Option<&str>) -> String {
    let last = problem.map(|problem| format!("; the last attempt failed: {problem}")).unwrap_or_default();
    format!("the link expired at {end} before the mail could be sent{last}")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::mail::MAX_ATTEMPTS;

    const WHY: &str = "nobody answered";

    fn follows(attempts: u32, class: FailureClass, left: SignedDuration) -> (String, Next) {
        let now = Timestamp::UNIX_EPOCH;
        after_failure(attempts, WHY, class, Moment { now, link_ends: now + left }, 0.5)
    }

    #[test]
    fn r8_a_mail_is_tried_until_its_link_ends_and_told_to_be_late_only_then() {
        let (now, minute) = (Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1));
        for class in [FailureClass::Transient, FailureClass::Network, FailureClass::Settings] {
            // The wait would be an hour, and half an hour is left.
            let (told, next) = follows(20, class, minute * 30);
            assert_eq!((told.as_str(), next), (WHY, Next::At(now + minute * 15)));
            assert_eq!(follows(20, class, minute * 600).1, Next::At(now + minute * 60));
            let end = SignedDuration::from_secs(9);
            let (told, next) = follows(20, class, end);
            assert_eq!(next, Next::TooLate(now + end));
            assert!(told.contains("the link ends at 1970-01-01T00:00:09Z") && told.contains(WHY), "{told}");
        }
    }

    #[test]
    fn r8_a_refusal_is_no_lack_of_time_and_patience_that_ends_is() {
        let days = SignedDuration::from_hours(720);
        assert_eq!(follows(1, FailureClass::Permanent, days), (WHY.to_owned(), Next::Never));
        let (told, next) = follows(MAX_ATTEMPTS, FailureClass::Network, days);
        assert_eq!(next, Next::TooLate(Timestamp::UNIX_EPOCH + days));
        assert!(told.contains("after 129 attempts") && told.ends_with(WHY), "{told}");
    }
}
