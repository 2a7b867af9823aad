//! To a mail server. lettre speaks SMTP and TLS; the connections are kept
//! here, because lettre's own pool waits for a silent server without limit and
//! resolves the host again after anyone has checked it.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Quit, Rset};
use tokio::time::{Instant, timeout};

use super::failure::{FailureClass, SendError, Step};
use super::policy::AddressPolicy;
use super::seen::{Encryption, Facts, Observer};
use super::talk::Talk;
use super::{Accepted, AtOnce, Turn};
use crate::mail::settings::{ServerSettings, Tls};

/// Connections kept open for the next message.
const MAX_IDLE: usize = 8;

/// Servers hang up on silence after five minutes; half of that is still good
/// manners.
const MAX_IDLE_TIME: Duration = Duration::from_secs(150);

/// Messages over one connection. Servers have bounds of their own, often a
/// hundred; below it nobody has to find out.
const MAX_MESSAGES: u32 = 100;

/// Politeness (QUIT, RSET) never takes longer than this.
const COURTESY: Duration = Duration::from_secs(2);

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For one command and its answer.
    pub command: Duration,
    /// For everything from the look-up of the host to the last line of the
    /// message.
    pub whole: Duration,
    /// For the answer to the message itself. Giving up on it sends the message
    /// twice, so it is long: servers look at content before they answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // Some servers keep those who greet them waiting for half a minute,
            // on purpose.
            command: Duration::from_secs(60),
            whole: Duration::from_secs(180),
            answer: Duration::from_secs(300),
        }
    }
}

/// Sends to one mail server and keeps connections to it. Clones share them.
#[derive(Debug, Clone)]
pub struct SmtpTransport {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ServerSettings,
    tls: Option<TlsParameters>,
    policy: AddressPolicy,
    timeouts: Timeouts,
    idle: Mutex<Vec<Idle>>,
}

/// A connection that waits for the next message.
struct Idle {
    since: Instant,
    messages: u32,
    connection: AsyncSmtpConnection,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpTransport").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl SmtpTransport {
    /// A transport to the server of `settings`; connects when it is used.
    ///
    /// lettre brings its own cryptography (ring) where the process has not
    /// chosen any, so this cannot panic for want of a provider.
    ///
    /// # Errors
    /// When the TLS settings cannot be used.
    pub fn new(
        settings: ServerSettings,
        policy: AddressPolicy,
        timeouts: Timeouts,
    ) -> Result<Self, SendError> {
        let tls = match settings.tls {
            Tls::None => None,
            Tls::StartTls | Tls::Implicit => Some(tls_parameters(&settings, Trust::Checked)?),
        };
        let idle = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { settings, tls, policy, timeouts, idle }) })
    }

    /// `host:port` of the server.
    #[must_use]
    pub fn authority(&self) -> String {
        self.inner.settings.authority()
    }

    /// Sends `message`, on an open connection if there is one.
    ///
    /// # Errors
    /// With the server's words, if it gave any; the error says what follows.
    pub async fn send(&self, message: &Message) -> Result<Accepted, SendError> {
        let sent = self.send_in_turn(message, &AtOnce).await?;
        sent.ok_or_else(withdrawn)
    }

    /// The same, asking for leave before the last line; none if it was not
    /// given.
    pub(super) async fn send_in_turn(
        &self,
        message: &Message,
        turn: &dyn Turn,
    ) -> Result<Option<Accepted>, SendError> {
        let talk = self.talk(None);
        let bytes = message.formatted();
        if let Some(Idle { messages, mut connection, .. }) = self.take_idle() {
            let result = talk.transfer(&mut connection, message, &bytes, turn).await;
            // The server may have closed an idle connection meanwhile, with or
            // without a word, or may have had enough of this one. Before the
            // recipient was named that says nothing about the message, and a
            // fresh connection will tell.
            let stale = matches!(&result, Err(error)
                if error.step() == Some(Step::Sender) && matches!(error.code(), None | Some(400..500)));
            if !stale {
                self.keep(connection, messages + 1, &result).await;
                return result;
            }
            tokio::spawn(quit(connection));
        }
        let mut connection = self.open(&talk).await?;
        let result = talk.transfer(&mut connection, message, &bytes, turn).await;
        self.keep(connection, 1, &result).await;
        result
    }

    /// Connects, encrypts and signs in as for a message, then says goodbye.
    ///
    /// # Errors
    /// What a message would have run into.
    pub async fn probe(&self) -> Result<(), SendError> {
        let connection = self.open(&self.talk(None)).await?;
        quit(connection).await;
        Ok(())
    }

    /// Sends `message` over a connection of its own, while `observer` watches.
    /// A certificate that is not accepted is shown to it as well.
    ///
    /// # Errors
    /// As when sending.
    pub async fn send_watched(
        &self,
        message: &Message,
        observer: &dyn Observer,
    ) -> Result<Accepted, SendError> {
        let talk = self.talk(Some(observer));
        let mut connection = match self.open(&talk).await {
            Ok(connection) => connection,
            Err(error) => {
                if error.step() == Some(Step::Tls) && error.class() == FailureClass::Settings {
                    self.show_certificate(observer).await;
                }
                return Err(error);
            }
        };
        let result = talk.transfer(&mut connection, message, &message.formatted(), &AtOnce).await;
        quit(connection).await;
        result?.ok_or_else(withdrawn)
    }

    /// Looks at the certificate that was not accepted: the same way once more
    /// as far as TLS, without credentials and without a message.
    async fn show_certificate(&self, observer: &dyn Observer) {
        let settings = ServerSettings { credentials: None, ..self.inner.settings.clone() };
        let Ok(tls) = tls_parameters(&settings, Trust::Any) else { return };
        let only = OnlyCertificate(observer);
        // A server that does not speak TLS at all fails again, which says no more.
        if let Ok(connection) = self.talk(Some(&only)).open(&settings, Some(&tls), &self.inner.policy).await {
            quit(connection).await;
        }
    }

    /// Closes the idle connections politely.
    pub async fn hang_up(&self) {
        let idle = std::mem::take(&mut *self.idle());
        futures::future::join_all(idle.into_iter().map(|idle| quit(idle.connection))).await;
    }

    fn talk<'a>(&self, observer: Option<&'a dyn Observer>) -> Talk<'a> {
        let Timeouts { command, whole, answer } = self.inner.timeouts;
        Talk { server: self.authority(), command, deadline: Instant::now() + whole, answer, observer }
    }

    async fn open(&self, talk: &Talk<'_>) -> Result<AsyncSmtpConnection, SendError> {
        let Inner { settings, tls, policy, timeouts: _, idle: _ } = &*self.inner;
        talk.open(settings, tls.as_ref(), policy).await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // The list is whole at every moment, so a panic elsewhere spoils nothing.
        self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self) -> Option<Idle> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE_TIME);
        idle.pop()
    }

    /// Keeps a connection that is fit for another message. A refusal leaves it
    /// so after RSET: greylisted mail by the hundred does not reconnect.
    async fn keep(
        &self,
        mut connection: AsyncSmtpConnection,
        messages: u32,
        result: &Result<Option<Accepted>, SendError>,
    ) {
        let fit = match result.as_ref().map_err(SendError::code) {
            Ok(Some(_)) => true,
            // In the middle of a message there is no way back.
            Ok(None) | Err(None | Some(421)) => return,
            Err(Some(_)) => matches!(timeout(COURTESY, connection.command(Rset)).await, Ok(Ok(_))),
        };
        let mut idle = self.idle();
        if fit && messages < MAX_MESSAGES && idle.len() < MAX_IDLE {
            idle.push(Idle { since: Instant::now(), messages, connection });
        } else if fit {
            // Whoever sent the message waits to hear that it was accepted.
            tokio::spawn(quit(connection));
        }
    }
}

/// Shows of a second look the certificate alone.
struct OnlyCertificate<'a>(&'a dyn Observer);

impl Observer for OnlyCertificate<'_> {
    fn seen(&self, step: Step, took: Duration, facts: Facts) {
        if let Facts::Encryption(encryption) = facts {
            self.0.seen(step, took, Facts::Encryption(Encryption { trusted: false, ..encryption }));
        }
    }
}

/// Which certificates are accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Those of the host by an authority that is trusted.
    Checked,
    /// Any: to look at it, and never to say anything over the connection.
    Any,
}

fn tls_parameters(settings: &ServerSettings, trust: Trust) -> Result<TlsParameters, SendError> {
    let mut builder = TlsParameters::builder(settings.host().to_owned());
    if trust == Trust::Any {
        builder = builder.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
    }
    for bundle in &settings.extra_roots {
        builder = builder.add_root_certificate(bundle.0.clone());
    }
    builder.build_rustls().map_err(|error| {
        let what = "cannot be used with TLS; check the certificates in --mail-ca-file";
        let cause = error.source().map(ToString::to_string);
        SendError::settings(&settings.authority(), Step::Tls, what, cause)
    })
}

/// Only somebody who waits for their turn can be refused it.
fn withdrawn() -> SendError {
    SendError::unsendable("the message was withdrawn")
}

async fn quit(mut connection: AsyncSmtpConnection) {
    // The answer changes nothing.
    let _ = timeout(COURTESY, connection.command(Quit)).await;
}
