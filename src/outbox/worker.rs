//! Claim, send, mark. Mails are claimed a few at a time and sent side by side;
//! each server has a bound of its own, so that one that hangs keeps its own
//! mails waiting and few others.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::letter::{Sender, Wanted};
use super::metrics::Metrics;
use super::servers::{Servers, Unusable};
use crate::engine::Engine;
use crate::mail::{FailureClass, next_attempt};
use crate::store::outbox::Claimed;
use crate::store::{Access, StoreError};

/// How long a claim holds before another worker may take the mail over: longer
/// than the longest attempt.
const CLAIM: SignedDuration = SignedDuration::from_mins(10);
/// Mails under way at the same time.
const IN_FLIGHT: usize = 64;
/// How long a mail waits for its turn at its server before it makes room.
const PATIENCE: Duration = Duration::from_secs(5);
/// A mail that made room comes back after this time, or up to twice as much,
/// so that those behind a server that hangs do not all come back at once.
const BEHIND: SignedDuration = SignedDuration::from_secs(30);
/// How soon an idle worker looks again.
const POLL: Duration = Duration::from_millis(500);
/// How long mails under way may go on after the signal to stop.
const LAST_MAILS: Duration = Duration::from_secs(20);

/// What a last round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Mails that were accepted.
    pub sent: usize,
    /// Mails that still wait.
    pub left: usize,
}

/// The worker. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    servers: Servers,
    sender: Sender,
    metrics: Metrics,
    worker: Uuid,
    changed: Notify,
}

/// What became of one mail.
enum Fate {
    Sent,
    Again(String, FailureClass),
    /// Not tried: its server is busy with others.
    Behind,
    Dropped,
}

impl Outbox {
    /// A worker for the mails of one database.
    pub fn new(engine: Engine, servers: Servers, sender: Sender, metrics: Metrics) -> Self {
        let shared =
            Shared { engine, servers, sender, metrics, worker: Uuid::new_v4(), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Looks at once: something may have been queued.
    pub fn look(&self) {
        self.shared.changed.notify_one();
    }

    /// Sends until `stop`; then finishes what is under way.
    pub async fn run(self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            let room = IN_FLIGHT.saturating_sub(under_way.len());
            let claimed = if room == 0 { Ok(vec![]) } else { self.shared.claim(room).await };
            match claimed {
                Ok(mails) if !mails.is_empty() => {
                    for mail in mails {
                        under_way.spawn(self.shared.clone().deliver(mail, PATIENCE));
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the outbox cannot be read; it is tried again"
                ),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.shared.changed.notified() => {}
                Some(_) = under_way.join_next() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        let rest = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_MAILS, rest).await.is_err() {
            tracing::warn!("some mails were still under way; they are sent again after the next start");
        }
        self.shared.servers.hang_up().await;
    }

    /// Sends what is due now, for at most `bound`.
    pub async fn drain(&self, bound: Duration) -> Result<Drained, StoreError> {
        let mut sent = 0;
        let work = async {
            let mut under_way: JoinSet<bool> = JoinSet::new();
            loop {
                let room = IN_FLIGHT.saturating_sub(under_way.len());
                let mails = if room == 0 { vec![] } else { self.shared.claim(room).await? };
                if mails.is_empty() && under_way.is_empty() {
                    return Ok::<_, StoreError>(());
                }
                for mail in mails {
                    // Who waits here has nothing else to do.
                    under_way.spawn(self.shared.clone().deliver(mail, bound / 2));
                }
                if let Some(Ok(true)) = under_way.join_next().await {
                    sent += 1;
                }
            }
        };
        if let Ok(done) = tokio::time::timeout(bound, work).await {
            done?;
        }
        self.shared.servers.hang_up().await;
        let mut tx = self.shared.engine.store().begin(Access::Read).await?;
        let (left, _) = tx.mails_waiting().await?;
        Ok(Drained { sent, left: usize::try_from(left).unwrap_or(usize::MAX) })
    }
}

impl Shared {
    /// A few due mails. An idle look writes nothing.
    async fn claim(&self, room: usize) -> Result<Vec<Claimed>, StoreError> {
        let store = self.engine.store();
        let mut tx = store.begin(Access::Read).await?;
        let (waiting, oldest) = tx.mails_waiting().await?;
        self.metrics.waiting.set(waiting);
        self.metrics.oldest.set(oldest.map_or(0, |at| tx.now().duration_since(at).as_secs()));
        if waiting == 0 || !tx.any_mail_due().await? {
            return Ok(vec![]);
        }
        drop(tx);
        let mut tx = store.begin(Access::Write).await?;
        let until = tx.now().saturating_add(CLAIM).unwrap_or(tx.now());
        let mails = tx.claim_mails(self.worker, until, i64::try_from(room).unwrap_or(1)).await?;
        tx.commit().await?;
        Ok(mails)
    }

    /// Sends one mail and marks it; whether it was accepted.
    async fn deliver(self: Arc<Self>, mail: Claimed, patience: Duration) -> bool {
        let wanted = match Wanted::read(&self.engine, &mail).await {
            Ok(wanted) => wanted,
            // The claim runs out by itself.
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a mail cannot be read; it is tried again"
                );
                return false;
            }
        };
        let fate = match &wanted {
            None => Fate::Dropped,
            Some(wanted) => self.send(&mail, wanted, patience).await,
        };
        let name = wanted
            .as_ref()
            .and_then(Wanted::key)
            .map_or_else(|| "an unmanaged account".to_owned(), ToString::to_string);
        let until = wanted.as_ref().map(|w| w.link.expires_at);
        let sent = matches!(fate, Fate::Sent);
        // The mail is out: forgetting to say so would send it twice.
        for attempt in 0_u32..5 {
            match self.mark(&mail, &fate, until, &name).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, account = %name, "a mail cannot be marked");
                    tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
                }
            }
        }
        sent
    }

    async fn send(&self, mail: &Claimed, wanted: &Wanted, patience: Duration) -> Fate {
        let unusable = |Unusable(why)| Fate::Again(why, FailureClass::Settings);
        if wanted.chain.blocked_by().is_some() {
            // The link would open nothing; it may be enabled again.
            return Fate::Again("the tenant or one above it is disabled".to_owned(), FailureClass::Settings);
        }
        let message = match wanted.compose(&self.engine, &self.sender, mail) {
            Ok(message) => message,
            Err(why) => return unusable(why),
        };
        let server = match self.servers.of(wanted.chain.mail().server).await {
            Ok(server) => server,
            Err(why) => return unusable(why),
        };
        let Some(_turn) = server.turn(patience).await else { return Fate::Behind };
        let result = server.transport.send(&message).await;
        server.answered(!matches!(&result, Err(error) if error.class() == FailureClass::Network));
        match result {
            Ok(_) => Fate::Sent,
            Err(error) => Fate::Again(error.line(), error.class()),
        }
    }

    async fn mark(
        &self,
        mail: &Claimed,
        fate: &Fate,
        until: Option<Timestamp>,
        name: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.engine.store().begin(Access::Write).await?;
        match fate {
            Fate::Sent => {
                tx.mark_sent(mail.id, self.worker).await?;
                tx.commit().await?;
                self.metrics.sent.inc();
                tracing::info!(account = %name, "mail sent");
            }
            Fate::Behind => {
                let spread = SignedDuration::from_secs(rand::random_range(0..=BEHIND.as_secs()));
                let later = tx.now().checked_add(BEHIND + spread).unwrap_or(tx.now());
                tx.postpone_mails(&[mail.id], self.worker, later).await?;
                tx.commit().await?;
            }
            Fate::Dropped => {
                tx.mark_dropped(mail.id, self.worker).await?;
                tx.commit().await?;
                self.metrics.dropped.inc();
                tracing::info!(account = %name, "a mail was dropped: its link is no longer wanted");
            }
            Fate::Again(why, class) => {
                let attempts = u32::try_from(mail.attempts).unwrap_or(u32::MAX).saturating_add(1);
                let again = next_attempt(attempts, *class, rand::random())
                    .and_then(|wait| tx.now().checked_add(wait).ok())
                    // A mail whose link has expired helps nobody.
                    .filter(|at| until.is_none_or(|until| *at < until));
                tx.mark_failed(mail.id, self.worker, why, again).await?;
                tx.commit().await?;
                if again.is_some() {
                    self.metrics.deferred.inc();
                } else {
                    self.metrics.failed.inc();
                }
                tracing::warn!(account = %name, problem = %why, again = again.is_some(), "a mail could not be sent");
            }
        }
        Ok(())
    }
}
