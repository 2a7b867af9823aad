//! Wake-ups: objects that must be judged again because something that they
//! depend on has changed, or because a time has come. The engine leaves them in
//! the database, in the transaction that makes them necessary, whoever's
//! transaction it was: this controller's, the activation page's, the outbox's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Shared;
use super::failure::Failure;
use super::queue::Lane;
use crate::domain::object::ObjectKey;
use crate::store::objects::Registered;
use crate::store::{Access, StoreError};

/// How often the database is asked. An activation must show in the status
/// within two seconds, on databases that cannot notify.
const POLL: Duration = Duration::from_millis(500);
/// How often it is asked while it does not answer.
const POLL_BROKEN: Duration = Duration::from_secs(2);
/// Wake-ups taken at once.
const BATCH: i64 = 256;

/// Feeds the queue for as long as the controller runs.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut pause = POLL;
    loop {
        tokio::select! {
            () = shared.wake.notified() => {},
            () = tokio::time::sleep(pause) => {},
        }
        pause = match take(&shared).await {
            Ok(()) => {
                shared.outages.database_is_up();
                POLL
            }
            Err(error) => {
                shared.outages.database_is_down(&Failure::from(error).told());
                POLL_BROKEN
            }
        };
    }
}

async fn take(shared: &Shared) -> Result<(), StoreError> {
    loop {
        let mut announced = vec![];
        let announce = |keys: &[ObjectKey]| {
            shared.announce(keys);
            announced = keys.to_vec();
        };
        let taken = shared.engine.take_woken_and(Duration::ZERO, BATCH, announce).await;
        // Whoever was announced is looked at, even if it is not known whether
        // the list was taken: looking twice does no harm.
        let more = i64::try_from(announced.len()).is_ok_and(|taken| taken == BATCH);
        for key in announced {
            shared.queue.add(key, Lane::Wake);
        }
        taken?;
        if !more {
            return Ok(());
        }
    }
}

/// Once every first list is there: tells so, and looks for objects that the
/// database knows and the cluster has no more, because they went while nobody
/// watched and did not wait for their finalizer.
pub(super) async fn sweep_when_synced(shared: Arc<Shared>, synced: Arc<AtomicBool>) {
    shared.cache.synced().await;
    synced.store(true, Ordering::Relaxed);
    tracing::info!("all objects are listed; the controller is ready");
    let registered = loop {
        match registered(&shared).await {
            Ok(registered) => break registered,
            Err(error) => {
                shared.outages.database_is_down(&Failure::from(error).told());
                tokio::time::sleep(POLL_BROKEN).await;
            }
        }
    };
    let missing = registered
        .into_iter()
        .map(|object| object.key)
        .filter(|key| shared.cache.can_tell(key) && shared.cache.get(key).is_none())
        .collect::<Vec<_>>();
    let count = missing.len();
    shared.sweep(missing);
    if count > 0 && shared.cache.is_empty() {
        tracing::warn!(
            "the cluster holds no object at all, but the database knows {count} from this source; nothing is removed for that. If this is the right cluster and they are to go, create them again and delete them"
        );
    } else if count > 0 {
        tracing::info!("{count} objects have gone while nobody watched; their rows go too");
    }
}

async fn registered(shared: &Shared) -> Result<Vec<Registered>, StoreError> {
    let mut tx = shared.engine.store().begin(Access::Read).await?;
    tx.objects(shared.engine.source()).await
}
