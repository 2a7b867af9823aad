//! Through which server a tenant's mail goes: the nearest Tenant above that
//! names one, with credentials from a labelled Secret in that Tenant's own
//! namespace; otherwise the process's own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::ExposeSecret as _;
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

/// All servers that mails go through.
pub struct Servers {
    own: Server,
    policy: AddressPolicy,
    roots: Option<CaBundle>,
    surroundings: Arc<dyn Surroundings>,
    tenants: Mutex<HashMap<String, Server>>,
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
        Self { own: Server::new("own", own), policy, roots, surroundings, tenants: Mutex::default() }
    }

    /// The server for a tenant: its own setting, as inherited, or the process's.
    pub(super) async fn of(&self, setting: Option<(&ObjectKey, &MailServer)>) -> Result<Server, Unusable> {
        let Some((tenant, setting)) = setting else {
            return Ok(self.own.clone());
        };
        let credentials = match &setting.credentials {
            None => None,
            Some(name) => Some(self.credentials(&tenant.namespace, name).await?),
        };
        let spelled =
            credentials.as_ref().map(|(user, password)| format!("{user}\n{}", password.expose_secret()));
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
        let tls = match setting.tls.as_str() {
            "Implicit" => Tls::Implicit,
            "None" => Tls::None,
            _ => Tls::StartTls,
        };
        let unusable = |error: &dyn std::error::Error| {
            Unusable(format!("the mail server of {tenant} cannot be used: {error}"))
        };
        let credentials = credentials
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
        let server = Server::new(&at, Transport::Smtp(transport));
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(at, server.clone());
        Ok(server)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Server>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn credentials(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(String, secrecy::SecretString), Unusable> {
        // The words go into the status of accounts below, whose readers need
        // not learn the names of Secrets above them (R4).
        let unreadable = |why: &str| {
            tracing::warn!(%namespace, secret = %name, why, "the credentials of a mail server cannot be used");
            Unusable(format!(
                "the Secret of the mail server {why}; the condition MailReady of the Tenant that names the server says more"
            ))
        };
        let found =
            self.surroundings.secret(namespace, name).await.map_err(|error| Unusable(error.to_string()))?;
        let SecretFact::Found { labels, data } = found else {
            return Err(unreadable("does not exist or may not be read"));
        };
        if labels.get(USE_LABEL).map(String::as_str) != Some("mail") {
            return Err(unreadable("lacks the label tenantry.dev/use: mail"));
        }
        let value =
            |key: &str| data.get(key).cloned().ok_or_else(|| unreadable(&format!("has no key {key}")));
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
