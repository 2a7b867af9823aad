//! How to reach a mail server: the settings behind `--mail-url` and a tenant's
//! `mail.server`, checked when they are made. Nothing in here prints a user
//! name or a password.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use secrecy::{ExposeSecret, SecretString};

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// Plain at first, then upgraded; a server that does not offer it is refused.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None at all; never with credentials.
    None,
}

impl Tls {
    /// The customary port.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// User name and password for a mail server. `Debug` shows neither.
#[derive(Clone)]
pub struct Credentials {
    pub(super) username: String,
    pub(super) password: SecretString,
}

impl Credentials {
    /// Checks that both can travel in an SMTP sign-in.
    ///
    /// # Errors
    /// When one is empty, or holds a control character: a NUL would shift the
    /// boundary between the two in `AUTH PLAIN`, and a trailing line break is
    /// nearly always an accident of the file that it was read from.
    pub fn new(username: String, password: SecretString) -> Result<Self, SettingsError> {
        let secret = password.expose_secret();
        if username.is_empty() || secret.is_empty() {
            return Err(SettingsError::HalfCredentials);
        }
        if username.chars().chain(secret.chars()).any(char::is_control) {
            return Err(SettingsError::ControlInCredentials);
        }
        Ok(Self { username, password })
    }

    /// Does `text` repeat the password, plain or as SMTP encodes it?
    pub(super) fn appear_in(&self, text: &str) -> bool {
        let password = self.password.expose_secret();
        let plain = format!("\0{}\0{password}", self.username);
        [password, &BASE64.encode(password.as_bytes()), &BASE64.encode(plain.as_bytes())]
            .iter()
            .any(|form| text.contains(form))
    }

    /// In lettre's form, made for one sign-in and dropped after it.
    pub(super) fn to_lettre(&self) -> lettre::transport::smtp::authentication::Credentials {
        lettre::transport::smtp::authentication::Credentials::new(
            self.username.clone(),
            self.password.expose_secret().to_owned(),
        )
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// One mail server: where it is, how to reach it, as whom.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    pub(super) extra_roots: Vec<CaBundle>,
}

/// What is wrong with the settings of a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The host is no DNS name and no address.
    #[error("the mail server's host is neither a DNS name nor an IP address")]
    Host,
    /// Port 0 cannot be connected to.
    #[error("the mail server's port must be from 1 to 65535")]
    Port,
    /// Credentials would travel readable by anyone on the way.
    #[error(
        "a user name and password are refused without TLS; use STARTTLS or implicit TLS, or leave them out"
    )]
    CredentialsWithoutTls,
    /// One of user name and password is missing.
    #[error("the mail server needs both a user name and a password, or neither")]
    HalfCredentials,
    /// Line breaks and the like.
    #[error(
        "the mail server's user name or password contains a control character, such as a trailing line break; remove it"
    )]
    ControlInCredentials,
}

impl ServerSettings {
    /// Checks and keeps the settings; without a port the customary one is used.
    ///
    /// # Errors
    /// For an unusable host or port, and for credentials without TLS.
    pub fn new(
        host: &str,
        port: Option<u16>,
        tls: Tls,
        credentials: Option<Credentials>,
    ) -> Result<Self, SettingsError> {
        let port = port.unwrap_or(tls.default_port());
        if port == 0 {
            return Err(SettingsError::Port);
        }
        if tls == Tls::None && credentials.is_some() {
            return Err(SettingsError::CredentialsWithoutTls);
        }
        Ok(Self { host: normal_host(host)?, port, tls, credentials, extra_roots: Vec::new() })
    }

    /// Trusts the authorities in `bundle` besides the machine's own.
    #[must_use]
    pub fn with_extra_roots(mut self, bundle: CaBundle) -> Self {
        self.extra_roots.push(bundle);
        self
    }

    /// DNS name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Protection of the connection.
    #[must_use]
    pub const fn tls(&self) -> Tls {
        self.tls
    }

    /// `host:port` for people, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Lower-case ASCII DNS name, or an address in its usual form.
fn normal_host(host: &str) -> Result<String, SettingsError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match url::Host::parse(host).map_err(|_| SettingsError::Host)? {
        url::Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            let labels_fit = name.split('.').all(|label| (1..=63).contains(&label.len()));
            if name.len() > 253 || !labels_fit {
                return Err(SettingsError::Host);
            }
            Ok(name.to_owned())
        }
        url::Host::Ipv4(address) => Ok(address.to_string()),
        url::Host::Ipv6(address) => Ok(address.to_string()),
    }
}

/// Certificates of authorities to trust besides the machine's own
/// (`--mail-ca-file`).
#[derive(Clone)]
pub struct CaBundle(pub(super) Certificate);

/// Why a file of authorities is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The file cannot be read.
    #[error("cannot read the certificate file {path}; check the path and its permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not hold usable certificates.
    #[error(
        "{path} holds no usable PEM certificate (\"-----BEGIN CERTIFICATE-----\"); give the file of the authority that signed the mail server's certificate"
    )]
    Content {
        /// The file, or what stands for it.
        path: PathBuf,
    },
}

impl CaBundle {
    /// Reads a PEM file with one or more certificates.
    ///
    /// # Errors
    /// When the file cannot be read, or holds none that can be used.
    pub fn read(path: &Path) -> Result<Self, CaError> {
        let pem = std::fs::read(path).map_err(|source| CaError::Read { path: path.to_owned(), source })?;
        Self::from_pem(&pem).ok_or_else(|| CaError::Content { path: path.to_owned() })
    }

    /// Reads PEM text; `None` when there is no usable certificate in it.
    #[must_use]
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
        // Without this a file of anything else would count as an empty list,
        // and the mistake would only show when a mail is due.
        pem.windows(BEGIN.len()).find(|window| *window == BEGIN)?;
        let certificate = Certificate::from_pem(pem).ok()?;
        TlsParameters::builder("localhost".to_owned())
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate.clone())
            .build_rustls()
            .ok()?;
        Some(Self(certificate))
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaBundle")
    }
}

#[cfg(test)]
mod tests;
