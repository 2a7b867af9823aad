//! R8: which mail an account needs, and the link in it. The link's token is
//! derived from a random nonce under a key outside the database, so a retry
//! after a crash sends the same link and the database alone opens nothing.

use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::account::Account;
use super::audit::TrailKey;
use super::key::mac;

/// What following a link achieves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The normal invitation: choose a password; proves the address.
    Activate,
    /// Only proves the address; the password is there already.
    Confirm,
    /// Choose a password; the address is proved already.
    SetPassword,
    /// Proves a new address, which then becomes the login.
    ChangeEmail,
}

impl Purpose {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "Activate",
            Self::Confirm => "Confirm",
            Self::SetPassword => "SetPassword",
            Self::ChangeEmail => "ChangeEmail",
        }
    }
    /// Whether the person chooses a password.
    pub const fn asks_password(self) -> bool {
        matches!(self, Self::Activate | Self::SetPassword)
    }
}

/// The stored text is no purpose.
#[derive(Debug, thiserror::Error)]
#[error("unknown purpose of a link")]
pub struct UnknownPurpose;

impl std::str::FromStr for Purpose {
    type Err = UnknownPurpose;
    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        [Self::Activate, Self::Confirm, Self::SetPassword, Self::ChangeEmail]
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or(UnknownPurpose)
    }
}

/// The mail that a new account needs: the contract's table of `emailVerified`
/// and an initial password. None: the account is active at once.
pub const fn first_mail(email_verified: bool, has_password: bool) -> Option<Purpose> {
    match (email_verified, has_password) {
        (true, true) => None,
        (false, true) => Some(Purpose::Confirm),
        (true, false) => Some(Purpose::SetPassword),
        (false, false) => Some(Purpose::Activate),
    }
}

/// The mail that an account still waits for: what a resend sends, whoever asks
/// for it. None: nothing is left to invite to, or nobody may use the account.
/// A link that is out already does not matter; the new one replaces it.
pub fn awaited_mail(account: &Account) -> Option<Purpose> {
    if !account.settings.enabled {
        None
    } else if account.pending_email.is_some() {
        Some(Purpose::ChangeEmail)
    } else if account.activated_at.is_some() {
        None
    } else {
        // An adopted row may have both and never have been active.
        first_mail(account.proved, account.has_password).or(Some(Purpose::Confirm))
    }
}

const MAC_BYTES: usize = 20;

/// The key under which link tokens are derived; at least 32 bytes.
#[derive(Clone, Debug)]
pub struct LinkKey(SecretSlice<u8>);

impl LinkKey {
    /// Shortest key accepted, in bytes.
    pub const MIN_BYTES: usize = 32;

    /// None if the key is too short.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= Self::MIN_BYTES).then(|| Self(bytes.into()))
    }

    pub(super) fn mac(&self, label: &str, parts: &[&[u8]]) -> Vec<u8> {
        mac(self.0.expose_secret(), label, parts)
    }

    /// The token for one link: which one it is, and a proof.
    pub fn token(&self, activation: Uuid, nonce: &str, purpose: Purpose) -> String {
        let mut bytes = activation.as_bytes().to_vec();
        bytes.extend(self.proof(activation, nonce, purpose));
        BASE64URL_NOPAD.encode(&bytes)
    }

    fn proof(&self, activation: Uuid, nonce: &str, purpose: Purpose) -> Vec<u8> {
        let mut mac = self
            .mac("tenantry link v1", &[activation.as_bytes(), nonce.as_bytes(), purpose.as_str().as_bytes()]);
        mac.truncate(MAC_BYTES);
        mac
    }

    /// Whether `token` is the one for this link, in constant time.
    pub fn verify(&self, token: &Token, nonce: &str, purpose: Purpose) -> bool {
        let expected = self.proof(token.activation, nonce, purpose);
        expected.ct_eq(&token.proof).into()
    }

    /// Digest of a personal value for the audit trail (R11): the same value
    /// gives the same digest, and without the key it cannot be guessed.
    pub fn personal(&self, value: &str) -> String {
        data_encoding::HEXLOWER.encode(&self.mac("tenantry personal v1", &[value.as_bytes()])[..16])
    }

    /// The key of the audit trail's chain (R11): it proves the trail and opens
    /// no link.
    pub fn trail_key(&self) -> TrailKey {
        TrailKey::new(self.mac("tenantry trail key v1", &[]))
    }

    /// Tells two keys apart without saying anything about them, so that a
    /// database can notice that it is opened with another key.
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.mac("tenantry fingerprint v1", &[])[..8])
    }
}

/// A token as it came in a link, taken apart but not yet believed.
#[derive(Clone, Debug)]
pub struct Token {
    /// Which link it claims to be.
    pub activation: Uuid,
    proof: Vec<u8>,
}

impl Token {
    /// None for anything that is not shaped like a token.
    pub fn parse(text: &str) -> Option<Self> {
        // Bounded before it is decoded.
        if text.len() > 64 {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (id, proof) = bytes.split_at_checked(16)?;
        (proof.len() == MAC_BYTES).then_some(())?;
        Some(Self { activation: Uuid::from_slice(id).ok()?, proof: proof.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::account;
    use super::*;

    fn key(byte: u8) -> LinkKey {
        LinkKey::new(vec![byte; 32]).unwrap()
    }

    #[test]
    fn r8_a_token_opens_only_its_own_link_under_its_own_key() {
        let id = Uuid::from_u128(7);
        let token = Token::parse(&key(1).token(id, "n", Purpose::Activate)).unwrap();
        assert_eq!(token.activation, id);
        assert!(key(1).verify(&token, "n", Purpose::Activate));
        assert!(!key(2).verify(&token, "n", Purpose::Activate));
        assert!(!key(1).verify(&token, "m", Purpose::Activate));
        assert!(!key(1).verify(&token, "n", Purpose::Confirm));
    }

    #[test]
    fn r8_the_same_nonce_gives_the_same_link_after_a_crash() {
        let id = Uuid::from_u128(7);
        assert_eq!(key(1).token(id, "n", Purpose::Activate), key(1).token(id, "n", Purpose::Activate));
    }

    #[test]
    fn r8_a_resend_sends_what_the_account_still_waits_for_and_nothing_else() {
        let account = |proved, has_password| Account { proved, has_password, ..account::tests::plain() };
        for (proved, has_password, purpose) in [
            (false, false, Purpose::Activate),
            (true, false, Purpose::SetPassword),
            (false, true, Purpose::Confirm),
            (true, true, Purpose::Confirm),
        ] {
            assert_eq!(awaited_mail(&account(proved, has_password)), Some(purpose));
        }
        let mut kim = account(true, true);
        kim.activated_at = Some(jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(awaited_mail(&kim), None, "an active account waits for nothing");
        kim.pending_email = Some("kim@new.example".to_owned());
        assert_eq!(awaited_mail(&kim), Some(Purpose::ChangeEmail));
        kim.settings.enabled = false;
        assert_eq!(awaited_mail(&kim), None, "nobody is invited to a disabled account");
    }

    #[test]
    fn nonsense_is_no_token() {
        for text in ["", "a", "%%%%", &"A".repeat(65), &"A".repeat(40)] {
            assert!(Token::parse(text).is_none(), "{text}");
        }
    }
}
