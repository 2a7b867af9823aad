//! Signing in and out: credentials are verified here and nowhere else. The
//! pages and `POST /v1/sessions` call [`Engine::sign_in`] with what they were
//! given and show what comes back; pages ask [`Engine::person`] at every
//! request.
//!
//! Whoever asks learns only whether address and password fit: an address that
//! nobody has, an account that is disabled, not active or without a password
//! cost the same statements and the same one hash as a wrong password. Failures
//! are counted before the hash is computed, so that attempts at the same moment
//! cannot slip through.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::Engine;
use crate::domain::account::Account;
use crate::domain::audit::Actor;
use crate::domain::audit::reading::{SIGN_IN_FAILED, SIGNED_IN, SIGNED_OUT};
use crate::domain::key::fold;
use crate::domain::object::ObjectKey;
use crate::domain::password::{self, HashError};
use crate::domain::role::Assigned;
use crate::domain::signin::{
    Counted, MAX_EMAIL, MAX_PASSWORD, MAX_SESSIONS, PER_ADDRESS, PER_CLIENT, Rate, STRANGERS_TOLD,
    SessionToken, Span, Standing,
};
use crate::domain::tenant::Chain;
use crate::store::audit::Entry;
use crate::store::sessions::{Entrant, Session};
use crate::store::{Access, StoreError, Tx};

/// How often a transaction is run again when another one got in its way.
const RERUNS: u64 = 8;

/// What a password is compared with when there is none: salt and output are
/// random bytes, so no password fits.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$1DLddWDExz5/gaL+H/BWog$z5SsQwtV7fA2ZyJTIwZzqzdHQcX46t1vCHHi/34ArbI";

/// Where somebody signs in; a session of one is none at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The page `/login`.
    Pages,
    /// `POST /v1/sessions`.
    Program,
}

impl Via {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Program => "v1",
        }
    }
}

/// Somebody wants to sign in. No `Debug`: it holds a password.
pub struct Attempt<'a> {
    /// The address as typed.
    pub email: &'a str,
    /// The password as typed.
    pub password: SecretString,
    /// The client that failures are counted for beside the address: see
    /// [`crate::domain::signin::client_of`]. None if only the address counts,
    /// as for a platform that asks for all its people.
    pub client: Option<&'a str>,
    /// The cookie of a browser in which somebody has signed in before.
    pub device: Option<&'a str>,
    /// The session that this browser had; it ends.
    pub replaces: Option<&'a SessionToken>,
    /// Where.
    pub via: Via,
}

/// What came of an attempt.
pub enum SignedIn {
    /// The person is who they say; a session has begun.
    Entered(Box<Entered>),
    /// Address and password do not fit, or the account cannot be signed in to.
    /// Nobody is told which.
    Refused,
    /// Too many attempts failed. After so long another one is welcome.
    Throttled(Duration),
}

/// A session that has begun. No `Debug`: it holds an address.
pub struct Entered {
    /// For the browser or the program; it is kept nowhere else.
    pub token: SessionToken,
    /// Makes the browser known to this account.
    pub device: String,
    /// Who.
    pub person: Person,
}

/// Somebody who is signed in. No `Debug`: it holds an address.
#[derive(Clone)]
pub struct Person {
    /// The account.
    pub account: Account,
    /// Its object; none while unmanaged.
    pub key: Option<ObjectKey>,
    /// Its copied roles.
    pub roles: Vec<Assigned>,
    /// Its tenant and all above it.
    pub chain: Chain,
    /// When the session began and when it ends.
    pub span: Span,
    /// The database's time of this look.
    pub now: Timestamp,
}

/// Signing in could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The database.
    #[error("the database did not answer as it should")]
    Store(#[from] StoreError),
    /// The hash.
    #[error("the password could not be compared")]
    Hash(#[from] HashError),
}

impl SignInError {
    /// Whether the same request may succeed in a moment.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }
}

/// Runs a transaction again when another one got in its way.
macro_rules! rerun {
    ($once:expr) => {{
        let mut attempt = 0;
        loop {
            match $once.await {
                Err(error) if error.is_transient() && attempt < RERUNS => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(15 * attempt * attempt)).await;
                }
                decided => break decided,
            }
        }
    }};
}

/// What is known of an attempt once it is let through.
struct Admitted {
    entrant: Option<Entrant>,
    /// The account may be signed in to, password aside.
    stands: bool,
    /// What was counted for it, to be given back if it succeeds.
    charged: Vec<(String, Rate)>,
}

impl Engine {
    /// Verifies credentials and begins a session: the one way in, for pages and
    /// programs. Counts failures, and writes into the audit trail what came of
    /// it. A password longer than [`MAX_PASSWORD`] or an address longer than
    /// [`MAX_EMAIL`] fits nobody.
    ///
    /// ```ignore
    /// let attempt = Attempt { email, password, client: None, device: None, replaces: None, via: Via::Program };
    /// match engine.sign_in(attempt).await? {
    ///     SignedIn::Entered(entered) => { /* 201: entered.person, entered.token.expose() */ }
    ///     SignedIn::Refused => { /* 401, the same for every reason */ }
    ///     SignedIn::Throttled(wait) => { /* 429, Retry-After: wait */ }
    /// }
    /// ```
    pub async fn sign_in(&self, attempt: Attempt<'_>) -> Result<SignedIn, SignInError> {
        let Attempt { email, password, client, device, replaces, via } = attempt;
        // What is no address fits nobody; a database would refuse some of it.
        let address = email.len() <= MAX_EMAIL && !email.trim().contains(char::is_control);
        let email = if address { fold(email) } else { String::new() };
        let admitted = rerun!(self.admit(&email, client, device))?;
        let Admitted { entrant, stands, charged } = match admitted {
            Ok(admitted) => admitted,
            Err(wait) => return Ok(SignedIn::Throttled(wait)),
        };
        let kept = entrant.as_ref().and_then(|entrant| entrant.password_hash.as_deref());
        let fits = {
            let long = password.expose_secret().len() > MAX_PASSWORD;
            let compared = if long { SecretString::default() } else { password.clone() };
            // Computed whether or not there is anything to compare with.
            password::verify(compared, kept.unwrap_or(DECOY)).await? && kept.is_some() && !long
        };
        let entrant = match entrant {
            Some(entrant) if fits && stands => entrant,
            entrant => {
                rerun!(self.fail(&email, entrant.as_ref(), via))?;
                return Ok(SignedIn::Refused);
            }
        };
        let renewed = match kept_of(&entrant) {
            kept if password::is_current(kept) => None,
            _ => Some(password::rehash(password, self.salt()).await?),
        };
        let entered = rerun!(self.enter(&email, &entrant, renewed.as_deref(), &charged, replaces, via))?;
        match entered {
            Some(entered) => Ok(SignedIn::Entered(Box::new(entered))),
            None => {
                rerun!(self.fail(&email, Some(&entrant), via))?;
                Ok(SignedIn::Refused)
            }
        }
    }

    /// Who is signed in with `token`, if the session still stands. It ends by
    /// itself, and at once when its account may not be signed in to any more.
    pub async fn person(&self, token: &SessionToken, via: Via) -> Result<Option<Person>, StoreError> {
        let digest = self.link_key().session_digest(token);
        let found = rerun!(self.look(&digest, via))?;
        if let Some(person) = &found
            && person.span.to_be_noted(person.now)
        {
            rerun!(async {
                let mut tx = self.store().begin(Access::Write).await?;
                tx.note_use(&digest).await?;
                tx.commit().await
            })?;
        }
        Ok(found)
    }

    /// Ends the session of `token`; false if there was none.
    pub async fn sign_out(&self, token: &SessionToken) -> Result<bool, StoreError> {
        let digest = self.link_key().session_digest(token);
        rerun!(async {
            let mut tx = self.store().begin(Access::Write).await?;
            let ended = self.leave(&mut tx, &digest).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(ended)
        })
    }

    /// The cookie by which a browser is known to an account whose owner has
    /// just proved to be there.
    pub fn known_browser(&self, account: Uuid) -> String {
        self.link_key().device_cookie(account, &self.nonce())
    }

    /// Counts the attempt as failed, or says how long to wait.
    async fn admit(
        &self,
        email: &str,
        client: Option<&str>,
        device: Option<&str>,
    ) -> Result<Result<Admitted, Duration>, StoreError> {
        let key = self.link_key();
        let mut tx = self.store().begin(Access::Write).await?;
        let entrant = tx.entrant(email).await?;
        let nobody = (Uuid::nil(), Uuid::nil());
        let (account, tenant) = entrant.as_ref().map_or(nobody, |entrant| (entrant.id, entrant.tenant));
        let chain = tx.chain(tenant).await?;
        let stands = entrant.as_ref().is_some_and(|entrant| standing(entrant, &chain).admits());
        let counted: Vec<(Counted<'_>, Rate)> =
            match device.and_then(|cookie| key.known_device(account, cookie)) {
                Some(nonce) => vec![(Counted::Device(account, nonce), PER_ADDRESS)],
                None => std::iter::once((Counted::Address(email), PER_ADDRESS))
                    .chain(client.map(|client| (Counted::Client(client), PER_CLIENT)))
                    .collect(),
            };
        let charged = match self.charge(&mut tx, &counted).await? {
            Ok(charged) => charged,
            // Without a trace: waiting does not get longer by asking.
            Err(wait) => return Ok(Err(wait)),
        };
        tx.commit().await?;
        Ok(Ok(Admitted { entrant, stands, charged }))
    }

    /// Writes down that an attempt failed. As much work for a stranger's
    /// address as for an account.
    async fn fail(&self, email: &str, entrant: Option<&Entrant>, via: Via) -> Result<(), StoreError> {
        let mut tx = self.store().begin(Access::Write).await?;
        let now = tx.now();
        let slot = self.link_key().throttle_slot(Counted::Strangers);
        let held = tx.throttled(std::slice::from_ref(&slot)).await?;
        let told = STRANGERS_TOLD.charge(held.get(&slot).copied(), now);
        let mut after = json!({ "via": via.as_str() });
        let forgotten = match (entrant, told) {
            // Bounded already by what an address may fail.
            (Some(_), _) => held.get(&slot).copied().unwrap_or(now),
            (None, Ok(forgotten)) => forgotten,
            // Beyond what is told: nothing is written down, in the same time.
            (None, Err(_)) => {
                tx.put_throttled(&held).await?;
                tx.put_throttled(&held).await?;
                return tx.commit().await;
            }
        };
        if entrant.is_none() {
            after["email"] = self.link_key().personal(email).into();
        }
        tx.put_throttled(&BTreeMap::from([(slot, forgotten)])).await?;
        let entry = Entry {
            id: self.id(now),
            actor: Actor::from("somebody".to_owned()),
            action: SIGN_IN_FAILED,
            key: entrant.and_then(|entrant| entrant.key.clone()),
            account: entrant.map(|entrant| entrant.id),
            tenant: entrant.map(|entrant| entrant.tenant),
            generation: None,
            before: None,
            after: Some(after),
        };
        tx.audit(&entry).await?;
        tx.commit().await
    }

    /// The password fits: decides everything else, in one transaction with the
    /// session that begins. None if the account cannot be signed in to.
    async fn enter(
        &self,
        email: &str,
        entrant: &Entrant,
        renewed: Option<&str>,
        charged: &[(String, Rate)],
        replaces: Option<&SessionToken>,
        via: Via,
    ) -> Result<Option<Entered>, StoreError> {
        let mut tx = self.store().begin(Access::Write).await?;
        // Whoever disables the account or a tenant above is before or after
        // this, so that no session outlives that.
        tx.lock_tree_of_account(entrant.id).await?;
        let now = tx.now();
        let Some(again) = tx.entrant(email).await? else { return Ok(None) };
        let chain = tx.chain(again.tenant).await?;
        // Changed in the meantime: the password is not the one compared.
        let same = again.id == entrant.id && again.password_hash == entrant.password_hash;
        if !same || !standing(&again, &chain).admits() {
            return Ok(None);
        }
        let Some(found) = tx.account(again.id).await? else { return Ok(None) };
        let slots: Vec<_> = charged.iter().map(|(slot, _)| slot.clone()).collect();
        let mut held = tx.throttled(&slots).await?;
        for (slot, rate) in charged {
            if let Some(forgotten) = held.get_mut(slot) {
                *forgotten = rate.refund(*forgotten);
            }
        }
        tx.put_throttled(&held).await?;
        if let (Some(new), Some(old)) = (renewed, &again.password_hash) {
            tx.renew_hash(again.id, old, new).await?;
        }
        if let Some(token) = replaces {
            let digest = self.link_key().session_digest(token);
            self.leave(&mut tx, &digest).await?;
        }
        let token = self.session_token();
        let span = Span::beginning(now);
        let session = Session {
            digest: self.link_key().session_digest(&token),
            account: again.id,
            via: via.as_str().to_owned(),
            span,
        };
        tx.insert_session(&session, MAX_SESSIONS - 1).await?;
        let actor = Actor::account(again.id, again.tenant, again.key.as_ref());
        let name = actor.name.clone();
        let entry = Entry {
            id: self.id(now),
            actor,
            action: SIGNED_IN,
            key: again.key,
            account: Some(again.id),
            tenant: Some(again.tenant),
            generation: None,
            before: None,
            after: Some(json!({ "via": via.as_str() })),
        };
        tx.audit(&entry).await?;
        tx.commit().await?;
        tracing::info!(account = %name, via = via.as_str(), "signed in");
        let device = self.known_browser(again.id);
        let person = Person { account: found.account, key: found.key, roles: found.roles, chain, span, now };
        Ok(Some(Entered { token, device, person }))
    }

    async fn look(&self, digest: &str, via: Via) -> Result<Option<Person>, StoreError> {
        let mut tx = self.store().begin(Access::Read).await?;
        let now = tx.now();
        let Some(session) = tx.session(digest).await? else { return Ok(None) };
        if session.via != via.as_str() || !session.span.stands(now) {
            return Ok(None);
        }
        let Some(found) = tx.account(session.account).await? else { return Ok(None) };
        let chain = tx.chain(found.account.tenant).await?;
        let standing = Standing {
            enabled: found.account.settings.enabled,
            blocked: chain.blocked_by().is_some(),
            activated: found.account.activated_at.is_some(),
            proved: found.account.proved,
        };
        Ok(standing.admits().then_some(Person {
            account: found.account,
            key: found.key,
            roles: found.roles,
            chain,
            span: session.span,
            now,
        }))
    }

    async fn leave(&self, tx: &mut Tx, digest: &str) -> Result<bool, StoreError> {
        let now = tx.now();
        let Some(session) = tx.session(digest).await? else { return Ok(false) };
        if !tx.end_session(digest).await? {
            return Ok(false);
        }
        // One that had ended by itself is not ended by anybody.
        let (true, Some(actor)) = (session.span.stands(now), tx.account(session.account).await?) else {
            return Ok(false);
        };
        let account = actor.account;
        let entry = Entry {
            id: self.id(now),
            actor: Actor::account(account.id, account.tenant, actor.key.as_ref()),
            action: SIGNED_OUT,
            key: actor.key,
            account: Some(account.id),
            tenant: Some(account.tenant),
            generation: None,
            before: None,
            after: Some(json!({ "via": session.via })),
        };
        tx.audit(&entry).await?;
        Ok(true)
    }
}

fn kept_of(entrant: &Entrant) -> &str {
    entrant.password_hash.as_deref().unwrap_or_default()
}

fn standing(entrant: &Entrant, chain: &Chain) -> Standing {
    Standing {
        enabled: entrant.enabled,
        blocked: chain.blocked_by().is_some(),
        activated: entrant.activated,
        proved: entrant.proved,
    }
}
