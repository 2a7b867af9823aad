//! `--mail-url`, read. No error repeats any part of what was given, because a
//! password that was not percent-encoded can end up in any part of a URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::settings::{Credentials, ServerSettings, SettingsError, Tls};

/// The value of `--mail-url`. `Debug` and `Display` show no credentials.
#[derive(Debug, Clone)]
pub enum MailUrl {
    /// `smtp://` or `smtps://`
    Smtp(ServerSettings),
    /// `dir:PATH`
    Directory(PathBuf),
}

/// What is wrong with a `--mail-url`. No variant repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MailUrlError {
    /// Not one of the three forms.
    #[error(
        "the mail URL must be smtp://USER:PASSWORD@HOST:PORT, smtps://USER:PASSWORD@HOST:PORT or dir:PATH"
    )]
    Scheme,
    /// Not a URL.
    #[error(
        "the mail URL cannot be read as smtp://USER:PASSWORD@HOST:PORT; write characters such as @ : / ? # % in the user name or password as %40 %3A %2F %3F %23 %25"
    )]
    Malformed,
    /// Percent signs that encode nothing.
    #[error(
        "the mail URL's user name or password contains a % that is not followed by two hexadecimal digits of UTF-8 text; write % itself as %25"
    )]
    Percent,
    /// Something after the port.
    #[error(
        "the mail URL has something after HOST:PORT; only ?tls=starttls or ?tls=none may follow, and / ? # in a password are written %2F %3F %23"
    )]
    Trailing,
    /// A word other than the two.
    #[error("the mail URL's tls must be starttls or none; for TLS from the first byte write smtps://")]
    TlsWord,
    /// Both ways at once.
    #[error("smtps:// means TLS from the first byte and takes no ?tls=; remove it, or write smtp://")]
    TlsTwice,
    /// No folder.
    #[error("dir: needs the path of a folder, for example dir:./outbox or dir:/var/lib/tenantry/outbox")]
    Folder,
    /// A host, port or credentials that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl MailUrl {
    /// Reads the value of `--mail-url`.
    ///
    /// # Errors
    /// One line that says what to write instead, and never what was written.
    pub fn parse(text: &str) -> Result<Self, MailUrlError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("dir:") {
            let relative_with_slashes = path.starts_with("//") && !path.starts_with("///");
            if path.is_empty() || relative_with_slashes || path.contains('\0') {
                return Err(MailUrlError::Folder);
            }
            return Ok(Self::Directory(PathBuf::from(path)));
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        let implicit = match scheme.as_deref() {
            Some("smtp") => false,
            Some("smtps") => true,
            _ => return Err(MailUrlError::Scheme),
        };
        // The URL standard drops line breaks silently; a password must not change that way.
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(MailUrlError::Malformed);
        }
        let url = url::Url::parse(text).map_err(|_| MailUrlError::Malformed)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MailUrlError::Malformed)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(MailUrlError::Trailing);
        }
        let tls = tls_of(&url, implicit)?;
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (username, password) => Some(Credentials::new(
                percent_decode(username)?,
                percent_decode(password.unwrap_or_default())?.into(),
            )?),
        };
        Ok(Self::Smtp(ServerSettings::new(host, url.port(), tls, credentials)?))
    }
}

fn tls_of(url: &url::Url, implicit: bool) -> Result<Tls, MailUrlError> {
    let mut tls = None;
    for (key, value) in url.query_pairs() {
        if key != "tls" || tls.is_some() {
            return Err(MailUrlError::Trailing);
        }
        tls = Some(match &*value {
            _ if implicit => return Err(MailUrlError::TlsTwice),
            "starttls" => Tls::StartTls,
            "none" => Tls::None,
            _ => return Err(MailUrlError::TlsWord),
        });
    }
    Ok(tls.unwrap_or(if implicit { Tls::Implicit } else { Tls::StartTls }))
}

fn percent_decode(text: &str) -> Result<String, MailUrlError> {
    let digit = |byte: Option<u8>| {
        byte.and_then(|byte| char::from(byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or(MailUrlError::Percent)
    };
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| MailUrlError::Percent)
}

impl FromStr for MailUrl {
    type Err = MailUrlError;

    fn from_str(text: &str) -> Result<Self, MailUrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "dir:{}", path.display()),
            Self::Smtp(server) => {
                let (scheme, query) = match server.tls {
                    Tls::StartTls => ("smtp", ""),
                    Tls::None => ("smtp", "?tls=none"),
                    Tls::Implicit => ("smtps", ""),
                };
                let user = if server.credentials.is_some() { "***@" } else { "" };
                write!(f, "{scheme}://{user}{}{query}", server.authority())
            }
        }
    }
}

#[cfg(test)]
mod tests;
