//! Outgoing mail: what a letter says, how it looks on the wire, and how it
//! reaches a server or a folder.
//!
//! The outbox calls this module with rows that are already committed, the
//! configuration with the text of `--mail-url`, and `mail test` and the
//! `MailReady` probe with the settings of one tenant. It may call lettre,
//! minijinja and tokio, and nothing of Tenantry: no kube, no database, and no
//! clock, so that the same letter at the same time is the same bytes.
//!
//! One letter's way: [`Letter`] and [`Envelope`] go into [`compose`], which
//! renders [`Templates`] into a message; a [`Transport`] sends it; a
//! [`SendError`] says for itself whether to try again, [`next_attempt`] says
//! when, and [`while_useful`] how long that makes sense.

mod address;
mod backoff;
mod mail_url;
mod message;
mod settings;
mod template;
mod text;
mod transport;

#[cfg(test)]
mod testing;

pub use address::{AddressError, MailAddress, Mailbox};
pub use backoff::{FIRST_DELAY, LONGEST_DELAY, MAX_ATTEMPTS, next_attempt, while_useful};
pub use mail_url::{MailUrl, MailUrlError};
pub use message::{
    ComposeError, Composed, Envelope, Letter, Purpose, UnknownPurpose, compose, compose_trial, message_id,
};
pub use settings::{CaBundle, CaError, Credentials, ServerSettings, SettingsError, Tls};
pub use template::{TemplateError, Templates};
#[cfg(test)]
pub(crate) use transport::peer;
pub use transport::{
    Accepted, AddressPolicy, Certificate, DirectoryTransport, Encryption, Facts, FailureClass, Observer,
    Retry, SendError, SmtpTransport, Step, Timeouts, Transport, Turn,
};
