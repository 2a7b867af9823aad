//! Natural keys: how names and addresses are compared. Databases differ in
//! what they call lower case, so case is folded here and the key is stored.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The form by which usernames and e-mail addresses are unique.
pub fn fold(text: &str) -> String {
    // Lower, upper, lower: brings together letters whose lower-case forms
    // differ although people read them as the same ("ſ" and "s", "ß" and "ss").
    text.trim().to_lowercase().to_uppercase().to_lowercase()
}

/// SHA-256 in hex, for keys that should not be readable.
pub fn digest(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// HMAC-SHA256 over `parts`, each with its length, for the purpose that
/// `label` names: what is made for one purpose is worth nothing for another.
pub(super) fn mac(key: &[u8], label: &str, parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of any length, so this never fails.
    let Ok(mut mac) = <Hmac<Sha256>>::new_from_slice(key) else {
        return vec![];
    };
    mac.update(label.as_bytes());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ignore_case_beyond_ascii() {
        assert_eq!(fold("Ünal@Example.ORG"), fold("üNAL@example.org"));
        assert_eq!(fold("STRASSE"), fold("straße"));
    }
}
