//! Signing in: who may, how fast somebody may try (or ask for a new link), how
//! long a session lasts, and what is derived from random tokens under the key that is not in the
//! database. Pure; the engine brings facts, time and random numbers.

use std::net::IpAddr;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::activation::LinkKey;
use super::key::fold;

/// A session ends when nobody has used it for so long.
pub const IDLE: SignedDuration = SignedDuration::from_mins(30);

/// A session ends after so long, however much it is used.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// Use is noted no more often than this, so that reading a page seldom writes.
pub const NOTED_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// So many sessions has an account at a time; one more ends the oldest.
pub const MAX_SESSIONS: i64 = 20;

/// No longer address belongs to anybody (RFC 5321).
pub const MAX_EMAIL: usize = 254;

/// No longer password is compared, in bytes. Longer than any that was chosen
/// here; one from a Secret may be of any kind.
pub const MAX_PASSWORD: usize = 4096;

/// What decides whether an account may be signed in to, password aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The account is enabled.
    pub enabled: bool,
    /// A tenant at or above its own is disabled or not admitted.
    pub blocked: bool,
    /// Its invitation was completed.
    pub activated: bool,
    /// Its address is proved.
    pub proved: bool,
}

impl Standing {
    /// Whether a session of this account may begin or go on.
    pub const fn admits(self) -> bool {
        let Self { enabled, blocked, activated, proved } = self;
        enabled && !blocked && activated && proved
    }
}

/// When a session began and was last used, and when it ends at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the person signed in.
    pub began: Timestamp,
    /// When it was last used, to within [`NOTED_EVERY`].
    pub used: Timestamp,
    /// When it ends, used or not.
    pub ends: Timestamp,
}

impl Span {
    /// A session that begins now.
    pub fn beginning(now: Timestamp) -> Self {
        Self { began: now, used: now, ends: now.saturating_add(LIFETIME).unwrap_or(now) }
    }

    /// Whether the session still stands.
    pub fn stands(&self, now: Timestamp) -> bool {
        now < self.ends && now.duration_since(self.used) < IDLE
    }

    /// Whether this use shall be noted.
    pub fn to_be_noted(&self, now: Timestamp) -> bool {
        now.duration_since(self.used) >= NOTED_EVERY
    }
}

/// How often something may fail: so many times at once, and then again and
/// again after a while. What is stored is one time, at which all failures so
/// far will be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many at once.
    pub burst: i32,
    /// One more after so long.
    pub every: SignedDuration,
}

/// Failures with one address, from whichever client.
pub const PER_ADDRESS: Rate = Rate { burst: 10, every: SignedDuration::from_mins(1) };

/// Failures of one client, with whichever addresses. Many people may share one.
pub const PER_CLIENT: Rate = Rate { burst: 60, every: SignedDuration::from_secs(6) };

/// Requests of one client for new links, for whichever accounts.
pub const ASKED_PER_CLIENT: Rate = Rate { burst: 20, every: SignedDuration::from_mins(1) };

/// Requests for a new link to one account, from whichever client: nobody's
/// mailbox is filled by strangers, and a link that has just arrived stays good
/// for a while.
pub const ASKED_OF_ACCOUNT: Rate = Rate { burst: 3, every: SignedDuration::from_mins(30) };

/// Failures with addresses that nobody has that are written into the trail;
/// beyond, they are only counted.
pub const STRANGERS_TOLD: Rate = Rate { burst: 200, every: SignedDuration::from_secs(30) };

impl Rate {
    /// One more attempt: when all will be forgotten if it fails; or how long to
    /// wait for the next one.
    pub fn charge(self, forgotten: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, SignedDuration> {
        let held = forgotten.unwrap_or(now).max(now);
        let most = self.every.saturating_mul(self.burst - 1);
        let ahead = held.duration_since(now);
        if ahead > most {
            return Err(ahead - most);
        }
        Ok(held.saturating_add(self.every).unwrap_or(held))
    }

    /// The attempt did not fail after all.
    pub fn refund(self, forgotten: Timestamp) -> Timestamp {
        forgotten.saturating_sub(self.every).unwrap_or(forgotten)
    }
}

/// Who is counted together.
#[derive(Clone, Copy, Debug)]
pub enum Counted<'a> {
    /// Whoever tries an address.
    Address(&'a str),
    /// One client.
    Client(&'a str),
    /// One browser in which somebody has signed in to this account before. It
    /// is counted by itself, so that strangers who try the address cannot keep
    /// its owner out.
    Device(Uuid, &'a str),
    /// Whoever tries addresses that nobody has.
    Strangers,
    /// One client that asks for new links.
    Asking(&'a str),
    /// An account, an address or a link for which a new link is asked.
    AskedFor(&'a str),
}

/// The client as it is counted: an IPv6 network counts as one, because whoever
/// has one address of it has them all.
pub fn client_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

const TOKEN_BYTES: usize = 32;

/// The token of a session: random, known to the browser alone.
#[derive(Clone, Debug)]
pub struct SessionToken(SecretString);

impl SessionToken {
    /// From random bytes.
    pub fn new(random: [u8; TOKEN_BYTES]) -> Self {
        Self(BASE64URL_NOPAD.encode(&random).into())
    }

    /// None for anything that is not shaped like one.
    pub fn parse(text: &str) -> Option<Self> {
        // Bounded before it is decoded.
        (text.len() <= 64).then_some(())?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        (bytes.len() == TOKEN_BYTES).then(|| Self(text.to_owned().into()))
    }

    /// For the cookie, or the answer to whoever asked for a session.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl LinkKey {
    /// What the database knows of a session's token. Without the key nobody
    /// who writes the database can make a session up.
    pub fn session_digest(&self, token: &SessionToken) -> String {
        data_encoding::HEXLOWER.encode(&self.mac("tenantry session v1", &[token.expose().as_bytes()]))
    }

    /// The hidden field of a form that goes with a cookie: another site can
    /// neither read nor set the cookie, so it cannot make the pair.
    pub fn form_token(&self, cookie: &str) -> String {
        BASE64URL_NOPAD.encode(&self.mac("tenantry form v1", &[cookie.as_bytes()]))
    }

    /// Whether a form's field goes with a cookie, in constant time.
    pub fn is_form_token(&self, cookie: &str, field: &str) -> bool {
        self.form_token(cookie).as_bytes().ct_eq(field.as_bytes()).into()
    }

    /// The cookie of a browser in which somebody has signed in to `account`.
    pub fn device_cookie(&self, account: Uuid, nonce: &str) -> String {
        let proof = self.mac("tenantry device v1", &[account.as_bytes(), nonce.as_bytes()]);
        format!("{nonce}.{}", BASE64URL_NOPAD.encode(&proof))
    }

    /// The nonce in the cookie of a browser that is known to `account`.
    pub fn known_device<'a>(&self, account: Uuid, cookie: &'a str) -> Option<&'a str> {
        (cookie.len() <= 128).then_some(())?;
        let (nonce, _) = cookie.split_once('.')?;
        let genuine: bool = self.device_cookie(account, nonce).as_bytes().ct_eq(cookie.as_bytes()).into();
        genuine.then_some(nonce)
    }

    /// The row in which somebody is counted: one of 65,536 for each sort, so
    /// that whoever invents addresses cannot fill the database, and without
    /// the key nobody can tell which.
    pub fn throttle_slot(&self, counted: Counted<'_>) -> String {
        let (sort, value) = match counted {
            Counted::Address(email) => ("address", fold(email)),
            Counted::Client(client) => ("client", client.to_owned()),
            Counted::Device(account, nonce) => ("device", format!("{account} {nonce}")),
            Counted::Strangers => return "strangers".to_owned(),
            Counted::Asking(client) => ("asking", client.to_owned()),
            Counted::AskedFor(what) => ("asked for", what.to_owned()),
        };
        let mac = self.mac("tenantry throttle v1", &[sort.as_bytes(), value.as_bytes()]);
        format!("{sort} {}", data_encoding::HEXLOWER.encode(mac.get(..2).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> LinkKey {
        LinkKey::new(vec![byte; 32]).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_in_any_case_in_the_end() {
        let mut span = Span::beginning(at(0));
        assert!(span.stands(at(0)) && span.stands(at(1799)) && !span.stands(at(1800)));
        assert!(!span.to_be_noted(at(59)) && span.to_be_noted(at(60)));
        span.used = at(12 * 3600 - 10);
        assert!(span.stands(at(12 * 3600 - 1)) && !span.stands(at(12 * 3600)));
    }

    #[test]
    fn only_an_enabled_active_and_proved_account_outside_of_disabled_tenants_is_admitted() {
        let good = Standing { enabled: true, blocked: false, activated: true, proved: true };
        assert!(good.admits());
        for bad in [
            Standing { enabled: false, ..good },
            Standing { blocked: true, ..good },
            Standing { activated: false, ..good },
            Standing { proved: false, ..good },
        ] {
            assert!(!bad.admits(), "{bad:?}");
        }
    }

    #[test]
    fn failures_come_in_a_burst_and_then_one_by_one_and_are_forgotten() {
        let rate = Rate { burst: 3, every: SignedDuration::from_secs(60) };
        let mut forgotten = None;
        for _ in 0..3 {
            forgotten = Some(rate.charge(forgotten, at(0)).unwrap());
        }
        assert_eq!(rate.charge(forgotten, at(0)), Err(SignedDuration::from_secs(60)));
        assert_eq!(rate.charge(forgotten, at(59)), Err(SignedDuration::from_secs(1)));
        let next = rate.charge(forgotten, at(60)).unwrap();
        assert!(rate.charge(Some(next), at(60)).is_err());
        // Nothing is left of it after as long as the burst is worth.
        assert_eq!(rate.charge(Some(next), at(10_000)).unwrap(), at(10_060));
        assert_eq!(rate.refund(rate.charge(None, at(0)).unwrap()), at(0));
    }

    #[test]
    fn an_attempt_that_succeeds_costs_nothing() {
        let mut forgotten = None;
        for _ in 0..1_000 {
            forgotten = Some(PER_ADDRESS.refund(PER_ADDRESS.charge(forgotten, at(0)).unwrap()));
        }
    }

    #[test]
    fn nonsense_is_no_token_and_the_digest_needs_the_key() {
        for text in ["", "a", "%%", &"A".repeat(42), &"A".repeat(44), &"A".repeat(100)] {
            assert!(SessionToken::parse(text).is_none(), "{text}");
        }
        let token = SessionToken::new([5; 32]);
        assert_eq!(SessionToken::parse(token.expose()).unwrap().expose(), token.expose());
        assert_ne!(key(1).session_digest(&token), key(2).session_digest(&token));
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn a_form_goes_with_its_own_cookie_only() {
        let field = key(1).form_token("cookie");
        assert!(key(1).is_form_token("cookie", &field));
        for (cookie, field) in [("other", &*field), ("cookie", ""), ("cookie", "x"), ("", "")] {
            assert!(!key(1).is_form_token(cookie, field));
        }
        assert!(!key(2).is_form_token("cookie", &field));
    }

    #[test]
    fn a_browser_is_known_to_one_account_and_cannot_say_so_itself() {
        let (kim, lou) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let cookie = key(1).device_cookie(kim, "abc");
        assert_eq!(key(1).known_device(kim, &cookie), Some("abc"));
        assert_eq!(key(1).known_device(lou, &cookie), None);
        assert_eq!(key(2).known_device(kim, &cookie), None);
        assert_eq!(key(1).known_device(kim, "abc."), None);
        assert_eq!(key(1).known_device(kim, ""), None);
    }

    #[test]
    fn rows_are_few_however_many_addresses_are_invented() {
        let slots: std::collections::BTreeSet<_> =
            (0..70_000).map(|n| key(1).throttle_slot(Counted::Address(&format!("{n}@x.example")))).collect();
        assert!(slots.len() <= 65_536 && slots.len() > 30_000, "{}", slots.len());
        let slot = |email| key(1).throttle_slot(Counted::Address(email));
        assert_eq!(slot("Kim@X.example "), slot("kim@x.EXAMPLE"));
        assert!(!slot("kim@x.example").contains('@'));
        assert_ne!(slot("kim"), key(1).throttle_slot(Counted::Client("kim")));
    }

    #[test]
    fn a_network_of_addresses_is_one_client() {
        let of = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
