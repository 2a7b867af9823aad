//! A mail as its reader sees it: headers decoded, body as text.

use std::fs;
use std::path::Path;

use mailparse::{MailHeaderMap, ParsedMail};

#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The address in the envelope to which it was delivered.
    pub(crate) delivered_to: String,
    /// The address in the envelope from which it came.
    pub(crate) return_path: String,
    /// Every header in its order, encoded words decoded.
    pub(crate) headers: Vec<(String, String)>,
    /// The plain text, decoded.
    pub(crate) text: String,
    /// The HTML alternative, decoded, if there is one.
    pub(crate) html: Option<String>,
    /// What went over the wire.
    pub(crate) raw: Vec<u8>,
}

impl Message {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let raw = fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        Self::parse(raw).map_err(|e| format!("{} is no mail: {e}", path.display()))
    }

    pub(crate) fn parse(raw: Vec<u8>) -> Result<Self, String> {
        let mail = mailparse::parse_mail(&raw).map_err(|e| e.to_string())?;
        let text = match part(&mail, "text/plain") {
            Some(text) => text,
            None => mail.get_body().map_err(|e| e.to_string())?,
        };
        let message = Self {
            delivered_to: mail.headers.get_first_value("Delivered-To").unwrap_or_default(),
            return_path: mail
                .headers
                .get_first_value("Return-Path")
                .unwrap_or_default()
                .replace(['<', '>'], ""),
            headers: mail.headers.iter().map(|h| (h.get_key(), h.get_value())).collect(),
            text: text.replace("\r\n", "\n"),
            html: part(&mail, "text/html"),
            raw: Vec::new(),
        };
        Ok(Self { raw, ..message })
    }

    /// The first header of this name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn subject(&self) -> &str {
        self.header("Subject").unwrap_or_default()
    }

    /// The first link in the text that starts with `base`.
    pub(crate) fn link(&self, base: &str) -> Option<&str> {
        let start = self.text.find(base)?;
        let rest = self.text.get(start..)?;
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(rest.len());
        rest.get(..end)
    }
}

fn part(mail: &ParsedMail<'_>, kind: &str) -> Option<String> {
    if mail.ctype.mimetype.eq_ignore_ascii_case(kind) {
        return mail.get_body().ok();
    }
    mail.subparts.iter().find_map(|inner| part(inner, kind))
}
