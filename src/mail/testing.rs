//! What the tests of this module share.

use std::path::PathBuf;

use jiff::Timestamp;
use lettre::Message;

use super::{Envelope, Letter, MailAddress, Mailbox, Purpose, Templates, compose};

/// The token in the link of [`letter`].
pub(super) const TOKEN: &str = "qk3vx7dm5jh2t6wz4ypcb8nrf1";

pub(super) fn envelope() -> Envelope {
    Envelope {
        from: Mailbox::parse("Acme Accounts <no-reply@acme.example>").unwrap(),
        reply_to: Some(Mailbox::parse("help@acme.example").unwrap()),
        to: "kim@north.example".to_owned(),
        message_id: "<0001@acme.example>".to_owned(),
        date: "2026-03-02T09:30:00Z".parse::<Timestamp>().unwrap(),
    }
}

pub(super) fn letter(purpose: Purpose, locale: &str) -> Letter {
    Letter {
        purpose,
        locale: locale.to_owned(),
        product_name: "Acme Fleet".to_owned(),
        support_email: Some(MailAddress::parse("help@acme.example").unwrap()),
        username: "kim".to_owned(),
        tenant_display_name: "Acme North".to_owned(),
        link: format!("https://fleet.acme.example/activate?token={TOKEN}").parse().unwrap(),
        expires_at: "2026-03-05T09:30:59Z".parse::<Timestamp>().unwrap(),
    }
}

/// Any message that can be sent.
pub(super) fn message() -> Message {
    let templates = Templates::embedded().unwrap();
    compose(&templates, &envelope(), &letter(Purpose::Activate, "en")).unwrap()
}

/// Compares `actual` with the file `snapshots/NAME`. With the variable
/// `UPDATE_SNAPSHOTS` set, the file is written instead; look at the difference
/// before it is committed.
pub(super) fn snapshot(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/mail/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs; run the test with UPDATE_SNAPSHOTS=1 and look at the difference.\n{actual}",
        path.display()
    );
}

/// The headers of a finished message, one per line, and its two parts decoded.
pub(super) struct Opened {
    pub(super) headers: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) html: String,
}

/// Takes `message` apart the way a mail program would.
pub(super) fn open(message: &Message) -> Opened {
    let raw = String::from_utf8(message.formatted()).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let headers: Vec<(String, String)> = head
        .replace("\r\n ", " ")
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let content_type = &headers.iter().find(|(name, _)| name == "Content-Type").unwrap().1;
    let boundary = content_type.split_once("boundary=\"").unwrap().1.trim_end_matches('"');
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    let [before, text, html, after] = parts[..] else { panic!("not two parts: {raw}") };
    assert_eq!((before, after), ("", "--\r\n"));
    Opened { headers, text: decode(text, "text/plain"), html: decode(html, "text/html") }
}

fn decode(part: &str, content_type: &str) -> String {
    let (head, body) = part.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Type: {content_type}; charset=utf-8")), "{head}");
    assert!(head.contains("Content-Transfer-Encoding: quoted-printable"), "{head}");
    let unfolded = body.trim_end_matches("\r\n").replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = unfolded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'=' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        } else {
            byte
        });
    }
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n") + "\n"
}
