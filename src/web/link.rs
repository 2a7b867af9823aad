//! What a link is worth, and using it up. Reading changes nothing; following
//! is one transaction that decides everything again: the link, the account and
//! its tenants, single use, what is achieved, the audit entry, and the wake-up
//! that lets status follow.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::domain::account::Account;
use crate::domain::activation::{Purpose, Token, awaited_mail};
use crate::domain::audit::Actor;
use crate::domain::audit::reading::ACTIVATED;
use crate::domain::key::fold;
use crate::domain::object::{ObjectKey, Topic};
use crate::domain::password::HashError;
use crate::engine::Engine;
use crate::store::activations::Activation;
use crate::store::audit::Entry;
use crate::store::{Access, StoreError, Tx};

/// How often a transaction is run again when another one got in its way.
const RERUNS: u64 = 8;

/// What the page needs to know about whom the link is for.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) account: Uuid,
    pub(super) purpose: Purpose,
    /// The address that the account signs in with once the link is used.
    pub(super) login: String,
    pub(super) username: String,
    /// Shown name of the tenant.
    pub(super) tenant: String,
    /// Language of the account's mails.
    pub(super) locale: String,
    pub(super) product: Option<String>,
    pub(super) support: Option<String>,
    /// A mail is still awaited, so a new link can be asked for.
    pub(super) awaits: bool,
}

/// Why a genuine link does nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    Used,
    Replaced,
    Expired,
    /// It is not needed any more: the account is active, and no new address
    /// waits to be proved.
    Needless,
    /// The account, or a tenant at or above its own.
    Disabled,
    /// Somebody else has the address by now.
    Taken,
}

/// A link, as somebody who holds its token may know it.
pub(super) enum Link {
    /// None of ours, or not whole.
    Unknown,
    Closed(Closed, Box<Subject>),
    Open(Box<Subject>),
}

/// A link could not be looked up or used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the database did not answer as it should")]
    Store(#[from] StoreError),
    #[error("the password could not be hashed")]
    Hash(#[from] HashError),
}

impl LinkError {
    /// Whether the same request may succeed in a moment.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }

    /// The causes, one line, without values of rows.
    pub(super) fn cause(&self) -> String {
        let mut line = String::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        line
    }
}

/// A genuine link with everything that belongs to it.
struct Known {
    activation: Activation,
    account: Account,
    key: Option<ObjectKey>,
    path: String,
    closed: Option<Closed>,
    subject: Subject,
}

impl Known {
    fn into_link(self) -> Link {
        let subject = Box::new(self.subject);
        match self.closed {
            Some(why) => Link::Closed(why, subject),
            None => Link::Open(subject),
        }
    }
}

/// What `token` is worth now.
pub(super) async fn look(engine: &Engine, token: &Token) -> Result<Link, LinkError> {
    let mut attempt = 0;
    loop {
        let looked = async {
            let mut tx = engine.store().begin(Access::Read).await?;
            known(engine, &mut tx, token).await
        };
        match looked.await {
            Ok(known) => return Ok(known.map_or(Link::Unknown, Known::into_link)),
            Err(error) => again(error, &mut attempt).await?,
        }
    }
}

/// Uses `token` up. [`Link::Open`] means that it was open and that this call
/// used it; everything else, that nothing was changed.
pub(super) async fn follow(engine: &Engine, token: &Token, hash: Option<&str>) -> Result<Link, LinkError> {
    let mut attempt = 0;
    loop {
        match follow_once(engine, token, hash).await {
            Ok(link) => return Ok(link),
            Err(error) => again(error, &mut attempt).await?,
        }
    }
}

/// Waits before another attempt, or gives the error back.
async fn again(error: StoreError, attempt: &mut u64) -> Result<(), StoreError> {
    if !error.is_transient() || *attempt == RERUNS {
        return Err(error);
    }
    *attempt += 1;
    tokio::time::sleep(Duration::from_millis(15 * *attempt * *attempt)).await;
    Ok(())
}

async fn known(engine: &Engine, tx: &mut Tx, token: &Token) -> Result<Option<Known>, StoreError> {
    let activation = tx.activation(token.activation).await?;
    // Compared in any case, so that an unknown identifier takes as long.
    let (nonce, purpose) = match &activation {
        Some(activation) => (activation.nonce.as_str(), activation.purpose),
        None => ("", Purpose::Activate),
    };
    let genuine = engine.link_key().verify(token, nonce, purpose);
    let Some(activation) = activation.filter(|_| genuine) else { return Ok(None) };
    let Some(found) = tx.account(activation.account).await? else { return Ok(None) };
    let account = found.account;
    let chain = tx.chain(account.tenant).await?;
    let Some(tenant) = chain.own() else { return Ok(None) };

    let login = match activation.purpose {
        Purpose::ChangeEmail => account.pending_email.clone().unwrap_or_default(),
        Purpose::Activate | Purpose::Confirm | Purpose::SetPassword => account.settings.email.clone(),
    };
    let awaits = awaited_mail(&account).is_some();
    let closed = match activation.state.as_str() {
        "used" => Some(Closed::Used),
        // Disabling withdraws the link; the reason helps more than the means.
        _ if !account.settings.enabled || chain.blocked_by().is_some() => Some(Closed::Disabled),
        "open" if activation.expires_at > tx.now() && !login.is_empty() => None,
        _ if !awaits && account.activated_at.is_some() => Some(Closed::Needless),
        "open" if !login.is_empty() => Some(Closed::Expired),
        _ => Some(Closed::Replaced),
    };
    let branding = chain.branding();
    let subject = Subject {
        account: account.id,
        purpose: activation.purpose,
        login,
        username: account.settings.username.clone(),
        tenant: tenant.settings.display_name.clone(),
        locale: account.settings.locale.clone(),
        product: branding.product_name,
        support: branding.support_email,
        awaits,
    };
    let path = tenant.path.clone();
    Ok(Some(Known { activation, account, key: found.key, path, closed, subject }))
}

async fn follow_once(engine: &Engine, token: &Token, hash: Option<&str>) -> Result<Link, StoreError> {
    let mut tx = engine.store().begin(Access::Write).await?;
    if let Some(activation) = tx.activation(token.activation).await? {
        // A reconciliation writes whole accounts; it must not undo this.
        tx.lock_tree_of_account(activation.account).await?;
    }
    let Some(mut known) = known(engine, &mut tx, token).await? else { return Ok(Link::Unknown) };
    if known.closed.is_some() {
        return Ok(known.into_link());
    }
    let Known { activation, account, key, path, subject, .. } = &known;
    if activation.purpose == Purpose::ChangeEmail && taken(&mut tx, account, &subject.login).await? {
        known.closed = Some(Closed::Taken);
        return Ok(known.into_link());
    }
    if activation.purpose.asks_password() != hash.is_some() || !tx.consume(activation.id).await? {
        known.closed = Some(Closed::Replaced);
        return Ok(known.into_link());
    }
    let now = tx.now();
    if let Some(hash) = hash {
        tx.put_password(account.id, hash).await?;
    }
    let mut after = json!({ "purpose": activation.purpose });
    let mut before = None;
    if activation.purpose == Purpose::ChangeEmail {
        tx.adopt_pending_email(account.id).await?;
        let digest = |email: &str| engine.link_key().personal(email);
        before = Some(json!({ "email": digest(&account.settings.email) }));
        after["email"] = digest(&subject.login).into();
        let freed = Topic::taken(&format!("email {}", fold(&account.settings.email)));
        tx.publish(&[freed], account.object, now).await?;
    } else {
        tx.activate_account(account.id, now).await?;
    }
    let actor = Actor::account(account.id, account.tenant, key.as_ref());
    let name = actor.name.clone();
    let entry = Entry {
        id: engine.id(now),
        actor,
        action: ACTIVATED,
        key: key.clone(),
        account: Some(account.id),
        tenant: Some(account.tenant),
        generation: None,
        before,
        after: Some(after),
    };
    tx.audit(&entry).await?;
    if let Some(object) = account.object {
        tx.wake(object, now).await?;
    }
    tx.commit().await?;
    tracing::info!(account = %name, tenant = %path, purpose = activation.purpose.as_str(), "activated");
    Ok(known.into_link())
}

/// Whether somebody else signs in with `email`, or waits to.
async fn taken(tx: &mut Tx, account: &Account, email: &str) -> Result<bool, StoreError> {
    // Its own username is excluded with the account itself; nobody has "@".
    let holders = tx.holders_of("@", email, Some(account.id)).await?;
    Ok(holders.iter().any(|holder| holder.email))
}
