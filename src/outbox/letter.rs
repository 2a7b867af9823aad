//! One claimed mail: whether it is still wanted, and its letter. The token is
//! derived here, at the last moment, and stands nowhere but in the letter.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use crate::domain::activation::Purpose;
use crate::domain::tenant::Chain;
use crate::domain::verdict::with_causes;
use crate::engine::Engine;
use crate::mail::{self, Envelope, FailureClass, Letter, MailAddress, Mailbox, Templates};
use crate::store::outbox::{Addressed, Claimed};
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

/// A mail with everything that its letter needs.
pub(super) struct Wanted {
    pub(super) mail: Claimed,
    pub(super) to: Addressed,
    pub(super) chain: Arc<Chain>,
    pub(super) read_at: Instant,
}

/// Why there is no letter.
pub(super) struct Unwritten {
    pub(super) why: String,
    pub(super) class: FailureClass,
}

impl From<Unusable> for Unwritten {
    fn from(Unusable(why): Unusable) -> Self {
        Self { why, class: FailureClass::Settings }
    }
}

/// What was read about some claimed mails.
#[derive(Default)]
pub(super) struct Read {
    pub(super) wanted: Vec<Wanted>,
    /// Somebody waits for these, and their links have expired.
    pub(super) expired: Vec<Wanted>,
    /// Nobody should get these any more: the link was used or replaced, or the
    /// account may not sign in.
    pub(super) unwanted: Vec<Uuid>,
    /// Replaced or gone; there is nothing to mark.
    pub(super) gone: Vec<Uuid>,
}

impl Read {
    /// Reads in one transaction, whose statements do not grow with the mails.
    pub(super) async fn about(engine: &Engine, mails: Vec<Claimed>) -> Result<Self, StoreError> {
        let read_at = Instant::now();
        let ids: Vec<Uuid> = mails.iter().map(|mail| mail.id).collect();
        let mut tx = engine.store().begin(Access::Read).await?;
        let now = tx.now();
        let mut addressed = tx.addressed(&ids).await?;
        let tenants: BTreeSet<Uuid> = addressed.values().map(|to| to.tenant).collect();
        let chains = tx.chains(&tenants).await?;
        drop(tx);
        let chains: std::collections::BTreeMap<Uuid, Arc<Chain>> =
            chains.into_iter().map(|(id, chain)| (id, Arc::new(chain))).collect();
        let mut read = Self::default();
        for mail in mails {
            let Some(to) = addressed.remove(&mail.id) else {
                read.gone.push(mail.id);
                continue;
            };
            if to.link.state != "open" || !to.enabled {
                read.unwanted.push(mail.id);
                continue;
            }
            let chain = chains.get(&to.tenant).cloned().unwrap_or_default();
            let over = to.link.expires_at <= now;
            let kept = if over { &mut read.expired } else { &mut read.wanted };
            kept.push(Wanted { mail, to, chain, read_at });
        }
        Ok(read)
    }
}

impl Wanted {
    /// The account's object, for logs.
    pub(super) fn name(&self) -> String {
        self.to.key.as_ref().map_or_else(|| "an unmanaged account".to_owned(), ToString::to_string)
    }

    /// Whether its server takes the Secret of a Tenant of another source. A
    /// name in a namespace means another Secret there, so it is never read. An
    /// account gets below such a Tenant when one source has let the tenant go
    /// and the other has adopted it.
    pub(super) fn needs_foreign_secret(&self) -> bool {
        let mail = self.chain.mail();
        let secret = mail.server.is_some_and(|(_, server)| server.credentials.is_some());
        secret && mail.server_source != self.to.source.as_deref()
    }

    pub(super) fn compose(&self, engine: &Engine, sender: &Sender) -> Result<lettre::Message, Unwritten> {
        let say = |error: &dyn std::error::Error| Unusable(with_causes(error));
        let (to, link) = (&self.to, &self.to.link);
        let settings = self.chain.mail();
        let from = match settings.from {
            Some(from) => Mailbox::parse(from).map_err(|error| say(&error))?,
            None => sender.from.clone().ok_or_else(|| {
                Unusable("no sender: give --mail-from, or spec.mail.from of a Tenant".to_owned())
            })?,
        };
        let base =
            sender.base.as_ref().ok_or_else(|| Unusable("no base of links: give --public-url".to_owned()))?;
        let token = engine.link_key().token(link.id, &link.nonce, link.purpose);
        let url = url::Url::parse(&format!("{base}/activate?token={token}"))
            .map_err(|_| Unusable("--public-url is not the base of links".to_owned()))?;
        let branding = self.chain.branding();
        let address = match (link.purpose, &to.pending_email) {
            (Purpose::ChangeEmail, Some(pending)) => pending.clone(),
            _ => to.email.clone(),
        };
        let envelope = Envelope {
            from,
            reply_to: settings.reply_to.map(Mailbox::parse).transpose().map_err(|error| say(&error))?,
            to: address,
            message_id: self.mail.message_id.clone(),
            date: self.mail.queued_at,
        };
        let letter = Letter {
            purpose: match link.purpose {
                Purpose::Activate => mail::Purpose::Activate,
                Purpose::Confirm => mail::Purpose::Confirm,
                Purpose::SetPassword => mail::Purpose::SetPassword,
                Purpose::ChangeEmail => mail::Purpose::ChangeEmail,
            },
            locale: to.locale.clone(),
            product_name: branding.product_name.unwrap_or_default(),
            support_email: branding
                .support_email
                .as_deref()
                .map(MailAddress::parse)
                .transpose()
                .map_err(|error| say(&error))?,
            username: to.username.clone(),
            tenant_display_name: self
                .chain
                .own()
                .map_or_else(String::new, |t| t.settings.display_name.clone()),
            link: url,
            expires_at: link.expires_at,
        };
        mail::compose(&sender.templates, &envelope, &letter)
            .map_err(|error| Unwritten { why: with_causes(&error), class: error.class() })
    }
}
