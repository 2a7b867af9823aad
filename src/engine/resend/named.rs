//! Sending an invitation again to somebody by name: for an operator, who is
//! told what came of it.

use jiff::Timestamp;
use uuid::Uuid;

use super::{RERUNS, pause};
use crate::domain::activation::Purpose;
use crate::domain::audit::Actor;
use crate::domain::object::ObjectKey;
use crate::domain::tenant::MailServer;
use crate::engine::Engine;
use crate::store::{Access, StoreError};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resent {
    /// Nobody has this username or address.
    Unknown,
    /// Nothing is left to invite to.
    Active,
    /// The account is disabled.
    Disabled,
    /// A new link is queued; earlier ones have stopped working.
    Queued(Box<Queued>),
}

/// A mail that was queued again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The account.
    pub account: Uuid,
    /// Its username.
    pub username: String,
    /// Its object, if it has one.
    pub key: Option<ObjectKey>,
    /// What the link achieves.
    pub purpose: Purpose,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// Its tenant or one above it is disabled: the mail waits for that.
    pub blocked: bool,
    /// The server of a tenant that the mail goes through, and the Tenant that
    /// names it.
    pub server: Option<(ObjectKey, MailServer)>,
}

impl Engine {
    /// Sends the mail again that an account waits for; `name` is a username or
    /// an e-mail.
    pub async fn resend_to(&self, name: &str) -> Result<Resent, StoreError> {
        let mut attempt = 0;
        loop {
            match self.resend_to_once(name).await {
                Err(error) if error.is_transient() && attempt < RERUNS => pause(&mut attempt).await,
                decided => return decided,
            }
        }
    }

    async fn resend_to_once(&self, name: &str) -> Result<Resent, StoreError> {
        let mut tx = self.store().begin(Access::Write).await?;
        let Some(found) = tx.account_named(name).await? else { return Ok(Resent::Unknown) };
        // A reconciliation writes whole accounts; what it decides is before or
        // after this.
        tx.lock_tree_of_account(found.account.id).await?;
        let Some(found) = tx.account(found.account.id).await? else { return Ok(Resent::Unknown) };
        if !found.account.settings.enabled {
            return Ok(Resent::Disabled);
        }
        let Some(purpose) = self.resend(&mut tx, &found, Actor::platform(), "command").await? else {
            return Ok(Resent::Active);
        };
        let link = tx.latest_activation(found.account.id).await?;
        let chain = tx.chain(found.account.tenant).await?;
        let queued = Queued {
            account: found.account.id,
            username: found.account.settings.username,
            key: found.key,
            purpose,
            expires_at: link.map_or(tx.now(), |link| link.expires_at),
            blocked: chain.blocked_by().is_some(),
            server: chain.mail().server.map(|(key, server)| (key.clone(), server.clone())),
        };
        tx.commit().await?;
        Ok(Resent::Queued(Box::new(queued)))
    }
}
