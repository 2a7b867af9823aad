//! The mails of a command: the worker behind `run`, the last round of `apply`,
//! and the servers that they go through.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::AppError;
use crate::config::Settings;
use crate::engine::{Engine, Surroundings};
use crate::mail::{AddressPolicy, CaBundle, MailUrl, Mailbox, Templates, Transport};
use crate::outbox::{Metrics, Outbox, Prober, Sender, Servers};

pub use crate::outbox::Drained;

/// Sends what the outbox holds, and tries the servers of tenants.
#[derive(Clone)]
pub struct Post {
    outbox: Outbox,
    prober: Prober,
    metrics: Metrics,
}

/// The texts of mails: the built-in ones, with those of `--mail-templates` in
/// their place.
pub fn templates(settings: &Settings) -> Result<Templates, AppError> {
    let templates = match &settings.mail_templates {
        None => Templates::embedded(),
        Some(folder) => Templates::with_overrides(folder),
    };
    templates.map_err(AppError::MailTemplates)
}

/// The servers that mails go through. `public_only` binds those of tenants to
/// public addresses, with these exceptions.
pub(super) fn servers(
    settings: &Settings,
    world: Arc<dyn Surroundings>,
    public_only: Option<Vec<String>>,
) -> Result<Servers, AppError> {
    let roots = settings.mail_ca_file.as_deref().map(CaBundle::read).transpose()?;
    let own = Transport::from_url(settings.mail_url.clone(), roots.clone())?;
    let policy = match public_only {
        None => AddressPolicy::Any,
        Some(allow_hosts) => AddressPolicy::Public { allow_hosts },
    };
    Ok(Servers::new(own, policy, roots, world))
}

/// The sender of tenants that name none. A folder takes mail from anybody; a
/// server wants a sender that is true.
pub(super) fn sender(settings: &Settings) -> Option<Mailbox> {
    let nobody = || match settings.mail_url {
        MailUrl::Directory(_) => Mailbox::parse("tenantry@localhost.invalid").ok(),
        MailUrl::Smtp(_) => None,
    };
    settings.mail_from.clone().or_else(nobody)
}

impl Post {
    /// A worker for the mails of the engine's source. `base` is that of links;
    /// `public_only` binds the servers of tenants to public addresses, with
    /// these exceptions.
    pub fn new(
        settings: &Settings,
        engine: Engine,
        base: Option<String>,
        world: Arc<dyn Surroundings>,
        public_only: Option<Vec<String>>,
    ) -> Result<Self, AppError> {
        let sender = Sender { templates: Arc::new(templates(settings)?), from: sender(settings), base };
        let metrics = Metrics::default();
        let prober = Prober::new(engine.clone(), servers(settings, world.clone(), public_only.clone())?);
        let outbox = Outbox::new(engine, servers(settings, world, public_only)?, sender, metrics.clone());
        Ok(Self { outbox, prober, metrics })
    }

    /// Adds its numbers to those that monitoring reads.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Sends until `stop`, then finishes what is under way. Beside that, tries
    /// the servers that tenants name.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.outbox.run(stop.clone()), self.prober.run(stop));
    }

    /// Tries those servers of tenants that have not been found to work, for at
    /// most `bound`.
    pub async fn try_servers(&self, bound: Duration) -> Result<(), AppError> {
        Ok(self.prober.settle(bound).await?)
    }

    /// Sends the mail that is queued for one account, unless another process
    /// has it already.
    pub async fn send_to(&self, account: Uuid) -> Result<bool, AppError> {
        Ok(self.outbox.send_to(account).await?)
    }

    /// Sends what is due now, for at most `bound`.
    pub async fn drain(&self, bound: Duration) -> Result<Drained, AppError> {
        Ok(self.outbox.drain(bound).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::ControllerConfig;

    /// Names of series without the endings that kinds of metrics add.
    fn names(text: &str) -> std::collections::BTreeSet<String> {
        let described = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
        described.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }

    #[test]
    fn every_metric_is_documented_and_no_other() {
        let mut registry = Registry::default();
        Metrics::default().register(&mut registry);
        ControllerConfig::default().metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
        let documented = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let documented: std::collections::BTreeSet<String> =
            documented.map(|name| name.trim_end_matches("_total").to_owned()).collect();
        let names = names(&text);
        assert!(names.is_subset(&documented), "{names:?}");
        // A metric with labels shows once it has a value.
        for name in documented.difference(&names) {
            let word = name.strip_prefix("tenantry_controller_").unwrap();
            let registered = format!("registry.register(\"{word}\"");
            assert!(include_str!("../controller/metrics.rs").contains(&registered), "{name}");
        }
    }
}
