//! What the controller counts. Labels are kinds, results and resources, never
//! names of objects: their number must not grow with the cluster. Any part of
//! the controller counts here; `app` registers it for `/metrics`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::domain::object::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconciled {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Readiness {
    kind: &'static str,
    ready: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Written {
    resource: &'static str,
}

type Histograms = Family<OfKind, Histogram, fn() -> Histogram>;

/// The controller's counters; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    reconciles: Family<Reconciled, Counter>,
    seconds: Histograms,
    objects: Family<Readiness, Gauge>,
    writes: Family<Written, Counter>,
    dropped_events: Counter,
    queue: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            objects: Family::default(),
            writes: Family::default(),
            dropped_events: Counter::default(),
            queue: Gauge::default(),
        }
    }
}

/// From a pass that finds nothing to do to one that waits for a slow disk.
fn histogram() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}

impl Metrics {
    /// Makes them part of what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("tenantry_controller");
        registry.register("reconciles", "Passes by kind and result", self.reconciles.clone());
        registry.register("reconcile_seconds", "Duration of a pass by kind", self.seconds.clone());
        registry.register("objects", "Objects by kind and what Ready says", self.objects.clone());
        registry.register("api_writes", "Writes to the API server by resource", self.writes.clone());
        registry.register(
            "dropped_events",
            "Events that were not written because there were too many",
            self.dropped_events.clone(),
        );
        registry.register("queue_depth", "Objects that wait for a pass", self.queue.clone());
    }

    /// Writes to the API server so far, of all resources, for tests.
    pub fn api_writes(&self) -> u64 {
        ["finalizer", "status", "event"]
            .into_iter()
            .map(|resource| self.writes.get_or_create(&Written { resource }).get())
            .sum()
    }

    pub(super) fn reconciled(&self, kind: Kind, result: &'static str, took: Duration) {
        let kind = kind.as_str();
        self.reconciles.get_or_create(&Reconciled { kind, result }).inc();
        self.seconds.get_or_create(&OfKind { kind }).observe(took.as_secs_f64());
    }

    pub(super) fn object(&self, kind: Kind, ready: &'static str, step: i64) {
        self.objects.get_or_create(&Readiness { kind: kind.as_str(), ready }).inc_by(step);
    }

    pub(super) fn wrote(&self, resource: &'static str) {
        self.writes.get_or_create(&Written { resource }).inc();
    }

    pub(super) fn dropped_event(&self) {
        self.dropped_events.inc();
    }

    pub(super) fn queue_depth(&self, depth: usize) {
        self.queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_without_names_of_objects() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.reconciled(Kind::SubAdmin, "unchanged", Duration::from_millis(3));
        metrics.object(Kind::SubAdmin, "True", 1);
        metrics.wrote("status");
        metrics.queue_depth(4);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"tenantry_controller_reconciles_total{kind="SubAdmin",result="unchanged"} 1"#,
            r#"tenantry_controller_objects{kind="SubAdmin",ready="True"} 1"#,
            r#"tenantry_controller_api_writes_total{resource="status"} 1"#,
            "tenantry_controller_queue_depth 4",
        ] {
            assert!(text.contains(line), "{line} not in\n{text}");
        }
        assert_eq!(metrics.api_writes(), 1);
    }
}
