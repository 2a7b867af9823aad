//! How a password is stored: argon2id, as a PHC string. Each computation
//! takes a processor for some ten milliseconds and 19 MiB, so it runs on a
//! thread for blocking work and only a few run at a time: fifty at once would
//! be a gigabyte.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::normal;

/// Memory in KiB, passes and lanes (OWASP's first choice for argon2id).
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What a hash made elsewhere may ask of this process: more would let whoever
/// writes a Secret exhaust it, less would protect nobody.
const MEMORY_RANGE: std::ops::RangeInclusive<u32> = 7 * 1024..=128 * 1024;
const PASSES_RANGE: std::ops::RangeInclusive<u32> = 1..=10;
const LANES_RANGE: std::ops::RangeInclusive<u32> = 1..=8;
const SALT_RANGE: std::ops::RangeInclusive<usize> = 8..=48;
const OUTPUT_RANGE: std::ops::RangeInclusive<usize> = 16..=64;

/// The longest PHC string that can meet the ranges above.
const MAX_PHC: usize = 256;

/// So many computations at a time in this process.
static COMPUTING: Semaphore = Semaphore::const_new(2);

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The parameters are refused, or there is no memory.
    #[error("a password hash could not be computed")]
    Compute(#[source] password_hash::Error),
    /// The process is ending.
    #[error("a password hash was given up, because the process is ending")]
    Ending,
}

/// The PHC string to store for `password`.
///
/// A password that is an argon2id PHC string already (see [`is_phc`]) comes
/// back unchanged: a Secret may hold either form. Passwords that people type
/// pass [`super::check`] first, which refuses that form.
pub async fn hash(password: SecretString, salt: [u8; 16]) -> Result<String, HashError> {
    if is_phc(password.expose_secret()) {
        return Ok(password.expose_secret().to_owned());
    }
    rehash(password, salt).await
}

/// The PHC string for a password that has just fitted another one, whatever
/// the password looks like.
pub async fn rehash(password: SecretString, salt: [u8; 16]) -> Result<String, HashError> {
    computing(move || {
        let params = Params::new(MEMORY, PASSES, LANES, None).map_err(password_hash::Error::from)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let normal = SecretString::from(normal(password.expose_secret()));
        let hash: PasswordHash = hasher.hash_password_with_salt(normal.expose_secret().as_bytes(), &salt)?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether `password` is the one that `phc` was made from. False for a `phc`
/// that [`is_phc`] would not accept, whatever it asks for.
///
/// Hashes made here are of the normal form. One from a Secret may have been
/// made of the characters as typed, so they are tried as well where they
/// differ: a second computation that depends on nothing but what was typed.
pub async fn verify(password: SecretString, phc: &str) -> Result<bool, HashError> {
    let Some(hash) = parsed(phc) else { return Ok(false) };
    computing(move || {
        let fits = |text: &str| match Argon2::default().verify_password(text.as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error),
        };
        let typed = password.expose_secret();
        let normal = SecretString::from(normal(typed));
        let normal = normal.expose_secret();
        Ok(fits(normal)? || (normal != typed && fits(typed)?))
    })
    .await
}

/// Whether `text` is an argon2id PHC string, version 19, complete, with
/// parameters that protect and that this process can afford.
pub fn is_phc(text: &str) -> bool {
    parsed(text).is_some()
}

/// Whether `phc` costs exactly what [`hash`] costs. One that came from a
/// Secret may not; it is made anew when its owner signs in, because how long a
/// comparison takes must not tell accounts apart.
pub fn is_current(phc: &str) -> bool {
    parsed(phc)
        .and_then(|hash| Params::try_from(&hash).ok())
        .is_some_and(|params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY, PASSES, LANES))
}

/// Whether `text` was meant as a stored password, good or not.
pub(super) fn resembles_phc(text: &str) -> bool {
    let text = text.trim_start();
    ["$argon2", "$scrypt$", "$pbkdf2", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
}

fn parsed(text: &str) -> Option<PasswordHash> {
    if text.len() > MAX_PHC || !text.starts_with("$argon2id$v=19$") {
        return None;
    }
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let salt = hash.salt.as_ref()?.len();
    let output = hash.hash.as_ref()?.len();
    (MEMORY_RANGE.contains(&params.m_cost())
        && PASSES_RANGE.contains(&params.t_cost())
        && LANES_RANGE.contains(&params.p_cost())
        && SALT_RANGE.contains(&salt)
        && OUTPUT_RANGE.contains(&output))
    .then_some(hash)
}

async fn computing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, password_hash::Error> + Send + 'static,
) -> Result<T, HashError> {
    // Closed never; the permit goes along with the work, so that a caller who
    // gives up does not let another in early.
    let permit: SemaphorePermit<'static> = COMPUTING.acquire().await.map_err(|_| HashError::Ending)?;
    let task = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    });
    task.await.map_err(|_| HashError::Ending)?.map_err(HashError::Compute)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = [7; 16];

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn what_was_hashed_is_recognised_and_nothing_else() {
        let phc = hash(secret("my aunt paints boats"), SALT).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert!(is_phc(&phc));
        assert!(verify(secret("my aunt paints boats"), &phc).await.unwrap());
        assert!(!verify(secret("my aunt paints goats"), &phc).await.unwrap());
        assert_ne!(phc, hash(secret("my aunt paints boats"), [8; 16]).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_from_a_secret_is_kept_as_it_is() {
        let phc = hash(secret("my aunt paints boats"), SALT).await.unwrap();
        assert_eq!(hash(secret(&phc), [9; 16]).await.unwrap(), phc);
    }

    #[tokio::test]
    async fn hashes_that_are_weak_costly_or_of_another_kind_are_none() {
        let phc = hash(secret("my aunt paints boats"), SALT).await.unwrap();
        for (from, to) in [
            ("m=19456", "m=8"),
            ("m=19456", "m=4194304"),
            ("t=2", "t=1000"),
            ("p=1", "p=255"),
            ("p=1", "p=1,x=1"),
            ("$argon2id$", "$argon2i$"),
            ("v=19", "v=16"),
        ] {
            let other = phc.replace(from, to);
            assert_ne!(other, phc);
            assert!(!is_phc(&other), "{other}");
            assert!(!verify(secret("my aunt paints boats"), &other).await.unwrap(), "{other}");
        }
        let cut = phc.rsplit_once('$').unwrap().0;
        for other in [cut, "", "$argon2id$", "$argon2id$v=19$", "plain text password", &"$".repeat(500)] {
            assert!(!is_phc(other), "{other}");
        }
    }

    #[tokio::test]
    async fn a_password_fits_however_a_keyboard_writes_its_letters() {
        let composed = "bl\u{e5}b\u{e4}r p\u{e5} \u{f8}ya i regn";
        let decomposed = "bla\u{30a}ba\u{308}r pa\u{30a} \u{f8}ya i regn";
        for (set, typed) in
            [(composed, decomposed), (decomposed, composed), ("１２ llamas eat ﬁgs", "12 llamas eat figs")]
        {
            let phc = hash(secret(set), SALT).await.unwrap();
            assert!(verify(secret(typed), &phc).await.unwrap(), "{typed}");
            assert!(verify(secret(set), &phc).await.unwrap(), "{set}");
        }
        // Made elsewhere, of the characters as they came.
        let params = Params::new(MEMORY, PASSES, LANES, None).unwrap();
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let foreign: PasswordHash = hasher.hash_password_with_salt(decomposed.as_bytes(), &SALT).unwrap();
        assert!(verify(secret(decomposed), &foreign.to_string()).await.unwrap());
        assert!(!verify(secret(composed), &foreign.to_string()).await.unwrap());
    }

    #[tokio::test]
    async fn only_so_many_hashes_are_computed_at_a_time() {
        let phc = hash(secret("my aunt paints boats"), SALT).await.unwrap();
        let busy = COMPUTING.acquire_many(2).await.unwrap();
        let (hashing, comparing) =
            (hash(secret("my aunt paints boats"), SALT), verify(secret("my aunt paints boats"), &phc));
        let both = async { (hashing.await, comparing.await) };
        tokio::pin!(both);
        let early = tokio::time::timeout(std::time::Duration::from_millis(500), both.as_mut()).await;
        assert!(early.is_err(), "a third and a fourth computation began");
        drop(busy);
        let (hashed, fits) = both.await;
        assert!(hashed.unwrap() == phc && fits.unwrap());
        assert_eq!(COMPUTING.available_permits(), 2, "all are given back");
    }
}
