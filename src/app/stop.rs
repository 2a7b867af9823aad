//! Stopping: the first signal asks politely, and what has begun is finished;
//! a second one, or 25 seconds, and everything stops where it is. Kubernetes
//! kills after 30.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long work under way may take after the first signal.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// The two ways to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Take no new work; finish what has begun.
    pub soft: CancellationToken,
    /// Drop everything.
    pub hard: CancellationToken,
}

impl Stop {
    /// Listens to SIGTERM, SIGINT and ctrl-c.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let mut signals = Signals::new()?;
        let told = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = signals.next() => tracing::info!("stopping; a second signal stops at once"),
                () = told.soft.cancelled() => {}
            }
            told.soft.cancel();
            tokio::select! {
                () = signals.next() => {}
                () = tokio::time::sleep(PATIENCE) => tracing::warn!("work did not end in time; stopping anyway"),
            }
            told.hard.cancel();
        });
        Ok(stop)
    }
}

#[cfg(unix)]
struct Signals {
    term: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
