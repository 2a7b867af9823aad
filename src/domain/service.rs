//! Tokens of programs: one line for each in a file that holds only digests.
//! Pure; `web` reads the file and asks. A token is random and long, so a plain
//! SHA-256 of it tells nothing, and needs no salt.

use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

/// A file holds no more tokens.
pub const MAX_TOKENS: usize = 100;

/// Shorter ones could be guessed: 32 characters of hex are 128 bits.
pub const MIN_TOKEN: usize = 32;

/// No token is longer.
pub const MAX_TOKEN: usize = 256;

const MAX_NAME: usize = 63;

/// What a program may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// May this account do that, and why?
    Check,
    /// Lists of what an account may do and see.
    Accounts,
    /// Signing people in.
    Sessions,
}

impl Scope {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Check, Self::Accounts, Self::Sessions];

    /// As written in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Accounts => "accounts",
            Self::Sessions => "sessions",
        }
    }
}

/// A program that has shown its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name, for metrics and logs.
    pub name: String,
    scopes: Vec<Scope>,
}

impl Program {
    /// Whether its token is good for this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Which line of the file is wrong, and why. What is written there is not
/// repeated: it may be a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what is right.
    pub problem: &'static str,
}

/// The tokens of a file. Without any, nobody is let in.
#[derive(Clone, Default)]
pub struct ServiceTokens(Vec<([u8; 32], Program)>);

impl ServiceTokens {
    /// Reads `NAME:SHA256[:SCOPE,...]`, one on a line; empty lines and those
    /// that begin with `#` are skipped. A name may stand on several lines, so
    /// that an old and a new token are both good for a while.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut tokens: Vec<([u8; 32], Program)> = vec![];
        for (index, line) in text.lines().enumerate() {
            let wrong = |problem| Malformed { line: index + 1, problem };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut parts = line.split(':').map(str::trim);
            let (Some(name), Some(digest), scopes, None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(wrong("write NAME:SHA256 or NAME:SHA256:SCOPE,SCOPE"));
            };
            let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(letter) {
                return Err(wrong("the name must have 1 to 63 characters of a-z, 0-9 and -"));
            }
            let digest = HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok();
            let Some(digest) = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
                return Err(wrong("the SHA-256 of the token must be 64 digits of hex"));
            };
            let scopes = match scopes {
                None => Scope::ALL.to_vec(),
                Some(list) => {
                    let scope = |word: &str| Scope::ALL.into_iter().find(|s| s.as_str() == word.trim());
                    let scopes: Option<Vec<Scope>> = list.split(',').map(scope).collect();
                    scopes.ok_or_else(|| wrong("scopes are check, accounts and sessions"))?
                }
            };
            if tokens.iter().any(|(known, _)| *known == digest) {
                return Err(wrong("the same token stands on an earlier line"));
            }
            if tokens.len() == MAX_TOKENS {
                return Err(wrong("there may be no more than 100 tokens"));
            }
            tokens.push((digest, Program { name: name.to_owned(), scopes }));
        }
        Ok(Self(tokens))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token this is. Every line is compared, in constant time, whether
    /// or not an earlier one fits.
    pub fn find(&self, token: &str) -> Option<&Program> {
        if !(MIN_TOKEN..=MAX_TOKEN).contains(&token.len()) {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = 0_u32;
        for (place, (known, _)) in (1_u32..).zip(&self.0) {
            let fits: Choice = known.ct_eq(&digest);
            found = u32::conditional_select(&found, &place, fits);
        }
        let place = usize::try_from(found).ok()?.checked_sub(1)?;
        self.0.get(place).map(|(_, program)| program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn digest(token: &str) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
    }

    #[test]
    fn a_token_is_found_by_its_digest_with_its_scopes() {
        let other = TOKEN.replace('0', "f");
        let text = format!(
            "# programs\n\nshop:{}:check\nportal : {} \n",
            digest(TOKEN).to_uppercase(),
            digest(&other)
        );
        let tokens = ServiceTokens::parse(&text).unwrap();
        let shop = tokens.find(TOKEN).unwrap();
        assert_eq!(shop.name, "shop");
        assert!(shop.may(Scope::Check) && !shop.may(Scope::Accounts) && !shop.may(Scope::Sessions));
        let portal = tokens.find(&other).unwrap();
        assert!(portal.name == "portal" && Scope::ALL.into_iter().all(|scope| portal.may(scope)));
        assert_eq!(tokens.find(&TOKEN.replace('0', "e")), None);
        assert_eq!(tokens.find(&digest(TOKEN)), None, "the digest is no token");
        assert_eq!(ServiceTokens::default().find(TOKEN), None);
    }

    #[test]
    fn a_short_token_opens_nothing_even_if_its_digest_is_there() {
        let text = format!("shop:{}\nweb:{}", digest("short"), digest(""));
        let tokens = ServiceTokens::parse(&text).unwrap();
        assert_eq!(tokens.find("short").or(tokens.find("")), None);
    }

    #[test]
    fn a_wrong_line_is_named_and_not_repeated() {
        let good = digest(TOKEN);
        for wrong in [
            TOKEN.to_owned(),
            format!("shop:{TOKEN}"),
            format!("Shop:{good}"),
            format!(":{good}"),
            format!("{}:{good}", "a".repeat(64)),
            format!("shop:{good}:"),
            format!("shop:{good}:check,all"),
            format!("shop:{good}:check:x"),
            format!("shop:{good}\nweb:{good}"),
        ] {
            let text = format!("# one\n{wrong}\n");
            let error = ServiceTokens::parse(&text).err().unwrap_or_else(|| panic!("{wrong}"));
            assert_eq!(error.line, 1 + wrong.lines().count(), "{wrong}");
            assert!(!error.to_string().contains(TOKEN), "{error}");
        }
    }

    #[test]
    fn there_is_a_bound_on_their_number() {
        let lines =
            |n: usize| (0..n).map(|i| format!("shop:{}\n", digest(&i.to_string()))).collect::<String>();
        assert_eq!(ServiceTokens::parse(&lines(MAX_TOKENS)).unwrap().len(), MAX_TOKENS);
        assert!(ServiceTokens::parse(&lines(MAX_TOKENS + 1)).is_err());
    }
}
