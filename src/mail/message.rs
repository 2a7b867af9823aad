//! From what a letter is about to the bytes that travel: headers that nobody
//! else can write into, a text part and an HTML part. The same letter is the
//! same bytes every time, so that a repetition after a crash is recognised by
//! mail programs as the same message.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, MultiPart, SinglePart};

use super::address::{AddressError, MailAddress, Mailbox};
use super::template::{Rendered, TemplateError, Templates, trial};
use super::text::header_line;
use super::transport::{FailureClass, Retry};

/// A finished message.
pub type Composed = Message;

/// What a letter asks its reader to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The normal invitation: set a password, which also confirms the address.
    Activate,
    /// Only confirm the address; a password is there already.
    Confirm,
    /// Only set a password; the address is known to be right.
    SetPassword,
    /// Prove a new address before it becomes the login.
    ChangeEmail,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Activate, Self::Confirm, Self::SetPassword, Self::ChangeEmail];

    /// The name in file names and in the outbox.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Confirm => "confirm",
            Self::SetPassword => "set-password",
            Self::ChangeEmail => "change-email",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no [`Purpose`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a letter is one of activate, confirm, set-password and change-email")]
pub struct UnknownPurpose;

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(name: &str) -> Result<Self, UnknownPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name).ok_or(UnknownPurpose)
    }
}

/// Who writes to whom, and as which message.
#[derive(Clone)]
pub struct Envelope {
    /// The sender. Without a name the product's name is shown.
    pub from: Mailbox,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Mailbox>,
    /// The recipient's address, as it stands in the database.
    pub to: String,
    /// See [`message_id`]; the same for every attempt.
    pub message_id: String,
    /// When the message was queued; the same for every attempt.
    pub date: Timestamp,
}

impl fmt::Debug for Envelope {
    /// Without the addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// What a letter says.
#[derive(Clone)]
pub struct Letter {
    /// What it asks for.
    pub purpose: Purpose,
    /// The reader's language, such as `en` or `de-AT`.
    pub locale: String,
    /// The product, by the name that its customers know.
    pub product_name: String,
    /// Whom to ask; left out if there is nobody.
    pub support_email: Option<MailAddress>,
    /// The reader's user name.
    pub username: String,
    /// The tenant that invites.
    pub tenant_display_name: String,
    /// The link with its token.
    pub link: url::Url,
    /// When the link ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Letter {
    /// Without the link, which is a secret, and without the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("purpose", &self.purpose)
            .field("locale", &self.locale)
            .finish_non_exhaustive()
    }
}

/// Why a letter cannot be made into a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// The recipient's address is unusable.
    #[error("the recipient's address cannot be written to; correct it")]
    Recipient(#[source] AddressError),
    /// The Message-ID is not one of ours.
    #[error("the Message-ID is not of the form <letters-and-digits@domain>")]
    MessageId,
    /// The link is no web address.
    #[error("the link in the letter is not an http or https address; check --public-url")]
    Link,
    /// A template failed, which only an overridden one can.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The parts do not make a message.
    #[error("the message cannot be put together")]
    Build(#[source] lettre::error::Error),
}

impl ComposeError {
    /// The kind of failure, as for one while sending.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        match self {
            Self::Recipient(_) | Self::MessageId | Self::Build(_) => FailureClass::Permanent,
            Self::Link | Self::Template(_) => FailureClass::Settings,
        }
    }

    /// Whether another attempt makes sense.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.class().retry()
    }
}

/// A Message-ID that stays the same however often its message is sent: the
/// queue entry's own identifier at the sender's domain.
#[must_use]
pub fn message_id(unique: &str, sender: &MailAddress) -> String {
    let safe = |c: char| if is_id_char(c) { c } else { '_' };
    let unique: String = unique.chars().map(safe).take(100).collect();
    format!("<{unique}@{}>", sender.domain())
}

/// Makes the message that `letter` describes.
///
/// # Errors
/// For an address, link or Message-ID that cannot be used, and for a template
/// that fails.
pub fn compose(templates: &Templates, envelope: &Envelope, letter: &Letter) -> Result<Message, ComposeError> {
    if !matches!(letter.link.scheme(), "http" | "https") {
        return Err(ComposeError::Link);
    }
    let content = templates.render(letter)?;
    build(envelope, &letter.product_name, content)
}

/// Makes a message that only shows that mail arrives: no link, nothing to do.
///
/// # Errors
/// As for a letter.
pub fn compose_trial(envelope: &Envelope, product_name: &str) -> Result<Message, ComposeError> {
    build(envelope, product_name, trial(product_name))
}

fn build(envelope: &Envelope, product_name: &str, content: Rendered) -> Result<Message, ComposeError> {
    let Envelope { from, reply_to, to, message_id, date } = envelope;
    let to = MailAddress::parse(to).map_err(ComposeError::Recipient)?;
    if !is_message_id(message_id) {
        return Err(ComposeError::MessageId);
    }
    let from = match from.name() {
        Some(_) => from.clone(),
        None => Mailbox::new(Some(product_name), from.address().clone()),
    };
    let mut message = Message::builder()
        .from(from.into_lettre())
        .to(Mailbox::new(None, to).into_lettre())
        .subject(header_line(&content.subject, MAX_SUBJECT))
        .date(system_time(*date))
        .message_id(Some(message_id.clone()))
        // Keeps absence notes and other robots from answering (RFC 3834).
        .raw_header(constant_header("Auto-Submitted", "auto-generated"))
        .raw_header(constant_header("Content-Language", &content.language));
    if let Some(reply_to) = reply_to {
        message = message.reply_to(reply_to.clone().into_lettre());
    }
    let parts = MultiPart::alternative()
        .boundary(BOUNDARY)
        .singlepart(part(ContentType::TEXT_PLAIN, content.text))
        .singlepart(part(ContentType::TEXT_HTML, content.html));
    message.multipart(parts).map_err(ComposeError::Build)
}

/// Longer subjects are cut by every mail program.
const MAX_SUBJECT: usize = 150;

/// Quoted-printable text never contains `=_`, so this can be the same for
/// every message and still never occur inside a part.
const BOUNDARY: &str = "=_tenantry_letter";

/// Always quoted-printable: no line is too long for any relay, and the bytes
/// do not depend on what the names in the letter happen to contain.
fn part(content_type: ContentType, text: String) -> SinglePart {
    let encoding = ContentTransferEncoding::QuotedPrintable;
    let body = Body::new_with_encoding(text, encoding).unwrap_or_else(Body::new);
    SinglePart::builder().header(content_type).body(body)
}

fn constant_header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// lettre's dates begin with 1970.
fn system_time(date: Timestamp) -> SystemTime {
    SystemTime::from(date.max(Timestamp::UNIX_EPOCH))
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '=' | '-')
}

fn is_message_id(id: &str) -> bool {
    let inside = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inside.and_then(|inside| inside.split_once('@')).is_some_and(|(unique, domain)| {
        let domain_char = |c| is_id_char(c) || matches!(c, '[' | ']' | ':');
        (1..=128).contains(&unique.len())
            && (1..=255).contains(&domain.len())
            && unique.chars().all(is_id_char)
            && domain.chars().all(domain_char)
    })
}

#[cfg(test)]
mod tests;
