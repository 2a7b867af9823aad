//! A question as somebody writes it, and what is wrong with one that cannot be
//! asked. The bounds are those of the objects' own fields.

use std::fmt;

use crate::domain::capability::Capability;
use crate::domain::permission::Pattern;

/// Longest name of an account: an e-mail address.
const ACCOUNT: usize = 254;
/// Longest operation or resource.
const WORD: usize = 253;
/// Longest id of a device.
const DEVICE: usize = 253;
/// Longest name of a source: a path of files may be one.
pub(super) const SOURCE: usize = 4096;

/// A well-formed question: may `account` do `operation` on `resource`?
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    account: String,
    operation: Pattern,
    resource: Pattern,
    device: Option<String>,
    creator: Option<String>,
}

/// Accounts may be named by their e-mail, which stands in no log.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("operation", &self.operation)
            .field("resource", &self.resource)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// A question that cannot be asked: which part of it is wrong, and why. What
/// was written is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The account's or the creator's name.
    #[error("{part} must be a username or an e-mail of 1 to {ACCOUNT} characters without control characters")]
    Account {
        /// `account` or `creator`.
        part: &'static str,
    },
    /// The operation, which may also name a right.
    #[error(
        "operation must be a dotted word of [a-z0-9-]+ such as view, at most {WORD} characters long (a.* asks about a and all under it, * about everything), or a capability such as ManageUsers"
    )]
    Operation,
    /// The operation is a right but for its letters.
    #[error("operation must be spelt {0}: capabilities are written with these capital letters")]
    Spelling(Capability),
    /// The resource.
    #[error(
        "{part} must be a dotted word of [a-z0-9-]+ such as view or cameras.archive, at most {WORD} characters long; a.* asks about a and all under it, * about everything"
    )]
    Word {
        /// `operation` or `resource`.
        part: &'static str,
    },
    /// The id of the device.
    #[error("the id of a device must have 1 to {DEVICE} characters and no control characters")]
    Device,
    /// The object of a question about a right.
    #[error(
        "the object must be tenant/NAMESPACE/NAME, subadmin/NAMESPACE/NAME, role/NAMESPACE/NAME or group/NAMESPACE/TENANT/GROUP"
    )]
    Thing,
    /// A subscription is a tenant's.
    #[error("ManageSubscription is about a tenant: name tenant/NAMESPACE/NAME")]
    Subscription,
    /// A creator where none can be meant.
    #[error("a creator belongs to questions about operations; a capability is used on an object")]
    Creator,
    /// A right that there is not.
    #[error("the capability must be one of the documented ones, such as ManageUsers")]
    Capability,
    /// The source of the object of a question about a right.
    #[error("the source must have 1 to {SOURCE} characters and no control characters")]
    Source,
}

impl Malformed {
    /// The part of the question that is wrong.
    pub const fn part(&self) -> &'static str {
        match self {
            Self::Account { part } | Self::Word { part } => part,
            Self::Operation | Self::Spelling(_) => "operation",
            Self::Device => "device",
            Self::Thing | Self::Subscription => "object",
            Self::Capability => "capability",
            Self::Creator => "creator",
            Self::Source => "source",
        }
    }
}

impl Asked {
    /// The question, if it is well-formed. Accounts and creators are named by
    /// username or e-mail. An operation or resource may be a pattern, which
    /// asks whether all of it is allowed.
    pub fn new(
        account: &str,
        operation: &str,
        resource: &str,
        device: Option<&str>,
        creator: Option<&str>,
    ) -> Result<Self, Malformed> {
        Ok(Self {
            account: name("account", account)?,
            operation: word("operation", operation).map_err(|_| Malformed::Operation)?,
            resource: word("resource", resource)?,
            device: device.map(id).transpose()?,
            creator: creator.map(|creator| name("creator", creator)).transpose()?,
        })
    }

    /// The same question by another account, which exists.
    pub(super) fn by(&self, account: &str) -> Self {
        Self { account: account.to_owned(), ..self.clone() }
    }

    /// Who asks.
    pub fn account(&self) -> &str {
        &self.account
    }
    /// To do what.
    pub const fn operation(&self) -> &Pattern {
        &self.operation
    }
    /// On what.
    pub const fn resource(&self) -> &Pattern {
        &self.resource
    }
    /// The device that it is about; none: the resource as such.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }
    /// Whose data it is about; none: the section as such.
    pub fn creator(&self) -> Option<&str> {
        self.creator.as_deref()
    }
}

pub(super) fn bounded(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

pub(super) fn name(part: &'static str, text: &str) -> Result<String, Malformed> {
    let name = text.trim();
    let well = bounded(text, ACCOUNT) && !name.is_empty();
    if well { Ok(name.to_owned()) } else { Err(Malformed::Account { part }) }
}

/// The name of an account, a username or an e-mail, if it can be one.
pub fn account_name(text: &str) -> Result<String, Malformed> {
    name("account", text)
}

/// Whether a text can be a part of an object's reference.
pub(super) fn part(text: &str) -> bool {
    bounded(text, WORD)
}

fn id(text: &str) -> Result<String, Malformed> {
    if bounded(text, DEVICE) { Ok(text.to_owned()) } else { Err(Malformed::Device) }
}

fn word(part: &'static str, text: &str) -> Result<Pattern, Malformed> {
    let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let dotted = |text: &str| text.split('.').all(|part| !part.is_empty() && part.bytes().all(letter));
    let well = text.len() <= WORD && (text == "*" || dotted(text.strip_suffix(".*").unwrap_or(text)));
    if well { Ok(Pattern::new(text)) } else { Err(Malformed::Word { part }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_patterns_are_dotted_and_bounded() {
        for right in ["view", "cameras.archive", "bucket.north-temps", "a.*", "*", "0", &"a".repeat(WORD)] {
            assert!(word("resource", right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A",
            "ä",
            "a b",
            "*.a",
            "a.*.b",
            "**",
            "a*",
            "a/b",
            &"a".repeat(254),
        ] {
            assert_eq!(word("resource", wrong), Err(Malformed::Word { part: "resource" }), "{wrong}");
        }
    }

    #[test]
    fn names_and_ids_are_bounded_and_hold_no_control_characters() {
        assert!(Asked::new(" Kim@Example.org ", "view", "device", Some("cam 1"), Some("na")).is_ok());
        let long = "a".repeat(255);
        for account in ["", " ", "a\nb", &long] {
            let wrong = Asked::new(account, "view", "device", None, None).unwrap_err();
            assert_eq!(wrong.part(), "account", "{account:?}");
        }
        for device in ["", "a\0b", &long] {
            let wrong = Asked::new("kim", "view", "device", Some(device), None).unwrap_err();
            assert_eq!(wrong, Malformed::Device, "{device:?}");
        }
        assert_eq!(Asked::new("kim", "view", "device", None, Some("")).unwrap_err().part(), "creator");
    }

    #[test]
    fn what_is_wrong_never_repeats_what_was_written() {
        let secret = "kim@example.org\u{7}";
        let wrong = Asked::new(secret, "view", "device", None, None).unwrap_err();
        assert!(!wrong.to_string().contains("example"), "{wrong}");
    }
}
