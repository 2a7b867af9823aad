//! How busy the engine is. What has time, such as mails that are queued, lets
//! passes go first: somebody waits for a pass, and nobody notices whether a
//! mail leaves a moment later. It is memory of one process.

use std::time::Duration;

use tokio::sync::watch;

/// The passes that are under way.
#[derive(Debug, Default)]
pub(super) struct Traffic(watch::Sender<usize>);

/// One pass; it is over when this is dropped.
pub(super) struct Pass<'a>(&'a Traffic);

impl Traffic {
    /// A pass begins.
    pub(super) fn pass(&self) -> Pass<'_> {
        self.0.send_modify(|passes| *passes += 1);
        Pass(self)
    }

    /// Waits until no pass is under way, at most for so long: passes that
    /// follow upon one another do not hold anything up for good.
    pub(super) async fn quiet(&self, at_most: Duration) {
        let mut passes = self.0.subscribe();
        let quiet = passes.wait_for(|passes| *passes == 0);
        // Both ends of the wait mean the same: go on.
        drop(tokio::time::timeout(at_most, quiet).await);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|passes| *passes -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn what_has_time_waits_until_the_last_pass_has_ended() {
        let (traffic, start) = (Traffic::default(), Instant::now());
        traffic.quiet(LONG).await;
        let (one, other) = (traffic.pass(), traffic.pass());
        let wait = Duration::from_millis(30);
        let ends = async {
            drop(one);
            tokio::time::sleep(wait).await;
            drop(other);
        };
        tokio::join!(traffic.quiet(LONG), ends);
        assert!((wait..LONG).contains(&start.elapsed()), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn passes_that_do_not_end_hold_nothing_up_for_good() {
        let traffic = Traffic::default();
        let (_endless, start) = (traffic.pass(), Instant::now());
        let bound = Duration::from_millis(30);
        traffic.quiet(bound).await;
        assert!(start.elapsed() >= bound);
    }
}
