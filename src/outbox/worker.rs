//! The worker: claims mails ahead of those that are being sent, hands them to
//! their servers' lanes, and keeps its claims for as long as it lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::delivery::{Batch, Delivered, Job, Shared};
use super::lanes::Lanes;
use super::lease::{KEEP, Leases};
use super::letter::Sender;
use super::metrics::Metrics;
use super::servers::Servers;
use crate::engine::Engine;
use crate::store::StoreError;

/// How soon an idle worker looks again.
const POLL: Duration = Duration::from_millis(500);
/// How often what waits is counted.
const COUNT: Duration = Duration::from_secs(5);
/// How long mails under way may go on after the signal to stop.
const LAST_MAILS: Duration = Duration::from_secs(20);
/// How long an answer to a message may be waited for after that.
const LAST_ANSWERS: Duration = Duration::from_secs(60);

/// What a last round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Mails that were accepted.
    pub sent: usize,
    /// Mails of the same source that still wait.
    pub left: usize,
}

/// The worker. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
    changed: Arc<Notify>,
}

impl Outbox {
    /// A worker for the mails of the engine's source.
    pub fn new(engine: Engine, servers: Servers, sender: Sender, metrics: Metrics) -> Self {
        let shared = Shared {
            engine,
            servers,
            sender,
            metrics,
            worker: Uuid::new_v4(),
            leases: Leases::default(),
            line: Arc::new(Semaphore::new(1)),
        };
        Self { shared: Arc::new(shared), changed: Arc::default() }
    }

    /// Looks at once: something may have been queued.
    pub fn look(&self) {
        self.changed.notify_one();
    }

    /// Sends until `stop`; then finishes what is under way.
    pub async fn run(self, stop: CancellationToken) {
        let shared = self.shared.clone();
        let counting = Helper::every(COUNT, move || {
            let shared = shared.clone();
            async move { shared.count().await }
        });
        let mut round = Round::begin(&self.shared);
        while !stop.is_cancelled() {
            let now = Instant::now();
            round.start(now);
            if !round.is_looking() && (round.lanes.take_more(now) || round.look_at <= now) {
                round.look(now);
            }
            tokio::select! {
                () = round.step() => {}
                () = self.changed.notified() => round.look_at = now,
                () = stop.cancelled() => {}
            }
        }
        round.end(LAST_MAILS, LAST_ANSWERS).await;
        drop(counting);
        self.shared.servers.hang_up().await;
    }

    /// Sends what is due now, for at most `bound`; an answer to a message that
    /// was sent is waited for a little longer.
    pub async fn drain(&self, bound: Duration) -> Result<Drained, StoreError> {
        let mut round = Round::begin(&self.shared);
        let end = Instant::now() + bound;
        let mut looked = Ok(());
        while Instant::now() < end {
            let now = Instant::now();
            round.start(now);
            if !round.is_looking() {
                if round.found_nothing && round.is_idle() {
                    break;
                }
                if round.lanes.take_more(now) || !round.found_nothing || round.look_at <= now {
                    round.look(now);
                }
            }
            tokio::select! {
                () = round.step() => {}
                () = tokio::time::sleep_until(end) => {}
            }
            if let Some(error) = round.failed.take() {
                looked = Err(error);
                break;
            }
        }
        let sent = round.end(Duration::ZERO, LAST_ANSWERS).await;
        self.shared.servers.hang_up().await;
        looked?;
        Ok(Drained { sent, left: self.shared.left().await? })
    }
}

impl Outbox {
    /// Sends what is queued for one account, due or not and of whatever source,
    /// unless another worker has it; whether there was anything.
    pub async fn send_to(&self, account: Uuid) -> Result<bool, StoreError> {
        let kept = self.shared.clone();
        let keeping = Helper::every(KEEP, move || {
            let kept = kept.clone();
            async move { kept.keep().await }
        });
        let Batch { jobs, claimed } = self.shared.clone().claim_for(account).await?;
        for job in jobs {
            self.shared.clone().deliver(job, CancellationToken::new()).await;
        }
        drop(keeping);
        self.shared.servers.hang_up().await;
        Ok(claimed > 0)
    }
}

/// What goes on between a start of the worker and its end.
struct Round {
    shared: Arc<Shared>,
    lanes: Lanes<Job>,
    under_way: JoinSet<Delivered>,
    /// What each task under way is about.
    mails: HashMap<Id, (Uuid, Arc<str>)>,
    errands: JoinSet<()>,
    looking: Option<JoinHandle<Result<Batch, StoreError>>>,
    look_at: Instant,
    found_nothing: bool,
    failed: Option<StoreError>,
    sent: usize,
    /// No mail's last line is said any more.
    closed: CancellationToken,
    _keeping: Helper,
}

impl Round {
    fn begin(shared: &Arc<Shared>) -> Self {
        let kept = shared.clone();
        let keeping = Helper::every(KEEP, move || {
            let kept = kept.clone();
            async move { kept.keep().await }
        });
        Self {
            shared: shared.clone(),
            lanes: Lanes::new(),
            under_way: JoinSet::new(),
            mails: HashMap::new(),
            errands: JoinSet::new(),
            looking: None,
            look_at: Instant::now(),
            found_nothing: false,
            failed: None,
            sent: 0,
            closed: CancellationToken::new(),
            _keeping: keeping,
        }
    }

    fn is_looking(&self) -> bool {
        self.looking.is_some()
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.lanes.is_empty()
    }

    /// Sends what may be sent now.
    fn start(&mut self, now: Instant) {
        let back = self.lanes.give_back(now);
        self.give_back(back);
        while let Some(job) = self.lanes.next(now) {
            let about = (job.wanted.mail.id, job.server.name.clone());
            let task = self.under_way.spawn(self.shared.clone().deliver(job, self.closed.clone()));
            self.mails.insert(task.id(), about);
        }
    }

    fn give_back(&mut self, jobs: Vec<Job>) {
        while self.errands.try_join_next().is_some() {}
        if jobs.is_empty() {
            return;
        }
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.wanted.mail.id).collect();
        let shared = self.shared.clone();
        self.errands.spawn(async move {
            if let Err(error) = shared.give_back(&ids).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "mails cannot be given back; their claims run out"
                );
                ids.iter().for_each(|id| shared.leases.end(*id));
            }
        });
    }

    /// Begins a look into the queue.
    fn look(&mut self, now: Instant) {
        self.look_at = now + POLL;
        self.looking = Some(tokio::spawn(self.shared.clone().claim(self.lanes.not_now(now))));
    }

    /// Waits until something happens, at most until the next look.
    async fn step(&mut self) {
        let Self { looking, under_way, look_at, .. } = self;
        let batch = async {
            match looking.as_mut() {
                Some(looking) => looking.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            batch = batch => {
                self.looking = None;
                self.looked(batch.unwrap_or_else(|_| Ok(Batch::default())));
            }
            Some(done) = under_way.join_next_with_id() => self.done(done),
            () = tokio::time::sleep_until((*look_at).max(Instant::now() + POLL / 10)) => {}
        }
    }

    fn looked(&mut self, batch: Result<Batch, StoreError>) {
        let now = Instant::now();
        match batch {
            Ok(Batch { jobs, claimed }) => {
                self.found_nothing = claimed == 0;
                if claimed > 0 {
                    // There may be more, for other servers.
                    self.look_at = now;
                }
                for job in jobs {
                    self.lanes.add(job, now);
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the outbox cannot be read; it is tried again"
                );
                self.failed = Some(error);
            }
        }
    }

    fn done(&mut self, done: Result<(Id, Delivered), tokio::task::JoinError>) {
        let (id, delivered) = match done {
            Ok((id, delivered)) => (id, delivered),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "sending a mail has failed");
                (error.id(), Delivered { heard: super::lanes::Heard::NotAsked, sent: false })
            }
        };
        self.sent += usize::from(delivered.sent);
        if let Some((mail, server)) = self.mails.remove(&id) {
            self.shared.leases.end(mail);
            self.lanes.done(&server, delivered.heard, Instant::now());
        }
    }

    /// Gives back what waits, and lets what is under way come to its end: all
    /// of it for a while, then only messages whose last line was said. How many
    /// mails were sent in all.
    async fn end(mut self, mails: Duration, answers: Duration) -> usize {
        if let Some(looking) = self.looking.take()
            && let Ok(batch) = looking.await
        {
            self.looked(batch);
        }
        let waiting = self.lanes.give_all_back();
        self.give_back(waiting);
        while self.errands.join_next().await.is_some() {}
        let finish = async |round: &mut Self, bound| {
            let rest = async {
                while let Some(done) = round.under_way.join_next_with_id().await {
                    round.done(done);
                }
            };
            tokio::time::timeout(bound, rest).await.is_ok()
        };
        if !finish(&mut self, mails).await {
            self.closed.cancel();
            if !finish(&mut self, answers).await {
                tracing::warn!(
                    "servers have not answered some mails; these are sent again after the next start"
                );
            }
        }
        self.sent
    }
}

/// Something done again and again, until this is dropped.
struct Helper(JoinHandle<()>);

impl Helper {
    fn every<F>(pause: Duration, work: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), StoreError>> + Send,
    {
        Self(tokio::spawn(async move {
            loop {
                if let Err(error) = work().await {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "the outbox cannot be looked after"
                    );
                }
                tokio::time::sleep(pause).await;
            }
        }))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.0.abort();
    }
}
