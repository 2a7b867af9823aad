//! What can go wrong with one object, what that means, and how long to wait.
//! The worker asks; nothing else decides. An outage that hits every object is
//! told once when it begins and once when it is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::object::ObjectKey;
use crate::domain::verdict::with_causes;
use crate::engine::EngineError;

/// Why a pass over one object ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The engine or the database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The register could not be read.
    #[error("the register of objects could not be read")]
    Store(#[from] crate::store::StoreError),
    /// The API server said no, or could not be asked.
    #[error("{what} failed")]
    Call {
        /// What was tried, in words.
        what: &'static str,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{what} took too long")]
    TimedOut {
        /// What was tried, in words.
        what: &'static str,
    },
}

/// What a failure means for what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The object has changed meanwhile; the watch brings the new state.
    Conflict,
    /// The object has gone meanwhile; the watch says so.
    Gone,
    /// The database cannot be reached, or is busy beyond patience.
    Database,
    /// The API server cannot be reached, or is too busy.
    Api,
    /// A right is missing; only an administrator helps.
    Forbidden,
    /// Anything else: a fault of the program or of the data.
    Fault,
}

impl Class {
    /// For metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Database => "database_unavailable",
            Self::Api => "api_unavailable",
            Self::Forbidden => "forbidden",
            Self::Fault => "failed",
        }
    }

    /// Bounds of the wait before the next attempt. What hits every object at
    /// once has a low one, so that all goes on soon after it is over.
    fn bounds(self) -> (Duration, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::Conflict | Self::Gone => (Duration::from_millis(250), seconds(30)),
            Self::Database => (seconds(1), seconds(5)),
            Self::Api => (seconds(1), seconds(30)),
            Self::Forbidden | Self::Fault => (seconds(1), seconds(300)),
        }
    }

    /// The wait before attempt number `attempt` (from 1): exponential, the
    /// upper half of it random (`draw` in 0..1), so that crowds disperse.
    pub(super) fn wait(self, attempt: u32, draw: f64) -> Duration {
        let (first, most) = self.bounds();
        let whole = first.saturating_mul(1 << attempt.saturating_sub(1).min(12)).min(most);
        whole.mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
    }
}

impl Failure {
    /// What it means.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Engine(EngineError::Store { source, .. }) | Self::Store(source)
                if source.is_transient() =>
            {
                Class::Database
            }
            // What the surroundings could not tell; their error is the client's.
            Self::Engine(EngineError::Outside { source, .. }) => {
                source.source.downcast_ref::<kube::Error>().map_or(Class::Api, class_of)
            }
            Self::TimedOut { .. } => Class::Api,
            Self::Engine(_) | Self::Store(_) => Class::Fault,
            Self::Call { source, .. } => class_of(source),
        }
    }

    /// For the log, with its causes.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Call { what, source } => format!("{what} failed: {}", told(source)),
            Self::Engine(EngineError::Outside { source, .. })
                if let Some(error) = source.source.downcast_ref::<kube::Error>() =>
            {
                format!("{source}: {}", told(error))
            }
            other => with_causes(other),
        }
    }
}

fn class_of(error: &kube::Error) -> Class {
    match error {
        kube::Error::Api(status) if status.is_conflict() => Class::Conflict,
        kube::Error::Api(status) if status.is_not_found() => Class::Gone,
        kube::Error::Api(status) if status.is_forbidden() => Class::Forbidden,
        kube::Error::Api(status) if status.code == 429 || status.code == 401 || status.code >= 500 => {
            Class::Api
        }
        kube::Error::Api(_) | kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => Class::Fault,
        _ => Class::Api,
    }
}

/// An error of the client for the log. The API server's own words are passed on
/// only where they name a right: elsewhere they may quote values of the object.
pub(super) fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => status.message.clone(),
        kube::Error::Api(status) => format!("the API server answered {} {}", status.code, status.reason),
        other => {
            let mut root: &dyn std::error::Error = other;
            while let Some(cause) = root.source() {
                root = cause;
            }
            format!("the API server cannot be reached: {root}")
        }
    }
}

/// How often each object has failed in a row.
#[derive(Default)]
pub(super) struct Outages {
    attempts: Mutex<HashMap<ObjectKey, u32>>,
    database: AtomicBool,
    api: AtomicBool,
}

impl Outages {
    /// Counts and tells a failure; gives the wait before the next attempt.
    pub(super) fn failed(&self, key: &ObjectKey, failure: &Failure) -> Duration {
        let class = failure.class();
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
            let attempt = attempts.entry(key.clone()).or_default();
            *attempt = attempt.saturating_add(1);
            *attempt
        };
        let (kind, namespace, name) = (key.kind, &key.namespace, &key.name);
        match class {
            Class::Database => self.database_is_down(&failure.told()),
            Class::Api => {
                if !self.api.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%kind, %namespace, %name, "{}; trying again until it answers", failure.told());
                }
            }
            Class::Conflict | Class::Gone => {
                tracing::debug!(%kind, %namespace, %name, "{}", failure.told());
            }
            Class::Forbidden => tracing::warn!(
                %kind, %namespace, %name,
                "{}; grant it as the ClusterRole tenantry-controller in manifests/base does", failure.told()
            ),
            Class::Fault => tracing::error!(%kind, %namespace, %name, attempt, "{}", failure.told()),
        }
        class.wait(attempt, rand::random())
    }

    /// A pass has gone through: the database answers, and so does the API
    /// server if it was written to.
    pub(super) fn succeeded(&self, key: &ObjectKey, wrote: bool) {
        self.forget(key);
        self.database_is_up();
        if wrote && self.api.swap(false, Ordering::Relaxed) {
            tracing::info!("the API server answers again");
        }
    }

    /// The object needs no more attempts.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(super) fn database_is_down(&self, why: &str) {
        if !self.database.swap(true, Ordering::Relaxed) {
            tracing::warn!("the database does not answer: {why}; trying again until it does");
        }
    }

    pub(super) fn database_is_up(&self) {
        if self.database.swap(false, Ordering::Relaxed) {
            tracing::info!("the database answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn call(code: u16, reason: &str) -> Failure {
        let status = Status::failure("Invalid value: \"kim@example.org\"", reason).with_code(code);
        Failure::Call { what: "writing the status", source: Box::new(kube::Error::Api(Box::new(status))) }
    }

    #[test]
    fn the_api_servers_answers_are_told_apart() {
        assert_eq!(call(409, "Conflict").class(), Class::Conflict);
        assert_eq!(call(404, "NotFound").class(), Class::Gone);
        assert_eq!(call(403, "Forbidden").class(), Class::Forbidden);
        assert_eq!(call(429, "TooManyRequests").class(), Class::Api);
        assert_eq!(call(503, "ServiceUnavailable").class(), Class::Api);
        assert_eq!(call(422, "Invalid").class(), Class::Fault);
    }

    #[test]
    fn a_log_line_does_not_repeat_values_that_the_api_server_quotes() {
        let told = call(422, "Invalid").told();
        assert_eq!(told, "writing the status failed: the API server answered 422 Invalid");
    }

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let wait = |attempt, draw| Class::Fault.wait(attempt, draw);
        assert_eq!(wait(1, 1.0), Duration::from_secs(1));
        assert_eq!(wait(1, 0.0), Duration::from_millis(500));
        assert_eq!(wait(4, 1.0), Duration::from_secs(8));
        assert_eq!(wait(1000, 1.0), Duration::from_secs(300));
        assert_eq!(Class::Database.wait(1000, 1.0), Duration::from_secs(5));
    }
}
