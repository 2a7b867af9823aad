//! What the outbox counts. No label names a tenant or a person.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters of the outbox; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(super) sent: Counter,
    pub(super) deferred: Counter,
    pub(super) failed: Counter,
    pub(super) dropped: Counter,
    pub(super) waiting: Gauge,
    pub(super) oldest: Gauge,
}

impl Metrics {
    /// Makes them visible on `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("mails_sent", "Mails that a server accepted", self.sent.clone());
        registry.register("mails_deferred", "Attempts that will be repeated", self.deferred.clone());
        registry.register("mails_failed", "Mails given up", self.failed.clone());
        registry.register("mails_dropped", "Mails whose link was no longer wanted", self.dropped.clone());
        registry.register("mails_waiting", "Mails in the outbox", self.waiting.clone());
        registry.register(
            "mails_oldest_seconds",
            "Age of the oldest mail in the outbox",
            self.oldest.clone(),
        );
    }
}
