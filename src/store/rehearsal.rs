//! What if? A store in which everything can be done as in the real one and
//! nothing of it ever stays: `check`, `explain`, `what-can` and `test` judge
//! files in it and then ask. Commands begin it by [`Store::rehearsal`]; to the
//! engine it is a store like any other.
//!
//! SQLite is copied into memory. PostgreSQL is not copied: one transaction is
//! opened and never committed, and each transaction of the engine is a
//! savepoint in it. Rows that it has changed stay locked until it ends: others
//! who change the same objects wait for it. So it takes no locks of trees,
//! wakes objects in a table of its own, gives up on rows that others hold, and
//! ends when nobody has asked it anything for minutes.

use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Executor as _, PgPool, Postgres, SqlitePool, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Pool, Store, StoreError};

/// The transaction that is never committed.
#[derive(Debug)]
pub(super) struct Outer {
    pub(super) tx: Transaction<'static, Postgres>,
    /// A savepoint is open: whoever opened it has dropped it without a word.
    open: bool,
}

/// One of the engine's transactions inside of it.
#[derive(Debug)]
pub(super) struct Inside(OwnedMutexGuard<Outer>);

impl Store {
    /// A store that begins as this one stands, and leaves no trace.
    pub async fn rehearsal(&self) -> Result<Self, StoreError> {
        let pool = match &self.pool {
            Pool::Sqlite(pool) => Pool::Sqlite(copy(pool).await?),
            Pool::Postgres(pool, _) => Pool::Rehearsed(Arc::new(Mutex::new(outer(pool).await?))),
            Pool::Rehearsed(outer) => Pool::Rehearsed(outer.clone()),
        };
        Ok(Self::of(pool))
    }
}

async fn outer(pool: &PgPool) -> Result<Outer, StoreError> {
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    // Everybody wakes the same few objects: a rehearsal that did so in the same
    // table would hold up all of them until it ends.
    for statement in [
        "SET LOCAL lock_timeout = '10s'",
        "SET LOCAL idle_in_transaction_session_timeout = '5min'",
        "CREATE TEMPORARY TABLE wakeup (LIKE wakeup INCLUDING ALL) ON COMMIT DROP",
    ] {
        tx.execute(statement).await?;
    }
    Ok(Outer { tx, open: false })
}

/// The file with everything committed so far, as a database in memory.
async fn copy(pool: &SqlitePool) -> Result<SqlitePool, StoreError> {
    let mut bytes = pool.acquire().await?.serialize(None).await?;
    // Bytes 18 and 19 of the header name the journal: 2 is the write-ahead log,
    // which a database in memory cannot have, 1 is the rollback journal.
    if let Some(journal) = bytes.get_mut(18..20) {
        journal.fill(1);
    }
    let memory = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(SqliteConnectOptions::new().in_memory(true).foreign_keys(true))
        .await?;
    memory.acquire().await?.deserialize(None, bytes, false).await?;
    Ok(memory)
}

impl Inside {
    /// Begins: what the one before has left open is undone first.
    pub(super) async fn begin(outer: Arc<Mutex<Outer>>) -> Result<Self, StoreError> {
        let mut guard = outer.lock_owned().await;
        if guard.open {
            guard.tx.execute("ROLLBACK TO SAVEPOINT pass; RELEASE SAVEPOINT pass").await?;
            guard.open = false;
        }
        guard.tx.execute("SAVEPOINT pass").await?;
        guard.open = true;
        Ok(Self(guard))
    }

    /// Keeps what was done, for as long as the rehearsal goes on.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.0.tx.execute("RELEASE SAVEPOINT pass").await?;
        self.0.open = false;
        Ok(())
    }

    pub(super) fn connection(&mut self) -> &mut sqlx::PgConnection {
        &mut self.0.tx
    }
}
