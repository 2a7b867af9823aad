//! One queued mail: whether it is still wanted, and its letter. The token is
//! derived here, at the last moment, and stands nowhere but in the letter.

use std::sync::Arc;

use crate::domain::activation::Purpose;
use crate::domain::object::ObjectKey;
use crate::domain::tenant::Chain;
use crate::domain::verdict::with_causes;
use crate::engine::Engine;
use crate::mail::{self, Envelope, Letter, MailAddress, Mailbox, Templates};
use crate::store::accounts::Found;
use crate::store::activations::Activation;
use crate::store::outbox::Claimed;
use crate::store::{Access, StoreError};

use super::servers::Unusable;

/// What every letter of this process has in common.
#[derive(Clone)]
pub struct Sender {
    /// Texts.
    pub templates: Arc<Templates>,
    /// The sender of tenants that name none.
    pub from: Option<Mailbox>,
    /// Base of links, without a slash at its end; without it mails wait.
    pub base: Option<String>,
}

/// Everything that a mail needs, read in one transaction.
pub(super) struct Wanted {
    pub(super) found: Found,
    pub(super) chain: Chain,
    pub(super) link: Activation,
}

impl Wanted {
    /// None if nobody should get this mail any more: the link was used,
    /// replaced or has expired, or the account may not sign in.
    pub(super) async fn read(engine: &Engine, claimed: &Claimed) -> Result<Option<Self>, StoreError> {
        let mut tx = engine.store().begin(Access::Read).await?;
        let Some(link) = tx.activation(claimed.activation).await? else { return Ok(None) };
        let Some(found) = tx.account(claimed.account).await? else { return Ok(None) };
        if link.state != "open" || link.expires_at <= tx.now() || !found.account.settings.enabled {
            return Ok(None);
        }
        let chain = tx.chain(found.account.tenant).await?;
        Ok(Some(Self { found, chain, link }))
    }

    /// The account's object, for logs.
    pub(super) fn key(&self) -> Option<&ObjectKey> {
        self.found.key.as_ref()
    }

    pub(super) fn compose(
        &self,
        engine: &Engine,
        sender: &Sender,
        claimed: &Claimed,
    ) -> Result<lettre::Message, Unusable> {
        let say = |error: &dyn std::error::Error| Unusable(with_causes(error));
        let account = &self.found.account;
        let settings = self.chain.mail();
        let from = match settings.from {
            Some(from) => Mailbox::parse(from).map_err(|error| say(&error))?,
            None => sender.from.clone().ok_or_else(|| {
                Unusable("no sender: give --mail-from, or spec.mail.from of a Tenant".to_owned())
            })?,
        };
        let base =
            sender.base.as_ref().ok_or_else(|| Unusable("no base of links: give --public-url".to_owned()))?;
        let token = engine.link_key().token(self.link.id, &self.link.nonce, self.link.purpose);
        let link = url::Url::parse(&format!("{base}/activate?token={token}"))
            .map_err(|_| Unusable("--public-url is not the base of links".to_owned()))?;
        let branding = self.chain.branding();
        let to = match (self.link.purpose, &account.pending_email) {
            (Purpose::ChangeEmail, Some(pending)) => pending.clone(),
            _ => account.settings.email.clone(),
        };
        let envelope = Envelope {
            from,
            reply_to: settings.reply_to.map(Mailbox::parse).transpose().map_err(|error| say(&error))?,
            to,
            message_id: claimed.message_id.clone(),
            date: claimed.queued_at,
        };
        let letter = Letter {
            purpose: match self.link.purpose {
                Purpose::Activate => mail::Purpose::Activate,
                Purpose::Confirm => mail::Purpose::Confirm,
                Purpose::SetPassword => mail::Purpose::SetPassword,
                Purpose::ChangeEmail => mail::Purpose::ChangeEmail,
            },
            locale: account.settings.locale.clone(),
            product_name: branding.product_name.unwrap_or_default(),
            support_email: branding
                .support_email
                .as_deref()
                .map(MailAddress::parse)
                .transpose()
                .map_err(|error| say(&error))?,
            username: account.settings.username.clone(),
            tenant_display_name: self
                .chain
                .own()
                .map_or_else(String::new, |t| t.settings.display_name.clone()),
            link,
            expires_at: self.link.expires_at,
        };
        mail::compose(&sender.templates, &envelope, &letter).map_err(|error| say(&error))
    }
}
