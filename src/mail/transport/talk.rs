//! One conversation with a mail server, step by step: lettre's SMTP client,
//! with a time limit on every command and a failure that knows how far the
//! conversation came.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::{DEFAULT_MECHANISMS, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::certificate;
use super::failure::{SendError, Step, clean};
use super::hello::Pen;
use super::policy::AddressPolicy;
use super::seen::{Encryption, Facts, Observer};
use super::stream::{Encrypted, Guarded};
use super::{Accepted, Turn};
use crate::failpoint;
use crate::mail::settings::{Credentials, ServerSettings, Tls};

type SmtpError = lettre::transport::smtp::Error;

/// Whom with, until when, how long for the answer to a message, and who
/// watches.
pub(super) struct Talk<'a> {
    pub(super) server: String,
    pub(super) command: Duration,
    pub(super) deadline: Instant,
    pub(super) answer: Duration,
    pub(super) observer: Option<&'a dyn Observer>,
}

impl Talk<'_> {
    /// From nothing to a connection that takes messages.
    pub(super) async fn open(
        &self,
        settings: &ServerSettings,
        tls: Option<&TlsParameters>,
        policy: &AddressPolicy,
    ) -> Result<AsyncSmtpConnection, SendError> {
        let began = Instant::now();
        let addresses = self.resolve(settings, policy).await?;
        self.tell(Step::Resolve, began, || Facts::Addresses(addresses.iter().map(SocketAddr::ip).collect()));
        let began = Instant::now();
        let stream = self.connect(&addresses).await?;
        if let Ok(address) = stream.peer_addr() {
            self.tell(Step::Connect, began, || Facts::Address(address));
        }
        let hello = hello_name(&stream);
        let pen = if self.observer.is_some() { Pen::writing() } else { Pen::default() };
        let stream = Guarded::new(stream, pen.clone());

        let mut connection = match (settings.tls, tls) {
            (Tls::Implicit, Some(tls)) => {
                let began = Instant::now();
                let handshake = Encrypted::handshake(stream, tls.clone());
                let stream = Box::new(self.step(Step::Tls, handshake, public).await?);
                self.tell(Step::Tls, began, || encryption(&pen, stream.certificate()));
                let began = Instant::now();
                let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
                let connection = self.step(Step::Greeting, greeting, public).await?;
                self.tell(Step::Greeting, began, || greeted(&pen, &connection));
                connection
            }
            _ => {
                let began = Instant::now();
                let stream = Box::new(stream);
                let greeting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
                let connection = self.step(Step::Greeting, greeting, public).await?;
                self.tell(Step::Greeting, began, || greeted(&pen, &connection));
                connection
            }
        };
        if let (Tls::StartTls, Some(tls)) = (settings.tls, tls) {
            if !connection.can_starttls() {
                let what = "does not offer STARTTLS; use a server or port that does, \
                            or TLS from the first byte (smtps://)";
                return Err(SendError::settings(&self.server, Step::Tls, what, None));
            }
            let began = Instant::now();
            self.step(Step::Tls, connection.starttls(tls.clone(), &hello), public).await?;
            self.tell(Step::Tls, began, || encryption(&pen, connection.peer_certificate().ok()));
        }
        if let Some(credentials) = &settings.credentials {
            let began = Instant::now();
            let login = credentials.to_lettre();
            let mechanism = connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS);
            let sign_in = connection.auth(DEFAULT_MECHANISMS, &login);
            let reply = self.step(Step::SignIn, sign_in, |words| without(words, credentials)).await?;
            self.tell(Step::SignIn, began, || Facts::SignIn {
                mechanism: mechanism.map(|mechanism| mechanism.to_string()).unwrap_or_default(),
                reply: without(&words(&reply), credentials),
            });
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
        self.say(Step::Sender, connection.command(sender), quoting).await?;
        failpoint::reach("recipient");
        for recipient in envelope.to() {
            let recipient = Rcpt::new(recipient.clone(), Vec::new());
            self.say(Step::Recipient, connection.command(recipient), quoting).await?;
        }
        failpoint::reach("data");
        self.say(Step::Data, connection.command(Data), quoting).await?;
        failpoint::reach("turn");
        if !timeout_at(self.deadline, turn.take()).await.unwrap_or(false) {
            return Ok(None);
        }
        failpoint::reach("text");
        let reply = self.say(Step::Message, connection.message(bytes), quoting).await?;
        failpoint::reach("answer");
        Ok(Some(Accepted { reply: quoting(&words(&reply)) }))
    }

    /// A step that the server answers with words.
    async fn say(
        &self,
        step: Step,
        doing: impl Future<Output = Result<Response, SmtpError>>,
        censor: impl Fn(&str) -> String + Copy,
    ) -> Result<Response, SendError> {
        let began = Instant::now();
        let reply = self.step(step, doing, censor).await?;
        self.tell(step, began, || Facts::Reply(censor(&words(&reply))));
        Ok(reply)
    }

    /// Tells whoever watches.
    fn tell(&self, step: Step, began: Instant, facts: impl FnOnce() -> Facts) {
        if let Some(observer) = self.observer {
            observer.seen(step, began.elapsed(), facts());
        }
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

/// A server's whole reply on one line.
fn words(reply: &Response) -> String {
    let lines: Vec<&str> = reply.message().collect();
    format!("{} {}", reply.code(), lines.join(" "))
}

fn greeted(pen: &Pen, connection: &AsyncSmtpConnection) -> Facts {
    let info = connection.server_info();
    let known = [Extension::EightBitMime, Extension::SmtpUtfEight, Extension::StartTls];
    let mechanisms = [Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2];
    let all = known.into_iter().chain(mechanisms.map(Extension::Authentication));
    let offers = all.filter(|extension| info.supports_feature(*extension));
    Facts::Greeting {
        words: public(&pen.greeting()),
        offers: offers.map(|offer| offer.to_string()).collect(),
    }
}

fn encryption(pen: &Pen, certificate: Option<Vec<u8>>) -> Facts {
    let chosen = pen.chosen();
    Facts::Encryption(Encryption {
        protocol: chosen.map(super::hello::Chosen::protocol),
        cipher: chosen.map(super::hello::Chosen::cipher),
        trusted: true,
        certificate: certificate.as_deref().and_then(certificate::read),
    })
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
