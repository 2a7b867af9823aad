//! What went wrong with a message, in words that may stand in a status or a
//! log: no address, no password, nothing secret of the message, even when the
//! server quotes them. Whether and when it is tried again is for the caller to say.

use std::fmt;
use std::path::Path;

use crate::mail::text::one_line;

/// The kind of failure, which decides about another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The server said "not now" (4xx), as greylisting does.
    Transient,
    /// The server said "never" to this message (5xx).
    Permanent,
    /// Nobody answered, or the connection broke.
    Network,
    /// The server cannot be used with these settings, whatever the message.
    Settings,
}

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Try the same again later.
    Later,
    /// A change of settings is needed; trying now and then notices one that
    /// was made elsewhere.
    OnChange,
    /// The same message will never be accepted.
    Never,
}

impl FailureClass {
    /// What this kind of failure means for another attempt.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Self::Transient | Self::Network => Retry::Later,
            Self::Settings => Retry::OnChange,
            Self::Permanent => Retry::Never,
        }
    }
}

/// How far a conversation with a server came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Finding the host's addresses.
    Resolve,
    /// Opening the connection.
    Connect,
    /// The server's greeting and its answer to EHLO.
    Greeting,
    /// The TLS handshake, with the STARTTLS command before it.
    Tls,
    /// AUTH.
    SignIn,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// The DATA command.
    Data,
    /// The message itself, up to the answer after its last line. When that
    /// answer is lost, nobody knows whether the message was accepted.
    Message,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "the look-up of its address",
            Self::Connect => "the connection",
            Self::Greeting => "the greeting",
            Self::Tls => "the TLS handshake",
            Self::SignIn => "the sign-in",
            Self::Sender => "the sender",
            Self::Recipient => "the recipient",
            Self::Data => "the DATA command",
            Self::Message => "the message",
        })
    }
}

/// A message that was not sent, and what follows from it.
///
/// `Display` is one line that says what to do and stays the same from attempt
/// to attempt; a lower-level cause, if any, is the `source`.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct SendError {
    context: String,
    class: FailureClass,
    step: Option<Step>,
    code: Option<u16>,
    words: Option<String>,
    source: Option<Cause>,
}

/// The innermost cause, reduced to text without addresses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

/// The longest part of a server's words that is kept, in characters.
const MAX_WORDS: usize = 200;

impl SendError {
    /// The kind of failure.
    #[must_use]
    pub const fn class(&self) -> FailureClass {
        self.class
    }

    /// Whether another attempt makes sense.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.class.retry()
    }

    /// Where the conversation ended; none for a folder.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        self.step
    }

    /// The server's reply code, if it gave one.
    #[must_use]
    pub const fn code(&self) -> Option<u16> {
        self.code
    }

    /// The server's words, on one line of at most 200 characters, with
    /// addresses and anything secret masked.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// The whole error on one line, cause included, for a condition's message.
    #[must_use]
    pub fn line(&self) -> String {
        match &self.source {
            Some(cause) => format!("{}: {cause}", self.context),
            None => self.context.clone(),
        }
    }

    /// The server refused with `code`. Refusing the message is one thing;
    /// refusing the connection or the account says nothing about the message.
    pub(super) fn refused(server: &str, step: Step, code: u16, words: String) -> Self {
        let class = match code {
            400..500 => FailureClass::Transient,
            // Authentication required or too weak, RFC 4954.
            530 | 534 | 535 | 538 => FailureClass::Settings,
            _ if step < Step::Sender => FailureClass::Settings,
            _ => FailureClass::Permanent,
        };
        let verb = if class == FailureClass::Transient { "postponed" } else { "refused" };
        let advice = match (class, step) {
            (FailureClass::Settings, Step::SignIn) => "; check the user name and password",
            (FailureClass::Settings, Step::Sender | Step::Recipient | Step::Data | Step::Message) => {
                "; the server wants a sign-in, so give it a user name and password"
            }
            (FailureClass::Settings, _) => "; ask its operator, or use another server",
            (FailureClass::Permanent, Step::Sender) => "; check the from address, then resend",
            (FailureClass::Permanent, Step::Recipient) => "; check the address, then resend",
            (FailureClass::Permanent, _) => "; resend once the reason is gone",
            (FailureClass::Transient | FailureClass::Network, _) => "",
        };
        let said = if words.is_empty() { String::new() } else { format!(": {words}") };
        Self {
            context: format!("mail server {server} {verb} {step} with {code}{said}{advice}"),
            class,
            step: Some(step),
            code: Some(code),
            words: Some(words),
            source: None,
        }
    }

    /// Nothing came back in time.
    pub(super) fn silent(server: &str, step: Step) -> Self {
        let what = match step {
            Step::Greeting => "did not greet in time, as one that expects TLS from the first byte does",
            _ => "did not answer in time",
        };
        Self::network(server, step, what, None)
    }

    /// The conversation broke.
    pub(super) fn network(server: &str, step: Step, what: &str, cause: Option<String>) -> Self {
        let advice = if step <= Step::Connect {
            "; check its host and port, and that it can be reached from here"
        } else {
            ""
        };
        Self {
            context: format!("mail server {server} {what} (at {step}){advice}"),
            class: FailureClass::Network,
            step: Some(step),
            code: None,
            words: None,
            source: cause.map(|cause| Cause(clean(&cause, ""))),
        }
    }

    /// The server cannot be used like this. `what` ends in what to do.
    pub(super) fn settings(server: &str, step: Step, what: &str, cause: Option<String>) -> Self {
        Self {
            context: format!("mail server {server} {what}"),
            class: FailureClass::Settings,
            step: Some(step),
            code: None,
            words: None,
            source: cause.map(|cause| Cause(clean(&cause, ""))),
        }
    }

    /// No server could take this message.
    pub(super) fn unsendable(what: &str) -> Self {
        Self {
            context: what.to_owned(),
            class: FailureClass::Permanent,
            step: None,
            code: None,
            words: None,
            source: None,
        }
    }

    /// A folder cannot be written.
    pub(super) fn folder(folder: &Path, class: FailureClass, cause: std::io::Error) -> Self {
        Self {
            context: format!(
                "cannot write mail to the folder {}; check that it is a writable folder with room left",
                folder.display()
            ),
            class,
            step: None,
            code: None,
            words: None,
            source: Some(Cause(cause.to_string())),
        }
    }
}

/// A server's words, safe to show: one bounded line, addresses masked, and so
/// is every long word that also stands in `message`, because content filters
/// like to quote the link that they object to.
pub(super) fn clean(words: &str, message: &str) -> String {
    // Masked before the cut, so that no half of an address survives at its end.
    one_line(&mask_secrets(&mask_addresses(&one_line(words, 4 * MAX_WORDS)), message), MAX_WORDS)
}

const ADDRESS_MASK: &str = "<address>";

fn mask_addresses(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let local = before.trim_end_matches(is_part);
        let local = local.strip_suffix('<').unwrap_or(local);
        let domain = after.trim_start_matches(|c: char| is_part(c) || "@[:]".contains(c));
        let domain = domain.strip_prefix('>').unwrap_or(domain);
        masked.push_str(local);
        masked.push_str(ADDRESS_MASK);
        rest = domain;
    }
    masked.push_str(rest);
    masked
}

/// Words shorter than this are no token: 128 bits take at least 22 characters.
const MIN_SECRET: usize = 16;

fn mask_secrets(text: &str, message: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut masked = String::with_capacity(text.len());
    let mut message_text = None;
    let mut rest = text;
    while !rest.is_empty() {
        let word = &rest[..rest.len() - rest.trim_start_matches(is_token).len()];
        let gap_start = &rest[word.len()..];
        let gap = &gap_start[..gap_start.len() - gap_start.trim_start_matches(|c| !is_token(c)).len()];
        let secret = word.len() >= MIN_SECRET
            && message_text.get_or_insert_with(|| unfold(message)).contains(&word.to_ascii_lowercase());
        masked.push_str(if secret { "<removed>" } else { word });
        masked.push_str(gap);
        rest = &rest[word.len() + gap.len()..];
    }
    masked
}

/// The message with the line breaks and escapes of quoted-printable undone as
/// far as a token is concerned, in lower case since servers change it.
fn unfold(message: &str) -> String {
    message.replace("=\r\n", "").replace("=3D", "=").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_servers_words_are_masked_in_every_form() {
        for (words, clean_words) in [
            ("kim@acme.example unknown", "<address> unknown"),
            ("<kim@acme.example>: unknown", "<address>: unknown"),
            ("rcpt to:<kim+x@acme.example>", "rcpt to:<address>"),
            ("(kim@[127.0.0.1])", "(<address>)"),
            ("kim@müller.example?", "<address>"),
            ("a@b@c d@e", "<address> <address>"),
            ("no address here", "no address here"),
            ("@", "<address>"),
            ("see http://mx.example/why", "see http://mx.example/why"),
        ] {
            assert_eq!(clean(words, ""), clean_words, "{words}");
        }
    }

    #[test]
    fn a_quoted_link_loses_its_token_even_across_folded_lines() {
        let message = "x\r\nhttps://a.example/activate?token=3DMZXW6YTBOI2LK=\r\n4NFXGQZDSONSWG\r\n";
        assert_eq!(
            clean("blocked https://a.example/activate?token=mzxw6ytboi2lk4nfxgqzdsonswg", message),
            "blocked https://a.example/activate?token=<removed>"
        );
        assert_eq!(clean("half of it: MZXW6YTBOI2LK4NFX", message), "half of it: <removed>");
        assert_eq!(clean("queued as 9F00D1234567890ABCDEF", message), "queued as 9F00D1234567890ABCDEF");
    }

    #[test]
    fn a_servers_words_are_one_bounded_line() {
        let long = format!("no\r\n\u{1b}[31m{} end", "é".repeat(500));
        let words = clean(&long, "");
        assert_eq!(words.chars().count(), MAX_WORDS + 1, "{words}");
        assert!(words.starts_with("no [31mé") && words.ends_with('…'), "{words}");
        let split = format!("{} kim@acme.example", "x".repeat(195));
        assert!(!clean(&split, "").contains("kim"));
    }

    #[test]
    fn a_refused_connection_or_account_does_not_condemn_the_message() {
        use FailureClass as C;
        for (step, code, class, retry) in [
            (Step::Greeting, 421, C::Transient, Retry::Later),
            (Step::Greeting, 554, C::Settings, Retry::OnChange),
            (Step::Tls, 454, C::Transient, Retry::Later),
            (Step::SignIn, 535, C::Settings, Retry::OnChange),
            (Step::SignIn, 454, C::Transient, Retry::Later),
            (Step::Sender, 530, C::Settings, Retry::OnChange),
            (Step::Sender, 550, C::Permanent, Retry::Never),
            (Step::Recipient, 450, C::Transient, Retry::Later),
            (Step::Recipient, 550, C::Permanent, Retry::Never),
            (Step::Data, 554, C::Permanent, Retry::Never),
            (Step::Message, 452, C::Transient, Retry::Later),
            (Step::Message, 552, C::Permanent, Retry::Never),
        ] {
            let error = SendError::refused("mx.example:25", step, code, "no".into());
            assert_eq!((error.class(), error.retry()), (class, retry), "{step:?} {code}");
            let advice = if class == C::Transient { "" } else { "; " };
            assert!(error.to_string().contains(&format!("with {code}: no{advice}")), "{error}");
        }
    }
}
