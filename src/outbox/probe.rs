//! Trying out the mail servers that tenants name: connect, TLS, sign-in, and
//! goodbye. The answer becomes the condition `MailReady`.
//!
//! A pass over a Tenant asks by a row (`store/probes.rs`) when the settings are
//! new; after that the row comes due by itself, so a restart tries nothing
//! anew. Several processes claim rows as they claim mails, few at a time, and
//! every wait is jittered: however many tenants there are, their servers are
//! never tried all at once, and never from within a transaction.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::servers::{SecretProblem, Servers, Unready};
use crate::domain::object::ObjectKey;
use crate::domain::tenant::MailServer;
use crate::domain::verdict::{Reason, with_causes};
use crate::engine::Engine;
use crate::mail::{FailureClass, Retry, SendError, Step};
use crate::store::probes::{Answer, DueProbe};
use crate::store::{Access, StoreError};

/// Servers tried at the same time.
const AT_ONCE: i64 = 8;
/// How long a claim holds: longer than the longest try.
const CLAIM: SignedDuration = SignedDuration::from_mins(5);
/// How soon an idle prober looks again.
const POLL: Duration = Duration::from_secs(1);
/// How soon it looks again after the database did not answer.
const POLL_BROKEN: Duration = Duration::from_secs(5);
/// How often a server that works is tried.
const READY: SignedDuration = SignedDuration::from_mins(15);
/// How soon one that does not is tried again; doubled each time.
const FAILED: SignedDuration = SignedDuration::from_secs(30);
/// The longest of these waits.
const FAILED_LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// How soon a tenant that is disabled is looked at again.
const BLOCKED: SignedDuration = SignedDuration::from_mins(1);
/// Attempts at writing an answer down.
const ATTEMPTS: u32 = 5;

/// Tries servers. Cheap to clone.
#[derive(Clone)]
pub struct Prober {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    servers: Servers,
    worker: Uuid,
}

impl Prober {
    /// A prober for the tenants of the engine's source.
    pub fn new(engine: Engine, servers: Servers) -> Self {
        Self { shared: Arc::new(Shared { engine, servers, worker: Uuid::new_v4() }) }
    }

    /// Tries what comes due until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = tokio::select! {
                () = stop.cancelled() => return,
                tried = self.round() => match tried {
                    Ok(0) => POLL,
                    Ok(_) => Duration::ZERO,
                    Err(error) => {
                        tracing::warn!(error = %with_causes(&error), "mail servers of tenants cannot be looked up; it is tried again");
                        POLL_BROKEN
                    }
                },
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tries every server that has not been found to work, for at most
    /// `bound`: for a command that ends.
    pub async fn settle(&self, bound: Duration) -> Result<(), StoreError> {
        let Shared { engine, .. } = &*self.shared;
        let mut tx = engine.store().begin(Access::Write).await?;
        tx.hurry_probes(engine.source(), Reason::MailServerReady.as_str()).await?;
        tx.commit().await?;
        let work = async {
            while self.round().await? > 0 {}
            Ok(())
        };
        // What takes longer is said by the next command, or by `run`.
        tokio::time::timeout(bound, work).await.unwrap_or(Ok(()))
    }

    /// One round of tries; how many there were.
    pub(super) async fn round(&self) -> Result<usize, StoreError> {
        let claimed = self.shared.claim().await?;
        let count = claimed.len();
        let mut under_way = JoinSet::new();
        for probe in claimed {
            under_way.spawn(self.shared.clone().look(probe));
        }
        while under_way.join_next().await.is_some() {}
        Ok(count)
    }
}

/// What became of one server.
enum Outcome {
    Ready,
    Failed(Reason, String),
    /// Its tenant is disabled: nobody connects anywhere for it.
    Blocked,
    /// Its settings are others by now, and have been asked about anew.
    Overtaken,
}

impl Shared {
    async fn claim(&self) -> Result<Vec<DueProbe>, StoreError> {
        let (store, source) = (self.engine.store(), self.engine.source());
        let mut tx = store.begin(Access::Read).await?;
        if !tx.any_probe_due(source).await? {
            return Ok(vec![]);
        }
        drop(tx);
        let mut tx = store.begin(Access::Write).await?;
        let until = tx.now().saturating_add(CLAIM).unwrap_or(tx.now());
        let claimed = tx.claim_probes(source, self.worker, until, AT_ONCE).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn look(self: Arc<Self>, probe: DueProbe) {
        let outcome = match self.outcome(&probe).await {
            Ok(outcome) => outcome,
            // The claim runs out by itself.
            Err(error) => {
                tracing::warn!(error = %with_causes(&error), "a mail server of a tenant cannot be looked up; it is tried again");
                return;
            }
        };
        for attempt in 0..ATTEMPTS {
            match self.write(&probe, &outcome).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(error = %with_causes(&error), "what trying a mail server came to cannot be written down");
                    tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                }
            }
        }
    }

    async fn outcome(&self, probe: &DueProbe) -> Result<Outcome, StoreError> {
        let mut tx = self.engine.store().begin(Access::Read).await?;
        let chain = tx.chain(probe.tenant).await?;
        drop(tx);
        if chain.blocked_by().is_some() {
            return Ok(Outcome::Blocked);
        }
        let named = chain.0.first().and_then(|level| {
            Some((level.key.as_ref()?, level.tenant.settings.mail.as_ref()?.server.as_ref()?))
        });
        let Some((tenant, server)) = named.filter(|(_, server)| server.fingerprint() == probe.target) else {
            return Ok(Outcome::Overtaken);
        };
        Ok(self.tried(tenant, server).await)
    }

    async fn tried(&self, tenant: &ObjectKey, server: &MailServer) -> Outcome {
        let transport = match self.servers.transport(Some((tenant, server))).await {
            Ok(transport) => transport,
            Err(unready) => {
                let (reason, message) = unready_reason(&unready);
                return Outcome::Failed(reason, message);
            }
        };
        match transport.probe().await {
            Ok(()) => Outcome::Ready,
            Err(error) if error.retry() == Retry::Later => {
                Outcome::Failed(reason(&error), format!("{}; it is tried again", error.line()))
            }
            Err(error) => Outcome::Failed(reason(&error), error.line()),
        }
    }

    async fn write(&self, probe: &DueProbe, outcome: &Outcome) -> Result<(), StoreError> {
        let (answer, failures, wait) = match outcome {
            Outcome::Ready => {
                let message = "the mail server takes connections, TLS and sign-in as they are set";
                (Some((Reason::MailServerReady, message.to_owned())), 0, READY)
            }
            Outcome::Failed(reason, message) => {
                (Some((*reason, message.clone())), probe.failures.saturating_add(1), after(probe.failures))
            }
            Outcome::Blocked | Outcome::Overtaken => (None, probe.failures, BLOCKED),
        };
        let answer = answer.map(|(reason, message)| Answer { reason: reason.as_str().to_owned(), message });
        let mut tx = self.engine.store().begin(Access::Write).await?;
        let due_at = due(tx.now(), wait, rand::random());
        tx.answer_probe(probe, self.worker, answer.as_ref(), failures, due_at).await?;
        tx.commit().await
    }
}

/// How long to leave a server alone that has failed so often before.
fn after(failures: i64) -> SignedDuration {
    let doublings = u32::try_from(failures).unwrap_or(u32::MAX).min(8);
    FAILED.saturating_mul(1 << doublings).min(FAILED_LONGEST)
}

/// The next try: a fifth earlier or later, so that those that began together
/// part. `jitter` is a random number from 0 to 1.
fn due(now: Timestamp, wait: SignedDuration, jitter: f64) -> Timestamp {
    let factor = 0.8 + 0.4 * jitter.clamp(0.0, 1.0);
    let wait = SignedDuration::from_secs_f64((wait.as_secs_f64() * factor).round());
    now.saturating_add(wait).unwrap_or(now)
}

/// A failure in the words of a condition.
fn reason(error: &SendError) -> Reason {
    use FailureClass::{Network, Permanent, Settings, Transient};
    match (error.class(), error.step()) {
        (Network, _) => Reason::MailServerUnreachable,
        (Settings, Some(Step::Resolve)) => Reason::MailHostNotPermitted,
        (Settings, Some(Step::Tls)) => Reason::MailTlsFailed,
        (Settings, Some(Step::SignIn)) => Reason::MailSignInFailed,
        (Settings, None) => Reason::MailServerUnusable,
        (Settings | Transient | Permanent, _) => Reason::MailServerRefuses,
    }
}

fn unready_reason(unready: &Unready) -> (Reason, String) {
    let reason = match unready {
        Unready::Secret { problem: SecretProblem::Absent, .. } => Reason::SecretNotFound,
        Unready::Secret { problem: SecretProblem::NotForMail, .. } => Reason::SecretNotPermitted,
        Unready::Secret { problem: SecretProblem::NoKey(_), .. } => Reason::SecretInvalid,
        Unready::Unavailable(_) | Unready::Settings { .. } => Reason::MailServerUnusable,
    };
    (reason, unready.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_is_left_alone_longer_and_longer_up_to_a_bound() {
        let waits: Vec<i64> = (0..6).map(|failures| after(failures).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        assert_eq!(after(i64::MAX), FAILED_LONGEST);
        assert_eq!(after(-1), FAILED_LONGEST);
    }

    #[test]
    fn tries_that_began_together_part() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |jitter| due(now, READY, jitter).as_second();
        assert_eq!((at(0.0), at(0.5), at(1.0)), (720, 900, 1080));
        assert_eq!((at(-1.0), at(7.0)), (720, 1080));
        assert_eq!(due(Timestamp::MAX, READY, 1.0), Timestamp::MAX);
    }
}
