//! Mail addresses and named mailboxes, checked once, at the door.

use std::fmt;
use std::str::FromStr;

use super::text::{MAX_NAME, header_line};

/// An e-mail address that is safe in a header and in an SMTP command.
///
/// `Debug` hides it: addresses are personal data and stay out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct MailAddress(lettre::Address);

/// Why a text is not accepted as an address. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing was given.
    #[error("the address is empty; write it as name@example.org")]
    Empty,
    /// RFC 5321 leaves room for 254 octets between the angle brackets.
    #[error("the address is longer than 254 bytes")]
    TooLong,
    /// Line breaks and other control characters could start a new header.
    #[error("the address contains a line break, a space or a control character; remove it")]
    Control,
    /// `"a b"@example.org` is legal and is read differently by every relay.
    #[error("the part before the @ uses quotes or one of <>()[],;:\\; such addresses are not supported")]
    Quoted,
    /// Anything else that is not `local@domain`.
    #[error("this is not an e-mail address; write it as name@example.org")]
    Malformed,
}

impl MailAddress {
    /// The longest address accepted, in bytes.
    pub const MAX_LENGTH: usize = 254;

    /// Checks `text`. A domain in other scripts is kept in its ASCII form, so
    /// that every mail server can take it.
    ///
    /// # Errors
    /// Says what is wrong without repeating the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(AddressError::Control);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Malformed)?;
        if local.contains(['"', '\\', '<', '>', '(', ')', '[', ']', ',', ';', ':']) {
            return Err(AddressError::Quoted);
        }
        let ascii;
        let domain = if domain.is_ascii() {
            domain
        } else {
            ascii = url::Host::parse(domain).map_err(|_| AddressError::Malformed)?.to_string();
            &ascii
        };
        if local.len() + 1 + domain.len() > Self::MAX_LENGTH {
            return Err(AddressError::TooLong);
        }
        lettre::Address::new(local, domain).map(Self).map_err(|_| AddressError::Malformed)
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// The part after the `@`, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    pub(super) fn into_lettre(self) -> lettre::Address {
        self.0
    }
}

impl FromStr for MailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<address>")
    }
}

/// An address with an optional name, as in `Acme Accounts <no-reply@acme.example>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: MailAddress,
}

impl Mailbox {
    /// A mailbox; the name is reduced to one safe line, and an empty one is none.
    #[must_use]
    pub fn new(name: Option<&str>, address: MailAddress) -> Self {
        let name = name.map(|name| header_line(name, MAX_NAME)).filter(|name| !name.is_empty());
        Self { name, address }
    }

    /// Reads `address`, `<address>`, `Name <address>` or `"Name" <address>`.
    ///
    /// # Errors
    /// When the address in it is not acceptable.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) else {
            return Ok(Self::new(None, MailAddress::parse(text)?));
        };
        let name = name.trim();
        let name = match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
            None => name.to_owned(),
        };
        Ok(Self::new(Some(&name), MailAddress::parse(address.trim())?))
    }

    /// The name shown to people, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address itself.
    #[must_use]
    pub fn address(&self) -> &MailAddress {
        &self.address
    }

    pub(super) fn into_lettre(self) -> lettre::message::Mailbox {
        lettre::message::Mailbox::new(self.name, self.address.into_lettre())
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("name", &self.name).field("address", &self.address).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_up_to_254_bytes_are_accepted_and_longer_ones_refused() {
        let local = "l".repeat(64);
        let label = "d".repeat(61);
        let domain = format!("{label}.{label}.{label}.ex");
        let longest = format!("{local}@{domain}{}", "");
        let address = format!("{longest}{}", "m".repeat(254 - longest.len()));
        assert_eq!(address.len(), 254);
        assert_eq!(MailAddress::parse(&address).unwrap().as_str(), address);
        assert_eq!(MailAddress::parse(&format!("{address}m")), Err(AddressError::TooLong));
    }

    #[test]
    fn addresses_that_could_break_out_of_a_header_or_a_command_are_refused() {
        for (text, why) in [
            ("", AddressError::Empty),
            ("kim", AddressError::Malformed),
            ("@acme.example", AddressError::Malformed),
            ("kim@", AddressError::Malformed),
            ("kim@acme.example\r\nBcc: all@acme.example", AddressError::Control),
            ("kim@acme.example\n", AddressError::Control),
            ("kim\u{0}@acme.example", AddressError::Control),
            ("kim\u{2028}@acme.example", AddressError::Control),
            ("kim @acme.example", AddressError::Control),
            ("\"kim\"@acme.example", AddressError::Quoted),
            ("kim><root@acme.example", AddressError::Quoted),
            ("kim@a.example,root@acme.example", AddressError::Quoted),
            ("kim@acme.example>", AddressError::Malformed),
            ("kim..b@acme.example", AddressError::Malformed),
        ] {
            assert_eq!(MailAddress::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_domain_in_another_script_becomes_ascii() {
        let address = MailAddress::parse("kim@bücher.example").unwrap();
        assert_eq!(address.as_str(), "kim@xn--bcher-kva.example");
    }

    #[test]
    fn mailboxes_are_read_in_every_usual_form() {
        for (text, name) in [
            ("a@acme.example", None),
            ("<a@acme.example>", None),
            ("Acme <a@acme.example>", Some("Acme")),
            ("\"Acme \\\"North\\\", Inc.\" <a@acme.example>", Some("Acme \"North\", Inc.")),
            ("Müller & Söhne <a@acme.example>", Some("Müller & Söhne")),
            ("Evil\r\nBcc: x <a@acme.example>", Some("Evil Bcc: x")),
        ] {
            let mailbox = Mailbox::parse(text).unwrap();
            assert_eq!(mailbox.name(), name, "{text:?}");
            assert_eq!(mailbox.address().as_str(), "a@acme.example", "{text:?}");
        }
        assert_eq!(Mailbox::parse("Acme <a@acme.example"), Err(AddressError::Control));
    }

    #[test]
    fn an_address_does_not_appear_in_debug_output() {
        let mailbox = Mailbox::parse("Kim <kim@acme.example>").unwrap();
        assert!(!format!("{mailbox:?}").contains("acme.example"));
    }
}
