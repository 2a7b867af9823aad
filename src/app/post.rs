//! The mails of a command: the worker behind `run`, and the last round of
//! `apply`.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Settings;
use crate::engine::{Engine, Surroundings};
use crate::mail::{AddressPolicy, CaBundle, MailUrl, Mailbox, Templates, Transport};
use crate::outbox::{Metrics, Outbox, Sender, Servers};

pub use crate::outbox::Drained;

/// Sends what the outbox holds.
#[derive(Clone)]
pub struct Post {
    outbox: Outbox,
    metrics: Metrics,
}

impl Post {
    /// A worker for the mails of one database. `base` is that of links;
    /// `public_only` binds the servers of tenants to public addresses, with
    /// these exceptions.
    pub fn new(
        settings: &Settings,
        engine: Engine,
        base: Option<String>,
        world: Arc<dyn Surroundings>,
        public_only: Option<Vec<String>>,
    ) -> Result<Self, AppError> {
        let roots = settings.mail_ca_file.as_deref().map(CaBundle::read).transpose()?;
        let own = Transport::from_url(settings.mail_url.clone(), roots.clone())?;
        let policy = match public_only {
            None => AddressPolicy::Any,
            Some(allow_hosts) => AddressPolicy::Public { allow_hosts },
        };
        let templates = Templates::embedded().map_err(|error| AppError::Outbox(error.into()))?;
        // A folder takes mail from anybody; a server wants a sender that is true.
        let nobody = || match settings.mail_url {
            MailUrl::Directory(_) => Mailbox::parse("tenantry@localhost.invalid").ok(),
            MailUrl::Smtp(_) => None,
        };
        let from = settings.mail_from.clone().or_else(nobody);
        let sender = Sender { templates: Arc::new(templates), from, base };
        let metrics = Metrics::default();
        let servers = Servers::new(own, policy, roots, world);
        Ok(Self { outbox: Outbox::new(engine, servers, sender, metrics.clone()), metrics })
    }

    /// Adds its numbers to those that monitoring reads.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Sends until `stop`, then finishes what is under way.
    pub async fn run(self, stop: CancellationToken) {
        self.outbox.run(stop).await;
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
