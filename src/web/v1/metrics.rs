//! What is counted of the calls of programs. No label names a person.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// One sort of call with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Call {
    /// Method and path as documented; `none` for any other.
    pub(super) endpoint: String,
    /// `ok`, or the problem.
    pub(super) outcome: &'static str,
}

/// Counters of the program interface; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    calls: Family<Call, Counter>,
    seconds: Family<Call, Counter<f64, std::sync::atomic::AtomicU64>>,
}

impl Metrics {
    /// Makes them visible on `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("program_calls", "Calls of programs by endpoint and outcome", self.calls.clone());
        registry.register("program_seconds", "Time that these calls took", self.seconds.clone());
    }

    pub(super) fn count(&self, call: Call, took: Duration) {
        self.seconds.get_or_create(&call).inc_by(took.as_secs_f64());
        self.calls.get_or_create(&call).inc();
    }
}
