//! One conversation with a mail server, step by step: lettre's SMTP client,
//! with a time limit on every command and a failure that knows how far the
//! conversation came.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::failure::{SendError, Step, clean};
use super::policy::AddressPolicy;
use super::stream::{Encrypted, Guarded};
use super::{Accepted, Turn};
use crate::failpoint;
use crate::mail::settings::{Credentials, ServerSettings, Tls};

type SmtpError = lettre::transport::smtp::Error;

/// Whom with, until when, and how long for the answer to a message.
pub(super) struct Talk {
    pub(super) server: String,
    pub(super) command: Duration,
    pub(super) deadline: Instant,
    pub(super) answer: Duration,
}

impl Talk {
    /// From nothing to a connection that takes messages.
    pub(super) async fn open(
        &self,
        settings: &ServerSettings,
        tls: Option<&TlsParameters>,
        policy: &AddressPolicy,
    ) -> Result<AsyncSmtpConnection, SendError> {
        let addresses = self.resolve(settings, policy).await?;
        let stream = self.connect(&addresses).await?;
        let hello = hello_name(&stream);
        let stream = Guarded::new(stream);

        let mut connection = match (settings.tls, tls) {
            (Tls::Implicit, Some(tls)) => {
                let handshake = Encrypted::handshake(stream, tls.clone());
                let stream = Box::new(self.step(Step::Tls, handshake, public).await?);
                let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
                self.step(Step::Greeting, greeting, public).await?
            }
            _ => {
                let stream = Box::new(stream);
                let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
                self.step(Step::Greeting, greeting, public).await?
            }
        };
        if let (Tls::StartTls, Some(tls)) = (settings.tls, tls) {
            if !connection.can_starttls() {
                let what = "does not offer STARTTLS; use a server or port that does, \
                            or TLS from the first byte (smtps://)";
                return Err(SendError::settings(&self.server, Step::Tls, what, None));
            }
            self.step(Step::Tls, connection.starttls(tls.clone(), &hello), public).await?;
        }
        if let Some(credentials) = &settings.credentials {
            let login = credentials.to_lettre();
            let sign_in = connection.auth(DEFAULT_MECHANISMS, &login);
            self.step(Step::SignIn, sign_in, |words| without(words, credentials)).await?;
        }
        Ok(connection)
    }

    /// One message over an open connection; none if its turn did not come.
    pub(super) async fn transfer(
        &self,
        connection: &mut AsyncSmtpConnection,
        message: &Message,
        bytes: &[u8],
        turn: &dyn Turn,
    ) -> Result<Option<Accepted>, SendError> {
        let envelope = message.envelope();
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(SendError::unsendable(
                    "the mail server takes no address with letters outside ASCII; \
                     use another address, then resend",
                ));
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let quoting = |words: &str| clean(words, &String::from_utf8_lossy(bytes));

        failpoint::reach("sender");
        let sender = Mail::new(envelope.from().cloned(), parameters);
        self.step(Step::Sender, connection.command(sender), quoting).await?;
        failpoint::reach("recipient");
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            self.step(Step::Recipient, connection.command(recipient), quoting).await?;
        }
        failpoint::reach("data");
        self.step(Step::Data, connection.command(Data), quoting).await?;
        failpoint::reach("turn");
        if !timeout_at(self.deadline, turn.take()).await.unwrap_or(false) {
            return Ok(None);
        }
        failpoint::reach("text");
        let response = self.step(Step::Message, connection.message(bytes), quoting).await?;
        failpoint::reach("answer");
        let words: Vec<&str> = response.message().collect();
        Ok(Some(Accepted { reply: quoting(&format!("{} {}", response.code(), words.join(" "))) }))
    }

    /// Waits for one step as long as one step may take, and puts its failure
    /// into our words. `censor` makes the server's words fit to be shown.
    async fn step<T>(
        &self,
        step: Step,
        doing: impl Future<Output = Result<T, SmtpError>>,
        censor: impl Fn(&str) -> String,
    ) -> Result<T, SendError> {
        let limit = if step == Step::Message { Instant::now() + self.answer } else { self.limit() };
        match timeout_at(limit, doing).await {
            Ok(result) => result.map_err(|error| self.failure(step, &error, censor)),
            Err(_) => Err(SendError::silent(&self.server, step)),
        }
    }

    fn limit(&self) -> Instant {
        self.deadline.min(Instant::now() + self.command)
    }

    async fn resolve(
        &self,
        settings: &ServerSettings,
        policy: &AddressPolicy,
    ) -> Result<Vec<SocketAddr>, SendError> {
        let (host, port) = (settings.host(), settings.port());
        let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => match timeout_at(self.limit(), tokio::net::lookup_host((host, port))).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(error)) => {
                    let cause = Some(error.to_string());
                    let what = "cannot be found";
                    return Err(SendError::network(&self.server, Step::Resolve, what, cause));
                }
                Err(_) => return Err(SendError::silent(&self.server, Step::Resolve)),
            },
        };
        if addresses.is_empty() {
            return Err(SendError::network(&self.server, Step::Resolve, "has no address", None));
        }
        // One inward address among several is reason enough: which of them is
        // used would be up to whoever answers the look-up.
        if !addresses.iter().all(|address| policy.permits(host, address.ip())) {
            let what = "has a loopback, link-local or private address, which tenants may not use; \
                        the operator can permit the host with --mail-allow-hosts";
            return Err(SendError::settings(&self.server, Step::Resolve, what, None));
        }
        Ok(addresses)
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
        let mut failure = SendError::silent(&self.server, Step::Connect);
        for address in addresses {
            match timeout_at(self.limit(), TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // The message and its final dot are two writes; without
                    // this the dot waits for an acknowledgement of the first.
                    // A socket that cannot do it is merely slower.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    let cause = Some(error.to_string());
                    let what = "cannot be reached";
                    failure = SendError::network(&self.server, Step::Connect, what, cause);
                }
                Err(_) => failure = SendError::silent(&self.server, Step::Connect),
            }
        }
        Err(failure)
    }

    /// lettre's error in our words. It is not kept as a source, because it
    /// quotes the server, and the server quotes the recipient.
    fn failure(&self, step: Step, error: &SmtpError, censor: impl Fn(&str) -> String) -> SendError {
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        if let Some(code) = error.status() {
            return SendError::refused(&self.server, step, code.into(), censor(&said));
        }
        if error.is_response() {
            let what = match said.as_str() {
                "incomplete response" => "closed the connection",
                _ => "answered with something that is not SMTP",
            };
            return SendError::network(&self.server, step, what, None);
        }
        if error.is_client() {
            let what = match step {
                Step::SignIn => {
                    "offers no way to sign in that is known here (PLAIN, LOGIN); \
                     check the port, or leave out user name and password"
                }
                _ => "cannot be used with these settings; check its host, port and TLS",
            };
            return SendError::settings(&self.server, step, what, None);
        }
        let (cause, refused_by_tls) = innermost(error);
        if step == Step::Tls && refused_by_tls {
            return SendError::settings(&self.server, step, tls_advice(&cause), None);
        }
        SendError::network(&self.server, step, "broke off the connection", Some(cause))
    }
}

/// For steps in which nothing secret was said.
fn public(words: &str) -> String {
    clean(words, "")
}

/// A server that repeats what it was given to sign in with gets no hearing.
fn without(words: &str, credentials: &Credentials) -> String {
    if credentials.appear_in(words) { "<removed>".to_owned() } else { clean(words, "") }
}

/// The deepest cause, and whether the TLS library objected to what it was
/// given, as opposed to a connection that merely ended.
fn innermost(error: &SmtpError) -> (String, bool) {
    let mut refused_by_tls = false;
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        refused_by_tls |= deeper
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData);
        cause = deeper;
    }
    (cause.to_string(), refused_by_tls)
}

/// What to do about a failed handshake. The library's own text holds dates and
/// whole certificates, which have no place in a condition.
fn tls_advice(cause: &str) -> &'static str {
    if cause.contains("UnknownIssuer") {
        "has a certificate from an authority that is not trusted here; \
         name its CA certificate with --mail-ca-file"
    } else if cause.contains("expired") || cause.contains("Expired") {
        "has an expired certificate; renew it on the server"
    } else if cause.contains("not valid yet") || cause.contains("NotValidYet") {
        "has a certificate that is not valid yet; check the clocks on both sides"
    } else if cause.contains("not valid for name") || cause.contains("NotValidForName") {
        "has a certificate for another name; use the name in the certificate as host"
    } else if cause.contains("invalid peer certificate") {
        "has a certificate that cannot be accepted; check it on the server"
    } else if cause.contains("alert") {
        "refused the TLS handshake; check which TLS versions it accepts (1.2 or newer is needed)"
    } else {
        "does not speak TLS on this port; \
         check the port, and whether STARTTLS or TLS from the first byte is meant"
    }
}

/// RFC 5321 4.1.4: a client without a name of its own gives its address.
fn hello_name(stream: &TcpStream) -> ClientId {
    match stream.local_addr().map(|address| address.ip().to_canonical()) {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::default(),
    }
}
