//! Flags and `TENANTRY_*` variables, checked and turned into typed settings.
//! The commands hold [`Shared`], the application takes [`Settings`]. What is
//! wrong is said without repeating a value: URLs hold passwords.

use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::mail::{MailUrl, MailUrlError, Mailbox};
use crate::store;

const HEADING: &str = "Shared settings";

/// Settings that most commands share.
#[derive(Args, Clone)]
#[command(next_help_heading = HEADING)]
pub struct Shared {
    /// The account database: sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TENANTRY_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://tenantry.db"
    )]
    pub database_url: String,

    /// Where mail goes: smtp://USER:PASSWORD@HOST:PORT?tls=starttls|none, smtps://..., or dir:PATH
    /// for a folder of .eml files
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TENANTRY_MAIL_URL",
        hide_env_values = true,
        default_value = "dir:./outbox"
    )]
    pub mail_url: String,

    /// The sender of mails: kim@example.org or "ACME <kim@example.org>"
    #[arg(long, global = true, value_name = "ADDRESS", env = "TENANTRY_MAIL_FROM")]
    pub mail_from: Option<String>,

    /// Certificates (PEM) to trust for mail servers, besides the machine's own
    #[arg(long, global = true, value_name = "FILE", env = "TENANTRY_MAIL_CA_FILE")]
    pub mail_ca_file: Option<PathBuf>,

    /// A folder of subjects and texts that take the place of the built-in ones, and of more
    /// languages: DIR/LANGUAGE/PURPOSE.{subject,txt,html}; docs/mail.md says more
    #[arg(long, global = true, value_name = "DIR", env = "TENANTRY_MAIL_TEMPLATES")]
    pub mail_templates: Option<PathBuf>,

    /// The base of links in mails, as people reach the pages: https://accounts.example.org
    #[arg(long, global = true, value_name = "URL", env = "TENANTRY_PUBLIC_URL")]
    pub public_url: Option<String>,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks such as 10.0.0.0/8. Failed
    /// sign-ins are counted for the client that they name
    #[arg(
        long,
        global = true,
        value_name = "ADDRESSES",
        env = "TENANTRY_TRUSTED_PROXIES",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<String>,

    /// Where the pages listen
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "TENANTRY_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: String,

    /// Where health and metrics listen
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        env = "TENANTRY_OPS_LISTEN",
        default_value = "127.0.0.1:9090"
    )]
    pub ops_listen: String,

    /// The key under which links are made, at least 32 bytes in hex or base64 [default: beside a
    /// SQLite file, and created with it; required with PostgreSQL]
    #[arg(long, global = true, value_name = "FILE", env = "TENANTRY_KEY_FILE")]
    pub key_file: Option<PathBuf>,

    /// The service tokens of programs that ask at /v1, a line each: NAME:SHA256 or
    /// NAME:SHA256:SCOPES; read again when it changes [default: none, and /v1 answers nobody]
    #[arg(long, global = true, value_name = "FILE", env = "TENANTRY_SERVICE_TOKENS_FILE")]
    pub service_tokens_file: Option<OsString>,

    /// What to log, such as info or tenantry=debug [default: info in a cluster, else warn]
    #[arg(long, global = true, value_name = "FILTER", env = "TENANTRY_LOG")]
    pub log: Option<String>,

    /// How to log
    #[arg(long, global = true, value_name = "FORMAT", env = "TENANTRY_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object on each line.
    Json,
}

/// What is wrong with a flag or variable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// `--mail-url`
    #[error("--mail-url cannot be used")]
    MailUrl(#[from] MailUrlError),
    /// `--mail-from`
    #[error("--mail-from must be an address such as kim@example.org or \"ACME <kim@example.org>\"")]
    MailFrom,
    /// `--public-url`
    #[error("--public-url must be the base of links such as https://accounts.example.org, {0}")]
    PublicUrl(&'static str),
    /// `--trusted-proxies`
    #[error("--trusted-proxies must be addresses or networks such as 10.0.0.0/8, separated by commas")]
    TrustedProxies,
    /// `--listen`, `--ops-listen`
    #[error("{0} must be an address and a port such as 127.0.0.1:8080")]
    Listen(&'static str),
    /// `--database-url`
    #[error(
        "--database-url must begin with sqlite:// or postgres://, for example sqlite://tenantry.db or postgres://user@host/tenantry"
    )]
    DatabaseUrl,
}

/// The settings, checked.
#[derive(Clone)]
pub struct Settings {
    /// `--database-url`; may hold a password.
    pub database_url: String,
    /// `--mail-url`
    pub mail_url: MailUrl,
    /// `--mail-from`
    pub mail_from: Option<Mailbox>,
    /// `--mail-ca-file`
    pub mail_ca_file: Option<PathBuf>,
    /// `--mail-templates`
    pub mail_templates: Option<PathBuf>,
    /// `--public-url`, without a slash at its end.
    pub public_url: Option<String>,
    /// `--trusted-proxies`, each with the length of its prefix.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// `--listen`
    pub listen: Address,
    /// `--ops-listen`
    pub ops_listen: Address,
    /// `--key-file`
    pub key_file: Option<PathBuf>,
    /// `--service-tokens-file`
    pub service_tokens_file: Option<PathBuf>,
    /// `--mail-allow-hosts`, which only `run` takes.
    pub mail_allow_hosts: Vec<String>,
}

/// No value that can hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("mail_url", &self.mail_url)
            .field("public_url", &self.public_url)
            .field("listen", &self.listen)
            .field("ops_listen", &self.ops_listen)
            .finish_non_exhaustive()
    }
}

/// An address to listen on, and the flag that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `--listen` or `--ops-listen`
    pub flag: &'static str,
    /// Where.
    pub at: SocketAddr,
}

impl Shared {
    /// Checks every setting.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let Self {
            database_url,
            mail_url,
            mail_from,
            mail_ca_file,
            mail_templates,
            public_url,
            trusted_proxies,
            listen,
            ops_listen,
            key_file,
            service_tokens_file,
            log: _,
            log_format: _,
        } = self;
        let mail_from = given(mail_from.as_deref()).map(Mailbox::parse).transpose();
        Ok(Settings {
            database_url: database(database_url)?,
            mail_url: MailUrl::parse(mail_url)?,
            mail_from: mail_from.map_err(|_| ConfigError::MailFrom)?,
            mail_ca_file: mail_ca_file.clone().filter(|path| !path.as_os_str().is_empty()),
            mail_templates: mail_templates.clone().filter(|path| !path.as_os_str().is_empty()),
            public_url: given(public_url.as_deref()).map(base).transpose()?,
            trusted_proxies: networks(trusted_proxies)?,
            listen: address("--listen", listen)?,
            ops_listen: address("--ops-listen", ops_listen)?,
            key_file: key_file.clone().filter(|path| !path.as_os_str().is_empty()),
            service_tokens_file: service_tokens_file
                .clone()
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            mail_allow_hosts: vec![],
        })
    }
}

/// An empty variable is one that is not set: manifests cannot leave one out.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn database(url: &str) -> Result<String, ConfigError> {
    let url = url.trim();
    let server = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if server || store::sqlite_path(url).is_some() {
        Ok(url.to_owned())
    } else {
        Err(ConfigError::DatabaseUrl)
    }
}

fn base(text: &str) -> Result<String, ConfigError> {
    let url = url::Url::parse(text).map_err(|_| ConfigError::PublicUrl("with its scheme"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(ConfigError::PublicUrl("beginning with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::PublicUrl("without a user name and password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::PublicUrl("without ? and #"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn networks(texts: &[String]) -> Result<Vec<(IpAddr, u8)>, ConfigError> {
    let texts = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    let network = |text: &str| {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok())?;
        (prefix <= most).then_some((address, prefix))
    };
    texts.map(|text| network(text).ok_or(ConfigError::TrustedProxies)).collect()
}

fn address(flag: &'static str, text: &str) -> Result<Address, ConfigError> {
    let text = text.trim();
    let at = match text.parse() {
        Ok(at) => Some(at),
        // A name such as localhost; the older protocol first, as people expect.
        Err(_) => {
            let mut found: Vec<SocketAddr> =
                text.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
            found.sort_by_key(SocketAddr::is_ipv6);
            found.first().copied()
        }
    };
    at.map(|at| Address { flag, at }).ok_or(ConfigError::Listen(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_of_links_has_a_scheme_and_nothing_after_its_path() {
        assert_eq!(base("https://a.example/").unwrap(), "https://a.example");
        assert_eq!(base("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base("https://a.example/accounts/").unwrap(), "https://a.example/accounts");
        for wrong in
            ["a.example", "ftp://a.example", "https://", "https://u:p@a.example", "https://a.example/?x=1"]
        {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_to_listen_on_has_a_host_and_a_port() {
        for right in ["127.0.0.1:8080", "localhost:0", "[::1]:80", "0.0.0.0:1"] {
            assert!(address("--listen", right).is_ok(), "{right}");
        }
        for wrong in ["8080", ":8080", "127.0.0.1", "a:b", "a:70000"] {
            assert!(address("--listen", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let of = |text: &str| networks(&[text.to_owned()]);
        assert_eq!(of("10.0.0.0/8").unwrap(), [("10.0.0.0".parse().unwrap(), 8)]);
        assert_eq!(of(" ::1 ").unwrap(), [("::1".parse().unwrap(), 128)]);
        assert!(of("").unwrap().is_empty());
        for wrong in ["proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "/8"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_error_repeats_a_value_that_may_hold_a_password() {
        for wrong in ["mysql://u:secret@h/d", "secret", ""] {
            assert!(!database(wrong).unwrap_err().to_string().contains("secret"));
        }
    }
}
