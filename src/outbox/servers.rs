//! Through which server a tenant's mail goes: the nearest Tenant above that
//! names one, with credentials from a labelled Secret in that Tenant's own
//! namespace; otherwise the process's own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::api::USE_LABEL;
use crate::domain::key::digest;
use crate::domain::object::ObjectKey;
use crate::domain::tenant::MailServer;
use crate::engine::{SecretFact, Surroundings};
use crate::mail::{
    AddressPolicy, CaBundle, Credentials, ServerSettings, SmtpTransport, Timeouts, Tls, Transport,
};

/// Servers whose connections are kept.
const KEPT: usize = 256;
/// How long credentials that were read are used without reading them again:
/// ten thousand invitations are not ten thousand reads of one Secret.
const CREDENTIALS_LAST: Duration = Duration::from_secs(10);

/// One server.
#[derive(Clone)]
pub(super) struct Server {
    /// Tells servers apart, each with its credentials; nothing to show.
    pub(super) name: Arc<str>,
    pub(super) transport: Transport,
    /// Who may say the last line of a message to it: one at a time.
    pub(super) last_line: Arc<Semaphore>,
    slow: Arc<AtomicBool>,
}

impl Server {
    pub(super) fn new(name: &str, transport: Transport) -> Self {
        Self { name: name.into(), transport, last_line: Arc::new(Semaphore::new(1)), slow: Arc::default() }
    }

    /// Whether it took its time over the last message.
    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    pub(super) fn set_slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::Relaxed);
    }
}

/// A tenant's server cannot be used as its settings are.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

/// Why there is no way to a tenant's server.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// Its Secret.
    #[error("Secret {name} in namespace {namespace} {problem}")]
    Secret {
        /// Where the Secret should be.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong with it, and what to do.
        problem: SecretProblem,
    },
    /// It cannot be asked for at the moment.
    #[error("{0}")]
    Unavailable(String),
    /// Its settings.
    #[error("the mail server of {tenant} cannot be used: {why}")]
    Settings {
        /// The Tenant that names it.
        tenant: ObjectKey,
        /// What is wrong.
        why: String,
    },
}

/// What is wrong with a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretProblem {
    /// Not there, or closed.
    #[error(
        "does not exist or may not be read; create it with the keys username and password and the label tenantry.dev/use: mail"
    )]
    Absent,
    /// Not for mail.
    #[error("lacks the label tenantry.dev/use: mail; label it if Tenantry may use it")]
    NotForMail,
    /// A key is missing.
    #[error("has no key {0}; add it")]
    NoKey(&'static str),
}

impl SecretProblem {
    /// For people below the tenant, who need not learn how to mend it.
    const fn briefly(self) -> &'static str {
        match self {
            Self::Absent => "does not exist or may not be read",
            Self::NotForMail => "lacks the label tenantry.dev/use: mail",
            Self::NoKey(_) => "lacks username or password",
        }
    }
}

impl From<Unready> for Unusable {
    /// The words go into the status of accounts below, whose readers need not
    /// learn the names of Secrets above them (R4).
    fn from(unready: Unready) -> Self {
        let Unready::Secret { namespace, name, problem } = &unready else {
            return Self(unready.to_string());
        };
        let why = problem.briefly();
        tracing::warn!(%namespace, secret = %name, why, "the credentials of a mail server cannot be used");
        Self(format!(
            "the Secret of the mail server {why}; the condition MailReady of the Tenant that names the server says more"
        ))
    }
}

/// User name and password.
type Login = (String, SecretString);

/// All servers that mails go through.
pub struct Servers {
    own: Server,
    policy: AddressPolicy,
    roots: Option<CaBundle>,
    surroundings: Arc<dyn Surroundings>,
    tenants: Mutex<HashMap<String, Server>>,
    logins: Mutex<HashMap<(String, String), (Instant, Login)>>,
}

impl Servers {
    /// `own` is the process's transport; `policy` says which addresses the
    /// servers of tenants may have.
    pub fn new(
        own: Transport,
        policy: AddressPolicy,
        roots: Option<CaBundle>,
        surroundings: Arc<dyn Surroundings>,
    ) -> Self {
        let own = Server::new("own", own);
        Self { own, policy, roots, surroundings, tenants: Mutex::default(), logins: Mutex::default() }
    }

    /// The server for a tenant: its own setting, as inherited, or the process's.
    pub(super) async fn of(&self, setting: Option<(&ObjectKey, &MailServer)>) -> Result<Server, Unusable> {
        let Some((tenant, setting)) = setting else {
            return Ok(self.own.clone());
        };
        let login = match &setting.credentials {
            None => None,
            Some(name) => Some(self.recent_login(&tenant.namespace, name).await?),
        };
        let spelled = login.as_ref().map(|(user, password)| format!("{user}\n{}", password.expose_secret()));
        let at = digest(&format!(
            "{}\n{}\n{}\n{}",
            setting.host,
            setting.port,
            setting.tls,
            spelled.unwrap_or_default()
        ));
        if let Some(server) = self.kept().get(&at) {
            return Ok(server.clone());
        }
        let server = Server::new(&at, self.way_to(tenant, setting, login)?);
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(at, server.clone());
        Ok(server)
    }

    /// A way of its own to the server for a tenant, with credentials as they
    /// are now: for whoever tries a server out.
    ///
    /// # Errors
    /// In words for those who may mend it.
    pub async fn transport(&self, setting: Option<(&ObjectKey, &MailServer)>) -> Result<Transport, Unready> {
        let Some((tenant, setting)) = setting else {
            return Ok(self.own.transport.clone());
        };
        let login = match &setting.credentials {
            None => None,
            Some(name) => Some(self.login(&tenant.namespace, name).await?),
        };
        self.way_to(tenant, setting, login)
    }

    fn way_to(
        &self,
        tenant: &ObjectKey,
        setting: &MailServer,
        login: Option<Login>,
    ) -> Result<Transport, Unready> {
        let tls = match setting.tls.as_str() {
            "Implicit" => Tls::Implicit,
            "None" => Tls::None,
            _ => Tls::StartTls,
        };
        let unusable = |error: &dyn std::error::Error| Unready::Settings {
            tenant: tenant.clone(),
            why: error.to_string(),
        };
        let credentials = login
            .map(|(user, password)| Credentials::new(user, password))
            .transpose()
            .map_err(|error| unusable(&error))?;
        let mut settings = ServerSettings::new(&setting.host, Some(setting.port), tls, credentials)
            .map_err(|error| unusable(&error))?;
        if let Some(roots) = self.roots.clone() {
            settings = settings.with_extra_roots(roots);
        }
        let transport = SmtpTransport::new(settings, self.policy.clone(), Timeouts::default())
            .map_err(|error| unusable(&error))?;
        Ok(Transport::Smtp(transport))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Server>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn logins(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), (Instant, Login)>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Credentials that are not older than a few seconds.
    async fn recent_login(&self, namespace: &str, name: &str) -> Result<Login, Unready> {
        let at = (namespace.to_owned(), name.to_owned());
        {
            let mut logins = self.logins();
            logins.retain(|_, (read, _)| read.elapsed() < CREDENTIALS_LAST);
            if let Some((_, login)) = logins.get(&at) {
                return Ok(login.clone());
            }
        }
        let login = self.login(namespace, name).await?;
        self.logins().insert(at, (Instant::now(), login.clone()));
        Ok(login)
    }

    async fn login(&self, namespace: &str, name: &str) -> Result<Login, Unready> {
        let unreadable =
            |problem| Unready::Secret { namespace: namespace.to_owned(), name: name.to_owned(), problem };
        let found = self
            .surroundings
            .secret(namespace, name)
            .await
            .map_err(|error| Unready::Unavailable(error.to_string()))?;
        let SecretFact::Found { labels, data } = found else {
            return Err(unreadable(SecretProblem::Absent));
        };
        if labels.get(USE_LABEL).map(String::as_str) != Some("mail") {
            return Err(unreadable(SecretProblem::NotForMail));
        }
        let value =
            |key: &'static str| data.get(key).cloned().ok_or_else(|| unreadable(SecretProblem::NoKey(key)));
        Ok((value("username")?.expose_secret().to_owned(), value("password")?))
    }

    /// Says goodbye on every connection that is kept.
    pub(super) async fn hang_up(&self) {
        let kept: Vec<Server> = self.kept().drain().map(|(_, server)| server).collect();
        for server in kept.iter().chain([&self.own]) {
            server.transport.hang_up().await;
        }
    }
}
