//! Claims are leases: short, and kept for as long as the worker lives. After a
//! crash the mails of a worker are free within [`LEASE`]; a worker that was
//! suspended, or cut off from its database, finds out by its own clock that a
//! claim may be somebody else's by now, before it sends.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a claim holds if it is not kept.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(20);

/// How often claims are kept.
pub(super) const KEEP: Duration = Duration::from_secs(5);

/// How long a worker believes in a claim: shorter than the claim by what the
/// database's clock, which shows whole seconds, may be off.
const BELIEVED: Duration = Duration::from_secs(18);

/// The claims of this worker, each with the time until which it is certain.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<Uuid, Instant>>);

impl Leases {
    /// Mails that were claimed by a question asked at this time.
    pub(super) fn claimed(&self, ids: impl IntoIterator<Item = Uuid>, asked: Instant) {
        self.all().extend(ids.into_iter().map(|id| (id, asked + BELIEVED)));
    }

    /// Of the claims asked for at this time, these were kept; the others are
    /// lost. Those that ended in the meantime stay ended.
    pub(super) fn kept(&self, of: &[Uuid], kept: &[Uuid], asked: Instant) {
        let kept: HashSet<&Uuid> = kept.iter().collect();
        let mut all = self.all();
        for id in of {
            if !kept.contains(id) {
                all.remove(id);
            } else if let Some(until) = all.get_mut(id) {
                *until = asked + BELIEVED;
            }
        }
    }

    /// Whether the claim on a mail is certain.
    pub(super) fn holds(&self, id: Uuid, now: Instant) -> bool {
        self.all().get(&id).is_some_and(|until| now < *until)
    }

    /// The mail is marked or given back.
    pub(super) fn end(&self, id: Uuid) {
        self.all().remove(&id);
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.all().keys().copied().collect()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Instant>> {
        // The map is whole at every moment, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_believed_for_less_than_it_holds_unless_it_is_kept() {
        let (leases, start) = (Leases::default(), Instant::now());
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let after = |seconds| start + Duration::from_secs(seconds);
        leases.claimed([a, b, c], start);
        assert!(leases.holds(a, after(17)) && !leases.holds(a, after(18)));
        assert!(BELIEVED < LEASE.unsigned_abs());
        leases.end(c);
        leases.kept(&[a, b, c], &[a, c], after(5));
        assert!(leases.holds(a, after(22)));
        assert!(!leases.holds(b, after(6)), "lost to somebody else");
        assert!(!leases.holds(c, after(6)), "ended before the answer came");
        assert_eq!(leases.ids(), [a]);
    }
}
