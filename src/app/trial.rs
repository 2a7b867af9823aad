//! `mail test`: one real message through the server and under the name that
//! invitations would have, watched step by step. It changes nothing; what it
//! needs of the database has been read before anything is sent.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::AppError;
use super::post::{sender, servers};
use crate::config::Settings;
use crate::domain::object::ObjectKey;
use crate::domain::tenant::Chain;
use crate::engine::Surroundings;
use crate::mail::{
    Accepted, AddressPolicy, Composed, Envelope, MailAddress, Mailbox, Observer, SendError, Transport,
    compose_trial, message_id,
};
use crate::store::{Access, Store};

/// A message that is ready to be sent, and how.
pub struct Trial {
    /// The Tenant that names the server; none: it is the process's own.
    pub named_by: Option<ObjectKey>,
    /// The host that it names.
    pub host: Option<String>,
    /// The sender, as it stands in the message.
    pub from: String,
    /// The message's own identifier, by which it can be found in logs.
    pub message_id: String,
    transport: Transport,
    message: Composed,
}

/// Prepares a message to `to`, for a tenant or for the process itself.
///
/// # Errors
/// When there is no sender, or no way to the server.
pub async fn trial(
    settings: &Settings,
    to: &MailAddress,
    within: Option<(&Store, Uuid)>,
    world: Arc<dyn Surroundings>,
) -> Result<Trial, AppError> {
    let chain = match within {
        None => Chain::default(),
        Some((store, tenant)) => store.begin(Access::Read).await?.chain(tenant).await?,
    };
    let inherited = chain.mail();
    let from = match inherited.from {
        Some(from) => Some(Mailbox::parse(from).map_err(AppError::MailFrom)?),
        None => sender(settings),
    };
    let from = from.ok_or(AppError::NoSender)?;
    let reply_to = inherited.reply_to.map(Mailbox::parse).transpose().map_err(AppError::MailFrom)?;
    let transport = servers(settings, world, None)?.transport(inherited.server).await?;
    let message_id = message_id(&Uuid::new_v4().to_string(), from.address());
    let envelope = Envelope {
        from: from.clone(),
        reply_to,
        to: to.as_str().to_owned(),
        message_id: message_id.clone(),
        date: now(),
    };
    let product = chain.branding().product_name.unwrap_or_default();
    let message = compose_trial(&envelope, &product)?;
    let address = from.address().as_str();
    Ok(Trial {
        named_by: inherited.server.map(|(tenant, _)| tenant.clone()),
        host: inherited.server.map(|(_, server)| server.host.clone()),
        from: from.name().map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>")),
        message_id,
        transport,
        message,
    })
}

impl Trial {
    /// The server, or the folder, in words.
    pub fn server(&self) -> String {
        self.transport.to_string()
    }

    /// Whether it goes into a folder.
    pub fn is_a_folder(&self) -> bool {
        matches!(self.transport, Transport::Directory(_))
    }

    /// Sends it while `observer` watches.
    ///
    /// # Errors
    /// What an invitation would have run into.
    pub async fn send(&self, observer: &dyn Observer) -> Result<Accepted, SendError> {
        self.transport.send_watched(&self.message, observer).await
    }

    /// Whether a controller in a cluster would refuse to connect to `address`
    /// for this server, unless `--mail-allow-hosts` names the host.
    pub fn refused_in_a_cluster(&self, address: std::net::IpAddr) -> bool {
        let public = AddressPolicy::Public { allow_hosts: vec![] };
        self.host.as_ref().is_some_and(|host| !public.permits(host, address))
    }
}

#[expect(clippy::disallowed_methods, reason = "a message that no row is about has no time of a database")]
fn now() -> Timestamp {
    Timestamp::now()
}
