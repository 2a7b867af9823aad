//! Passwords: which ones are accepted, how they are stored, and whether one
//! fits. The rules follow NIST SP 800-63B-4: long, no rules about kinds of
//! characters, nothing that is guessed first.
//!
//! The engine calls this for initial passwords, the pages for those that
//! people choose. [`check`] and [`is_phc`] are pure; [`hash`] and [`verify`]
//! take long and use memory, so they run beside the asynchronous work and only
//! few at a time.

mod guess;
mod hash;

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

pub use hash::{HashError, hash, is_current, is_phc, rehash, verify};

/// A password has at least so many characters. It is the only factor.
pub const MIN_LENGTH: usize = 15;

/// No password is longer. Long enough for every sentence and every manager.
pub const MAX_LENGTH: usize = 256;

/// Why a password is refused. `Display` is one line that says what to do and
/// never repeats any of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Too short.
    #[error(
        "it has {0} characters and needs at least {MIN_LENGTH}; several words in a row are easy to remember"
    )]
    Short(usize),
    /// Longer than anybody means it to be.
    #[error("it is longer than {MAX_LENGTH} characters; shorten it")]
    Long,
    /// Nobody could type it. Files and `echo` like to add a line break.
    #[error("it contains a line break or another control character, which nobody can type; remove it")]
    Control,
    /// The stored form of a password, pasted where a password belongs.
    #[error(
        "it looks like the hash of a password; give the password itself, or an argon2id PHC string with usual parameters where that is accepted"
    )]
    Hash,
    /// One piece over and over.
    #[error("it repeats the same few characters; use several different words instead")]
    Repeated,
    /// The alphabet, digits, a row of keys.
    #[error(
        "it is mostly a row of neighbouring keys, letters or digits; use several different words instead"
    )]
    Sequence,
    /// The user name or the address.
    #[error("it is mostly the user name or e-mail address; use words that have nothing to do with them")]
    OwnName,
    /// Known from every list.
    #[error("it is one of those that are guessed first; use several words that do not belong together")]
    Common,
}

/// The form in which a password is judged, hashed and compared: what looks the
/// same is the same, however a keyboard writes it (NFKC, as NIST says).
fn normal(password: &str) -> String {
    password.nfkc().collect()
}

/// Whether a person may choose `password`. No rules about kinds of
/// characters; `username` and `email` are those of the account.
pub fn check(password: &str, username: &str, email: &str) -> Result<(), Weakness> {
    let length = |text: &str| text.chars().take(MAX_LENGTH + 1).count();
    // Bounded before more is done with it.
    if length(password) > MAX_LENGTH {
        return Err(Weakness::Long);
    }
    let normal = SecretString::from(normal(password));
    let password = normal.expose_secret();
    let length = length(password);
    if length > MAX_LENGTH {
        return Err(Weakness::Long);
    }
    if password.chars().any(char::is_control) {
        return Err(Weakness::Control);
    }
    // `hash` lets the stored form through, which must stay the privilege of
    // whoever writes Secrets.
    if hash::resembles_phc(password) {
        return Err(Weakness::Hash);
    }
    if length < MIN_LENGTH {
        return Err(Weakness::Short(length));
    }
    guess::check(password, username, email)
}

/// Whether an initial password from a Secret is accepted: plain text that
/// [`check`] accepts, or an argon2id PHC string (see [`is_phc`]).
pub fn check_initial(password: &SecretString, username: &str, email: &str) -> Result<(), Weakness> {
    let password = password.expose_secret();
    if is_phc(password) { Ok(()) } else { check(password, username, email) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(password: &str) -> Result<(), Weakness> {
        check(password, "kim.larsen", "k.larsen@north-fleet.example")
    }

    #[test]
    fn r8_length_counts_characters_and_not_bytes() {
        assert_eq!(checked("blåbær på øya"), Err(Weakness::Short(13)));
        assert_eq!(checked("blåbær på øya ☕!"), Ok(()), "16 characters");
        assert_eq!(checked(""), Err(Weakness::Short(0)));
        // NIST: at least 64 characters are permitted.
        for length in [15, 64, MAX_LENGTH] {
            let fit: String = "violet kettles drum on a harbour wall "
                .chars()
                .chain('a'..='z')
                .chain("seven more geese, ".chars().cycle())
                .take(length)
                .collect();
            assert_eq!(checked(&fit), Ok(()), "{length}");
        }
        let long: String = "violet kettle drum ".chars().cycle().take(257).collect();
        assert_eq!(checked(&long), Err(Weakness::Long));
    }

    #[test]
    fn length_and_weakness_are_those_of_the_normal_form() {
        // Thirteen characters, two of them written as two.
        assert_eq!(checked("bla\u{30a}ba\u{308}r pa øya"), Err(Weakness::Short(13)));
        assert_eq!(checked("ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ１"), Err(Weakness::Common), "wide letters");
        assert_eq!(checked("\u{fb03}"), Err(Weakness::Short(3)), "one sign for ffi");
        assert_eq!(checked(&"\u{fdfa}".repeat(20)), Err(Weakness::Long), "eighteen characters each");
    }

    #[test]
    fn a_sentence_needs_no_digits_capitals_or_signs() {
        for good in [
            "my aunt paints boats in october",
            "kettle violet drum harbour",
            "kim likes kites and plums",
            "Xq7#mPz0!vLb2@wT",
            "first things first, student",
            "7061 sandwiches for 12 llamas",
            "Donaudampfschifffahrtskapitän",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_guessed_first_is_refused_however_it_is_dressed_up() {
        for (bad, why) in [
            ("aaaaaaaaaaaaaaaa", Weakness::Repeated),
            ("abcabcabcabcabcabc", Weakness::Repeated),
            ("Summer2024Summer2024", Weakness::Repeated),
            ("horse battery horse battery ", Weakness::Repeated),
            ("1234567890123456", Weakness::Sequence),
            ("abcdefghijklmnopq", Weakness::Sequence),
            ("zyxwvutsrqponmlk", Weakness::Sequence),
            ("qwertyuiopasdfgh", Weakness::Sequence),
            ("1qaz2wsx3edc4rfv", Weakness::Sequence),
            ("qazwsxedcrfvtgb", Weakness::Sequence),
            ("1q2w3e4r5t6y7u8i", Weakness::Sequence),
            ("q1w2e3r4t5y6u7i8", Weakness::Sequence),
            ("a1b2c3d4e5f6g7h8", Weakness::Sequence),
            ("1a2a3a4a5a6a7a8a9", Weakness::Sequence),
            ("qwerty123456789", Weakness::Common),
            ("123456789abcdefg", Weakness::Sequence),
            ("iloveyou1234567", Weakness::Common),
            ("kim.larsen.kim.larsen!", Weakness::OwnName),
            ("KimLarsen12345678", Weakness::OwnName),
            ("north-fleet-2024", Weakness::OwnName),
            ("PasswordPassword1", Weakness::Common),
            ("P@ssw0rd12345678", Weakness::Common),
            ("Welcome2024!!!!!", Weakness::Common),
            ("correct horse battery staple", Weakness::Common),
            ("CorrectHorseBatteryStaple", Weakness::Common),
            ("letmeinletmeinplease1", Weakness::Common),
            ("Passwort-1234567", Weakness::Common),
        ] {
            assert_eq!(checked(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn short_names_do_not_forbid_words_that_contain_them() {
        assert_eq!(check("swimming in cold water", "im", "a@b.co"), Ok(()));
        assert_eq!(check("swimming in cold water", "", ""), Ok(()));
    }

    #[test]
    fn a_line_break_at_the_end_is_named_as_such() {
        assert_eq!(checked("my aunt paints boats\n"), Err(Weakness::Control));
    }

    #[test]
    fn only_a_secret_may_hold_a_hash() {
        let phc = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$T0kiE9d2bUdZ7n1y4oPcyB6Jd1rJw5x5gV0l7Nq2l3Y";
        assert_eq!(checked(phc), Err(Weakness::Hash));
        assert_eq!(check_initial(&phc.to_owned().into(), "kim", "kim@x.example"), Ok(()));
        let weak =
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$T0kiE9d2bUdZ7n1y4oPcyB6Jd1rJw5x5gV0l7Nq2l3Y";
        assert_eq!(check_initial(&weak.to_owned().into(), "kim", "kim@x.example"), Err(Weakness::Hash));
    }

    #[test]
    fn every_reason_is_one_line_and_repeats_nothing() {
        for weakness in [
            Weakness::Short(3),
            Weakness::Long,
            Weakness::Control,
            Weakness::Hash,
            Weakness::Repeated,
            Weakness::Sequence,
            Weakness::OwnName,
            Weakness::Common,
        ] {
            let line = weakness.to_string();
            assert!(!line.contains('\n') && line.contains("; "), "{line}");
        }
    }
}
