//! Links and their mails (R8): how one is issued, and sending it again. The
//! annotation (`subadmin/mails.rs`), the command line and the page `/resend`
//! all come here, and the pure rule [`awaited_mail`] says which mail it is.
//!
//! Whoever asks on the page learns nothing by it: [`Engine::charge_asking`]
//! does the same whether or not there is such an account or link, and
//! [`Engine::resend_asked`] runs beside the answer.

mod named;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Engine;
use crate::domain::account::Account;
use crate::domain::activation::{Purpose, Token, awaited_mail};
use crate::domain::audit::Actor;
use crate::domain::key::fold;
use crate::domain::signin::{ASKED_OF_ACCOUNT, ASKED_PER_CLIENT, Counted, MAX_EMAIL, Rate};
use crate::store::accounts::Found;
use crate::store::activations::Activation;
use crate::store::audit::Entry;
use crate::store::{Access, StoreError, Tx};

pub use named::{Queued, Resent};

/// The action in the audit trail.
pub(crate) const RESENT: &str = "resent";

/// How often a transaction is run again when another one got in its way.
const RERUNS: u64 = 8;

/// What somebody on the page shows to get a new link. No `Debug`: it holds an
/// address.
pub enum Asked {
    /// A link that works no more. It says whose it is, so nothing is typed.
    Link(Token),
    /// The address of the invitation, as typed.
    Address(String),
}

impl Asked {
    /// How requests for the same thing are counted together, whether or not
    /// there is such a thing.
    fn target(&self) -> String {
        match self {
            Self::Link(token) => format!("link {}", token.activation),
            Self::Address(email) => format!("address {}", fold(email)),
        }
    }
}

impl Engine {
    /// Issues a new link, which replaces any earlier one, and queues its mail.
    pub(crate) async fn issue_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let now = tx.now();
        let lifetime = SignedDuration::from_secs(account.settings.link_lifetime);
        let activation = Activation {
            id: self.id(now),
            account: account.id,
            purpose,
            nonce: self.nonce(),
            issued_at: now,
            expires_at: now.saturating_add(lifetime).unwrap_or(now),
            state: "open".to_owned(),
            used_at: None,
        };
        // Stable over attempts, and it says nothing about the recipient.
        let message_id = format!("<{}@tenantry.invalid>", activation.id);
        tx.issue(&activation, &message_id).await
    }

    /// Sends the mail again that an account waits for: link, mail, audit entry
    /// and the wake-up of its object, in the caller's transaction. None, and
    /// nothing is written, if it waits for none.
    pub(crate) async fn resend(
        &self,
        tx: &mut Tx,
        found: &Found,
        actor: Actor,
        via: &str,
    ) -> Result<Option<Purpose>, StoreError> {
        let account = &found.account;
        let Some(purpose) = awaited_mail(account) else { return Ok(None) };
        self.issue_link(tx, account, purpose).await?;
        let now = tx.now();
        let after: Value = json!({ "purpose": purpose, "via": via });
        let entry = Entry {
            id: self.id(now),
            actor,
            action: RESENT,
            key: found.key.clone(),
            account: Some(account.id),
            tenant: Some(account.tenant),
            generation: None,
            before: None,
            after: Some(after),
        };
        tx.audit(&entry).await?;
        if let Some(object) = account.object {
            tx.wake(object, now).await?;
        }
        Ok(Some(purpose))
    }

    /// Counts a request for a new link, or says how long to wait for the next
    /// one. The same statements whatever is asked for.
    pub async fn charge_asking(
        &self,
        client: &str,
        asked: &Asked,
    ) -> Result<Result<(), Duration>, StoreError> {
        let target = asked.target();
        let counted =
            [(Counted::Asking(client), ASKED_PER_CLIENT), (Counted::AskedFor(&target), ASKED_OF_ACCOUNT)];
        let mut attempt = 0;
        loop {
            let once = async {
                let mut tx = self.store().begin(Access::Write).await?;
                match self.charge(&mut tx, &counted).await? {
                    Ok(_) => tx.commit().await.map(Ok),
                    // Without a trace: waiting does not get longer by asking.
                    Err(wait) => Ok(Err(wait)),
                }
            };
            match once.await {
                Err(error) if error.is_transient() && attempt < RERUNS => pause(&mut attempt).await,
                decided => return decided,
            }
        }
    }

    /// Queues the mail that the account waits for which `asked` is about, if
    /// there is one, it may be signed in to, and it was not asked for too often.
    /// Whether it was queued is nobody's business but the log's.
    pub async fn resend_asked(&self, asked: &Asked) -> Result<bool, StoreError> {
        let mut attempt = 0;
        loop {
            match self.resend_asked_once(asked).await {
                Err(error) if error.is_transient() && attempt < RERUNS => pause(&mut attempt).await,
                decided => return decided,
            }
        }
    }

    async fn resend_asked_once(&self, asked: &Asked) -> Result<bool, StoreError> {
        let mut tx = self.store().begin(Access::Write).await?;
        let account = match asked {
            Asked::Link(token) => {
                let link = tx.activation(token.activation).await?;
                let genuine = link.filter(|link| self.link_key().verify(token, &link.nonce, link.purpose));
                genuine.map(|link| link.account)
            }
            Asked::Address(email) if email.len() <= MAX_EMAIL && !email.contains(char::is_control) => {
                tx.account_waiting_at(&fold(email)).await?
            }
            Asked::Address(_) => None,
        };
        let Some(account) = account else { return Ok(false) };
        // A reconciliation writes whole accounts; what it decides is before or
        // after this.
        tx.lock_tree_of_account(account).await?;
        let Some(found) = tx.account(account).await? else { return Ok(false) };
        let chain = tx.chain(found.account.tenant).await?;
        if chain.blocked_by().is_some() || awaited_mail(&found.account).is_none() {
            return Ok(false);
        }
        let id = account.to_string();
        if self.charge(&mut tx, &[(Counted::AskedFor(&id), ASKED_OF_ACCOUNT)]).await?.is_err() {
            return Ok(false);
        }
        // Whoever asks has proved nothing.
        let actor = Actor::from("somebody".to_owned());
        let sent = self.resend(&mut tx, &found, actor, "pages").await?;
        tx.commit().await?;
        if let (Some(purpose), Some(key)) = (sent, &found.key) {
            tracing::info!(account = %key, purpose = purpose.as_str(), "a new link was asked for and queued");
        }
        Ok(sent.is_some())
    }

    /// Charges everybody counted, or nobody and says how long to wait. What was
    /// charged can be given back.
    pub(super) async fn charge(
        &self,
        tx: &mut Tx,
        counted: &[(Counted<'_>, Rate)],
    ) -> Result<Result<Vec<(String, Rate)>, Duration>, StoreError> {
        let now = tx.now();
        let charged: Vec<_> =
            counted.iter().map(|(who, rate)| (self.link_key().throttle_slot(*who), *rate)).collect();
        let slots: Vec<_> = charged.iter().map(|(slot, _)| slot.clone()).collect();
        let held = tx.throttled(&slots).await?;
        let mut after = BTreeMap::new();
        for (slot, rate) in &charged {
            match rate.charge(held.get(slot).copied(), now) {
                Ok(forgotten) => after.insert(slot.clone(), forgotten),
                Err(wait) => return Ok(Err(seconds(wait))),
            };
        }
        tx.put_throttled(&after).await?;
        Ok(Ok(charged))
    }
}

fn seconds(wait: SignedDuration) -> Duration {
    Duration::from_secs(u64::try_from(wait.as_secs()).unwrap_or_default().max(1))
}

async fn pause(attempt: &mut u64) {
    *attempt += 1;
    tokio::time::sleep(Duration::from_millis(15 * *attempt * *attempt)).await;
}
