//! Connections to PostgreSQL at hand for statements that stand alone. The pool
//! asks a connection whether it is still there each time that it comes back:
//! one more round trip for the smallest question, and the next question meets
//! another connection, which has nothing in its caches. These few go from one
//! statement to the next instead. One that has rested, served for long, or met
//! an error goes back to the pool, which tests it. Only the store uses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use super::IDLE;

/// How many are at hand at most; whoever finds none takes one from the pool.
const MOST: usize = 4;
/// How long one serves before the pool tests it.
const SERVICE: Duration = Duration::from_secs(60);

/// The connections at hand. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct AtHand(Arc<Resting>);

/// None: closed.
#[derive(Debug)]
struct Resting(Mutex<Option<Vec<Kept>>>);

/// A connection that serves. Dropped, it goes back to the pool.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) connection: PoolConnection<Postgres>,
    since: Instant,
    rests_since: Instant,
}

impl Default for AtHand {
    fn default() -> Self {
        Self(Arc::new(Resting(Mutex::new(Some(vec![])))))
    }
}

impl AtHand {
    /// The one that has rested for the shortest time, or one from the pool.
    pub(super) async fn take(&self, pool: &PgPool) -> Result<Kept, sqlx::Error> {
        while let Some(kept) = self.pop() {
            if kept.rests_since.elapsed() < IDLE {
                return Ok(kept);
            }
        }
        let now = Instant::now();
        Ok(Kept { connection: pool.acquire().await?, since: now, rests_since: now })
    }

    /// Keeps one whose statement has succeeded for the next.
    pub(super) fn keep(&self, kept: Kept) {
        let mut resting = self.resting();
        if let Some(all) = resting.as_mut()
            && all.len() < MOST
            && kept.since.elapsed() < SERVICE
        {
            all.push(Kept { rests_since: Instant::now(), ..kept });
        }
    }

    /// Gives all back, and keeps none any more.
    pub(super) fn close(&self) {
        drop(self.resting().take());
    }

    fn pop(&self) -> Option<Kept> {
        self.resting().as_mut()?.pop()
    }

    fn resting(&self) -> MutexGuard<'_, Option<Vec<Kept>>> {
        // Written in one go, so a panic elsewhere spoils nothing.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        // The pool goes, too, maybe after the runtime that it would need to
        // take them back.
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        for kept in all.unwrap_or_default() {
            drop(kept.connection.detach());
        }
    }
}
