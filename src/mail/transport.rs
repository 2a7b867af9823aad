//! How a finished message leaves: to a mail server, or into a folder while
//! developing. The outbox holds one [`Transport`] per server and may share it
//! between workers; each send is bounded in time, so that a stuck server never
//! holds up anyone else's.

mod certificate;
mod directory;
mod failure;
mod hello;
mod policy;
mod seen;
mod smtp;
mod stream;
mod talk;

#[cfg(test)]
pub(crate) mod peer;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod watched_tests;

use std::fmt;

use async_trait::async_trait;
use lettre::Message;

pub use directory::DirectoryTransport;
pub use failure::{FailureClass, Retry, SendError, Step};
pub use policy::AddressPolicy;
pub use seen::{Certificate, Encryption, Facts, Observer};
pub use smtp::{SmtpTransport, Timeouts};

use super::mail_url::MailUrl;
use super::settings::CaBundle;

/// A way for messages to leave. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub enum Transport {
    /// To a mail server.
    Smtp(SmtpTransport),
    /// Into a folder of `.eml` files.
    Directory(DirectoryTransport),
}

/// The message was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The server's words, or the path of the file that was written. Holds no
    /// address and nothing secret of the message.
    pub reply: String,
}

/// Leave to say the last line of a message, after which the server may have
/// taken it over whatever becomes of us.
#[async_trait]
pub trait Turn: Send + Sync {
    /// Waits for leave. False: the message must not go out now; the
    /// conversation ends without a trace of it.
    async fn take(&self) -> bool;
}

/// For whoever sends one message and waits for it.
pub(super) struct AtOnce;

#[async_trait]
impl Turn for AtOnce {
    async fn take(&self) -> bool {
        true
    }
}

impl Transport {
    /// The transport that `--mail-url` and `--mail-ca-file` describe. The
    /// operator chose this host, so any address will do.
    ///
    /// # Errors
    /// When the TLS settings cannot be used.
    pub fn from_url(url: MailUrl, extra_roots: Option<CaBundle>) -> Result<Self, SendError> {
        Ok(match url {
            MailUrl::Directory(folder) => Self::Directory(DirectoryTransport::new(folder)),
            MailUrl::Smtp(server) => {
                let server = match extra_roots {
                    Some(bundle) => server.with_extra_roots(bundle),
                    None => server,
                };
                let timeouts = Timeouts::default();
                Self::Smtp(SmtpTransport::new(server, AddressPolicy::Any, timeouts)?)
            }
        })
    }

    /// Hands `message` over.
    ///
    /// # Errors
    /// The error says whether another attempt makes sense.
    pub async fn send(&self, message: &Message) -> Result<Accepted, SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::Directory(directory) => directory.send(message).await,
        }
    }

    /// The same, asking for leave before the message can be taken over; none
    /// if it was not given.
    ///
    /// # Errors
    /// As for [`Self::send`].
    pub async fn send_in_turn(
        &self,
        message: &Message,
        turn: &dyn Turn,
    ) -> Result<Option<Accepted>, SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send_in_turn(message, turn).await,
            Self::Directory(directory) => {
                if turn.take().await {
                    directory.send(message).await.map(Some)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// Hands `message` over while `observer` watches each step; a folder has
    /// none.
    ///
    /// # Errors
    /// As when sending.
    pub async fn send_watched(
        &self,
        message: &Message,
        observer: &dyn Observer,
    ) -> Result<Accepted, SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send_watched(message, observer).await,
            Self::Directory(directory) => directory.send(message).await,
        }
    }

    /// Goes as far as possible without a message: connect, TLS and sign-in, or
    /// a file written to the folder and removed again.
    ///
    /// # Errors
    /// What a message would have run into.
    pub async fn probe(&self) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => smtp.probe().await,
            Self::Directory(directory) => directory.probe().await,
        }
    }

    /// Closes idle connections politely. Worth calling when the queue is empty
    /// and before the process ends; sending afterwards still works.
    pub async fn hang_up(&self) {
        match self {
            Self::Smtp(smtp) => smtp.hang_up().await,
            Self::Directory(_) => {}
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp(smtp) => write!(f, "mail server {}", smtp.authority()),
            Self::Directory(directory) => write!(f, "mail folder {}", directory.folder().display()),
        }
    }
}
