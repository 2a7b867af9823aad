//! One mail's way: claimed, read, sent in its turn, marked. Only the worker
//! calls it, side by side for several mails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::consequence::{Moment, after_failure, expired_unsent};
use super::lanes::{Heard, Mail};
use super::lease::{LEASE, Leases};
use super::letter::{Read, Sender, Unwritten, Wanted};
use super::metrics::Metrics;
use super::servers::{Server, Servers, Unusable};
use super::turn::MailTurn;
use crate::engine::Engine;
use crate::failpoint;
use crate::mail::{FailureClass, SendError, Step};
use crate::store::outbox::{Claimed, Next};
use crate::store::{Access, StoreError, Tx};

/// Mails claimed at once.
const BATCH: i64 = 48;
/// What was read about a mail is looked at again if it is older than this.
const FRESH: Duration = Duration::from_secs(2);
/// How long the settings of a server, with their Secret, are waited for.
const SETTINGS: Duration = Duration::from_secs(10);
/// How often a mark is tried again that no other mail waits for. Without it
/// the claim runs out, and the mail is tried again.
const MARKS: u32 = 5;
/// How long a mail lets passes go first at each stop: before it is claimed,
/// before it is begun, and before its last line. However busy the engine is,
/// ten mails a second leave.
pub(super) const COURTESY: Duration = Duration::from_millis(100);
/// Why a mail waits whose way leads through a Secret of somebody else.
const FOREIGN_SECRET: &str = "the mail server belongs to a Tenant of another source, whose Secret is not read for this account; name a server in spec.mail of a Tenant of the account's own source";
/// How soon a mail is looked at again whose tenant is disabled. Enabling the
/// tenant lets it go at once.
const BLOCKED: SignedDuration = SignedDuration::from_mins(5);
/// The longest pause between attempts to mark a mail that was accepted.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What all mails of a worker share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) servers: Servers,
    pub(super) sender: Sender,
    pub(super) metrics: Metrics,
    pub(super) worker: Uuid,
    pub(super) leases: Leases,
    /// Who may say the last line of a message.
    pub(super) line: Arc<Semaphore>,
}

/// A claimed mail and the server that it goes through.
pub(super) struct Job {
    pub(super) wanted: Wanted,
    pub(super) server: Server,
}

impl Mail for Job {
    fn server(&self) -> &Arc<str> {
        &self.server.name
    }
    fn tenant(&self) -> Uuid {
        self.wanted.to.tenant
    }
    fn is_slow(&self) -> bool {
        self.server.is_slow()
    }
}

/// What a look into the queue brought.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Job>,
    /// How many mails were due, whatever became of them.
    pub(super) claimed: usize,
}

/// How one mail came back.
pub(super) struct Delivered {
    pub(super) heard: Heard,
    pub(super) sent: bool,
}

/// What became of one mail.
enum Fate {
    Sent,
    Failed(String, FailureClass),
    /// Its link is over.
    Expired,
    /// Nobody should get it any more.
    Unwanted,
    /// Replaced or gone.
    Gone,
    /// Not tried to the end; it stays as due as it was.
    Untried,
}

impl Shared {
    /// A few due mails of the engine's source, each with its server, except
    /// those of some tenants. An idle look writes nothing.
    pub(super) async fn claim(self: Arc<Self>, except: Vec<Uuid>) -> Result<Batch, StoreError> {
        self.engine.quiet(COURTESY).await;
        let (store, source) = (self.engine.store(), self.engine.source());
        if !store.any_mail_due(source, &except).await? {
            return Ok(Batch::default());
        }
        let asked = Instant::now();
        let mut tx = store.begin(Access::Write).await?;
        let until = tx.now().saturating_add(LEASE).unwrap_or(tx.now());
        let mails = tx.claim_mails(source, self.worker, until, BATCH, &except).await?;
        tx.commit().await?;
        self.take(mails, asked).await
    }

    /// The mail that is queued for one account, due or not, of whatever source.
    pub(super) async fn claim_for(self: Arc<Self>, account: Uuid) -> Result<Batch, StoreError> {
        let asked = Instant::now();
        let mut tx = self.engine.store().begin(Access::Write).await?;
        let until = tx.now().saturating_add(LEASE).unwrap_or(tx.now());
        let mails = tx.claim_mails_to(account, self.worker, until).await?;
        tx.commit().await?;
        self.take(mails, asked).await
    }

    async fn take(&self, mails: Vec<Claimed>, asked: Instant) -> Result<Batch, StoreError> {
        let ids: Vec<Uuid> = mails.iter().map(|mail| mail.id).collect();
        self.leases.claimed(ids.iter().copied(), asked);
        let jobs = self.sort_out(mails).await;
        if jobs.is_err() {
            // Their claims run out.
            ids.iter().for_each(|id| self.leases.end(*id));
        }
        Ok(Batch { jobs: jobs?, claimed: ids.len() })
    }

    /// Which of these mails are to be sent, and through which servers.
    async fn sort_out(&self, mails: Vec<Claimed>) -> Result<Vec<Job>, StoreError> {
        let read = Read::about(&self.engine, mails).await?;
        failpoint::reach("read");
        let mut jobs = vec![];
        let mut found: HashMap<(String, String), Result<Server, String>> = HashMap::new();
        for id in read.gone {
            self.leases.end(id);
        }
        self.drop_unwanted(&read.unwanted).await?;
        let (blocked, open): (Vec<Wanted>, Vec<Wanted>) =
            read.wanted.into_iter().partition(|wanted| wanted.chain.blocked_by().is_some());
        self.put_off(&blocked).await?;
        for wanted in open {
            if wanted.needs_foreign_secret() {
                self.settle(&wanted, Fate::Failed(FOREIGN_SECRET.to_owned(), FailureClass::Settings)).await;
                continue;
            }
            let setting = wanted.chain.mail().server;
            let at = setting
                .map_or_else(Default::default, |(key, server)| (key.to_string(), format!("{server:?}")));
            let server = match found.get(&at) {
                Some(server) => server.clone(),
                None => {
                    // A Secret that does not come must not hold up other mails.
                    let server = match tokio::time::timeout(SETTINGS, self.servers.of(setting)).await {
                        Ok(server) => server.map_err(|Unusable(why)| why),
                        Err(_) => Err("the settings of the mail server did not come in time".to_owned()),
                    };
                    found.insert(at, server.clone());
                    server
                }
            };
            match server {
                Ok(server) => jobs.push(Job { wanted, server }),
                Err(why) => self.settle(&wanted, Fate::Failed(why, FailureClass::Settings)).await,
            }
        }
        for late in read.expired {
            self.settle(&late, Fate::Expired).await;
        }
        Ok(jobs)
    }

    /// Sends one mail and marks it. Once `closed`, no mail's last line is said.
    pub(super) async fn deliver(self: Arc<Self>, job: Job, closed: CancellationToken) -> Delivered {
        let Job { mut wanted, server } = job;
        let mut heard = Heard::NotAsked;
        self.engine.quiet(COURTESY).await;
        if wanted.read_at.elapsed() > FRESH {
            match Read::about(&self.engine, vec![wanted.mail.clone()]).await {
                Ok(mut read) => match read.wanted.pop() {
                    Some(again) => wanted = again,
                    None => {
                        self.settle(&wanted, fate_of_unsent(&read)).await;
                        return Delivered { heard, sent: false };
                    }
                },
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a mail cannot be read; it is tried again"
                    );
                    self.settle(&wanted, Fate::Untried).await;
                    return Delivered { heard, sent: false };
                }
            }
        }
        let fate = match wanted.compose(&self.engine, &self.sender) {
            Ok(message) => self.send(&wanted, &server, &message, &closed, &mut heard).await,
            Err(Unwritten { why, class }) => Fate::Failed(why, class),
        };
        let sent = matches!(fate, Fate::Sent);
        self.settle(&wanted, fate).await;
        Delivered { heard, sent }
    }

    async fn send(
        &self,
        wanted: &Wanted,
        server: &Server,
        message: &lettre::Message,
        closed: &CancellationToken,
        heard: &mut Heard,
    ) -> Fate {
        let turn = MailTurn::new(&self.engine, &self.line, server, &self.leases, closed, wanted.mail.id);
        let began = Instant::now();
        let result = tokio::select! {
            result = server.transport.send_in_turn(message, &turn) => result,
            never = turn.step_aside() => match never {},
            () = turn.refused() => Ok(None),
        };
        *heard = match &result {
            Ok(Some(_)) => Heard::Answer,
            Ok(None) => Heard::NotAsked,
            Err(error) if of_the_server(error) => Heard::Nothing(began.elapsed()),
            Err(_) => Heard::Answer,
        };
        match result {
            Ok(Some(_)) => {
                turn.answered();
                // In its turn: the next mail waits until this one is marked.
                self.mark_sent(wanted, closed).await;
                Fate::Sent
            }
            Ok(None) => Fate::Untried,
            Err(error) => {
                if *heard == Heard::Answer {
                    turn.answered();
                }
                Fate::Failed(error.line(), error.class())
            }
        }
    }

    /// The mail is out: forgetting to say so would send it twice. While the
    /// database is away nothing else may be sent either.
    async fn mark_sent(&self, wanted: &Wanted, closed: &CancellationToken) {
        let name = wanted.name();
        let mut pause = Duration::from_millis(100);
        while let Err(error) = self.engine.store().mark_sent(wanted.mail.id).await {
            tracing::warn!(error = &error as &dyn std::error::Error, account = %name, "a mail that was sent cannot be marked");
            if closed.is_cancelled() && pause >= LONGEST_PAUSE {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.metrics.sent.inc();
        tracing::info!(account = %name, "mail sent");
    }

    /// Writes down what became of a mail that was not sent, and ends the claim.
    async fn settle(&self, wanted: &Wanted, fate: Fate) {
        let id = wanted.mail.id;
        for attempt in 0..MARKS {
            let Err(error) = self.mark(wanted, &fate).await else { break };
            tracing::warn!(error = &error as &dyn std::error::Error, account = %wanted.name(), "a mail cannot be marked");
            tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
        }
        self.leases.end(id);
    }

    async fn mark(&self, wanted: &Wanted, fate: &Fate) -> Result<(), StoreError> {
        let id = wanted.mail.id;
        match fate {
            Fate::Sent | Fate::Gone => Ok(()),
            Fate::Untried => self.give_back(&[id]).await,
            Fate::Unwanted => self.drop_unwanted(&[id]).await,
            Fate::Failed(why, class) => {
                let attempts = u32::try_from(wanted.mail.attempts).unwrap_or(u32::MAX).saturating_add(1);
                let tx = self.engine.store().begin(Access::Write).await?;
                let moment = Moment { now: tx.now(), link_ends: wanted.to.link.expires_at };
                let (problem, next) = after_failure(attempts, why, *class, moment, rand::random());
                self.mark_failed(tx, wanted, &problem, next).await
            }
            Fate::Expired => {
                let tx = self.engine.store().begin(Access::Write).await?;
                let end = wanted.to.link.expires_at;
                let problem = expired_unsent(end, wanted.to.problem.as_deref());
                self.mark_failed(tx, wanted, &problem, Next::TooLate(end)).await
            }
        }
    }

    async fn mark_failed(
        &self,
        mut tx: Tx,
        wanted: &Wanted,
        problem: &str,
        next: Next,
    ) -> Result<(), StoreError> {
        tx.mark_failed(wanted.mail.id, self.worker, problem, next).await?;
        tx.commit().await?;
        let again = matches!(next, Next::At(_));
        let counter = if again { &self.metrics.deferred } else { &self.metrics.failed };
        counter.inc();
        tracing::warn!(account = %wanted.name(), %problem, again, "a mail could not be sent");
        Ok(())
    }

    /// Takes mails out that nobody should get any more.
    async fn drop_unwanted(&self, ids: &[Uuid]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.engine.store().begin(Access::Write).await?;
        tx.mark_dropped(ids, self.worker).await?;
        tx.commit().await?;
        for id in ids {
            self.leases.end(*id);
            self.metrics.dropped.inc();
        }
        tracing::info!(mails = ids.len(), "mails were dropped: their links are no longer wanted");
        Ok(())
    }

    /// Lets mails wait whose links would open nothing, because a tenant is
    /// disabled: that is no attempt, and says nothing about a server.
    async fn put_off(&self, mails: &[Wanted]) -> Result<(), StoreError> {
        if mails.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = mails.iter().map(|wanted| wanted.mail.id).collect();
        let mut tx = self.engine.store().begin(Access::Write).await?;
        let until = tx.now().saturating_add(BLOCKED).unwrap_or(tx.now());
        tx.put_off_mails(&ids, self.worker, "the tenant or one above it is disabled", until).await?;
        tx.commit().await?;
        ids.iter().for_each(|id| self.leases.end(*id));
        tracing::info!(
            mails = ids.len(),
            "mails wait: the tenant of their accounts or one above it is disabled"
        );
        Ok(())
    }

    /// Gives claimed mails back untried.
    pub(super) async fn give_back(&self, ids: &[Uuid]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = self.engine.store().begin(Access::Write).await?;
        tx.release_mails(ids, self.worker).await?;
        tx.commit().await?;
        ids.iter().for_each(|id| self.leases.end(*id));
        Ok(())
    }

    /// Keeps what is claimed, once.
    pub(super) async fn keep(&self) -> Result<(), StoreError> {
        let ids = self.leases.ids();
        if ids.is_empty() {
            return Ok(());
        }
        let asked = Instant::now();
        let kept = self.engine.store().keep_mails(&ids, self.worker, LEASE).await?;
        self.leases.kept(&ids, &kept, asked);
        Ok(())
    }

    /// How many mails of the engine's source wait.
    pub(super) async fn left(&self) -> Result<usize, StoreError> {
        let mut tx = self.engine.store().begin(Access::Read).await?;
        let waiting = tx.mails_waiting_of(self.engine.source()).await?;
        Ok(usize::try_from(waiting).unwrap_or_default())
    }

    /// Counts what waits in the whole database, for monitoring.
    pub(super) async fn count(&self) -> Result<(), StoreError> {
        let mut tx = self.engine.store().begin(Access::Read).await?;
        let (waiting, oldest) = tx.mails_waiting().await?;
        let age = |at: Timestamp| tx.now().duration_since(at).max(SignedDuration::ZERO).as_secs();
        self.metrics.queued.set(waiting);
        self.metrics.oldest.set(oldest.map_or(0, age));
        Ok(())
    }
}

/// What becomes of a mail that turned out not to be wanted as it was.
fn fate_of_unsent(read: &Read) -> Fate {
    match (read.expired.is_empty(), read.unwanted.is_empty()) {
        (false, _) => Fate::Expired,
        (true, false) => Fate::Unwanted,
        (true, true) => Fate::Gone,
    }
}

/// Whether an error is about the server, as opposed to the message: whatever
/// mail came next would meet the same.
fn of_the_server(error: &SendError) -> bool {
    error.class() == FailureClass::Network || error.step().is_some_and(|step| step < Step::Sender)
}
