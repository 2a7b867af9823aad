//! Whose turn it is to say the last line of a message. Between that line and
//! the mark in the database nobody can know whether a mail was sent, if the
//! process ends there; such a mail is sent again. So that a crash repeats one
//! mail at most, one mail at a time is in that state, whatever the number of
//! connections: everything before the last line goes on side by side.
//!
//! A server that takes its time over its answer leaves this line, so that it
//! holds nobody up, and from then on keeps one of its own: each such server
//! may add the one mail that it keeps waiting.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::delivery::COURTESY;
use super::lease::Leases;
use super::servers::Server;
use crate::engine::Engine;
use crate::mail::Turn;

/// A server that has not answered a message within this time is slow.
const PROMPT: Duration = Duration::from_secs(1);

/// The turn of one mail; it ends when this is dropped.
pub(super) struct MailTurn<'a> {
    pub(super) engine: &'a Engine,
    pub(super) line: &'a Arc<Semaphore>,
    pub(super) server: &'a Server,
    pub(super) leases: &'a Leases,
    pub(super) closed: &'a CancellationToken,
    pub(super) mail: Uuid,
    held: Mutex<Option<Held>>,
    taken: Notify,
}

struct Held {
    since: Instant,
    _of_server: OwnedSemaphorePermit,
    of_process: Option<OwnedSemaphorePermit>,
}

impl<'a> MailTurn<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        line: &'a Arc<Semaphore>,
        server: &'a Server,
        leases: &'a Leases,
        closed: &'a CancellationToken,
        mail: Uuid,
    ) -> Self {
        Self { engine, line, server, leases, closed, mail, held: Mutex::default(), taken: Notify::new() }
    }

    /// Lets others go on if the server does not answer soon. Never ends.
    pub(super) async fn step_aside(&self) -> Infallible {
        self.taken.notified().await;
        tokio::time::sleep(PROMPT).await;
        self.server.set_slow(true);
        if let Some(held) = self.held().as_mut() {
            held.of_process = None;
        }
        std::future::pending().await
    }

    /// Ends when no more turns are given, unless this mail has had its own.
    pub(super) async fn refused(&self) {
        self.closed.cancelled().await;
        if self.held().is_some() {
            std::future::pending().await
        }
    }

    /// The server has answered: notes whether it was slow.
    pub(super) fn answered(&self) {
        let since = self.held().as_ref().map(|held| held.since);
        if let Some(since) = since {
            self.server.set_slow(since.elapsed() >= PROMPT);
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        // Written in one go, so a panic elsewhere spoils nothing.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Turn for MailTurn<'_> {
    async fn take(&self) -> bool {
        let Ok(of_server) = self.server.last_line.clone().acquire_owned().await else { return false };
        let of_process = if self.server.is_slow() {
            None
        } else {
            let Ok(permit) = self.line.clone().acquire_owned().await else { return false };
            Some(permit)
        };
        // Whoever stands in the same line waits along.
        self.engine.quiet(COURTESY).await;
        let since = Instant::now();
        if self.closed.is_cancelled() || !self.leases.holds(self.mail, since) {
            return false;
        }
        *self.held() = Some(Held { since, _of_server: of_server, of_process });
        self.taken.notify_one();
        true
    }
}
