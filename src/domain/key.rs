//! Natural keys: how names and addresses are compared. Databases differ in
//! what they call lower case, so case is folded here and the key is stored.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ignore_case_beyond_ascii() {
        assert_eq!(fold("Ünal@Example.ORG"), fold("üNAL@example.org"));
        assert_eq!(fold("STRASSE"), fold("straße"));
    }
}
