//! What the outbox counts. No label names a tenant or a person.
//! `docs/metrics.md` lists every name.

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
    pub(super) queued: Gauge,
    pub(super) oldest: Gauge,
}

impl Metrics {
    /// Makes them visible on `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("tenantry_mails");
        registry.register("sent", "Mails that a server accepted from this process", self.sent.clone());
        registry.register("deferred", "Failed attempts that will be repeated", self.deferred.clone());
        registry.register("failed", "Mails given up", self.failed.clone());
        registry.register("dropped", "Mails whose link was no longer wanted", self.dropped.clone());
        registry.register("queued", "Mails in the queue, of all processes", self.queued.clone());
        registry.register(
            "oldest_queued_seconds",
            "Age of the oldest mail in the queue",
            self.oldest.clone(),
        );
    }

    /// Mails that a server accepted so far, for tests.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }
}
